"""Module: names, state, modes, repr; Sequential."""

import copy

import numpy as np
import pytest

from minicnn import InputError, InputTypeError, Tensor, nn
from minicnn.models import LeNet


def test_sequential_is_its_modules_in_order(rng):
    model = nn.Sequential(nn.Conv2d(1, 2, 3, rng=rng), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                          nn.Linear(2, 3, rng=rng))
    assert [name for name, _ in model.named_parameters()] == ["0.weight", "0.bias", "4.weight", "4.bias"]
    assert len(model) == 5 and isinstance(model[1], nn.ReLU) and len(model[:2]) == 2
    assert model(Tensor(np.ones((2, 1, 5, 5), np.float32))).shape == (2, 3)


@pytest.mark.parametrize("bad", [[nn.ReLU()], nn.ReLU, np.tanh])
def test_sequential_refuses_what_is_no_module(bad):
    with pytest.raises(TypeError, match="Sequential: argument 0 is .*, not a Module"):
        nn.Sequential(bad)


def test_a_parameter_is_not_replaced_by_an_array(rng):
    layer = nn.Linear(2, 1, rng=rng)
    with pytest.raises(TypeError, match="Linear.weight is a Parameter; a ndarray in its place would not be trained"):
        layer.weight = np.ones((1, 2))
    layer.weight, layer.bias = nn.Parameter(np.ones((1, 2))), None
    assert [name for name, _ in layer.named_parameters()] == ["weight"]


def test_a_shared_parameter_is_listed_once(rng):
    model = nn.Sequential(nn.Linear(2, 2, rng=rng), nn.Linear(2, 2, rng=rng))
    setattr(model[1], "weight", model[0].weight)  # noqa: B010 (the attribute of a module reached by index)
    assert [name for name, _ in model.named_parameters()] == ["0.weight", "0.bias", "1.bias"]


def test_train_and_eval_reach_every_module(rng):
    model = nn.Sequential(nn.Sequential(nn.Dropout(0.5, rng=rng)), nn.BatchNorm2d(2))
    assert model.eval() is model and not model[0][0].training and not model[1].training
    x = Tensor(np.ones((2, 2, 3, 3), np.float32))
    np.testing.assert_allclose(model(x).data, x.data / np.sqrt(1 + 1e-5), rtol=1e-6)
    model.train()
    assert model[0][0].training
    assert (model[0](x).data == 0).any()


def test_state_dict_is_a_copy_and_holds_buffers():
    norm = nn.BatchNorm2d(2)
    state = norm.state_dict()
    assert list(state) == ["weight", "bias", "running_mean", "running_var"]
    state["weight"][:] = 7
    assert norm.weight.data.tolist() == [1, 1]
    norm.load_state_dict(state)
    assert norm.weight.data.tolist() == [7, 7]


def test_load_state_dict_lists_all_that_does_not_fit_and_changes_nothing(rng):
    layer = nn.Linear(2, 1, rng=rng)
    before = layer.state_dict()
    with pytest.raises(ValueError, match=r"missing: bias; unexpected: other; wrong shape: weight is \(3,\) but must be "
                                         r"\(1, 2\)"):
        layer.load_state_dict({"weight": np.ones(3), "other": np.ones(1)})
    with pytest.raises(ValueError, match="wrong shape: weight"):
        layer.load_state_dict({"weight": np.ones((2, 1))}, strict=False)
    assert all((before[k] == v).all() for k, v in layer.state_dict().items())
    assert layer.load_state_dict({"bias": np.array([5.0]), "more": np.ones(1)}, strict=False) == (["weight"], ["more"])
    assert layer.bias.data.tolist() == [5.0]


def test_zero_grad(rng):
    layer = nn.Linear(2, 1, rng=rng)
    layer(Tensor([[1.0, 2.0]])).sum().backward()
    assert layer.weight.grad is not None
    layer.zero_grad()
    assert layer.weight.grad is None


def test_repr_of_a_model_counts_parameters():
    lines = repr(LeNet()).splitlines()
    assert lines[0].split() == ["LeNet(", "67,415", "parameters"]
    assert lines[3].split()[-1] == "20,040" and lines[-1] == ")"


def test_a_module_without_forward_says_so():
    with pytest.raises(NotImplementedError, match="Module defines no forward"):
        nn.Module()(1)


def test_a_shared_module_keeps_its_buffers_once():
    model = nn.Sequential(norm := nn.BatchNorm2d(2), norm)
    assert list(model.state_dict()) == ["0.weight", "0.bias", "0.running_mean", "0.running_var"]


class Listed(nn.Module):
    def __init__(self, rng):
        self.layers, self.named = [], {"last": nn.Linear(2, 1, rng=rng)}
        for _ in range(2):
            self.layers.append(nn.Linear(2, 2, rng=rng))
        self.scale = (nn.Parameter(np.ones(2, np.float32)), 3)
        self.itself = [self, self.layers]

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return self.named["last"](x * self.scale[0])


