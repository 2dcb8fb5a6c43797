"""`minicnn train --resume RUN --epochs N` and `minicnn train --from RUN`."""

import json
from pathlib import Path

import numpy as np

from minicnn.checkpoint import load, save

TINY = ["train", "--dataset", "mnist5k", "--model", "mlp", "--dry-run", "--quiet"]
RESUME = ["train", "--resume", "run"]


def test_a_run_goes_on_to_more_epochs(run, refused):
    assert run(*TINY, "--epochs", "2", "--out", "run")[0] == 0
    status, out, err = run(*RESUME, "--epochs", "4", "--json")
    result = json.loads(out)
    assert status == 0 and result["epochs"] == 4 and result["settings"]["epochs"] == 4
    assert ("the run had 2 epochs and goes on to 4: from here on the learning rate is that of a run with 4 epochs from "
            "its start (schedule: one-cycle)") in err
    assert json.loads(Path("run/result.json").read_text())["epochs"] == 4
    assert len(Path("run/history.jsonl").read_text().splitlines()) == 4
    for epochs in ([], ["--epochs", "4"]):
        assert run(*RESUME, *epochs, "--quiet")[2] == "run: this run is complete: nothing to do\n"
    assert "--epochs 3: the run in run has 4 epochs already: give more, or leave --epochs out" in refused(
        *RESUME, "--epochs", "3")
    assert "argument --epochs: epochs must be an integer" in refused(*RESUME, "--epochs", "0")


def test_a_new_run_begins_with_the_weights_of_a_run(run):
    run(*TINY, "--out", "run")
    command = [argument for argument in TINY if argument != "--quiet"]
    status, _, err = run(*command, "--from", "run", "--lr", "1e-12", "--weight-decay", "0", "--out", "tuned")
    assert status == 0 and "weights: from run/best.safetensors\n" in err
    one, two = load("run/best.safetensors"), load("tuned/best.safetensors")
    for name, array in one.model.items():
        np.testing.assert_allclose(two.model[name], array, atol=1e-6)
    assert two.meta["from"] == "run/best.safetensors"
    assert run("train", "--resume", "tuned", "--epochs", "2", "--quiet")[0] == 0
    assert load("tuned/last.safetensors").meta["from"] == "run/best.safetensors"
    status, out, _ = run(*TINY, "--from", "run/last.safetensors", "--json", "--out", "other")
    assert status == 0 and json.loads(out)["epochs"] == 1


def test_a_run_knows_its_model(run):
    run(*TINY, "--out", "run")
    command = ["train", "--dataset", "mnist5k", "--dry-run", "--from", "run"]
    status, out, err = run(*command, "--out", "tuned", "--json")
    assert status == 0 and json.loads(out)["model"] == "mlp" and "model: mlp, that of run/best.safetensors\n" in err
    Path("my.py").write_text("from minicnn.models import MLP as Net\n")
    saved = load("run/best.safetensors")
    save("own.safetensors", saved.model, None, {**saved.meta, "model": "my.py:Net", "model_file": None})
    assert run(*command[:-1], "own.safetensors", "--out", "own", "--quiet")[0] == 0
    assert load("own/best.safetensors").meta["model"] == "my.py:Net"
    save("odd.safetensors", saved.model, None, {**saved.meta, "model": "vgg"})
    err = run(*command[:-1], "odd.safetensors")[2]
    assert "odd.safetensors: its model is 'vgg', which minicnn does not know" in err


def test_a_run_on_pictures_of_another_size_says_so(run):
    run(*TINY, "--out", "run")
    saved = load("run/best.safetensors")
    save("large.safetensors", saved.model, None, {**saved.meta, "rules": {**saved.meta["rules"], "size": [48, 30]}})
    status, _, err = run(*TINY[:-1], "--from", "large.safetensors", "--out", "tuned")
    assert status == 0 and ("pictures: large.safetensors was trained on 48 rows x 30 columns, grey; this run trains on "
                            "28x28 pixels, grey (--image-size 48,30 keeps the size)\n") in err


def test_other_classes(run):
    run(*TINY, "--out", "run")
    saved = load("run/best.safetensors")
    names = ["fc2.weight", "fc2.bias"]
    three = {name: array[:3] if name in names else array for name, array in saved.model.items()}
    save("three.safetensors", three, None, saved.meta)
    command = [argument for argument in TINY if argument != "--quiet"]
    status, _, err = run(*command, "--from", "three.safetensors", "--out", "tuned")
    assert status == 0
    assert (f"weights: from three.safetensors; {', '.join(names)} start anew, because the data have another number of "
            "classes\n") in err


def test_what_is_refused_leaves_no_directory(run, refused, folder):
    run(*TINY, "--out", "run")
    assert "--from run: these are weights of mlp, not of lenet: leave --model out" in refused(
        "train", "--dataset", "mnist5k", "--model", "lenet", "--from", "run", "--out", "new")
    best = load("run/best.safetensors")
    save("own.safetensors", best.model, None, {**best.meta, "model": "my.py:Net"})
    assert "--from own.safetensors: these are weights of my.py:Net, not of mlp: leave --model out" in refused(
        *TINY, "--from", "own.safetensors")
    (folder / "empty").mkdir()
    for command in ([*TINY, "--from"], ["eval"], ["info"], ["predict", "a.png", "--weights"]):
        assert "nowhere: there is no such file or directory; give the directory of a run" in refused(
            *command, "nowhere")
        assert "empty is not the directory of a run with weights: it has no best.safetensors" in refused(
            *command, "empty")
    assert "argument --from: the path is empty" in refused(*TINY, "--from", "")
    assert "--from has no effect with --resume" in refused(*RESUME, "--from", "run")
    saved = load("run/best.safetensors")
    name = next(iter(saved.model))
    save("wrong.safetensors", {**saved.model, name: np.ones((2, 2), np.float32), "more": np.ones(1, np.float32)})
    line = refused(*TINY, "--from", "wrong.safetensors", "--out", "new")
    assert "wrong.safetensors is of another model than this MLP: " in line and "unexpected: more" in line
    assert f"{name} is (2, 2) but must be" in line
    save("nan.safetensors", {**saved.model, name: np.full_like(saved.model[name], np.nan)})
    assert f"{name} has NaN or infinity" in refused(*TINY, "--from", "nan.safetensors", "--out", "new")
    assert not (folder / "new").exists()
