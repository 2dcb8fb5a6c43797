"""Parameter groups: settings of their own, as in PyTorch; their state; and what is refused."""

import copy
import json

import numpy as np
import pytest

from minicnn import StateError
from minicnn.nn import Linear, ReLU, Sequential
from minicnn.optim import SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop
from minicnn.tensor import Tensor
from tests.optim.test_optimizers import gradients, one, parameters, run

GROUPS = [(SGD, {"lr": 0.1, "momentum": 0.9}, {"momentum": 0.5, "weight_decay": 0.2, "maximize": True}),
          (Adam, {"lr": 0.1}, {"betas": (0.5, 0.6), "amsgrad": True}),
          (AdamW, {"lr": 0.1}, {"lr": 0.01, "weight_decay": 0.0}),
          (RMSprop, {"lr": 0.1}, {"centered": True, "eps": 1e-2}),
          (Adagrad, {"lr": 0.1}, {"lr_decay": 0.5, "maximize": True})]


def grouped(params, own):
    return [{"params": params[:1]}, {"params": params[1:], **own}]


@pytest.mark.parametrize(("kind", "options", "own"), GROUPS)
def test_groups_agree_with_torch_step_by_step(kind, options, own):
    torch = pytest.importorskip("torch")
    ours, more = parameters(), parameters(seed=3)[:2]
    theirs, more_theirs = ([torch.nn.Parameter(torch.tensor(p.data)) for p in part] for part in (ours, more))
    optimizer = kind(grouped(ours, own), **options)
    reference = getattr(torch.optim, kind.__name__)(grouped(theirs, own), **options)
    for t, grads in enumerate(gradients(20)):
        if t == 7:                                # a third group, later
            optimizer.add_param_group({"params": iter(more), "lr": 0.3})
            reference.add_param_group({"params": iter(more_theirs), "lr": 0.3})
            ours, theirs = ours + more, theirs + more_theirs
        if t == 11:
            optimizer.param_groups[1]["lr"] = reference.param_groups[1]["lr"] = 0.02
        grads = grads + grads[:2] if t >= 7 else grads
        run(optimizer, [grads])
        for param, grad in zip(theirs, grads, strict=True):
            param.grad = None if grad is None else torch.tensor(grad)
        reference.step()
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(a.data, b.detach().numpy(), rtol=0, atol=1e-11)


@pytest.mark.parametrize(("kind", "options", "own"), GROUPS)
def test_groups_resume_to_the_same_bits(kind, options, own):
    grads = gradients(10)
    whole, second = kind(grouped(parameters(), own), **options), kind(grouped(parameters(seed=5), {}), lr=7)
    run(whole, grads[:4])
    state = whole.state_dict()
    for param, other in zip(second.params, whole.params, strict=True):
        param.data[...] = other.data
    arrays = {k: v for k, v in state.items() if isinstance(v, np.ndarray)}
    second.load_state_dict(arrays | json.loads(json.dumps({k: v for k, v in state.items() if k not in arrays})))
    run(whole, grads[4:])
    run(second, grads[4:])
    for a, b in zip(whole.params, second.params, strict=True):
        assert a.data.tobytes() == b.data.tobytes()
    assert repr(second) == repr(whole)


def test_settings_of_all_groups_and_of_one():
    optimizer = SGD(grouped(parameters(), {"lr": 0.5}), lr=0.1, momentum=0.9)
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.5] and optimizer.momentum == 0.9
    with pytest.raises(StateError, match=r"SGD: the parameter groups have different lr: read .*param_groups\[i\]\['lr"):
        optimizer.lr  # noqa: B018
    optimizer.lr = 0.1                            # also where the first value was the same
    assert optimizer.lr == 0.1
    optimizer.param_groups[1].update(lr=np.float32(0.25), momentum=0)
    assert [dict(group)["lr"] for group in optimizer.param_groups] == [0.1, 0.25]
    assert type(optimizer.param_groups[1]["lr"]) is float and "momentum=0.0" in repr(optimizer)
    assert repr(optimizer).startswith("SGD(1 parameter, lr=0.1, momentum=0.9, ")
    optimizer.add_param_group({"params": one()})  # with the first settings
    assert optimizer.param_groups[2]["lr"] == 0.1 and len(optimizer.params) == len(optimizer.state) == 4


