"""Checks of axes."""

from __future__ import annotations

import operator
from typing import Any

from ..checks import is_integer
from ..errors import InputError


def axes_of(name: str, axis: Any, ndim: int) -> tuple[int, ...]:
    """The axes from 0 to ndim - 1 that `axis` names: an integer, a tuple or list of integers, or None for all.

    A single number (ndim 0) counts as one axis, as in PyTorch: 0 and -1 name it. An axis that does not exist, or is
    named twice, raises InputError.

    >>> axes_of("sum", (0, -1), 3)
    (0, 2)
    >>> axes_of("sum", 2, 2)
    Traceback (most recent call last):
        ...
    minicnn.InputError: sum: axis 2 does not exist; there are 2 axes, from -2 to 1
    """
    if axis is None:
        return tuple(range(ndim))
    axes = []
    for a in axis if isinstance(axis, (tuple, list)) else (axis,):
        if not is_integer(a):
            raise InputError(f"{name}: axis must be an integer, a tuple of integers or None, not {axis!r}")
        a, count = operator.index(a), max(ndim, 1)
        if not -count <= a < count:
            exist = f"there are {ndim} axes, from {-ndim} to {ndim - 1}" if ndim else "a single number has only axis 0"
            raise InputError(f"{name}: axis {a} does not exist; {exist}")
        axes.append(a % count)
    if len(set(axes)) != len(axes):
        raise InputError(f"{name}: axis {axis!r} names an axis twice")
    return tuple(axes) if ndim else ()
