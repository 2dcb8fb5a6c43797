"""Checks of arguments. Each check returns the value, or raises an error that names the argument."""

from __future__ import annotations

import math
import numbers
import operator
import os
from collections.abc import Collection
from typing import Any

import numpy as np

from .errors import InputError, InputTypeError


def is_integer(value: Any) -> bool:
    """Whether `value` is an integer of Python or NumPy. A boolean is not.

    >>> is_integer(3), is_integer(3.0), is_integer(True)
    (True, False, False)
    """
    if isinstance(value, (bool, np.bool_)):                 # NumPy 2.0 lets np.bool_ be an index, with a warning
        return False
    try:
        operator.index(value)
    except TypeError:
        return False
    return True


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


def fraction(name: str, value: Any) -> float:
    """Return `value` as a float. It must be a number from 0 to 1.

    >>> fraction("p", 1.5)
    Traceback (most recent call last):
        ...
    minicnn.InputError: p must be between 0 and 1, not 1.5
    """
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not real or not 0 <= value <= 1:
        raise InputError(f"{name} must be between 0 and 1, not {value!r}")
    return float(value)


def boolean(name: str, value: Any) -> bool:
    """Return `value` as a bool. It must be True or False, of Python or NumPy.

    >>> boolean("ceil_mode", 1)
    Traceback (most recent call last):
        ...
    minicnn.InputTypeError: ceil_mode must be True or False, not 1
    """
    if not isinstance(value, (bool, np.bool_)):
        raise InputTypeError(f"{name} must be True or False, not {value!r}")
    return bool(value)


def float_dtype(name: str, value: Any) -> np.dtype:
    """Return `value` as a dtype. It must be float32 or float64, or None for float32.

    >>> float_dtype("dtype", int)
    Traceback (most recent call last):
        ...
    minicnn.InputTypeError: dtype must be float32 or float64, not <class 'int'>
    """
    try:
        dtype = np.dtype(np.float32 if value is None else value)
    except (TypeError, ValueError, SyntaxError):
        dtype = None
    if dtype not in (np.float32, np.float64):
        raise InputTypeError(f"{name} must be float32 or float64, not {value!r}")
    return dtype


def cpu(name: str, value: Any) -> None:
    """Raise InputError unless `value` is None or "cpu": minicnn computes on the CPU.

    >>> cpu("device", "cuda")
    Traceback (most recent call last):
        ...
    minicnn.InputError: device must be None or 'cpu', not 'cuda': minicnn computes on the CPU
    """
    if value is not None and not (isinstance(value, str) and value == "cpu"):
        raise InputError(f"{name} must be None or 'cpu', not {value!r}: minicnn computes on the CPU")


def axis(name: str, value: Any, ndim: int) -> int:
    """Return the number of an axis of an array with `ndim` axes, counted from 0. Negative numbers count from the end.

    As in NumPy and PyTorch, an array without axes has the axes 0 and -1 too.

    >>> axis("log_softmax: dim", -1, 3)
    2
    >>> axis("log_softmax: dim", 3, 3)
    Traceback (most recent call last):
        ...
    minicnn.InputError: log_softmax: dim must be from -3 to 2 for 3 axes, not 3
    """
    axes = max(ndim, 1)
    if not -axes <= integer(name, value) < axes:
        raise InputError(f"{name} must be from {-axes} to {axes - 1} for {ndim} axes, not {value!r}")
    return operator.index(value) % axes


def image_shape(name: str, shape: tuple[int, ...]) -> None:
    """Raise InputError unless `shape` is (N, C, H, W) or (C, H, W), with a channel and a pixel at least. N may be 0.

    >>> image_shape("max_pool2d", (1, 1, 3, 0))
    Traceback (most recent call last):
        ...
    minicnn.InputError: max_pool2d: an image needs at least one channel and one pixel; the input has shape (1, 1, 3, 0)
    """
    if len(shape) not in (3, 4):
        raise InputError(f"{name}: the input must have shape (N, C, H, W) or (C, H, W), not {shape}")
    if 0 in shape[-3:]:
        raise InputError(f"{name}: an image needs at least one channel and one pixel; the input has shape {shape}")


def why_not_stored(values: np.ndarray, dtype: np.dtype) -> str | None:
    """Why an array cannot be stored as `dtype` without becoming something else, or None. Rounding is no reason.

    >>> why_not_stored(np.array([1e300]), np.dtype("float32"))
    'has 1.0e+300, which is too large for float32'
    >>> why_not_stored(np.array([1 + 2j]), np.dtype("float32"))
    'holds complex128 but must hold float32'
    """
    whole = dtype.kind in "iu" and values.dtype.kind in "iu"
    if values.dtype.kind != dtype.kind and not whole:
        return f"holds {values.dtype} but must hold {dtype}"
    with np.errstate(over="ignore"):
        stored = values.astype(dtype)
    if whole and (stored != values).any():
        return f"has integers that {dtype} cannot hold"
    if dtype.kind == "f" and (np.isinf(stored) & np.isfinite(values)).any():
        return f"has {np.abs(values[np.isfinite(values)]).max():.1e}, which is too large for {dtype}"
    return None


