"""The pictures: each takes an ax and returns it, shows the numbers that it was given, and says its units."""

import numpy as np
import pytest

from minicnn import Tensor, viz
from minicnn import functional as F
from minicnn.equivariance.matrix import eigenvalues, operator_matrix
from minicnn.equivariance.matrix import singular_values as values_of
from minicnn.models import LeNet, lenet


@pytest.fixture
def ax():
    return viz.new_figure()[1]


def shown(ax):
    return np.ma.filled(np.ma.masked_invalid(ax.images[0].get_array()), 0)


def test_filters(ax, rng, tmp_path):
    weight = rng.standard_normal((20, 1, 5, 5))
    assert viz.filters(weight, ax) is ax
    assert shown(ax).shape == (3 * 6 - 1, 8 * 6 - 1)
    np.testing.assert_array_equal(shown(ax)[6:11, 6:11], weight[9, 0])
    viz.save(ax.figure, tmp_path / "a.png")
    several = viz.filters(weight.reshape(4, 5, 5, 5), viz.new_figure()[1])
    np.testing.assert_array_equal(shown(several)[6:11, 12:17], weight.reshape(4, 5, 5, 5)[1, 2])


def test_feature_maps(ax, rng):
    maps = lenet(pretrained=True).features(Tensor(rng.standard_normal((1, 1, 38, 38)).astype(np.float32))).data[0]
    assert viz.feature_maps(maps, ax) is ax
    np.testing.assert_array_equal(shown(ax)[:22, 24:46], maps[1])


def test_gradient_flow(ax, rng):
    model = LeNet(rng=rng)
    with pytest.raises(ValueError, match="call backward first"):
        viz.gradient_flow(model, ax)
    F.cross_entropy(model(rng.standard_normal((2, 1, 28, 28)).astype(np.float32)), np.array([1, 2])).backward()
    assert viz.gradient_flow(model, ax) is ax
    bars = ax.lines[0].get_xdata()
    np.testing.assert_allclose(bars[0], np.sqrt((model.conv1.weight.grad ** 2).mean()), rtol=1e-6)
    assert len(bars) == 10


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
    with pytest.raises(ValueError, match="was not computed from anything"):
        viz.computation_graph(Tensor([1.0]), ax)


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