def test_a_copy_has_its_own_settings_and_a_deep_copy_its_own_parameters():
    optimizer = SGD(grouped(parameters(), {"lr": 0.5}), lr=0.1, momentum=0.9)
    shallow, deep = copy.copy(optimizer), copy.deepcopy(optimizer)
    shallow.lr = deep.lr = 3
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.5]
    assert shallow.params[0] is optimizer.params[0] and deep.params[0] is not optimizer.params[0]
    assert deep.param_groups[0]["params"][0] is deep.params[0]


def test_an_own_optimizer_sees_the_settings_of_the_group():
    class Decay(Optimizer):
        settings = ("lr", "weight_decay", "rho")

        def __init__(self, params, rho=0.5):
            self.rho = rho                        # before or after the base class
            super().__init__(params, 0.1)
            self.rho = rho

        def update(self, param, grad, state):
            param[...] = self.rho
    params = [one(), one()]
    optimizer = Decay([{"params": [params[0]], "rho": 3}, {"params": [params[1]]}])
    assert [group["rho"] for group in optimizer.param_groups] == [0.5, 0.5], "set again, for all groups"
    optimizer.param_groups[0]["rho"] = 3
    for param in params:
        param.grad = np.ones(1, np.float32)
    optimizer.step()
    assert [param.data.tolist() for param in params] == [[3], [0.5]]


def test_an_error_in_update_leaves_the_optimizer_usable():
    class Broken(Optimizer):
        def update(self, param, grad, state):
            raise ZeroDivisionError
    optimizer = Broken([{"params": [one()], "lr": 1}, {"params": [one()], "lr": 2}], 0.1)
    optimizer.params[0].grad = np.ones(1, np.float32)
    with pytest.raises(ZeroDivisionError):
        optimizer.step()
    with pytest.raises(StateError, match="different lr"):
        optimizer.lr  # noqa: B018


def test_a_body_and_a_head():
    model = Sequential(Linear(3, 4), ReLU(), Linear(4, 2))
    optimizer = AdamW([{"params": model[0].parameters()}, {"params": model[2].parameters(), "lr": 0.0}], lr=0.1)
    before = model.state_dict()
    model(Tensor(np.ones((1, 3)))).sum().backward()
    optimizer.step()
    changed = {name for name, array in model.state_dict().items() if not np.array_equal(array, before[name])}
    assert changed == {"0.weight", "0.bias"}
    optimizer.zero_grad()
    assert all(param.grad is None for param in model.parameters())


def test_named_parameters_are_taken_without_their_names():
    model = Linear(2, 3)
    assert SGD(model.named_parameters()).params == SGD([{"params": model.named_parameters()}]).params == list(
        model.parameters())
    with pytest.raises(TypeError, match=r"SGD: params\[0\] is a tuple, not a Tensor"):
        SGD([("weight", model.weight), model.bias])


SHARED = np.zeros(3)


@pytest.mark.parametrize(("make", "kind", "message"), [
    (lambda: SGD([{"lr": 0.1}]), ValueError, "SGD: a parameter group needs the key 'params'; this one has 'lr'"),
    (lambda: SGD([{}]), ValueError, "needs the key 'params'; this one has no keys"),
    (lambda: SGD([{"params": []}]), ValueError, "SGD: there are no parameters to optimise"),
    (lambda: SGD({"params": [one()]}), TypeError, "SGD: params must be a list .* not a dict"),
    (lambda: SGD([{"params": {one()}}]), TypeError, "the 'params' of a group must be a list .* not a set, whose order"),
    (lambda: SGD([{"params": [one(), 3]}]), TypeError, r"SGD: params\[1\] is a int, not a Tensor"),
    (lambda: SGD([{"params": one() * 2}]), ValueError, r"params\[0\] is the result of an operation"),
    (lambda: SGD([{"params": one(), "learning_rate": 1}]), ValueError,
     "a parameter group has no setting 'learning_rate', but lr, momentum"),
    (lambda: SGD([{"params": one(), "lr": -1}]), ValueError, "SGD: lr must be a number of at least 0, not -1"),
    (lambda: SGD([{"params": one(), "nesterov": True}]), ValueError, "nesterov needs a momentum above 0"),
    (lambda: SGD([{"params": one(), "momentum": 0}], momentum=0.9, nesterov=True), ValueError, "not momentum=0, damp"),
    (lambda: Adam([{"params": one(), "betas": 3}]), ValueError, "Adam: betas must be two numbers"),
    (lambda: SGD([{"params": (w := one())}, {"params": [one(), w]}]), ValueError, "a parameter was given twice"),
    (lambda: SGD([{"params": Tensor(SHARED)}, {"params": Tensor(SHARED[1:])}]), ValueError,
     r"params\[0\] and params\[1\] share memory"),
])
def test_groups_that_are_refused(make, kind, message):
    with pytest.raises(kind, match=message):
        make()


