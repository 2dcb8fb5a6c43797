"""Reductions over `axis`: an int, a tuple, or None for all axes."""

from __future__ import annotations

import math

import numpy as np

from ..checks import axis as axis_of
from ..checks import boolean
from ..errors import InputError
from .axes import axes_of
from .elementwise import Result

ReducedAxes = int | tuple[int, ...] | None


def total(x: np.ndarray, axis: ReducedAxes = None, keepdims: bool = False) -> Result:
    """The sum. Terms of float32 are added in float64, so that the sum of millions along any axis is right."""
    axes, keepdims = axes_of("sum", axis, x.ndim), boolean("sum: keepdims", keepdims)
    out = sum_over(x, axes, keepdims)
    return out, lambda grad: (spread(grad, x.shape, axes, keepdims),)


def mean(x: np.ndarray, axis: ReducedAxes = None, keepdims: bool = False) -> Result:
    """The arithmetic mean. The mean of nothing is NaN."""
    axes, keepdims = axes_of("mean", axis, x.ndim), boolean("mean: keepdims", keepdims)
    count = math.prod(x.shape[a] for a in axes)
    with np.errstate(invalid="ignore", divide="ignore"):
        out = sum_over(x, axes, keepdims, count)
    return out, lambda grad: (spread(grad / count if count else grad, x.shape, axes, keepdims),)


def largest(x: np.ndarray, axis: ReducedAxes = None, keepdims: bool = False) -> Result:
    """The maximum. If several elements are largest, they share the gradient evenly. NaN counts as largest."""
    return _extreme("max", "largest", x, axis, keepdims)


def smallest(x: np.ndarray, axis: ReducedAxes = None, keepdims: bool = False) -> Result:
    """The minimum. If several elements are smallest, they share the gradient evenly. NaN counts as smallest."""
    return _extreme("min", "smallest", x, axis, keepdims)


def _extreme(name, kind, x, axis, keepdims):
    axes, keepdims = axes_of(name, axis, x.ndim), boolean(f"{name}: keepdims", keepdims)
    if 0 in [x.shape[a] for a in axes]:
        raise InputError(f"{name}: there is no {kind} element along axis {axis} of shape {x.shape}, which has none")
    out = getattr(x, name)(axis=axes, keepdims=True)

    def vjp(grad):
        is_extreme = (x == out) | np.isnan(x) & np.isnan(out)
        ties = is_extreme.sum(axis=axes, keepdims=True)
        share = restore(grad, x.ndim, axes, keepdims) / ties
        return (np.where(is_extreme, share, 0).astype(x.dtype, copy=False),)
    return reduced(out, axes, keepdims), vjp


def position(name: str, x: np.ndarray, axis: int | None = None, keepdims: bool = False) -> np.ndarray:
    """The index of the first largest ("argmax") or smallest ("argmin") element; NaN counts as such.

    `axis` is an integer, or None for an index into x.ravel(). Indices have no gradient.
    """
    boolean(f"{name}: keepdims", keepdims)
    if axis is not None:
        axis = axis_of(f"{name}: axis", axis, x.ndim)
    if (x.size if axis is None else (x.shape or (1,))[axis]) == 0:
        raise InputError(f"{name}: there is no element along axis {axis} of shape {x.shape}")
    return np.asarray(getattr(np, name)(x, axis if x.ndim else None, keepdims=keepdims))


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


def spread(grad: np.ndarray, shape: tuple[int, ...], axes: tuple[int, ...], keepdims: bool) -> np.ndarray:
    """The gradient of a sum: the same for each of its terms."""
    return np.broadcast_to(restore(grad, len(shape), axes, keepdims), shape)


def restore(array: np.ndarray, ndim: int, axes: tuple[int, ...], keepdims: bool) -> np.ndarray:
    """A reduced array with axes of length 1 in place of the reduced ones: it broadcasts to the shape before."""
    return array if keepdims or not ndim else np.expand_dims(array, axes)


def reduced(array: np.ndarray, axes: tuple[int, ...], keepdims: bool) -> np.ndarray:
    """An array whose reduced axes have length 1, without these axes unless `keepdims`."""
    return array if keepdims else array.reshape([n for a, n in enumerate(array.shape) if a not in axes])
