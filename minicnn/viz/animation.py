"""The animation of a moving digit and its moving feature map, as a GIF, a video, an HTML page or PNG frames."""

from __future__ import annotations

import base64
import io
import json
import os
import subprocess
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.animation import AbstractMovieWriter, FFMpegWriter
from PIL import Image

from ..checks import number
from ..errors import FileError, InputError
from ..files import check_destination, check_new_directory, new_directory, replacing
from ..progress import SILENT, Progress
from .figure import check_size
from .stage import GRID, ROW, Stage
from .style import writable

FORMATS = (".gif", ".mp4", ".html")
LONGEST = 24                    # letters of the name of a class
SAMPLED, COMMON = 8, 40         # frames of which the palette is made, and its colours that stay as they are
SLOWEST = 0.01                  # frames per second: a GIF can show a frame for at most 655 seconds
DPI = 160                       # 1280 pixels in 8 inches, as slides have them


def check_animation(path: str | os.PathLike) -> Path:
    """Check the path of `write_animation` before long work, and return it.

    Raises
    ------
    InputError
        The path has an ending other than .gif, .mp4 and .html; or it ends in .mp4, and ffmpeg is not installed.
    FileError
        The file or directory cannot be written, or the directory exists and is not empty.
    """
    path = Path(path)
    if path.suffix and path.suffix.lower() not in FORMATS:
        raise InputError(f"{path}: the name must end in {', '.join(FORMATS)}, or have no ending, to write PNG frames "
                         "into a new directory")
    if path.suffix.lower() == ".mp4" and not FFMpegWriter.isAvailable():
        raise InputError(f"{path} needs the program ffmpeg, which is not installed: install it, or write .gif or .html")
    return check_destination(path) if path.suffix else check_new_directory(path)


def write_animation(path: str | os.PathLike, scene: Any, fps: float = 12, progress: Progress = SILENT,
                    size: Sequence[float] | None = None, dpi: float | None = None) -> None:
    """Draw a scene frame by frame into a file, or as PNG files into a new directory. An error leaves no part of it.

    Parameters
    ----------
    path : path
        The name of a file that ends in .gif, .mp4 (needs ffmpeg) or .html; or the name of a directory, without an
        ending.
    scene : minicnn.moving_digit.Scene
    fps : float
        Frames per second. A GIF rounds the time of a frame to hundredths of a second.
    progress : Progress
        Is updated after each frame.
    size : (float, float), optional
        Width and height in inches. By default 8 x 3.4, with contrasts 8 x 4.5.
    dpi : float, optional
        Pixels per inch. With the default of 160 the frames are 1280 pixels wide.

    Raises
    ------
    InputError, FileError
        `check_animation` refuses the path, `check_size` the size, or `fps` is not above 0.01 and at most 100.
    """
    path = check_animation(path)
    if number("fps", fps, above=SLOWEST) > 100:
        raise InputError(f"fps must be at most 100, not {fps!r}")
    dpi = DPI if dpi is None else dpi
    size = check_size((ROW if len(scene.maps) == 1 else GRID) if size is None else size, dpi)
    captions = [f"{writable(str(label), LONGEST)}: {move}"
                for label, move in zip(scene.labels, scene.moves, strict=True)]
    stage = Stage(scene, captions, size, dpi)
    writer = _writer(path.suffix.lower(), fps, stage)
    try:
        with (replacing if path.suffix else new_directory)(path) as part, writer.saving(stage, str(part), dpi):
            for index in range(len(captions)):
                stage.draw_frame(index)
                writer.grab_frame()
                progress.update(index + 1, len(captions), "frames")
    except subprocess.CalledProcessError as error:
        raise FileError(f"{path} could not be written: ffmpeg stopped: {error.stderr.strip()}") from error


def _writer(ending: str, fps: Any, stage: Stage) -> AbstractMovieWriter:
    if ending == ".mp4":
        return FFMpegWriter(fps, codec="h264", extra_args=["-pix_fmt", "yuv420p"])      # all players can show this
    if ending == ".html":
        return _Page(fps, stage)
    return _Gif(fps, stage) if ending else _Folder(fps)


