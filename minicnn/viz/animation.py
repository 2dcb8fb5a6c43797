"""Frames as pictures, and files of them: GIF, MP4, HTML, PNG."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from PIL import Image

from ..errors import InputError

FORMATS = (".gif", ".mp4", ".html")
# Nothing: light grey; then colours of the Okabe-Ito set, which colour-blind readers can tell apart.
COLOURS = ("#eeeeee", "#56b4e9", "#009e73", "#f0e442", "#e69f00", "#d55e00", "#cc79a7", "#0072b2", "#000000")


def palette(k):
    """k colours, that of an empty canvas first; what is not known is dark grey.

    >>> palette(2).N
    2
    """
    if k > len(COLOURS):
        raise InputError(f"at most {len(COLOURS)} clusters have a colour of their own, not {k}")
    return ListedColormap(COLOURS[:k]).with_extremes(bad="#7f7f7f")


def centred(size, canvas):
    """Where imshow must put a map of `size` pixels so that each lies in the middle of what it sees on the canvas.

    >>> centred(22, 38)
    (7.5, 29.5, 29.5, 7.5)
    """
    start = (canvas - size) / 2 - 0.5
    return start, start + size, start + size, start


def frames(scene, dpi=80):
    """The frames of a Scene as RGB arrays (H, W, 3) of uint8, one after the other."""
    figure = Figure(figsize=(8, 4.4), dpi=dpi, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    k, size = len(scene.clusters.centroids), scene.images.shape[1]
    digit = left.imshow(scene.images[0], cmap="gray_r", vmin=0, vmax=255)
    colours = right.imshow(scene.colours[0], cmap=palette(k), vmin=-0.5, vmax=k - 0.5, interpolation="nearest",
                           extent=centred(scene.colours.shape[1], size))
    left.set(title=f"a digit on {size} x {size} pixels", xticks=[], yticks=[])
    right.set(title=f"feature map of {scene.layer}, {scene.colours.shape[1]} x {scene.colours.shape[2]}", xticks=[],
              yticks=[], xlim=(-0.5, size - 0.5), ylim=(size - 0.5, -0.5))
    bar = figure.colorbar(colours, ax=right, ticks=range(k), shrink=0.8)
    bar.set_label("cluster of the activations, 0: as of an empty canvas")
    text = left.set_xlabel(" ")
    for image, clusters, label, (y, x) in zip(scene.images, scene.colours, scene.labels, scene.offsets, strict=True):
        digit.set_data(image)
        colours.set_data(clusters)
        text.set_text(f"{label}, moved by ({y}, {x})")
        canvas.draw()
        figure.set_layout_engine("none")                # the places of the first frame are those of all
        yield np.asarray(canvas.buffer_rgba())[..., :3].copy()


def check_format(path):
    """ValueError for a name that `write` cannot write, OSError for a place."""
    path = Path(path)
    if path.suffix and path.suffix.lower() not in FORMATS:
        raise InputError(f"cannot write the animation {path}: its name must end in {', '.join(FORMATS)}, or be that of "
                         "a directory for PNG frames")
    if path.suffix.lower() == ".mp4" and shutil.which("ffmpeg") is None:
        raise InputError(f"{path} needs the program ffmpeg, which is not installed: install it, or write .gif or .html")
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise OSError(f"the animation {path} cannot be written: {path.parent} is no directory that can be written to")
    if not path.suffix and path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise OSError(f"{path} is there already: give the name of a new directory")


def write(path, pictures, fps=12):
    """Write frames (H, W, 3) as the path's ending says, or as PNGs into a new directory; whole or not at all.

    Raises
    ------
    ValueError
        Another ending; .mp4 without ffmpeg.
    OSError
        The place cannot be written to; the directory is there and not empty.
    """
    check_format(path)
    path = Path(path)
    writers = {".gif": _gif, ".mp4": _mp4, ".html": _html, "": _frames}
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".minicnn-") as folder:
        part = Path(folder) / f"part{path.suffix}"
        writers[path.suffix.lower()](part, pictures, fps)
        if not path.suffix and path.exists():
            path.rmdir()
        os.replace(part, path)


def _gif(path, pictures, fps):
    images = [Image.fromarray(picture).quantize(64, dither=Image.Dither.NONE) for picture in pictures]
    images[0].save(path, save_all=True, append_images=images[1:], duration=round(1000 / fps), loop=0, optimize=False)


def _mp4(path, pictures, fps):
    import subprocess
    process = None
    for picture in pictures:
        picture = picture[:picture.shape[0] // 2 * 2, :picture.shape[1] // 2 * 2]       # H.264 wants even sizes
        if process is None:
            command = ["ffmpeg", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s",
                       f"{picture.shape[1]}x{picture.shape[0]}", "-r", str(fps), "-i", "-", "-pix_fmt", "yuv420p",
                       str(path)]
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(picture.tobytes())
    _, errors = process.communicate()
    if process.returncode:
        raise OSError(f"ffmpeg could not write {path}: {errors.decode(errors='replace').strip()}")


def _frames(path, pictures, fps):
    path.mkdir()
    for number, picture in enumerate(pictures):
        Image.fromarray(picture).save(path / f"frame{number:04d}.png")


def _html(path, pictures, fps):
    encoded = []
    for picture in pictures:
        buffer = io.BytesIO()
        Image.fromarray(picture).quantize(64, dither=Image.Dither.NONE).save(buffer, "png")
        encoded.append(base64.b64encode(buffer.getvalue()).decode())
    path.write_text(PAGE.replace("FRAMES", json.dumps(encoded)).replace("FPS", str(fps)), encoding="utf-8")


PAGE = """<!DOCTYPE html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>minicnn: the feature map moves along</title>
<style>body { font: 16px sans-serif; max-width: 52rem; margin: 1rem auto; padding: 0 1rem } img { width: 100% }
input { width: 100% } button { font: inherit; padding: .3em 1em }</style>
<h1>The feature map moves along</h1>
<img id="picture" alt="Left a digit on a canvas, right the clusters of its feature map, which move along with it">
<label>frame <input id="frame" type="range" min="0" value="0"></label>
<button id="play" aria-pressed="true">pause</button>
<script>
const frames = FRAMES, picture = document.getElementById("picture"), slider = document.getElementById("frame");
const play = document.getElementById("play");
let running = !matchMedia("(prefers-reduced-motion: reduce)").matches;
slider.max = frames.length - 1;
function show() { picture.src = "data:image/png;base64," + frames[slider.value]; }
function label() { play.textContent = running ? "pause" : "play"; play.setAttribute("aria-pressed", running); }
slider.addEventListener("input", () => { running = false; label(); show(); });
play.addEventListener("click", () => { running = !running; label(); });
setInterval(() => { if (running) { slider.value = (+slider.value + 1) % frames.length; show(); } }, 1000 / FPS);
show(); label();
</script></html>
"""
