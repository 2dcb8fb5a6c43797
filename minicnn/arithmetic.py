"""Elementary operations on arrays: each returns its value and its vjp. `Tensor` records them as operators and methods.

A vjp takes the cotangent of the value and returns a tuple with the gradient of each operand. Operands broadcast as in
NumPy. A vjp may return a gradient of the broadcast shape; the tape sums it back to the operand's shape.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from .errors import InputError, InputTypeError

Result = tuple[np.ndarray, Callable]
ReducedAxes = int | tuple[int, ...] | None
FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def as_float_array(data: Any, dtype: Any = None) -> np.ndarray:
    """`data` as an array that a Tensor can hold.

    With `dtype` the array is converted to it. Without, float32 and float64 arrays are returned unchanged, and all other
    data become float32. Complex numbers, strings, objects, other floats and another `dtype` raise InputTypeError.

    >>> as_float_array([1, 2]).dtype, as_float_array(np.ones(2)).dtype
    (dtype('float32'), dtype('float64'))
    """
    if type(data) is np.ndarray and (dtype is None or dtype is data.dtype) and data.dtype in FLOATS:
        return data
    is_array = isinstance(data, (np.ndarray, np.generic))
    array = np.asarray(data)
    if dtype is None:
        dtype = array.dtype if is_array and array.dtype in FLOATS else np.float32
    if np.dtype(dtype) not in FLOATS or array.dtype.kind not in "fiub" or (
            array.dtype.kind == "f" and is_array and array.dtype not in FLOATS):
        raise InputTypeError(
            f"a Tensor holds float32 or float64, not {array.dtype if np.dtype(dtype) in FLOATS else dtype}"
            ": convert the data first, for example with np.asarray(data, np.float32)")
    return array.astype(dtype, copy=False)


# Two operands.

def add(x: np.ndarray, y: np.ndarray) -> Result:
    """x + y."""
    return x + y, lambda grad: (grad, grad)


def subtract(x: np.ndarray, y: np.ndarray) -> Result:
    """x - y."""
    return x - y, lambda grad: (grad, -grad)


def multiply(x: np.ndarray, y: np.ndarray) -> Result:
    """x y, element by element."""
    return x * y, lambda grad: (grad * y, grad * x)


def divide(x: np.ndarray, y: np.ndarray) -> Result:
    """x / y; d = dx / y - x dy / y^2."""
    return x / y, lambda grad: (grad / y, -grad * x / (y * y))


def power(x: np.ndarray, y: np.ndarray, needs_exponent: bool) -> Result:
    """x^y; d = y x^(y-1) dx + x^y log(x) dy, the second only if `needs_exponent`: log(x) may not exist."""
    out = x ** y

    def vjp(grad):
        dx = grad * np.where(y == 0, 0, y * x ** np.where(y == 0, 1, y - 1))
        if not needs_exponent:
            return dx, None
        return dx, grad * np.where(out == 0, 0, out * np.log(np.where(out == 0, 1, x)))
    return out, vjp


def matmul(x: np.ndarray, y: np.ndarray) -> Result:
    """(..., n, k) @ (..., k, m); dx = grad y^T, dy = x^T grad. A vector is a thin matrix, as in NumPy.

    Lengths that do not fit raise InputError.
    """
    try:
        out = x @ y
    except ValueError:
        raise InputError(f"matmul: shapes {x.shape} and {y.shape} do not fit: the last length of the first must equal "
                         "the last but one of the second") from None

    def vjp(grad):
        xm, ym = x[None, :] if x.ndim == 1 else x, y[:, None] if y.ndim == 1 else y
        g = grad[..., None] if y.ndim == 1 else grad
        g = g[..., None, :] if x.ndim == 1 else g
        dx, dy = g @ ym.swapaxes(-1, -2), xm.swapaxes(-1, -2) @ g
        return (dx[..., 0, :] if x.ndim == 1 else dx), (dy[..., 0] if y.ndim == 1 else dy)
    return out, vjp


# One operand, element by element.

def negative(x: np.ndarray) -> Result:
    """-x."""
    return -x, lambda grad: (-grad,)


def exp(x: np.ndarray) -> Result:
    """e^x; d = e^x dx."""
    out = np.exp(x)
    return out, lambda grad: (grad * out,)


def log(x: np.ndarray) -> Result:
    """Natural logarithm; d = dx / x."""
    return np.log(x), lambda grad: (grad / x,)


# Shape.

def getitem(x: np.ndarray, index: Any) -> Result:
    """x[index]; an element that is taken twice gets both gradients."""
    shape, dtype = x.shape, x.dtype
    index = copy.deepcopy(index)                  # the caller may change an array of indices before backward

    def vjp(grad):
        full = np.zeros(shape, dtype)
        np.add.at(full, index, grad)
        return (full,)
    return x[index], vjp


def reshape(x: np.ndarray, shape: tuple[int, ...]) -> Result:
    """The same elements in C order, in another shape."""
    before = x.shape
    return x.reshape(shape), lambda grad: (grad.reshape(before),)


def transpose(x: np.ndarray, axes: tuple[int, ...]) -> Result:
    """Axes permuted."""
    back = tuple(np.argsort([a % x.ndim for a in axes]))
    return x.transpose(axes), lambda grad: (grad.transpose(back),)


# Reductions over `axis`: an int, a tuple, or None for all axes.

def total(x: np.ndarray, axis: ReducedAxes, keepdims: bool) -> Result:
    """The sum."""
    shape = x.shape
    return x.sum(axis=axis, keepdims=keepdims), lambda grad: (
        np.broadcast_to(_restore(grad, shape, axis, keepdims), shape),)


def mean(x: np.ndarray, axis: ReducedAxes, keepdims: bool) -> Result:
    """The arithmetic mean."""
    shape = x.shape
    out = x.mean(axis=axis, keepdims=keepdims)
    count = x.size // max(out.size, 1)
    return out, lambda grad: (np.broadcast_to(_restore(grad, shape, axis, keepdims) / count, shape),)


def largest(x: np.ndarray, axis: ReducedAxes, keepdims: bool) -> Result:
    """The maximum. If several elements are largest, they share the gradient evenly."""
    out = x.max(axis=axis, keepdims=keepdims)

    def vjp(grad):
        is_largest = x == _restore(out, x.shape, axis, keepdims)
        ties = is_largest.sum(axis=axis, keepdims=True).astype(x.dtype)
        return (is_largest * (_restore(grad, x.shape, axis, keepdims) / ties),)
    return out, vjp


def _restore(reduced, shape, axis, keepdims):
    """A reduced array with axes of length 1 in place of the reduced ones: it broadcasts to `shape`."""
    if keepdims or axis is None:
        return np.reshape(reduced, (1,) * len(shape)) if axis is None else reduced
    return np.expand_dims(reduced, axis)
