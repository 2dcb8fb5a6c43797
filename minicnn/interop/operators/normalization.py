"""Normalization by the batch, by each image, by groups of channels, and over the last axes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import functional as F
from ...tensor import Tensor, as_tensor
from .node import Node, array_of, counted, pixel
from .registry import operator


@operator("BatchNormalization", learned=(1, 2), window=pixel)
def batch_normalization(node: Node, x: Tensor, scale: Tensor, b: Tensor, mean: Any, var: Any) -> Any:
    """By running statistics, or by those of the batch: after model.train(), or with training_mode.

    After model.train() the running statistics follow the batch as in `functional.batch_norm`. With training_mode the
    node returns the new ones, with ONNX's variance, which divides by n.
    """
    momentum, eps = node.attribute("momentum", 0.9), node.attribute("epsilon", 1e-5)
    if not node.attribute("training_mode", 0):
        return F.batch_norm(x, array_of(mean), array_of(var), scale, b, node.training, 1 - momentum, eps)
    out = F.batch_norm(x, None, None, scale, b, True, 0.1, eps)
    if len(node.outputs) < 2:
        return out
    axes, values = (0, *range(2, x.ndim)), x.data.astype(np.float64)
    new = [array_of(old) * momentum + now * (1 - momentum)
           for old, now in ((mean, values.mean(axes)), (var, values.var(axes)))]
    return out, *(as_tensor(one.astype(x.dtype)) for one in new)


@operator("InstanceNormalization", learned=(1, 2))
def instance_normalization(node: Node, x: Tensor, scale: Tensor, b: Tensor) -> Tensor:
    """For each image and each channel."""
    return F.instance_norm(x, None, None, scale, b, eps=node.attribute("epsilon", 1e-5))


@operator("GroupNormalization", learned=(1, 2))
def group_normalization(node: Node, x: Tensor, scale: Tensor, b: Tensor) -> Tensor:
    """For each image and each group, with a scale and a bias for each channel (opset 21; ONNX gave up that of 18)."""
    return F.group_norm(x, node.attribute("num_groups"), scale, b, node.attribute("epsilon", 1e-5))


@operator("LayerNormalization", learned=(1, 2))
def layer_normalization(node: Node, x: Tensor, scale: Tensor, b: Tensor | None = None) -> Any:
    """Over `axis` and all axes after it; also the mean and 1 / sqrt(var + epsilon), if they are asked for."""
    axis, eps = counted([node.attribute("axis", -1)], x.ndim)[0], node.attribute("epsilon", 1e-5)
    last = x.shape[axis:]
    if scale.shape == last and (b is None or b.shape == last):
        out = F.layer_norm(x, last, scale, b, eps)
    else:
        out = F.layer_norm(x, last, eps=eps) * scale
        out = out if b is None else out + b
    if len(node.outputs) < 2:
        return out
    over = tuple(range(axis, x.ndim))
    deviation = np.sqrt(x.var(axis=over, keepdims=True) + np.array(eps, x.dtype))
    return (out, x.mean(axis=over, keepdims=True), 1 / deviation)[:len(node.outputs)]
