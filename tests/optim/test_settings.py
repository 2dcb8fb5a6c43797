"""Settings of optimisers and schedules: numbers of NumPy, what is refused by name, and states that do not fit."""

import copy
import math

import numpy as np
import pytest

from minicnn.optim import SGD, Adagrad, Adam, AdamW, CosineAnnealingLR, OneCycleLR, Optimizer, RMSprop, StepLR
from minicnn.tensor import Tensor

KINDS = [
    (SGD, {"lr": 0.1, "momentum": 0.9, "dampening": 0.2, "weight_decay": 0.05}),
    (Adam, {"lr": 0.1, "betas": (0.8, 0.9), "eps": 1e-3, "weight_decay": 0.05}),
    (AdamW, {"lr": 0.1, "betas": (0.8, 0.9), "eps": 1e-3, "weight_decay": 0.05}),
    (RMSprop, {"lr": 0.1, "alpha": 0.8, "eps": 1e-3, "weight_decay": 0.05, "momentum": 0.9}),
    (Adagrad, {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.05, "initial_accumulator_value": 0.1, "eps": 1e-3}),
]


def one(value=1.0):
    return Tensor([value], requires_grad=True)


def of_numpy(value):
    return tuple(map(np.float64, value)) if isinstance(value, tuple) else np.float64(value)


@pytest.mark.parametrize("later", [False, True])
@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_numbers_of_numpy_change_no_dtype_and_no_bit(kind, options, later):
    optimizers = []
    for convert in (lambda value: value, of_numpy):
        given = {name: convert(value) for name, value in options.items()}
        optimizer = kind([one()], **({} if later else given))
        for name, value in given.items():
            setattr(optimizer, name, value)
        for _ in range(3):
            optimizer.params[0].grad = np.array([0.3], np.float32)
            optimizer.step()
        optimizers.append(optimizer)
    plain, other = optimizers
    assert other.params[0].data.tobytes() == plain.params[0].data.tobytes()
    for value in other.state[0].values():
        assert not isinstance(value, np.ndarray) or value.dtype == np.float32
    assert all(type(value) in (float, tuple, bool) for value in (getattr(other, name) for name in other.settings))


def test_a_setting_of_an_own_optimizer_becomes_a_python_number():
    class Own(Optimizer):
        settings = ("lr", "weight_decay", "rho")

        def __init__(self, params, rho):
            super().__init__(params, 0.1)
            self.rho = rho
    assert type(Own([one()], np.float32(0.5)).rho) is float


@pytest.mark.parametrize(("name", "values"), [
    ("lr", [None, math.nan, math.inf, -1, True, "1", 1j, np.array([0.1]), np.array(0.1)]),
    ("weight_decay", [None, math.nan, -1, np.ones(2)]),
    ("momentum", [None, math.nan, -1, True, np.ones(1)]), ("dampening", [None, math.nan]),
    ("eps", [None, math.nan, -1]),
    ("betas", [None, 0.9, (0.9,), (0.9, 1.0), (0.9, math.nan), (True, 0.9), (0.9, None), ("a", "b"), (0.1, 0.2, 0.3)]),
    ("nesterov", [None, 1, "yes"]), ("maximize", [None, 0]), ("amsgrad", [None, 1]),
    ("alpha", [None, math.nan, -1]), ("centered", [None, 1, "no"]),
    ("lr_decay", [None, -1, True]), ("initial_accumulator_value", [None, math.inf, -1]),
])
def test_settings_are_refused_by_name_at_the_start_and_later(name, values):
    kind = {"momentum": SGD, "dampening": SGD, "nesterov": SGD, "maximize": SGD, "alpha": RMSprop, "centered": RMSprop,
            "lr_decay": Adagrad, "initial_accumulator_value": Adagrad}.get(name, AdamW)
    for value in values:
        with pytest.raises((ValueError, TypeError), match=f"{kind.__name__}: {name} must be") as caught:
            kind([one()], **{name: value})
        assert type(caught.value).__module__ == "minicnn"
        optimizer = kind([one()])
        before = getattr(optimizer, name)
        with pytest.raises((ValueError, TypeError), match=f"{kind.__name__}: {name} must be"):
            setattr(optimizer, name, value)
        assert getattr(optimizer, name) == before


