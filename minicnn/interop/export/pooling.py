"""Pools of images and signals."""

from __future__ import annotations

import math
from math import comb
from typing import Any

import numpy as np

from ... import functional as F
from ...checks import along, padding_along, pair
from ...functional.pooling.adaptive import adaptive_size
from ...functional.pooling.windows import Windows, pool_padding
from .builder import Builder, Value
from .convolution import batched, pads_of, unbatched
from .registry import emits
from .shapes import padded


class _Pool:
    """The windows of a pool: per spatial axis the kernel, the steps and the padding up to the last window."""

    def __init__(self, b: Builder, axes: int, input: Value, kernel: Any, stride: Any, padding: Any, dilation: Any,
                 ceil_mode: bool) -> None:
        self.image, self.single = batched(b, input, axes)
        size = self.image.size()
        read: Any = pair if axes == 2 else along
        kernels, dilations = read("kernel_size", kernel, 1), read("dilation", dilation, 1)
        strides = kernels if stride is None else read("stride", stride, 1)
        sides = pool_padding("padding", padding if axes == 2 else padding_along("padding", padding), kernels, dilations)
        windows = Windows("pool", size, kernels, strides, sides, dilations, ceil_mode)
        self.windows, self.axes = windows, axes
        self.kernel, self.strides, self.dilations = (list(v[-axes:]) for v in (kernels, strides, dilations))
        self.declared = [tuple(p) for p in sides][-axes:]
        self.padding = [(first, n - m - first) for (first, _), n, m in zip(sides, windows.padded, size, strict=True)
                        ][-axes:]

    def reaches_beyond(self) -> bool:
        """Whether windows reach beyond the declared padding, or rows are left over that a node must not see."""
        return self.padding != self.declared


@emits(F.max_pool2d)
def max_pool2d(b: Builder, input: Value, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool,
               return_indices: bool) -> Any:
    """The largest element of each window."""
    return _max_pool(b, _Pool(b, 2, input, kernel_size, stride, padding, dilation, ceil_mode))


@emits(F.max_pool1d)
def max_pool1d(b: Builder, input: Value, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool,
               return_indices: bool) -> Any:
    """Of signals."""
    return _max_pool(b, _Pool(b, 1, input, kernel_size, stride, padding, dilation, ceil_mode))


def _max_pool(b, pool):
    x, pads = pool.image, pool.padding
    seen = pool.windows.total(pool.windows.pad(np.ones(pool.windows.size), 0))
    # A node may add less than the kernel, and need not give -inf where a window sees padding only.
    if (seen == 0).any() or any(max(p) >= k for p, k in zip(pads, pool.kernel, strict=True)):
        x, pads = padded(b, x, [(0, 0), (0, 0), *pads], value=-math.inf), [(0, 0)] * pool.axes
    out = b.node("MaxPool", x, kernel_shape=pool.kernel, strides=pool.strides, dilations=pool.dilations,
                 pads=pads_of(pads))
    return unbatched(b, out, pool.single)


@emits(F.avg_pool2d)
def avg_pool2d(b: Builder, input: Value, kernel_size: Any, stride: Any, padding: Any, ceil_mode: bool,
               count_include_pad: bool, divisor_override: int | None, dilation: Any) -> Any:
    """The mean of each window."""
    return _avg_pool(b, _Pool(b, 2, input, kernel_size, stride, padding, dilation, ceil_mode), count_include_pad,
                     divisor_override)


@emits(F.avg_pool1d)
def avg_pool1d(b: Builder, input: Value, kernel_size: Any, stride: Any, padding: Any, ceil_mode: bool,
               count_include_pad: bool) -> Any:
    """Of signals."""
    return _avg_pool(b, _Pool(b, 1, input, kernel_size, stride, padding, 1, ceil_mode), count_include_pad, None)


def _avg_pool(b, pool, count_include_pad, divisor_override):
    plain = (not pool.reaches_beyond() and divisor_override is None and set(pool.dilations) == {1}
             and all(max(p) < k for p, k in zip(pool.padding, pool.kernel, strict=True)))
    if plain:
        out = b.node("AveragePool", pool.image, kernel_shape=pool.kernel, strides=pool.strides,
                     pads=pads_of(pool.padding), count_include_pad=int(count_include_pad))
        return unbatched(b, out, pool.single)
    windows, taps = pool.windows, math.prod(pool.kernel)
    counted = np.ones(windows.declared if count_include_pad else windows.size)
    divisors = windows.total(windows.pad(counted, 0)) if divisor_override is None else np.full(
        windows.shape, divisor_override)
    x = padded(b, pool.image, [(0, 0), (0, 0), *pool.padding]) if any(map(any, pool.padding)) else pool.image
    out = _means(b, pool, x)
    if (divisors != taps).any():
        factors = (taps / divisors).astype(b.out.dtype)
        out = b.node("Mul", out, factors if pool.axes == 2 else factors[0])
    return unbatched(b, out, pool.single)


