"""`minicnn train` as a user calls it: runs, resumed runs, nothing lost."""

import json
import os
import signal
import struct
import subprocess
import sys
import time
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np
import pytest

from minicnn.checkpoint import load, save
from minicnn.cli.main import make_parser
from minicnn.training import Settings

TINY = ["train", "--dataset", "mnist5k", "--model", "mlp", "--dry-run"]


def test_one_line_of_json(run):
    status, out, err = run(*TINY, "--json")
    result = json.loads(out)
    assert status == 0 and out.count("\n") == 1
    assert {"dataset", "epochs", "val_error", "test_error", "seconds", "images_per_s", "seed", "algorithms",
            "versions"} <= set(result)
    assert result["dataset"] == "mnist5k" and result["images"] == [256, 256, 0] and result["test_error"] is None
    assert "(5,000 official MNIST training digits); of each part at most the first 256 images" in err
    folder = Path("runs/dry-run")
    assert {p.name for p in folder.iterdir()} == {"best.safetensors", "last.safetensors", "history.jsonl",
                                                  "learning_curve.png", "result.json"}
    assert (folder / "learning_curve.png").read_bytes()[:4] == b"\x89PNG"
    assert json.loads((folder / "result.json").read_text()) == result


def test_twice_keeps_the_first_run(run):
    run(*TINY, "--quiet")
    before = Path("runs/dry-run/last.safetensors").read_bytes()
    status, out, err = run(*TINY, "--quiet")
    assert status == 0 and err == "" and "runs/dry-run-2" in out
    assert Path("runs/dry-run/last.safetensors").read_bytes() == before


def test_options_become_settings(run):
    status, out, _ = run(*TINY, "--epochs", "2", "--batch-size", "32", "--lr", "1e-3", "--weight-decay", "0",
                         "--patience", "5", "--seed", "7", "--augment", "shift", "--quiet", "--json", "--out", "run")
    assert status == 0 and json.loads(out)["settings"] == {
        "epochs": 2, "batch_size": 32, "lr": 1e-3, "weight_decay": 0.0, "seed": 7, "max_shift": 2, "augment": [],
        "patience": 5, "optimizer": "adamw", "schedule": "one-cycle", "warmup": 0.0, "momentum": None, "clip": None,
        "ema": None}


def test_a_new_setting_has_an_option_that_reaches_the_training_and_that_resume_refuses(run, refused, monkeypatch):
    from minicnn import training

    @dataclass(frozen=True)
    class More(training.Settings):
        inertia: float = field(default=0.9, metadata={"help": "how long the past counts"})
    monkeypatch.setattr(training, "Settings", More)
    status, out, _ = run(*TINY, "--inertia", "0.5", "--quiet", "--json", "--out", "run")
    assert status == 0 and json.loads(out)["settings"]["inertia"] == 0.5
    assert "--inertia has no effect with --resume" in refused("train", "--resume", "run", "--inertia", "0.5")
    assert "--inertia X" in run("train", "--help")[1]


def test_every_setting_has_an_option_but_the_shift():
    names = {field.name for field in fields(Settings)}
    command = make_parser()._subparsers._group_actions[0].choices["train"]
    assert names - set(command.options) == {"max_shift"} and "augment" in command.options


def test_it_says_which_data_it_used_where_nothing_can_be_downloaded(run, monkeypatch):
    from minicnn.data import UnavailableError

    def unavailable(*arguments, **options):
        raise UnavailableError("no network")
    monkeypatch.setattr("minicnn.data.mnist.locate", unavailable)
    status, _, err = run("train", "--model", "mlp", "--dry-run")
    assert status == 0 and "Using the 5,000 embedded MNIST digits instead of full MNIST: no network" in err


def test_a_slow_algorithm_is_chosen_without_running_it_and_is_told(run, monkeypatch):
    from minicnn import training
    from minicnn.conv.algorithms.naive import Naive

    def slow(*arguments, **options):
        pytest.fail("the algorithm ran before training")

    def fit(model, data, settings, **options):
        assert options["extra_meta"]["algorithms"] == dict.fromkeys(("conv1", "conv2", "conv3", "conv4"), "naive")
        raise training.TrainingError("seen")
    monkeypatch.setattr(Naive, "forward", slow)
    monkeypatch.setattr(training, "fit", fit)
    status, _, err = run("train", "--dataset", "mnist5k", "--algo", "naive", "--dry-run")
    assert status == 2 and "naive shows how a convolution is computed and is slow" in err and "error: seen" in err


