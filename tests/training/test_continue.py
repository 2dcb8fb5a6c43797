"""A run that goes on to more epochs than were planned, and a new run that begins with given weights."""

import dataclasses
import shutil

import numpy as np
import pytest

from minicnn import nn
from minicnn.checkpoint import Checkpoint, CheckpointError, load
from minicnn.models import LeNet
from minicnn.optim import OneCycleLR
from minicnn.training import Interrupted, Settings, fit, start_from
from minicnn.training.optimization import make_optimizer, make_schedule
from tests.training.test_fit import StopAt, assert_same, digits, network  # noqa: F401 (a fixture)

SETTINGS = Settings(epochs=2, batch_size=64, seed=5)
BATCHES = 4


def more(settings, epochs):
    return dataclasses.replace(settings, epochs=epochs)


@pytest.mark.parametrize("changes", [{"schedule": "constant"}, {"schedule": "constant", "warmup": 1.5, "ema": 0.9},
                                     {"schedule": "plateau", "lr": 0.05, "optimizer": "sgd", "clip": 0.5}])
@pytest.mark.parametrize("stop", [None, 3, 6])
def test_a_schedule_without_an_end_gives_the_bits_of_the_longer_run(changes, stop, digits, tmp_path):  # noqa: F811
    settings, whole, again = dataclasses.replace(SETTINGS, **changes), network(), network(8)
    fit(whole, digits, more(settings, 5))
    if stop is None:
        fit(network(), digits, settings, out=tmp_path)
    else:
        with pytest.raises(Interrupted):
            fit(network(), digits, settings, out=tmp_path, progress=StopAt(stop))
    history = fit(again, digits, more(settings, 5), out=tmp_path, resume=load(tmp_path / "last.safetensors"))
    assert [record["epoch"] for record in history] == [1, 2, 3, 4, 5]
    assert_same(whole.state_dict(), again.state_dict())


@pytest.mark.parametrize("changes", [{}, {"schedule": "cosine", "warmup": 1}, {"schedule": "step", "optimizer": "sgd"},
                                     {"schedule": "linear", "ema": 0.5}])
def test_the_schedule_is_that_of_the_longer_run_at_the_same_step(changes, digits, tmp_path):  # noqa: F811
    settings = dataclasses.replace(SETTINGS, **changes)
    run, twin = tmp_path / "run", tmp_path / "twin"
    fit(network(), digits, settings, out=run)
    with pytest.raises(Interrupted):
        fit(network(3), digits, more(settings, 6), out=run, resume=load(run / "last.safetensors"),
            progress=StopAt(2 * BATCHES + 2))
    saved = load(run / "last.safetensors")
    optimizer = make_optimizer(more(settings, 6), network())
    planned = make_schedule(more(settings, 6), optimizer, BATCHES)
    planned.go_to(2 * BATCHES + 2)
    assert saved.optimizer["lr"] == optimizer.lr > 0 and saved.meta["schedule"] == planned.state_dict()
    assert Settings(**saved.meta["settings"]) == more(settings, 6)
    assert [saved.optimizer[name] for name in ("momentum", "betas") if name in saved.optimizer] == [
        list(value) if isinstance(value, tuple) else value
        for name, value in optimizer.state_dict().items() if name in ("momentum", "betas")]
    # stopped and resumed again, it gives the bits that it gives without the stop
    shutil.copytree(run, twin)
    one, two = network(4), network(5)
    fit(one, digits, resume=saved)
    with pytest.raises(Interrupted):
        fit(network(6), digits, out=twin, resume=load(twin / "last.safetensors"), progress=StopAt(15))
    fit(two, digits, more(settings, 6), resume=load(twin / "last.safetensors"))
    assert_same(one.state_dict(), two.state_dict())


def test_one_cycle_goes_on_where_the_longer_cycle_is():
    """What the documentation says: not a second cycle."""
    model, settings = network(), Settings(epochs=10)
    optimizer = make_optimizer(settings, model)
    schedule = make_schedule(settings, optimizer, 100)
    schedule.go_to(1000)
    assert isinstance(schedule, OneCycleLR) and optimizer.lr < 1e-6
    longer = make_schedule(more(settings, 20), optimizer, 100)
    longer.go_to(1000)
    assert 0.5 * settings.lr < optimizer.lr < settings.lr and longer.lr_at(1001) < optimizer.lr


