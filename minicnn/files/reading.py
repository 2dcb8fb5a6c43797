"""Open files for reading."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from ..errors import FileError, InputTypeError


def as_path(path: str | bytes | os.PathLike) -> Path:
    """`path` as a Path. Anything else raises InputTypeError.

    >>> as_path(None)
    Traceback (most recent call last):
        ...
    minicnn.InputTypeError: the path of a file is needed, not a NoneType
    """
    try:
        return Path(os.fsdecode(path))
    except TypeError as error:
        raise InputTypeError(f"the path of a file is needed, not a {type(path).__name__}") from error


def open_to_read(path: str | os.PathLike) -> BinaryIO:
    """Open a regular file for reading in binary. A pipe or a device, which may never answer, is not opened.

    Raises
    ------
    FileError
        There is no such file, it is not a regular file, or it cannot be read.
    InputTypeError
        `path` is not a path.

    Examples
    --------
    >>> open_to_read("/dev/null")
    Traceback (most recent call last):
        ...
    minicnn.FileError: /dev/null: cannot be read: it is not a regular file. Check the path and its permissions.
    """
    path = as_path(path)
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            reason = "it is a directory" if os.path.isdir(path) else "it is not a regular file"
        else:
            descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
            return os.fdopen(descriptor, "rb")    # O_NONBLOCK: the file may have become a pipe
    except OSError as error:
        reason = error.strerror or str(error)
    except ValueError as error:                   # a null byte
        reason = str(error)
    raise FileError(f"{path}: cannot be read: {reason}. Check the path and its permissions.")
