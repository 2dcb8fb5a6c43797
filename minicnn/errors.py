"""The errors that a user's mistake raises. The message says what was given, what was expected, and what to do.

All these errors are `MinicnnError`s. The command line turns a `MinicnnError` into exit status 2, and also an OSError
(such as a full disk) or a MemoryError. An exception of another class that leaves minicnn is a bug.
"""

from __future__ import annotations

import os.path
import sysconfig
import traceback


class MinicnnError(Exception):
    """The base class of all errors of minicnn."""

    __module__ = "minicnn"


class InputError(MinicnnError, ValueError):
    """A value that cannot be used: a shape, a size, a name, or the contents of a file.

    >>> from minicnn.conv import Geometry
    >>> Geometry.of((1, 1, 5, 5), (1, 1, 3, 3), stride=0)
    Traceback (most recent call last):
        ...
    minicnn.InputError: stride must be an integer or a pair of integers of at least 1, not 0
    """

    __module__ = "minicnn"


class InputTypeError(MinicnnError, TypeError):
    """An object of the wrong type."""

    __module__ = "minicnn"


class InputIndexError(MinicnnError, IndexError):
    """An index that does not exist, or that is no index."""

    __module__ = "minicnn"


class StateError(MinicnnError, RuntimeError):
    """A call at the wrong time: a second backward pass, an array that was changed in place, a run that diverged."""

    __module__ = "minicnn"


class FileError(MinicnnError, OSError):
    """A file or directory that cannot be read or written."""

    __module__ = "minicnn"


def raised_in(error: BaseException) -> str:
    """The place in the user's own code where `error` was raised, as " (in mine.py, line 3)", or "" if there is none.

    It is the innermost line of the traceback that lies outside of minicnn, installed packages and Python itself. A
    place that the message of `error` names already gives "".

    >>> try:
    ...     int("three")
    ... except ValueError as error:
    ...     print(raised_in(error)[-9:])
    , line 2)
    """
    frames = reversed(traceback.extract_tb(error.__traceback__))
    place = next((place for frame in frames if (place := own_place(frame.filename, frame.lineno))), "")
    return "" if place.strip() in str(error) else place


def own_place(filename: str, line: int | None) -> str:
    """A line of the user's own code as " (in mine.py, line 3)"; "" for minicnn, installed packages and Python itself.

    >>> own_place("mine.py", 3), own_place(os.__file__, 3)
    (' (in mine.py, line 3)', '')
    """
    foreign = (os.path.dirname(__file__), "<frozen", *(sysconfig.get_path(name) for name in ("stdlib", "purelib")))
    return "" if filename.startswith(foreign) else f" (in {os.path.basename(filename)}, line {line})"