@pytest.mark.parametrize(("changes", "message"), [
    ({"epochs": 1}, "these have epochs 1 instead of 2. Only more epochs may be given. Leave out .* start_from"),
    ({"epochs": 4, "lr": 0.5}, "these have epochs 4 instead of 2, lr 0.5 instead of 0.002"),
    ({"optimizer": "sgd", "lr": 2e-3}, "these have optimizer 'sgd' instead of 'adamw'")])
def test_other_settings_are_refused(changes, message, digits, tmp_path):  # noqa: F811
    fit(network(), digits, SETTINGS, out=tmp_path)
    with pytest.raises(CheckpointError, match=message):
        fit(network(), digits, dataclasses.replace(SETTINGS, **changes), resume=load(tmp_path / "last.safetensors"))


def test_a_run_that_has_lost_its_patience_does_not_go_on(digits, tmp_path):  # noqa: F811
    settings = dataclasses.replace(SETTINGS, epochs=9, lr=1e-9, patience=1)
    assert len(fit(network(), digits, settings, out=tmp_path)) == 2
    with pytest.raises(CheckpointError, match="the run has ended because 1 epoch brought no smaller validation error"):
        fit(network(), digits, more(settings, 12), resume=load(tmp_path / "last.safetensors"))


def test_a_new_run_begins_with_the_weights_of_another(digits, tmp_path):  # noqa: F811
    fit(network(), digits, SETTINGS, out=tmp_path)
    weights = load(tmp_path / "best.safetensors")
    model, twin = network(9), network(10)
    assert start_from(weights, model) == []
    assert_same(model.state_dict(), weights.model)
    twin.load_state_dict(weights.model)
    fit(model, digits, Settings(epochs=1, lr=1e-4))
    fit(twin, digits, Settings(epochs=1, lr=1e-4))
    assert_same(model.state_dict(), twin.state_dict())


def classifier(classes, size=5, seed=0):
    rng = np.random.default_rng(seed)
    return nn.Sequential(nn.Conv2d(1, 3, 3, rng=rng), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(3, size, rng=rng),
                         nn.ReLU(), nn.Linear(size, classes, rng=rng))


@pytest.mark.parametrize("classes", [1, 3, 12])
def test_another_number_of_classes_starts_the_last_layer_anew(classes):
    given, model = classifier(10), classifier(classes, seed=1)
    given[1].running_mean[...] = 7
    before = model.state_dict()
    assert start_from(Checkpoint(given.state_dict()), model) == ["5.weight", "5.bias"]
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, (before if name.startswith("5") else given.state_dict())[name])
    lenet = LeNet(num_classes=4, rng=np.random.default_rng(1))
    assert start_from(Checkpoint(LeNet(rng=np.random.default_rng(0)).state_dict()), lenet) == ["fc1.weight", "fc1.bias"]


def test_weights_of_another_model_are_listed_together_and_change_nothing():
    given, model = classifier(10), classifier(3, size=6, seed=1)
    state = given.state_dict()
    del state["1.bias"]
    before = model.state_dict()
    with pytest.raises(CheckpointError) as caught:
        start_from(Checkpoint({**state, "more": np.ones(1)}), model)
    for part in ("missing: 1.bias", "unexpected: more", "3.weight is (5, 3) but must be (6, 3)",
                 "3.bias is (5,) but must be (6,)", "5.weight is (10, 5) but must be (3, 6)"):
        assert part in str(caught.value)
    assert_same(model.state_dict(), before)
    with pytest.raises(CheckpointError, match="5.weight is int8, but the Sequential has float32: the file"):
        start_from(Checkpoint({**classifier(3).state_dict(), "5.weight": np.ones((3, 5), np.int8)}), classifier(3))


@pytest.mark.parametrize(("make", "message"), [
    (lambda: start_from({}, classifier(3)), "start_from: weights must be a Checkpoint from minicnn.checkpoint.load"),
    (lambda: start_from(Checkpoint({}), 3), "start_from: the model must be a Module, not a int")])
def test_wrong_types(make, message):
    with pytest.raises(TypeError, match=message):
        make()


def test_a_model_without_parameters():
    assert start_from(Checkpoint({}), nn.ReLU()) == []
