"""The picture of a prediction shows the numbers of the prediction."""

import numpy as np
import pytest

from minicnn import viz
from minicnn.training import Box, Prediction, WinningUnit


def found(classes=3, label=1, unit=True, size=(6, 8)):
    probabilities = np.full(classes, 0.1)
    probabilities[label] = 0.7
    box = WinningUnit("pool", 0, 1, 2, 3.0, 2.0, Box(1, 2, 3, 4)) if unit else None
    return Prediction(np.log(probabilities), probabilities, label, box, np.arange(np.prod(size)).reshape(size) / 50,
                      Box(4, 5, 2, 2), 0.5)


@pytest.mark.parametrize("shape", [(6, 8), (6, 8, 3)])
def test_the_boxes_the_bars_and_the_map(shape):
    figure = viz.prediction(np.full(shape, 7, np.uint8), found(), ["cat", "dog", "cow"])
    image, bars, hidden = figure.axes
    (box,), (square,) = image.patches, hidden.patches
    assert (box.get_xy(), box.get_width(), box.get_height()) == ((1.5, 0.5), 4, 3)
    assert (square.get_xy(), square.get_width(), square.get_height()) == ((4.5, 3.5), 2, 2)
    assert [bar.get_width() for bar in bars.patches] == [0.1, 0.7, 0.1]
    assert [text.get_text() for text in bars.get_yticklabels()] == ["cat", "dog", "cow"]
    assert image.get_title().startswith("dog: 70.0%")
    np.testing.assert_array_equal(hidden.images[0].get_array(), found().occlusion)
    assert hidden.images[0].get_clim() == (-47 / 50, 47 / 50)
    assert hidden.get_title() == "Mean fall of the probability\nover the squares that hide a pixel"


@pytest.mark.parametrize("largest", [1.0, 0.0873, 0.00123])
def test_the_labels_of_the_colours_are_percentage_points_inside_of_the_picture(largest):
    answer = found()
    answer.occlusion[...] *= largest / answer.occlusion.max()
    figure = viz.prediction(np.zeros((6, 8)), answer, "abc")
    figure.draw_without_rendering()
    bar, = figure.axes[2].child_axes
    assert bar.get_ylabel() == "percentage points" and len(bar.get_yticklabels()) <= 7
    assert bar.get_tightbbox().x1 <= figure.bbox.x1
    shown = [tick.get_text() for tick, at in zip(bar.get_yticklabels(), bar.get_yticks(), strict=True)
             if abs(at) <= largest]
    assert 100 * largest / 2 <= max(map(float, shown)) <= 100 * largest


def test_of_many_classes_the_most_probable_are_shown():
    figure = viz.prediction(np.zeros((6, 8)), found(40, 33, unit=False), [f"class {i}" for i in range(40)])
    assert figure.axes[1].get_yticklabels()[0].get_text() == "class 33" and len(figure.axes[1].patches) == 10
    assert not figure.axes[0].patches


def test_names_are_no_formulas():
    figure = viz.prediction(np.zeros((6, 8)), found(), [r"$\frac{$", "a$b$", "a\nb" + 40 * "c"])
    figure.draw_without_rendering()
    assert figure.axes[1].get_yticklabels()[0].get_text() == r"$\frac{$"
    assert figure.axes[1].get_yticklabels()[2].get_text() == "a?b" + 20 * "c" + "…"


def test_no_answer_is_drawn_too():
    nothing = Prediction(np.full(3, np.nan), np.full(3, np.nan), -1, None, np.full((6, 8), np.nan), Box(0, 0, 1, 1),
                         np.nan)
    figure = viz.prediction(np.zeros((6, 8)), nothing, "abc")
    assert figure.axes[0].get_title() == "no answer" and not figure.axes[2].patches
    figure.draw_without_rendering()


def test_what_does_not_fit():
    with pytest.raises(ValueError, match=r"the image has shape \(5, 8\), but the answer is about an image of \(6, 8\)"):
        viz.prediction(np.zeros((5, 8)), found(), "abc")
    with pytest.raises(ValueError, match="2 names for 3 classes"):
        viz.prediction(np.zeros((6, 8)), found(), "ab")
