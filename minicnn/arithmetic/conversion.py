"""What a Tensor can hold, and the dtype in which a number or an array meets a Tensor."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..checks import unmasked
from ..errors import InputError, InputTypeError

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def as_float_array(data: Any, dtype: Any = None) -> np.ndarray:
    """`data` as an array that a Tensor can hold.

    With `dtype` the array is converted to it. Without, float32 and float64 arrays are returned unchanged, and so are
    lists of such arrays; all other data become float32. Complex numbers, strings, objects, other floats and another
    `dtype` raise InputTypeError. Integers that float32 does not hold exactly raise InputError: choose the dtype.

    >>> as_float_array([1, 2]).dtype, as_float_array(np.ones(2)).dtype
    (dtype('float32'), dtype('float64'))
    """
    if type(data) is np.ndarray and (dtype is None or dtype is data.dtype) and data.dtype in FLOATS:
        return data
    array = _array(data)
    is_array = _is_array(data)
    try:
        wanted = np.dtype(np.float32 if dtype is None else dtype)
    except TypeError:
        raise InputTypeError(f"a Tensor holds float32 or float64, not {dtype!r}") from None
    if dtype is None and is_array and array.dtype.newbyteorder("=") in FLOATS:
        wanted = array.dtype.newbyteorder("=")
    if wanted not in FLOATS or array.dtype.kind not in "fiub" or (
            array.dtype.kind == "f" and is_array and array.dtype.newbyteorder("=") not in FLOATS):
        raise InputTypeError(
            f"a Tensor holds float32 or float64, not {array.dtype if wanted in FLOATS else dtype}"
            ": convert the data first, for example with np.asarray(data, np.float32)")
    converted = array.astype(wanted, copy=False)
    if dtype is None and array.dtype.kind in "iu" and array.dtype.itemsize > 2 and not np.array_equal(converted, array):
        raise InputError("a Tensor of integers has dtype float32, and float32 does not hold these integers exactly: "
                         "choose dtype=np.float64 or dtype=np.float32")
    return converted


def as_operand(value: Any, dtype: np.dtype) -> np.ndarray:
    """The other operand of a Tensor of `dtype`, as an array of float32 or float64.

    float32 and float64 arrays keep their dtype, and NumPy promotes the result. Numbers of Python and NumPy, and lists
    of numbers, take `dtype`. So do arrays of booleans, integers and float16 if `dtype` holds each of their values
    exactly; otherwise the array becomes what NumPy's promotion gives, float64. Other data raise InputTypeError.

    >>> as_operand(np.array([1, 2]), np.dtype(np.float32)).dtype
    dtype('float32')
    >>> as_operand(np.array([16777217]), np.dtype(np.float32))
    array([16777217.])
    """
    if isinstance(value, (int, float)):           # np.float64 too
        try:
            return as_float_array(float(value), dtype)
        except OverflowError:
            raise InputTypeError("a Tensor holds float32 or float64, and this integer is too large for both") from None
    array = _array(value)
    if not _is_array(value) or isinstance(value, np.generic) and array.dtype.kind in "iub":
        return as_float_array(array.astype(dtype) if array.dtype.kind in "iubf" else array, dtype)
    if array.dtype.newbyteorder("=") in FLOATS:
        return as_float_array(array)
    if array.dtype.kind in "iub" or array.dtype == np.float16:
        promoted = np.promote_types(array.dtype, dtype)
        if promoted != dtype and array.size and max(-int(array.min()), int(array.max())) > 2**24:
            exact = array.astype(dtype)
            return exact if np.array_equal(exact.astype(promoted), array.astype(promoted)) else array.astype(promoted)
        return array.astype(dtype)
    return as_float_array(array, dtype)           # raises


def _array(data):
    try:
        return np.asarray(unmasked(data))
    except ValueError as error:
        if isinstance(error, InputTypeError):
            raise
        raise InputTypeError(f"a Tensor holds an array of numbers, and this {type(data).__name__} is none: {error}"
                             ) from None


def _is_array(data):
    """Whether the dtype of `data` was chosen by somebody: an array, a NumPy number, a Tensor, or a list of them."""
    while isinstance(data, (list, tuple)) and len(data):
        data = data[0]
    return hasattr(data, "dtype") and hasattr(data, "__array__")
