"""Operations that move elements: other shapes, joining, dividing, padding."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ... import arithmetic
from ... import functional as F
from ...arithmetic.axes import axes_of
from .builder import Builder, Value
from .registry import emits

WRAP_SINCE = 19                                     # the opset in which Pad got the mode wrap


@emits(arithmetic.reshape)
def reshape(b: Builder, x: Value, shape: Any) -> str:
    """Another shape. Flatten stands for a matrix whose rows are the samples."""
    new = b.out.shape
    if len(new) == 2 and x.ndim >= 2 and new[0] is None and None not in x.shape[1:] and new[1] == math.prod(
            x.lengths("a matrix", 1)):
        return b.node("Flatten", x, axis=1)
    return b.reshape(x, new)


@emits(arithmetic.transpose, arithmetic.swapaxes, arithmetic.moveaxis)
def transpose(b: Builder, x: Value, axes: Any = None, **places: Any) -> str:
    """Axes permuted."""
    if places:
        function = np.swapaxes if "axis1" in places else np.moveaxis
        axes = function(np.empty(tuple(range(x.ndim))), *places.values()).shape
    return b.node("Transpose", x, perm=list(axes_of("transpose", axes, x.ndim)))


@emits(arithmetic.expand_dims)
def expand_dims(b: Builder, x: Value, axis: Any) -> str:
    """New axes of length 1."""
    given = axis if isinstance(axis, (tuple, list)) else (axis,)
    return b.node("Unsqueeze", x, [a % b.out.ndim for a in given])


@emits(arithmetic.squeeze)
def squeeze(b: Builder, x: Value, axis: Any = None) -> str:
    """Without axes of length 1."""
    axes = [a for a in axes_of("squeeze", axis, x.ndim) if x.shape[a] == 1]
    return b.node("Squeeze", x, axes) if axes else b.node("Identity", x)


@emits(arithmetic.broadcast_to)
def broadcast_to(b: Builder, x: Value, shape: Any) -> str:
    """Repeated along axes of length 1."""
    return b.node("Expand", x, b.shape_value(b.out.shape))


@emits(arithmetic.flip)
def flip(b: Builder, x: Value, axis: Any = None) -> Any:
    """In reversed order."""
    axes = axes_of("flip", axis, x.ndim)
    return b.slices(x, {a: slice(None, None, -1) for a in axes}) if axes else b.node("Identity", x)


@emits(arithmetic.roll)
def roll(b: Builder, x: Value, shift: Any, axis: Any = None) -> Any:
    """The last elements before the first ones, along each axis."""
    axes = axes_of("roll", axis, x.ndim) if axis is not None else (0,)
    shifts = tuple(shift) if isinstance(shift, (tuple, list)) else (shift,)
    out: Any = x if axis is not None else b.node("Reshape", x, [-1])
    for a, by in zip(axes * (len(shifts) if len(axes) == 1 else 1), shifts * (len(axes) if len(shifts) == 1 else 1),
                     strict=True):
        if axis is None:
            n = math.prod(x.lengths("the elements are shifted in C order"))
        else:
            n = x.length(a, "a shift along an axis needs its length")
        if n and by % n:
            last, first = slice(n - by % n, None), slice(0, n - by % n)
            out = b.node("Concat", b.slices(out, {a: last}), b.slices(out, {a: first}), axis=a)
    out = b.reshape(out, b.out.shape) if axis is None else out
    return b.node("Identity", out) if out is x else out


@emits(arithmetic.repeat)
def repeat(b: Builder, x: Value, repeats: Any, axis: int | None = None) -> str:
    """Each element several times: the elements of these indices."""
    flat: Any = x
    if axis is None or not x.ndim:
        n, along = math.prod(x.lengths("the elements are repeated in C order")), 0
        flat = b.node("Reshape", x, [-1])
    else:
        along = axis % x.ndim
        n = x.length(along, "elements are repeated one by one")
    return b.node("Gather", flat, np.repeat(np.arange(n), np.asarray(repeats)), axis=along)


@emits(arithmetic.tile)
def tile(b: Builder, x: Value, reps: Any) -> str:
    """The whole array several times along each axis."""
    counts = [int(n) for n in np.atleast_1d(reps)]
    ndim = max(x.ndim, len(counts))
    wide: Any = x if ndim == x.ndim else b.reshape(x, [*[1] * (ndim - x.ndim), *x.shape])
    return b.node("Tile", wide, [1] * (ndim - len(counts)) + counts)


@emits(arithmetic.concatenate)
def concatenate(b: Builder, arrays: Sequence[Value], axis: int = 0) -> str:
    """The arrays one after the other."""
    return b.node("Concat", *[b.cast(one) for one in arrays], axis=axis % b.out.ndim)


@emits(arithmetic.stack)
def stack(b: Builder, arrays: Sequence[Value], axis: int = 0) -> str:
    """The arrays side by side along a new axis."""
    new = axis % b.out.ndim
    return b.node("Concat", *[b.node("Unsqueeze", b.cast(one), [new]) for one in arrays], axis=new)


@emits(F.pad)
def pad(b: Builder, input: Value, pad: Any, mode: str, value: float | None) -> Any:
    """Elements added at the ends of the last axes, or cut off."""
    given = [(int(pad[i]), int(pad[i + 1])) for i in range(0, len(pad), 2)][::-1]
    return padded(b, input, [(0, 0)] * (input.ndim - len(given)) + given, mode, value or 0.0)


def padded(b: Builder, x: Value, widths: Sequence[tuple[int, int]], mode: str = "constant",
           value: float = 0.0) -> Any:
    """A value with (before, after) elements added along each axis; negative widths cut off."""
    if mode == "circular" and b.opset < WRAP_SINCE or mode != "constant" and any(min(pair) < 0 for pair in widths):
        return _gathered(b, x, widths, mode)
    names = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}
    pads = [before for before, _ in widths] + [after for _, after in widths]
    constant = b.number(value) if mode == "constant" else None
    return b.node("Pad", x, pads, constant, mode=names[mode])


def _gathered(b: Builder, x: Value, widths: Any, mode: str) -> Any:
    """The same by the indices of the elements along each axis."""
    out: Any = x
    for axis, (before, after) in enumerate(widths):
        if before or after:
            n = x.length(axis, f"padding with mode {mode!r} needs the length of the axis")
            kept = np.arange(n)[max(-before, 0):n - max(-after, 0)]
            places = np.arange(-before, n + after)
            if mode == "circular":
                index = kept[(places - kept[0]) % len(kept)] if len(kept) else kept
            elif mode == "replicate":
                index = np.clip(places, 0, n - 1)
            else:
                index = np.abs(places)
                index = np.where(index > n - 1, 2 * (n - 1) - index, index)
            out = b.node("Gather", out, index, axis=axis)
    return b.node("Identity", x) if out is x else out


@emits(F.pixel_shuffle)
def pixel_shuffle(b: Builder, input: Value, upscale_factor: int) -> Any:
    """Channels become pixels."""
    *lead, channels, height, width = _pixels(input)
    r, n = upscale_factor, len(lead)
    return _moved(b, input, [*lead, channels // (r * r), r, r, height, width], [n, n + 3, n + 1, n + 4, n + 2])


@emits(F.pixel_unshuffle)
def pixel_unshuffle(b: Builder, input: Value, downscale_factor: int) -> Any:
    """Pixels become channels."""
    *lead, channels, height, width = _pixels(input)
    r, n = downscale_factor, len(lead)
    return _moved(b, input, [*lead, channels, height // r, r, width // r, r], [n, n + 2, n + 4, n + 1, n + 3])


def _pixels(x: Value) -> list[Any]:
    """The shape of images, whose channels and pixels are known."""
    return [*x.shape[:-3], *x.lengths("channels and pixels must be known", x.ndim - 3)]


def _moved(b: Builder, x: Value, parts: Sequence[int | None], order: Sequence[int]) -> str:
    """The elements in the shape `parts`, with the last axes in another order, in the shape of the result."""
    moved = b.node("Transpose", b.reshape(x, parts), perm=[*range(len(parts) - len(order)), *order])
    return b.reshape(moved, b.out.shape)
