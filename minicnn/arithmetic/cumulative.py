"""Products, and sums of the first elements."""

from __future__ import annotations

import math

import numpy as np

from ..checks import axis as axis_of
from ..checks import boolean
from .axes import axes_of
from .elementwise import Result
from .extended import joined, shown
from .reductions import ReducedAxes


def cumsum(x: np.ndarray, axis: int | None = None) -> Result:
    """out[i] = x[0] + ... + x[i] along an axis, or along x.ravel() for None; d x[i] = grad[i] + grad[i + 1] + ...

    Terms of float32 are added in float64.
    """
    axis = None if axis is None else axis_of("cumsum: axis", axis, x.ndim)
    flat = x.reshape(-1) if axis is None or x.ndim == 0 else x
    along = axis or 0
    out = _cumsum(flat, along)

    def vjp(grad):
        g = grad.reshape(flat.shape)
        return (np.flip(_cumsum(np.flip(g, along), along), along).reshape(x.shape),)
    return out if axis is None else out.reshape(x.shape), vjp


def _cumsum(x, axis):
    with np.errstate(over="ignore", invalid="ignore"):
        out = np.cumsum(x, axis, np.float64)
        if x.dtype == np.float64 and not np.isfinite(out).all():        # a partial sum may overflow, and later ones not
            scale = 2.0 ** -(x.size.bit_length() + 1)
            out = np.cumsum(x * scale, axis) / scale
        return out.astype(x.dtype, copy=False)


def prod(x: np.ndarray, axis: ReducedAxes = None, keepdims: bool = False) -> Result:
    """The product; d x[i] = the product of all the others. The product of nothing is 1.

    Where a partial product leaves the range, mantissas and exponents are multiplied apart. The gradient multiplies the
    products of all elements before and after an element; it does not divide, which would fail at 0.
    """
    axes, keepdims = axes_of("prod", axis, x.ndim), boolean("prod: keepdims", keepdims)
    kept = [a for a in range(x.ndim) if a not in axes]
    order = (*kept, *axes)
    shape, count = [x.shape[a] for a in kept], math.prod(x.shape[a] for a in axes)
    flat = x.transpose(order).reshape(*shape, count)
    before = _products(flat)

    def vjp(grad):
        after = _products(flat[..., ::-1])
        g = grad.reshape(*shape, 1).astype(np.float64)
        others = joined([tuple(part[..., :-1] for part in before), np.frexp(g),
                         tuple(part[..., -2::-1] for part in after)])
        with np.errstate(all="ignore"):
            dx = shown(g, others).astype(x.dtype)
        return (dx.reshape([x.shape[a] for a in order]).transpose(np.argsort(order).astype(int)),)
    with np.errstate(all="ignore"):
        out = np.ldexp(before[0][..., -1], before[1][..., -1]).astype(x.dtype)
    return out.reshape([1 if a in axes else n for a, n in enumerate(x.shape)] if keepdims else shape), vjp


def _products(x):
    """The product of the first i elements of the last axis for i = 0, 1, ..., n, as mantissas and exponents."""
    one = np.ones((*x.shape[:-1], 1))
    try:
        with np.errstate(over="raise", under="raise", invalid="ignore"):
            return np.frexp(np.cumprod(np.concatenate([one, x], -1), -1))
    except FloatingPointError:                    # a product leaves the range
        pass
    mantissa, exponent = np.frexp(x.astype(np.float64))
    exponent = np.where(np.isfinite(mantissa), exponent, 0).astype(np.int64)
    step = 1
    with np.errstate(all="ignore"):
        while step < x.shape[-1]:                 # each element holds the product of the `step` last ones
            mantissa[..., step:] = mantissa[..., step:] * mantissa[..., :-step]
            exponent[..., step:] = exponent[..., step:] + exponent[..., :-step]
            mantissa, more = np.frexp(mantissa)
            exponent = exponent + np.where(np.isfinite(mantissa), more, 0)
            step *= 2
    exponent = np.clip(exponent, -2**28, 2**28).astype(np.int32)
    return np.concatenate([one, mantissa], -1), np.concatenate([one.astype(np.int32) - 1, exponent], -1)
