"""Load functions from the user's own files and modules, which the command line names."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from ..errors import InputError, MinicnnError, raised_in


def load_object(spec: str) -> Any:
    """The object that "path/to/file.py:name" or "package.module:name" names.

    Raises
    ------
    InputError
        The file, the module or the name does not exist, or the file does not run.

    Examples
    --------
    >>> load_object("minicnn.functional:relu").__name__
    'relu'
    >>> load_object("no_such_file.py:relu")
    Traceback (most recent call last):
        ...
    minicnn.InputError: no_such_file.py: there is no such file
    """
    return load_object_and_module(spec)[0]


def load_object_and_module(spec: str) -> tuple[Any, ModuleType, str]:
    """The object of `load_object`, its module, and its name in the module."""
    place, _, name = spec.rpartition(":")
    if not place or not name.isidentifier():
        raise InputError(f"{spec!r}: write path/to/file.py:function or module:attribute")
    module = _run_file(Path(os.path.expanduser(place))) if place.endswith(".py") else _import(place)
    try:
        return getattr(module, name), module, name
    except AttributeError:
        raise InputError(f"{place} has no {name}; it has {', '.join(_names(module)) or 'no functions'}") from None
    except Exception as error:                          # of the module's own __getattr__
        raise InputError(f"{place} has no {name}: {type(error).__name__}: {error}{raised_in(error)}") from error


def refuse_class(value: Any, spec: str) -> None:
    """Raise InputError if the object that `spec` names is a class."""
    if isinstance(value, type):
        raise InputError(f"{spec} is a class. Name an instance, as in net = {value.__name__}()")


@contextlib.contextmanager
def user_errors(spec: str, doing: str = "") -> Iterator[None]:
    """Context manager: an exception of the user's own code becomes an InputError with its file and line.

    A MinicnnError keeps its type; the line is added to its message. An exception that comes from no line of the user is
    raised as it is: it is a bug of minicnn.

    Parameters
    ----------
    spec : str
        Names the user's object, as FILE.py:NAME. For a name of minicnn nothing is changed.
    doing : str
        What it was called with, such as "pictures of shape (2, 1, 28, 28)".
    """
    try:
        yield
    except Exception as error:
        if ":" not in spec:
            raise
        place = raised_in(error)
        called = f"{spec}, called with {doing}" if doing else spec
        if isinstance(error, MinicnnError):
            if doing or place:
                error.args = (f"{called}: {error}{place}" if doing else f"{error}{place}",)
            raise
        if not place:
            raise
        raise InputError(f"{called}: {type(error).__name__}: {error}{place}") from error


def _names(module):
    """The public names of a module: those that it lists, else those of the functions and classes made in it."""
    listed = vars(module).get("__all__")
    if isinstance(listed, (list, tuple)):
        return list(map(str, listed))
    own = lambda value: getattr(value, "__module__", None) == module.__name__
    return [name for name, value in vars(module).items() if own(value)]


def _import(name):
    try:
        return importlib.import_module(name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:                      # also SystemExit, or one that a framework of tests raises
        hint = f". For the file {name}.py write {name}.py:FUNCTION" if os.path.isfile(f"{name}.py") else ""
        raise InputError(f"the module {name} cannot be imported: {type(error).__name__}: {error}{hint}") from error


def _run_file(path):
    """Run a file and return its module. The code can import files beside it, at once or later inside of a function."""
    if not os.path.isfile(path):
        raise InputError(f"{path}: there is no such file" if not os.path.exists(path) else
                         f"{path} is {'a directory' if os.path.isdir(path) else 'a pipe or a device'}, not a file")
    path, given = path.resolve(), path
    spec = importlib.util.spec_from_file_location(f"user_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    folder = str(path.parent)
    sys.path.insert(0, folder)
    try:
        spec.loader.exec_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise InputError(f"{given} does not run: {type(error).__name__}: {_text(error, path)}") from error
    finally:
        with contextlib.suppress(ValueError):           # the file may have changed sys.path
            sys.path.remove(folder)
        if folder not in sys.path:
            sys.path.append(folder)                     # at the end, so that its files hide no installed module
    return module


def _text(error, file):
    """The message of an exception, and the last line of the file in its traceback, as " (line 3)"."""
    if isinstance(error, SyntaxError) and error.filename == str(file):
        return f"{error.msg} (line {error.lineno})"     # its own text names the file too
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
    return f"{error} (line {lines[-1]})" if lines else str(error)