def test_modules_and_parameters_in_lists_tuples_and_dicts_belong_to_the_module(rng):
    model = Listed(rng)
    names = ["scale.0", "named.last.weight", "named.last.bias", "layers.0.weight", "layers.0.bias", "layers.1.weight",
             "layers.1.bias"]
    assert sorted(name for name, _ in model.named_parameters()) == sorted(names)
    assert not model.eval().layers[1].training and "(layers.1): Linear(2, 2)" in repr(model)
    other = Listed(np.random.default_rng(5))
    other.load_state_dict(model.state_dict())
    x = Tensor(np.ones((3, 2), np.float32))
    np.testing.assert_array_equal(model(x).data, other(x).data)
    model(x).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


@pytest.mark.parametrize(("value", "message"), [
    (np.array(["a"]), "wrong values: bias holds <U1 but must hold float32"),
    (np.array([1j]), "bias holds complex128"), (np.array([1]), "bias holds int64"),
    (np.array([True]), "bias holds bool"),
    (np.array([None]), "bias holds object"), (np.array([1e300]), r"bias has 1.0e\+300, which is too large for float32"),
    (np.ones(()), r"wrong shape: bias is \(\) but must be \(1,\)"), ([[1.0], [1.0, 2.0]], "wrong shape"),
])
def test_a_state_is_loaded_whole_or_not_at_all(value, message, rng):
    layer = nn.Linear(2, 1, rng=rng)
    before = layer.state_dict()
    for strict in (True, False):
        with pytest.raises(ValueError, match=message):
            layer.load_state_dict({"weight": np.zeros((1, 2)), "bias": value}, strict)
    np.testing.assert_equal(layer.state_dict(), before)


def test_a_state_may_hold_tensors_other_floats_and_nan(rng):
    layer = nn.Linear(2, 1, rng=rng)
    layer.load_state_dict({"weight": Tensor([[np.nan, 2.0]]), "bias": np.array([0.5], np.float16)})
    np.testing.assert_array_equal(layer.weight.data, [[np.nan, 2]])
    assert layer.bias.data.tolist() == [0.5] and layer.bias.dtype == np.float32
    with pytest.raises(TypeError, match="load_state_dict: the state must be a dict of arrays by name, not a list"):
        layer.load_state_dict([1, 2])


def test_the_counter_of_pytorchs_batch_norm_is_accepted():
    model = nn.Sequential(nn.BatchNorm2d(2), nn.BatchNorm2d(2, momentum=None))
    state = model.state_dict() | {f"{i}.num_batches_tracked": np.array(7) for i in (0, 1)}
    assert model.load_state_dict(state) == ([], [])
    assert model[1].num_batches_tracked == 7
    with pytest.raises(ValueError, match="unexpected: num_batches_tracked"):
        model.load_state_dict(state | {"num_batches_tracked": np.array(7)})


def test_two_parameters_with_one_name_are_refused(rng):
    for name, value in ("d", {"0": nn.Linear(1, 1), 0: nn.Linear(1, 1)}), ("0.x", nn.Parameter([1.0])):
        model = nn.Sequential(nn.Sequential(), nn.ReLU())
        model[0].x = nn.Parameter([2.0])
        setattr(model, name, value)
        with pytest.raises(InputError, match="Sequential has two parameters with the name '(d.0.weight|0.x)': rename"):
            model.state_dict()


@pytest.mark.parametrize("value", [nn.Linear(1, 1), [nn.ReLU()], nn.Parameter([1.0])])
def test_a_module_or_parameter_of_the_class_is_refused(value):
    with pytest.raises(InputTypeError, match=r"Net.layer\S* is an attribute of the class, .* set self.layer"):
        type("Net", (nn.Module,), {"layer": value})


def test_a_parameter_of_a_tensor_shares_its_array():
    x = Tensor([1.0, 2.0])
    assert nn.Parameter(x).data is x.data and nn.Parameter((nn.Parameter(x) * 2).detach()).requires_grad
    with pytest.raises(InputTypeError, match=r"Parameter: this Tensor is the result .* write Parameter\(x\.det"):
        nn.Parameter(nn.Parameter(x) * 2)


@pytest.mark.parametrize("mode", ["yes", None, 1])
def test_a_mode_is_true_or_false(mode):
    with pytest.raises(InputTypeError, match="train: mode must be True or False, not"):
        nn.ReLU().train(mode)


def test_a_read_only_parameter_is_not_loaded():
    layer = nn.Linear(1, 1)
    before = layer.weight.data.copy()
    layer.bias.data.flags.writeable = False
    with pytest.raises(InputError, match="bias cannot be filled: its array is read-only"):
        layer.load_state_dict({"weight": np.full((1, 1), 7.0), "bias": np.zeros(1)})
    assert (layer.weight.data == before).all()


def test_a_shallow_copy_has_its_own_hooks():
    seen, layer = [], nn.ReLU()
    kept = layer.register_forward_hook(lambda *_: seen.append("both"))
    twin = copy.copy(layer)
    twin.register_forward_hook(lambda *_: seen.append("twin"))
    kept.remove()
    layer(Tensor([1.0]))
    assert seen == []
    twin(Tensor([1.0]))
    assert seen == ["both", "twin"] and not layer.has_forward_hooks
