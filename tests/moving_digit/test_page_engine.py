"""The network in the page, in JavaScript, against minicnn."""

import json

import numpy as np
import pytest

from minicnn import Tensor
from minicnn.data import normalize
from minicnn.errors import InputError
from minicnn.models import LeNet
from minicnn.moving_digit.network import layers_of, modules_of
from minicnn.nn import AvgPool2d, Conv2d, Dropout, Flatten, Linear, MaxPool2d, ReLU, Sequential
from tests.moving_digit.engine import maps_of_canvas


def strokes(rng, count):
    """Lines of three to six points, of which some lie outside the canvas."""
    return [rng.uniform(-2, 40, (rng.integers(3, 7), 2)) for _ in range(count)]


def test_every_map_of_20_drawings_is_the_engines(opened, model, rng):
    for k in range(20):
        if k % 4 == 0:
            opened.run("minicnn.clear()")
        opened.draw(*strokes(rng, rng.integers(1, 4)), tool="eraser" if k % 4 == 3 else "pen")
        pixels = normalize(opened.drawing()[None])
        expected = maps_of_canvas(model, pixels)
        logits = model(Tensor(np.ascontiguousarray(pixels[:, :, 5:33, 5:33]))).data[0]
        found, scores = opened.floats()
        assert list(found) == list(expected)
        for name, maps in expected.items():
            np.testing.assert_allclose(found[name], maps, rtol=0, atol=1e-5 * max(1, abs(maps).max()))
        np.testing.assert_allclose(scores, logits, rtol=0, atol=1e-5 * abs(logits).max())


def test_only_pixels_that_see_a_change_are_computed_and_nothing_else_changes(opened, rng):
    opened.draw(*strokes(rng, 2))
    opened.floats("few")
    opened.draw([[20.0, 11.0], [21.0, 13.0]])
    few, few_scores = opened.floats("few")
    whole, scores = opened.floats("whole")
    for name, maps in whole.items():
        np.testing.assert_array_equal(few[name], maps)
    np.testing.assert_array_equal(few_scores, scores)


def test_the_page_says_that_it_computes_as_minicnn(opened):
    assert opened.promise("return (await minicnn.checked).fine")
    assert opened.text("check").startswith("This page has computed all 89,195 numbers of the first digit itself. They "
                                           "equal those of minicnn to ")


def test_other_weights_are_noticed(opened):
    """Two numbers of the file's reference are changed: then the page must not say that it is right."""
    for index in (7, 89_190):
        opened.run("minicnn.data.reference[arguments[0]] += 0.01", index)
        assert not opened.promise("return (await minicnn.checkLive()).fine")
        assert "Trust no map of a drawing" in opened.text("check")
        opened.run("minicnn.data.reference[arguments[0]] -= 0.01", index)


def pairs(*modules):
    return [(f"{k}", module) for k, module in enumerate(modules)]


NETWORKS = {
    "stride, padding and dilation": [Conv2d(2, 5, (3, 2), stride=(2, 1), padding=(1, 2), dilation=(1, 2)), ReLU(),
                                     Conv2d(5, 3, 4, stride=3, bias=False)],
    "pools between": [Conv2d(2, 6, 3), ReLU(), MaxPool2d(3, 2), Conv2d(6, 4, 3, padding=1), AvgPool2d(2), ReLU()],
    "one pixel": [Conv2d(2, 1, (13, 11))],
    "linear layers": [Conv2d(2, 4, 5), MaxPool2d((2, 3)), Flatten(), Linear(4 * 4 * 2, 9), ReLU(), Linear(9, 2)],
}


@pytest.mark.parametrize("name", NETWORKS)
def test_other_networks(opened, rng, name):
    modules = NETWORKS[name]
    for module in modules:
        for parameter in module.parameters():
            parameter.data[...] = rng.normal(size=parameter.shape)
    layers, weights = layers_of(pairs(*modules))
    x = rng.normal(size=(2, 13, 11)).astype(np.float32)
    script = ("const [layers, weights, xs] = arguments;"
              "const net = Engine.network(JSON.parse(layers), Float32Array.from(weights), [2, 13, 11]);"
              "return xs.map((x) => Array.from(net.run(Float32Array.from(x)).at(-1)));")
    moved = x.copy()
    moved[1, 5, 6] += 1
    found = opened.run(script, json.dumps(layers), weights.tolist(), [one.ravel().tolist() for one in (x, moved, x)])
    for one, numbers in zip((x, moved, x), found, strict=True):
        expected = Sequential(*modules)(Tensor(one[None])).data
        np.testing.assert_allclose(numbers, expected.ravel(), rtol=0, atol=1e-5 * abs(expected).max())


def test_a_network_that_does_not_fit_is_an_error(opened):
    layers, _ = layers_of(pairs(Conv2d(1, 1, 5), Linear(3, 2)))
    script = ("try { Engine.network(JSON.parse(arguments[0]), new Float32Array(99), arguments[1]); }"
              "catch (error) { return error.message; }")
    assert opened.run(script, json.dumps(layers), [1, 4, 4]) == "0 does not take 1×4×4 numbers"
    assert opened.run(script, json.dumps(layers), [1, 6, 6]) == "1 does not take 1×2×2 numbers"


def test_the_layers_of_a_lenet():
    model = LeNet(in_channels=3, num_classes=4, rng=np.random.default_rng(1))
    layers, weights = layers_of(modules_of(model))
    assert [(one["name"], one["kind"], one["relu"]) for one in layers] == [
        ("conv1", "conv2d", True), ("conv2", "conv2d", True), ("conv3", "conv2d", True), ("conv4", "conv2d", True),
        ("pool", "max_pool2d", False), ("fc1", "linear", False)]
    for one in layers:
        for kind in ("weight", "bias") if "weight" in one else ():
            data = getattr(getattr(model, one["name"]), kind).data
            np.testing.assert_array_equal(weights[one[kind]:one[kind] + data.size], data.ravel())
    assert layers_of([])[1].shape == (0,)


@pytest.mark.parametrize(("modules", "message"), [
    ([ReLU()], "0: a ReLU before the first layer"),
    ([Conv2d(2, 2, 3, groups=2)], "only with groups 1 and a number as padding"),
    ([Conv2d(2, 2, 3, padding="same")], "0: Conv2d.*only with groups 1 and a number as padding"),
    ([Conv2d(2, 2, 3, padding=1, padding_mode="reflect")], "only with groups 1"),
    ([Conv2d(2, 2, 3), MaxPool2d(3, padding=1)], "1: MaxPool2d.*a pool only with a kernel and a stride"),
    ([Conv2d(2, 2, 3), AvgPool2d(2, ceil_mode=True)], "a pool only with a kernel and a stride"),
    ([Dropout()], r"0: Dropout\(p=0.5\): the page computes convolutions, ReLUs"),
])
def test_modules_that_the_page_does_not_compute(modules, message):
    with pytest.raises(InputError, match=message):
        layers_of(pairs(*modules))


