"""The optimisers, schedules, warm-ups, clipping and averages that the settings of a training ask for."""

import dataclasses
import json

import numpy as np
import pytest

from minicnn import functional as F
from minicnn import optim
from minicnn.checkpoint import CheckpointError, load
from minicnn.data import DataLoader
from minicnn.nn.utils import clip_grad_norm_
from minicnn.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from minicnn.tensor import Tensor
from minicnn.training import Interrupted, Settings, evaluate, fit
from minicnn.training.optimization import make_optimizer, make_schedule
from tests.training.test_fit import (  # noqa: F401 (digits is a fixture)
    StopAt,
    assert_same,
    assert_same_files,
    assert_same_histories,
    digits,
    network,
)

RUNS = [
    {}, {"optimizer": "sgd"}, {"optimizer": "rmsprop", "momentum": 0.5}, {"optimizer": "adagrad"},
    {"optimizer": "adam", "schedule": "cosine", "warmup": 0.6},
    {"optimizer": "sgd", "schedule": "step", "momentum": 0.3},
    {"schedule": "linear", "warmup": 2}, {"optimizer": "sgd", "schedule": "constant", "warmup": 1.0},
    {"optimizer": "sgd", "momentum": 0.5, "clip": 0.5}, {"ema": 0.9}, {"optimizer": "sgd", "ema": 0.5, "clip": 1},
    {"schedule": "plateau", "lr": 0.05}, {"optimizer": "sgd", "schedule": "plateau", "ema": 0.9},
]


def settings_of(changes):
    return Settings(**{"epochs": 4, "batch_size": 64, "seed": 5, **changes})


@pytest.mark.parametrize("changes", RUNS)
@pytest.mark.parametrize("stop", [2, 8, 14])
def test_a_resumed_run_goes_on_bit_for_bit(changes, stop, digits, tmp_path):  # noqa: F811
    settings, whole, again = settings_of(changes), network(), network(77)
    history = fit(whole, digits, settings, out=tmp_path / "whole")
    with pytest.raises(Interrupted):
        fit(network(), digits, settings, out=tmp_path / "part", progress=StopAt(stop))
    saved = load(tmp_path / "part" / "last.safetensors")
    assert Settings(**saved.meta["settings"]) == settings
    found = fit(again, digits, out=tmp_path / "part", resume=saved)
    assert_same(whole.state_dict(), again.state_dict())
    assert_same_histories(found, history)
    for one, two in assert_same_files(tmp_path):
        assert one.meta["schedule"] == two.meta["schedule"]


def by_hand(model, data, epochs, make, clip=None, decay=None):
    """A plain loop: the weights after the last epoch, and the average of the weights."""
    optimizer, schedule = make(model)
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay or 0.0))
    model.train()
    for epoch in range(epochs):
        for images, labels in DataLoader(data.train_images, data.train_labels, 64, shuffle=True,
                                         rng=np.random.default_rng([5, epoch])):
            optimizer.zero_grad()
            F.cross_entropy(model(Tensor(images)), labels).backward()
            if clip:
                clip_grad_norm_(model.parameters(), clip)
            optimizer.step()
            if not isinstance(schedule, optim.ReduceLROnPlateau):
                schedule.step()
            average.update_parameters(model)
        if isinstance(schedule, optim.ReduceLROnPlateau):
            schedule.step(evaluate(model, data.val_images, data.val_labels).loss)
    return model.state_dict(), average.module.state_dict()


def warmed(optimizer):
    first = optim.LinearLR(optimizer, 0.01, total_iters=2)
    return optim.SequentialLR(optimizer, [first, optim.CosineAnnealingLR(optimizer, 10)], [2])


