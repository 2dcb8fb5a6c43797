"""fit: the same seed gives the same bits, a resumed run too, and errors lose nothing."""

import dataclasses
import errno
import json
import os
import re
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest

from minicnn import InputError, nn
from minicnn.checkpoint import CheckpointError, load, save
from minicnn.data import Dataset
from minicnn.data import load as load_data
from minicnn.models import MLP, LeNet
from minicnn.progress import Progress
from minicnn.training import Interrupted, Settings, TrainingError, evaluate, fit
from tests.recorder import Recorder


@pytest.fixture(scope="module")
def digits():
    full = load_data("mnist5k")
    return Dataset("mnist5k", "a part", full.train_images[:256], full.train_labels[:256], full.val_images[:100],
                   full.val_labels[:100])


SETTINGS = Settings(epochs=3, batch_size=64, seed=5, max_shift=1)


def network(seed=0):
    rng = np.random.default_rng(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 20, rng=rng), nn.ReLU(),
                         nn.Dropout(0.2, rng=np.random.default_rng(9)), nn.Linear(20, 10, rng=rng))


class StopAt(Progress):
    """Presses Ctrl-C once, after the given number of steps."""

    def __init__(self, step):
        self.step = step

    def update(self, done, total, text=""):
        if done == self.step:
            self.step = None
            os.kill(os.getpid(), signal.SIGINT)


def assert_same(a, b):
    for key in a | b:
        np.testing.assert_array_equal(a[key], b[key], err_msg=key)


def assert_same_histories(first, second):
    """The records of two runs, but for the time that they took."""
    timeless = lambda records: [{k: v for k, v in r.items() if k not in ("seconds", "images_per_s")} for r in records]
    assert timeless(first) == timeless(second)


def assert_same_files(folder):
    """The arrays in the checkpoints of the runs `whole` and `part`. Returns the pairs of checkpoints."""
    pairs = [[load(folder / run / f"{name}.safetensors") for run in ("whole", "part")] for name in ("last", "best")]
    for one, two in pairs:
        assert_same(one.model, two.model)
        assert_same(one.optimizer or {}, two.optimizer or {})
    return pairs


def test_it_learns(digits):
    model = MLP(32, rng=np.random.default_rng(0))
    history = fit(model, digits, dataclasses.replace(SETTINGS, epochs=8, max_shift=0))
    assert history[-1]["train_loss"] < history[0]["train_loss"] / 3
    assert evaluate(model, digits.val_images, digits.val_labels).error < 0.35


def test_same_seed_same_bits_and_another_seed_others(digits):
    runs = []
    for seed in (5, 5, 6):
        model = network()
        fit(model, digits, dataclasses.replace(SETTINGS, seed=seed))
        runs.append(model.state_dict())
    assert_same(runs[0], runs[1])
    assert (runs[0]["1.weight"] != runs[2]["1.weight"]).any()


def test_lenet_same_bits(digits):
    states = []
    for _ in range(2):
        model = LeNet(rng=np.random.default_rng(1))
        fit(model, dataclasses.replace(digits, train_images=digits.train_images[:64],
                                       train_labels=digits.train_labels[:64]), Settings(epochs=1, batch_size=32))
        states.append(model.state_dict())
    assert_same(*states)


@pytest.mark.parametrize("stop", [1, 4, 6, 8])
def test_stopped_and_resumed_to_the_same_bits(stop, digits, tmp_path):
    whole = network()
    history = fit(whole, digits, SETTINGS, out=_new(tmp_path / "whole"))
    part = network()
    with pytest.raises(Interrupted, match=r"stopped in epoch \d, after \d of 4 batches"):
        fit(part, digits, SETTINGS, out=_new(tmp_path / "part"), progress=StopAt(stop))
    again = network(seed=77)                      # its first weights must not matter
    resumed = fit(again, digits, SETTINGS, out=tmp_path / "part", resume=load(tmp_path / "part" / "last.safetensors"))
    assert_same(whole.state_dict(), again.state_dict())
    assert_same_histories(resumed, history)
    assert_same_files(tmp_path)


