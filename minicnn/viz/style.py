"""Colours and markers of all pictures: the Okabe-Ito set. Colour-blind readers can distinguish its colours."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import Colormap, ListedColormap
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.ticker import MaxNLocator, NullLocator

from ..errors import InputError

BLUE, VERMILION, GREY = "#0072B2", "#D55E00", "#999999"
STYLES = ((BLUE, "o"), (VERMILION, "s"), ("#009E73", "^"), ("#CC79A7", "D"), ("#E69F00", "v"), ("#56B4E9", "P"),
          ("#000000", "X"), (GREY, "*"))          # (colour, marker): each of the two identifies a line
GRID = "0.92"
SIGNED, AMOUNT = "RdBu_r", "cividis"              # colour maps: for values around 0, for values from 0 on
UNKNOWN = "#7f7f7f"                               # a pixel whose value is not known
CLUSTERS = ("#eeeeee", "#56b4e9", "#009e73", "#f0e442", "#e69f00", "#d55e00", "#cc79a7", "#0072b2", "#000000")


def palette(k: int) -> Colormap:
    """One colour for each of k clusters, light grey for cluster 0, an empty canvas; dark grey for unknown pixels.

    Raises
    ------
    InputError
        There are fewer than k colours.

    Examples
    --------
    >>> palette(2).N
    2
    """
    if k > len(CLUSTERS):
        raise InputError(f"at most {len(CLUSTERS)} clusters have a colour of their own, not {k}")
    return ListedColormap(CLUSTERS[:k]).with_extremes(bad=UNKNOWN)


def drawable(name: str, values: Any, shape: str | None = None) -> np.ndarray:
    """The values as float64, so that they can be drawn: an infinite one becomes the largest finite one of its sign.

    matplotlib cannot make an axis for infinite numbers, or for numbers near the largest of the dtype; magnitudes above
    1e150 become 1e150. NaN stays, and is drawn as a gap. `shape` names the axes that the array must have.

    Raises
    ------
    InputError
        There are no values, or the array has another number of axes.

    Examples
    --------
    >>> drawable("maps", [1, -np.inf, 3, np.nan])
    array([ 1., -3.,  3., nan])
    """
    array = np.array(values, np.float64)
    if shape is not None and array.ndim != len(shape.strip("(,)").split(",")):
        raise InputError(f"{name}: an array of shape {shape} is needed, not {array.shape}")
    if array.size == 0:
        raise InputError(f"{name}: there is nothing to draw in an array of shape {array.shape}")
    finite = np.abs(array[np.isfinite(array)])
    largest = min(finite.max(initial=0), 1e150) or 1.0
    return np.clip(array, -largest, largest)


def add_grid(ax: Axes, which: Literal["major", "both"] = "major") -> None:
    """Light lines behind the data."""
    ax.grid(True, which=which, color=GRID)
    ax.set_axisbelow(True)


def plain_numbers(axis: Axis) -> None:
    """Label a logarithmic axis with 0.1, 0.2, 0.5, 1, ..., or with at most 6 numbers if its range is small."""
    low, high = axis.get_view_interval()
    if 0 < low < high < 5 * low:
        axis.set_major_locator(MaxNLocator(5))
        axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.set_minor_formatter(lambda value, _: f"{value:g}" if f"{value:.0e}"[0] in "25" else "")


def writable(text: str, most: int) -> str:
    """A text as pictures can show it: at most so many characters, and "?" for those that the font lacks.

    >>> writable("a very long name", 8)
    'a very …'
    """
    font = get_font(findfont(FontProperties()))
    shown = "".join(letter if font.get_char_index(ord(letter)) else "?" for letter in text)
    return shown if len(shown) <= most else shown[:most - 1] + "…"


def centred(size: int, canvas: int) -> tuple[float, float, float, float]:
    """The `extent` that puts each pixel of a feature map on the middle of the part of the canvas that it sees.

    >>> centred(22, 38)
    (7.5, 29.5, 29.5, 7.5)
    """
    start = (canvas - size) / 2 - 0.5
    return start, start + size, start + size, start
