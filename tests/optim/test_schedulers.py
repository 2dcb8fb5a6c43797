"""Schedulers against PyTorch step by step and against points worked out by hand; their state."""

import json
import math

import pytest

from minicnn import StateError
from minicnn.optim import (
    SGD,
    AdamW,
    ConstantLR,
    CosineAnnealingLR,
    ExponentialLR,
    LinearLR,
    LRScheduler,
    MultiStepLR,
    OneCycleLR,
    Optimizer,
    PolynomialLR,
    StepLR,
)
from minicnn.tensor import Tensor


def one(value=1.0):
    return Tensor([value], requires_grad=True)


SCHEDULES = [
    (StepLR, {"step_size": 3, "gamma": 0.5}, 12),
    (StepLR, {"step_size": 1}, 5),
    (CosineAnnealingLR, {"T_max": 7, "eta_min": 0.01}, 30),
    (CosineAnnealingLR, {"T_max": 1}, 4),
    (OneCycleLR, {"max_lr": 0.3, "total_steps": 37}, 36),
    (OneCycleLR, {"max_lr": 0.3, "total_steps": 10, "anneal_strategy": "linear", "pct_start": 0.5}, 9),
    (OneCycleLR, {"max_lr": 0.3, "total_steps": 10, "pct_start": 0.0, "div_factor": 3, "final_div_factor": 7}, 9),
    (OneCycleLR, {"max_lr": 0.3, "total_steps": 10, "pct_start": 1.0, "base_momentum": 0.5, "max_momentum": 0.6}, 9),
    (OneCycleLR, {"max_lr": 0.3, "total_steps": 3, "cycle_momentum": False}, 2),
    (OneCycleLR, {"max_lr": 0.3, "total_steps": 51}, 50),
    (MultiStepLR, {"milestones": [3, 7, 7, 30]}, 50),
    (MultiStepLR, {"milestones": [1], "gamma": 0.5}, 3),
    (ConstantLR, {}, 50),
    (ConstantLR, {"factor": 0.7, "total_iters": 20}, 50),
    (LinearLR, {}, 50),
    (LinearLR, {"start_factor": 0.9, "end_factor": 0.1, "total_iters": 30}, 50),
    (LinearLR, {"start_factor": 1.0, "end_factor": 0.0, "total_iters": 7}, 6),
    (ExponentialLR, {"gamma": 0.9}, 50),
    (PolynomialLR, {"total_iters": 40, "power": 2.5}, 50),
    (PolynomialLR, {}, 8),
]


def momentum_of(group):
    return group["betas"][0] if "betas" in group else group["momentum"]


@pytest.mark.parametrize("kind", [SGD, AdamW])
@pytest.mark.parametrize(("schedule", "options", "steps"), SCHEDULES)
def test_schedules_agree_with_torch_step_by_step(schedule, options, steps, kind):
    torch = pytest.importorskip("torch")
    optimizer = kind([one()], lr=0.2)
    reference = getattr(torch.optim, kind.__name__)([torch.nn.Parameter(torch.ones(1))], lr=0.2)
    ours = schedule(optimizer, **options)
    theirs = getattr(torch.optim.lr_scheduler, schedule.__name__)(reference, **options)
    for t in range(steps + 1):
        found, expected = optimizer.param_groups[0], reference.param_groups[0]
        assert found["lr"] == pytest.approx(expected["lr"], abs=1e-12), t
        assert momentum_of(found) == pytest.approx(momentum_of(expected), abs=1e-12), t
        assert ours.get_last_lr() == pytest.approx(theirs.get_last_lr(), abs=1e-12)
        if t < steps:
            reference.step()
            ours.step()
            theirs.step()


def test_step_lr_drops_by_gamma():
    schedule = StepLR(SGD([one()], lr=1.0), step_size=2, gamma=0.1)
    assert [schedule.lr_at(t) for t in range(6)] == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])


def test_cosine_is_symmetric_about_its_middle():
    schedule = CosineAnnealingLR(SGD([one()], lr=1.0), T_max=10, eta_min=0.2)
    assert [schedule.lr_at(t) + schedule.lr_at(10 - t) for t in range(11)] == pytest.approx([1.2] * 11)
    assert (schedule.lr_at(0), schedule.lr_at(10)) == pytest.approx((1.0, 0.2))


