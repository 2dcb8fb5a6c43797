"""Functions of the user's own files and modules, named on the command line."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path

from ..errors import InputError


def load(spec):
    """What "path/to/file.py:name" or "package.module:name" stands for.

    Raises
    ------
    ValueError
        The file, the module or the name does not exist, or does not run.

    Examples
    --------
    >>> load("minicnn.functional:relu").__name__
    'relu'
    >>> load("no_such_file.py:relu")
    Traceback (most recent call last):
        ...
    minicnn.InputError: no_such_file.py: there is no such file
    """
    place, _, name = spec.rpartition(":")
    if place.endswith(".py"):
        module, name = load_file(spec)
    elif place and name.isidentifier():
        try:
            module = importlib.import_module(place)
        except Exception as error:
            raise InputError(f"the module {place} cannot be imported: {type(error).__name__}: {error}") from error
    else:
        raise InputError(f"{spec!r}: write path/to/file.py:function or module:attribute")
    return attribute(module, name, place)


def load_file(spec):
    """(module, name) of "path/to/file.py:name"; what lies beside the file can be imported, as when it is run."""
    place, colon, name = spec.rpartition(":")
    if not (colon and name.isidentifier() and place.endswith(".py")):
        raise InputError(f"{spec!r}: write path/to/file.py:function")
    path = Path(place)
    if not path.is_file():
        raise InputError(f"{path}: there is no such file")
    spec = importlib.util.spec_from_file_location(f"user_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    sys.path.insert(0, str(path.parent.resolve()))
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise InputError(f"{path} does not run: {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(str(path.parent.resolve()))
    return module, name


def attribute(module, name, place):
    """The attribute of a module; ValueError with what there is instead."""
    if not hasattr(module, name):
        near = [n for n, value in vars(module).items() if getattr(value, "__module__", None) == module.__name__]
        raise InputError(f"{place} has no {name}; it has {', '.join(near) or 'no functions'}")
    return getattr(module, name)
