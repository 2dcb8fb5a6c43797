"""Schedules with parameter groups, one after the other, and by a metric: against PyTorch over 50 steps; states."""

import json
import math

import numpy as np
import pytest

from minicnn import StateError, optim
from minicnn.optim import (
    SGD,
    AdamW,
    ConstantLR,
    CosineAnnealingLR,
    LinearLR,
    OneCycleLR,
    ReduceLROnPlateau,
    SequentialLR,
    StepLR,
)
from minicnn.tensor import Tensor
from tests.optim.test_schedulers import SCHEDULES, momentum_of, one


def two(kind=SGD, lr=0.2, **options):
    return kind([{"params": [one()]}, {"params": [one()], "lr": 0.05}], lr=lr, **options)


def pair(kind):
    """An optimiser with two groups, and PyTorch's."""
    torch = pytest.importorskip("torch")
    weight = lambda: torch.nn.Parameter(torch.ones(1))
    return two(kind), getattr(torch.optim, kind.__name__)([{"params": [weight()]}, {"params": [weight()], "lr": 0.05}],
                                                          lr=0.2)


def rates(optimizer):
    return [group["lr"] for group in optimizer.param_groups]


def assert_same(optimizer, reference, t):
    for found, expected in zip(optimizer.param_groups, reference.param_groups, strict=True):
        assert found["lr"] == pytest.approx(expected["lr"], rel=1e-11, abs=1e-13), t
        assert momentum_of(found) == pytest.approx(momentum_of(expected), abs=1e-12), t


SEQUENCES = [
    ([("LinearLR", {"start_factor": 0.1, "total_iters": 5}), ("CosineAnnealingLR", {"T_max": 45})], [5]),
    ([("ConstantLR", {"factor": 0.1, "total_iters": 20}), ("ExponentialLR", {"gamma": 0.9})], [20]),
    ([("LinearLR", {"total_iters": 3}), ("StepLR", {"step_size": 4}), ("PolynomialLR", {"total_iters": 30})], [3, 20]),
    ([("LinearLR", {"total_iters": 9}), ("MultiStepLR", {"milestones": [4, 10]})], [3]),
    ([("CosineAnnealingLR", {"T_max": 4}), ("ConstantLR", {"factor": 1.0, "total_iters": 1})], [30]),
    ([("ExponentialLR", {"gamma": 0.5})], []),
]


def sequence(module, optimizer, parts, milestones):
    return module.SequentialLR(optimizer, [getattr(module, name)(optimizer, **options) for name, options in parts],
                               milestones)


@pytest.mark.parametrize("kind", [SGD, AdamW])
@pytest.mark.parametrize(("schedule", "options", "steps"), SCHEDULES)
def test_groups_agree_with_torch_step_by_step(schedule, options, steps, kind):
    optimizer, reference = pair(kind)
    import torch
    if "max_lr" in options:
        options = {**options, "max_lr": [0.3, 0.1]}
    ours, theirs = schedule(optimizer, **options), getattr(torch.optim.lr_scheduler, schedule.__name__)(reference,
                                                                                                      **options)
    for t in range(steps + 1):
        assert_same(optimizer, reference, t)
        assert ours.get_last_lr() == ours.lrs_at(t) == rates(optimizer) and ours.lr_at(t) == rates(optimizer)[0]
        if t < steps:
            reference.step()
            ours.step()
            theirs.step()


@pytest.mark.filterwarnings("ignore:The epoch parameter in `scheduler.step")
@pytest.mark.parametrize(("parts", "milestones"), SEQUENCES)
def test_sequences_agree_with_torch_step_by_step(parts, milestones):
    optimizer, reference = pair(SGD)
    import torch
    ours = sequence(optim, optimizer, parts, milestones)
    theirs = sequence(torch.optim.lr_scheduler, reference, parts, milestones)
    assert ours.base_lrs == [0.2, 0.05]
    for t in range(51):
        assert_same(optimizer, reference, t)
        assert rates(optimizer) == ours.lrs_at(t) and ours.last_epoch == t
        reference.step()
        ours.step()
        theirs.step()


