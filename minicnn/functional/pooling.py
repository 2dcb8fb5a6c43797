"""Pooling: the maximum, the mean or a binomial blur of windows.

Images have shape (N, C, H, W) or (C, H, W). Each tap of a window is one strided slice of the whole batch. Thus the work
is plain array arithmetic, and the result keeps the memory order of the input.
"""

from __future__ import annotations

import functools
from math import comb

import numpy as np

from ..checks import pair
from ..errors import InputError
from ..tensor import Tensor, as_tensor, record


def max_pool2d(input: Tensor | np.ndarray, kernel_size: int | tuple[int, int],
               stride: int | tuple[int, int] | None = None, padding: int | tuple[int, int] = 0,
               dilation: int | tuple[int, int] = 1, ceil_mode: bool = False) -> Tensor:
    """The largest element of each window: out[y, x] = max over i, j of input[y sy + i dy - py, x sx + j dx - px].

    Padding counts as -inf. The gradient goes to the first maximum of a window in row-major order. The maximum of a
    window with a NaN is NaN.

    Parameters
    ----------
    input : Tensor, shape (N, C, H, W) or (C, H, W)
    kernel_size, stride, padding, dilation : int or (int, int)
        The stride is the kernel size by default; padding is at most half the kernel.
    ceil_mode : bool
        Also keep a last window that starts inside the padded image but ends outside.

    Returns
    -------
    Tensor, shape (N, C, OH, OW), OH = floor((H + 2 py - dy (kH - 1) - 1) / sy) + 1, or ceil with `ceil_mode`

    Raises
    ------
    InputError
        The input has another number of axes, the window is larger than the padded image, the padding is more than half
        the kernel, or a size is below 1.

    Examples
    --------
    >>> max_pool2d(Tensor([[[1.0, 2.0], [4.0, 3.0]]]), 2)
    Tensor([[[4.]]])
    """
    input = as_tensor(input)
    pool = _windows("max_pool2d", input.data, kernel_size, stride, padding, dilation, ceil_mode)
    padded = pool.pad(input.data, -np.inf)
    out = functools.reduce(np.maximum, (padded[view] for view in pool.slices))
    if len(pool.slices) == 1:
        out = out.copy(order="K")                                       # a window of one pixel: not a view of the input

    def vjp(grad):
        full, nans, unclaimed = np.zeros_like(padded), np.isnan(out).any(), np.ones_like(out, bool)
        part = np.empty_like(out)
        part[...] = grad                                                # in the memory order of the image
        for view in pool.slices[:-1]:
            first = padded[view] == out
            if nans:
                first |= np.isnan(padded[view])
            first &= unclaimed
            unclaimed ^= first
            pool.add(full, view, np.where(first, part, 0))
        pool.add(full, pool.slices[-1], np.where(unclaimed, part, 0))   # the last tap gets what no other one got
        return (pool.crop(full),)
    return record(out, (input,), vjp)


def avg_pool2d(input: Tensor | np.ndarray, kernel_size: int | tuple[int, int],
               stride: int | tuple[int, int] | None = None, padding: int | tuple[int, int] = 0,
               ceil_mode: bool = False, count_include_pad: bool = True, divisor_override: int | None = None) -> Tensor:
    """The mean of each window. Zeros of the padding count, unless `count_include_pad` is False.

    Parameters, shapes and errors are those of `max_pool2d`. With `divisor_override` the sum of a window is divided by
    this number instead of the number of its pixels.

    >>> avg_pool2d(Tensor([[[1.0, 2.0], [4.0, 3.0]]]), 2)
    Tensor([[[2.5]]])
    """
    input = as_tensor(input)
    x = input.data
    pool = _windows("avg_pool2d", x, kernel_size, stride, padding, 1, ceil_mode)
    total = lambda image: sum(image[view] for view in pool.slices)
    counted = np.ones(x.shape[-2:], x.dtype) if not count_include_pad else np.ones(pool.declared, x.dtype)
    inverse = 1 / total(pool.pad(counted, 0)) if divisor_override is None else x.dtype.type(1 / divisor_override)
    out = total(pool.pad(x, 0)) * inverse

    def vjp(grad):
        scaled = grad * inverse
        full = np.zeros(scaled.shape[:-2] + pool.padded, scaled.dtype)
        for view in pool.slices:
            pool.add(full, view, scaled)
        return (pool.crop(full),)
    return record(out, (input,), vjp)


