"""Imports matplotlib even if the variable MPLBACKEND names a backend that is not installed.

minicnn needs no backend, because it opens no window. A notebook sets MPLBACKEND for itself and all its child processes,
also for those of another Python, and there matplotlib refuses to be imported.
"""

from __future__ import annotations

import contextlib
import os
import sys

NAME = "MPLBACKEND"


def import_matplotlib() -> None:
    """Import matplotlib. If the backend of MPLBACKEND is installed, it is used, as usual."""
    if "matplotlib" in sys.modules or NAME not in os.environ:
        return
    backend = os.environ.pop(NAME)
    try:
        import matplotlib
    finally:
        os.environ[NAME] = backend
    with contextlib.suppress(ValueError):
        matplotlib.rcParams["backend"] = backend


import_matplotlib()
