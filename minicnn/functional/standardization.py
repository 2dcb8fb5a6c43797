"""(x - mean) / sqrt(var + eps) on arrays, for each channel, and its gradient: what all normalizations compute.

The channel is axis 1. Statistics are computed in float64, of numbers up to the largest of the dtype.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..arithmetic.extended import quotient


class Standardized(NamedTuple):
    """The result of `standardized`. All but `normal` have shape (C,)."""

    normal: np.ndarray              # (x - mean) / sqrt(var + eps), in the shape and dtype of x
    mean: np.ndarray                # of x * unit
    var: np.ndarray                 # of x * unit; biased: divided by the number of values
    inverse: np.ndarray             # 1 / sqrt(var + eps * unit^2)
    unit: np.ndarray | None         # a power of 2 for each channel; None for 1


def standardized(x: np.ndarray, eps: float) -> Standardized:
    """Each channel of x minus its mean, divided by its standard deviation. Without values: mean 0 and var 1."""
    axes = value_axes(x)
    unit = _unit(x, axes)
    scaled = x if unit is None else x * column(unit, x)
    with np.errstate(invalid="ignore"):           # infinite numbers have the mean inf and the var NaN
        if x.size:
            mean, var = scaled.mean(axes, np.float64), scaled.var(axes, np.float64)
        else:
            mean, var = np.zeros(x.shape[1]), np.ones(x.shape[1])
        inverse = 1 / np.sqrt(var + eps) if unit is None else 1 / np.hypot(np.sqrt(var), np.sqrt(eps) * unit)
        normal = ((scaled - column(mean, x)) * column(inverse, x)).astype(x.dtype)
    return Standardized(normal, mean, var, inverse, unit)


def standardized_gradient(grad: np.ndarray, normal: np.ndarray, total: np.ndarray, product: np.ndarray) -> np.ndarray:
    """The gradient of x from that of `normal`, still without the factor inverse * unit.

    total = sum of grad, product = sum of grad * normal, for each channel. Mean and var depend on x too; their parts are
    subtracted.
    """
    count = normal.size // normal.shape[1] if normal.size else 1
    return grad - column(total / count, normal) - normal * column(product / count, normal)


def value_axes(x: np.ndarray) -> tuple[int, ...]:
    """All axes but that of the channel."""
    return 0, *range(2, x.ndim)


def column(values: Any, x: np.ndarray) -> Any:
    """(C,) as (C, 1, ...), which broadcasts to x. A single number stays."""
    return values if np.ndim(values) == 0 else values.reshape(-1, *[1] * (x.ndim - 2))


def _unit(x, axes):
    """A power of 2 for each channel of a float64 x, which makes its largest number about 1; None: there is no need.

    Squares of numbers beyond 2^512 overflow, and those below 2^-512 vanish; their standard deviation does not.
    """
    if x.dtype == np.float32 or not x.size:
        return None
    largest = np.maximum(x.max(axes), -x.min(axes))
    if not np.isfinite(largest).all():
        largest = np.abs(x).max(axes, where=np.isfinite(x), initial=0)
    exponent = np.where(largest > 0, np.frexp(largest)[1], 0)
    return None if (np.abs(exponent) < 400).all() else np.ldexp(1.0, np.clip(-exponent, -900, 900))


def near_one(grad: np.ndarray) -> tuple[np.ndarray, Any]:
    """A float64 gradient, divided by a power of 2 if its sums or products could leave the range; and the power."""
    exponent = np.frexp(np.abs(grad).max(initial=0))[1]
    return (grad, None) if abs(exponent) < 400 else (np.ldexp(grad, -exponent), np.ldexp(1.0, exponent))


def times(array: np.ndarray, factors: Sequence[Any]) -> np.ndarray:
    """The array times numbers for each channel. The product of the numbers alone may leave the range."""
    try:
        with np.errstate(over="raise", under="raise"):
            product = math.prod(factors)
    except FloatingPointError:
        return quotient([array, *(column(f, array) for f in factors)])
    return array * column(product, array)


def affine(normal: np.ndarray, lift: float, scale: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """normal * lift * scale + bias, also where only a partial result leaves the range."""
    try:
        with np.errstate(over="raise"):
            return normal * scale + bias if lift == 1 else quotient([normal, scale, np.asarray(lift)]) + bias
    except FloatingPointError:
        return (quotient([normal, scale, np.asarray(lift / 4)]) + bias / 4) * 4
