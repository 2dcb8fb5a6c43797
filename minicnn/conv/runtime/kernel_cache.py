"""Compiled kernels on disk: in the cache directory of minicnn, never beside its source.

A file that numba puts into site-packages/minicnn survives `pip uninstall`. The folder then stays and hides an editable
install. Two checkouts have two folders here, because numba names a folder after the path of the source.

Machine code that is damaged may compute anything or end the process. Therefore each file has a checksum, and a kernel
whose file is damaged is compiled again.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import pickle
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba import config, njit
from numba.core import event, sigutils
from numba.core.caching import IndexDataCacheFile, _CacheLocator
from numba.core.ccallback import CFunc

from ...errors import FileError
from ...files import cache_dir, open_to_read, write_atomically
from .compile_time import counted
from .exclusive import Exclusive

LOG = logging.getLogger("minicnn")
_compiling = Exclusive("a convolution kernel is compiled")


def kernel_folder() -> Path:
    """The folder of compiled kernels: numba's NUMBA_CACHE_DIR if it is set, else `kernels` in `cache_dir()`.

    >>> kernel_folder().is_absolute()
    True
    """
    set_by_user = config.CACHE_DIR                      # type: ignore[attr-defined]
    return Path(set_by_user).absolute() if set_by_user else cache_dir() / "kernels"


def compile_or_load(signature: Any, kernel: Callable, block: bool = False, fastmath: Any = False) -> Any:
    """Compile a kernel for one signature, or load it from disk. It runs without the GIL.

    `block` makes a C function with an address instead of a function that Python calls. `fastmath` is numba's: the
    names of the rules of arithmetic that the compiler may break. If the folder cannot be written, the kernel is
    compiled without it.

    Raises
    ------
    StateError
        This thread compiles a kernel already, and a signal handler has interrupted it.
    """
    options = {"nogil": True, "fastmath": fastmath}
    with counted():
        return _compiling(lambda: _compile_or_load(signature, kernel, block, options))


def _compile_or_load(signature, kernel, block, options):
    function = _function(signature, kernel, block, options)
    if _enable_caching(function):
        try:
            return _compile(function, signature)
        except Exception:                               # of the cache; an error of the compiler comes again
            function = _function(signature, kernel, block, options)
    return _compile(function, signature)


def _function(signature, kernel, block, options):
    return CFunc(kernel, sigutils.normalize_signature(signature), {}, options) if block else njit(**options)(kernel)


def _compile(function, signature):
    if isinstance(function, CFunc):
        compile_anew = function._compile_uncached

        def announced() -> Any:                         # numba tells of each compiled function, but not of a C function
            with event.trigger_event("numba:compile"):
                return compile_anew()
        function._compile_uncached = announced
        function.compile()
    else:
        function.compile(signature)
        function.disable_compile()
    return function


def _enable_caching(function):
    """Let numba keep the function in `kernel_folder()`. Returns False if that is not possible.

    numba itself would only read from a folder that it may write to, and otherwise use the folder of the source. Here
    kernels are read from a read-only folder too. numba reads the folder from its configuration only now, in
    `enable_caching`. The configuration and the class belong to the user, so they are restored at once.
    """
    try:
        folder = str(kernel_folder())
    except FileError:                                   # no home directory
        return False
    before, check = config.CACHE_DIR, _CacheLocator.ensure_cache_path
    try:
        config.CACHE_DIR, _CacheLocator.ensure_cache_path = folder, _unchecked
        function.enable_caching()
        function._cache._cache_file = _SealedFiles(function._cache._cache_file)
        function._cache._impl.locator.ensure_cache_path = lambda: None          # is called again before writing
    except (RuntimeError, AttributeError):              # numba finds no folder for this source file; another numba
        return False
    finally:
        config.CACHE_DIR, _CacheLocator.ensure_cache_path = before, check
    return True


def _unchecked(locator):
    """Instead of numba's check whether the folder of a kernel can be written."""


class _SealedFiles(IndexDataCacheFile):
    """numba's index and data file of a function. Each begins with numba's version and the SHA-256 of the rest."""

    def __init__(self, plain):
        vars(self).update(vars(plain))
        self._line = f"{numba.__version__}\n".encode()

    def _load_index(self):
        found = self._read(self._index_path)
        return found[1] if found and found[0] == self._source_stamp else {}

    def _save_index(self, overloads):
        self._write(self._index_path, (self._source_stamp, overloads))

    def _load_data(self, name):
        return self._read(self._data_path(name))

    def _save_data(self, name, data):
        self._write(self._data_path(name), data)

    def _read(self, path):
        """The value in a file. None if there is no such file, if it is of another numba, or damaged."""
        if not os.path.exists(path):
            return None
        try:
            with open_to_read(path) as file:
                content = file.read()
            start = len(self._line) + hashlib.sha256().digest_size
            if not content.startswith(self._line):
                return None
            if content[len(self._line):start] != hashlib.sha256(content[start:]).digest():
                raise ValueError("its checksum does not fit")
            return pickle.loads(content[start:])
        except Exception as error:
            LOG.warning(f"minicnn: {path} is damaged, so its kernel is compiled again ({error})")
            return None

    def _write(self, path, value):
        data = self._dump(value)
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            write_atomically(path, self._line + hashlib.sha256(data).digest() + data)
        except OSError as error:
            if not why_not_kept():                      # the note about compiling has said that
                LOG.warning(f"minicnn: a compiled kernel is not kept: {error}")


def why_not_kept() -> str:
    """Why compiled kernels cannot be kept on disk, in words; "" if they can.

    >>> why_not_kept()
    ''
    """
    try:
        folder = kernel_folder()
    except FileError as error:                          # no home directory
        return str(error)
    return "" if is_writable(folder) else f"{folder} cannot be written"


def is_writable(folder: Path) -> bool:
    """Whether files can be made in the folder. If the folder does not exist, it is made."""
    with contextlib.suppress(OSError):
        os.makedirs(folder, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
        return True
    return False
