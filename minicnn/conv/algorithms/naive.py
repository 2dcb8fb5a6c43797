"""The definition as seven loops, for small sizes. "auto" never chooses it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..algorithm import Algorithm, before_relu, register
from ..geometry import Geometry
from ..layout import pad, to_batch_first, to_batch_last, unpad


def terms(geometry: Geometry) -> Iterator[tuple[int, ...]]:
    """The indices of every product of the definition.

    (n, k, oy, ox) of the output, (c, i, j) of the weight, then channel, row and column of the padded input.
    """
    g = geometry
    in_group, out_group = g.in_channels // g.groups, g.out_channels // g.groups
    for n, k, oy, ox, c, i, j in itertools.product(
            range(g.batch), range(g.out_channels), *map(range, g.out_size), range(in_group), *map(range, g.kernel)):
        channel = k // out_group * in_group + c
        row, column = oy * g.stride[0] + i * g.dilation[0], ox * g.stride[1] + j * g.dilation[1]
        yield n, k, oy, ox, c, i, j, channel, row, column


@register
class Naive(Algorithm):
    """out[n, k, oy, ox] = bias[k] + sum over c, i, j of weight[k, c, i, j] x[n, c, oy sy + i dy, ox sx + j dx]."""

    name = "naive"
    reference = "the definition of cross-correlation"
    error_bound = 3.0

    def cost(self, geometry: Geometry) -> float:
        return math.inf

    def forward(self, x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, geometry: Geometry,
                relu: bool = False) -> tuple[np.ndarray, Any]:
        padded = to_batch_first(pad(to_batch_last(x), geometry))
        out = np.zeros(geometry.out_shape, x.dtype)
        if bias is not None:
            out += bias[:, None, None]
        for n, k, oy, ox, c, i, j, channel, row, column in terms(geometry):
            out[n, k, oy, ox] += weight[k, c, i, j] * padded[n, channel, row, column]
        if relu:
            np.maximum(out, 0, out=out)
        return out, (padded, weight, out if relu else None, geometry)

    def backward(self, grad: np.ndarray, saved: Any, needs: tuple[bool, bool, bool]) -> tuple[np.ndarray | None, ...]:
        padded, weight, out, geometry = saved
        grad = before_relu(grad, out)
        grad_padded, grad_weight = np.zeros_like(padded), np.zeros_like(weight)
        for n, k, oy, ox, c, i, j, channel, row, column in terms(geometry):
            grad_padded[n, channel, row, column] += grad[n, k, oy, ox] * weight[k, c, i, j]
            grad_weight[k, c, i, j] += grad[n, k, oy, ox] * padded[n, channel, row, column]
        grad_input = to_batch_first(unpad(to_batch_last(grad_padded), geometry))
        gradients = grad_input, grad_weight, grad.sum((0, 2, 3))
        return tuple(g if need else None for g, need in zip(gradients, needs, strict=True))
