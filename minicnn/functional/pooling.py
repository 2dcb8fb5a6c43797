"""Pooling: the maximum or the mean of windows.

Images have shape (N, C, H, W) or (C, H, W). Each tap of a window is one strided slice of the whole batch. Thus the work
is plain array arithmetic, and the result keeps the memory order of the input.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numpy as np

from ..arithmetic import keep, sum_over
from ..checks import boolean, image_shape, integer, pair
from ..errors import InputError
from ..tensor import Tensor, as_tensor, record

MOST_TAPS = 2**24               # of a window; each is one slice
OutputSize = int | Sequence[int | None] | None          # of an adaptive pool


def max_pool2d(input: Tensor | np.ndarray, kernel_size: int | tuple[int, int],
               stride: int | tuple[int, int] | None = None, padding: int | tuple[int, int] = 0,
               dilation: int | tuple[int, int] = 1, ceil_mode: bool = False, return_indices: bool = False) -> Tensor:
    """The largest element of each window: out[y, x] = max over i, j of input[y sy + i dy - py, x sx + j dx - px].

    Padding counts as -inf. The gradient goes to the first maximum of a window in row-major order, never to the padding.
    The maximum of a window with a NaN is NaN, and the first NaN gets the gradient.

    Parameters
    ----------
    input : Tensor, shape (N, C, H, W) or (C, H, W)
    kernel_size, stride, padding, dilation : int or (int, int)
        The stride is the kernel size by default; padding is at most half the kernel.
    ceil_mode : bool
        Also keep a last window that starts inside the padded image but ends outside.
    return_indices : bool
        Must be False. It has its place in PyTorch's order of arguments.

    Returns
    -------
    Tensor, shape (N, C, OH, OW), OH = floor((H + 2 py - dy (kH - 1) - 1) / sy) + 1, or ceil with `ceil_mode`

    Raises
    ------
    InputError
        The input has another number of axes, or no channel or pixel; the window is larger than the padded image; the
        padding is more than half the kernel; a size is below 1.

    Examples
    --------
    >>> max_pool2d(Tensor([[[1.0, 2.0], [4.0, 3.0]]]), 2)
    Tensor([[[4.]]])
    """
    input = as_tensor(input)
    refuse_indices("max_pool2d", return_indices)
    pool = _windows("max_pool2d", input.data, kernel_size, stride, padding, dilation, ceil_mode)
    padded, input_shape = pool.pad(input.data, -np.inf), input.shape
    out = functools.reduce(np.maximum, (padded[view] for view in pool.slices))
    if len(pool.slices) == 1:
        out = out.copy(order="K")                                       # a window of one pixel: not a view of the input

    def vjp(grad):
        full, nans, unclaimed = np.zeros_like(padded), np.isnan(out).any(), np.ones_like(out, bool)
        inside = None                                                   # needed if -inf could be a pixel or padding
        if padded.shape != input_shape and np.isneginf(out).any():
            inside = pool.pad(np.ones(input_shape, bool), False)
        part = np.empty_like(out)
        part[...] = grad                                                # in the memory order of the image
        for view in pool.slices[:-1]:
            first = padded[view] == out
            if nans:
                first |= np.isnan(padded[view])
            if inside is not None:
                first &= inside[view]
            first &= unclaimed
            unclaimed ^= first
            pool.add(full, view, keep(part, first))
        pool.add(full, pool.slices[-1], keep(part, unclaimed))  # the last tap gets what no other one got
        return (pool.crop(full),)
    return record(out, (input,), vjp)


def avg_pool2d(input: Tensor | np.ndarray, kernel_size: int | tuple[int, int],
               stride: int | tuple[int, int] | None = None, padding: int | tuple[int, int] = 0,
               ceil_mode: bool = False, count_include_pad: bool = True, divisor_override: int | None = None) -> Tensor:
    """The mean of each window. Zeros of the padding count, unless `count_include_pad` is False.

    Parameters, shapes and errors are those of `max_pool2d`. With `divisor_override`, an integer but not 0, the sum of a
    window is divided by this number instead of the number of its pixels. Sums are computed in float64.

    >>> avg_pool2d(Tensor([[[1.0, 2.0], [4.0, 3.0]]]), 2)
    Tensor([[[2.5]]])
    """
    input = as_tensor(input)
    x = input.data
    pool = _windows("avg_pool2d", x, kernel_size, stride, padding, 1, ceil_mode)
    counted = np.ones(pool.declared if boolean("avg_pool2d: count_include_pad", count_include_pad) else x.shape[-2:])
    divisor = check_divisor("avg_pool2d", divisor_override) or pool.total(pool.pad(counted, 0))     # (OH, OW)
    padded = pool.pad(x, 0)
    with np.errstate(over="ignore", invalid="ignore"):
        total = pool.total(padded)
    if x.dtype == np.float64 and not np.isfinite(total).all():          # the sum may overflow, and not the mean
        mean = pool.total(padded / 2.0 ** 25) / divisor * 2.0 ** 25
        out = np.where(np.isfinite(total), total / divisor, mean)
    else:
        out = np.divide(total, divisor, out=np.empty_like(total, x.dtype), casting="same_kind")

    def vjp(grad):
        scaled = (grad / divisor).astype(grad.dtype)
        full = np.zeros(scaled.shape[:-2] + pool.padded, scaled.dtype)
        for view in pool.slices:
            pool.add(full, view, scaled)
        return (pool.crop(full),)
    return record(out, (input,), vjp)


def adaptive_avg_pool2d(input: Tensor | np.ndarray, output_size: OutputSize) -> Tensor:
    """The mean over windows such that the output has `output_size`. Size 1 is global average pooling.

    Window o of O over length L goes from floor(o L / O) to ceil((o + 1) L / O), as in PyTorch. None in place of a size
    keeps the size of the input. An input with another number of axes, or without a channel or pixel, and a size below 1
    raise InputError. Sums are computed in float64.

    >>> adaptive_avg_pool2d(Tensor([[[1.0, 2.0], [4.0, 3.0]]]), 1)
    Tensor([[[2.5]]])
    """
    input = as_tensor(input)
    x = input.data
    windows = _adaptive_windows("adaptive_avg_pool2d", x, output_size)
    shape = x.shape[:-2] + tuple(windows.shape)
    out = np.empty(shape, x.dtype)
    for cell in np.ndindex(*windows.shape):
        part = x[(..., *windows[cell])]
        out[(..., *cell)] = sum_over(part, (part.ndim - 2, part.ndim - 1), count=part.shape[-1] * part.shape[-2])

    def vjp(grad):
        full = np.zeros(x.shape, x.dtype)
        for cell in np.ndindex(*windows.shape):
            part = full[(..., *windows[cell])]
            part += (grad[(..., *cell)] / (part.shape[-1] * part.shape[-2]))[..., None, None]
        return (full,)
    return record(out, (input,), vjp)


def adaptive_max_pool2d(input: Tensor | np.ndarray, output_size: OutputSize, return_indices: bool = False) -> Tensor:
    """The maximum over the windows of `adaptive_avg_pool2d`. Size 1 is global max pooling.

    If several elements are largest, the first one gets the gradient. `return_indices` must be False.

    >>> adaptive_max_pool2d(Tensor([[[1.0, 2.0], [4.0, 3.0]]]), 1)
    Tensor([[[4.]]])
    """
    input = as_tensor(input)
    x = input.data
    refuse_indices("adaptive_max_pool2d", return_indices)
    windows = _adaptive_windows("adaptive_max_pool2d", x, output_size)
    def flat(array, cell):
        part = array[(..., *windows[cell])]
        return part.reshape(*x.shape[:-2], math.prod(part.shape[-2:]))
    out = np.empty(x.shape[:-2] + tuple(windows.shape), x.dtype)
    for cell in np.ndindex(*windows.shape):
        out[(..., *cell)] = flat(x, cell).max(-1)

    def vjp(grad):
        full = np.zeros(x.shape, x.dtype)
        for cell in np.ndindex(*windows.shape):
            values, part = flat(x, cell), full[(..., *windows[cell])]
            first = np.arange(values.shape[-1]) == values.argmax(-1)[..., None]
            part += np.where(first, grad[(..., *cell)][..., None], 0).reshape(part.shape)
        return (full,)
    return record(out, (input,), vjp)


def _windows(name, x, kernel_size, stride, padding, dilation, ceil_mode):
    """The `_Windows` of an array, with checked arguments."""
    image_shape(name, x.shape)
    kernel, dilation = pair(f"{name}: kernel_size", kernel_size, 1), pair(f"{name}: dilation", dilation, 1)
    stride = kernel if stride is None else pair(f"{name}: stride", stride, 1)
    return _Windows(name, x.shape[-2:], kernel, stride, pair(f"{name}: padding", padding, 0), dilation,
                    boolean(f"{name}: ceil_mode", ceil_mode))


@functools.lru_cache(maxsize=1024)
class _Windows:
    """The windows of a pool over the last two axes: each tap of the kernel as one strided slice of the padded image."""

    def __init__(self, name, size, kernel, stride, padding, dilation, ceil_mode):
        (sy, sx), (dy, dx), self.size, self.padding = stride, dilation, size, padding
        check_padding(name, kernel, padding)
        span = dy * (kernel[0] - 1) + 1, dx * (kernel[1] - 1) + 1
        self.declared = tuple(n + 2 * p for n, p in zip(self.size, self.padding, strict=True))
        if any(s > n for s, n in zip(span, self.declared, strict=True)):
            raise InputError(f"{name}: the window spans {span} pixels but the padded image has only {self.declared}")
        if kernel[0] * kernel[1] > MOST_TAPS:
            raise InputError(f"{name}: a window of {kernel[0]} x {kernel[1]} pixels has more than {MOST_TAPS} taps: "
                             "use a smaller kernel")
        oh, ow = (_length(*a, ceil_mode) for a in zip(self.declared, span, stride, padding, size, strict=True))
        self.padded = tuple(max(n, (o - 1) * s + w) for n, o, s, w in zip(self.declared, (oh, ow), stride, span,
                                                                         strict=True))
        self.disjoint = sy >= span[0] and sx >= span[1]
        rows = [slice(i * dy, i * dy + (oh - 1) * sy + 1, sy) for i in range(kernel[0])]
        columns = [slice(j * dx, j * dx + (ow - 1) * sx + 1, sx) for j in range(kernel[1])]
        self.slices = [(..., row, column) for row in rows for column in columns]

    def pad(self, image, value):
        """Add the padding at the top and left; at the bottom and right, pad to the end of the last window."""
        if self.padded == image.shape[-2:]:
            return image
        top, left = (self.padding if image.shape[-2:] == self.size else (0, 0))
        bottom, right = (n - m - p for n, m, p in zip(self.padded, image.shape[-2:], (top, left), strict=True))
        widths = [(0, 0)] * (image.ndim - 2) + [(top, bottom), (left, right)]
        return np.pad(image, widths, constant_values=value)

    def total(self, padded):
        """The sum of each window, in float64."""
        total = padded[self.slices[0]].astype(np.float64)
        for view in self.slices[1:]:
            total += padded[view]
        return total

    def add(self, full, view, part):
        """full[view] += part, where `full` began as zeros and gets each view once."""
        if self.disjoint:
            full[view] = part
        else:
            full[view] += part

    def crop(self, padded):
        (top, left), (height, width) = self.padding, self.size
        return padded[..., top:top + height, left:left + width]


def _length(padded, span, stride, padding, size, ceil_mode):
    length = (padded - span) // stride + 1
    extra = ceil_mode and (padded - span) % stride and length * stride < size + padding
    return length + bool(extra)


def refuse_indices(name: str, return_indices: bool) -> None:
    """Raise InputError if a max pool is to return indices, as PyTorch's can."""
    if boolean(f"{name}: return_indices", return_indices):
        raise InputError(f"{name}: return_indices=True is not possible: the indices of the maxima are not computed "
                         "(ceil_mode is another argument)")


