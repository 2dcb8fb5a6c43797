"""Figures without a display: make them, write them, and show them in a notebook."""

from __future__ import annotations

import io
import sys
from os import PathLike
from pathlib import Path
from typing import Any

from matplotlib import figure as matplotlib_figure

from ..errors import MinicnnError
from ..files import check_destination, replacing
from ..notebook import shell

FORMATS = (".png", ".pdf", ".svg")


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


def save(figure: matplotlib_figure.Figure, path: str | PathLike) -> matplotlib_figure.Figure:
    """Write a figure as PNG, PDF or SVG. The ending of the path chooses the format. A file of that name is replaced.

    The figure is returned: `save` as the last expression of a cell also shows it in a notebook.

    Raises
    ------
    InputError
        The path has another ending.
    FileError
        The file cannot be written. An old file of that name is not changed.
    """
    with replacing(check_destination(path, FORMATS)) as temporary:
        figure.savefig(temporary, dpi=150)
    return figure
