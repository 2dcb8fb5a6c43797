"""`minicnn animate` as a user calls it: every format, every misuse."""

import json
import shutil

import pytest
from PIL import Image

from minicnn.cli.main import main


def test_formats(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    short = ["animate", "--digits", "5", "--canvas", "30", "--path", "square"]
    for out in ("a.gif", "a.html", "frames"):
        assert main([*short, "--out", out, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["frames"] == 8
    with Image.open("a.gif") as image:
        assert image.n_frames == 8
    assert (tmp_path / "a.html").read_text().count("iVBOR") == 8
    assert len(list((tmp_path / "frames").glob("*.png"))) == 8
    assert main(["animate", "--figure", "a.pdf", "--layer", "conv1"]) == 0
    assert "differ by at most 0" in capsys.readouterr().out
    assert not list(tmp_path.glob(".minicnn*"))


@pytest.mark.parametrize(("options", "text"), [
    (["--out", "a.txt"], "must end in .gif, .mp4, .html"), (["--out", "nowhere/a.gif"], "no directory"),
    (["--out", "full"], "there already"), (["--digits", "3;4"], "--digits must be integers"),
    (["--digits", "12"], "there is no digit 12"), (["--canvas", "20"], "28 pixels wide"),
    (["--clusters", "1"], "at least 2 clusters"), (["--clusters", "20"], "at most 9 clusters"),
    (["--weights", "nowhere"], "there is no such file"), (["--weights", "mlp.safetensors"], "does not fit LeNet"),
    (["--fps", "0"], "--fps must be"),
    (["--figure", "a.txt", "--canvas", "38"], "must end in .png"),
    (["--figure", ""], "must end in .png"), (["--weights", ""], "directory"), (["--out", ""], "there already"),
    (["--figure", "a.png", "--out", "a.gif"], "give one of them"), (["--by", "1,2"], "--by is about --figure"),
    (["--canvas", "1000000"], "to 200"), (["--figure", "a.png", "--by=-1,2"], "--by must be integers from 0 on"),
    (["--figure", "a.png", "--by", "3"], "--by must be two integers"),
    (["--figure", "a.png", "--by", "11,3"], "cannot move by"), (["--algo", "magic"], "no convolution algorithm"),
])
def test_misuse(options, text, tmp_path, capsys, monkeypatch):
    from safetensors.numpy import save_file

    from minicnn.models import MLP
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("")
    save_file(MLP(4).state_dict(), "mlp.safetensors")
    before = {p.name for p in tmp_path.iterdir()}
    assert main(["animate", "--canvas", "28", *options]) == 2
    captured = capsys.readouterr()
    assert text in captured.err
    assert captured.out == ""
    assert "Traceback" not in captured.err
    assert {p.name for p in tmp_path.iterdir()} == before


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
def test_mp4(tmp_path):
    arguments = ["animate", "--digits", "5", "--canvas", "30", "--path", "square", "--out", str(tmp_path / "a.mp4")]
    assert main(arguments) == 0
    assert b"ftyp" in (tmp_path / "a.mp4").read_bytes()[:16]


def test_mp4_without_ffmpeg(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert main(["animate", "--out", str(tmp_path / "a.mp4")]) == 2
    assert "needs the program ffmpeg" in capsys.readouterr().err