@pytest.mark.parametrize("options", [
    {}, {"patience": 2, "factor": 0.5}, {"mode": "max", "patience": 1}, {"patience": 0, "cooldown": 3, "factor": 0.7},
    {"patience": 1, "threshold": 0.1, "threshold_mode": "abs"}, {"mode": "max", "threshold": 0.2, "patience": 2},
    {"mode": "max", "threshold": 0.2, "threshold_mode": "abs", "patience": 2}, {"patience": 0, "min_lr": [0.01, 0.04]},
    {"patience": 0, "min_lr": 0.03, "factor": 0.9}, {"patience": 0, "eps": 0.01}])
def test_a_plateau_agrees_with_torch_step_by_step(options):
    optimizer, reference = pair(AdamW)
    import torch
    ours, theirs = ReduceLROnPlateau(optimizer, **options), torch.optim.lr_scheduler.ReduceLROnPlateau(reference,
                                                                                                       **options)
    rng, seen = np.random.default_rng(3), set()
    metrics = (2 + rng.normal(size=50)) * np.linspace(1, 0.3, 50)
    metrics[20:24] = np.nan, np.inf, -0.5, -0.6
    for t, metric in enumerate(metrics):
        ours.step(metric)
        theirs.step(metric)
        assert_same(optimizer, reference, t)
        assert (ours.best, ours.num_bad_epochs, ours.cooldown_counter, ours.last_epoch) == (
            theirs.best, theirs.num_bad_epochs, theirs.cooldown_counter, theirs.last_epoch)
        seen.add(rates(optimizer)[0])
    assert len(seen) > 1


MAKERS = [lambda o, parts=parts, milestones=milestones: sequence(optim, o, parts, milestones)
          for parts, milestones in SEQUENCES]
MAKERS += [lambda o: ReduceLROnPlateau(o, patience=1, min_lr=[0.0, 0.01]), lambda o: OneCycleLR(o, [0.3, 0.4], 50),
           lambda o: StepLR(o, 3), lambda o: SequentialLR(o, [LinearLR(o), OneCycleLR(o, 0.3, 40)], [9])]


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("stop", [0, 2, 3, 4, 25])
def test_states_resume_to_the_same_bits_in_either_order(make, stop, order):
    def made(lr):
        optimizer = two(lr=lr, momentum=0.5)
        return optimizer, make(optimizer)
    needs_metric = isinstance(made(1.0)[1], ReduceLROnPlateau)
    step = lambda schedule, t: schedule.step(*[math.sin(t)] * needs_metric)
    whole, resumed = made(0.2), made(0.9)
    for t in range(stop):
        step(whole[1], t)
    states = [json.loads(json.dumps(part.state_dict())) for part in whole]
    for part, state in list(zip(resumed, states, strict=True))[::order]:
        part.load_state_dict(state)
    for t in range(stop, 40):
        assert rates(resumed[0]) == rates(whole[0]), t
        assert [g["momentum"] for g in resumed[0].param_groups] == [g["momentum"] for g in whole[0].param_groups]
        assert resumed[1].state_dict() == whole[1].state_dict()
        step(whole[1], t)
        step(resumed[1], t)


def test_a_warm_up_as_documented():
    optimizer = AdamW([one()], lr=1.0)
    warm_up = LinearLR(optimizer, start_factor=0.01, total_iters=10)
    assert optimizer.lr == 0.01
    cosine = CosineAnnealingLR(optimizer, T_max=20)
    assert cosine.base_lrs == [1.0], "not the rate of the warm-up"
    schedule = SequentialLR(optimizer, [warm_up, cosine], [10])
    assert optimizer.lr == 0.01
    seen = []
    for _ in range(31):
        seen.append(optimizer.lr)
        schedule.step()
    assert seen[:11] == pytest.approx(np.linspace(0.01, 1, 11)) and seen[30] == pytest.approx(0)
    assert all(a < b for a, b in zip(seen[:10], seen[1:11], strict=True))
    assert all(a > b for a, b in zip(seen[10:30], seen[11:], strict=True))


