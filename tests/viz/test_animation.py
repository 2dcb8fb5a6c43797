"""Animations: every format holds every frame. A file is written as a whole or not at all."""

import base64
import io
import json
import re
import shutil
import subprocess
from types import SimpleNamespace

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image, ImageSequence

from minicnn import viz
from minicnn.errors import FileError, InputError
from minicnn.progress import Progress
from minicnn.viz.style import CLUSTERS
from tests.recorder import Recorder

needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
FORMATS = ["a.gif", "a.html", "frames", pytest.param("a.mp4", marks=needs_ffmpeg)]


def scene(rng, frames=7, k=4):
    return SimpleNamespace(
        layer="conv9", labels=rng.integers(0, 10, frames), offsets=rng.integers(0, 11, (frames, 2)),
        images=rng.integers(0, 256, (frames, 38, 38)), colours=rng.integers(0, k, (frames, 22, 22)),
        clusters=SimpleNamespace(centroids=np.zeros((k, 2))))


def rgb(image):
    return np.asarray(image.convert("RGB"), float)


def frames_of(path):
    """The frames in a file or directory as arrays (H, W, 3)."""
    if path.is_dir():
        return [rgb(Image.open(file)) for file in sorted(path.iterdir())]
    if path.suffix == ".gif":
        with Image.open(path) as gif:
            return [rgb(frame) for frame in ImageSequence.Iterator(gif)]
    if path.suffix == ".html":
        return [rgb(Image.open(io.BytesIO(base64.b64decode(text, validate=True)))) for text in data_of(path)["frames"]]
    decoded = subprocess.run(["ffmpeg", "-loglevel", "error", "-i", path, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"],
                             capture_output=True, check=True).stdout
    return list(np.frombuffer(decoded, np.uint8).reshape(-1, 352, 640, 3).astype(float))


def data_of(page):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page.read_text())[1])


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A scene and its PNG frames."""
    folder, shown = tmp_path_factory.mktemp("animation") / "frames", scene(np.random.default_rng(3))
    viz.write_animation(folder, shown)
    return shown, frames_of(folder)


def test_frames_show_the_numbers(written):
    shown, frames = written
    assert len(frames) == len(shown.images)
    for image, colours, frame in zip(shown.images, shown.colours, frames, strict=True):
        assert frame.shape == (352, 640, 3)
        left, right = frame[36:318, 5:287], frame[36:318, 296:577]
        pixels = np.mgrid[:38, :38] * 282 // 38 + 3                     # a point in each of 38 x 38 squares
        np.testing.assert_allclose(left[tuple(pixels)].mean(-1), 255 - image, atol=1.5)
        cells = right[tuple(pixels)][8:30, 8:30]                        # 22 x 22 in the middle of the canvas
        distances = [np.abs(cells - 255 * np.array(to_rgb(CLUSTERS[c]))).max(-1) for c in range(4)]
        np.testing.assert_array_equal(np.argmin(distances, 0), colours)
        assert np.min(distances, 0).max() < 1.5
    still = [frame[:, 585:] for frame in frames]                        # the bar of colours does not move
    assert all((part == still[0]).all() for part in still)


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_holds_all_frames(name, written, tmp_path):
    viz.write_animation(tmp_path / name, written[0])
    found = frames_of(tmp_path / name)
    assert len(found) == len(written[1])
    for frame, expected in zip(found, written[1], strict=True):
        assert np.abs(frame - expected).mean() < 6
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_all_frames_of_a_long_page_can_be_decoded(rng, tmp_path):
    """In version 0.1 the frame rate was written into the base64 of every 20th frame or so."""
    shown = scene(rng, 60)
    viz.write_animation(tmp_path / "a.html", shown, fps=30)
    frames = frames_of(tmp_path / "a.html")
    assert [frame.shape for frame in frames] == 60 * [(352, 640, 3)]
    data = data_of(tmp_path / "a.html")
    assert data["fps"] == 30
    y, x = shown.offsets[7]
    assert data["captions"][7] == f"{shown.labels[7]}: {y} down, {x} right"


def test_the_page_needs_nothing_else(written, tmp_path):
    viz.write_animation(tmp_path / "a.html", written[0])
    text = (tmp_path / "a.html").read_text()
    assert not re.search(r"(src|href)=[\"'](?!data:)|url\(|@import|https?://|fetch\(", text)
    assert "{{" not in text and text.rstrip().endswith("</html>")


def test_gif_and_page_have_few_colours_and_the_right_time(written, tmp_path):
    viz.write_animation(tmp_path / "a.gif", written[0])
    viz.write_animation(tmp_path / "a.html", written[0])
    with Image.open(tmp_path / "a.gif") as gif:
        assert gif.info["loop"] == 0 and gif.info["duration"] == 80     # 12 frames a second, in hundredths of a second
    for name in ("a.gif", "a.html"):
        for frame in frames_of(tmp_path / name)[:3]:
            assert len(np.unique(frame @ [65536, 256, 1])) <= 64


@needs_ffmpeg
def test_a_video_that_all_players_show(written, tmp_path):
    viz.write_animation(tmp_path / "a.mp4", written[0], fps=12)
    told = subprocess.run(["ffmpeg", "-i", tmp_path / "a.mp4"], capture_output=True, text=True).stderr
    assert "h264" in told and "yuv420p" in told and "640x352" in told and "12 fps" in told


def test_progress_is_told_for_each_frame(rng, tmp_path):
    told = Recorder()
    viz.write_animation(tmp_path / "frames", scene(rng, 3), progress=told)
    assert told.updates == [(1, 3, "frames"), (2, 3, "frames"), (3, 3, "frames")]


@pytest.mark.parametrize("name", FORMATS)
def test_what_was_there_outlives_a_failure(name, rng, tmp_path):
    class Stop(Progress):
        def update(self, done, total, text=""):
            if done == 2:
                raise KeyboardInterrupt
    path = tmp_path / name
    if path.suffix:
        path.write_text("the old one")
    with pytest.raises(KeyboardInterrupt):
        viz.write_animation(path, scene(rng), progress=Stop())
    assert [entry.name for entry in tmp_path.iterdir()] == ([name] if path.suffix else [])
    assert not path.suffix or path.read_text() == "the old one"


def test_an_ffmpeg_that_stops_is_named(rng, tmp_path):
    program = tmp_path / "ffmpeg"
    program.write_text("#!/bin/sh\necho 'no such encoder' >&2\nexit 1\n")
    program.chmod(0o755)
    with mpl.rc_context({"animation.ffmpeg_path": str(program)}), pytest.raises(FileError, match="no such encoder"):
        viz.write_animation(tmp_path / "a.mp4", scene(rng))
    assert not (tmp_path / "a.mp4").exists()


@pytest.mark.parametrize(("name", "error", "message"), [
    ("a.txt", InputError, "a.txt: the name must end in .gif, .mp4, .html, or have no ending, to write PNG frames"),
    ("nowhere/a.gif", FileError, "its directory does not exist; create it first"),
    ("nowhere/frames", FileError, "its directory does not exist; create it first"),
    ("full", FileError, "it exists and is not empty; give the name of a new directory"),
    ("folder.gif", FileError, "it is a directory"),
])
def test_destinations_are_checked_before_the_work(name, error, message, tmp_path):
    (tmp_path / "folder.gif").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("")
    for call in (viz.check_animation, lambda path: viz.write_animation(path, None)):
        with pytest.raises(error, match=message):
            call(tmp_path / name)


def test_an_empty_directory_may_be_filled(rng, tmp_path):
    (tmp_path / "frames").mkdir()
    viz.write_animation(tmp_path / "frames", scene(rng, 2))
    assert sorted(path.name for path in (tmp_path / "frames").iterdir()) == ["frame0000.png", "frame0001.png"]


def test_a_video_needs_ffmpeg(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(InputError, match="needs the program ffmpeg, which is not installed: install it, or write .gif"):
        viz.check_animation(tmp_path / "a.mp4")


@pytest.mark.parametrize("fps", [0, -1, 1e-3, 101, float("nan"), "12"])
def test_a_frame_rate_that_cannot_be(fps, rng, tmp_path):
    with pytest.raises(InputError, match="fps must be (a number above 0.01|at most 100), not"):
        viz.write_animation(tmp_path / "a.gif", scene(rng), fps)
