"""Imports matplotlib even if the variable MPLBACKEND names a backend that is not installed; `plain_style`.

minicnn needs no backend, because it opens no window. A notebook sets MPLBACKEND for itself and all its child processes,
also for those of another Python, and there matplotlib refuses to be imported.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any

from ..errors import InputError

NAME = "MPLBACKEND"
OWN = "backend", "animation.ffmpeg_path"          # of the machine, not of the style


def import_matplotlib() -> None:
    """Import matplotlib. If the backend of MPLBACKEND is installed, it is used, as usual."""
    if "matplotlib" in sys.modules:
        return
    backend = os.environ.pop(NAME, None)
    try:
        import matplotlib
    except (ValueError, OSError) as error:
        raise InputError(f"matplotlib cannot be imported: {error}. Is a file matplotlibrc damaged?") from error
    finally:
        if backend is not None:
            os.environ[NAME] = backend
    if backend is not None:
        with contextlib.suppress(ValueError):
            matplotlib.rcParams["backend"] = backend


@contextlib.contextmanager
def plain_style() -> Iterator[None]:
    """Context manager: pictures do not depend on the user's file matplotlibrc, which may ask for LaTeX or other sizes.

    Pictures that a notebook draws follow the style of the notebook.
    """
    import matplotlib
    plain: Any = {name: value for name, value in matplotlib.rcParamsDefault.items() if not name.startswith(OWN)}
    with matplotlib.rc_context(plain):
        yield


import_matplotlib()
