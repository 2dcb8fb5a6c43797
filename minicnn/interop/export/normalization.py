"""Normalizations. Batch norm uses its running statistics."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ... import functional as F
from .builder import Builder, Value
from .registry import Refused, emits


def _parameter(b: Builder, given: Value | None, shape: Any, fill: float, dtype: Any) -> Any:
    """A learned scale or offset, or the constant that stands for it."""
    return np.full(shape, fill, dtype) if given is None else b.cast(given, dtype)


@emits(F.batch_norm)
def batch_norm(b: Builder, input: Value, running_mean: Value | None, running_var: Value | None, weight: Value | None,
               bias: Value | None, training: bool, momentum: float, eps: float) -> str:
    """By the running statistics."""
    if training or running_mean is None or running_var is None:
        raise Refused("it normalizes by the batch also in evaluation, but a graph for evaluation needs running "
                      "statistics: use track_running_stats=True, or GroupNorm")
    count, dtype = input.length(1, "channels"), input.dtype
    scale, offset = _parameter(b, weight, count, 1, dtype), _parameter(b, bias, count, 0, dtype)
    variance: Any = b.cast(running_var, dtype)
    rest = float(eps) - float(np.float32(eps))          # an attribute is float32
    if dtype == np.float64 and rest:
        variance = b.node("Add", variance, b.number(rest))
    return b.node("BatchNormalization", input, scale, offset, b.cast(running_mean, dtype), variance,
                  epsilon=float(eps), momentum=1 - float(momentum))


def _normalized(b: Builder, x: Any, axes: list[int], eps: float) -> str:
    """(x - mean) / sqrt(var + eps) over some axes, by ReduceMean, and so with the precision of x.

    ONNX's normalizations compute statistics and eps in float32, and onnxruntime lacks some of them in float64.
    """
    away = b.node("Sub", x, b.reduce("ReduceMean", x, axes, True))
    variance = b.reduce("ReduceMean", b.node("Mul", away, away), axes, True)
    return b.node("Div", away, b.node("Sqrt", b.node("Add", variance, b.number(eps))))


def _scaled(b: Builder, out: str, weight: Value | None, bias: Value | None, column: list[int] | None) -> str:
    """out * weight + bias. `column`: the shape in which they have the axes of `out`; None: they have it."""
    for operator, given in (("Mul", weight), ("Add", bias)):
        if given is not None:
            value: Any = b.cast(given)
            out = b.node(operator, out, value if column is None else b.node("Reshape", value, column))
    return out


def _column(input: Value, count: int) -> list[int] | None:
    """The shape of a value for each channel beside (N, C, ...)."""
    return None if input.ndim == 2 else [count, *[1] * (input.ndim - 2)]


@emits(F.instance_norm)
def instance_norm(b: Builder, input: Value, running_mean: Value | None, running_var: Value | None,
                  weight: Value | None, bias: Value | None, use_input_stats: bool, momentum: float, eps: float) -> str:
    """Each channel of each image by its own statistics, or by the running ones."""
    if not use_input_stats:
        return batch_norm(b, input, running_mean, running_var, weight, bias, False, momentum, eps)
    count, dtype = input.length(1, "channels"), input.dtype
    if dtype == np.float64:
        out = _normalized(b, input, list(range(2, input.ndim)), eps)
        return _scaled(b, out, weight, bias, _column(input, count))
    return b.node("InstanceNormalization", input, _parameter(b, weight, count, 1, dtype),
                  _parameter(b, bias, count, 0, dtype), epsilon=float(eps))


@emits(F.layer_norm)
def layer_norm(b: Builder, input: Value, normalized_shape: Any, weight: Value | None, bias: Value | None,
               eps: float) -> str:
    """Over the last axes."""
    axes = len(normalized_shape) if isinstance(normalized_shape, (tuple, list)) else 1
    if input.dtype == np.float64:
        return _scaled(b, _normalized(b, input, list(range(-axes, 0)), eps), weight, bias, None)
    shape = input.lengths("the normalized axes", input.ndim - axes)
    scale, offset = (_parameter(b, weight, shape, 1, input.dtype), _parameter(b, bias, shape, 0, input.dtype))
    return b.node("LayerNormalization", input, scale, offset, axis=-axes, epsilon=float(eps))


@emits(F.group_norm)
def group_norm(b: Builder, input: Value, num_groups: int, weight: Value | None, bias: Value | None,
               eps: float) -> Any:
    """Each group of channels of each image: GroupNormalization since opset 21, before by InstanceNormalization."""
    count, dtype, groups = input.length(1, "channels"), input.dtype, int(num_groups)
    if b.opset >= 21 and dtype == np.float32:
        return b.node("GroupNormalization", input, _parameter(b, weight, count, 1, dtype),
                      _parameter(b, bias, count, 0, dtype), num_groups=groups, epsilon=float(eps))
    size = count // groups * math.prod(input.lengths("the pixels of a group", 2))
    rows: Any = b.reshape(input, [input.shape[0], groups, size])
    if dtype == np.float64:
        out = _normalized(b, rows, [2], eps)
    else:
        out = b.node("InstanceNormalization", rows, np.ones(groups, dtype), np.zeros(groups, dtype), epsilon=float(eps))
    return _scaled(b, b.reshape(out, input.shape), weight, bias, _column(input, count))
