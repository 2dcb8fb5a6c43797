"""Operations that join, divide and repeat arrays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..checks import array, integer, is_integer
from ..checks import axis as axis_of
from ..errors import InputError
from .elementwise import Result
from .padding import MOST
from .reductions import sum_over
from .shapes import getitem

MOST_PARTS = 2**24              # of split


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


def stack(arrays: Sequence[np.ndarray], axis: int = 0) -> Result:
    """Arrays of one shape, side by side along a new axis, which is at this place in the result."""
    if len({a.shape for a in arrays}) > 1:
        raise InputError(f"stack: the shapes {', '.join(str(a.shape) for a in arrays)} must agree")
    new = axis_of("stack: axis", axis, arrays[0].ndim + 1)
    out, vjp = concatenate([np.expand_dims(a, new) for a in arrays], new)
    return out, lambda grad: tuple([part.squeeze(new) for part in vjp(grad)])


def parts(name: str, shape: tuple[int, ...], indices_or_sections: Any, axis: int = 0, equal: bool = True) -> list[Any]:
    """The indices of the parts into which np.split (`equal`) or np.array_split divides an array.

    An integer is the number of parts; of array_split the first ones may be longer by 1. A sequence of integers says
    where the second, third, ... part begins.

    >>> parts("array_split", (3, 5), 2, axis=1, equal=False)
    [(slice(None, None, None), slice(0, 3, None)), (slice(None, None, None), slice(3, 5, None))]
    """
    if not shape:
        raise InputError(f"{name}: a single number cannot be divided")
    axis = axis_of(f"{name}: axis", axis, len(shape))
    if is_integer(indices_or_sections):
        count, length = integer(f"{name}: the number of parts", indices_or_sections, 1), shape[axis]
        if count > MOST_PARTS:
            raise InputError(f"{name}: {count} parts are more than {MOST_PARTS}: use fewer")
        if equal and length % count:
            raise InputError(f"{name}: axis {axis} of length {length} cannot be divided into {count} equal parts: use "
                             "np.array_split, or give the places at which to divide")
        ends: list[int | None] = [i * (length // count) + min(i, length % count) for i in range(count + 1)]
    elif isinstance(indices_or_sections, Sequence) and not isinstance(indices_or_sections, str) or (
            isinstance(indices_or_sections, np.ndarray) and indices_or_sections.ndim):
        ends = [0, *[integer(f"{name}: a place at which to divide", i) for i in indices_or_sections], None]
    else:
        raise InputError(f"{name}: give the number of parts, or a list of the places at which to divide, not "
                         f"{indices_or_sections!r}")
    return [(slice(None),) * axis + (slice(start, end),) for start, end in zip(ends, ends[1:], strict=False)]


def repeat(x: np.ndarray, repeats: int | Sequence[int], axis: int | None = None) -> Result:
    """Each element `repeats` times, one after the other, along an axis, or along x.ravel() for None.

    `repeats` is an integer, or a list with one for each element of the axis.
    """
    given = array("repeat: repeats", repeats)
    if given.ndim > 1 or given.dtype.kind not in "iu" and given.size or (given < 0).any():
        raise InputError(f"repeat: repeats must be an integer of at least 0, or a list of them, not {repeats!r}")
    flat = x.reshape(-1) if axis is None or x.ndim == 0 else x
    along = 0 if axis is None else axis_of("repeat: axis", axis, x.ndim)
    length = flat.shape[along]
    if given.size == 1:
        inner = (*flat.shape[:along + 1], int(given.reshape(())), *flat.shape[along + 1:])
        out, vjp = _repeated("repeat", flat, (*flat.shape[:along + 1], 1, *flat.shape[along + 1:]), inner, (along + 1,),
                             (*flat.shape[:along], length * inner[along + 1], *flat.shape[along + 1:]))
    elif given.size == length:
        out, vjp = getitem(flat, (slice(None),) * along + (np.repeat(np.arange(length), given.astype(int)),))
    else:
        raise InputError(f"repeat: there are {given.size} repeats for {length} elements: give one, or one for each")
    return out, lambda grad: (vjp(grad)[0].reshape(x.shape),)


def tile(x: np.ndarray, reps: int | Sequence[int]) -> Result:
    """The whole array repeated `reps` times along each axis, the last number for the last axis."""
    several: Any = reps if isinstance(reps, (tuple, list)) or isinstance(reps, np.ndarray) and reps.ndim else (reps,)
    counts = [integer("tile: reps", r, 0) for r in several]
    ndim = max(len(counts), x.ndim)
    counts, shape = [1] * (ndim - len(counts)) + counts, (1,) * (ndim - x.ndim) + x.shape
    single = [n for length in shape for n in (1, length)]
    inner = [n for count, length in zip(counts, shape, strict=True) for n in (count, length)]
    return _repeated("tile", x, single, inner, tuple(range(0, 2 * ndim, 2)),
                     [count * length for count, length in zip(counts, shape, strict=True)])


def _repeated(name, x, single, inner, axes, shape):
    """Broadcast x of the shape `single` to `inner` along `axes`, where `single` is 1, and join axes to `shape`."""
    if math.prod(inner) > MOST:
        raise InputError(f"{name}: the result would have the shape {tuple(shape)}, which is too many numbers")
    out = np.broadcast_to(x.reshape(single), inner).reshape(shape)
    return np.array(out), lambda grad: (sum_over(grad.reshape(inner), axes).reshape(x.shape),)
