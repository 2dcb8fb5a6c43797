"""The pictures of invariance show the numbers that they get."""

from types import SimpleNamespace

import numpy as np
import pytest

from minicnn.data import load
from minicnn.errors import InputError
from minicnn.invariance import Shifts, compare_models, invariance_map
from minicnn.invariance.pooling import PoolChange
from minicnn.models import MLP
from minicnn.viz import invariance_map as draw_map
from minicnn.viz import model_comparison, new_figure, pool_changes, save


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


def test_the_band_of_several_seeds_and_the_order_of_the_legend(some_map):
    def result(title, *shares):
        maps = [SimpleNamespace(labels=some_map.labels, by_distance=lambda share=share: [{"accuracy": share}] * 3)
                for share in shares]
        return SimpleNamespace(title=title, accuracy=np.full(3, np.mean(shares)), consistency=0.5, shifts=Shifts(2, 28),
                               maps=maps)
    _, ax = new_figure()
    model_comparison([result("low", 0.2, 0.4), result("high", 0.8, 1.0)], ax)
    assert [band.get_paths()[0].get_extents().extents.tolist() for band in ax.collections] == [
        pytest.approx([0, 20, 2, 40]), pytest.approx([0, 80, 2, 100])]
    assert [text.get_text()[:4] for text in ax.get_legend().get_texts()] == ["high", "low "]
    assert ax.get_title().endswith("(9 digits, 2 seeds)")


def test_picture_of_the_pools():
    pools = [PoolChange(pool, of, even, odd) for of in ("bars", "maps")
             for pool, even, odd in (("max", 0.0, 0.3), ("blur", 0.1, 0.2))]
    figure = pool_changes(pools)
    assert [ax.get_title() for ax in figure.axes] == ["bars", "maps"]
    for ax in figure.axes:
        even, odd = ax.lines[-2:]
        assert even.get_xydata().tolist() == [[0, 0], [0.1, 1]] and odd.get_xydata().tolist() == [[0.3, 0], [0.2, 1]]
        assert ax.get_xlim() == (0, pytest.approx(0.324)) and ax.yaxis_inverted()
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["max", "blur"]
    figure.draw_without_rendering()
    with pytest.raises(InputError, match="pool_changes: there is no pool that could be drawn"):
        pool_changes([])


def test_bad_input_is_named():
    with pytest.raises(InputError, match="invariance_map: quantity must be one of 'accuracy', .*, not 'colour'"):
        draw_map(None, None, "colour")
    for results in ([], 9 * [None]):
        with pytest.raises(InputError, match=f"model_comparison: {len(results)} results; give 1 to 8"):
            model_comparison(results, None)
