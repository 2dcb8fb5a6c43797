"""Convolutions of images and signals, their adjoints, and patches as columns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ... import functional as F
from ...checks import along, padding_along, pair, sides
from ...conv.geometry import parse_padding
from .builder import Builder, Value
from .registry import emits
from .shapes import padded

Sides = Sequence[tuple[int, int]]


def batched(b: Builder, x: Value, axes: int) -> tuple[Value, bool]:
    """The value with an axis of samples, and whether it had none."""
    if x.ndim == axes + 2:
        return x, False
    return Value(b.node("Unsqueeze", x, [0]), (1, *x.shape), x.dtype), True


def unbatched(b: Builder, out: Any, single: bool) -> Any:
    """Without the axis that `batched` added."""
    return b.node("Squeeze", out, [0]) if single else out


def pads_of(both: Sides) -> list[int]:
    """ONNX's order of (before, after) for each axis: first all before, then all after."""
    return [before for before, _ in both] + [after for _, after in both]


def _two(axes: int, name: str, value: Any, least: int) -> tuple[int, ...]:
    """An option with one number for each spatial axis."""
    return pair(name, value, least)[-axes:] if axes == 2 else (along(name, value, least)[1],)


def _conv(b: Builder, axes: int, input: Value, weight: Value, bias: Value | None, stride: Any, padding: Any,
          dilation: Any, groups: int, padding_mode: str) -> Any:
    image, single = batched(b, input, axes)
    kernel = weight.lengths("a kernel")[2:]
    strides, dilations = (_two(axes, name, value, 1) for name, value in (("stride", stride), ("dilation", dilation)))
    spans = [d * (k - 1) + 1 for d, k in zip(dilations, kernel, strict=True)]
    given = padding if axes == 2 else padding_along("padding", padding)
    rows, columns = parse_padding(given, (spans[0] if axes == 2 else 1, spans[-1]), (strides[0] if axes == 2 else 1,
                                                                                     strides[-1]))
    both = (rows, columns)[-axes:]
    x: Any = image
    if padding_mode != "zeros" and any(map(any, both)):
        x, both = padded(b, image, [(0, 0), (0, 0), *both], padding_mode), ((0, 0),) * axes
    out = b.node("Conv", x, weight, bias, kernel_shape=list(kernel), strides=list(strides), dilations=list(dilations),
                 group=int(groups), pads=pads_of(both))
    return unbatched(b, out, single)


@emits(F.conv2d)
def conv2d(b: Builder, input: Value, weight: Value, bias: Value | None, stride: Any, padding: Any, dilation: Any,
           groups: int, padding_mode: str, algorithm: str, relu: bool) -> Any:
    """Cross-correlation, with the ReLU that was computed with it."""
    out = _conv(b, 2, input, weight, bias, stride, padding, dilation, groups, padding_mode)
    return b.node("Relu", out) if relu else out


@emits(F.conv1d)
def conv1d(b: Builder, input: Value, weight: Value, bias: Value | None, stride: Any, padding: Any, dilation: Any,
           groups: int, padding_mode: str, algorithm: str) -> Any:
    """Of signals."""
    return _conv(b, 1, input, weight, bias, stride, padding, dilation, groups, padding_mode)


