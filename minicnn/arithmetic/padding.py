"""Padding and cropping of arrays, and the adjoint."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np

from ..errors import InputError
from .reductions import sum_over

MODES = ("constant", "reflect", "replicate", "circular")
MOST = 1 << 40                  # numbers of a result

Widths = Sequence[tuple[int, int]]


def pad(x: np.ndarray, widths: Widths, mode: str = "constant", value: float = 0.0) -> np.ndarray:
    """A copy of x with `widths[a]` = (before, after) elements added along axis a; negative widths cut elements off.

    The memory order is that of x. `check_widths` checks the arguments.

    >>> pad(np.array([1, 2, 3]), [(2, -1)], "reflect")
    array([3, 2, 1, 2])
    """
    out: np.ndarray = np.empty_like(x, shape=padded_shape(x.shape, widths))
    if mode == "constant" and any(width > 0 for both in widths for width in both):
        out[...] = value
    for there, here in _pieces(x.shape, widths, mode):
        out[there] = x[here]
    return out


def unpad(grad: np.ndarray, shape: tuple[int, ...], widths: Widths, mode: str = "constant") -> np.ndarray:
    """The adjoint of `pad` for an array of `shape`: what `pad` copied is added to the element that it was copied from.

    >>> unpad(np.array([1.0, 2.0, 3.0, 4.0]), (3,), [(2, -1)], "reflect")
    array([3., 6., 1.])
    """
    out: np.ndarray = np.zeros_like(grad, shape=shape)
    for there, here in _pieces(shape, widths, mode):
        target, part = out[here], grad[there]
        repeated = tuple(a for a, (n, m) in enumerate(zip(target.shape, part.shape, strict=True)) if n != m)
        target += sum_over(part, repeated, keepdims=True) if repeated else part
    return out


def padded_shape(shape: tuple[int, ...], widths: Widths) -> tuple[int, ...]:
    """The shape of the result of `pad`."""
    return tuple(n + before + after for n, (before, after) in zip(shape, widths, strict=True))


def check_widths(name: str, shape: tuple[int, ...], widths: Widths, mode: str = "constant") -> None:
    """Raise InputError if an array of `shape` cannot be padded so.

    >>> check_widths("pad", (3,), [(3, 0)], "reflect")
    Traceback (most recent call last):
        ...
    minicnn.InputError: pad: mode 'reflect' adds at most 2 elements at each end of an axis of 3, not (3, 0)
    """
    out = padded_shape(shape, widths)
    if min(out, default=0) < 0:
        raise InputError(f"{name}: widths {tuple(widths)} cut off more than there is in the shape {shape}")
    if math.prod(out) > MOST:
        raise InputError(f"{name}: the result would have the shape {out}, which is too many numbers: pad less")
    for n, (before, after) in zip(shape, widths, strict=True):
        kept = max(n + min(before, 0) + min(after, 0), 0)
        most = {"constant": math.inf, "replicate": math.inf if n else 0, "reflect": n - 1, "circular": kept}[mode]
        if max(before, after) > max(most, 0):
            raise InputError(f"{name}: mode {mode!r} adds at most {max(most, 0)} elements at each end of an axis of "
                             f"{kept if mode == 'circular' else n}, not {before, after}")


def _pieces(shape, widths, mode) -> Iterator[tuple[tuple, tuple]]:
    """(place in the padded array, place in the array) of every part that `pad` copies; both are tuples of slices."""
    axes = [_spans(n, before, after, mode) for n, (before, after) in zip(shape, widths, strict=True)]
    for parts in itertools.product(*axes):
        yield tuple(there for there, _ in parts), tuple(here for _, here in parts)


def _spans(n, before, after, mode):
    """The parts along one axis of n elements. Element p of the axis has the place p + before in the padded one."""
    if before == after == 0:
        return [(slice(None), slice(None))]
    low, high, end = max(0, -before), min(n, n + after), n + after              # low .. high stay
    ranges = [(low, high, slice(low, high))]
    if mode != "constant":
        a, b = -before, min(0, end)                                             # a .. b lie before the first element
        ranges.append((a, b, {"reflect": slice(-a, -b, -1), "replicate": slice(0, 1),
                              "circular": slice(a + high - low, b + high - low)}[mode]))
        a, b = max(n, -before), end                                             # and these after the last one
        last = 2 * n - 2 - b
        ranges.append((a, b, {"reflect": slice(2 * n - 2 - a, None if last < 0 else last, -1),
                              "replicate": slice(n - 1, n), "circular": slice(a - high + low, b - high + low)}[mode]))
    return [(slice(start + before, stop + before), here) for start, stop, here in ranges if start < stop]
