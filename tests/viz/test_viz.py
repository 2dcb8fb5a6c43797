"""The pictures: each takes an ax and returns it, shows the numbers that it gets, and names their units."""

from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from minicnn import Tensor, viz
from minicnn import functional as F
from minicnn.equivariance import derivation
from minicnn.equivariance.matrix import eigenvalues, operator_matrix
from minicnn.equivariance.matrix import singular_values as values_of
from minicnn.errors import InputError
from minicnn.models import LeNet, lenet
from minicnn.viz.network import LINES
from minicnn.viz.proof import FORMULAS
from minicnn.viz.style import VERMILION


@pytest.fixture
def ax():
    return viz.new_figure()[1]


def shown(ax):
    return np.ma.filled(np.ma.masked_invalid(ax.images[0].get_array()), 0)


# ---- classifiers: learning curves and mistakes

def test_confusion_matrix(ax, rng):
    matrix = rng.integers(0, 9, (4, 4))
    matrix[1, 2] = 0
    assert viz.confusion_matrix(matrix, ax) is ax
    np.testing.assert_array_equal(shown(ax), matrix * (1 - np.eye(4)))
    assert {(int(t.get_position()[1]), int(t.get_position()[0])): int(t.get_text()) for t in ax.texts} == {
        at: count for at, count in np.ndenumerate(matrix) if count}
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted", "true")
    paper = relative_luminance(ax.images[0].cmap(0.0))
    for text in ax.texts:
        assert (paper + 0.05) / (relative_luminance(text.get_color()) + 0.05) > 7 and text.get_fontsize() >= 8


def relative_luminance(colour):
    """That of WCAG 2, on which its contrast ratio is defined; 7 is its enhanced contrast."""
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour))
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def evaluation(rng, labels):
    """An evaluation in which every image gets the class after its own, with a random confidence."""
    probabilities = np.zeros((len(labels), 10))
    confidence = 0.5 + rng.permutation(len(labels)) / 20
    probabilities[np.arange(len(labels)), (labels + 1) % 10] = confidence
    return SimpleNamespace(predictions=(labels + 1) % 10, probabilities=probabilities), np.argsort(-confidence)


@pytest.mark.parametrize("shape", [(9, 7), (1, 9, 7)])
def test_worst_mistakes(shape, ax, rng):
    images, labels = rng.integers(1, 256, (8, *shape), dtype=np.uint8), rng.integers(0, 10, 8)
    found, order = evaluation(rng, labels)
    found.predictions[order[1]] = labels[order[1]]                      # this prediction is right
    order = np.delete(order, 1)
    assert viz.worst_mistakes(images, labels, found, ax, rows=2, columns=3) is ax
    for i, index in enumerate(order[:6]):
        y, x = i // 3 * (9 + 12) + 10, i % 3 * (7 + 4) + 2
        np.testing.assert_array_equal(shown(ax)[y:y + 9, x:x + 7], images[index].reshape(9, 7))
        sure = found.probabilities[index].max()
        assert ax.texts[i].get_text() == f"{labels[index]} taken for {found.predictions[index]}, {sure:.0%}"
        assert ax.texts[i].get_va() == "bottom" and y - 2 < ax.texts[i].get_position()[1] < y - 0.5
    assert ax.get_title() == "The 6 most confident of 7 mistakes in 8 images"


@pytest.mark.parametrize(("wrong", "height", "width"), [(0, 21, 11), (2, 21, 22), (4, 42, 33)])
def test_a_picture_of_few_mistakes_has_no_empty_places(wrong, height, width, ax, rng):
    labels = rng.integers(0, 10, 8)
    found, _ = evaluation(rng, labels)
    found.predictions[wrong:] = labels[wrong:]
    viz.worst_mistakes(np.zeros((8, 9, 7)), labels, found, ax, rows=2, columns=3)
    assert shown(ax).shape == (height, width)


def test_mistakes_in_colour_are_shown_in_colour(ax, rng):
    images, labels = rng.integers(0, 256, (3, 3, 6, 5), dtype=np.uint8), rng.integers(0, 10, 3)
    found, order = evaluation(rng, labels)
    viz.worst_mistakes(images, labels, found, ax)
    np.testing.assert_allclose(255 * shown(ax)[10:16, 2:7], images[order[0]].transpose(1, 2, 0))
    assert (shown(ax)[:10] == 1).all()                                  # white paper