@pytest.mark.parametrize(("changes", "optimizer", "schedule"), [
    ({}, lambda p: optim.AdamW(p, lr=2e-3), lambda o: optim.OneCycleLR(o, 2e-3, 12)),
    ({"optimizer": "adam", "lr": 0.01, "schedule": "linear"}, lambda p: optim.Adam(p, lr=0.01),
     lambda o: optim.PolynomialLR(o, 12)),
    ({"optimizer": "sgd"}, lambda p: optim.SGD(p, lr=2e-2, weight_decay=5e-4), lambda o: optim.OneCycleLR(o, 2e-2, 12)),
    ({"optimizer": "sgd", "momentum": 0.5}, lambda p: optim.SGD(p, lr=2e-2, momentum=0.5, weight_decay=5e-4),
     lambda o: optim.OneCycleLR(o, 2e-2, 12, cycle_momentum=False)),
    ({"optimizer": "sgd", "schedule": "step", "weight_decay": 0}, lambda p: optim.SGD(p, lr=2e-2, momentum=0.9),
     lambda o: optim.MultiStepLR(o, [4, 8])),
    ({"optimizer": "rmsprop", "schedule": "constant"}, lambda p: optim.RMSprop(p, lr=3e-4),
     lambda o: optim.ConstantLR(o, 1.0)),
    ({"optimizer": "adagrad", "schedule": "cosine", "warmup": 0.5}, lambda p: optim.Adagrad(p, lr=3e-3), warmed),
    ({"schedule": "plateau", "lr": 0.01}, lambda p: optim.AdamW(p, lr=0.01),
     lambda o: optim.ReduceLROnPlateau(o, patience=2)),
    ({"clip": 0.3, "optimizer": "adam"}, lambda p: optim.Adam(p, lr=2e-3), lambda o: optim.OneCycleLR(o, 2e-3, 12)),
    ({"ema": 0.8}, lambda p: optim.AdamW(p, lr=2e-3), lambda o: optim.OneCycleLR(o, 2e-3, 12)),
])
def test_a_run_does_what_a_plain_loop_does_bit_for_bit(changes, optimizer, schedule, digits, tmp_path):  # noqa: F811
    settings = settings_of({"epochs": 3, **changes})

    def make(model):
        one = optimizer(model.parameters())
        return one, schedule(one)
    history = fit(network(), digits, settings, out=tmp_path)
    last, average = by_hand(network(), digits, 3, make, settings.clip, settings.ema)
    saved = load(tmp_path / "last.safetensors")
    assert_same(saved.model, last)
    if settings.ema:
        assert_same({name.removeprefix("ema.module."): array for name, array in saved.optimizer.items()
                     if name.startswith("ema.module.")}, average)
        best = load(tmp_path / "best.safetensors")
        assert best.meta["best"]["epoch"] == 3, "the average of the last epoch is measured and kept"
        assert_same(best.model, average)
        twin = network()
        twin.load_state_dict(average)
        assert history[-1]["val_loss"] == evaluate(twin, digits.val_images, digits.val_labels).loss


def test_the_rates_of_each_schedule():
    model, batches = network(), 10
    ends = {}
    for schedule in ("one-cycle", "cosine", "linear", "step", "constant"):
        settings = settings_of({"epochs": 6, "schedule": schedule, "lr": 1.0})
        optimizer = make_optimizer(settings, model)
        planned = make_schedule(settings, optimizer, batches)
        rates = [planned.lr_at(t) for t in range(60)]
        assert max(rates) == pytest.approx(1)
        ends[schedule] = rates[-1]
    assert ends["one-cycle"] < 1e-5 and ends["cosine"] < 1e-3 and ends["linear"] == pytest.approx(1 / 60)
    assert ends["step"] == pytest.approx(0.01) and ends["constant"] == 1
    settings = settings_of({"epochs": 6, "schedule": "step", "lr": 1.0, "warmup": 1.5})
    planned = make_schedule(settings, make_optimizer(settings, model), batches)
    rates = [planned.lr_at(t) for t in range(60)]
    assert rates[0] == pytest.approx(0.01) and rates[14] < 1 == rates[15]
    assert [t for t in range(15, 60) if rates[t] != rates[t - 1]][1:] == [20, 40], "thirds of the whole run"


def test_a_plateau_lowers_the_rate(digits):  # noqa: F811
    history = fit(network(), digits, Settings(epochs=7, batch_size=64, lr=1e-9, schedule="plateau"))
    assert [record["lr"] for record in history] == pytest.approx([1e-9] * 7), "reductions below 1e-8 are not made"
    history = fit(network(), digits, Settings(epochs=10, batch_size=64, optimizer="sgd", lr=1e-6, schedule="plateau"))
    assert [record["lr"] for record in history][:3] == [1e-6] * 3 and history[-1]["lr"] < 1.1e-7


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "rmsprop", "adagrad"])
def test_each_optimizer_learns_with_its_own_defaults(optimizer, digits):  # noqa: F811
    settings = Settings(epochs=8, batch_size=16, optimizer=optimizer)
    history = fit(network(), digits, settings)
    assert history[-1]["train_loss"] < 0.7 * history[0]["train_loss"]


