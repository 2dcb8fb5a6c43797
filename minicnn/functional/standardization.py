"""(x - mean) / sqrt(var + eps) on arrays, for each channel, and its gradient: what all normalizations compute.

The channel is axis 1. Statistics are computed in float64, of numbers up to the largest of the dtype.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..arithmetic.extended import quotient
from ..passes import standardization as passes


class Standardized(NamedTuple):
    """The result of `standardized`. All but `normal` have shape (C,)."""

    normal: np.ndarray              # (x - mean) / sqrt(var + eps), in the shape and dtype of x
    mean: np.ndarray                # of x * unit
    var: np.ndarray                 # of x * unit; biased: divided by the number of values
    inverse: np.ndarray             # 1 / sqrt(var + eps * unit^2)
    unit: np.ndarray | None         # a power of 2 for each channel; None for 1


def standardized(x: np.ndarray, eps: float) -> Standardized:
    """Each channel of x minus its mean, divided by its standard deviation. Without values: mean 0 and var 1."""
    if x.dtype == np.float32 and x.size:
        mean, var = passes.moments(x)
        if np.isfinite(var).all():
            inverse = 1 / np.sqrt(var + eps)
            return Standardized(passes.affine(x, mean, inverse, *_one_and_zero(x)), mean, var, inverse, None)
    axes = value_axes(x)
    unit = _unit(x, axes)
    values = x if unit is None else x * column(unit, x)
    with np.errstate(invalid="ignore"):           # infinite numbers have the mean inf and the var NaN
        if x.size:
            mean, var = values.mean(axes, np.float64), values.var(axes, np.float64)
        else:
            mean, var = np.zeros(x.shape[1]), np.ones(x.shape[1])
        inverse = 1 / np.sqrt(var + eps) if unit is None else 1 / np.hypot(np.sqrt(var), np.sqrt(eps) * unit)
        normal = ((values - column(mean, x)) * column(inverse, x)).astype(x.dtype)
    return Standardized(normal, mean, var, inverse, unit)


def scaled(x: np.ndarray, mean: np.ndarray, inverse: np.ndarray) -> tuple[np.ndarray, float]:
    """(x - mean) * inverse in the dtype of x, and 1. Where that leaves the range: the same divided by 2^k, and 2^k."""
    if x.dtype == np.float32 and x.size:
        normal = passes.affine(x, mean, inverse, *_one_and_zero(x))
        if np.isfinite(normal).all():
            return normal, 1.0
    mean, inverse = column(mean, x), column(inverse, x)
    try:
        with np.errstate(over="raise"):
            return ((x - mean) * inverse).astype(x.dtype), 1.0
    except FloatingPointError:
        lift = 1.0 if x.dtype == np.float32 else 2.0 ** 100         # float64 has room for any float32
        return (x / lift - mean / lift) * inverse, lift


def gradient_sums(grad: np.ndarray, normal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The sums of grad and of grad * normal over each channel, in float64."""
    if grad.dtype == normal.dtype == np.float32:
        return passes.gradient_sums(grad, normal)
    axes = value_axes(normal)
    return grad.sum(axes, np.float64), np.multiply(grad, normal, dtype=np.float64).sum(axes)


def input_gradient(grad: np.ndarray, normal: np.ndarray, less: np.ndarray, slope: np.ndarray,
                   factors: Sequence[Any]) -> np.ndarray:
    """(grad - less - normal * slope) times each of the factors, in the dtype of `grad`: the gradient of x.

    less, slope and the factors are numbers for each channel. For a gradient of `standardized`, less = (the sum of
    grad) / n and slope = (the sum of grad * normal) / n are the parts of the mean and of the var, which depend on x
    too. n is the number of values of a channel.
    """
    if grad.dtype == normal.dtype == np.float32:          # in float64, products of float32 stay in the range
        factor = np.asarray(math.prod(factors), np.float64)
        return passes.input_gradient(grad, normal, less, slope, factor)
    return times(grad - column(less, normal) - normal * column(slope, normal), factors).astype(grad.dtype)


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


def affine_of_normal(normal: np.ndarray, scale: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """normal * scale + bias, where `normal` is a result of `standardized`, and scale and bias have shape (C,).

    Of n numbers with the variance 1, none is larger than sqrt(n). Thus one knows beforehand that nothing overflows.
    """
    if normal.dtype == scale.dtype == bias.dtype == np.float32 and normal.size:
        largest = math.sqrt(normal.size / len(scale)) * np.abs(scale.astype(np.float64)).max() + np.abs(bias).max()
        if largest < np.finfo(np.float32).max:
            return passes.affine(normal, np.zeros(len(scale)), np.ones(len(scale)), scale, bias)
    return affine(normal, 1.0, column(scale, normal), column(bias, normal))


def affine(normal: np.ndarray, lift: float, scale: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """normal * lift * scale + bias, also where only a partial result leaves the range."""
    try:
        with np.errstate(over="raise", invalid="ignore"):
            return normal * scale + bias if lift == 1 else quotient([normal, scale, np.asarray(lift)]) + bias
    except FloatingPointError:
        with np.errstate(over="ignore", invalid="ignore"):
            return (quotient([normal, scale, np.asarray(lift / 4)]) + bias / 4) * 4


def _one_and_zero(x):
    return np.ones(x.shape[1], np.float32), np.zeros(x.shape[1], np.float32)
