"""Runs are read from their directories; what is no run, or is damaged, is told."""

import json
import shutil
from pathlib import Path

import pytest

from minicnn.checkpoint import CheckpointError, load, save
from minicnn.errors import FileError
from minicnn.training import Interrupted, Settings, differing, find_runs, fit, read_run
from tests.training.test_fit import StopAt, digits, network  # noqa: F401 (a fixture)

SETTINGS = Settings(epochs=2, batch_size=64, seed=5)


@pytest.fixture(scope="module")
def finished(digits, tmp_path_factory):  # noqa: F811
    out = tmp_path_factory.mktemp("runs") / "finished"
    fit(network(), digits, SETTINGS, out=out)
    return out


@pytest.fixture
def run(finished, tmp_path):
    return Path(shutil.copytree(finished, tmp_path / "runs" / "finished"))


def test_a_finished_run(run):
    (run / "result.json").write_text(json.dumps({"test_error": 0.25, "epochs": 2}))
    record = read_run(run)
    history = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    assert (record.model, record.dataset, record.settings) == ("Sequential", "mnist5k", SETTINGS)
    assert record.history == history and record.complete and record.test_error == 0.25
    assert record.best == min(history, key=lambda one: one["val_error"])
    assert record.seconds == pytest.approx(sum(one["seconds"] for one in history))


@pytest.mark.parametrize(("stop", "epochs"), [(2, 0), (6, 1)])
def test_an_interrupted_run(stop, epochs, digits, tmp_path):  # noqa: F811
    with pytest.raises(Interrupted):
        fit(network(), digits, SETTINGS, out=tmp_path, progress=StopAt(stop))
    record = read_run(tmp_path)
    assert len(record.history) == epochs and not record.complete and record.test_error is None
    assert (record.best is None) == (epochs == 0) and (record.seconds > 0) == (epochs > 0)


def test_a_run_that_lost_its_patience_is_complete(digits, tmp_path):  # noqa: F811
    fit(network(), digits, Settings(epochs=9, batch_size=64, lr=1e-9, patience=1), out=tmp_path)
    assert read_run(tmp_path).complete and len(read_run(tmp_path).history) == 2


def test_a_run_of_version_0_1():
    record = read_run(Path(__file__).with_name("version_0_1"))
    assert record.settings.optimizer == "adamw" and record.settings.epochs == 3 and not record.complete


@pytest.mark.parametrize("text", [
    "", "no JSON", "[1]", "{", '{"test_error": 0.25, "epochs": 1}', '{"test_error": "0.2", "epochs": 2}',
    '{"test_error": 3, "epochs": 2}', '{"test_error": NaN, "epochs": 2}', '{"test_error": true, "epochs": 2}',
    "[" * 100_000, '{"epochs": 2}'])
def test_a_result_that_says_nothing(text, run):
    (run / "result.json").write_text(text)
    assert read_run(run).test_error is None


def test_runs_are_found(run, tmp_path):
    runs = tmp_path / "runs"
    (runs / ".hidden").mkdir()
    (runs / "foreign").mkdir()
    (runs / "notes.txt").write_text("mine")
    shutil.copytree(run, runs / "another")
    assert find_runs(runs) == ([runs / "another", run], [runs / "foreign"])
    assert find_runs(run) == ([run], [])
    for wrong in (tmp_path / "nowhere", runs / "notes.txt"):
        with pytest.raises(FileError, match=f"{wrong.name}: .*: name a directory with runs, or the directory of a run"):
            find_runs(wrong)


@pytest.mark.parametrize(("damage", "message"), [
    (lambda path: path.write_bytes(path.read_bytes()[:-9]), "last.safetensors"),
    (lambda path: path.write_bytes(b""), "last.safetensors"),
    (lambda path: shutil.copy(path.with_name("best.safetensors"), path), "it lacks the optimiser's state"),
    (lambda path: edit(path, history=[1, 2]), "its metadata are damaged: history is"),
    (lambda path: edit(path, settings={"epochs": "many"}), "its metadata are damaged: settings"),
    (lambda path: edit(path, model=["mlp"]), r"the names of model and data are \['mlp'\] and 'mnist5k'"),
    (lambda path: edit(path, dataset=None), "the names of model and data are 'Sequential' and None"),
    (lambda path: path.unlink(), "is not the directory of a run: it has no last.safetensors"),
])
def test_damaged_runs(damage, message, run):
    damage(run / "last.safetensors")
    with pytest.raises(CheckpointError, match=message):
        read_run(run)


def edit(path, **changes):
    saved = load(path)
    save(path, saved.model, saved.optimizer, {**saved.meta, **changes})


def test_settings_that_differ(run, digits, tmp_path):  # noqa: F811
    fit(network(), digits, Settings(epochs=1, batch_size=64, seed=5, ema=0.5), out=tmp_path / "other")
    one, two = read_run(run), read_run(tmp_path / "other")
    assert differing([one, two]) == ["epochs", "ema"] and differing([one, one]) == differing([one]) == []
