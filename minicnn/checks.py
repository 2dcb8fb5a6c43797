"""Checks of arguments. Each check returns the value, or raises an error that names the argument."""

from __future__ import annotations

import math
import numbers
import operator
from collections.abc import Collection
from typing import Any

import numpy as np

from .errors import InputError, InputTypeError


def is_integer(value: Any) -> bool:
    """Whether `value` is an integer of Python or NumPy. A boolean is not.

    >>> is_integer(3), is_integer(3.0), is_integer(True)
    (True, False, False)
    """
    try:
        operator.index(value)
    except TypeError:
        return False
    return not isinstance(value, (bool, np.bool_))          # NumPy 2.0 lets np.bool_ be an index


def integer(name: str, value: Any, least: int | None = None) -> int:
    """Return `value` as an int. It must be an integer of at least `least`.

    >>> integer("threads", 2, 1)
    2
    >>> integer("threads", 0, 1)
    Traceback (most recent call last):
        ...
    minicnn.InputError: threads must be an integer of at least 1, not 0
    """
    if not is_integer(value) or least is not None and value < least:
        bound = "" if least is None else f" of at least {least}"
        raise InputError(f"{name} must be an integer{bound}, not {value!r}")
    return operator.index(value)


def number(name: str, value: Any, *, least: float | None = None, above: float | None = None) -> float:
    """Return `value` as a float. It must be a finite real number of at least `least`, or above `above`.

    >>> number("lr", 1, above=0)
    1.0
    >>> number("lr", float("nan"), above=0)
    Traceback (most recent call last):
        ...
    minicnn.InputError: lr must be a number above 0, not nan
    """
    try:
        real = isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:                         # an int that is too large for a float
        real = False
    if not real or least is not None and value < least or above is not None and value <= above:
        bound = "" if least is None else f" of at least {least}"
        bound = bound if above is None else f" above {above}"
        raise InputError(f"{name} must be a number{bound}, not {value!r}")
    return float(value)


def pair(name: str, value: Any, least: int) -> tuple[int, int]:
    """Return an integer, or a tuple or list of two integers, as a pair of ints. Each must be at least `least`.

    >>> pair("stride", 2, 1)
    (2, 2)
    >>> pair("stride", 0, 1)
    Traceback (most recent call last):
        ...
    minicnn.InputError: stride must be an integer or a pair of integers of at least 1, not 0
    """
    if type(value) is int and value >= least:
        return value, value
    both = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    if len(both) != 2 or not all(is_integer(v) and v >= least for v in both):
        raise InputError(f"{name} must be an integer or a pair of integers of at least {least}, not {value!r}")
    return operator.index(both[0]), operator.index(both[1])


def one_of(name: str, value: Any, choices: Collection[Any]) -> Any:
    """Return `value`. It must be one of the choices.

    >>> one_of("pool", "median", ("max", "average"))
    Traceback (most recent call last):
        ...
    minicnn.InputError: pool must be one of 'max', 'average', not 'median'
    """
    try:
        known = value in choices
    except (TypeError, ValueError):               # a value without a hash, or an array
        known = False
    if not known:
        raise InputError(f"{name} must be one of {', '.join(map(repr, choices))}, not {value!r}")
    return value


def generator(name: str, value: Any, seed: int | None = None) -> np.random.Generator:
    """Return `value`. It must be a numpy.random.Generator. For None, make a generator from `seed`.

    >>> generator("rng", 3)
    Traceback (most recent call last):
        ...
    minicnn.InputTypeError: rng must be a numpy.random.Generator such as numpy.random.default_rng(3), not 3
    """
    if value is None and seed is not None:
        return np.random.default_rng(integer("seed", seed, 0))
    if not isinstance(value, np.random.Generator):
        raise InputTypeError(f"{name} must be a numpy.random.Generator such as numpy.random.default_rng(3), not "
                             f"{value!r}")
    return value


def optional_generator(name: str, value: Any) -> np.random.Generator:
    """Return `value`, a numpy.random.Generator. For None, make a generator whose seed is random.

    >>> optional_generator("rng", 3)
    Traceback (most recent call last):
        ...
    minicnn.InputTypeError: rng must be a numpy.random.Generator such as numpy.random.default_rng(3), not 3
    """
    return np.random.default_rng() if value is None else generator(name, value)