def test_a_run_of_version_0_1_is_resumed(digits, tmp_path):
    """The files were written by the same `fit` in version 0.1 (commit c8c1a2f), stopped by Ctrl-C after 6 steps."""
    def small_network():
        return nn.Sequential(nn.AvgPool2d(4), nn.Flatten(), nn.Dropout(0.2, rng=np.random.default_rng(9)),
                             nn.Linear(49, 10, rng=np.random.default_rng(0)))
    whole, resumed, settings = small_network(), small_network(), dataclasses.replace(SETTINGS, lr=0.02)
    shutil.copytree(Path(__file__).with_name("version_0_1"), tmp_path / "run")
    saved = load(tmp_path / "run" / "last.safetensors")
    assert Settings(**saved.meta["settings"]) == settings and saved.meta["model"] == "lenet"
    history = fit(whole, digits, settings)
    found = fit(resumed, digits, settings, out=tmp_path / "run", resume=saved)
    assert [record["epoch"] for record in found] == [1, 2, 3]
    for name, array in whole.state_dict().items():       # another processor may round otherwise
        np.testing.assert_allclose(resumed.state_dict()[name], array, rtol=1e-3, atol=1e-5)
    assert [r["val_loss"] for r in found] == pytest.approx([r["val_loss"] for r in history], rel=1e-3)


def test_ctrl_c_leaves_the_handler_as_it_was(digits, tmp_path):
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(Interrupted):
        fit(network(), digits, SETTINGS, out=tmp_path, progress=StopAt(1))
    assert signal.getsignal(signal.SIGINT) is before


def test_weights_alone_cannot_be_resumed(digits, tmp_path):
    fit(network(), digits, dataclasses.replace(SETTINGS, epochs=1), out=tmp_path)
    with pytest.raises(CheckpointError, match="best.safetensors cannot be resumed: it lacks the optimiser's state"):
        fit(network(), digits, SETTINGS, resume=load(tmp_path / "best.safetensors"))
    save(tmp_path / "own.safetensors", network().state_dict(), {}, {"epoch": 1})
    with pytest.raises(CheckpointError, match="it lacks schedule, history, .* generators. Give the last.safetensors"):
        fit(network(), digits, SETTINGS, resume=load(tmp_path / "own.safetensors"))


def test_progress_is_told_after_each_step_and_an_epoch_is_noted(digits):
    told = Recorder()
    history = fit(network(), digits, SETTINGS, progress=told)
    assert {total for _, total, _ in told.updates} == {12}
    assert [done for done, *_ in told.updates] == [0, 1, 2, 3, 4, 4, 5, 6, 7, 8, 8, 9, 10, 11, 12]
    assert told.updates[0][2] == "epoch 1/3"
    assert re.fullmatch(r"epoch 2/3  loss \d\.\d{4}  accuracy [\d.]+%  [\d,]+ images/s", told.updates[6][2])
    assert [note[:11] for note in told.notes] == ["epoch 1/3  ", "epoch 2/3  ", "epoch 3/3  "]
    assert told.notes[2].endswith(f"validation error {history[2]['val_error']:.2%}")


