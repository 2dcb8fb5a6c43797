"""Where compiled kernels live on disk: in the cache directory of minicnn, never beside its source.

A file that numba puts into site-packages/minicnn survives `pip uninstall`, and the folder that stays then hides an
editable install. Two checkouts have two folders here, because numba names a folder after the path of the source.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba import config, njit
from numba.core import sigutils
from numba.core.ccallback import CFunc

from ...files import cache_dir

_lock = threading.Lock()


def place() -> Path:
    """The folder of compiled kernels: numba's NUMBA_CACHE_DIR where it is set, else `kernels` in `cache_dir()`.

    >>> place().is_absolute()
    True
    """
    set_by_user = config.CACHE_DIR                      # type: ignore[attr-defined]
    return Path(set_by_user).absolute() if set_by_user else cache_dir() / "kernels"


def build(signature: Any, kernel: Callable, block: bool = False) -> Any:
    """Compile a kernel for one signature, or load it from disk. It runs without the GIL.

    `block` makes a C function with an address instead of one that Python calls. Where the folder cannot be written or
    holds a damaged file, the kernel is compiled all the same.
    """
    function = _function(signature, kernel, block)
    if _enable_caching(function):
        try:
            return _compile(function, signature)
        except (OSError, EOFError, pickle.UnpicklingError):     # a full disk, a file cut short
            function = _function(signature, kernel, block)
    return _compile(function, signature)


def _function(signature, kernel, block):
    options = {"nogil": True}
    return CFunc(kernel, sigutils.normalize_signature(signature), {}, options) if block else njit(**options)(kernel)


def _compile(function, signature):
    if isinstance(function, CFunc):
        function.compile()
    else:
        function.compile(signature)
        function.disable_compile()
    return function


def _enable_caching(function):
    """Let numba keep the function in `place`; False where that cannot be written.

    numba asks its configuration for the folder in this moment only. Without the check it would go on to the folder of
    the source. The configuration is the user's: outside of this moment it stays as it was.
    """
    folder = place()
    if not _is_writable(folder):
        return False
    with _lock:
        before, config.CACHE_DIR = config.CACHE_DIR, str(folder)
        try:
            function.enable_caching()
        except RuntimeError:                            # no place for this source file
            return False
        finally:
            config.CACHE_DIR = before
    return True


def _is_writable(folder):
    with contextlib.suppress(OSError):
        os.makedirs(folder, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
        return True
    return False
