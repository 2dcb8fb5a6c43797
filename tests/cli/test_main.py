"""The command line as a stranger uses it: good input once, bad input once, exit codes, nothing lost."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from minicnn import __version__
from minicnn.cli.main import main

TINY = ["train", "--dataset", "mnist5k", "--model", "mlp", "--dry-run"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def run(capsys, *arguments):
    status = main(list(arguments))
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def fails(capsys, *arguments):
    status, out, err = run(capsys, *arguments)
    assert status == 2 and out == "" and "Traceback" not in err
    return err


def test_train_prints_one_line_of_json(capsys):
    status, out, err = run(capsys, *TINY, "--json")
    result = json.loads(out)
    assert status == 0 and out.count("\n") == 1
    assert {"dataset", "epochs", "val_error", "test_error", "seconds", "images_per_s", "seed", "algorithms",
            "versions"} <= set(result)
    assert result["dataset"] == "mnist5k" and result["images"] == [256, 256, 0] and result["test_error"] is None
    assert "(5 000 official MNIST training digits); of each part the first 256 images" in err
    folder = Path("runs/mnist5k-seed1")
    assert {p.name for p in folder.iterdir()} == {"best.safetensors", "last.safetensors", "history.jsonl",
                                                  "learning_curve.png", "result.json"}
    assert (folder / "learning_curve.png").read_bytes()[:4] == b"\x89PNG"


def test_train_twice_keeps_the_first_run(capsys):
    run(capsys, *TINY, "--quiet")
    before = Path("runs/mnist5k-seed1/last.safetensors").read_bytes()
    status, out, err = run(capsys, *TINY, "--quiet")
    assert status == 0 and err == "" and "runs/mnist5k-seed1-2" in out
    assert Path("runs/mnist5k-seed1/last.safetensors").read_bytes() == before


def test_train_says_which_data_it_used_where_nothing_can_be_downloaded(capsys, monkeypatch):
    monkeypatch.setattr("minicnn.data.mnist.locate", _unavailable)
    status, out, err = run(capsys, "train", "--model", "mlp", "--dry-run")
    assert status == 0 and "Using the 5 000 embedded MNIST digits instead of full MNIST: no network" in err


def _unavailable(*arguments, **options):
    from minicnn.data import UnavailableError
    raise UnavailableError("no network")


def test_eval_and_its_picture(capsys):
    run(capsys, *TINY, "--out", "run")
    status, out, _ = run(capsys, "eval", "run", "--json")
    result = json.loads(out)
    assert status == 0 and result["part"] == "validation" and result["images"] == 1000
    assert np.sum(result["confusion"]) == 1000
    assert Path("run/mistakes.png").read_bytes()[:4] == b"\x89PNG"
    status, out, _ = run(capsys, "eval", "run/best.safetensors", "--picture", "other.pdf")
    assert status == 0 and "error" in out and Path("other.pdf").read_bytes()[:4] == b"%PDF"


def test_eval_of_the_weights_in_the_package_says_what_they_have_seen(capsys):
    status, out, _ = run(capsys, "eval", "--dataset", "mnist5k")
    assert status == 0 and "these images were among its training data" in out
    assert Path("mistakes.png").is_file()


def test_info(capsys):
    status, out, _ = run(capsys, "info")
    assert status == 0 and "67,415" in out and "17 px" in out
    _, out, _ = run(capsys, "info", "--json", "--batch-size", "1")
    assert [layer["parameters"] for layer in json.loads(out)] == [520, 20_040, 40_040, 5_005, 0, 1_810]


def test_data(capsys, tmp_path):
    status, out, _ = run(capsys, "data", "--dataset", "mnist5k")
    assert status == 0 and "mnist5k.npz: verified" in out
    status, out, _ = run(capsys, "data", "--json")
    assert status == 0 and {record["state"] for record in json.loads(out)} == {"missing"}
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(b"rubbish")
    status, out, _ = run(capsys, "data", "--data", str(tmp_path))
    assert status == 1 and "corrupt" in out


def test_interrupt_saves_exits_with_130_and_resumes_to_the_same_result(tmp_path):
    command = [sys.executable, "-m", "minicnn", "train", "--dataset", "mnist5k", "--model", "mlp", "--epochs", "8",
               "--json"]
    whole = subprocess.run([*command, "--out", "whole"], capture_output=True, text=True)
    assert whole.returncode == 0, whole.stderr
    process = subprocess.Popen([*command, "--out", "part"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not Path("part/last.safetensors").exists():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and out == "" and "go on with: minicnn train --resume part" in err
    assert "Traceback" not in err
    resumed = subprocess.run([*command[:4], "--resume", "part", "--json"], capture_output=True, text=True)
    assert resumed.returncode == 0, resumed.stderr
    assert json.loads(resumed.stdout)["val_error"] == json.loads(whole.stdout)["val_error"]
    from minicnn.checkpoint import load
    one, two = load("whole/last.safetensors").model, load("part/last.safetensors").model
    for name in one:
        np.testing.assert_array_equal(one[name], two[name])


@pytest.mark.parametrize(("arguments", "message"), [
    (["train", "--epochs", "0"], "epochs must be an integer of at least 1, not 0"),
    (["train", "--lr", "-1"], "lr must be a number above 0, not -1.0"),
    (["train", "--threads", "0"], "--threads must be at least 1, not 0"),
    (["train", "--algo", "magic", "--dry-run"], "no convolution algorithm is called 'magic'"),
    (["train", "--data", "nowhere"], "nowhere"),
    (["train", "--resume", "nowhere"], "there is no last.safetensors in it; name the directory of a run"),
    (["eval", "nowhere"], "nowhere: there is no such file"),
    (["gradcheck", "a.py:f", "--shape", "0,3"], "--shape 0,3: write positive lengths with commas"),
    (["gradcheck", "--shape", "3"], "--shape is for your own function"),
    (["info", "--batch-size", "0"], "--batch-size must be at least 1, not 0"),
])
def test_bad_input_exits_with_2(arguments, message, capsys):
    if arguments[0] == "train" and "--data" not in arguments:
        arguments = [*arguments, "--dataset", "mnist5k"]
    err = fails(capsys, *arguments)
    assert err.splitlines()[-1].startswith(f"minicnn {arguments[0]}: error: ") and message in err


def test_a_refused_run_leaves_no_directory(capsys):
    fails(capsys, "train", "--dataset", "mnist5k", "--epochs", "0")
    fails(capsys, "train", "--dataset", "mnist5k", "--algo", "magic")
    assert not Path("runs").exists()


def test_resume_takes_no_other_settings_and_no_weights_alone(capsys):
    run(capsys, *TINY, "--out", "run", "--quiet")
    assert "leave out --epochs" in fails(capsys, "train", "--resume", "run", "--epochs", "5")
    Path("run/last.safetensors").write_bytes(Path("run/best.safetensors").read_bytes())
    assert "is no checkpoint of minicnn train" in fails(capsys, "train", "--resume", "run")


def test_a_picture_that_cannot_be_written_does_not_lose_the_result(capsys):
    run(capsys, *TINY, "--out", "run", "--quiet")
    status, out, err = run(capsys, "eval", "run", "--json", "--picture", "nowhere/a.png")
    assert status == 2 and json.loads(out)["images"] == 1000
    assert "the picture nowhere/a.png could not be written: No such file or directory" in err


def test_an_existing_directory_is_not_written_over(capsys, tmp_path):
    run(capsys, *TINY, "--out", "run", "--quiet")
    assert "exists and is not empty: choose another directory, or --resume run" in fails(capsys, *TINY, "--out", "run")


def test_checkpoint_of_another_model(capsys):
    from minicnn.checkpoint import save
    save("other.safetensors", {"weight": np.ones(3)})
    assert "other.safetensors is of another model than this LeNet" in fails(capsys, "eval", "other.safetensors")
    Path("text.safetensors").write_text("no checkpoint")
    assert "text.safetensors is no whole safetensors file" in fails(capsys, "eval", "text.safetensors")


def test_picture_of_an_unknown_format(capsys):
    run(capsys, *TINY, "--out", "run", "--quiet")
    status, _, err = run(capsys, "eval", "run", "--picture", "a.bmp")
    assert status == 2 and "its name must end in .png, .pdf, .svg" in err


@pytest.mark.parametrize("arguments", [[], ["fly"], ["train", "--dataset", "cifar"], ["train", "--epochs", "many"]])
def test_usage_errors(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2 and "usage:" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["train", "eval", "info", "data", "gradcheck", "bench train", "bench conv"])
def test_help_has_an_example(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main([*command.split(), "--help"])
    assert stop.value.code == 0 and f"example: minicnn {command}" in capsys.readouterr().out


def test_version(capsys):
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"minicnn {__version__}\n"


def test_import_is_light():
    code = "import sys, minicnn, minicnn.cli.main; print([m for m in ('numba', 'matplotlib', 'scipy', 'rich') " \
           "if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])})
    assert result.stdout.strip() == "[]"
