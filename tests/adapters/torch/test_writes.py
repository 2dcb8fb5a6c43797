"""Writes in place are followed: into views, by keyword, by NumPy; each step stands at its place in the report."""

import numpy as np
import pytest

from minicnn.adapters.torch.walk import TorchWalk
from minicnn.equivariance.layerwise import NotJudged, network_report

from .networks import CIRCLE, Applied

torch = pytest.importorskip("torch")
nn, F = torch.nn, torch.nn.functional
ALL, NO_DOWN = (1, 1), (None, 1)
COLUMNS = torch.arange(8)


def rows(write):
    """A network that writes twice the pixels, or a part of them, into zeros, and goes on."""
    def function(x):
        room = torch.zeros_like(x)
        write(room, 2 * x)
        return torch.tanh(room)
    return function


def by_set(room, y):
    room.data = y


def by_numpy(room, y):
    room.numpy()[...] = y.numpy()


def detached(room, y):
    part = room.detach()[:, :, 1:]
    part.copy_(y[:, :, 1:])


WRITES = {                              # a write, the name of its step, the lattice after it
    "every second row": (lambda room, y: room.__setitem__((..., slice(None, None, 2), slice(None)), y[:, :, ::2]),
                         "[..., ::2, :] =", (2, 1)),
    "index of an index": (lambda room, y: room[:, 0].__setitem__((slice(None), 2), y[:, 0, 2]), "[:, 2] =", NO_DOWN),
    "copy": (lambda room, y: room[:, :1].copy_(y[:, :1]), "copy", ALL),
    "copy into a part": (lambda room, y: room[:, :, 1:].copy_(y[:, :, 1:]), "copy", NO_DOWN),
    "flat copy": (lambda room, y: room.view(len(room), -1).copy_(y.flatten(1)), "copy", ALL),
    "detached copy": (detached, "copy", NO_DOWN),
    "index_put": (lambda room, y: room.index_put_((torch.arange(len(y)),), y), "index_put", ALL),
    "scatter": (lambda room, y: room.scatter_(3, COLUMNS.flip(0).expand_as(y), y), "scatter", (1, 4)),
    "index_copy": (lambda room, y: room[:, :1].index_copy_(2, COLUMNS, y[:, 1:]), "index_copy", ALL),
    "out": (lambda room, y: torch.mul(y, 3, out=room), "torch.mul", ALL),
    "out into a part": (lambda room, y: torch.mul(y[:, :, 1:], 3, out=room[:, :, 1:]), "torch.mul", NO_DOWN),
    "out of two": (lambda room, y: torch.max(y, 1, True, out=(room[:, :1], torch.empty(len(y), 1, 8, 8).long())),
                   "torch.max", ALL),
    "foreach": (lambda room, y: torch._foreach_add_([room], [y]), "foreach_add", ALL),
    "data": (by_set, "mul", ALL),
}


@pytest.mark.parametrize("inference", [False, True])
@pytest.mark.parametrize("name", WRITES)
def test_what_comes_after_a_write(name, inference):
    write, step, lattice = WRITES[name]
    net = Applied(torch.inference_mode(inference)(rows(write)))
    found = network_report(net, 2, (8, 8), "torus", trials=1)
    named = [one.name for one in found.steps]
    assert step in named and named[-1] == "torch.tanh" and found.layers[-1].report.lattice == lattice
    if lattice == NO_DOWN:
        assert found.first.name in (step, "[:, :, 1:]") and found.first.reason


def test_what_numpy_writes_is_no_constant():
    found = network_report(Applied(rows(by_numpy)), 2, (8, 8), "torus", trials=1)
    assert [one.name for one in found.layers] == ["mul", "torch.tanh"]
    mirror = Applied(lambda x: (room := torch.zeros_like(x), room.numpy().__setitem__(..., x.numpy()[..., ::-1]))[0])
    found = network_report(mirror, 2, (8, 8), "torus", trials=1)
    assert found.first.title == "Applied" and found.first.report.lattice == (1, 4)


def in_a_part(act):
    def function(x):
        y = 2 * x
        act(y[:, :, :4])
        return torch.tanh(y)
    return function


@pytest.mark.parametrize(("act", "name"), [
    (lambda part: part.zero_(), "zero"), (lambda part: part.mul_(2), "mul"), (nn.ReLU(inplace=True), "F.relu"),
    (lambda part: F.relu(part, inplace=True), "F.relu")])
def test_a_write_into_a_part_is_judged_with_the_whole_tensor(act, name):
    found = network_report(Applied(in_a_part(act)), 2, (8, 8), "torus", trials=1)
    assert [one.name for one in found.steps] == ["mul", "[:, :, :4]", name, "torch.tanh"]
    assert isinstance(found.steps[1], NotJudged)
    assert found.steps[1].why.startswith("a later step writes into it")
    assert found.first.name == name and found.first.reason.startswith("it writes at fixed places of the image")


