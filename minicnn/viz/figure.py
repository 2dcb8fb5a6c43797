"""Figures without a display: make them and write them."""

from __future__ import annotations

from os import PathLike
from typing import Any

from matplotlib.figure import Figure

from ..files import check_destination, replacing

FORMATS = (".png", ".pdf", ".svg")


def new_figure(width: float = 6.0, height: float = 4.0, columns: int = 1) -> tuple[Figure, Any]:
    """A figure of `width` x `height` inches and its axes: one Axes, or an array of `columns` Axes side by side."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(1, columns)


def save(figure: Figure, path: str | PathLike) -> None:
    """Write a figure as PNG, PDF or SVG. The ending of the path chooses the format. A file of that name is replaced.

    Raises
    ------
    InputError
        The path has another ending.
    FileError
        The file cannot be written. An old file of that name is not changed.
    """
    with replacing(check_destination(path, FORMATS)) as temporary:
        figure.savefig(temporary, dpi=150)
