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
    return b.node("BatchNormalization", input, scale, offset, b.cast(running_mean, dtype), b.cast(running_var, dtype),
                  epsilon=float(eps), momentum=1 - float(momentum))


@emits(F.instance_norm)
def instance_norm(b: Builder, input: Value, running_mean: Value | None, running_var: Value | None,
                  weight: Value | None, bias: Value | None, use_input_stats: bool, momentum: float, eps: float) -> str:
    """Each channel of each image by its own statistics, or by the running ones."""
    if not use_input_stats:
        return batch_norm(b, input, running_mean, running_var, weight, bias, False, momentum, eps)
    count = input.length(1, "channels")
    return b.node("InstanceNormalization", input, _parameter(b, weight, count, 1, input.dtype),
                  _parameter(b, bias, count, 0, input.dtype), epsilon=float(eps))


@emits(F.layer_norm)
def layer_norm(b: Builder, input: Value, normalized_shape: Any, weight: Value | None, bias: Value | None,
               eps: float) -> str:
    """Over the last axes."""
    axes = len(normalized_shape) if isinstance(normalized_shape, (tuple, list)) else 1
    shape = input.lengths("the normalized axes", input.ndim - axes)
    scale, offset = (_parameter(b, weight, shape, 1, input.dtype), _parameter(b, bias, shape, 0, input.dtype))
    return b.node("LayerNormalization", input, scale, offset, axis=-axes, epsilon=float(eps))


@emits(F.group_norm)
def group_norm(b: Builder, input: Value, num_groups: int, weight: Value | None, bias: Value | None,
               eps: float) -> Any:
    """Each group of channels of each image: GroupNormalization since opset 21, before by InstanceNormalization.

    Also in float64: GroupNormalization computes the statistics in float32.
    """
    count, dtype, groups = input.length(1, "channels"), input.dtype, int(num_groups)
    if b.opset >= 21 and dtype == np.float32:
        return b.node("GroupNormalization", input, _parameter(b, weight, count, 1, dtype),
                      _parameter(b, bias, count, 0, dtype), num_groups=groups, epsilon=float(eps))
    size = count // groups * math.prod(input.lengths("the pixels of a group", 2))
    rows = b.reshape(input, [input.shape[0], groups, size])
    out = b.node("InstanceNormalization", rows, np.ones(groups, dtype), np.zeros(groups, dtype), epsilon=float(eps))
    out = b.reshape(out, input.shape)
    for operator, given in (("Mul", weight), ("Add", bias)):
        if given is not None:
            column: Any = b.cast(given, dtype)
            column = column if input.ndim == 2 else b.node("Reshape", column, [count, *[1] * (input.ndim - 2)])
            out = b.node(operator, out, column)
    return out
