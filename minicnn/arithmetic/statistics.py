"""Variance, standard deviation and logsumexp over `axis`: an int, a tuple, or None for all axes.

Terms are added in float64. No square and no power overflows where the result does not.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ..checks import boolean, number
from .axes import axes_of
from .elementwise import Result
from .extended import quotient, shown
from .reductions import ReducedAxes, reduced, restore


def variance(x: np.ndarray, axis: ReducedAxes = None, *, ddof: float = 0, keepdims: bool = False) -> Result:
    """The mean square of the deviations from the mean: sum of (x - mean)^2 / (n - ddof); d = 2 (x - mean) / (n - ddof).

    If n - ddof is 0 or less, the result is NaN or infinite, and the gradient too.
    """
    v = _deviations("var", x, axis, ddof, keepdims)

    def vjp(grad):
        g = restore(grad, x.ndim, v.axes, keepdims).astype(np.float64)
        with np.errstate(all="ignore"):           # the scale is 2^(exponent - 1), because 2^1024 is infinite
            dx = quotient([g, v.scaled, np.ldexp(1.0, v.exponent - 1)], [np.float64(v.freedom / 4)])
            return (shown(g, dx).astype(x.dtype, copy=False),)
    with np.errstate(all="ignore"):
        out = np.ldexp(v.square, 2 * v.exponent).astype(x.dtype)
    return reduced(out, v.axes, keepdims), vjp


def deviation(x: np.ndarray, axis: ReducedAxes = None, *, ddof: float = 0, keepdims: bool = False) -> Result:
    """The standard deviation, sqrt(variance); d = (x - mean) / ((n - ddof) std), and 0 where all elements are equal."""
    v = _deviations("std", x, axis, ddof, keepdims)
    root = np.sqrt(v.square)

    def vjp(grad):
        g = restore(grad, x.ndim, v.axes, keepdims).astype(np.float64)
        with np.errstate(all="ignore"):
            dx = quotient([g, v.scaled], [np.float64(v.freedom), root])
            return (shown(g, np.where(root == 0, 0, dx)).astype(x.dtype, copy=False),)
    with np.errstate(all="ignore"):
        out = np.ldexp(root, v.exponent).astype(x.dtype)
    return reduced(out, v.axes, keepdims), vjp


class _Deviations(NamedTuple):
    axes: tuple[int, ...]
    freedom: float                  # n - ddof, at least 0
    exponent: np.ndarray            # an integer; reduced axes have length 1
    scaled: np.ndarray              # (x - mean) / 2^exponent, from -2 to 2
    square: np.ndarray              # sum of scaled^2 / freedom; reduced axes have length 1


def _deviations(name, x, axis, ddof, keepdims):
    axes, ddof = axes_of(name, axis, x.ndim), number(f"{name}: ddof", ddof)
    boolean(f"{name}: keepdims", keepdims)
    count = math.prod(x.shape[a] for a in axes)
    freedom = max(count - ddof, 0)
    with np.errstate(all="ignore"):
        wide = x.astype(np.float64)
        size = np.abs(wide).max(axis=axes, keepdims=True, initial=0)
        exponent = np.where(np.isfinite(size), np.frexp(size)[1], 0)
        scaled = np.ldexp(wide, -exponent)
        # Equal elements must have the deviation 0, so their mean must not round: subtract one of them first.
        first = scaled[tuple([slice(0, 1) if a in axes else slice(None) for a in range(x.ndim)])]
        scaled = scaled - np.where(np.isfinite(first), first, 0)
        scaled = scaled - scaled.sum(axis=axes, keepdims=True) / np.float64(count)
        square = np.asarray((scaled * scaled).sum(axis=axes, keepdims=True) / np.float64(freedom))
    return _Deviations(axes, freedom, exponent, scaled, square)


def log_sum_exp(x: np.ndarray, axis: ReducedAxes = None, keepdims: bool = False) -> Result:
    """log(sum of e^x); d = softmax(x) dx. The logsumexp of nothing is -inf. Where all x are -inf, dx is 0."""
    axes, keepdims = axes_of("logsumexp", axis, x.ndim), boolean("logsumexp: keepdims", keepdims)
    with np.errstate(all="ignore"):
        wide = x.astype(np.float64)
        top = wide.max(axis=axes, keepdims=True, initial=-np.inf)
        infinite = top == np.inf
        top = np.where(np.isfinite(top), top, 0)
        total = np.asarray(np.exp(wide - top).sum(axis=axes, keepdims=True))
        out = (top + np.log(total)).astype(x.dtype)

    def vjp(grad):
        g = restore(grad, x.ndim, axes, keepdims).astype(np.float64)
        with np.errstate(all="ignore"):
            half = np.exp((wide - top) / 2)       # its square may underflow where the product with grad does not
            dx = quotient([half, g, half], [total])
            dx = np.where((total == 0) | infinite & (wide < np.inf), 0, dx)
            return (shown(g, dx).astype(x.dtype, copy=False),)
    return reduced(out, axes, keepdims), vjp
