"""The library to which an object belongs, and the objects that a function uses. Nothing is imported."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from ..errors import InputTypeError


class DifferentiationError(InputTypeError):
    """A function or an input of another library that has no gradient of real numbers."""

    __module__ = "minicnn"


def top(value: Any) -> str:
    """The name of the library of an object: of a module itself, or of the module that defines it or its type.

    >>> top(inspect), top(inspect.signature), top(3)
    ('inspect', 'inspect', 'builtins')
    """
    name = value.__name__ if inspect.ismodule(value) else getattr(value, "__module__", None) or type(value).__module__
    return name.partition(".")[0] if isinstance(name, str) else ""


def without_partial(op: Any) -> Any:
    """The function inside of functools.partial."""
    while hasattr(op, "func") and hasattr(op, "keywords") and callable(op.func):
        op = op.func
    return op


def named_by(op: Any, depth: int = 2) -> Iterator[Any]:
    """What a function uses: arguments of a partial, its `self`, its closure and globals, and what functions there use.
    """
    if hasattr(op, "func") and hasattr(op, "keywords"):
        yield from (*op.args, *op.keywords.values())
        op = without_partial(op)
        yield op
    owner = getattr(op, "__self__", None)
    if owner is not None and not isinstance(owner, ModuleType):
        yield owner
    op = getattr(op, "__func__", op)
    if not inspect.isfunction(op):
        op = None if isinstance(op, type) else vars(type(op)).get("__call__")
    if not inspect.isfunction(op):
        return
    found = [op.__globals__.get(name) for name in op.__code__.co_names]
    for cell in op.__closure__ or ():
        try:
            found.append(cell.cell_contents)
        except ValueError:                              # still empty
            continue
    for one in found:
        if one is not None:
            yield one
            if depth and inspect.isfunction(one):
                yield from named_by(one, depth - 1)
