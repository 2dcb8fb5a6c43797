"""Compiled kernels on disk: in the cache directory of minicnn, never beside its source.

A file that numba puts into site-packages/minicnn survives `pip uninstall`. The folder then stays and hides an editable
install. Two checkouts have two folders here, because numba names a folder after the path of the source.
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


def kernel_folder() -> Path:
    """The folder of compiled kernels: numba's NUMBA_CACHE_DIR if it is set, else `kernels` in `cache_dir()`.

    >>> kernel_folder().is_absolute()
    True
    """
    set_by_user = config.CACHE_DIR                      # type: ignore[attr-defined]
    return Path(set_by_user).absolute() if set_by_user else cache_dir() / "kernels"


def compile_or_load(signature: Any, kernel: Callable, block: bool = False) -> Any:
    """Compile a kernel for one signature, or load it from disk. It runs without the GIL.

    `block` makes a C function with an address instead of a function that Python calls. If the folder cannot be written
    or holds a damaged file, the kernel is compiled without it.
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
    """Let numba keep the function in `kernel_folder()`. Returns False if the folder cannot be written.

    Without the check numba would use the folder of the source. numba reads the folder from its configuration only
    now, in `enable_caching`. The configuration belongs to the user, so it is restored at once.
    """
    folder = kernel_folder()
    if not is_writable(folder):
        return False
    with _lock:
        before, config.CACHE_DIR = config.CACHE_DIR, str(folder)
        try:
            function.enable_caching()
        except RuntimeError:                            # numba finds no folder for this source file
            return False
        finally:
            config.CACHE_DIR = before
    return True


def is_writable(folder: Path) -> bool:
    """Whether files can be made in the folder. If the folder does not exist, it is made."""
    with contextlib.suppress(OSError):
        os.makedirs(folder, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
        return True
    return False