class _Palette:
    """The colours of a scene: the commonest as they are, and a choice of the others. 64 are enough for a digit.

    Pillow's own choice has no pure white, and its search for the nearest colour leaves out two bits.
    """

    def __init__(self, stage):
        chosen = sorted({round(place) for place in np.linspace(0, len(stage.captions) - 1, SAMPLED)})
        found, counts = np.unique(np.concatenate([_packed(stage.pixels(index)) for index in chosen]),
                                  return_counts=True)
        found = _unpacked(found[np.argsort(-counts, kind="stable")]).astype(np.uint8)
        self.colours, others = found[:COMMON], found[COMMON:]
        if len(others):
            left = (64 if stage.scene.noun == "digit" else 256) - COMMON
            fitted = Image.fromarray(others[None]).quantize(left, dither=Image.Dither.NONE).getpalette("RGB")
            self.colours = np.concatenate([self.colours, np.reshape(fitted, (-1, 3))[:left].astype(np.uint8)])
        self.numbers = np.full(1 << 24, -1, np.int16)                   # of each colour that was met

    def __call__(self, image):
        packed = _packed(np.asarray(image))
        new = np.unique(packed[self.numbers[packed] < 0])
        for part in np.array_split(new, len(new) // 4096 + 1):
            distances = ((_unpacked(part)[:, None] - self.colours.astype(np.int32)) ** 2).sum(2)
            self.numbers[part] = distances.argmin(1)
        out = Image.fromarray(self.numbers[packed].astype(np.uint8))
        out.putpalette(self.colours.tobytes())
        return out


def _packed(pixels):
    """Red, green and blue (..., 3) in one integer."""
    return pixels.astype(np.int32) @ np.array([65536, 256, 1], np.int32)


def _unpacked(colours):
    return colours[..., None] >> np.array([16, 8, 0]) & 255


class _FrameWriter(AbstractMovieWriter):
    """A writer that calls `add` with each frame, as an image."""

    def setup(self, fig, outfile, dpi=None):
        super().setup(fig, outfile, dpi)
        self.added = 0

    def grab_frame(self, **options):
        buffer = io.BytesIO()
        self.fig.savefig(buffer, format="rgba", dpi=self.dpi)
        self.add(Image.frombytes("RGBA", self.frame_size, buffer.getvalue()).convert("RGB"))
        self.added += 1

    def finish(self):
        pass


class _Folder(_FrameWriter):
    """PNG files in a directory."""

    def add(self, image):
        image.save(Path(self.outfile) / f"frame{self.added:04d}.png")


class _Collected(_FrameWriter):
    """Collects all frames, with the colours of one palette. Dither would look like noise, and make the file larger."""

    def __init__(self, fps, stage):
        super().__init__(fps)
        self.captions, self.palette = stage.captions, _Palette(stage)

    def setup(self, fig, outfile, dpi=None):
        super().setup(fig, outfile, dpi)
        self.images = []

    def add(self, image):
        self.images.append(self.palette(image))


class _Gif(_Collected):
    """One GIF that repeats for ever."""

    def finish(self):
        if self.images:
            self.images[0].save(self.outfile, save_all=True, append_images=self.images[1:],
                                duration=round(1000 / self.fps), loop=0, optimize=False)


class _Page(_Collected):
    """One HTML page with a slider and a play button. It contains all frames and needs no network.

    matplotlib's own page loads a font from the network, plays even for people who asked for reduced motion, and is
    larger.
    """

    def finish(self):
        frames = []
        for image in self.images:
            buffer = io.BytesIO()
            image.save(buffer, "png")
            frames.append(base64.b64encode(buffer.getvalue()).decode())
        data = json.dumps({"fps": self.fps, "captions": self.captions, "frames": frames}).replace("<", "\\u003c")
        page = (files("minicnn.viz") / "animation.html").read_text(encoding="utf-8")
        Path(self.outfile).write_text(page.replace("{{data}}", data), encoding="utf-8")
