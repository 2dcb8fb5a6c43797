"""Small pictures of pixels as SVG that stands in an HTML page: sharp squares, and outlines around chosen pixels.

The colours suit light and dark pages: a signed value of 0 is transparent.
"""

from __future__ import annotations

import base64
import io
from html import escape

import numpy as np
from matplotlib import colormaps
from PIL import Image

from ..notebook.pixels import BLUE, RED
from .style import AMOUNT, drawable

SIDE = 512                      # the most pixels of a side of a picture
EDGES = 20_000                  # the most lines of an outline
STEPS = 101                     # colours of a scale


def heat_map(values: np.ndarray, alt: str, largest: float | None = None, *, signed: bool = True,
             marked: np.ndarray | None = None, known: np.ndarray | None = None) -> str:
    """An <svg> of an image (H, W).

    Parameters
    ----------
    values : ndarray, shape (H, W)
    alt : str
        The picture in words, for readers who do not see it.
    largest : float, optional
        The magnitude of the strongest colour; by default the largest in the image.
    signed : bool
        Red for positive and blue for negative values. False: from dark blue at 0 to yellow at `largest`.
    marked : ndarray of bool, shape (H, W), optional
        Pixels that get an outline.
    known : ndarray of bool, shape (H, W), optional
        The other pixels are grey.

    Returns
    -------
    str
        With the classes "map", "frame" and "outline" for a style sheet. If a side has more than 512 pixels, each square
        of the picture stands for a block of pixels, and has the value of the largest magnitude in it.

    Raises
    ------
    InputError
        The image has no pixels, or another number of axes.

    Examples
    --------
    >>> text = heat_map(np.eye(2), 'a "diagonal"', marked=np.eye(2) > 0)
    >>> text[:65], text.count("<image"), text.count("<path")
    ('<svg class="map" role="img" aria-label="a &quot;diagonal&quot;" v', 1, 1)
    """
    values = drawable("heat_map", values, "(H, W)")
    step = -(-max(values.shape) // SIDE)
    shown = _reduced(values, step)
    pixels = coloured(shown, float(np.nanmax(np.abs(values), initial=0)) if largest is None else largest, signed)
    if known is not None:
        pixels[~_reduced(known, step).astype(bool)] = 127, 127, 127, 120
    path = "" if marked is None else outline(_reduced(marked, step).astype(bool))
    height, width = shown.shape
    line = f'<path class="outline" d="{path}" vector-effect="non-scaling-stroke"/>' if path else ""
    return (f'<svg class="map" role="img" aria-label="{escape(alt)}" viewBox="0 0 {width} {height}" '
            f'preserveAspectRatio="xMinYMid"><image width="{width}" height="{height}" preserveAspectRatio="none" '
            f'href="{_png(pixels)}"/><rect class="frame" width="{width}" height="{height}" '
            f'vector-effect="non-scaling-stroke"/>{line}</svg>')


def colour_scale(largest: float, signed: bool = True) -> str:
    """An <img> of the colours from -largest to largest, or from 0 on. The numbers must stand beside it.

    >>> colour_scale(1.0)[:27]
    '<img class="scale" alt="" s'
    """
    row = np.linspace(-1.0 if signed else 0.0, 1.0, STEPS)[None]
    return f'<img class="scale" alt="" src="{_png(coloured(row, 1.0, signed))}">'


def coloured(values: np.ndarray, largest: float, signed: bool = True) -> np.ndarray:
    """The colours of the values, uint8 (..., 4): red, green, blue, opacity.

    >>> coloured(np.array([2.0, 0.0, -1.0]), 2.0).tolist()
    [[213, 94, 0, 255], [0, 114, 178, 0], [0, 114, 178, 128]]
    """
    part = np.clip(np.nan_to_num(np.asarray(values) / (largest or 1.0)), -1, 1)
    if not signed:
        return colormaps[AMOUNT](part, bytes=True)
    colour = np.where(part[..., None] > 0, np.array(RED), np.array(BLUE))
    return np.concatenate([colour, np.rint(255 * np.abs(part))[..., None]], -1).astype(np.uint8)


def outline(marked: np.ndarray) -> str:
    """The border of the marked pixels (H, W), as the path of an SVG; "" without any, or with more than 20,000 lines.

    >>> outline(np.array([[False, True]]))
    'M1 0h1M1 1h1M1 0v1M2 0v1'
    """
    lines = []
    for axis, draw in ((0, "M{1} {0}h{2}"), (1, "M{0} {1}v{2}")):
        edges = np.diff(np.pad(marked.astype(np.int8), [(int(axis == i), int(axis == i)) for i in range(2)]),
                        axis=axis) != 0
        runs = np.diff(np.pad(edges if axis == 0 else edges.T, ((0, 0), (1, 1))).astype(np.int8), axis=1)
        starts, ends = np.argwhere(runs == 1), np.argwhere(runs == -1)
        lines += [draw.format(at, start, end - start) for (at, start), (_, end) in zip(starts, ends, strict=True)]
    return "".join(lines) if len(lines) <= EDGES else ""


def _reduced(values, step):
    """The value of the largest magnitude in each block of step x step pixels."""
    if step == 1:
        return values
    height, width = values.shape
    rows, columns = -(-height // step), -(-width // step)
    padded = np.pad(values, ((0, rows * step - height), (0, columns * step - width)))
    blocks = padded.reshape(rows, step, columns, step).swapaxes(1, 2).reshape(rows, columns, step ** 2)
    return np.take_along_axis(blocks, np.abs(blocks).argmax(2)[..., None], 2)[..., 0]


def _png(pixels):
    """The pixels as the address of a picture."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "png")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
