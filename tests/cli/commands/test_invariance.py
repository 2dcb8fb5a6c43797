"""`minicnn invariance` as a user calls it."""

import json

import numpy as np
import pytest

from minicnn.data.placement import Shifts
from minicnn.invariance.networks import ModelResult


def test_pools_only(run, folder):
    status, out, err = run("invariance", "--pools-only", "--quiet", "--picture", "pools.svg")
    assert status == 0 and err == ""
    assert "240,000,000 weights" in " ".join(out.split()) and out.count("global max-pool") == 3
    assert (folder / "pools.svg").read_text().count("<!-- global max-pool -->") == 1


@pytest.mark.slow
def test_models_and_picture(run, folder):
    status, out, _ = run("invariance", "--models", "mlp", "--epochs", "1", "--images", "20", "--json",
                         "--picture", "invariance.png")
    record = json.loads(out)
    assert status == 0 and [model["model"] for model in record["models"]] == ["mlp"]
    assert len(record["models"][0]["accuracy"]) == 6 and len(record["pools"]) == 15
    assert (folder / "invariance.png").stat().st_size > 10_000


class Measured(ModelResult):
    accuracy = np.array([0.985, 0.97, 0.9, 0.7, 0.5, 0.321])
    consistency = 0.654


@pytest.mark.parametrize("columns", [80, 60, 40])
def test_the_tables_fit(columns, run, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    results = [Measured("lenet-global", Shifts(5, view), 70_610, 0.015, ()) for view in (28, 38)]
    monkeypatch.setattr("minicnn.invariance.networks.compare_models", lambda *arguments, **options: results)
    status, out, _ = run("invariance", "--quiet")
    assert status == 0 and max(map(len, out.splitlines())) <= columns
    assert {"98.5", "32.1", "65.4", "0.000"} <= set(out.split())         # the middle, the farthest, consistency


@pytest.mark.parametrize(("options", "text"), [
    (["--models", "vgg"], "argument --models: must be one of lenet, "),
    (["--models", "mlp,vgg"], "in 'mlp,vgg': each must be one of lenet, "),
    (["--epochs", "0"], "argument --epochs: must be an integer of at least 1, not '0'"),
    (["--seeds", "a"], "argument --seeds: must be an integer of at least 0, not 'a'"),
    (["--seeds", "1,-2"], "each must be an integer of at least 0, not '-2'; write as in 1,2,3"),
    (["--seeds", "1,1"], "argument --seeds: in '1,1': 1 stands there twice; name it once"),
    (["--models", "mlp,mlp"], "argument --models: in 'mlp,mlp': mlp stands there twice; name it once"),
    (["--images", "0"], "argument --images: must be an integer from 1 to 1000, not '0'"),
    (["--images", "1001"], "argument --images: must be an integer from 1 to 1000, not '1001'"),
    *((["--pools-only", *given], f"{given[0]} has no effect with --pools-only: no network is trained")
      for given in (["--epochs", "3"], ["--models", "mlp"], ["--seeds", "1"],
                    ["--images", "300"])),
    (["--picture", "a.txt"], "argument --picture: a.txt: the name must end in .png"),
    (["--picture", "nowhere/a.png"], "argument --picture: nowhere/a.png could not be written"),
])
def test_misuse(options, text, refused):
    assert text in refused("invariance", *options)


def test_as_many_digits_as_there_are():
    from minicnn.cli.commands.invariance import MOST_IMAGES
    from minicnn.data import load
    assert len(load("mnist5k").val_images) == MOST_IMAGES