@pytest.mark.parametrize("strategy", ["linear", "cos"])
def test_one_cycle_by_points_worked_out_by_hand(strategy):
    optimizer = SGD([one()], momentum=0.1)
    schedule = OneCycleLR(optimizer, 1.0, 21, pct_start=5 / 21, anneal_strategy=strategy, div_factor=10,
                          final_div_factor=10)        # 0.1 at 0, 1 at 4, 0.01 at 20
    rates, momenta = [], []
    for _ in range(21):
        rates.append(optimizer.lr)
        momenta.append(optimizer.momentum)
        schedule.step()
    part = 1 / 4 if strategy == "linear" else math.sin(math.pi / 8) ** 2        # (1 - cos x) / 2 = sin(x/2)^2
    at = {0: 0.1, 1: 0.1 + 0.9 * part, 2: 0.55, 4: 1.0, 8: 1 - 0.99 * part, 12: 0.505, 20: 0.01}
    assert {t: rates[t] for t in at} == pytest.approx(at)
    at = {0: 0.95, 2: 0.9, 4: 0.85, 12: 0.9, 20: 0.95}
    assert {t: momenta[t] for t in at} == pytest.approx(at)
    assert optimizer.lr == pytest.approx(0.01)        # the step after the last batch does not change the rate
    with pytest.raises(ValueError, match="step 22 of a cycle of total_steps = 21; make the scheduler with the number"):
        schedule.step()
    assert schedule.last_epoch == 21


def test_one_cycle_whose_peak_is_its_first_step():
    schedule = OneCycleLR(SGD([one()]), 1.0, 10, pct_start=0.1)        # PyTorch divides by zero here
    assert schedule.lr_at(0) == 1