def test_history_file(digits, tmp_path):
    history = fit(network(), digits, SETTINGS, out=tmp_path)
    lines = (tmp_path / "history.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == history
    assert [record["epoch"] for record in history] == [1, 2, 3]
    assert set(history[0]) == {"epoch", "train_loss", "train_error", "images_per_s", "val_loss", "val_error", "lr",
                               "seconds"}


def test_the_best_epoch_is_kept(digits, tmp_path):
    model = network()
    history = fit(model, digits, dataclasses.replace(SETTINGS, epochs=6, lr=0.05), out=tmp_path)
    least = min(record["val_error"] for record in history)
    assert evaluate(model, digits.val_images, digits.val_labels).error == least
    assert_same(model.state_dict(), load(tmp_path / "best.safetensors").model)


def test_early_stopping(digits):
    history = fit(network(), digits, dataclasses.replace(SETTINGS, epochs=50, lr=1e-9, patience=2))
    assert len(history) == 3, "no epoch after the first is better"


def test_nan_weights_are_refused_and_keep_the_checkpoint(digits, tmp_path):
    fit(network(), digits, dataclasses.replace(SETTINGS, epochs=1), out=tmp_path)
    before = (tmp_path / "last.safetensors").read_bytes()
    broken = network()
    broken[1].weight.data[3] = np.nan
    with pytest.raises(InputError, match="Sequential: 1.weight has NaN or infinity in 784 of 15680 numbers: training"):
        fit(broken, digits, SETTINGS, out=tmp_path)
    assert (tmp_path / "last.safetensors").read_bytes() == before


def test_a_loss_that_is_not_finite_stops_and_keeps_the_checkpoint(digits, tmp_path):
    fit(network(), digits, dataclasses.replace(SETTINGS, epochs=1), out=tmp_path)
    before = (tmp_path / "last.safetensors").read_bytes()
    with pytest.raises(TrainingError, match="the loss is (nan|inf) in epoch 1, batch 2: try a smaller learning rate"):
        fit(network(), digits, dataclasses.replace(SETTINGS, lr=1e30), out=tmp_path)
    assert (tmp_path / "last.safetensors").read_bytes() == before


def test_a_validation_loss_that_is_not_finite_is_no_result(digits, tmp_path):
    one_step = dataclasses.replace(digits, train_images=digits.train_images[:8], train_labels=digits.train_labels[:8])
    with pytest.raises(TrainingError, match="the validation loss is (nan|inf) after epoch 1: try a smaller learning"):
        fit(network(), one_step, Settings(epochs=1, lr=1e30), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_full_disk_keeps_the_checkpoint(digits, tmp_path, monkeypatch):
    fit(network(), digits, dataclasses.replace(SETTINGS, epochs=1), out=tmp_path)
    before = (tmp_path / "last.safetensors").read_bytes()

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CheckpointError, match="the disk is full; free some space"):
        fit(network(), digits, SETTINGS, out=tmp_path)
    assert (tmp_path / "last.safetensors").read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["best.safetensors", "history.jsonl", "last.safetensors"]


def test_labels_out_of_range(digits):
    with pytest.raises(ValueError, match="the training labels go from 2 to 11, but the model has 10 classes"):
        fit(network(), dataclasses.replace(digits, train_labels=digits.train_labels + 2), SETTINGS)
    with pytest.raises(ValueError, match="the labels go from 2 to 11, but the model has 10 classes"):
        evaluate(network(), digits.val_images, digits.val_labels + 2)


def test_evaluation(digits):
    model = network()
    model.train()
    found = evaluate(model, digits.val_images, digits.val_labels, batch_size=33, progress=(heard := Recorder()))
    assert model.training and [update[:2] for update in heard.updates] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert found.confusion.sum() == 100
    assert found.error == pytest.approx(1 - np.trace(found.confusion) / 100)
    np.testing.assert_allclose(found.probabilities.sum(1), 1, rtol=1e-5)
    np.testing.assert_array_equal(found.probabilities.argmax(1), found.predictions)


@pytest.mark.parametrize(("field", "value", "message"), [
    ("epochs", 0, "epochs must be an integer of at least 1, not 0"), ("lr", 0.0, "lr must be a number above 0, not 0"),
    ("lr", float("nan"), "lr must be a number above 0, not nan"), ("lr", "x", "lr must be a number above 0, not 'x'"),
    ("batch_size", -1, "batch_size must be an integer of at least 1"), ("seed", -1, "seed must be an integer of at"),
    ("max_shift", 1.5, "max_shift must be an integer of at least 0, not 1.5"),
    ("weight_decay", -0.1, "weight_decay must be a number of at least 0, not -0.1"),
    ("patience", 0, "patience must be an integer of at least 1, not 0")])
def test_bad_settings(field, value, message):
    with pytest.raises(ValueError, match=message):
        Settings(**{field: value})


def _new(path):
    path.mkdir()
    return path


@pytest.mark.slow
def test_one_epoch_on_the_embedded_digits_tells_most_of_them_apart():
    data = load_data("mnist5k")
    model = LeNet(rng=np.random.default_rng(1))
    fit(model, data, Settings(epochs=1, seed=1))
    assert evaluate(model, data.val_images, data.val_labels).error < 0.15


def test_evaluate_gives_each_module_its_former_mode_back(rng):
    frozen = nn.Dropout(rng=rng).eval()
    model = nn.Sequential(nn.Flatten(), frozen, nn.Linear(784, 10, rng=rng))
    images, labels = np.zeros((3, 28, 28), np.uint8), np.array([0, 1, 2])
    evaluate(model, images, labels)
    assert model.training and not frozen.training
    with pytest.raises(ValueError, match="linear: the input has shape"):
        evaluate(nn.Sequential(model, nn.Linear(5, 2, rng=rng)), images, labels)
    assert model.training and not frozen.training
