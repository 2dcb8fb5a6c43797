"""Parts of an array by an index, comparisons, and the choice between two arrays."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ... import arithmetic
from ...checks import is_integer
from .builder import Builder, Value
from .registry import Refused, emits
from .trace import COMPARISONS

OPERATORS = {"__lt__": "Less", "__le__": "LessOrEqual", "__gt__": "Greater", "__ge__": "GreaterOrEqual",
             "__eq__": "Equal", "__ne__": "Equal"}


def _compared(b: Builder, self: Value, other: Any, operator: str, negated: bool) -> str:
    dtype = self.dtype
    if isinstance(other, Value):
        dtype = np.result_type(dtype, other.dtype) if other.dtype.kind == "f" else dtype
    right = b.cast(other, dtype) if isinstance(other, Value) else np.array(other, dtype)
    out = b.node(operator, b.cast(self, dtype), right)
    return b.node("Not", out) if negated else out


for _method in COMPARISONS:
    emits(_method)(functools.partial(_compared, operator=OPERATORS[_method.__name__],
                                     negated=_method.__name__ == "__ne__"))


@emits(arithmetic.select)
def select(b: Builder, condition: Any, x: Value, y: Value) -> str:
    """x where the condition holds, y elsewhere."""
    chosen = condition
    if isinstance(condition, Value) and condition.array is not None or not isinstance(condition, Value):
        array = np.asarray(condition.array if isinstance(condition, Value) else condition)
        chosen = array.astype(bool)
    elif condition.dtype != bool:
        chosen = b.node("Not", b.node("Equal", condition, np.array(0, condition.dtype)))
    return b.node("Where", chosen, b.cast(x), b.cast(y))


@emits(arithmetic.getitem)
def getitem(b: Builder, x: Value, index: Any) -> Any:
    """Slices first, then the elements of an array of indices, then those of integers, then new axes."""
    parts = _parts(index, x.ndim)
    given = [part for part in parts if part is not None]
    whole = slice(None)
    slices = {a: part for a, part in enumerate(given) if isinstance(part, slice) and part != whole}
    out = b.slices(x, {a: _counted(part, x.shape[a]) for a, part in slices.items()})
    arrays = [a for a, part in enumerate(given) if isinstance(part, np.ndarray)]
    numbers = [a for a, part in enumerate(given) if is_integer(part)]
    if len(arrays) > 1 or arrays and numbers:
        raise Refused("an index has several arrays, or an array and an integer: take one after the other, as in "
                      "x[:, i][j]")
    for a in arrays:
        out = b.node("Gather", out, _indices(given[a], x, a), axis=a)
    for a in reversed(numbers):
        out = b.node("Gather", out, np.array(int(given[a]), np.int64), axis=a)
    new, place = [], 0
    for part in parts:
        if part is None:
            new.append(place)
        place += part is None or isinstance(part, slice) or (part.ndim if isinstance(part, np.ndarray) else 0)
    if new:
        out = b.node("Unsqueeze", out, new)
    return b.node("Identity", out) if out is x else out


def _counted(part, n):
    """The same slice with places from 0 on. ONNX begins at element 0 where NumPy's backward slice begins before it."""
    if n is None:
        if part.step is not None and part.step < 0 and part.start is not None and part.start < -1:
            raise Refused("a backward slice that begins before the last sample is empty for few samples only")
        return part
    start, stop, step = part.indices(n)
    if not range(start, stop, step):
        return slice(0, 0)
    return slice(start, None if stop < 0 else stop, step)


def _parts(index, ndim):
    """The index as a list with a slice, an integer or an array for each axis, and None for each new axis."""
    parts = list(index) if isinstance(index, tuple) else [index]
    parts = [np.asarray(part) if isinstance(part, list) else part.array if isinstance(part, Value) else part
             for part in parts]
    if any(isinstance(part, (bool, np.bool_)) or part is None and i is None for i, part in enumerate(parts)):
        raise Refused("a boolean is no index for the export: use slices")
    if any(isinstance(part, Value) for part in parts):
        raise Refused("the index depends on the input")
    used = sum(part is not None and part is not Ellipsis for part in parts)
    where = next((i for i, part in enumerate(parts) if part is Ellipsis), len(parts))
    filled = parts[:where] + [slice(None)] * (ndim - used) + parts[where + 1:]
    return [part.item() if isinstance(part, np.ndarray) and part.ndim == 0 else part for part in filled]


def _indices(array, x, axis):
    """An array of integers. An array of booleans stands for the places where it is true."""
    if array.dtype != bool:
        return array.astype(np.int64)
    if array.ndim != 1:
        raise Refused("a mask with several axes is no index for the export: use np.where(mask, x, 0)")
    x.length(axis, "a mask needs the length of its axis")
    return np.flatnonzero(array)