@pytest.mark.parametrize(("schedule", "options", "steps"), SCHEDULES)
@pytest.mark.parametrize("order", [1, -1])
def test_schedules_resume_to_the_same_bits_in_either_order(schedule, options, steps, order):
    def make(lr):
        optimizer = SGD([one()], lr=lr, momentum=0.5)
        return optimizer, schedule(optimizer, **options)
    whole = make(0.2)
    for _ in range(steps // 2):
        whole[1].step()
    states = [json.loads(json.dumps(part.state_dict())) for part in whole]
    resumed = make(0.9)
    for part, state in list(zip(resumed, states, strict=True))[::order]:
        part.load_state_dict(state)
    for _ in range(steps // 2, steps):
        assert resumed[0].lr == whole[0].lr and resumed[0].momentum == whole[0].momentum
        resumed[1].step()
        whole[1].step()
    assert resumed[0].lr == whole[0].lr and resumed[0].momentum == whole[0].momentum


@pytest.mark.parametrize(("schedule", "options", "steps"), SCHEDULES)
def test_a_schedule_that_is_loaded_sets_the_rate_by_itself(schedule, options, steps):
    whole, resumed = [schedule(SGD([one()], lr=lr), **options) for lr in (0.2, 0.9)]
    for _ in range(steps):
        whole.step()
    resumed.load_state_dict(whole.state_dict())
    assert resumed.optimizer.lr == whole.optimizer.lr and resumed.optimizer.momentum == whole.optimizer.momentum


@pytest.mark.parametrize(("make", "message"), [
    (lambda o: StepLR(o, 0), "StepLR: step_size must be an integer of at least 1, not 0"),
    (lambda o: CosineAnnealingLR(o, 2.5), "CosineAnnealingLR: T_max must be an integer of at least 1, not 2.5"),
    (lambda o: OneCycleLR(o, 1.0, 0), "OneCycleLR: total_steps must be an integer of at least 1, not 0"),
    (lambda o: OneCycleLR(o, -1.0, 5), "OneCycleLR: max_lr must be a number above 0, not -1.0"),
    (lambda o: OneCycleLR(o, 1.0, 5, div_factor=0), "div_factor must be a number above 0, not 0"),
    (lambda o: OneCycleLR(o, 1.0, 5, pct_start=30), "pct_start is a part of the run, from 0 to 1, not 30"),
    (lambda o: OneCycleLR(o, 1.0, 5, anneal_strategy="exp"), "must be one of 'cos', 'linear', not 'exp'"),
    (lambda o: OneCycleLR(Optimizer(o.params, 1), 1.0, 5), "no momentum to cycle; give cycle_momentum=False"),
    (lambda o: OneCycleLR(o, [1.0, 2.0], 5), "max_lr has 2 numbers, but the optimiser has 1 parameter group: give one"),
    (lambda o: MultiStepLR(o, [3, 2]), r"MultiStepLR: milestones must be in increasing order, not \[3, 2\]"),
    (lambda o: MultiStepLR(o, 3), "MultiStepLR: milestones must be a list of integers, not 3"),
    (lambda o: MultiStepLR(o, [2.5]), r"MultiStepLR: milestones\[0\] must be an integer of at least 1, not 2.5"),
    (lambda o: ConstantLR(o, 1.5), "ConstantLR: factor must be from 0 to 1, not 1.5"),
    (lambda o: ConstantLR(o, 0.5, 0), "ConstantLR: total_iters must be an integer of at least 1, not 0"),
    (lambda o: LinearLR(o, 0), "LinearLR: start_factor must be above 0, because a rate of 0 trains nothing"),
    (lambda o: LinearLR(o, 0.5, -1), "LinearLR: end_factor must be a number of at least 0, not -1"),
    (lambda o: LinearLR(o, total_iters=0), "LinearLR: total_iters must be an integer"),
    (lambda o: ExponentialLR(o, None), "ExponentialLR: gamma must be a number of at least 0, not None"),
    (lambda o: ExponentialLR(o, 1e9).lr_at(99), r"gamma\^t is too large for gamma = 1000000000.0, t = 99"),
    (lambda o: PolynomialLR(o, 0), "PolynomialLR: total_iters must be"),
    (lambda o: PolynomialLR(o, 5, 0), "PolynomialLR: power must be a number above 0, not 0"),
    (lambda o: StepLR(o, 2).load_state_dict(CosineAnnealingLR(o, 2).state_dict()), "is not of 'StepLR' but of 'Cosine"),
])
def test_bad_schedules(make, message):
    with pytest.raises(ValueError, match=message):
        make(SGD([one()]))


def test_a_scheduler_needs_an_optimizer_and_a_formula():
    with pytest.raises(TypeError, match="StepLR: list is not an Optimizer"):
        StepLR([one()], 2)
    with pytest.raises(NotImplementedError):
        LRScheduler(SGD([one()]))


def test_a_rate_that_somebody_else_has_set_is_not_overruled():
    optimizer = SGD([one()], lr=0.8)
    first, second = StepLR(optimizer, 1, gamma=0.5), StepLR(optimizer, 2)
    first.step()
    with pytest.raises(StateError, match="StepLR: the learning rate is 0.4, but this schedule has set 0.8"):
        second.step()
    first.step()
    optimizer.lr = 0.01
    with pytest.raises(StateError, match="the learning rate is 0.01, but this schedule has set 0.2"):
        first.step()
    StepLR(optimizer, 1, gamma=0.5).step()
    assert optimizer.lr == 0.005


@pytest.mark.parametrize(("change", "message"), [
    ({"step_size": 0}, "StepLR: step_size must be an integer of at least 1, not 0"),
    ({"gamma": -1.0}, "StepLR: gamma must"),
    ({"step_size": 2.5}, "step_size must be an integer"), ({"last_epoch": -1}, "last_epoch must be an integer of at")])
def test_wrong_settings_in_a_state_are_refused(change, message):
    schedule = StepLR(SGD([one()], lr=0.8), 2)
    before = schedule.state_dict()
    with pytest.raises(ValueError, match=message):
        schedule.load_state_dict(before | change)
    with pytest.raises(TypeError, match="load_state_dict: the state must be a dict, not a NoneType"):
        schedule.load_state_dict(None)
    assert schedule.state_dict() == before and schedule.optimizer.lr == 0.8