def test_a_schedule_after_one_that_has_stepped_begins_at_the_present_rate():
    optimizer = SGD([one()], lr=1.0)
    first = StepLR(optimizer, 1, gamma=0.5)
    first.step()
    assert StepLR(optimizer, 1).base_lrs == [0.5]
    optimizer.lr = 0.3                            # so does one after a rate that you have set
    assert ConstantLR(optimizer, 0.5).base_lrs == [0.3]


def test_rates_that_somebody_else_has_set_are_not_overruled():
    optimizer = two()
    schedule = SequentialLR(optimizer, [LinearLR(optimizer), StepLR(optimizer, 3)], [5])
    schedule.step()
    optimizer.param_groups[1]["lr"] = 0.7
    with pytest.raises(StateError, match="SequentialLR: the learning rate is 0.7, but this schedule has set 0.0233"):
        schedule.step()
    plateau = ReduceLROnPlateau(optimizer, patience=0, factor=0.5)
    plateau.step(1.0)
    optimizer.lr = 0.8                            # a plateau may follow any rate
    plateau.step(1.0)
    assert rates(optimizer) == [0.4, 0.4]


def test_a_group_that_is_added_later_needs_a_new_schedule():
    optimizer = SGD([one()], lr=1.0)
    schedule, plateau = StepLR(optimizer, 1), ReduceLROnPlateau(optimizer)
    optimizer.add_param_group({"params": one()})
    for step in schedule.step, lambda: plateau.step(1.0):
        with pytest.raises(StateError, match="a parameter group was added after the schedule was made: make a new"):
            step()
    assert StepLR(optimizer, 1).base_lrs == [1.0, 1.0]


@pytest.mark.parametrize(("mode", "metrics"), [
    ("min", [-1.0, -0.95, -1.0, -1.05]), ("max", [-1.0, -1.05, -1.0, -0.95])])
def test_a_negative_metric_that_is_not_better_by_the_threshold_is_no_improvement(mode, metrics):
    schedule = ReduceLROnPlateau(SGD([one()]), mode, threshold=0.1, patience=10)        # PyTorch issue 47513
    for metric in metrics:
        schedule.step(metric)
    assert schedule.best == -1.0 and schedule.num_bad_epochs == 3
    schedule.step(-1.2 if mode == "min" else -0.8)
    assert schedule.num_bad_epochs == 0
    for metric in (np.inf, -np.inf):                            # the first step is better than an infinite best
        fresh = ReduceLROnPlateau(SGD([one()]), mode, threshold=1.0)
        fresh.step(metric)
        assert fresh.num_bad_epochs == ((metric > 0) == (mode == "min"))


def test_a_metric_may_be_an_array_or_a_tensor():
    schedule = ReduceLROnPlateau(SGD([one()]))
    for metric in (np.float32(3), np.array([2.5]), Tensor([[2.0]]), 1):
        schedule.step(metric)
        assert schedule.best == np.asarray(getattr(metric, "data", metric)).item()
    assert type(schedule.best) is float


