"""Convolutions and pools of images (N, C, H, W) and signals (N, C, L)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ... import functional as F
from ...conv import Geometry
from ...errors import InputError
from ...nn.module import Window
from ...tensor import Tensor
from .node import Node
from .registry import operator

Pair = tuple[int, int]
Sides = tuple[Pair, Pair]


def _images(x: Tensor) -> Tensor:
    """Images of the input: a signal has one row."""
    if x.ndim not in (3, 4):
        raise InputError(f"the input must have shape (N, C, H, W) or (N, C, L), not {x.shape}: minicnn has one or two "
                         "spatial axes")
    return x if x.ndim == 4 else x.expand_dims(2)


def _pair(node: Node, name: str, axes: int) -> Pair:
    """An attribute with one number for each spatial axis, for (rows, columns). By default 1."""
    values = node.attribute(name) or [1] * axes
    if len(values) != axes:
        raise InputError(f"{name} must have {axes} numbers, one for each spatial axis, not {values}")
    return (1, values[0]) if axes == 1 else (values[0], values[1])


def _pads(node: Node, axes: int, sizes: Pair, spans: Pair, strides: Pair) -> Sides:
    """(before, after) for rows and columns, from `pads` or `auto_pad`."""
    mode = node.attribute("auto_pad", "NOTSET")
    if mode == "NOTSET":
        pads = node.attribute("pads") or [0] * (2 * axes)
        if len(pads) != 2 * axes or min(pads) < 0:
            raise InputError(f"pads must have {2 * axes} numbers of at least 0, not {pads}")
        last = pads[axes - 1], pads[-1]
        return ((0, 0), last) if axes == 1 else ((pads[0], pads[2]), last)
    if mode == "VALID":
        return (0, 0), (0, 0)
    rows, columns = (max((-(-n // s) - 1) * s + w - n, 0) for n, w, s in zip(sizes, spans, strides, strict=True))
    return _halves(rows, mode == "SAME_UPPER"), _halves(columns, mode == "SAME_UPPER")


def _halves(total: int, upper: bool) -> Pair:
    small, large = total // 2, total - total // 2
    return (small, large) if upper else (large, small)


def _spans(kernel: Pair, dilations: Pair) -> Pair:
    return dilations[0] * (kernel[0] - 1) + 1, dilations[1] * (kernel[1] - 1) + 1


def _last(shape: tuple[int, ...]) -> Pair:
    return shape[-2], shape[-1]


def _geometry(node: Node, in_shape: tuple[int, ...]) -> Geometry | None:
    weight = node.weights.get(node.inputs[1])
    if weight is None or len(in_shape) != 4 or weight.ndim != 4:
        return None
    strides, dilations = _pair(node, "strides", 2), _pair(node, "dilations", 2)
    pads = _pads(node, 2, _last(in_shape), _spans(_last(weight.shape), dilations), strides)
    return Geometry.of(in_shape, weight.shape, strides, pads, dilations, node.attribute("group", 1))


def _window(node: Node, in_shape: tuple[int, ...]) -> Window:
    axes = len(in_shape) - 2
    spans = _spans(_pair(node, "kernel_shape", axes), _pair(node, "dilations", axes))
    return Window(spans, _pair(node, "strides", axes))


@operator("Conv", learned=(1, 2), geometry=_geometry)
def conv(node: Node, x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
    """Cross-correlation, also with different padding on each side."""
    axes, image = x.ndim - 2, _images(x)
    weight = _images(w)
    strides, dilations = _pair(node, "strides", axes), _pair(node, "dilations", axes)
    _check_kernel(node, w)
    pads = _pads(node, axes, _last(image.shape), _spans(_last(weight.shape), dilations), strides)
    out = F.conv2d(image, weight, b, strides, pads, dilations, node.attribute("group", 1))
    return out if axes == 2 else out.squeeze(2)


@operator("ConvTranspose", learned=(1, 2))
def conv_transpose(node: Node, x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
    """The adjoint of a convolution. The whole result is computed, then cropped or filled up with the bias."""
    axes, image = x.ndim - 2, _images(x)
    weight = _images(w)
    strides, dilations = _pair(node, "strides", axes), _pair(node, "dilations", axes)
    _check_kernel(node, w)
    sizes, spans = _last(image.shape), _spans(_last(weight.shape), dilations)
    full = [(n - 1) * s + w for n, s, w in zip(sizes, strides, spans, strict=True)]
    more = [0] * (2 - axes) + list(node.attribute("output_padding") or [0] * axes)
    mode, wanted = node.attribute("auto_pad", "NOTSET"), node.attribute("output_shape")
    if wanted:
        shape = [1] * (2 - axes) + list(wanted)[-axes:]
    elif mode.startswith("SAME"):
        shape = [1] * (2 - axes) + [n * s for n, s in zip(sizes, strides, strict=True)][-axes:]
    else:
        pads = _pads(node, axes, sizes, spans, strides)
        shape = [n + m - sum(p) for n, m, p in zip(full, more, pads, strict=True)]
    if wanted or mode.startswith("SAME"):
        rows, columns = (max(n + m - o, 0) for n, m, o in zip(full, more, shape, strict=True))
        pads = _halves(rows, mode == "SAME_UPPER"), _halves(columns, mode == "SAME_UPPER")
    out = F.conv_transpose2d(image, weight, None, strides, 0, 0, node.attribute("group", 1), dilations)
    ends = [o - n + first for o, n, (first, _) in zip(shape, full, pads, strict=True)]
    out = F.pad(out, (-pads[1][0], ends[1], -pads[0][0], ends[0]))
    if b is not None:
        out = out + b.reshape(-1, 1, 1)
    return out if axes == 2 else out.squeeze(2)


def _check_kernel(node, w):
    shape = node.attribute("kernel_shape")
    if shape and tuple(shape) != w.shape[2:]:
        raise InputError(f"kernel_shape is {shape}, but the weight has shape {w.shape}")


def _pool(node: Node, x: Tensor) -> tuple[Tensor, Pair, Pair, Pair, Sides, list[int]]:
    """The images, kernel, strides, dilations, padding, and how far the last window lies beyond the padding."""
    axes, image = x.ndim - 2, _images(x)
    kernel, strides = _pair(node, "kernel_shape", axes), _pair(node, "strides", axes)
    dilations, sizes = _pair(node, "dilations", axes), _last(image.shape)
    spans = _spans(kernel, dilations)
    pads = _pads(node, axes, sizes, spans, strides)
    beyond = []
    for n, (first, last), w, s in zip(sizes, pads, spans, strides, strict=True):
        rest = n + first + last - w
        count = -(-rest // s) if node.attribute("ceil_mode", 0) else rest // s
        if count * s >= n + first and node.attribute("ceil_mode", 0):
            count -= 1                              # the last window would begin behind the image
        beyond.append(max(count * s - rest, 0))
    return image, kernel, strides, dilations, pads, beyond


def _widths(pads, beyond):
    """The padding of `F.pad`, last axis first."""
    (top, bottom), (left, right) = pads
    return left, right + beyond[1], top, bottom + beyond[0]


@operator("MaxPool", window=_window)
def max_pool(node: Node, x: Tensor) -> Any:
    """The largest element of each window; with a second output also its place in the input."""
    image, kernel, strides, dilations, pads, beyond = _pool(node, x)
    widths = _widths(pads, beyond)
    padded = F.pad(image, widths, value=-math.inf) if any(widths) else image
    both = F.max_pool2d(padded, kernel, strides, 0, dilations, return_indices=True)
    out, places = both if x.ndim == 4 else (both[0].squeeze(2), both[1][:, :, 0])
    if len(node.outputs) < 2:
        return out
    height, width = image.shape[2:]
    rows, columns = np.divmod(places, padded.shape[3])
    rows, columns = np.clip(rows - widths[2], 0, height - 1), np.clip(columns - widths[0], 0, width - 1)
    within = columns * height + rows if node.attribute("storage_order", 0) else rows * width + columns
    planes = np.arange(math.prod(x.shape[:2])).reshape(*x.shape[:2], *[1] * (x.ndim - 2))
    return out, planes * (height * width) + within


@operator("AveragePool", window=_window)
def average_pool(node: Node, x: Tensor) -> Tensor:
    """The mean of each window. What lies in the padding counts with count_include_pad, what lies beyond never."""
    image, kernel, strides, dilations, pads, beyond = _pool(node, x)
    widths, taps = _widths(pads, beyond), math.prod(kernel)

    def means(padded: Any) -> Tensor:
        return F.avg_pool2d(padded, kernel, strides, dilation=dilations)
    out = means(F.pad(image, widths) if any(widths) else image)
    if any(widths):
        sizes = [n + sum(p) + more for n, p, more in zip(image.shape[2:], pads, beyond, strict=True)]
        counts = np.zeros((1, 1, *sizes))
        inner = [slice(0, n + sum(p)) if node.attribute("count_include_pad", 0) else slice(p[0], p[0] + n)
                 for n, p in zip(image.shape[2:], pads, strict=True)]
        counts[:, :, inner[0], inner[1]] = 1
        counts = np.round(means(counts).data * taps)
        if (counts != taps).any():
            out = out * (taps / np.maximum(counts, 1)).astype(x.dtype)
    return out if x.ndim == 4 else out.squeeze(2)


@operator("GlobalAveragePool")
def global_average_pool(node: Node, x: Tensor) -> Tensor:
    """The mean over all spatial axes."""
    return x.mean(axis=tuple(range(2, x.ndim)), keepdims=True)


@operator("GlobalMaxPool")
def global_max_pool(node: Node, x: Tensor) -> Tensor:
    """The maximum over all spatial axes."""
    return x.max(axis=tuple(range(2, x.ndim)), keepdims=True)
