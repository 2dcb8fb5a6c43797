"""`minicnn explore` as a user calls it."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from minicnn.checkpoint import save
from minicnn.cli.main import main
from minicnn.data import load
from minicnn.models import LeNet
from minicnn.moving_digit import embedded


def test_chosen_digits_and_json(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MINICNN_CONV_ALGO", "winograd")         # the page needs the exact one, whatever the default
    assert main(["explore", "--digits", "7,@417,7", "--json"]) == 0
    out = capsys.readouterr().out
    result, data = json.loads(out), load("mnist5k")
    assert out.count("\n") == 1 and result["out"] == "explore.html"
    assert result["indices"] == [int((data.val_labels == 7).argmax()), 417, int((data.val_labels == 7).argmax())]
    assert result["labels"] == [7, int(data.val_labels[417]), 7]
    assert result["bytes"] == Path("explore.html").stat().st_size
    meta, _ = embedded(Path("explore.html").read_text(encoding="utf-8"))
    assert [digit["index"] for digit in meta["digits"]] == result["indices"]


def test_other_weights(tmp_path, capsys):
    other = LeNet(rng=np.random.default_rng(3))
    save(tmp_path / "mine.safetensors", other.state_dict(), meta={"model": "lenet"})
    out = tmp_path / "mine.html"
    assert main(["explore", "--digits", "3", "--weights", str(tmp_path / "mine.safetensors"), "--out", str(out)]) == 0
    meta, arrays = embedded(out.read_text(encoding="utf-8"))
    expected = other.conv1.weight.data[meta["layers"][0]["channels"], 0, ::-1, ::-1]
    np.testing.assert_array_equal(arrays["impulse1"], expected)
    assert meta["source"].startswith("mine.safetensors of ") and " 1 digit, " in capsys.readouterr().out


@pytest.mark.parametrize(("arguments", "message"), [
    (["--out", "page.pdf"], "--out page.pdf: the page is one HTML file: give a name that ends in .html"),
    (["--out", "nowhere/page.html"], "there is no directory nowhere; create it first"),
    (["--out", "folder.html"], "--out folder.html: that is a directory"),
    (["--digits", "3,11"], "'11' is no digit from 0 to 9"),
    (["--digits", ""], "'' is no digit from 0 to 9"),
    (["--digits", "3,@-1"], "'@-1' is no digit"),
    (["--digits", "@1000"], "there is no validation image @1000: give @0 to @999"),
    (["--digits", ",".join("3" * 21)], "21 digits, at most 20 are possible"),
    (["--weights", "nowhere.safetensors"], "nowhere.safetensors: there is no such file"),
    (["--weights", "other.safetensors"], "other.safetensors is of another model than this LeNet"),
    (["--weights", "blur.safetensors"], "is of the model lenet-blur; the page shows the LeNet with its max-pool"),
])
def test_bad_input_exits_with_2_and_leaves_nothing(arguments, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("folder.html").mkdir()
    save("other.safetensors", {"weight": np.ones(3)})
    save("blur.safetensors", LeNet(pool="blur").state_dict(), meta={"model": "lenet-blur"})
    before = sorted(tmp_path.rglob("*"))
    assert main(["explore", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == "" and message in err and err.startswith("minicnn explore: error: ") and "Traceback" not in err
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_cannot_be_written(tmp_path, capsys):
    tmp_path.chmod(0o500)
    assert main(["explore", "--out", str(tmp_path / "a.html")]) == 2
    assert "no permission to write" in capsys.readouterr().err


def test_an_old_page_outlives_a_failure(tmp_path, capsys, monkeypatch):
    out = tmp_path / "page.html"
    out.write_text("the old one")

    def full(*arguments):
        raise OSError(28, "No space left on device")
    monkeypatch.setattr("minicnn.files.os.replace", full)
    assert main(["explore", "--digits", "1", "--out", str(out)]) == 2
    assert "the disk is full" in capsys.readouterr().err
    assert out.read_text() == "the old one" and [entry.name for entry in tmp_path.iterdir()] == ["page.html"]


def test_help_has_an_example(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["explore", "--help"])
    assert stop.value.code == 0 and "example: minicnn explore" in capsys.readouterr().out
