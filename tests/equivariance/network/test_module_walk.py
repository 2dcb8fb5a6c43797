"""The steps of minicnn's Modules: operations between the layers have names, reasons and verdicts too."""

import numpy as np
import pytest

from minicnn import Tensor
from minicnn import functional as F
from minicnn.equivariance.layerwise import network_report
from minicnn.equivariance.network.module_walk import ModuleWalk
from minicnn.equivariance.operator import OperatorError
from minicnn.nn import AvgPool2d, Conv2d, Linear, MaxPool2d, Module, Parameter, ReLU, Sequential
from minicnn.tensor.tensor import recorded

CIRCLE = {"padding": 1, "padding_mode": "circular"}


class Net(Module):
    def __init__(self, rng):
        self.conv, self.head = Conv2d(1, 2, 3, rng=rng, **CIRCLE), Linear(2, 3, rng=rng)
        self.table = Parameter(rng.standard_normal((1, 2, 4, 4)).astype(np.float32))

    def forward(self, x):
        x = F.relu(self.conv(x))
        x = (x + 0.5 * x)[:, :, ::2, ::2]
        x = F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="circular"), 3, 1)
        return self.head((x + self.table).mean((2, 3)))


class Foreign(Module):
    """What it computes, `record` does not see."""

    def forward(self, x):
        return Tensor(2 * x.data)


class Applied(Module):
    def __init__(self, function):
        self.function = function

    def forward(self, x):
        return self.function(x)


def test_the_operations_between_the_layers(rng):
    found = network_report(Sequential(Net(rng)), 1, (8, 8), "torus", trials=2)
    assert [one.title for one in found.layers] == [
        "0.conv Conv2d", "0 / relu", "0 / mul", "0 / add", "0 / [:, :, ::2, ::2]", "0 / avg_pool2d", "0 / add"]
    assert [one.report.lattice for one in found.layers] == 4 * [(1, 1)] + 2 * [(2, 2)] + [(None, None)]
    assert found.first.title == "0 / [:, :, ::2, ::2]" and found.first.reason.startswith("its step 2 keeps only shifts")
    assert found.layers[-1].reason.startswith("it uses a tensor (1, 2, 4, 4) with a value for each position")
    pad = found.steps[5]
    assert (pad.name, pad.kind) == ("0 / pad", "pad(pad=(1, 1, 1, 1), mode='circular')") and pad.why.startswith(
        "its output has 6 x 6 pixels, and on the torus these must divide 8 x 8")
    assert [step.name for step in found.after] == ["0 / mean", "0.head"]


def test_a_part_that_a_later_step_mends():
    conv = Conv2d(1, 1, (3, 1))
    around = Applied(lambda x: conv(np.concatenate([x[:, :, -1:], x, x[:, :, :1]], 2)))
    found = network_report(Sequential(around, MaxPool2d(2)), 1, (8, 8), "torus", trials=1)
    assert [(one.report.equivariant, one.mended) for one in found.layers] == [
        (False, True), (False, True), (True, False), (False, False)]
    assert found.first.name == "1"


def test_a_padded_mean_on_the_plane():
    first = network_report(AvgPool2d(3, 1, 1, count_include_pad=False), 1, (8, 8), "plane", trials=1).first
    assert first.reason.startswith("count_include_pad=False divides by fewer pixels where a window reaches into")
    assert network_report(AvgPool2d(3, 1, 1), 1, (8, 8), "plane", trials=1).first is None


@pytest.mark.parametrize(("function", "name", "why"), [
    (lambda x: F.max_pool2d(x, 3, 1, 1), "max_pool2d", "its padding of width 1 makes pixels at the border: use a pool"),
    (lambda x: F.max_pool2d(x, 2), "max_pool2d", "its stride (2, 2) keeps only"),
    (lambda x: F.conv2d(x, Tensor(np.ones((1, 1, 3, 3))), padding=1), "conv2d", "its zero padding of width"),
    (lambda x: F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True), "interpolate", "align_corners"),
    (lambda x: x * Tensor(np.arange(64.0).reshape(8, 8)), "mul", "it uses a tensor (8, 8) with a value for each"),
    (lambda x: F.pad(x, (1, 1, 1, 1))[:, :, 2:, 2:], "[:, :, 2:, 2:]", "pad: its zero padding of width"),
])
def test_the_reason_of_an_operation(function, name, why):
    first = network_report(Applied(function), 1, (8, 8), "torus", np.float64, trials=1).first
    assert first.name == name and first.reason.startswith(why)


def test_a_module_whose_operations_are_not_seen_is_a_step():
    walk = ModuleWalk(Sequential(Foreign(), Applied(lambda x: x + 1), ReLU()), "float64", False)
    assert [step.name for step in walk.steps((2, 1, 4, 4))] == ["0", "1 / add", "2"]
    x = np.random.default_rng(0).normal(size=(3, 1, 4, 4))
    found = walk.outputs(x, [0, 2])
    assert np.array_equal(found[0], 2 * x) and np.array_equal(found[2], np.maximum(2 * x + 1, 0))


def test_other_steps_for_other_images():
    net = Applied(lambda x: F.relu(x) if x.data.max() < 1 else F.tanh(x))
    with pytest.raises(OperatorError, match=r"took other steps for other images \(tanh instead of relu\)"):
        network_report(net, 1, (4, 4), "torus", trials=1)


def test_listeners_end_with_an_error():
    heard = []
    with pytest.raises(KeyError), recorded(lambda name, *rest: heard.append(name)):
        F.relu(Tensor([1.0]))
        raise KeyError
    F.tanh(Tensor([1.0]))
    assert heard == ["relu"]


@pytest.mark.parametrize(("function", "text"), [
    (lambda F, x: F.max_pool2d(x, 2, 2, 0), "max_pool2d(kernel_size=2, stride=2)"),
    (lambda F, x: F.avg_pool2d(x, 3, 1, (0, 0), False, False), "avg_pool2d(kernel_size=3, stride=1)"),
    (lambda F, x: F.pad(x, (1, 1, 0, 0), "constant", 0), "pad(pad=(1, 1, 0, 0), mode='constant', value=0)"),
    (lambda F, x: F.leaky_relu(x, 0), "leaky_relu(negative_slope=0)"),
    (lambda F, x: F.softmax(x, dim=0), "softmax(dim=0)"),
    (lambda F, x: x[:len(x), :, 0:4], "[:N, :, 0:4]"), (lambda F, x: F.relu(x), "relu")])
def test_settings_are_written_as_those_of_pytorch(function, text):
    """Also a setting of 0."""
    torch = pytest.importorskip("torch")
    from minicnn.adapters.torch.walk import TorchWalk
    other = torch.nn.Module()
    other.forward = lambda x: function(torch.nn.functional, x)
    step, = ModuleWalk(Applied(lambda x: function(F, x)), "float32", False).steps((5, 2, 8, 8))
    same, = TorchWalk(other, "float32", "cpu").steps((5, 2, 8, 8))
    assert step.kind == same.kind.removeprefix("F.") == text
