"""Operations that move or choose elements."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..checks import axis as axis_of
from ..checks import unmasked
from ..errors import InputError, InputIndexError
from .axes import axes_of
from .elementwise import Result


def getitem(x: np.ndarray, index: Any) -> Result:
    """x[index]; an element that is taken twice gets both gradients. A bad index raises InputIndexError."""
    shape, dtype = x.shape, x.dtype
    index = copy.deepcopy(unmasked(index))        # the caller may change an array of indices before backward
    try:
        out = x[index]
    except IndexError as error:
        raise InputIndexError(f"getitem: {error}; the tensor has shape {shape}") from None

    def vjp(grad):
        parts = index if type(index) is tuple else (index,)
        if all(isinstance(i, (int, slice, type(None), type(...))) for i in parts):
            full = np.zeros(shape, dtype)
            full[index] = grad                    # slices take no element twice
            return (full,)
        full = np.zeros(shape)                    # float64: an element may be taken millions of times
        np.add.at(full, index, grad)
        return (full.astype(dtype, copy=False),)
    return out, vjp


def reshape(x: np.ndarray, shape: tuple[int, ...]) -> Result:
    """The same elements in C order, in another shape."""
    before = x.shape
    try:
        out = x.reshape(shape)
    except (ValueError, TypeError):
        raise InputError(f"reshape: {x.size} elements of shape {before} cannot have the shape {_shown(shape)}: give "
                         "integers with the same product; one of them may be -1") from None
    return out, lambda grad: (grad.reshape(before),)


def transpose(x: np.ndarray, axes: tuple[int, ...]) -> Result:
    """Axes permuted."""
    order = axes_of("transpose", axes, x.ndim)
    if len(order) != x.ndim:
        raise InputError(f"transpose: axes {axes} must name each of the {x.ndim} axes of shape {x.shape} once")
    back = tuple(order.index(a) for a in range(x.ndim))
    return x.transpose(order), lambda grad: (grad.transpose(back),)


def concatenate(arrays: Sequence[np.ndarray], axis: int = 0) -> Result:
    """The arrays one after the other along an axis."""
    axis = axis_of("concatenate: axis", axis, arrays[0].ndim)
    try:
        out = np.concatenate(arrays, axis)
    except ValueError:
        raise InputError(f"concatenate: the shapes {', '.join(str(a.shape) for a in arrays)} must have 1 or more axes "
                         f"and agree in all but axis {axis}") from None
    ends = np.cumsum([a.shape[axis] for a in arrays])[:-1]

    def vjp(grad):
        parts = np.split(grad, ends, axis)
        return tuple([part.astype(a.dtype, copy=False) for part, a in zip(parts, arrays, strict=True)])
    return out, vjp


def select(condition: np.ndarray, x: np.ndarray, y: np.ndarray) -> Result:
    """x where the condition holds, y elsewhere. What is not selected gets the gradient 0, whatever the cotangent."""
    condition = np.array(unmasked(condition), bool)   # a copy: the caller may change the condition before backward
    try:
        out = np.where(condition, x, y)
    except ValueError:
        raise InputError(f"where: shapes {condition.shape}, {x.shape} and {y.shape} do not broadcast") from None
    return out, lambda grad: (np.where(condition, grad, 0).astype(x.dtype, copy=False),
                              np.where(condition, 0, grad).astype(y.dtype, copy=False))


def _shown(shape):
    return shape[0] if isinstance(shape, tuple) and len(shape) == 1 and not np.isscalar(shape[0]) else shape