def _means(b, pool, x):
    """The mean of each window of a padded image. A dilated one is a convolution: AveragePool has no dilation before
    opset 19."""
    if set(pool.dilations) == {1}:
        return b.node("AveragePool", x, kernel_shape=pool.kernel, strides=pool.strides)
    channels = pool.image.length(1, "channels")
    weight = np.full((channels, 1, *pool.kernel), 1 / math.prod(pool.kernel), b.out.dtype)
    return b.node("Conv", x, weight, kernel_shape=pool.kernel, strides=pool.strides, dilations=pool.dilations,
                  group=channels)


@emits(F.blur_pool2d)
def blur_pool2d(b: Builder, input: Value, kernel_size: Any, stride: Any) -> Any:
    """A convolution of each channel with a binomial kernel, after reflecting padding."""
    image, single = batched(b, input, 2)
    kernel, channels = pair("kernel_size", kernel_size, 1), image.length(1, "channels")
    rows, columns = ([comb(k - 1, i) / 2 ** (k - 1) for i in range(k)] for k in kernel)
    both = [((k - 1) // 2, k // 2) for k in kernel]
    x = padded(b, image, [(0, 0), (0, 0), *both], "reflect") if any(map(any, both)) else image
    weight = np.broadcast_to(np.outer(rows, columns), (channels, 1, *kernel)).astype(b.out.dtype)
    out = b.node("Conv", x, weight, kernel_shape=list(kernel), strides=list(pair("stride", stride, 1)), group=channels)
    return unbatched(b, out, single)


def _cells(n: int, count: int) -> list[slice]:
    """The part of n pixels for each of `count` outputs."""
    return [slice(o * n // count, -(-(o + 1) * n // count)) for o in range(count)]


@emits(F.adaptive_avg_pool2d)
def adaptive_avg_pool2d(b: Builder, input: Value, output_size: Any) -> Any:
    """The mean over windows with a given number: one, windows of one size, or a product with a matrix on each side."""
    image, single = batched(b, input, 2)
    return unbatched(b, _adaptive_mean(b, image, output_size), single)


def _adaptive_mean(b, image, output_size):
    size = image.size()
    out = adaptive_size("adaptive_avg_pool2d", output_size, size)
    if out == (1, 1):
        return b.node("GlobalAveragePool", image)
    if not any(n % o for n, o in zip(size, out, strict=True)):
        steps = [n // o for n, o in zip(size, out, strict=True)]
        return b.node("AveragePool", image, kernel_shape=steps, strides=steps)
    rows, columns = (_mean_matrix(n, o, b.out.dtype) for n, o in zip(size, out, strict=True))
    return b.node("MatMul", b.node("MatMul", rows, image), columns.T)


def _mean_matrix(n, count, dtype):
    matrix = np.zeros((count, n), dtype)
    for row, part in zip(matrix, _cells(n, count), strict=True):
        row[part] = 1 / (part.stop - part.start)
    return matrix


@emits(F.adaptive_max_pool2d)
def adaptive_max_pool2d(b: Builder, input: Value, output_size: Any, return_indices: bool) -> Any:
    """The maximum over the same windows, along one axis after the other."""
    image, single = batched(b, input, 2)
    size = image.size()
    out = adaptive_size("adaptive_max_pool2d", output_size, size)
    if out == (1, 1):
        return unbatched(b, b.node("GlobalMaxPool", image), single)
    if not any(n % o for n, o in zip(size, out, strict=True)):
        steps = [n // o for n, o in zip(size, out, strict=True)]
        return unbatched(b, b.node("MaxPool", image, kernel_shape=steps, strides=steps), single)
    found: Any = image
    for axis, n, count in zip((2, 3), size, out, strict=True):
        parts = [b.reduce("ReduceMax", b.slices(found, {axis: part}), [axis], True) for part in _cells(n, count)]
        found = b.node("Concat", *parts, axis=axis)
    return unbatched(b, found, single)
