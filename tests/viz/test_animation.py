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
from PIL import Image, ImageSequence

from minicnn import viz
from minicnn.errors import FileError, InputError
from minicnn.moving_digit.moves import Move
from minicnn.progress import Progress
from minicnn.viz.stage import Stage
from minicnn.viz.style import AREA, VERMILION, palette
from tests.recorder import Recorder

needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
FORMATS = ["a.gif", "a.html", "frames", pytest.param("a.mp4", marks=needs_ffmpeg)]


SIZE = {"size": (6, 2.6), "dpi": 60}              # 360 x 156 pixels


def scene(rng, frames=7, k=4, maps=1):
    """A scene of random numbers. In the last frame the two maps are equal, and no pixel is unknown."""
    def shown(number):
        moved = rng.integers(0, k, (frames, 22, 22)).astype(float)
        moved[:-1, 0] = np.nan
        return SimpleNamespace(title=f"map {number}", span=22, k=k if number < 2 else None, moved=moved,
                               colours=rng.integers(0, k, (frames, 22, 22)) / (1 if number < 2 else k),
                               differences=np.append(rng.uniform(0.1, 1, frames - 1), 0.0))
    return SimpleNamespace(
        layer="conv9", labels=rng.integers(0, 10, frames), moves=[Move((y, 3)) for y in range(frames)],
        images=rng.integers(0, 256, (frames, 38, 38), dtype=np.uint8), maps=[shown(i) for i in range(maps)],
        noun="digit")


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
    return list(np.frombuffer(decoded, np.uint8).reshape(-1, 156, 360, 3).astype(float))


