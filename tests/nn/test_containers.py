"""ModuleList, ModuleDict, Residual, Identity; and everything that walks through the modules of a model."""

import copy
from collections import OrderedDict, deque

import numpy as np
import pytest

from minicnn import InputError, InputTypeError, Tensor, nn
from minicnn.models.resnet import BasicBlock
from minicnn.nn.summary import summarize
from minicnn.nn.unchanged import unchanged


def linear(size=2):
    return nn.Linear(size, size, rng=np.random.default_rng(size))


class Branches(nn.Module):
    """A module with every container."""

    def __init__(self):
        self.layers = nn.ModuleList([linear(), nn.Dropout(0.5, rng=np.random.default_rng(3))])
        self.named = nn.ModuleDict({"norm": nn.LayerNorm(2), "last": nn.Residual(linear())})
        self.nothing = nn.Identity()

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return self.nothing(self.named["last"](self.named["norm"](x)))


NAMES = ["layers.0.weight", "layers.0.bias", "named.norm.weight", "named.norm.bias", "named.last.module.weight",
         "named.last.module.bias"]


def test_names_states_modes_and_gradients():
    model, other = Branches(), Branches()
    assert [name for name, _ in model.named_parameters()] == NAMES == list(model.state_dict())
    assert [name for name, _ in model.named_modules()] == [
        "", "layers", "layers.0", "layers.1", "named", "named.norm", "named.last", "named.last.module", "nothing"]
    for parameter in other.parameters():
        parameter.data[...] += 1
    other.load_state_dict(model.state_dict())
    x = Tensor(np.random.default_rng(0).normal(size=(3, 2)))
    assert np.array_equal(model.eval()(x).data, other.eval()(x).data)
    assert not model.layers[1].training and model.train().layers[1].training
    model(x).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    model.zero_grad()
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_state_of_torch_loads():
    torch = pytest.importorskip("torch")

    class Theirs(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = torch.nn.ModuleList([torch.nn.Linear(2, 3), torch.nn.Identity(4, unused=5)])
            self.named = torch.nn.ModuleDict({"b": torch.nn.Linear(3, 2), "a": torch.nn.ReLU()})

    class Ours(nn.Module):
        def __init__(self):
            self.layers = nn.ModuleList([nn.Linear(2, 3), nn.Identity(4, unused=5)])
            self.named = nn.ModuleDict({"b": nn.Linear(3, 2), "a": nn.ReLU()})
    theirs, ours = Theirs(), Ours()
    assert list(theirs.state_dict()) == list(ours.state_dict())
    assert [name for name, _ in theirs.named_modules()] == [name for name, _ in ours.named_modules()]
    ours.load_state_dict({name: value.numpy() for name, value in theirs.state_dict().items()})


def test_repr_hooks_copies_and_summary():
    model = Branches().eval()
    assert [line.split("  ")[0].strip() for line in repr(model).splitlines()[:3]] == ["Branches(", "(layers):", ""] or \
        "(layers): ModuleList(" in repr(model)
    for text in ("(0): Linear(2, 2)", "(norm): LayerNorm", "(last): Residual(", "(module): Linear", "(nothing): Ident"):
        assert text in repr(model)
    seen = []
    handle = model.named["last"].register_forward_hook(lambda module, args, output: seen.append(type(module)))
    x = Tensor(np.ones((1, 2), np.float32))
    model(x)
    handle.remove()
    model(x)
    assert seen == [nn.Residual]
    twin = copy.deepcopy(model)
    assert twin.layers[0].weight is not model.layers[0].weight
    assert np.array_equal(twin(x).data, model(x).data)
    assert [layer.name for layer in summarize(model, (1, 2))] == ["layers.0", "layers.1", "named.norm",
                                                                  "named.last.module", "nothing"]
    assert sum(layer.parameters for layer in summarize(model, (1, 2))) == 16


def test_looking_puts_back_what_lies_in_containers():
    class Listed(nn.Module):
        def __init__(self):
            self.scales = [nn.Parameter(np.ones(2))]
            self.layers = nn.ModuleList([linear()])
    model = Listed()
    with unchanged(model):
        for parameter in model.parameters():
            parameter.data[...] = 7
    assert all((parameter.data != 7).all() for parameter in model.parameters())


def test_a_module_list_is_a_list():
    a, b, c, d = (nn.ReLU() for _ in range(4))
    held = nn.ModuleList(one for one in (a, b))
    assert held.append(c) is held and len(held) == 3 and held[-1] is c and b in held and d not in held
    held.insert(0, d)
    assert list(held) == [d, a, b, c] and held.pop() is c and held.pop(0) is d
    assert held.extend([c]) is held and list(held[1:]) == [b, c] and type(held[1:]) is nn.ModuleList
    held[np.int64(0)] = d
    del held[1]
    assert list(held) == [d, c] and list(held + [a]) == [d, c, a] and len(held) == 2
    same = held
    same += [b]
    assert same is held and list(held) == [d, c, b]
    del held[:]
    assert len(held) == 0 and repr(held) == "ModuleList()"


def test_a_part_of_a_sequential_keeps_the_names():
    torch = pytest.importorskip("torch")
    ours = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2), nn.Linear(2, 1))
    theirs = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2), torch.nn.Linear(2, 1))
    for part in (slice(1, None), slice(-1), slice(0, 0), slice(None, None, 2)):
        assert list(ours[part].state_dict()) == list(theirs[part].state_dict())
        assert list(ours[part]) == list(ours)[part] and len(ours[part]) == len(theirs[part])
    x = np.ones((1, 2))
    assert np.array_equal(ours[2:](ours[:2](x)).data, ours(x).data) and ours[-1] is list(ours)[3]


