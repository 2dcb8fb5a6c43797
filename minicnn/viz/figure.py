"""Figures without a display: make them, write them, and show them in a notebook."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from matplotlib import figure as matplotlib_figure

from ..checks import number
from ..errors import InputError, MinicnnError
from ..files import check_destination, replacing
from ..notebook import shell

FORMATS = (".png", ".pdf", ".svg")
DPI = 150                       # pixels per inch of a PNG
LEAST, MOST = 10, 1e8           # pixels in each direction, and in all: more would need too much memory


class Figure(matplotlib_figure.Figure):
    """A figure of matplotlib. As the last expression of a cell, a notebook shows it as a picture."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=100)
        return buffer.getvalue()


def new_figure(width: float = 6.0, height: float = 4.0, columns: int = 1) -> tuple[Figure, Any]:
    """A figure of `width` x `height` inches and its axes: one Axes, or an array of `columns` Axes side by side."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(1, columns)


def picture_path(default: str) -> Path:
    """The path for the picture of a script: the script's first argument, or `default`. In a notebook it is `default`.

    It is checked before the work. If the picture cannot be written there, the script ends with the error.

    Parameters
    ----------
    default : str
        A name that ends in .png, .pdf or .svg.

    Raises
    ------
    SystemExit
        The picture cannot be written; the message says why.
    """
    given = [] if shell() else sys.argv[1:2]
    try:
        return check_destination(given[0] if given else default, FORMATS)
    except MinicnnError as error:
        sys.exit(f"error: {error}")


def check_size(inches: Sequence[float], dpi: float = DPI) -> tuple[float, float]:
    """The width and height of a picture in inches, checked before the work.

    Raises
    ------
    InputError
        The picture would have less than 10 pixels in a direction, or more than 100 million in all.

    Examples
    --------
    >>> check_size((8, 4.5), 160)
    (8.0, 4.5)
    """
    if len(inches) != 2:
        raise InputError(f"the size of a picture is its width and its height in inches, as in (8, 4.5), not {inches!r}")
    width, height = (number("a side of the picture in inches", side, above=0) for side in inches)
    dpi = number("dpi", dpi, above=0)
    if min(width, height) * dpi < LEAST or width * height * dpi * dpi > MOST:
        raise InputError(f"{width:g} x {height:g} inches at {dpi:g} dpi are {width * dpi:.0f} x {height * dpi:.0f} "
                         f"pixels: at least {LEAST} in each direction and at most {MOST:,.0f} in all are possible")
    return width, height


def save(figure: matplotlib_figure.Figure, path: str | PathLike, size: Sequence[float] | None = None,
         dpi: float | None = None) -> matplotlib_figure.Figure:
    """Write a figure as PNG, PDF or SVG. The ending of the path chooses the format. A file of that name is replaced.

    The figure is returned: `save` as the last expression of a cell also shows it in a notebook.

    Parameters
    ----------
    figure : Figure
    path : path
    size : (float, float), optional
        Width and height in inches. By default those that the figure has.
    dpi : float, optional
        Pixels per inch of a PNG, and of images in an SVG or PDF. By default 150.

    Raises
    ------
    InputError
        The path has another ending, or there would be too few or too many pixels.
    FileError
        The file cannot be written. An old file of that name is not changed.
    """
    dpi = DPI if dpi is None else dpi
    inches = check_size(figure.get_size_inches().tolist() if size is None else size, dpi)
    path = check_destination(path, FORMATS)
    figure.set_size_inches(inches)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=dpi)
    return figure
