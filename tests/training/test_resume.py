"""What `fit(resume=...)` refuses before a step, and what it takes."""

import copy
import dataclasses
import shutil

import numpy as np
import pytest

from minicnn import nn
from minicnn.checkpoint import Checkpoint, CheckpointError, load, save
from minicnn.models import LeNet
from minicnn.training import Interrupted, Settings, fit
from tests.training.test_fit import StopAt, assert_same, digits, network  # noqa: F401 (a fixture)

SETTINGS = Settings(epochs=4, batch_size=64, seed=5)


@pytest.fixture(scope="module")
def stopped(digits, tmp_path_factory):  # noqa: F811
    """The directory of a run that was stopped in its second epoch."""
    out = tmp_path_factory.mktemp("runs") / "stopped"
    with pytest.raises(Interrupted):
        fit(network(), digits, SETTINGS, out=out, progress=StopAt(6))
    return out


@pytest.fixture
def run(stopped, tmp_path):
    """A copy of it."""
    shutil.copytree(stopped, tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture(scope="module")
def other_best(digits, tmp_path_factory):  # noqa: F811
    """The best weights of another run with the same settings."""
    out = tmp_path_factory.mktemp("runs") / "other"
    fit(network(8), digits, SETTINGS, out=out)
    return out / "best.safetensors"


@pytest.fixture
def refused(run, digits, monkeypatch):  # noqa: F811
    """Resume, which must raise a CheckpointError before a step and change no file and no weight."""
    files = {path.name: path.read_bytes() for path in run.iterdir()}

    def refused(message, saved=None, model=None, data=None, settings=SETTINGS, **options):
        model = model or network(3)
        before = model.state_dict()
        monkeypatch.setattr("minicnn.training.run._Run._step", lambda *arguments: pytest.fail("a step was made"))
        with pytest.raises(CheckpointError, match=message):
            fit(model, data or digits, settings, resume=saved or load(run / "last.safetensors"),
                **{"out": run, **options})
        assert_same(model.state_dict(), before)
        assert {path.name: path.read_bytes() for path in run.iterdir()} == files
    return refused


def test_other_settings(refused):
    refused("a run goes on with its own settings, but these have epochs 8 instead of 4, lr 0.1 instead of 0.002. Only "
            "more epochs may be given. Leave out `settings`, or start a new run from these weights",
            settings=dataclasses.replace(SETTINGS, epochs=8, lr=0.1))
    refused("patience 2 instead of None", settings=dataclasses.replace(SETTINGS, patience=2))


def test_its_own_settings_are_the_default_and_are_recorded(run, digits):  # noqa: F811
    whole, again = network(), network(3)
    fit(whole, digits, SETTINGS)
    assert len(fit(again, digits, out=run, resume=load(run / "last.safetensors"))) == 4
    assert_same(whole.state_dict(), again.state_dict())
    assert Settings(**load(run / "last.safetensors").meta["settings"]) == SETTINGS


def test_without_out_nothing_is_saved_and_the_best_weights_are_found(run, digits):  # noqa: F811
    files = {path.name: path.read_bytes() for path in run.iterdir()}
    whole, again = network(), network(3)
    fit(whole, digits, SETTINGS)
    fit(again, digits, resume=load(run / "last.safetensors"))
    assert_same(whole.state_dict(), again.state_dict())
    assert {path.name: path.read_bytes() for path in run.iterdir()} == files


def test_another_directory_gets_the_whole_run(run, digits, tmp_path):  # noqa: F811
    saved = load(run / "last.safetensors")
    with pytest.raises(Interrupted):
        fit(network(3), digits, out=tmp_path / "other", resume=saved, progress=StopAt(7))
    whole, again = network(), network(3)
    history = fit(whole, digits, SETTINGS)
    found = fit(again, digits, out=tmp_path / "other", resume=load(tmp_path / "other" / "last.safetensors"))
    assert_same(whole.state_dict(), again.state_dict())
    assert [r["val_loss"] for r in found] == [r["val_loss"] for r in history]


def test_files_that_are_not_the_last_checkpoint(refused, run, digits, tmp_path):  # noqa: F811
    refused("best.safetensors cannot be resumed: it lacks the optimiser's state. Give the last.safetensors of a run",
            load(run / "best.safetensors"))
    refused("this checkpoint cannot be resumed: it lacks schedule, history", Checkpoint(network().state_dict(), {}, {}))
    saved = load(run / "last.safetensors")
    refused("this checkpoint has no path, so that its best.safetensors cannot be found",
            Checkpoint(saved.model, saved.optimizer, saved.meta))


def test_the_best_weights_are_missing_or_of_another_run(run, other_best, tmp_path, refused):
    shutil.copytree(run, tmp_path / "alone")
    (tmp_path / "alone" / "best.safetensors").unlink()
    refused("best.safetensors is not there: a run that goes on needs the best weights that it had so far",
            load(tmp_path / "alone" / "last.safetensors"))
    shutil.copy(other_best, tmp_path / "alone")
    refused("best.safetensors is of another run than .*last.safetensors", load(tmp_path / "alone/last.safetensors"))


def test_other_data(digits, refused):  # noqa: F811
    images = digits.train_images.copy()
    images[-1, 3, 3] += 1
    for other in (dataclasses.replace(digits, train_images=images),
                  dataclasses.replace(digits, val_labels=(digits.val_labels + 1) % 10),
                  dataclasses.replace(digits, train_images=images[:100], train_labels=digits.train_labels[:100])):
        refused("its run used other data than these .* It used the dataset 'mnist5k'", data=other)


def test_another_model(refused, run, digits, tmp_path):  # noqa: F811
    refused("is of the model Sequential, not of lenet", model=LeNet(rng=np.random.default_rng(0)))
    rng = np.random.default_rng(0)
    larger = nn.Sequential(nn.Flatten(), nn.Linear(784, 21, rng=rng), nn.ReLU(), nn.Dropout(0.2, rng=rng),
                           nn.Linear(21, 10, rng=rng))
    refused(r"is of another model than this Sequential: 1.weight is \(20, 784\) but must be \(21, 784\)", model=larger)
    double = nn.Sequential(nn.Flatten(), nn.Linear(784, 20, dtype=np.float64, rng=rng), nn.ReLU(),
                           nn.Dropout(0.2, rng=rng), nn.Linear(20, 10, dtype=np.float64, rng=rng))
    refused(r"1.weight is \(20, 784\) but must be \(\(20, 784\), 'float64'\)", model=double)
    one_more = nn.Sequential(*network(), nn.Dropout(0.1, rng=rng))
    refused("has no state for the random generator of 5: it is of another model", model=one_more)


@pytest.mark.parametrize(("key", "value"), [
    ("settings", [1]), ("settings", {"speed": 3}), ("settings", {"epochs": 0}), ("epoch", "2"), ("epoch", -1),
    ("epoch", 9), ("batch", 1.5), ("batch", None), ("sums", {}), ("sums", {"loss": "much"}), ("sums", 3),
    ("history", {}), ("history", [1]), ("history", []), ("history", [{"epoch": 1}]), ("best", None), ("best", 3),
    ("best", {"epoch": 7, "val_error": 0.1}), ("best", {"epoch": 1}), ("schedule", 3), ("schedule", {}),
    ("schedule", {"total_steps": -3}), ("epoch", 0), ("schedule", {"total_steps": 16}), ("generators", []),
    ("generators", {}),
    ("sums", {"loss": np.nan, "wrong": 1, "images": 64, "seconds": 1.0}), ("best", {"epoch": 1, "val_error": np.nan}),
    ("sums", {"loss": 1.0, "wrong": 1, "images": 63, "seconds": 1.0}), ("best", {"epoch": 1, "val_error": 0.0}),
    ("generators", {"3": {"bit_generator": "PCG64"}}), ("generators", {"3": 5})])
def test_damaged_metadata(key, value, refused, run):
    saved = load(run / "last.safetensors")
    saved.meta[key] = value
    refused("its metadata are damaged: |its run used other data|the state of its optimiser does not fit|has no state "
            "for the random generator", saved)


@pytest.mark.parametrize(("change", "message"), [
    (lambda o: o.clear(), "the state of its optimiser does not fit"),
    (lambda o: o.update(params=7), "the state of its optimiser does not fit"),
    (lambda o: o.update(betas=3), "the state of its optimiser does not fit: .*betas must be two numbers"),
    (lambda o: o.update(weight_decay=0.5), "its optimiser has another weight_decay than its settings"),
    (lambda o: o.update(lr="fast"), "the state of its optimiser does not fit: .*lr must be a number"),
    (lambda o: o.pop("1.exp_avg"), r"the state of its optimiser does not fit: .*params\[1\] has exp_avg_sq, step"),
    (lambda o: o.update({"0.step": "two"}), "the state of its optimiser does not fit: .*0.step must be"),
    (lambda o: o["2.exp_avg_sq"].fill(np.nan), "the state of its optimiser is damaged at parameter 2"),
    (lambda o: o["2.exp_avg_sq"].fill(-1), "the state of its optimiser is damaged at parameter 2"),
    (lambda o: o.update({"9.step": 2}), "the state of its optimiser does not fit")])
def test_a_damaged_optimiser(change, message, refused, run):
    saved = load(run / "last.safetensors")
    change(saved.optimizer)
    refused(message, saved)


def test_nan_weights(refused, run):
    saved = load(run / "last.safetensors")
    saved.model["4.bias"][3] = np.nan
    refused("last.safetensors: 4.bias has NaN or infinity in 1 of 10 numbers", saved)


def test_the_checkpoint_itself_is_not_changed(run, digits):  # noqa: F811
    saved = load(run / "last.safetensors")
    before = copy.deepcopy(saved)
    first, second = network(1), network(2)
    fit(first, digits, resume=saved)
    fit(second, digits, resume=saved)
    assert_same(first.state_dict(), second.state_dict())
    assert saved.meta == before.meta and saved.model.keys() == before.model.keys()
    assert_same(saved.model, before.model)


@pytest.mark.parametrize("kind", [np.random.MT19937, np.random.Philox, np.random.SFC64, np.random.PCG64DXSM])
def test_every_random_generator_of_the_model_goes_on(kind, digits, tmp_path):  # noqa: F811
    class Noisy(nn.Module):
        def __init__(self):
            self.layers, self.noise = network(), np.random.Generator(kind(4))

        def forward(self, x):
            return self.layers(x + self.noise.standard_normal(x.shape).astype(np.float32) if self.training else x)
    whole, part, again = Noisy(), Noisy(), Noisy()
    fit(whole, digits, SETTINGS)
    with pytest.raises(Interrupted):
        fit(part, digits, SETTINGS, out=tmp_path, progress=StopAt(6))
    fit(again, digits, out=tmp_path, resume=load(tmp_path / "last.safetensors"))
    assert_same(whole.state_dict(), again.state_dict())


def test_generators_in_lists_and_dicts_go_on(digits, tmp_path):  # noqa: F811
    class Noisy(nn.Module):
        def __init__(self):
            self.layers = nn.ModuleList([network()])
            self.noise = [np.random.default_rng(1), {"more": np.random.default_rng(2)}]

        def forward(self, x):
            for generator in (self.noise[0], self.noise[1]["more"]) if self.training else ():
                x = x + generator.standard_normal(x.shape).astype(np.float32)
            return self.layers[0](x)
    whole, part, again = Noisy(), Noisy(), Noisy()
    fit(whole, digits, SETTINGS)
    with pytest.raises(Interrupted):
        fit(part, digits, SETTINGS, out=tmp_path, progress=StopAt(6))
    saved = load(tmp_path / "last.safetensors")
    assert set(saved.meta["generators"]) == {".noise.0", ".noise.1.more", "layers.0.3"}
    fit(again, digits, out=tmp_path, resume=saved)
    assert_same(whole.state_dict(), again.state_dict())


def test_a_run_that_was_killed_between_its_files(run, digits):  # noqa: F811
    """The best weights are newer than the last checkpoint: a later epoch has written them before the kill."""
    whole = network()
    fit(whole, digits, SETTINGS, out=run.parent / "whole")
    newer = load(run.parent / "whole" / "best.safetensors")
    old = load(run / "last.safetensors").meta["history"]
    newer.meta["history"][:len(old)] = old
    save(run / "best.safetensors", newer.model, None, newer.meta)
    again = network(3)
    fit(again, digits, out=run, resume=load(run / "last.safetensors"))
    assert_same(whole.state_dict(), again.state_dict())