def test_a_module_dict_is_a_dict():
    a, b, c = (nn.ReLU() for _ in range(3))
    held = nn.ModuleDict([("a", a)])
    held["forward"] = b                           # also the name of a method
    held.update(nn.ModuleDict({"c": c}))
    assert list(held) == list(held.keys()) == ["a", "forward", "c"] and list(held.values()) == [a, b, c]
    assert "a" in held and "x" not in held and 3 not in held and len(held) == 3 and dict(held.items())["c"] is c
    held["a"] = c                                 # keeps its place
    assert list(held) == ["a", "forward", "c"] and held.pop("forward") is b
    del held["a"]
    assert list(held) == ["c"]
    held.clear()
    assert list(held) == []
    assert list(nn.ModuleDict(OrderedDict(z=a, y=b))) == ["z", "y"]


def test_an_own_container_may_have_parameters_of_its_own():
    class Blocks(nn.ModuleList):
        def __init__(self, *modules):
            super().__init__(modules)
            self.scale = nn.Parameter(np.ones(1, np.float32))

        def forward(self, x):
            return self[0](x) * self.scale
    model = Blocks(linear())
    assert [name for name, _ in model.named_parameters()] == ["scale", "0.weight", "0.bias"]
    assert model(Tensor(np.ones((1, 2)))).shape == (1, 2)


@pytest.mark.parametrize("shortcut", [None, "conv"])
def test_a_residual_adds(shortcut):
    rng = np.random.default_rng(0)
    way = None if shortcut is None else nn.Conv2d(2, 2, 1, dtype=np.float64, rng=rng)
    conv = nn.Conv2d(2, 2, 3, padding=1, dtype=np.float64, rng=rng)
    block, x = nn.Residual(conv, way), Tensor(rng.normal(size=(2, 2, 5, 4)), requires_grad=True)
    cotangent = rng.normal(size=x.shape)
    out = block(x)
    out.backward(cotangent)
    alone = Tensor(x.data.copy(), requires_grad=True)
    expected = conv(alone) + (alone if way is None else way(alone))
    expected.backward(cotangent)
    np.testing.assert_allclose(out.data, expected.data, rtol=1e-13)
    np.testing.assert_allclose(x.grad, alone.grad, rtol=1e-13)
    if way is None:
        np.testing.assert_allclose(out.data - x.data, conv(x).data, atol=1e-12)
    assert block(np.ones((1, 2, 3, 3))).shape == (1, 2, 3, 3)


def test_identity_returns_its_input():
    x = Tensor([1.0])
    assert nn.Identity(3, "a", b=4)(x) is x


def test_receptive_fields_with_a_shortcut():
    """The layers of a block count from the input of the block, not from the layer that was called before."""
    stem = nn.Conv2d(1, 4, 3, padding=1)          # sees 3 pixels
    block = BasicBlock(4, 8, 2)
    model = nn.Sequential(stem, block, nn.Conv2d(8, 8, 3, padding=1))
    found = {layer.name: layer.receptive_field for layer in summarize(model, (1, 1, 16, 16))}
    assert found["1.downsample.0"] == 3 and found["1.conv1"] == 5 and found["1.conv2"] == 9
    assert found["1.relu2"] == 9 and found["2"] == 13
    body = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), nn.Conv2d(1, 1, 3, padding=1))
    model = nn.Sequential(nn.Residual(body), nn.Residual(nn.Conv2d(1, 2, 3, 2, 1), nn.Conv2d(1, 2, 1, 2)), nn.ReLU())
    assert [layer.receptive_field for layer in summarize(model, (1, 1, 16, 16))] == [3, 5, 5, 7, 7]