def data_of(page):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page.read_text())[1])


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A scene and its PNG frames."""
    folder, shown = tmp_path_factory.mktemp("animation") / "frames", scene(np.random.default_rng(3))
    viz.write_animation(folder, shown, **SIZE)
    return shown, frames_of(folder)


def cells(stage, ax, frame, count, span):
    """The colours of the middles of count x count cells over the middle `span` pixels of the canvas."""
    side = 38
    middles = (side - span) / 2 - 0.5 + (np.arange(count) + 0.5) * span / count
    x, y = ax.transData.transform([(at, at) for at in middles]).T
    return frame[np.floor(frame.shape[0] - y).astype(int)[:, None], np.floor(x).astype(int)]


@pytest.mark.parametrize("maps", [1, 3])
def test_frames_show_the_numbers(maps, rng):
    shown = scene(rng, 3, maps=maps)
    stage = Stage(shown, ["one", "two", "three"], (10, 5), 100)
    pictures = [picture.axes for picture, _ in stage.pictures]
    assert len(pictures) == 1 + 2 * maps and len(stage.words) == 1 + (2 if maps == 1 else maps)
    for index, image in enumerate(shown.images):
        frame = stage.pixels(index).astype(float)
        np.testing.assert_allclose(cells(stage, pictures[0], frame, 38, 38).mean(-1), 255 - image, atol=1.5)
        for one, first, second in zip(shown.maps, pictures[1::2], pictures[2::2], strict=True):
            colours = AREA if one.k is None else palette(one.k)
            scale = 1 if one.k is None else 1 / (one.k - 1)
            for ax, values in ((first, one.colours), (second, one.moved)):
                expected = 255 * colours(np.ma.masked_invalid(values[index] * scale))[..., :3]
                np.testing.assert_allclose(cells(stage, ax, frame, 22, 22), expected, atol=1.5)
    texts = [text.get_text() for text, _ in stage.words]
    assert texts[0] == "three" and all(text.endswith("exactly equal") or text == "=" for text in texts[1:])
    stage.draw_frame(0)
    assert all(text.get_text().startswith(("≠", "differ by up to ")) and text.get_color() == VERMILION
               for text, _ in stage.words[1:])


def test_only_unknown_pixels_are_explained(rng):
    known = scene(rng)
    for one in known.maps:
        one.moved = np.nan_to_num(one.moved)
    for shown, told in ((scene(rng), True), (known, False)):
        stage = Stage(shown, [""] * 7, (8, 4), 50)
        assert ("dark grey: not known" in stage.texts[0].get_text()) == told


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_holds_all_frames(name, written, tmp_path):
    viz.write_animation(tmp_path / name, written[0], **SIZE)
    found = frames_of(tmp_path / name)
    assert len(found) == len(written[1])
    for frame, expected in zip(found, written[1], strict=True):
        assert np.abs(frame - expected).mean() < 6
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_all_frames_of_a_long_page_can_be_decoded(rng, tmp_path):
    """In version 0.1 the frame rate was written into the base64 of every 20th frame or so."""
    shown = scene(rng, 60)
    viz.write_animation(tmp_path / "a.html", shown, fps=30, **SIZE)
    frames = frames_of(tmp_path / "a.html")
    assert [frame.shape for frame in frames] == 60 * [(156, 360, 3)]
    data = data_of(tmp_path / "a.html")
    assert data["fps"] == 30
    assert data["captions"][7] == f"{shown.labels[7]}: 7 down, 3 right"


def test_the_page_needs_nothing_else(written, tmp_path):
    viz.write_animation(tmp_path / "a.html", written[0], **SIZE)
    text = (tmp_path / "a.html").read_text()
    assert not re.search(r"(src|href)=[\"'](?!data:)|url\(|@import|https?://|fetch\(", text)
    assert "{{" not in text and text.rstrip().endswith("</html>")


def test_gif_and_page_have_few_colours_and_the_right_time(written, tmp_path):
    viz.write_animation(tmp_path / "a.gif", written[0], **SIZE)
    viz.write_animation(tmp_path / "a.html", written[0], **SIZE)
    with Image.open(tmp_path / "a.gif") as gif:
        assert gif.info["loop"] == 0 and gif.info["duration"] == 80     # 12 frames a second, in hundredths of a second
    for name in ("a.gif", "a.html"):
        for frame in frames_of(tmp_path / name)[:3]:
            assert len(np.unique(frame @ [65536, 256, 1])) <= 64
            assert (frame[0, 0] == 255).all(), "paper is white"


@needs_ffmpeg
def test_a_video_that_all_players_show(written, tmp_path):
    viz.write_animation(tmp_path / "a.mp4", written[0], fps=12, size=(3.01, 1.31), dpi=100)
    told = subprocess.run(["ffmpeg", "-i", tmp_path / "a.mp4"], capture_output=True, text=True).stderr
    assert "h264" in told and "yuv420p" in told and "300x132" in told and "12 fps" in told


def test_progress_is_told_for_each_frame(rng, tmp_path):
    told = Recorder()
    viz.write_animation(tmp_path / "frames", scene(rng, 3), progress=told, **SIZE)
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
        viz.write_animation(path, scene(rng), progress=Stop(), **SIZE)
    assert [entry.name for entry in tmp_path.iterdir()] == ([name] if path.suffix else [])
    assert not path.suffix or path.read_text() == "the old one"


def test_an_ffmpeg_that_stops_is_named(rng, tmp_path):
    program = tmp_path / "ffmpeg"
    program.write_text("#!/bin/sh\necho 'no such encoder' >&2\nexit 1\n")
    program.chmod(0o755)
    with mpl.rc_context({"animation.ffmpeg_path": str(program)}), pytest.raises(FileError, match="no such encoder"):
        viz.write_animation(tmp_path / "a.mp4", scene(rng), **SIZE)
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
    viz.write_animation(tmp_path / "frames", scene(rng, 2), **SIZE)
    assert sorted(path.name for path in (tmp_path / "frames").iterdir()) == ["frame0000.png", "frame0001.png"]


def test_a_video_needs_ffmpeg(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(InputError, match="needs the program ffmpeg, which is not installed: install it, or write .gif"):
        viz.check_animation(tmp_path / "a.mp4")


@pytest.mark.parametrize("fps", [0, -1, 1e-3, 101, float("nan"), "12"])
def test_a_frame_rate_that_cannot_be(fps, rng, tmp_path):
    with pytest.raises(InputError, match="fps must be (a number above 0.01|at most 100), not"):
        viz.write_animation(tmp_path / "a.gif", scene(rng), fps)


def test_the_default_size_is_that_of_slides(rng, tmp_path):
    for maps, height in ((1, 544), (2, 720)):
        viz.write_animation(tmp_path / f"frames{maps}", scene(rng, 1, maps=maps))
        assert frames_of(tmp_path / f"frames{maps}")[0].shape == (height, 1280, 3)
    with pytest.raises(InputError, match="8 x 3.4 inches at 1 dpi are 8 x 3 pixels: at least 10 in each direction"):
        viz.write_animation(tmp_path / "a.gif", scene(rng), dpi=1)