def adaptive_avg_pool2d(input: Tensor | np.ndarray, output_size: int | tuple[int, int]) -> Tensor:
    """The mean over windows such that the output has `output_size`. Size 1 is global average pooling.

    Window o of O over length L goes from floor(o L / O) to ceil((o + 1) L / O), as in PyTorch. An input with another
    number of axes and a size below 1 raise InputError.

    >>> adaptive_avg_pool2d(Tensor([[[1.0, 2.0], [4.0, 3.0]]]), 1)
    Tensor([[[2.5]]])
    """
    input = as_tensor(input)
    x = input.data
    windows = _adaptive_windows(x, output_size)
    shape = x.shape[:-2] + tuple(windows.shape)
    out = np.empty(shape, x.dtype)
    for cell in np.ndindex(*windows.shape):
        out[(..., *cell)] = x[(..., *windows[cell])].mean((-2, -1))

    def vjp(grad):
        full = np.zeros(x.shape, x.dtype)
        for cell in np.ndindex(*windows.shape):
            part = full[(..., *windows[cell])]
            part += (grad[(..., *cell)] / (part.shape[-1] * part.shape[-2]))[..., None, None]
        return (full,)
    return record(out, (input,), vjp)


def adaptive_max_pool2d(input: Tensor | np.ndarray, output_size: int | tuple[int, int]) -> Tensor:
    """The maximum over the windows of `adaptive_avg_pool2d`. Size 1 is global max pooling.

    If several elements are largest, the first one gets the gradient.

    >>> adaptive_max_pool2d(Tensor([[[1.0, 2.0], [4.0, 3.0]]]), 1)
    Tensor([[[4.]]])
    """
    input = as_tensor(input)
    x = input.data
    windows = _adaptive_windows(x, output_size)
    flat = lambda array, cell: array[(..., *windows[cell])].reshape(*x.shape[:-2], -1)
    out = np.empty(x.shape[:-2] + tuple(windows.shape), x.dtype)
    for cell in np.ndindex(*windows.shape):
        out[(..., *cell)] = flat(x, cell).max(-1)

    def vjp(grad):
        full = np.zeros(x.shape, x.dtype)
        for cell in np.ndindex(*windows.shape):
            values, part = flat(x, cell), full[(..., *windows[cell])]
            first = np.arange(values.shape[-1]) == values.argmax(-1)[..., None]
            part += (first * grad[(..., *cell)][..., None]).reshape(part.shape)
        return (full,)
    return record(out, (input,), vjp)


def blur_pool2d(input: Tensor | np.ndarray, kernel_size: int | tuple[int, int] = 4,
                stride: int | tuple[int, int] = 2) -> Tensor:
    """Each channel is blurred with a binomial kernel; every stride-th pixel of the result is kept.

        out[y, x] = sum over i, j of a[i] a[j] x[stride y + i - p, stride x + j - p],   p = (k - 1) // 2

    The k taps are a[i] = C(k - 1, i) / 2^(k - 1): the numbers 1; 1 1; 1 2 1; 1 3 3 1; 1 4 6 4 1; ... divided by their
    sum. The image is reflected at its edge: ... x[2] x[1] | x[0] x[1] x[2] ... p pixels are added at the top and left,
    k // 2 at the bottom and right. The output has ceil(H / stride) rows.

    Parameters
    ----------
    input : Tensor, shape (N, C, H, W) or (C, H, W)
    kernel_size : int or (int, int)
        Taps down and across. Even sizes move the image by half a pixel, as an even max-pool does.
    stride : int or (int, int)

    Returns
    -------
    Tensor, shape (N, C, ceil(H / stride), ceil(W / stride)), dtype of the input

    Raises
    ------
    InputError
        The input has another number of axes; a size or stride is below 1; the image has at most k // 2 pixels in a
        direction, too few to reflect.

    References
    ----------
    Zhang 2019, "Making Convolutional Networks Shift-Invariant Again", section 3.3.

    Examples
    --------
    >>> blur_pool2d(Tensor([[[0.0, 0.0, 4.0, 0.0]]]), (1, 3))
    Tensor([[[0., 2.]]])
    >>> blur_pool2d(Tensor(np.ones((1, 7, 6)))).shape
    (1, 4, 3)
    """
    input = as_tensor(input)
    x = input.data
    if x.ndim not in (3, 4):
        raise InputError(f"blur_pool2d: the input must have shape (N, C, H, W) or (C, H, W), not {x.shape}")
    (ky, kx), (sy, sx) = pair("blur_pool2d: kernel_size", kernel_size, 1), pair("blur_pool2d: stride", stride, 1)
    height, width = x.shape[-2:]
    if ky // 2 >= height or kx // 2 >= width:
        raise InputError(f"blur_pool2d: a kernel of {ky} x {kx} reflects {ky // 2} rows and {kx // 2} columns, but the "
                         f"image has only {height} x {width}: use a larger image or a smaller kernel")
    down = _blur(x.swapaxes(-1, -2), ky, sy).swapaxes(-1, -2)               # (N, C, ceil(H / sy), W)
    out = _blur(down, kx, sx)

    def vjp(grad):                  # the adjoints of the two directions, in reverse order
        across = _blur_adjoint(grad, kx, sx, width)
        return (_blur_adjoint(across.swapaxes(-1, -2), ky, sy, height).swapaxes(-1, -2),)
    return record(out, (input,), vjp)