@pytest.mark.parametrize("kind", [set, frozenset, deque])
def test_modules_in_a_set_are_refused(kind):
    class Model(nn.Module):
        pass
    for inside in (nn.ReLU(), nn.Parameter(np.ones(1))):
        with pytest.raises(InputTypeError, match=f"Model.layers is a {kind.__name__} of modules or parameters, which "
                                                 ".* use a list, a dict, ModuleList or ModuleDict"):
            Model().layers = kind([inside])
    Model().layers = kind([1, 2])


@pytest.mark.parametrize(("make", "kind", "message"), [
    (lambda: nn.ModuleList([nn.ReLU]), InputTypeError, "ModuleList: element 0 is the class ReLU, not a Module: give a"),
    (lambda: nn.ModuleList(nn.ReLU()), InputTypeError, "ModuleList: modules must be a list of Modules, not a ReLU"),
    (lambda: nn.ModuleList({"a": nn.ReLU()}), InputTypeError, "must be a list of Modules, not a dict"),
    (lambda: nn.ModuleList(np.array(2)), InputTypeError, "must be a list of Modules, not a ndarray"),
    (lambda: nn.ModuleList({nn.ReLU()}), InputTypeError, "must be a list of Modules, not a set"),
    (lambda: nn.ModuleList().append(3), InputTypeError, "ModuleList: the element is a int, not a Module"),
    (lambda: nn.Sequential(nn.ReLU())[1], InputError, "Sequential: there is no module 1: it has 1"),
    (lambda: nn.Sequential(nn.ReLU())["0"], InputTypeError, "Sequential: an index must be an integer or a slice"),
    (lambda: nn.ModuleList()[0], InputError, "ModuleList: there is no module 0: it has 0"),
    (lambda: nn.ModuleList([nn.ReLU()])[-2], InputError, "there is no module -2: it has 1"),
    (lambda: nn.ModuleList([nn.ReLU()])[True], InputTypeError, "an index must be an integer or a slice, not True"),
    (lambda: nn.ModuleList().pop(), InputError, "there is no module -1"),
    (lambda: nn.ModuleList().__setitem__(slice(None), []), InputTypeError, "set one module at a time, not a slice"),
    (lambda: nn.ModuleList([nn.ReLU()])(1), NotImplementedError, "ModuleList defines no forward"),
    (lambda: nn.ModuleDict({"a.b": nn.ReLU()}), InputError, "a key must be a name without a dot, not 'a.b'"),
    (lambda: nn.ModuleDict({"": nn.ReLU()}), InputError, "a key must be a name without a dot, not ''"),
    (lambda: nn.ModuleDict({3: nn.ReLU()}), InputTypeError, "ModuleDict: a key must be a string, not 3"),
    (lambda: nn.ModuleDict({"a": 3}), InputTypeError, "ModuleDict: 'a' is a int, not a Module"),
    (lambda: nn.ModuleDict([nn.ReLU()]), InputTypeError, "modules must be a dict of Modules, or a list of pairs"),
    (lambda: nn.ModuleDict({"a": nn.ReLU()})["b"], InputError, "ModuleDict: there is no module 'b'; its keys are 'a'"),
    (lambda: nn.ModuleDict().pop("b"), InputError, "there is no module 'b'; its keys are none"),
    (lambda: nn.Residual(lambda x: x), InputTypeError, "Residual: module is a function, not a Module"),
    (lambda: nn.Residual(nn.ReLU(), 3), InputTypeError, "Residual: shortcut is a int, not a Module"),
    (lambda: nn.Residual(nn.Linear(2, 3))(Tensor(np.ones((1, 2)))), InputError,
     r"module has shape \(1, 3\), the input \(1, 2\); they must be the same: give a fitting shortcut"),
    (lambda: nn.Residual(nn.Linear(2, 3), nn.Linear(2, 1))(Tensor(np.ones((1, 2)))), InputError,
     r"\(1, 3\), the output of the shortcut \(1, 1\)"),
])
def test_what_is_refused(make, kind, message):
    with pytest.raises(kind, match=message):
        make()


def test_an_update_with_a_wrong_module_changes_nothing():
    held = nn.ModuleDict({"a": nn.ReLU()})
    with pytest.raises(InputTypeError, match="'c' is a int"):
        held.update({"b": nn.ReLU(), "c": 3})
    with pytest.raises(InputTypeError, match="element 1 is a int"):
        nn.ModuleList().extend([nn.ReLU(), 3])
    assert list(held) == ["a"]
