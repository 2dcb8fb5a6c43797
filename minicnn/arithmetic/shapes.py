"""Operations that move or choose elements."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from ..checks import axis as axis_of
from ..checks import integer, unmasked
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


def permute(function: Callable, x: np.ndarray, source: Any, destination: Any) -> Result:
    """np.moveaxis or np.swapaxes: where the axes go is seen in the shape of an empty array."""
    try:
        order = function(np.empty(tuple(range(x.ndim))), source, destination).shape
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError(f"{function.__name__}: {error}; the tensor has shape {x.shape}") from None
    return transpose(x, order)


def swapaxes(x: np.ndarray, axis1: int, axis2: int) -> Result:
    """Two axes swapped."""
    return permute(np.swapaxes, x, axis1, axis2)


def moveaxis(x: np.ndarray, source: int | tuple[int, ...], destination: int | tuple[int, ...]) -> Result:
    """Axes moved to other places; the other axes keep their order."""
    return permute(np.moveaxis, x, source, destination)


def expand_dims(x: np.ndarray, axis: int | tuple[int, ...]) -> Result:
    """New axes of length 1, which are at these places in the result."""
    try:
        return reshape(x, np.expand_dims(x, axis).shape)
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError(f"expand_dims: {error}") from None


def squeeze(x: np.ndarray, axis: int | tuple[int, ...] | None = None) -> Result:
    """Without these axes, which must have length 1; None names all axes of length 1."""
    axes = axes_of("squeeze", axis, x.ndim)
    if axis is not None and any(x.shape[i] != 1 for i in axes):
        raise InputError(f"squeeze: axis {axis} of shape {x.shape} does not have length 1")
    return reshape(x, tuple([n for i, n in enumerate(x.shape) if n != 1 or i not in axes]))


def broadcast_to(x: np.ndarray, shape: int | tuple[int, ...]) -> Result:
    """Repeated along new axes and axes of length 1, without a copy; d = the sum over the repetitions."""
    try:
        out = np.broadcast_to(x, shape)
    except (ValueError, TypeError, OverflowError):
        raise InputError(f"broadcast_to: an array of shape {x.shape} cannot have the shape {shape}: give a tuple of "
                         "integers; from the last axis on, two lengths must be equal, or the array's 1") from None
    return out, lambda grad: (grad,)              # which the tape sums


def flip(x: np.ndarray, axis: int | tuple[int, ...] | None = None) -> Result:
    """The elements in reversed order along `axis`: an int, a tuple, or None for all axes."""
    axes = axes_of("flip", axis, x.ndim)
    index = tuple([slice(None, None, -1 if a in axes else 1) for a in range(x.ndim)])
    return np.asarray(x[index]), lambda grad: (np.asarray(grad[index]),)


def roll(x: np.ndarray, shift: int | tuple[int, ...], axis: int | tuple[int, ...] | None = None) -> Result:
    """Shifted along `axis`; what leaves at the end comes back at the beginning.

    `axis` is an int, a tuple with a shift for each, or None for x.ravel(). One shift holds for several axes. Shifts
    along the same axis add.
    """
    if axis is not None and x.ndim == 0:
        raise InputError(f"roll: a single number has no axis {axis}: give no axis")
    shifts = [integer("roll: shift", s) for s in (shift if isinstance(shift, (tuple, list)) else (shift,))]
    given = axis if isinstance(axis, (tuple, list)) else (0 if axis is None else axis,)
    axes = [axis_of("roll: axis", a, 1 if axis is None else x.ndim) for a in given]
    if not shifts or not axes or len(shifts) != len(axes) and 1 not in (len(shifts), len(axes)):
        raise InputError(f"roll: there are {len(shifts)} shifts for {len(axes)} axes: give one shift, or one for each")
    shifts, axes = (v * max(len(shifts), len(axes)) if len(v) == 1 else v for v in (shifts, axes))
    flat = x.reshape(-1) if axis is None else x
    lengths = [max(flat.shape[a], 1) for a in axes]

    def rolled(values, sign):
        steps = [sign * s % n for s, n in zip(shifts, lengths, strict=True)]
        return np.roll(values.reshape(flat.shape), steps, axes).reshape(x.shape)
    return rolled(x, 1), lambda grad: (rolled(grad, -1),)


def _shown(shape):
    return shape[0] if isinstance(shape, tuple) and len(shape) == 1 and not np.isscalar(shape[0]) else shape