def test_a_module_that_writes_into_a_part():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.relu = nn.ReLU(inplace=True)

        def forward(self, x):
            y = 2 * x
            self.relu(y[:, :, :4])
            return y + 1
    found = network_report(Net(), 2, (8, 8), "torus", trials=1)
    assert [one.title for one in found.layers] == ["mul", "relu ReLU", "add"]
    assert found.first.name == "relu" and found.first.reason.startswith("it writes at fixed places of the image")


def test_a_part_that_is_also_read_is_judged():
    def function(x):
        y = 2 * x
        part = y[:, :, ::2]
        read = part + 1
        part.mul_(2)
        return torch.cat([y[:, :, ::2], read], 1)
    found = network_report(Applied(function), 2, (8, 8), "torus", trials=1)
    assert found.first.name == "[:, :, ::2]" and found.first.reason.startswith("its step 2 keeps only")


def test_the_outputs_of_steps_that_write():
    walk = TorchWalk(Applied(in_a_part(lambda part: part.mul_(3))), "float64", "cpu")
    walk.steps((2, 2, 8, 8))
    x = np.random.default_rng(0).normal(size=(3, 2, 8, 8))
    found = walk.outputs(x, range(4))
    expected = 2 * x
    assert np.array_equal(found[0], expected) and np.array_equal(found[1], expected[:, :, :4])
    expected[:, :, :4] *= 3
    assert np.array_equal(found[2], expected) and np.allclose(found[3], np.tanh(expected))


class Cache(nn.Module):
    """It writes into a buffer that has room for more images."""

    def __init__(self):
        super().__init__()
        self.register_buffer("room", torch.zeros(200, 2, 8, 8))

    def forward(self, x):
        self.room[:len(x)] = 2 * x
        return torch.tanh(self.room[:len(x)])


def test_a_buffer_for_more_images():
    found = network_report(Cache(), 2, (8, 8), "torus", trials=1)
    assert [(one.name, isinstance(one, NotJudged)) for one in found.steps] == [
        ("mul", False), ("[:N] =", True), ("[:N]", False), ("torch.tanh", False)]
    assert found.steps[1].why == "its output has no part for each image"
    assert str(found.steps[1]) == "[:N] =: not judged, because its output has no part for each image"


class Gate(nn.Module):
    def forward(self, *, x, mask):
        return x * mask


class ByKeyword(nn.Module):
    def __init__(self):
        super().__init__()
        self.gate, self.norm, self.conv = Gate(), nn.LayerNorm(2), nn.Conv2d(2, 2, 3, **CIRCLE)

    def forward(self, x):
        x = self.gate(x=x, mask=torch.sigmoid(x))
        return self.conv(input=self.norm(input=x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2))


def test_tensors_that_are_passed_by_keyword():
    steps = TorchWalk(ByKeyword(), "float32", "cpu").steps((2, 2, 8, 8))
    assert [step.name for step in steps] == ["torch.sigmoid", "gate / mul", "permute", "norm", "permute", "conv"]
    assert [sorted(step.takes) for step in steps] == [[], [0], [1], [2], [3], [4]]
    assert [step.layout.name for step in steps] == ["NCHW", "NCHW", "NHWC", "NHWC", "NCHW", "NCHW"]


def test_each_step_stands_at_its_place():
    def function(x):
        x = F.pad(torch.relu(x), (1, 1, 1, 1), mode="circular")
        tokens = F.avg_pool2d(x, 3, 1).flatten(2)
        return (tokens.reshape(len(x), 2, 8, 8) + 1).sum((2, 3)).mean()
    found = network_report(Applied(function), 2, (8, 8), "torus", trials=1)
    assert [(one.name, isinstance(one, NotJudged)) for one in found.steps] == [
        ("torch.relu", False), ("F.pad", True), ("F.avg_pool2d", False), ("flatten", True), ("reshape", False),
        ("add", False)]
    assert "10 x 10 pixels, and on the torus these must divide 8 x 8, or be multiples" in found.steps[1].why
    assert found.steps[3].why == "its output is no image"
    assert [(one.name, isinstance(one, NotJudged)) for one in found.after] == [("sum", False), ("mean", True)]
    assert [one["layer"] for one in found.to_list()] == [one.name for one in (*found.steps, *found.after)]
    assert found.to_list()[1]["not_judged"] == found.steps[1].why and found.to_list()[1]["verdict"] is None


def test_a_tensor_of_four_axes_after_the_last_image():
    net = Applied(lambda x: torch.einsum("nchw,ndhw->ncd", x, x)[:, None])
    found = network_report(nn.Sequential(nn.ReLU(), net), 3, (8, 8), "torus", trials=1)
    assert [one.name for one in found.layers] == ["0"] and [one.invariant for one in found.after] == [True, True]
