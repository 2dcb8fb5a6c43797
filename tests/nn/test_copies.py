"""Copies and pickles of modules: tied weights stay tied, and the copy shares nothing that it should not."""

import copy
import pickle

import numpy as np
import pytest

from minicnn import StateError, Tensor, nn
from minicnn.models import LeNet, small_resnet
from minicnn.nn import Parameter

DEEP = (copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model)))


class Tied(nn.Module):
    """Two layers with one weight, a second Parameter on the same array, and a layer that stands twice."""

    def __init__(self):
        self.first = nn.Linear(3, 3, rng=np.random.default_rng(0))
        self.second = nn.Linear(3, 3, rng=np.random.default_rng(1))
        self.second.weight = self.first.weight
        self.layers = [self.first, nn.BatchNorm1d(3), self.first]
        self.twin = Parameter(self.first.bias.detach())

    def forward(self, x):
        return self.layers[1](self.second(self.first(x))) + self.twin


def use(model):
    """A call in training mode, with gradients; the output."""
    x = Tensor(np.arange(12.0, dtype=np.float32).reshape(4, 3))
    out = model(x)
    (out * out).sum().backward()
    return out.data


@pytest.mark.parametrize("deep", DEEP)
def test_tied_weights_stay_tied(deep):
    model = Tied()
    use(model)
    model.second.eval()
    twin = deep(model)
    assert twin.first.weight is twin.second.weight and twin.layers[0] is twin.layers[2] is twin.first
    assert twin.first.weight is not model.first.weight and type(twin.first.weight) is Parameter
    assert [mode.training for _, mode in twin.named_modules()] == [mode.training for _, mode in model.named_modules()]
    before = model.state_dict()
    for (name, one), (other_name, other) in zip(model.named_parameters(), twin.named_parameters(), strict=True):
        assert name == other_name and np.array_equal(one.data, other.data) and np.array_equal(one.grad, other.grad)
        assert not np.shares_memory(one.data, other.data) and other.requires_grad and other.data.flags.writeable
    use(twin)
    twin.first.weight.data[...] = 5
    twin.layers[1].running_mean[...] = 5
    assert all(np.array_equal(array, before[name]) for name, array in model.state_dict().items())
    assert np.all(twin.second.weight.data == 5)


def test_arrays_that_are_shared_stay_shared_in_a_deep_copy():
    twin = copy.deepcopy(Tied())
    assert np.shares_memory(twin.twin.data, twin.first.bias.data)


def test_a_shallow_copy_shares_the_parameters_but_not_its_attributes():
    model = Tied()
    twin = copy.copy(model)
    assert twin.first is model.first and twin.twin is model.twin
    twin.second = nn.Linear(3, 2)
    assert model.second.weight is model.first.weight


@pytest.mark.parametrize("deep", DEEP)
@pytest.mark.parametrize("model", [LeNet(rng=np.random.default_rng(0)), small_resnet(rng=np.random.default_rng(0))],
                         ids=["lenet", "resnet"])
def test_networks_have_the_same_state_after_it(model, deep):
    twin = deep(model)
    assert repr(twin) == repr(model)
    mine, other = model.state_dict(), twin.state_dict()
    assert list(mine) == list(other) and all(mine[name].tobytes() == other[name].tobytes() for name in mine)


@pytest.mark.parametrize("deep", DEEP)
def test_a_generator_goes_on_from_its_own_state(deep):
    model = nn.Sequential(nn.Dropout(0.5, rng=np.random.default_rng(3)))
    twin, x = deep(model), Tensor(np.ones(50))
    assert np.array_equal(model(x).data, twin(x).data)


def test_a_deep_copy_has_the_hooks_and_its_own_list_of_them():
    model, seen = nn.Sequential(nn.ReLU()), []
    handle = model.register_forward_hook(lambda *_: seen.append(1))
    twin = copy.deepcopy(model)
    handle.remove()
    twin(Tensor([1.0]))
    model(Tensor([1.0]))
    assert seen == [1] and not model.has_forward_hooks


@pytest.mark.parametrize("function", [copy.deepcopy, pickle.dumps])
def test_a_result_that_a_module_keeps_is_refused(function):
    model = Tied()
    model.kept = model.first.weight * 2
    with pytest.raises(StateError, match=r"made by mul, and its history cannot be copied; copy x.detach\(\)"):
        function(model)
