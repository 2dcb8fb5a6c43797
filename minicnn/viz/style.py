"""Colours, markers and colour bars of all pictures.

Lines have the colours of the Okabe-Ito set and different markers. Areas have colour maps whose lightness rises or falls
steadily. So colour-blind readers, and readers of a grey print, can distinguish them.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.colors import Colormap, LinearSegmentedColormap, ListedColormap
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, NullLocator

from ..errors import InputError

BLUE, VERMILION, GREY, BLACK = "#0072B2", "#D55E00", "#999999", "#000000"
STYLES = ((BLUE, "o"), (VERMILION, "s"), ("#009E73", "^"), ("#CC79A7", "D"), ("#E69F00", "v"), ("#56B4E9", "P"),
          (BLACK, "X"), (GREY, "*"))          # (colour, marker): each of the two identifies a line
GRID = "0.92"
SIGNED, AMOUNT = "RdBu_r", "cividis"              # colour maps: for values around 0, for values from 0 on
PHI, T, UNEQUAL = r"$\varphi$", "$T$", "≠"
ROUNDING = 1e-4                                   # a difference below it is that of float32 sums in another order
UNKNOWN = "#a6a6a6"                               # a pixel whose value is not known
EMPTY = "#eeeeee"                                 # cluster 0: the activations of an empty canvas
AREA = LinearSegmentedColormap.from_list("area", [EMPTY, "#3b528b", "#440154"]).with_extremes(bad=UNKNOWN)
CLUSTERS = 9                                      # the most clusters whose colours can be told apart


def palette(k: int) -> Colormap:
    """One colour for each of k clusters, the darker the farther from cluster 0, an empty canvas, which is light grey.

    Unknown pixels are dark grey.

    Raises
    ------
    InputError
        There are fewer than k colours.

    Examples
    --------
    >>> palette(2).N
    2
    """
    if k > CLUSTERS:
        raise InputError(f"at most {CLUSTERS} clusters have a colour of their own, not {k}")
    colours = colormaps["viridis"](np.linspace(0.95, 0, k - 1))
    return ListedColormap([EMPTY, *map(tuple, colours)]).with_extremes(bad=UNKNOWN)


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


def difference_in_words(relative: float) -> tuple[str, str]:
    """A sign and words for a largest difference, which is given in units of the largest activation.

    >>> difference_in_words(0.0), difference_in_words(0.25)
    (('=', 'exactly equal'), ('≠', 'differ by up to 25 %'))
    """
    if np.isnan(relative):
        return "?", "no pixel is known in both"
    if relative == 0:
        return "=", "exactly equal"
    if relative < ROUNDING:
        return "≈", f"equal but for {relative:.0e}"
    return UNEQUAL, f"differ by up to {100 * relative:{'.0f' if relative >= 0.1 else '.2g'}} %"


def add_colour_bar(shown: ScalarMappable, ax: Axes, label: str = "", **options: Any) -> Colorbar:
    """A colour bar at the right of a picture, exactly as high as the picture. `options` as for `Figure.colorbar`."""
    return ax.figure.colorbar(shown, cax=ax.inset_axes((1.03, 0, 0.04, 1)), label=label, **options)


def add_arrow(ax: Axes, label: str = "", start: tuple[float, float] = (0.05, 0.5),
              end: tuple[float, float] = (0.95, 0.5), color: str = BLACK) -> None:
    """An arrow through an empty axes, to the right or down, with its label above it or at its right."""
    ax.set(xlim=(0, 1), ylim=(0, 1))
    ax.set_axis_off()
    ax.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "linewidth": 1.5, "color": color})
    across = start[1] == end[1]
    at = (start[0] + end[0]) / 2 + (0 if across else 0.04), (start[1] + end[1]) / 2 + (0.03 if across else 0)
    ax.text(*at, label, ha="center" if across else "left", va="bottom" if across else "center", fontsize=16,
            color=color)


def add_grid(ax: Axes, which: Literal["major", "both"] = "major") -> None:
    """Light lines behind the data."""
    ax.grid(True, which=which, color=GRID)
    ax.set_axisbelow(True)


def add_ordered_legend(ax: Axes, **options: Any) -> None:
    """A legend whose lines stand in the order of the curves at their right ends, the highest first."""
    handles, labels = ax.get_legend_handles_labels()
    ends = [np.asarray(line.get_ydata(), np.float64)[-1] for line in handles if isinstance(line, Line2D)]
    order = sorted(range(len(ends)), key=lambda i: -np.nan_to_num(ends[i], nan=-np.inf))
    legend = ax.legend([handles[i] for i in order], [labels[i] for i in order], **options)
    for text in legend.get_texts():
        text.set_parse_math(False)                # a name with $ is no formula


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
