"""Pictures of any values: infinite, NaN, the largest, the smallest, none; and graphs of any size."""

import io

import numpy as np
import pytest
from matplotlib.figure import Figure

from minicnn import InputError, Tensor, nn
from minicnn.viz import network, operators


def flow(values, ax):
    model = nn.Linear(3, 3, dtype=np.float64)
    model.weight.grad, model.bias.grad = values, values[0]
    return network.gradient_flow(model, ax)


PICTURES = {
    "filters": lambda values, ax: network.filters(values[None, None], ax),
    "feature_maps": lambda values, ax: network.feature_maps(values[None], ax),
    "toeplitz_matrix": operators.toeplitz_matrix, "transfer": operators.transfer,
    "singular_values": lambda values, ax: operators.singular_values(values.ravel(), ax), "gradient_flow": flow}


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1.7e308, -1.7e308, 5e-324, 0.0])
@pytest.mark.parametrize("name", PICTURES)
def test_pictures_of_any_values(name, value):
    for count in (1, 9):
        values = np.ones(9)
        values[:count] = value
        values = values.reshape(3, 3)
        figure = Figure()
        PICTURES[name](values.copy(), figure.subplots())
        figure.savefig(io.BytesIO(), format="png")


@pytest.mark.parametrize("name", sorted(set(PICTURES) - {"gradient_flow"}))
def test_a_picture_of_nothing_is_refused(name):
    with pytest.raises(InputError, match=f"{name}: there is nothing to draw in an array of shape"):
        PICTURES[name](np.zeros((0, 0)), Figure().subplots())


def test_a_gradient_that_is_not_finite_has_its_name():
    ax = flow(np.array([[np.nan, 1, 1], [1, 1, 1], [1, 1, 1]]), Figure().subplots())
    assert [text.get_text() for text in ax.get_yticklabels()] == ["weight (nan)", "bias (nan)"]


@pytest.mark.parametrize("dot", [True, False])
def test_a_long_computation_is_summarised(dot, monkeypatch):
    started = []
    monkeypatch.setattr(network, "_graphviz", lambda source: started.append(source))
    if not dot:
        monkeypatch.setattr(network.shutil, "which", lambda name: None)
    x = y = Tensor(np.ones(1), requires_grad=True)
    for _ in range(5000):
        y = y * x + 1
    ax = network.computation_graph(y, Figure().subplots())
    text, = (text.get_text() for text in ax.texts)
    assert started == [] and len(text.splitlines()) < 80 and max(map(len, text.splitlines())) < 80
    assert "10,001 operations and leaves:\n5,000 x " in text and "lines more: see graph_text" in text