@pytest.mark.filterwarnings("error")
def test_a_diverging_run_says_what_to_do_and_leaves_no_directory(folder, run):
    status, out, err = run(*TINY, "--quiet", "--lr", "1e30")
    assert status == 2 and out == "" and err.startswith("minicnn train: error: the loss is ") and err.endswith(
        ": try a smaller learning rate. There is no checkpoint yet\n") and err.count("\n") == 1
    assert list(folder.iterdir()) == []
    (folder / "mine").mkdir()
    assert run(*TINY, "--quiet", "--lr", "1e30", "--out", "mine")[0] == 2 and (folder / "mine").is_dir()


def test_a_complete_run_is_not_trained_again(run):
    first = json.loads(run(*TINY, "--json", "--quiet", "--out", "run")[1])
    kept = {path.name: path.read_bytes() for path in Path("run").iterdir()}
    for how, status in (["--json"], 0), ([], 0):
        found, out, err = run("train", "--resume", "run", "--quiet", *how)
        assert found == status and err == "run: this run is complete: nothing to do\n"
        assert {path.name: path.read_bytes() for path in Path("run").iterdir()} == kept
    assert json.loads(run("train", "--resume", "run", "--quiet", "--json")[1])["val_error"] == first["val_error"]
    Path("run/learning_curve.png").unlink()             # the run was killed before it wrote these
    assert run("train", "--resume", "run", "--quiet")[0] == 0 and Path("run/learning_curve.png").is_file()
    Path("run/result.json").unlink()
    assert run("train", "--resume", "run", "--quiet")[0] == 0
    assert json.loads(Path("run/result.json").read_text())["val_error"] == first["val_error"]


def test_a_dry_run_does_not_take_the_name_of_a_real_run(run):
    help = " ".join(run("train", "--help")[1].split())
    assert "train on 256 images only, for one epoch unless --epochs is given" in help
    assert "runs/dry-run" in run(*TINY, "--quiet", "--epochs", "2")[1] and not Path("runs/mnist5k-seed1").exists()