def unmasked(value: Any) -> Any:
    """Return `value`. It must not be a masked array with masked elements, or a list of such arrays.

    An array of it would uncover these elements.

    >>> unmasked(np.ma.array([1.0, 2.0], mask=[False, True]))
    Traceback (most recent call last):
        ...
    minicnn.InputTypeError: 1 element(s) of a masked array are masked, and would count: give array.filled(value)
    """
    if isinstance(value, np.ma.MaskedArray) and (masked := np.ma.count_masked(value)):
        raise InputTypeError(f"{masked} element(s) of a masked array are masked, and would count: give "
                             "array.filled(value)")
    if isinstance(value, (list, tuple)) and len(value) and isinstance(value[0], np.ndarray):
        for one in value:
            unmasked(one)
    return value


def array(name: str, value: Any) -> np.ndarray:
    """Return `value` as an array of its own dtype. Lists that are no array, and masked elements, raise InputTypeError.

    >>> array("target", [[1, 2], [3]])
    Traceback (most recent call last):
        ...
    minicnn.InputTypeError: target must be an array, and this list is none: its parts have different shapes
    """
    unmasked(value)
    try:
        return np.asarray(value)
    except ValueError:
        raise InputTypeError(f"{name} must be an array, and this {type(value).__name__} is none: its parts have "
                             "different shapes") from None


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


def sides(name: str, value: Any) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return a padding as ((top, bottom), (left, right)). It is an integer, a pair of integers (rows, columns), or that.

    >>> sides("padding", (1, 2)), sides("padding", ((0, 1), (2, 3)))
    (((1, 1), (2, 2)), ((0, 1), (2, 3)))
    >>> sides("padding", -1)
    Traceback (most recent call last):
        ...
    minicnn.InputError: padding must be an integer or a pair of integers of at least 0, or ((top, bottom), (left, right)), not -1
    """  # noqa: E501
    nested = isinstance(value, (tuple, list)) and len(value) == 2 and all(isinstance(v, (tuple, list)) for v in value)
    try:
        if nested:
            return pair(name, value[0], 0), pair(name, value[1], 0)
        rows, columns = pair(name, value, 0)
    except InputError:
        raise InputError(f"{name} must be an integer or a pair of integers of at least 0, or ((top, bottom), (left, "
                         f"right)), not {value!r}") from None
    return (rows, rows), (columns, columns)


def along(name: str, value: Any, least: int) -> tuple[int, int]:
    """(least, value): the option of two dimensions for a value along the row. It is an integer or a tuple of one.

    >>> along("stride", (2,), 1), along("padding", 2, 0)
    ((1, 2), (0, 2))
    """
    one = value[0] if isinstance(value, (tuple, list)) and len(value) == 1 else value
    if not is_integer(one) or one < least:
        raise InputError(f"{name} must be an integer of at least {least}, or a tuple of one, not {value!r}")
    return least, int(one)


def padding_along(name: str, padding: Any) -> Any:
    """The padding of two dimensions for that along the row.

    >>> padding_along("padding", ((1, 2),)), padding_along("padding", "same")
    (((0, 0), (1, 2)), 'same')
    """
    if isinstance(padding, str):
        return padding
    if isinstance(padding, (tuple, list)) and len(padding) == 1 and isinstance(padding[0], (tuple, list)):
        both = tuple(padding[0])
        if len(both) != 2 or not all(is_integer(n) and n >= 0 for n in both):
            raise InputError(f"{name} must be an integer, a tuple of one, or ((left, right),), not {padding!r}")
        return (0, 0), both
    return along(name, padding, 0)


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


def communicator(name: str, comm: Any) -> Any:
    """Return `comm`, which must be a communicator of mpi4py, or None."""
    if comm is not None and not all(hasattr(comm, method) for method in ("Get_rank", "Get_size", "Iallreduce")):
        raise InputTypeError(f"{name} must be a communicator of mpi4py, such as MPI.COMM_WORLD, not {comm!r}")
    return comm


def from_environment(name: str) -> int:
    """The integer of at least 1 that an environment variable gives, or 0 if it is not set. InputError if it is none."""
    text = os.environ.get(name, "").strip()
    number = text.split(",")[0].strip() if name == "OMP_NUM_THREADS" else text          # OMP: one for each level
    if text and not (number.isascii() and number.isdecimal() and int(number) > 0):
        raise InputError(f"the environment variable {name} must be an integer of at least 1, not {text!r}")
    return int(number or 0)
