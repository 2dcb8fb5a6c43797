"""The animation of a moving digit and its moving feature map, as a GIF, a video, an HTML page or PNG frames."""

from __future__ import annotations

import base64
import io
import json
import os
import subprocess
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

from matplotlib.animation import AbstractMovieWriter, FFMpegWriter
from matplotlib.figure import Figure
from PIL import Image

from ..checks import number
from ..errors import FileError, InputError
from ..files import check_destination, check_new_directory, new_directory, replacing
from ..progress import SILENT, Progress
from .style import centred, palette, writable

FORMATS = (".gif", ".mp4", ".html")
LONGEST = 24                    # letters of the name of a class
SLOWEST = 0.01                  # frames per second: a GIF can show a frame for at most 655 seconds
DPI = 80                        # 640 x 352 pixels: even sizes, as H.264 needs them


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


def write_animation(path: str | os.PathLike, scene: Any, fps: float = 12, progress: Progress = SILENT) -> None:
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

    Raises
    ------
    InputError, FileError
        `check_animation` refuses the path, or `fps` is not above 0.01 and at most 100.
    """
    path = check_animation(path)
    if number("fps", fps, above=SLOWEST) > 100:
        raise InputError(f"fps must be at most 100, not {fps!r}")
    figure, show = _stage(scene)
    captions = [f"{writable(str(label), LONGEST)}: {y} down, {x} right"
                for label, (y, x) in zip(scene.labels, scene.offsets, strict=True)]
    writer = _writer(path.suffix.lower(), fps, captions, 64 if _noun(scene) == "digit" else 256)
    try:
        with (replacing if path.suffix else new_directory)(path) as part, writer.saving(figure, str(part), DPI):
            for index, caption in enumerate(captions):
                show(index, caption)
                writer.grab_frame()
                progress.update(index + 1, len(captions), "frames")
    except subprocess.CalledProcessError as error:
        raise FileError(f"{path} could not be written: ffmpeg stopped: {error.stderr.strip()}") from error


def _noun(scene):
    """What moves. Only a scene of other pictures than digits must say it."""
    return getattr(scene, "noun", "digit")


def _stage(scene: Any) -> tuple[Figure, Callable[[int, str], None]]:
    """The figure, and a function that shows frame `number` in it under a caption."""
    figure = Figure(figsize=(8, 4.4), dpi=DPI, layout="constrained")
    left, right = figure.subplots(1, 2)
    k, size = len(scene.clusters.centroids), scene.images.shape[1]
    noun = _noun(scene)
    cmap = "gray_r" if noun == "digit" else "gray"       # a digit as ink on paper
    digit = left.imshow(scene.images[0], cmap=cmap, vmin=0, vmax=255)
    colours = right.imshow(scene.colours[0], cmap=palette(k), vmin=-0.5, vmax=k - 0.5, interpolation="nearest",
                           extent=centred(scene.colours.shape[1], size))
    left.set(title=f"a {noun} on {size} x {size} pixels", xticks=[], yticks=[])
    right.set(title=f"feature map of {scene.layer}, {scene.colours.shape[1]} x {scene.colours.shape[2]}", xticks=[],
              yticks=[], xlim=(-0.5, size - 0.5), ylim=(size - 0.5, -0.5))
    bar = figure.colorbar(colours, ax=right, ticks=range(k), shrink=0.8)
    bar.set_label("cluster of the activations, 0: as of an empty canvas")
    text = left.set_xlabel(" ", parse_math=False)       # a name with $ is no formula

    def show(number: int, caption: str) -> None:
        digit.set_data(scene.images[number])
        colours.set_data(scene.colours[number])
        text.set_text(caption)
        if number == 0:
            figure.draw_without_rendering()
            figure.set_layout_engine("none")            # all frames have the layout of the first frame
    return figure, show


def _writer(ending: str, fps: Any, captions: list[str], colours: int) -> AbstractMovieWriter:
    if ending == ".mp4":
        return FFMpegWriter(fps, codec="h264", extra_args=["-pix_fmt", "yuv420p"])      # all players can show this
    if ending == ".html":
        return _Page(fps, captions, colours)
    return _Gif(fps, colours) if ending else _Folder(fps)


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
    """Collects all frames, with so many colours each. 64 are enough for a digit; dither would look like noise."""

    def __init__(self, fps, colours):
        super().__init__(fps)
        self.colours = colours

    def setup(self, fig, outfile, dpi=None):
        super().setup(fig, outfile, dpi)
        self.images = []

    def add(self, image):
        self.images.append(image.quantize(self.colours, dither=Image.Dither.NONE))


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

    def __init__(self, fps, captions, colours):
        super().__init__(fps, colours)
        self.captions = captions

    def finish(self):
        frames = []
        for image in self.images:
            buffer = io.BytesIO()
            image.save(buffer, "png")
            frames.append(base64.b64encode(buffer.getvalue()).decode())
        data = json.dumps({"fps": self.fps, "captions": self.captions, "frames": frames}).replace("<", "\\u003c")
        page = (files("minicnn.viz") / "animation.html").read_text(encoding="utf-8")
        Path(self.outfile).write_text(page.replace("{{data}}", data), encoding="utf-8")