@pytest.mark.parametrize(("make", "message"), [
    (lambda o: StepLR(o, 2, math.nan), "StepLR: gamma must be a number"),
    (lambda o: StepLR(o, 2, -0.1), "StepLR: gamma must be a number of at least 0"),
    (lambda o: StepLR(o, True), "StepLR: step_size must be an integer"),
    (lambda o: CosineAnnealingLR(o, 2, None), "CosineAnnealingLR: eta_min must be a number"),
    (lambda o: OneCycleLR(o, np.ones(2), 5), "OneCycleLR: max_lr must be a number above 0"),
    (lambda o: OneCycleLR(o, 1.0, 5, pct_start="half"), "OneCycleLR: pct_start must be a number"),
    (lambda o: OneCycleLR(o, 1.0, 5, base_momentum=1.5), "OneCycleLR: base_momentum must be between 0 and 1"),
    (lambda o: OneCycleLR(o, 1.0, 5, cycle_momentum=None), "OneCycleLR: cycle_momentum must be True or False"),
])
def test_what_a_schedule_refuses(make, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make(SGD([one()]))


@pytest.mark.parametrize("strategy", ["cos", "linear"])
def test_a_cycle_of_one_step_trains(strategy):
    optimizer = SGD([one()])
    schedule = OneCycleLR(optimizer, 0.5, 1, anneal_strategy=strategy)
    assert (optimizer.lr, optimizer.momentum) == (0.5, 0.85)
    schedule.step()
    assert optimizer.lr == 0.5
    with pytest.raises(ValueError, match="step 2 of a cycle of total_steps = 1"):
        schedule.step()


def trained():
    optimizer = Adam([one(), one()], lr=0.1)
    optimizer.params[0].grad = np.ones(1, np.float32)
    optimizer.step()
    return optimizer


@pytest.mark.parametrize(("changes", "message"), [
    ({"lr": "fast"}, "Adam: lr must be a number"), ({"betas": [0.9, 2]}, "Adam: betas must be two numbers"),
    ({"0.exp_avg": np.array([1j])}, "0.exp_avg holds complex128 but must hold float32"),
    ({"0.exp_avg": np.array([1e300])}, "0.exp_avg has 1.0e.300, which is too large for float32"),
    ({"0.exp_avg": np.array(["x"])}, "0.exp_avg holds <U1"), ({"0.step": "x"}, "0.step must be a number or an array"),
    ({"0.step": None}, "0.step must be a number"), ({"0.exp_avg": np.ones(())}, r"0.exp_avg has shape \(\)"),
    ({"1.step": 3}, r"the state of params\[1\] has step instead of step, exp_avg, exp_avg_sq"),
    ({"0.other": 3}, r"the state of params\[0\] has exp_avg, exp_avg_sq, other, step instead of"),
])
def test_a_state_with_wrong_values_is_refused_and_changes_nothing(changes, message):
    optimizer = trained()
    before = optimizer.state_dict()
    with pytest.raises((ValueError, TypeError), match=message):
        optimizer.load_state_dict(copy.deepcopy(before) | changes)
    np.testing.assert_equal(optimizer.state_dict(), before)


@pytest.mark.parametrize("changes", [{"last_epoch": "x"}, {"last_epoch": -1}, {"last_epoch": 99}, {"max_lr": None},
                                     {"anneal_strategy": 3}, {"cycle_momentum": 1}, {"max_lr": math.nan}])
def test_a_schedule_with_wrong_values_is_refused_and_changes_nothing(changes):
    schedule = OneCycleLR(SGD([one()]), 0.5, 10)
    before, settings = schedule.state_dict(), (schedule.optimizer.lr, schedule.optimizer.momentum)
    with pytest.raises(ValueError, match="load_state_dict: |OneCycleLR: step 99 of a cycle"):
        schedule.load_state_dict(before | changes)
    assert schedule.state_dict() == before and (schedule.optimizer.lr, schedule.optimizer.momentum) == settings


@pytest.mark.parametrize(("grad", "message"), [
    (Tensor([1.0]), r"step: the gradient of params\[0\] is a Tensor: it must be an array of float32"),
    ([1.0], "is a list"), (np.array([1j]), "holds complex128"), (np.array([1e300]), "which is too large for float32"),
])
def test_a_gradient_that_is_no_array_of_the_parameters_dtype(grad, message):
    param = one()
    param.grad = grad
    with pytest.raises(TypeError, match=message):
        SGD([param]).step()
    assert param.data.tolist() == [1]


def test_a_gradient_of_another_float_is_rounded():
    param = one()
    optimizer = SGD([param], lr=1, momentum=0.5)
    param.grad = np.array([0.5])
    optimizer.step()
    assert optimizer.state[0]["momentum_buffer"].dtype == np.float32 and param.data.tolist() == [0.5]
