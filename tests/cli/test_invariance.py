"""`minicnn invariance` as a user calls it."""

import json

import pytest

from minicnn.cli.main import main


def test_pools_only(capsys):
    assert main(["invariance", "--pools-only", "--quiet"]) == 0
    captured = capsys.readouterr()
    assert "240 000 000 weights" in captured.out
    assert captured.out.count("global max-pool") == 3
    assert captured.err == ""


@pytest.mark.slow
def test_models_and_picture(capsys, tmp_path):
    picture = tmp_path / "invariance.png"
    assert main(["invariance", "--models", "mlp", "--epochs", "1", "--images", "20", "--json",
                 "--picture", str(picture)]) == 0
    record = json.loads(capsys.readouterr().out)
    assert [model["model"] for model in record["models"]] == ["mlp"]
    assert len(record["models"][0]["accuracy"]) == 6
    assert len(record["pools"]) == 15
    assert picture.stat().st_size > 10_000


@pytest.mark.parametrize(("options", "text"), [
    (["--models", "vgg"], "models must be some of"), (["--epochs", "0"], "--epochs must be at least 1"),
    (["--seeds", "a"], "--seeds must be integers"), (["--images", "0"], "--images must be 1 to 1000"),
    (["--pools-only", "--picture", "a.png"], "leave out one of them"), (["--picture", "a.txt"], "must end in .png"),
    (["--picture", "nowhere/a.png"], "nowhere"),
])
def test_misuse(options, text, capsys):
    assert main(["invariance", *options]) == 2
    captured = capsys.readouterr()
    assert text in captured.err
    assert captured.out == ""