def test_defaults_of_each_optimizer():
    assert (Settings().lr, Settings().weight_decay, Settings().optimizer) == (2e-3, 1e-2, "adamw")
    assert Settings(optimizer="sgd").lr == 2e-2 and Settings(optimizer="sgd", lr=np.float32(0.5)).lr == 0.5
    assert dataclasses.replace(Settings(optimizer="sgd"), epochs=3).lr == 2e-2
    assert json.loads(json.dumps(dataclasses.asdict(Settings(warmup=1, schedule="step", clip=2))))["clip"] == 2.0


@pytest.mark.parametrize(("given", "message"), [
    ({"optimizer": "lion"}, "optimizer must be one of 'adamw', 'adam', 'sgd', 'rmsprop', 'adagrad', not 'lion'"),
    ({"optimizer": None}, "optimizer must be one of"), ({"schedule": "magic"}, "schedule must be one of 'one-cycle', "),
    ({"warmup": -1}, "warmup must be a number of at least 0, not -1"),
    ({"warmup": 1}, "warmup has no effect with the schedule one-cycle, which begins with a warm-up of its own"),
    ({"warmup": 1, "schedule": "plateau"}, "with the schedule plateau, which follows the validation loss: leave"),
    ({"warmup": 3, "schedule": "step", "epochs": 3}, "warmup must be less than the 3 epochs of the run, not 3"),
    ({"momentum": 0.9}, "momentum has no effect with the optimiser adamw: leave it out, or take sgd or rmsprop"),
    ({"momentum": 1.5, "optimizer": "sgd"}, "momentum must be between 0 and 1, not 1.5"),
    ({"clip": 0}, "clip must be a number above 0, not 0"), ({"clip": "much"}, "clip must be a number"),
    ({"ema": 1.0}, "ema must be below 1, so that the average follows the weights"), ({"ema": 2}, "ema must be between"),
])
def test_settings_that_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        Settings(**given)


@pytest.mark.parametrize(("changes", "damage", "message"), [
    ({"ema": 0.9}, lambda o: o.pop("ema.module.1.weight"), "the state does not fit AveragedModel: missing"),
    ({"ema": 0.9}, lambda o: o.pop("ema.n_averaged"), "missing: n_averaged"),
    ({"ema": 0.9}, lambda o: o["ema.module.1.bias"].fill(np.nan), "the weights is damaged at module.1.bias"),
    ({"ema": 0.9}, lambda o: o["ema.n_averaged"].fill(3), "the average of the weights is damaged at n_averaged"),
    ({}, lambda o: o.update({"ema.module.1.bias": np.ones(3)}), "does not fit: it has an average of the weights"),
    ({"optimizer": "sgd", "momentum": 0.5}, lambda o: o.update(momentum=0.6), "has another momentum than its settings"),
    ({"optimizer": "sgd"}, lambda o: o["0.momentum_buffer"].fill(np.inf), "optimiser is damaged at parameter 0"),
    ({"optimizer": "rmsprop"}, lambda o: o["1.square_avg"].fill(-1), "optimiser is damaged at parameter 1"),
    ({"optimizer": "adagrad"}, lambda o: o["1.sum"].fill(-1), "optimiser is damaged at parameter 1"),
    ({"optimizer": "adagrad"}, lambda o: o.update(optimizer="SGD"), "has optimizer = 'SGD', the optimiser has 'Adagr"),
    ({"schedule": "plateau"}, lambda o: o.update(eps=0.5), "has another eps than its settings"),
])
def test_a_damaged_state_is_refused(changes, damage, message, digits, tmp_path):  # noqa: F811
    with pytest.raises(Interrupted):
        fit(network(), digits, settings_of(changes), out=tmp_path, progress=StopAt(6))
    saved = load(tmp_path / "last.safetensors")
    damage(saved.optimizer)
    with pytest.raises(CheckpointError, match=message):
        fit(network(), digits, resume=saved)


@pytest.mark.parametrize(("changes", "damage"), [
    ({"schedule": "cosine", "warmup": 1}, {"milestones": [5]}), ({"schedule": "step"}, {"gamma": 0.5}),
    ({"schedule": "plateau"}, {"factor": 0.5}), ({"schedule": "linear"}, {"last_epoch": 3}),
    ({"schedule": "constant"}, {"base_lr": 5.0})])
def test_a_damaged_schedule_is_refused(changes, damage, digits, tmp_path):  # noqa: F811
    with pytest.raises(Interrupted):
        fit(network(), digits, settings_of(changes), out=tmp_path, progress=StopAt(6))
    saved = load(tmp_path / "last.safetensors")
    saved.meta["schedule"].update(damage)
    with pytest.raises(CheckpointError, match=f"its optimiser has another .*{next(iter(damage))}.* than its settings"):
        fit(network(), digits, resume=saved)
