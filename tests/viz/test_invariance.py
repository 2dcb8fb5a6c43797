"""The pictures of invariance show the numbers that they get."""

import numpy as np
import pytest

from minicnn.data import load
from minicnn.errors import InputError
from minicnn.invariance import Shifts, compare_models, invariance_map
from minicnn.models import MLP
from minicnn.viz import invariance_map as draw_map
from minicnn.viz import model_comparison, new_figure, save


@pytest.fixture(scope="module")
def some_map():
    data = load("mnist5k")
    return invariance_map(MLP(8, rng=np.random.default_rng(0)), data.val_images[:9], data.val_labels[:9], Shifts(2, 28))


@pytest.mark.parametrize("quantity", ["accuracy", "same_class", "feature_distance"])
def test_picture_of_a_map(quantity, some_map, tmp_path):
    figure, ax = new_figure(5, 5)
    assert draw_map(some_map, ax, quantity) is ax
    np.testing.assert_allclose(ax.images[0].get_array(), 100 * getattr(some_map, quantity))
    assert len(ax.texts) == 25 and len(ax.lines) == 9             # a number in every cell, a frame where both are even
    assert "9 digits" in ax.get_title() and "dx (pixels" in ax.get_xlabel()
    assert "only the middle 28x28 pixels" in " ".join(ax.get_xlabel().split())
    save(figure, tmp_path / "map.png")
    assert draw_map(some_map, new_figure()[1], title="mine").get_title() == "mine"


def test_picture_of_the_comparison(tmp_path):
    results = compare_models(["mlp"], epochs=1, images=20, reach=1)
    figure, ax = new_figure()
    assert model_comparison(results, ax) is ax
    np.testing.assert_allclose(ax.lines[0].get_ydata(), 100 * results[0].accuracy)
    assert "MLP, 28x28 pixels (consistency" in ax.get_legend().get_texts()[0].get_text()
    save(figure, tmp_path / "comparison.png")


def test_bad_input_is_named():
    with pytest.raises(InputError, match="invariance_map: quantity must be one of 'accuracy', .*, not 'colour'"):
        draw_map(None, None, "colour")
    for results in ([], 9 * [None]):
        with pytest.raises(InputError, match=f"model_comparison: {len(results)} results; give 1 to 8"):
            model_comparison(results, None)