def test_mistakes_that_do_not_fit_are_refused(ax, rng):
    labels = rng.integers(0, 10, 3)
    found, _ = evaluation(rng, labels)
    with pytest.raises(InputError, match=r"worst_mistakes: images of shape .* are needed, not \(3, 2, 4, 4\)"):
        viz.worst_mistakes(np.zeros((3, 2, 4, 4)), labels, found, ax)
    with pytest.raises(InputError, match="worst_mistakes: 2 images, 3 labels and 3 predictions: give as many of each"):
        viz.worst_mistakes(np.zeros((2, 4, 4)), labels, found, ax)


def test_the_numbers_on_an_axis_of_a_small_range_do_not_overlap(ax):
    from minicnn.viz.style import plain_numbers
    for low, high, most in (30, 41, 6), (30, 149, 6), (1, 1000, 10):
        ax.set(xscale="log", xlim=(low, high))
        plain_numbers(ax.xaxis)
        ax.figure.draw_without_rendering()
        shown = [label.get_text() for label in (*ax.get_xticklabels(), *ax.get_xticklabels(minor=True))
                 if label.get_text() and low <= float(label.get_text()) <= high]
        assert 2 <= len(shown) <= most, shown


# ---- inside a network

def test_filters(ax, rng, tmp_path):
    weight = rng.standard_normal((20, 1, 5, 5))
    assert viz.filters(weight, ax) is ax
    assert shown(ax).shape == (3 * 6 - 1, 8 * 6 - 1)
    np.testing.assert_array_equal(shown(ax)[6:11, 6:11], weight[9, 0])
    assert ax.images[0].get_clim() == (-abs(weight).max(), abs(weight).max())
    several = viz.filters(weight.reshape(4, 5, 5, 5), viz.new_figure()[1])
    np.testing.assert_array_equal(shown(several)[6:11, 12:17], weight.reshape(4, 5, 5, 5)[1, 2])


def test_feature_maps(ax, rng):
    maps = lenet(pretrained=True).features(Tensor(rng.standard_normal((1, 1, 38, 38)).astype(np.float32))).data[0]
    assert viz.feature_maps(maps, ax) is ax
    np.testing.assert_array_equal(shown(ax)[:22, 24:46], maps[1])
    assert ax.get_title() == "5 channels of 22x22" and ax.images[0].get_clim()[0] == 0


def test_gradient_flow(ax, rng):
    model = LeNet(rng=rng)
    with pytest.raises(InputError, match="gradient_flow: no parameter has a gradient: compute a loss and"):
        viz.gradient_flow(model, ax)
    F.cross_entropy(model(rng.standard_normal((2, 1, 28, 28)).astype(np.float32)), np.array([1, 2])).backward()
    assert viz.gradient_flow(model, ax) is ax
    expected = [np.sqrt((p.grad ** 2).mean()) for p in model.parameters()]
    np.testing.assert_allclose(ax.lines[0].get_xdata(), expected, rtol=1e-6)
    assert [label.get_text() for label in ax.get_yticklabels()] == [name for name, _ in model.named_parameters()]


def test_graph(ax, rng, monkeypatch):
    model = LeNet(rng=rng)
    loss = F.cross_entropy(model(rng.standard_normal((2, 1, 28, 28)).astype(np.float32)), np.array([1, 2]))
    text = viz.graph_text(loss)
    assert text.startswith("0 cross_entropy\n")
    assert text.count("conv2d") == 4
    assert viz.graph_source(loss).count("->") == 7 + 2 * 5
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert viz.computation_graph(loss, ax) is ax
    assert ax.texts[0].get_text() == text
    with pytest.raises(InputError, match="computation_graph: this Tensor was not computed from anything that requires"):
        viz.computation_graph(Tensor([1.0]), ax)


