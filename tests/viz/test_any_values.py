"""Pictures of any values: infinite, NaN, the largest, the smallest, none; and graphs of any size."""

from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.figure import Figure

from minicnn import InputError, Tensor, nn, viz
from minicnn.equivariance.proof import Derivation, Step
from minicnn.invariance import Shifts
from minicnn.moving_digit.figure import MovedMaps
from minicnn.moving_digit.moves import Move
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
        figure.draw_without_rendering()


def history(value):
    return [{"epoch": i, "train_error": 0.1 if i else value, "val_error": value if i else 0.2} for i in range(2)]


def evaluation(value):
    return SimpleNamespace(predictions=np.ones(3, int), probabilities=np.full((3, 2), value))


def map_of(value):
    values = np.array([[0.5, value, 0.5]] * 3)
    return SimpleNamespace(accuracy=values, feature_distance=values, shifts=Shifts(1), labels=[1, 2, 3])


def compared(value):
    return SimpleNamespace(accuracy=np.array([value, 0.5]), consistency=value, title="28 x 28", shifts=Shifts(1),
                           maps=[map_of(value)])


def moved(value, size=3):
    difference = np.full((size, size), 0.5)
    difference[0, 0] = value
    return MovedMaps("conv1", Move((1, 1)), np.zeros((2, 5, 5), np.uint8), np.zeros((2, size, size), int), difference,
                     difference, value, SimpleNamespace(centroids=np.zeros((3, 2))))


def proof(value, size=3):
    image = np.full((1, size, size), value)
    return Derivation(image, image[None], [Step("s", "f", image, value, False)] * 2, 1.0)


def step_of(value, task):
    row = {"status": "ok", "library": "minicnn", "name": "n", "ratio_in_turn": value, "peak_mb": value, "error": value}
    rows = [{**row, "median_ms": ms, "q1_ms": ms, "q3_ms": ms} for ms in (value, 3.0)]
    return machine("train", [{"task": task, "title": "t", "rows": rows}])


def layer_of(value):
    rows = [{"status": "ok", "name": "fft", "both": {"gflops": speed}, "errors": {"a": value}} for speed in (value, 3)]
    return machine("conv", [{"network": "n", "case": "c", "layer": "l", "threads": 1, "batch_size": 1, "rows": rows}])


def machine(benchmark, runs):
    return [{"benchmark": benchmark, "cpu": "c", "cores": 2, "date": "2026-01-01", "runs": runs}]


OTHERS = {
    "learning_curve": lambda v, ax: viz.learning_curve(history(v), ax),
    "confusion_matrix": lambda v, ax: viz.confusion_matrix(np.array([[1.0, v], [2, v]]), ax),
    "mistakes": lambda v, ax: viz.worst_mistakes(np.full((3, 4, 4), v), np.zeros(3, int), evaluation(v), ax),
    "colours": lambda v, ax: viz.worst_mistakes(np.full((3, 3, 1, 1), v), np.zeros(3, int), evaluation(v), ax),
    "invariance_map": lambda v, ax: viz.invariance_map(map_of(v), ax),
    "distances": lambda v, ax: viz.invariance_map(map_of(v), ax, "feature_distance"),
    "model_comparison": lambda v, ax: viz.model_comparison([compared(v)], ax),
    "pool_changes": lambda v, ax: viz.pool_changes([SimpleNamespace(pool="a", of="b", even=v, odd=0.5)]),
    "moved_maps": lambda v, ax: viz.moved_maps(moved(v)),
    "moved_maps of a pixel": lambda v, ax: viz.moved_maps(moved(v, 1)),
    "derivation": lambda v, ax: viz.derivation(proof(v)),
    "derivation of a pixel": lambda v, ax: viz.derivation(proof(v, 1)),
    "steps": lambda v, ax: viz.speed_and_error(step_of(v, "train")),
    "forward passes": lambda v, ax: viz.speed_and_error(step_of(v, "forward")),
    "layers": lambda v, ax: viz.speed_and_error(layer_of(v)),
}


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.7e308, 1.7e308, 0.0])
@pytest.mark.parametrize("name", OTHERS)
def test_other_pictures_of_any_values(name, value):
    ax = Figure().subplots()
    drawn = OTHERS[name](value, ax)
    figure = drawn if isinstance(drawn, Figure) else ax.figure
    figure.set_layout_engine("none")                    # half of the time
    figure.draw_without_rendering()


ONE, MANY = np.zeros((1, 1)), np.zeros((3, 4, 4))
NAMES = [{"epoch": 1, "val_error": 0.1}]


@pytest.mark.parametrize(("draw", "message"), [
    (lambda ax: viz.filters(MANY, ax), r"filters: an array of shape \(K, C, kh, kw\) is needed, not \(3, 4, 4\)"),
    (lambda ax: viz.filters(MANY[None], ax, 0), "filters: columns must be an integer of at least 1, not 0"),
    (lambda ax: viz.feature_maps(ONE, ax), r"feature_maps: an array of shape \(C, H, W\) is needed, not \(1, 1\)"),
    (lambda ax: viz.feature_maps(MANY, ax, 0), "feature_maps: columns must be an integer of at least 1, not 0"),
    (lambda ax: viz.toeplitz_matrix(ONE[0], ax), r"toeplitz_matrix: an array of shape \(outputs, inputs\) is needed"),
    (lambda ax: viz.transfer(ONE[0], ax), r"transfer: an array of shape \(H, W\) is needed, not \(1,\)"),
    (lambda ax: viz.singular_values(ONE, ax), r"singular_values: an array of shape \(n,\) is needed, not \(1, 1\)"),
    (lambda ax: viz.confusion_matrix(MANY[0, :2], ax), "confusion_matrix: as many rows as columns are needed"),
    (lambda ax: viz.confusion_matrix(ONE[:0, :0], ax), "confusion_matrix: there is nothing to draw in an array"),
    (lambda ax: viz.worst_mistakes(MANY, np.zeros(3), evaluation(1), ax, 0), "worst_mistakes: rows must be an integer"),
    (lambda ax: viz.worst_mistakes(MANY, np.zeros(3), evaluation(1), ax, 1, 0), "worst_mistakes: columns must be an"),
    (lambda ax: viz.learning_curve(NAMES, ax), "a record of the history has no 'train_error': it has epoch, val_error"),
    (lambda ax: viz.speed_and_error(machine("train", [{"task": "train", "title": "t", "rows": [
        {"status": "ok", "median_ms": np.nan, "q1_ms": 1.0, "q3_ms": 1.0}]}])), "no measurement in these"),
])
def test_what_cannot_be_drawn_is_refused(draw, message):
    with pytest.raises(InputError, match=message):
        draw(Figure().subplots())


def test_single_pixels_and_no_mistakes_are_drawn():
    nothing = SimpleNamespace(predictions=np.zeros(0, int), probabilities=np.zeros((0, 2)))
    for draw in (lambda ax: viz.filters(ONE[None, None], ax), lambda ax: viz.feature_maps(ONE[None], ax),
                 lambda ax: viz.toeplitz_matrix(ONE, ax), lambda ax: viz.transfer(ONE, ax),
                 lambda ax: viz.singular_values(ONE[0], ax), lambda ax: viz.confusion_matrix(ONE, ax),
                 lambda ax: viz.worst_mistakes(MANY[:0], np.zeros(0, int), nothing, ax),
                 lambda ax: viz.learning_curve([{"epoch": 1, "train_error": None, "val_error": np.nan}], ax)):
        figure = Figure()
        draw(figure.subplots())
        figure.draw_without_rendering()


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
