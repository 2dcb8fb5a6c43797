"""Reductions over `axis`: an int, a tuple, or None for all axes."""

from __future__ import annotations

import math

import numpy as np

from ..checks import boolean
from ..errors import InputError
from .axes import axes_of
from .elementwise import Result

ReducedAxes = int | tuple[int, ...] | None


def total(x: np.ndarray, axis: ReducedAxes = None, keepdims: bool = False) -> Result:
    """The sum. Terms of float32 are added in float64, so that the sum of millions along any axis is right."""
    axes, keepdims = axes_of("sum", axis, x.ndim), boolean("sum: keepdims", keepdims)
    out = sum_over(x, axes, keepdims)
    return out, lambda grad: (_spread(grad, x.shape, axes, keepdims),)


def mean(x: np.ndarray, axis: ReducedAxes = None, keepdims: bool = False) -> Result:
    """The arithmetic mean. The mean of nothing is NaN."""
    axes, keepdims = axes_of("mean", axis, x.ndim), boolean("mean: keepdims", keepdims)
    count = math.prod(x.shape[a] for a in axes)
    with np.errstate(invalid="ignore", divide="ignore"):
        out = sum_over(x, axes, keepdims, count)
    return out, lambda grad: (_spread(grad / count if count else grad, x.shape, axes, keepdims),)


def largest(x: np.ndarray, axis: ReducedAxes = None, keepdims: bool = False) -> Result:
    """The maximum. If several elements are largest, they share the gradient evenly. NaN counts as largest."""
    axes, keepdims = axes_of("max", axis, x.ndim), boolean("max: keepdims", keepdims)
    if 0 in [x.shape[a] for a in axes]:
        raise InputError(f"max: there is no largest element along axis {axis} of shape {x.shape}, which has none")
    out = x.max(axis=axes, keepdims=True)

    def vjp(grad):
        is_largest = (x == out) | np.isnan(x) & np.isnan(out)
        ties = is_largest.sum(axis=axes, keepdims=True)
        share = _restore(grad, x.ndim, axes, keepdims) / ties
        return (np.where(is_largest, share, 0).astype(x.dtype, copy=False),)
    return out if keepdims else out.reshape([n for a, n in enumerate(x.shape) if a not in axes]), vjp


def sum_over(x: np.ndarray, axes: tuple[int, ...], keepdims: bool = False, count: int = 1) -> np.ndarray:
    """The sum over `axes`, divided by `count`; float32 is added in float64.

    A partial sum of float64 may overflow though the result does not; then the terms are scaled by a power of 2.

    >>> float(sum_over(np.array([1e308, 1e308, 1e308]), (0,), count=3))
    1e+308
    """
    with np.errstate(over="ignore", invalid="ignore"):
        out = x.sum(axis=axes, dtype=np.float64, keepdims=keepdims)
        if x.dtype == np.float64 and not np.isfinite(out).all():
            scale = 2.0 ** -(x.size.bit_length() + 1)
            out = (x * scale).sum(axis=axes, keepdims=keepdims)
            out = (out if count == 1 else out / count) / scale
        elif count != 1:
            out = out / count
    return np.asarray(out).astype(x.dtype, copy=False)


def _spread(grad, shape, axes, keepdims):
    """The gradient of a sum: the same for each of its terms."""
    return np.broadcast_to(_restore(grad, len(shape), axes, keepdims), shape)


def _restore(reduced, ndim, axes, keepdims):
    """A reduced array with axes of length 1 in place of the reduced ones: it broadcasts to the shape before."""
    return reduced if keepdims or not ndim else np.expand_dims(reduced, axes)