def _transposed(b: Builder, axes: int, input: Value, weight: Value, bias: Value | None, stride: Any, padding: Any,
                output_padding: Any, groups: int, dilation: Any) -> Any:
    image, single = batched(b, input, axes)
    strides, dilations, more = (_two(axes, name, value, least) for name, value, least in (
        ("stride", stride, 1), ("dilation", dilation, 1), ("output_padding", output_padding, 0)))
    both = sides("padding", padding if axes == 2 else padding_along("padding", padding))[-axes:]
    options: dict[str, Any] = {"kernel_shape": list(weight.lengths("a kernel")[2:]), "strides": list(strides),
               "dilations": list(dilations), "group": int(groups)}
    if all(o < s for o, s in zip(more, strides, strict=True)):
        out = b.node("ConvTranspose", image, weight, bias, pads=pads_of(both), output_padding=list(more), **options)
        return unbatched(b, out, single)
    cut = [(first, max(last - o, 0)) for (first, last), o in zip(both, more, strict=True)]
    added = [(0, o - last + end) for (_, last), o, (_, end) in zip(both, more, cut, strict=True)]
    out = b.node("ConvTranspose", image, weight, pads=pads_of(cut), **options)
    out = padded(b, Value(out, image.shape, image.dtype), [(0, 0), (0, 0), *added])
    if bias is not None:
        out = b.node("Add", out, b.node("Reshape", bias, [-1, *[1] * axes]))
    return unbatched(b, out, single)


@emits(F.conv_transpose2d)
def conv_transpose2d(b: Builder, input: Value, weight: Value, bias: Value | None, stride: Any, padding: Any,
                     output_padding: Any, groups: int, dilation: Any, algorithm: str) -> Any:
    """The adjoint of conv2d."""
    return _transposed(b, 2, input, weight, bias, stride, padding, output_padding, groups, dilation)


@emits(F.conv_transpose1d)
def conv_transpose1d(b: Builder, input: Value, weight: Value, bias: Value | None, stride: Any, padding: Any,
                     output_padding: Any, groups: int, dilation: Any, algorithm: str) -> Any:
    """The adjoint of conv1d."""
    return _transposed(b, 1, input, weight, bias, stride, padding, output_padding, groups, dilation)


def _one_hot(channels: int, kernel: Sequence[int], dtype: Any) -> np.ndarray:
    """For each channel one kernel for each tap, which has a 1 there: shape (channels * taps, 1, kH, kW)."""
    taps = math.prod(kernel)
    return np.tile(np.eye(taps, dtype=dtype).reshape(taps, 1, *kernel), (channels, 1, 1, 1))


@emits(F.unfold)
def unfold(b: Builder, input: Value, kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> Any:
    """Patches as columns: a convolution of each channel with a kernel for each tap."""
    image, single = batched(b, input, 2)
    kernel, channels = pair("kernel_size", kernel_size, 1), image.length(1, "channels")
    out = b.node("Conv", image, _one_hot(channels, kernel, b.out.dtype), kernel_shape=list(kernel), group=channels,
                 strides=list(pair("stride", stride, 1)), dilations=list(pair("dilation", dilation, 1)),
                 pads=pads_of(sides("padding", padding)))
    shape = (1, *b.out.shape) if single else b.out.shape
    return unbatched(b, b.reshape(out, shape), single)


@emits(F.fold)
def fold(b: Builder, input: Value, output_size: Any, kernel_size: Any, dilation: Any, padding: Any,
         stride: Any) -> Any:
    """The adjoint of unfold."""
    columns, single = batched(b, input, 1)
    size, kernel = pair("output_size", output_size, 1), pair("kernel_size", kernel_size, 1)
    strides, dilations, both = pair("stride", stride, 1), pair("dilation", dilation, 1), sides("padding", padding)
    spans = [d * (k - 1) + 1 for d, k in zip(dilations, kernel, strict=True)]
    places = [(n + sum(p) - w) // s + 1 for n, p, w, s in zip(size, both, spans, strides, strict=True)]
    rest = [(n + sum(p) - w) % s for n, p, w, s in zip(size, both, spans, strides, strict=True)]
    rows = columns.length(1, "channels")
    image = b.reshape(columns, [columns.shape[0], rows, *places])
    channels = rows // math.prod(kernel)
    out = b.node("ConvTranspose", image, _one_hot(channels, kernel, b.out.dtype), kernel_shape=list(kernel),
                 group=channels, strides=list(strides), dilations=list(dilations), pads=pads_of(both),
                 output_padding=rest)
    return unbatched(b, out, single)