def check_divisor(name: str, divisor: int | None) -> int | None:
    """Return the `divisor_override` of an average pool. It must be an integer but not 0, or None."""
    if divisor is not None and (divisor := integer(f"{name}: divisor_override", divisor)) == 0:
        raise InputError(f"{name}: divisor_override must not be 0: every sum is divided by it")
    return divisor


def check_padding(name: str, kernel: tuple[int, int], padding: tuple[int, int]) -> None:
    """Raise InputError if the padding of a pool is more than half of its kernel: a window could see nothing else."""
    if any(2 * p > k for p, k in zip(padding, kernel, strict=True)):
        raise InputError(f"{name}: padding {padding} must be at most half the kernel {kernel}")


def adaptive_size(name: str, output_size: OutputSize, size: tuple[int, int]) -> tuple[int, int]:
    """The output size of an adaptive pool for images of `size`. None stands for the size of the image.

    >>> adaptive_size("pool", (None, 3), (5, 6))
    (5, 3)
    """
    both = tuple(output_size) if isinstance(output_size, (tuple, list)) else (output_size, output_size)
    if len(both) == 2 and any(n is None for n in both):
        both = size[0] if both[0] is None else both[0], size[1] if both[1] is None else both[1]
        output_size = both
    return pair(f"{name}: output_size", output_size, 1)


def _adaptive_windows(name, x, output_size):
    """An object array (O_y, O_x) of (row slice, column slice)."""
    image_shape(name, x.shape)
    size = adaptive_size(name, output_size, x.shape[-2:])
    rows, columns = ([slice(o * n // count, -(-(o + 1) * n // count)) for o in range(count)]
                     for n, count in zip(x.shape[-2:], size, strict=True))
    windows = np.empty(size, object)
    for cell in np.ndindex(*size):
        windows[cell] = rows[cell[0]], columns[cell[1]]
    return windows
