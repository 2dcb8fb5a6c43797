"""Learning curves: which epoch is kept, errors of 0, several seeds, the order of the legend."""

import numpy as np
import pytest

from minicnn import viz
from minicnn.errors import InputError


@pytest.fixture
def ax():
    return viz.new_figure()[1]


def history(*errors):
    return [{"epoch": i, "train_error": a, "val_error": b} for i, (a, b) in enumerate(errors, 1)]


def test_learning_curve(ax):
    assert viz.learning_curve(history((0.2, 0.1), (0.05, 0.025)), ax) is ax
    training, validation, kept = (line.get_xydata().tolist() for line in ax.lines)
    assert training == [[1, 20], [2, 5]] and validation == [[1, 10], [2, 2.5]] and kept == [[2, 2.5]]
    assert ax.get_yscale() == "log"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", "error (%), logarithmic scale")
    assert legend_of(ax) == ["training (while it learns)", "validation", "kept: epoch 2, 2.50 %"]


def legend_of(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_the_first_of_the_best_epochs_is_kept_and_the_legend_has_the_order_of_the_curves(ax):
    viz.learning_curve(history((0.3, 0.2), (0.02, 0.1), (0.01, np.nan), (0.005, 0.1), (0.001, 0.12)), ax)
    assert ax.lines[2].get_xydata().tolist() == [[2, 10]]
    assert legend_of(ax) == ["validation", "kept: epoch 2, 10.00 %", "training (while it learns)"]
    viz.learning_curve(history((0.3, np.nan)), ax := viz.new_figure()[1])
    assert len(ax.lines) == 2, "no epoch is marked if no validation error is a number"


@pytest.mark.parametrize("errors", [[(0.2, 0.1), (0.0, 0.001), (0.0, 0.0)], [(0.0, 0.0)]])
def test_an_epoch_without_an_error_is_drawn(errors, ax):
    viz.learning_curve(history(*errors), ax)
    assert ax.get_ylabel().startswith("error (%), logarithmic scale, linear below ")
    for line, of in zip(ax.lines[:2], zip(*errors, strict=True), strict=True):
        np.testing.assert_allclose(line.get_ydata(), 100 * np.array(of))
        pixels = ax.transData.transform(line.get_xydata())
        assert np.isfinite(pixels).all()
        assert pixels[-1, 1] == pytest.approx(ax.bbox.y0)               # on the axis below, at 0
    assert ax.get_ylim()[0] == 0


def test_a_history_without_epochs_is_refused(ax):
    with pytest.raises(InputError, match="learning_curve: the history is empty"):
        viz.learning_curve([], ax)


def test_the_band_of_several_seeds(ax):
    history = lambda *errors: [{"epoch": t, "val_error": error} for t, error in enumerate(errors, 1)]
    viz.learning_curves({"net (2 seeds)": [history(0.4, 0.1), history(0.2, 0.3)], "one": history(0.5, 0.5)}, ax)
    assert [line.get_ydata() for line in ax.lines] == [pytest.approx([30, 20]), pytest.approx([50, 50])]
    band, = ax.collections
    assert band.get_paths()[0].get_extents().extents == pytest.approx([1, 10, 2, 40])
    assert legend_of(ax) == ["one", "net (2 seeds)"]
    assert "band: from the least to the largest" in ax.get_title()


def test_learning_curves_of_many_runs():
    history = lambda last: [{"epoch": t, "val_error": last / t} for t in (1, 2)]
    figure, ax = viz.new_figure()
    viz.learning_curves({f"runs/{i}": history(0.1 + i / 100) for i in range(20)} | {"empty": []}, ax)
    looks = {(line.get_color(), line.get_marker(), line.get_linestyle()) for line in ax.lines}
    assert len(ax.lines) == len(looks) == 20, "each run has a line of its own look"
    assert ax.lines[0].get_ydata().tolist() == pytest.approx([10, 5])
    assert legend_of(ax) == [f"runs/{i}" for i in reversed(range(20))] and not ax.collections
    with pytest.raises(ValueError, match="no run has an epoch that could be drawn"):
        viz.learning_curves({"a": []}, ax)
    figure, ax = viz.new_figure()
    viz.learning_curves({r"$\frac{$": history(0.1)}, ax)
    figure.draw_without_rendering()                          # the name is no formula
    with pytest.raises(ValueError, match="25 runs are too many for one picture: give at most 24"):
        viz.learning_curves({str(i): history(1) for i in range(25)}, ax)
    with pytest.raises(ValueError, match="has no 'val_error'"):
        viz.learning_curves({"a": [{"epoch": 1}]}, ax)
