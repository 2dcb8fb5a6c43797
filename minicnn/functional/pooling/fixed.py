"""Pools with a given window: the maximum or the mean."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np

from ...arithmetic import keep
from ...checks import boolean
from ...tensor import Tensor, as_tensor, record
from .windows import Windows, check_divisor, windows_of

Padding = int | tuple[int, int] | tuple[tuple[int, int], tuple[int, int]]


def max_pool2d(input: Tensor | np.ndarray, kernel_size: int | tuple[int, int],
               stride: int | tuple[int, int] | None = None, padding: Padding = 0,
               dilation: int | tuple[int, int] = 1, ceil_mode: bool = False, return_indices: bool = False) -> Any:
    """The largest element of each window: out[y, x] = max over i, j of input[y sy + i dy - py, x sx + j dx - px].

    Padding counts as -inf. The gradient goes to the first maximum of a window in row-major order, never to the padding.
    The maximum of a window with a NaN is NaN, and the first NaN gets the gradient.

    Parameters
    ----------
    input : Tensor, shape (N, C, H, W) or (C, H, W)
    kernel_size, stride, dilation : int or (int, int)
        The stride is the kernel size by default.
    padding : int, (int, int) or ((top, bottom), (left, right))
        At most half the kernel. In the last form each number is less than the span of the window, dy (kH - 1) + 1.
    ceil_mode : bool
        Also keep a last window that starts inside the padded image but ends outside. It may be the only one.
    return_indices : bool
        Also return where the maxima are, as `max_unpool2d` takes it.

    Returns
    -------
    Tensor, shape (N, C, OH, OW), OH = floor((H + 2 py - dy (kH - 1) - 1) / sy) + 1, or ceil with `ceil_mode`
    indices : ndarray of int64 with the same shape, if `return_indices`
        y W + x of the first maximum, in the image without padding. It is clipped to the image if a dilated window
        meets nothing but padding.

    Raises
    ------
    InputError
        The input has another number of axes, or no channel or pixel; the window is larger than the padded image; the
        padding is too large; a size is below 1.

    Examples
    --------
    >>> max_pool2d(Tensor([[[1.0, 2.0], [4.0, 3.0]]]), 2)
    Tensor([[[4.]]])
    >>> max_pool2d(Tensor([[[1.0, 2.0], [4.0, 3.0]]]), 2, return_indices=True)[1]
    array([[[2]]])
    """
    return max_pooled("max_pool2d", as_tensor(input), kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pooled(name: str, input: Tensor, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool,
               return_indices: bool) -> Any:
    """`max_pool2d` under the name of the operation that calls it."""
    pool = windows_of(name, input.data, kernel_size, stride, padding, dilation, ceil_mode)
    padded, input_shape = pool.pad(input.data, -np.inf), input.shape
    out = functools.reduce(np.maximum, (padded[view] for view in pool.slices))
    if len(pool.slices) == 1:
        out = out.copy(order="K")                                       # a window of one pixel: not a view of the input

    def vjp(grad):
        full, part = np.zeros_like(padded, dtype=pool.sums(grad.dtype)), np.empty_like(out)
        part[...] = grad                                                # in the memory order of the image
        for view, first in _first_maxima(pool, padded, out, input_shape):
            pool.add(full, view, keep(part, first))
        return (pool.crop(full, grad.dtype),)
    pooled = record(out, (input,), vjp, name)
    if not boolean(f"{name}: return_indices", return_indices):
        return pooled
    indices = np.zeros(out.shape, np.int64)
    for view, first in _first_maxima(pool, padded, out, input_shape):
        np.copyto(indices, pool.pixels(view), where=first)
    return pooled, indices


def _first_maxima(pool: Windows, padded: np.ndarray, out: np.ndarray,
                  input_shape: tuple[int, ...]) -> Iterator[tuple[tuple, np.ndarray]]:
    """(slice, mask) of each tap: the windows whose first maximum it is. The last tap gets what no other one got."""
    nans, unclaimed, inside = np.isnan(out).any(), np.ones_like(out, bool), None
    if padded.shape != input_shape and np.isneginf(out).any():          # -inf could be a pixel or padding
        inside = pool.pad(np.ones(input_shape, bool), False)
    for view in pool.slices[:-1]:
        first = padded[view] == out
        if nans:
            first |= np.isnan(padded[view])
        if inside is not None:
            first &= inside[view]
        first &= unclaimed
        unclaimed ^= first
        yield view, first
    yield pool.slices[-1], unclaimed


def avg_pool2d(input: Tensor | np.ndarray, kernel_size: int | tuple[int, int],
               stride: int | tuple[int, int] | None = None, padding: Padding = 0, ceil_mode: bool = False,
               count_include_pad: bool = True, divisor_override: int | None = None, *,
               dilation: int | tuple[int, int] = 1) -> Tensor:
    """The mean of each window. Zeros of the padding count, unless `count_include_pad` is False.

    Parameters, shapes and errors are those of `max_pool2d`. With `divisor_override`, an integer but not 0, the sum of a
    window is divided by this number instead of the number of its pixels. Sums are computed in float64. The mean of a
    dilated window that meets nothing but padding that does not count is NaN.

    >>> avg_pool2d(Tensor([[[1.0, 2.0], [4.0, 3.0]]]), 2)
    Tensor([[[2.5]]])
    """
    return avg_pooled("avg_pool2d", as_tensor(input), kernel_size, stride, padding, ceil_mode, count_include_pad,
                      divisor_override, dilation)


def avg_pooled(name: str, input: Tensor, kernel_size: Any, stride: Any, padding: Any, ceil_mode: bool,
               count_include_pad: bool, divisor_override: int | None = None, dilation: Any = 1) -> Tensor:
    """`avg_pool2d` under the name of the operation that calls it."""
    x = input.data
    pool = windows_of(name, x, kernel_size, stride, padding, dilation, ceil_mode)
    counted = np.ones(pool.declared if boolean(f"{name}: count_include_pad", count_include_pad) else x.shape[-2:])
    divisor = check_divisor(name, divisor_override) or pool.total(pool.pad(counted, 0))     # (OH, OW)
    padded = pool.pad(x, 0)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        total = pool.total(padded)
        if x.dtype == np.float64 and not np.isfinite(total).all():      # the sum may overflow, and not the mean
            mean = pool.total(padded / 2.0 ** 25) / divisor * 2.0 ** 25
            out = np.where(np.isfinite(total), total / divisor, mean)
        else:
            out = np.divide(total, divisor, out=np.empty_like(total, x.dtype), casting="same_kind")

    def vjp(grad):
        scaled = grad / divisor         # NaN in windows without a pixel
        full = np.zeros(scaled.shape[:-2] + pool.padded, pool.sums(grad.dtype))
        for view in pool.slices:
            pool.add(full, view, scaled)
        return (pool.crop(full, grad.dtype),)
    return record(out, (input,), vjp, name)