@pytest.mark.parametrize(("group", "message"), [
    ([one()], "a parameter group is a dict such as .* not a list"), ({"params": [3]}, r"params\[1\] is a int"),
    ({"params": one(), "speed": 1}, "no setting 'speed'"), ({"params": one(), "lr": "fast"}, "lr must be a number"),
    ({"params": one(), "momentum": 0.0}, "nesterov needs a momentum"), ({"lr": 1}, "needs the key 'params'")])
def test_a_group_that_cannot_be_added_changes_nothing(group, message):
    optimizer = SGD([one()], momentum=0.9, nesterov=True)
    before = repr(optimizer)
    with pytest.raises((ValueError, TypeError), match=message):
        optimizer.add_param_group(group)
    assert repr(optimizer) == before and len(optimizer.params) == len(optimizer.state) == 1


@pytest.mark.parametrize(("change", "message"), [
    (lambda g: g.__setitem__("lr", None), "SGD: lr must be a number"),
    (lambda g: g.update(learning_rate=1), "no setting 'learning_rate'"),
    (lambda g: g.pop("lr"), "'lr' cannot be removed"), (lambda g: g.clear(), "cannot be removed"),
    (lambda g: g.__setitem__("params", []), "the parameters of a group are fixed: add others by .*add_param_group")])
def test_a_group_checks_what_is_set(change, message):
    optimizer = SGD([one()])
    before = repr(optimizer)
    with pytest.raises(ValueError, match=message):
        change(optimizer.param_groups[0])
    assert repr(optimizer) == before


@pytest.mark.parametrize(("change", "message"), [
    ({"param_groups": 3}, "param_groups must be a list of dicts, not 3"),
    ({"param_groups": [{"params": 3}]}, r"the parameter groups of this state have \[3\] parameters, .* \[1, 2\]"),
    ({"param_groups": [{"params": 1}, {"params": 2}]}, "the state lacks lr, betas, eps, weight_decay"),
])
def test_a_state_of_other_groups_is_refused_and_changes_nothing(change, message):
    optimizer = Adam(grouped(parameters(), {"lr": 0.5}))
    run(optimizer, gradients(2))
    before = optimizer.state_dict()
    with pytest.raises(ValueError, match=message):
        optimizer.load_state_dict(before | change)
    with pytest.raises(ValueError, match="this state has one parameter group, the optimiser has 2"):
        optimizer.load_state_dict(Adam(parameters()).state_dict())
    with pytest.raises(ValueError, match=r"groups of this state have \[1, 2\] parameters, those of the optimiser \[3"):
        Adam(parameters()).load_state_dict(before)
    wrong = [{**group, "lr": -1} for group in before["param_groups"]]
    with pytest.raises(ValueError, match="Adam: lr must be"):
        optimizer.load_state_dict(before | {"param_groups": wrong})
    np.testing.assert_equal(optimizer.state_dict(), before)


def test_a_state_of_version_0_2_loads():
    """It has no amsgrad and no maximize."""
    optimizer = AdamW(parameters(), lr=0.3)
    run(optimizer, gradients(2))
    state = optimizer.state_dict()
    assert list(state)[:8] == ["optimizer", "params", "lr", "betas", "eps", "weight_decay", "amsgrad", "maximize"]
    del state["amsgrad"], state["maximize"]
    other = AdamW(parameters(), amsgrad=True)
    other.load_state_dict(state)
    assert (other.amsgrad, other.maximize, other.lr) == (False, False, 0.3)