def test_a_long_graph_without_graphviz_is_cut(ax, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    x = Tensor([1.0], requires_grad=True)
    for _ in range(600):
        x = x + 1
    viz.computation_graph(x, ax)
    lines = ax.texts[0].get_text().splitlines()
    assert lines[:4] == ["601 operations and leaves:", "600 x add", "1 x leaf", ""]
    whole = viz.graph_text(x).splitlines()
    assert [line.strip() for line in lines[4:4 + LINES]] == [line.strip() for line in whole[:LINES]]
    assert lines[4 + LINES:] == [f"... and {len(whole) - LINES} lines more: see graph_text"]


# ---- operators

def test_matrix_and_spectrum(rng):
    weight = rng.standard_normal((1, 1, 3, 3))
    matrix = operator_matrix(weight, (5, 6), padding=1, padding_mode="circular")
    ax = viz.toeplitz_matrix(matrix, viz.new_figure()[1], block=(6, 6))
    np.testing.assert_array_equal(shown(ax), matrix.toarray())
    found = eigenvalues(weight, (5, 6))
    ax = viz.transfer(found, viz.new_figure()[1])
    assert shown(ax)[2, 3] == abs(found[0, 0])
    values = values_of(weight, (5, 6), padding="same", padding_mode="circular")
    ax = viz.singular_values(values, viz.new_figure()[1])
    np.testing.assert_allclose(ax.lines[0].get_ydata(), np.sort(abs(found).ravel())[::-1], rtol=1e-9)
    assert f"{values[0]:.3g}" in ax.texts[0].get_text()


@pytest.mark.parametrize(("block", "rows", "columns"), [
    (None, [], []), (6, [5.5, 11.5], [5.5]), ((3, 4), [2.5, 5.5, 8.5, 11.5, 14.5], [3.5, 7.5])])
def test_lines_between_blocks(block, rows, columns, ax, rng):
    viz.toeplitz_matrix(rng.standard_normal((18, 12)), ax, block)
    lines = [(list(line.get_xdata()), list(line.get_ydata())) for line in ax.lines]
    assert lines == [([0, 1], [y, y]) for y in rows] + [([x, x], [0, 1]) for x in columns]


@pytest.mark.parametrize(("block", "message"), [
    (5, "blocks of 5 x 5 do not divide a matrix of 18 x 12: give .width of the output image, width of the input"),
    ((6, 5), "blocks of 6 x 5 do not divide"), (0, "block must be an integer or a pair of .*, not 0"),
    ("6", "block must be an integer or a pair of integers of at least 1, not '6'"),
])
def test_blocks_that_do_not_fit_are_refused(block, message, ax):
    with pytest.raises(InputError, match=f"toeplitz_matrix: {message}"):
        viz.toeplitz_matrix(np.zeros((18, 12)), ax, block)


@pytest.mark.parametrize(("operator", "breaks"), [(lambda f: np.roll(f, 1, 3) - f, None), (np.abs, "linearity")])
def test_derivation(operator, breaks, rng):
    found = derivation(operator, rng.standard_normal((4, 5)))
    figure = viz.derivation(found)
    assert len(figure.axes) == 12 and all(len(ax.child_axes) == 1 for ax in figure.axes), "each has its scale"
    image, response, *steps, last = figure.axes
    np.testing.assert_array_equal(shown(image), found.image[0])
    np.testing.assert_array_equal(shown(response), np.roll(found.impulse_response[0, 0], (2, 2), (0, 1)))
    for number, (ax, step) in enumerate(zip(steps, found.steps, strict=True)):
        np.testing.assert_array_equal(shown(ax), step.value[0])
        assert ax.get_title() == f"step {number}: {step.name}\n{FORMULAS[step.name]}"
        words = "exactly equal to step" if not step.difference else "BREAKS: off step" if not step.holds else "equal to"
        assert ax.get_xlabel().startswith(words if number else "")
        assert (ax.spines["left"].get_edgecolor()[:3] == pytest.approx((0.835, 0.369, 0), abs=0.01)) == (not step.holds)
    assert VERMILION == "#D55E00" and figure.get_suptitle().endswith(
        "every step holds: L(f) = h * f" if breaks is None else f"breaks at: {breaks}")
    number = 2 if breaks else int(np.argmax([step.difference for step in found.steps]))
    np.testing.assert_array_equal(shown(last), (found.steps[number].value - found.steps[number - 1].value)[0])
    assert last.get_title() == f"{'where it breaks' if breaks else 'the largest rounding error'}\nstep {number} $-$ " \
                               f"step {number - 1}"
    assert last.images[0].get_clim() == pytest.approx((-found.steps[number].difference, found.steps[number].difference))
    figure.draw_without_rendering()                                     # matplotlib can set the formulas
    with pytest.raises(InputError, match="derivation: channel must be at most 0, the last of the output, not 1"):
        viz.derivation(found, channel=1)
