"""`minicnn animate` as a user calls it: every format, every misuse."""

import json
import shutil

import pytest
from PIL import Image
from safetensors.numpy import save_file

from minicnn.checkpoint import save
from minicnn.models import MLP

SHORT = ["animate", "--digits", "5", "--canvas", "30", "--path", "square", "--dpi", "40"]


def test_formats(run, folder):
    for out in ("a.gif", "a.html", "frames"):
        status, stdout, _ = run(*SHORT, "--out", out, "--json")
        assert status == 0 and json.loads(stdout)["frames"] == 8
    with Image.open("a.gif") as image:
        assert image.n_frames == 8
    assert (folder / "a.html").read_text().count("iVBOR") == 8
    assert len(list((folder / "frames").glob("*.png"))) == 8
    status, stdout, _ = run("animate", "--figure", "a.pdf", "--layer", "conv1")
    assert status == 0 and "differ by at most 0" in stdout
    with Image.open("frames/frame0000.png") as frame:
        assert frame.size == (320, 136)
    assert not list(folder.glob(".minicnn*"))


def test_moves_in_all_directions_turns_and_sizes(run):
    for by in ("--by=-2,3", "--by=0,-4", "--turn=90"):
        status, out, _ = run("animate", "--figure", "a.png", "--layer", "conv1", by, "--picture-size", "8,5", "--dpi",
                             "40", "--json")
        result = json.loads(out)
        assert status == 0 and (result["largest_difference"] == 0) == (by != "--turn=90")
        assert result["by"] == {"--by=-2,3": [-2, 3], "--by=0,-4": [0, -4], "--turn=90": None}[by]
        assert result["turn"] == (90 if by == "--turn=90" else 0)
    with Image.open("a.png") as picture:
        assert picture.size == (320, 200)


def test_contrasts(run):
    status, out, err = run("animate", "--digits", "5", "--layer", "conv1", "--path", "turn", "--beside", "pool",
                           "--dpi", "40", "--out", "frames", "--json")
    assert status == 0, err
    differ = json.loads(out)["largest_differences"]
    assert list(differ) == ["conv1", "2x2 max-pool of conv1"] and min(differ.values()) > 0.1
    with Image.open("frames/frame0039.png") as frame:
        assert frame.size == (320, 180)


def test_a_file_that_is_replaced_is_told(run):
    assert "replaced" not in run(*SHORT)[2]
    status, stdout, err = run(*SHORT, "--quiet")
    assert status == 0 and stdout.startswith("animation.gif: 8 frames, made in ") and err == "animation.gif: replaced\n"


def test_a_digit_that_fills_the_canvas_is_told(run):
    status, out, err = run("animate", "--digits", "5", "--canvas", "28", "--path", "all", "--quiet", "--dpi", "40")
    assert status == 0 and out.startswith("animation.gif: 1 frame, made in ")
    assert err == "The digit does not move: it fills the canvas of 28 pixels. Give a larger --canvas\n"


@pytest.mark.parametrize(("options", "text"), [
    (["--out", "a.txt"], "argument --out: a.txt: the name must end in .gif, .mp4, .html"),
    (["--out", "nowhere/a.gif"], "argument --out: nowhere/a.gif could not be written: its directory does not exist"),
    (["--out", "full"], "argument --out: full could not be written: it exists and is not empty"),
    (["--digits", "3;4"], "argument --digits: must be an integer from 0 to 9, not '3;4'"),
    (["--digits", "3,12"], "argument --digits: in '3,12': each must be an integer from 0 to 9, not '12'"),
    (["--canvas", "20"], "argument --canvas: must be an integer from 28 to 200, not '20'"),
    (["--canvas", "1000000"], "must be an integer from 28 to 200, not '1000000'"),
    (["--clusters", "1"], "argument --clusters: must be an integer from 2 to 9, not '1'"),
    (["--clusters", "20"], "must be an integer from 2 to 9, not '20'"),
    (["--weights", "nowhere"], "nowhere: there is no such file"),
    (["--weights", "mlp.safetensors"], "mlp.safetensors is of another model than this LeNet"),
    (["--weights", "trained.safetensors"], "trained.safetensors is of the model mlp; the picture shows a LeNet: give "
     "weights that minicnn train --model lenet made"),
    (["--fps", "0"], "argument --fps: must be a number above 0.01 and at most 100, not '0'"),
    (["--fps", "1e-300"], "argument --fps: must be a number above 0.01 and at most 100"),
    (["--fps", "101"], "at most 100, not '101'"),
    (["--figure", "a.txt"], "argument --figure: a.txt: the name must end in .png or .pdf or .svg"),
    (["--figure", ""], "argument --figure: .: the name must end in .png"), (["--weights", ""], "directory"),
    (["--figure", "a.png", "--out", "a.gif"], "--out has no effect with --figure: that is one still picture"),
    (["--figure", "a.png", "--fps", "12"], "--fps has no effect with --figure"),
    (["--figure", "a.png", "--path", "circle"], "--path has no effect with --figure"),
    (["--figure", "a.png", "--digits", "3,7"], "--digits has no effect here: --figure draws one digit; name one"),
    (["--out", "frames", "--fps", "5"], "--fps has no effect here: single frames have no speed"),
    (["--by", "1,2"], "--by has no effect without --figure"),
    (["--turn", "90"], "--turn has no effect without --figure"),
    (["--figure", "a.png", "--turn", "90", "--by", "1,2"], "--by has no effect with --turn. Leave out one of the two"),
    (["--figure", "a.png", "--turn", "360"], "argument --turn: must be an integer from 1 to 359, not '360'"),
    (["--figure", "a.png", "--beside", "pool"], "--beside has no effect with --figure: that is one still picture"),
    (["--beside", "pool,tree"], "argument --beside: in 'pool,tree': each must be one of pool, mlp, not 'tree'"),
    (["--dpi", "29"], "argument --dpi: must be an integer from 30 to 400, not '29'"),
    (["--picture-size", "8"], "argument --picture-size: write 2 values with a comma between, as in 8,4.5, not '8'"),
    (["--picture-size", "8,26"], "each must be a number above 0.5 and at most 25, not '26'"),
    (["--figure", "a.png", "--by", "3"], "argument --by: write 2 values with a comma between, as in 6,4, not '3'"),
    (["--figure", "a.png", "--by=11,-43"], "a digit of 28 pixels cannot move by (11, -43) on a canvas of 70: up, down, "
     "left and right by at most 42"),
    (["--algo", "magic"], "argument --algo: must be one of auto, direct, "),
])
def test_misuse(options, text, folder, refused):
    (folder / "full").mkdir()
    (folder / "full" / "mine").write_text("")
    save_file(MLP(4).state_dict(), "mlp.safetensors")
    save("trained.safetensors", MLP(4).state_dict(), meta={"model": "mlp"})
    before = {path.name for path in folder.iterdir()}
    assert text in refused("animate", *options)
    assert {path.name for path in folder.iterdir()} == before


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
def test_mp4(run, folder):
    assert run(*SHORT, "--out", "a.mp4")[0] == 0
    assert b"ftyp" in (folder / "a.mp4").read_bytes()[:16]


def test_mp4_without_ffmpeg(refused, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert "needs the program ffmpeg" in refused("animate", "--out", "a.mp4")