def test_an_interrupt_saves_exits_with_130_and_resumes_to_the_same_result():
    command = [sys.executable, "-m", "minicnn", "train", "--dataset", "mnist5k", "--model", "mlp", "--epochs", "8",
               "--json"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    whole = subprocess.run([*command, "--out", "whole"], capture_output=True, text=True, env=environment)
    assert whole.returncode == 0, whole.stderr
    process = subprocess.Popen([*command, "--out", "part"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               env=environment)
    while not Path("part/last.safetensors").exists():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and out == "" and "go on with: minicnn train --resume part" in err
    assert "Traceback" not in err
    resumed = subprocess.run([*command[:4], "--resume", "part", "--json"], capture_output=True, text=True,
                             env=environment)
    assert resumed.returncode == 0, resumed.stderr
    assert json.loads(resumed.stdout)["val_error"] == json.loads(whole.stdout)["val_error"]
    one, two = load("whole/last.safetensors").model, load("part/last.safetensors").model
    for name in one:
        np.testing.assert_array_equal(one[name], two[name])


@pytest.mark.parametrize(("options", "message"), [
    (["--epochs", "0"], "argument --epochs: epochs must be an integer of at least 1, not 0"),
    (["--epochs", "many"], "argument --epochs: must be an integer, not 'many'"),
    (["--lr", "-1"], "argument --lr: lr must be a number above 0, not -1.0"),
    (["--lr", "fast"], "argument --lr: must be a number, not 'fast'"),
    (["--weight-decay", "-1"], "argument --weight-decay: weight_decay must be a number of at least 0, not -1.0"),
    (["--patience", "0"], "argument --patience: patience must be an integer of at least 1, not 0"),
    (["--seed", "-1"], "argument --seed: seed must be an integer of at least 0, not -1"),
    (["--threads", "0"], "argument --threads: must be an integer of at least 1, not '0'"),
    (["--threads", "9999"], "argument --threads: 9999 is too many: this process may use "),
    (["--dry-run", "--patience", "3"], "--patience has no effect here: a dry run has one epoch; give --epochs too"),
    (["--resume", ""], "argument --resume: the path is empty: name a file or a directory"),
    (["--data", ""], "argument --data: the path is empty"),
    (["--algo", "magic"], "argument --algo: must be one of auto, direct, "),
    (["--model", "mlp", "--algo", "fft"], "--algo has no effect with --model mlp: it has no convolution"),
    (["--dataset", "mnist5k", "--data", "x"], "--data has no effect with --dataset mnist5k"),
    (["--dataset", "mnist", "--data", "nowhere"], "error: nowhere: there is no such directory"),
    (["--out", "full"], "argument --out: full exists and is not empty: choose another directory"),
    (["--out", "full/file"], "argument --out: full/file is a file; give the name of a new directory"),
    (["--out", ""], "argument --out: the path is empty"),
    (["--out", "/proc/run"], "argument --out: /proc/run cannot be made: /proc is not a writable directory"),
    (["--resume", "full/file"], "--resume full/file: that is a file; name the directory of the run: --resume full"),
    (["--out", "full/file/run"], "full/file/run cannot be made: "),
    (["--resume", "nowhere"], "--resume nowhere: there is no last.safetensors in it; name the directory of a run"),
])
def test_misuse_leaves_no_directory(options, message, folder, refused):
    (folder / "full").mkdir()
    (folder / "full" / "file").write_text("mine")
    assert message in refused("train", *options)
    assert [path.name for path in folder.iterdir()] == ["full"]


def test_resume_takes_no_other_settings_and_no_weights_alone(run, refused):
    run(*TINY, "--out", "run", "--quiet")
    for given in (["--lr", "5"], ["--seed", "1"], ["--augment", "none"], ["--dry-run"], ["--out", "other"],
                  ["--dataset", "auto"], ["--model", "lenet"]):
        assert f"{given[0]} has no effect with --resume: a run goes on with its own settings" in refused(
            "train", "--resume", "run", *given)
    assert "--data has no effect: the run trains on mnist5k" in refused("train", "--resume", "run", "--data", "x")
    Path("run/last.safetensors").write_bytes(Path("run/best.safetensors").read_bytes())
    assert "is not a checkpoint of minicnn train" in refused("train", "--resume", "run")


@pytest.mark.parametrize("wrong", [{"settings": [1]}, {"settings": {"speed": 3}}, {"settings": {"epochs": 0}},
                                   {"model": ["mlp"]}, {"algorithms": ["conv1"]}, {"algorithms": {"conv1": 3}},
                                   {"dataset": None}, {"model_options": 3}, {"model_options": {"in_channels": 0}}])
def test_damaged_metadata_are_told(wrong, run, refused):
    run(*TINY, "--out", "run", "--quiet")
    saved = load("run/last.safetensors")
    save("run/last.safetensors", saved.model, saved.optimizer, {**saved.meta, **wrong})
    assert "run/last.safetensors: its metadata are damaged" in refused("train", "--resume", "run")


@pytest.mark.parametrize("model", ["lenet-global", "lenet-average"])
def test_other_networks_train_and_are_measured(model, run):
    assert run("train", "--dataset", "mnist5k", "--model", model, "--dry-run", "--quiet", "--out", "run")[0] == 0
    status, out, _ = run("eval", "run", "--json")
    assert status == 0 and json.loads(out)["model"] == model


def test_a_picture_does_not_depend_on_the_users_style(run):
    """A file matplotlibrc may ask for LaTeX, which is not installed, or cut pictures to another size."""
    import matplotlib
    with matplotlib.rc_context({"text.usetex": True, "savefig.bbox": "tight"}):
        status, _, err = run("train", "--dry-run", "--model", "mlp", "--dataset", "mnist5k", "--out", "run", "--quiet")
        assert status == 0, err
        assert matplotlib.rcParams["text.usetex"] is True
    assert Path("run/learning_curve.png").read_bytes()[16:24] == struct.pack(">2I", 900, 600)


def test_a_result_that_cannot_be_printed_is_written_into_the_run(refused, monkeypatch):
    def fail(*arguments):
        raise OSError(28, "No space left on device")
    monkeypatch.setattr("minicnn.cli.commands.train.print_result", fail)
    assert "No space left" in refused("train", "--dry-run", "--model", "mlp", "--dataset", "mnist5k", "--out", "run")
    assert json.loads(Path("run/result.json").read_text())["epochs"] == 1 and Path("run/learning_curve.png").is_file()


def test_the_last_line_names_the_best_epoch(run):
    out = " ".join(run(*TINY, "--epochs", "2", "--quiet", "--out", "two")[1].split())
    best = json.loads(Path("two/result.json").read_text())["best_epoch"]
    assert f": best epoch: {best}, with validation error " in out
    assert "best epoch" not in run(*TINY, "--quiet")[1]


def test_it_says_if_the_network_is_not_better_than_guessing(run, folder):
    labels = np.arange(60) % 3
    np.savez(folder / "noise.npz", x_train=np.full((60, 5, 5), 7, np.uint8), y_train=labels,
             x_test=np.full((6, 5, 5), 7, np.uint8), y_test=labels[:6])
    options = ["train", "--data", "noise.npz", "--model", "mlp", "--epochs", "1", "--quiet", "--out"]
    status, _, err = run(*options, "run")
    assert status == 0 and "the network has not learnt: its best validation error, 66.67%, is not below 66.67%" in err
    assert run(*options, "dry", "--dry-run")[2] == ""


def test_a_dry_run_names_only_what_it_leaves_out(run, folder):
    np.savez(folder / "few.npz", x_train=np.zeros((30, 5, 5), np.uint8), y_train=np.arange(30) % 3)
    err = run("train", "--data", "few.npz", "--model", "mlp", "--dry-run")[2]
    assert "24 images to train, 6 to validate" in err and "of each part" not in err