def _windows(name, x, kernel_size, stride, padding, dilation, ceil_mode):
    """The `_Windows` of an array, with checked arguments."""
    if x.ndim not in (3, 4):
        raise InputError(f"{name}: the input must have shape (N, C, H, W) or (C, H, W), not {x.shape}")
    kernel, dilation = pair(f"{name}: kernel_size", kernel_size, 1), pair(f"{name}: dilation", dilation, 1)
    stride = kernel if stride is None else pair(f"{name}: stride", stride, 1)
    return _Windows(name, x.shape[-2:], kernel, stride, pair(f"{name}: padding", padding, 0), dilation, bool(ceil_mode))


@functools.lru_cache(maxsize=1024)
class _Windows:
    """The windows of a pool over the last two axes: each tap of the kernel as one strided slice of the padded image."""

    def __init__(self, name, size, kernel, stride, padding, dilation, ceil_mode):
        (sy, sx), (dy, dx), self.size, self.padding = stride, dilation, size, padding
        if any(2 * p > k for p, k in zip(self.padding, kernel, strict=True)):
            raise InputError(f"{name}: padding {self.padding} must be at most half the kernel {kernel}")
        span = dy * (kernel[0] - 1) + 1, dx * (kernel[1] - 1) + 1
        self.declared = tuple(n + 2 * p for n, p in zip(self.size, self.padding, strict=True))
        if any(s > n for s, n in zip(span, self.declared, strict=True)):
            raise InputError(f"{name}: the window spans {span} pixels but the padded image has only {self.declared}")
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


def _adaptive_windows(x, output_size):
    """An object array (O_y, O_x) of (row slice, column slice)."""
    if x.ndim not in (3, 4):
        raise InputError(f"adaptive pooling: the input must have shape (N, C, H, W) or (C, H, W), not {x.shape}")
    size = pair("adaptive pooling: output_size", output_size, 1)
    rows, columns = ([slice(o * n // count, -(-(o + 1) * n // count)) for o in range(count)]
                     for n, count in zip(x.shape[-2:], size, strict=True))
    windows = np.empty(size, object)
    for cell in np.ndindex(*size):
        windows[cell] = rows[cell[0]], columns[cell[1]]
    return windows


def _taps(k):
    """The binomial coefficients divided by their sum. They are exact in floats, and their sum is 1."""
    return [comb(k - 1, i) / 2 ** (k - 1) for i in range(k)]


def _blur(x, k, stride):
    """Along the last axis, n -> ceil(n / stride): reflect at the edges, blur, keep every stride-th pixel."""
    before, n = (k - 1) // 2, x.shape[-1]
    after = k // 2
    padded = np.concatenate([x[..., 1:before + 1][..., ::-1], x, x[..., ::-1][..., 1:after + 1]], -1)
    return sum(tap * padded[..., i:i + n:stride] for i, tap in enumerate(_taps(k)))


def _blur_adjoint(grad, k, stride, n):
    """Along the last axis, ceil(n / stride) -> n: add the part of each tap, then add the margins to the edges."""
    before, after = (k - 1) // 2, k // 2
    full = np.zeros_like(grad, shape=(*grad.shape[:-1], n + k - 1))
    for i, tap in enumerate(_taps(k)):
        full[..., i:i + n:stride] += tap * grad
    inside = full[..., before:before + n]
    inside[..., 1:before + 1] += full[..., :before][..., ::-1]
    inside[..., n - 1 - after:n - 1] += full[..., before + n:][..., ::-1]
    return inside
