"""Figures without a display: made, and written atomically."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from matplotlib.figure import Figure

from ..errors import InputError

FORMATS = (".png", ".pdf", ".svg")


def new_figure(width=6.0, height=4.0, columns=1):
    """A figure of so many inches, and its axes side by side (one Axes, or an array of them)."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(1, columns)


def check_picture(path):
    """Raise what `save` would for this path, before long work."""
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise InputError(f"cannot write the picture {path}: its name must end in {', '.join(FORMATS)}")
    if not path.parent.is_dir():
        raise OSError(f"the picture {path} could not be written: No such file or directory: {path.parent}")


def save(figure, path):
    """Write a figure as PNG, PDF or SVG by the path's ending; an old file is replaced only by a whole new one.

    Raises
    ------
    ValueError
        Another ending.
    OSError
        The directory is not there or cannot be written.
    """
    check_picture(path)
    path = Path(path)
    part = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        figure.savefig(part, dpi=150)
        os.replace(part, path)
    except OSError as error:
        raise OSError(f"the picture {path} could not be written: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