@pytest.mark.parametrize(("make", "message"), [
    (lambda o: ReduceLROnPlateau(o, "least"), "ReduceLROnPlateau: mode must be one of 'min', 'max', not 'least'"),
    (lambda o: ReduceLROnPlateau(o, factor=1.0), "factor must be below 1, so that the rate falls, not 1.0"),
    (lambda o: ReduceLROnPlateau(o, patience=-1), "patience must be an integer of at least 0, not -1"),
    (lambda o: ReduceLROnPlateau(o, threshold=-1), "threshold must be a number of at least 0"),
    (lambda o: ReduceLROnPlateau(o, threshold_mode="x"), "threshold_mode must be one of 'rel', 'abs', not 'x'"),
    (lambda o: ReduceLROnPlateau(o, cooldown=0.5), "cooldown must be an integer"),
    (lambda o: ReduceLROnPlateau(o, min_lr=[0.1] * 3), "min_lr has 3 numbers, but the optimiser has 2 parameter"),
    (lambda o: ReduceLROnPlateau(o, min_lr=[0.1, -1]), r"min_lr\[1\] must be a number of at least 0, not -1"),
    (lambda o: ReduceLROnPlateau(o, eps=None), "eps must be a number"),
    (lambda o: ReduceLROnPlateau(o).step(), r"step needs the metric as a number, as in step\(val_loss\), not None"),
    (lambda o: ReduceLROnPlateau(o).step(np.ones(2)), "step needs the metric as a number"),
    (lambda o: ReduceLROnPlateau(o).lr_at(3), "the rate depends on the metric, so that it is not known before"),
    (lambda o: ReduceLROnPlateau(3), "ReduceLROnPlateau: int is not an Optimizer"),
    (lambda o: SequentialLR(o, [], []), r"SequentialLR: schedulers must be a list of schedules, not \[\]"),
    (lambda o: SequentialLR(o, StepLR(o, 2), []), "schedulers must be a list of schedules"),
    (lambda o: SequentialLR(o, [3], []), r"schedulers\[0\] is a int; give schedules whose rate depends on the number"),
    (lambda o: SequentialLR(o, [ReduceLROnPlateau(o)], []), r"schedulers\[0\] is a ReduceLROnPlateau; give schedules"),
    (lambda o: SequentialLR(o, [StepLR(two(), 2)], []), r"schedulers\[0\] is of another optimiser: make it for the"),
    (lambda o: SequentialLR(o, [StepLR(o, 2)], [3]), r"1 schedules need 0 different milestones, not \[3\]"),
    (lambda o: SequentialLR(o, [StepLR(o, 2)] * 3, [3, 3]), r"3 schedules need 2 different milestones, not \[3, 3\]"),
    (lambda o: SequentialLR(o, [StepLR(o, 2)] * 2, [0]), r"milestones\[0\] must be an integer of at least 1, not 0"),
])
def test_what_is_refused(make, message):
    with pytest.raises((ValueError, TypeError, StateError), match=message):
        make(two())


@pytest.mark.parametrize(("make", "change", "message"), [
    (MAKERS[0], {"milestones": [5, 6]}, r"1 milestones are needed, not \[5, 6\]"),
    (MAKERS[0], {"milestones": [0]}, r"milestones\[0\] must be an integer of at least 1"),
    (MAKERS[0], {"schedulers": []}, r"schedulers must be a list of 2 states, not \[\]"),
    (MAKERS[0], {"schedulers": [{}, {}]}, "this state is not of 'LinearLR' but of None"),
    (MAKERS[0], {"base_lr": 0.2}, r"this state has 1 parameter group\(s\), the optimiser 2"),
    (MAKERS[0], {"base_lr": ["x", 1]}, "base_lr must be a number, not 'x'"),
    (MAKERS[0], {"last_epoch": -1}, "last_epoch must be an integer of at least 0"),
    (MAKERS[6], {"best": "much"}, "best must be a number"), (MAKERS[6], {"best": math.nan}, "best must be a number"),
    (MAKERS[6], {"lr": [0.1]}, r"lr must be a list of 2 rate\(s\), not \[0.1\]"),
    (MAKERS[6], {"lr": [0.1, -1.0]}, "SGD: lr must be a number of at least 0, not -1.0"),
    (MAKERS[6], {"num_bad_epochs": 0.5}, "num_bad_epochs must be an integer of at least 0"),
    (MAKERS[6], {"factor": 2.0}, "factor must be below 1"),
    (MAKERS[7], {"max_lr": [0.3]}, "max_lr has 1 numbers"),
    (MAKERS[7], {"max_lr": [0.3, None]}, r"max_lr\[1\] must be"),
    (MAKERS[9], {"last_epoch": 60}, "step 51 of a cycle of total_steps = 40"),
])
def test_wrong_values_in_a_state_are_refused_and_change_nothing(make, change, message):
    optimizer = two()
    schedule = make(optimizer)
    before = schedule.state_dict(), optimizer.state_dict()
    with pytest.raises(ValueError, match=message):
        schedule.load_state_dict(before[0] | change)
    assert (schedule.state_dict(), optimizer.state_dict()) == before
