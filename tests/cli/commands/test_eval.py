"""`minicnn eval` as a user calls it."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from minicnn.checkpoint import save
from minicnn.models import MLP

TINY = ["train", "--dataset", "mnist5k", "--model", "mlp", "--dry-run", "--quiet", "--out", "run"]


@pytest.fixture
def trained(run):
    assert run(*TINY)[0] == 0


def test_a_run_and_its_picture(run, trained):
    status, out, err = run("eval", "run", "--json", "--quiet")
    result = json.loads(out)
    assert status == 0 and result["part"] == "validation" and result["images"] == 1000 and err == ""
    assert np.sum(result["confusion"]) == 1000 and result["picture"] == "run/mistakes.png"
    assert Path("run/mistakes.png").read_bytes()[:4] == b"\x89PNG"
    status, out, err = run("eval", "run", "--quiet")
    assert status == 0 and err == "run/mistakes.png: replaced\n"
    assert "the most confident mistakes: run/mistakes.png" in out
    status, out, _ = run("eval", "run/best.safetensors", "--picture", "other.pdf")
    assert status == 0 and "error" in out and Path("other.pdf").read_bytes()[:4] == b"%PDF"


def test_the_weights_in_the_package_leave_no_picture_and_say_what_they_have_seen(run, folder):
    status, out, _ = run("eval", "--dataset", "mnist5k")
    assert status == 0 and "The network was trained on these images" in out and "confident" not in out
    assert list(folder.iterdir()) == []


def test_weights_from_elsewhere_make_no_claim(run, folder):
    from minicnn.models import lenet
    save("other.safetensors", lenet(pretrained=True).state_dict())
    status, out, _ = run("eval", "other.safetensors", "--dataset", "mnist5k")
    assert status == 0 and "trained on" not in out
    assert json.loads(run("eval", "other.safetensors", "--dataset", "mnist5k", "--json")[1])["seen_in_training"] is None
    assert [path.name for path in folder.iterdir()] == ["other.safetensors"]


def test_weights_that_are_nan_give_valid_json_and_a_word(run):
    model = MLP()
    model.fc1.weight.data[...] = np.nan
    save("nan.safetensors", model.state_dict(), meta={"model": "mlp"})
    status, out, err = run("eval", "nan.safetensors", "--dataset", "mnist5k", "--json")
    assert status == 0 and json.loads(out)["loss"] is None and "the loss is not a finite number" in err


@pytest.mark.parametrize("columns", [80, 60, 40])
def test_the_confusion_matrix_fits(columns, run, trained, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    status, out, _ = run("eval", "run")
    assert status == 0 and max(map(len, out.splitlines())) <= columns
    assert ("predicted" in out) == (columns > 40) and ("right" in out) == (columns == 40)


@pytest.mark.parametrize(("arguments", "message"), [
    ([""], "argument RUN: the path is empty: name a file or a directory"),
    (["nowhere"], "nowhere: there is no such file"),
    (["other.safetensors"], "other.safetensors is of another model than this LeNet"),
    (["text.safetensors"], "text.safetensors is not a complete safetensors file"),
    (["mine.safetensors"], "mine.safetensors: its model is 'mine'; minicnn knows lenet, "),
    (["list.safetensors"], "list.safetensors: its model is ['lenet']; minicnn knows lenet, "),
    (["--picture", "a.bmp"], "argument --picture: a.bmp: the name must end in .png or .pdf or .svg"),
    (["--picture", "nowhere/a.png"], "argument --picture: nowhere/a.png could not be written: its directory does not"),
    (["--dataset", "mnist5k", "--data", "x"], "--data has no effect with --dataset mnist5k")])
def test_misuse(arguments, message, folder, refused):
    save("other.safetensors", {"weight": np.ones(3)})
    save("mine.safetensors", {"weight": np.ones(3)}, meta={"model": "mine"})
    save("list.safetensors", {"weight": np.ones(3)}, meta={"model": ["lenet"]})
    Path("text.safetensors").write_text("no checkpoint")
    assert message in refused("eval", *arguments)


def test_a_picture_that_cannot_be_written_after_all_does_not_lose_the_result(run, trained, monkeypatch):
    from minicnn.errors import FileError

    def full(figure, path, size, dpi):
        raise FileError("the disk is full")
    monkeypatch.setattr("minicnn.viz.save", full)
    status, out, err = run("eval", "run", "--json", "--picture", "a.png")
    assert status == 2 and json.loads(out)["images"] == 1000 and "minicnn eval: error: the disk is full" in err


def test_a_run_that_is_read_only_gets_no_picture(run, trained, monkeypatch):
    from minicnn.errors import FileError

    def refuse(path, endings=()):
        raise FileError(f"{path}: no permission")
    monkeypatch.setattr("minicnn.files.check_destination", refuse)
    status, out, err = run("eval", "run")
    assert status == 0 and "confident" not in out and "no picture: run/mistakes.png: no permission" in err


@pytest.mark.parametrize(("meta", "message"), [
    ({"model": "vgg"}, "its model is 'vgg'; minicnn knows lenet"), ({"model": 3}, "its model is 3; minicnn knows"),
    ({"model": "mlp", "dataset": "digits"}, "it was trained on 'digits', which minicnn cannot load. Name the"),
    ({"model": "mlp", "dataset": [1]}, "it was trained on .1."), ({"model": "mlp", "dataset": {}}, "trained on {}")])
def test_metadata_that_do_not_fit_are_the_checkpoints_error(run, meta, message):
    save("a.safetensors", MLP(rng=np.random.default_rng(0)).state_dict(), meta=meta)
    status, out, err = run("eval", "a.safetensors")
    assert status == 2 and out == "" and re.search(message, err) and "a.safetensors: " in err
