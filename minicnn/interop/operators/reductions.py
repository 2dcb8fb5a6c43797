"""Sums and other reductions over axes, softmax, and products of matrices."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ... import functional as F
from ...errors import InputError
from ...tensor import Tensor, as_tensor
from .node import Node, axes_of, counted, number_of
from .registry import operator


def _extreme(name, nothing):
    """The maximum or the minimum, which of nothing is an infinity."""
    def reduced(x: Tensor, axis: tuple[int, ...], keepdims: bool) -> Tensor:
        if math.prod(x.shape[a] for a in axis):
            return getattr(x, name)(axis=axis, keepdims=keepdims)
        shape = np.sum(x.data, axis=axis, keepdims=keepdims).shape
        return as_tensor(np.full(shape, nothing, x.dtype))
    return reduced


def _norm(x, axis, keepdims):
    """The square root of the sum of squares, whose derivative at 0 is 0.

    The elements are divided by a power of 2 near the largest, so that no square overflows.
    """
    largest = np.max(np.abs(x.data), axis=axis, keepdims=True, initial=0)
    usual = np.isfinite(largest) & (largest > 0)
    power = np.where(usual, np.ldexp(np.ones((), x.dtype), np.frexp(np.where(usual, largest, 1))[1] - 1), 1)
    power = power.astype(x.dtype)
    scaled = x / power
    squares = (scaled * scaled).sum(axis=axis, keepdims=keepdims)
    zero = squares.data == 0
    root = np.where(zero, squares, np.sqrt(np.where(zero, np.ones((), x.dtype), squares)))
    return root * power.reshape(root.shape)


def _method(name):
    return lambda x, axis, keepdims: getattr(x, name)(axis=axis, keepdims=keepdims)


REDUCTIONS = {
    "ReduceSum": _method("sum"), "ReduceMean": _method("mean"), "ReduceProd": _method("prod"),
    "ReduceMax": _extreme("max", -math.inf), "ReduceMin": _extreme("min", math.inf),
    "ReduceLogSumExp": lambda x, axis, keepdims: F.logsumexp(x, axis, keepdims) if axis else x,
    "ReduceLogSum": lambda x, axis, keepdims: np.log(x.sum(axis=axis, keepdims=keepdims)),
    "ReduceSumSquare": lambda x, axis, keepdims: (x * x).sum(axis=axis, keepdims=keepdims),
    "ReduceL1": lambda x, axis, keepdims: abs(x).sum(axis=axis, keepdims=keepdims), "ReduceL2": _norm,
}


@operator(*REDUCTIONS)
def reduction(node: Node, x: Tensor, axes: Any = None) -> Tensor:
    """One number for each index of the other axes. The axes are an input since opset 18; of ReduceSum since 13."""
    given = axes_of(node, axes, 13 if node.operator == "ReduceSum" else 18)
    if given:
        over = counted(given, x.ndim)
    else:
        over = () if node.attribute("noop_with_empty_axes", 0) else tuple(range(x.ndim))
    return REDUCTIONS[node.operator](x, over, bool(node.attribute("keepdims", 1)))   # type: ignore[no-untyped-call]


@operator("Softmax", "LogSoftmax")
def softmax(node: Node, x: Tensor) -> Tensor:
    """Along an axis since opset 13; before, over `axis` and all axes after it."""
    function = F.softmax if node.operator == "Softmax" else F.log_softmax
    axis = counted([node.attribute("axis", -1 if node.opset >= 13 else 1)], x.ndim)[0]
    if node.opset >= 13:
        return function(x, axis)
    return function(x.reshape(math.prod(x.shape[:axis]), math.prod(x.shape[axis:])), 1).reshape(*x.shape)


@operator("MatMul", learned=(0, 1))
def matmul(node: Node, x: Tensor, y: Tensor) -> Tensor:
    """The product of matrices, with NumPy's rules."""
    return x @ y


@operator("Gemm", learned=(1, 2))
def gemm(node: Node, a: Tensor, b: Tensor, c: Tensor | None = None) -> Tensor:
    """alpha A B + beta C, where A and B may be transposed."""
    if a.ndim != 2 or b.ndim != 2:
        raise InputError(f"two matrices are expected, not arrays of shapes {a.shape} and {b.shape}")
    alpha, beta = node.attribute("alpha", 1.0), node.attribute("beta", 1.0)
    out = (a.T if node.attribute("transA", 0) else a) @ (b.T if node.attribute("transB", 0) else b)
    out = out if alpha == 1 else out * np.array(alpha, a.dtype)
    if c is None:
        return out
    return out + (c if beta == 1 else c * np.array(beta, a.dtype))


@operator("Einsum", learned=(0, 1))
def einsum(node: Node, *inputs: Tensor) -> Any:
    """The sum over the letters that the result does not have."""
    return np.einsum(node.attribute("equation"), *inputs)


@operator("CumSum")
def cumulative_sum(node: Node, x: Tensor, axis: Any) -> Any:
    """Sums of the first elements along an axis; of the last ones with `reverse`, without the own with `exclusive`."""
    along = counted([int(number_of(axis))], x.ndim)[0]
    backwards = bool(node.attribute("reverse", 0))
    out = np.flip(x, along) if backwards else x
    total = np.cumsum(out, along)
    if node.attribute("exclusive", 0):
        total = total - out
    return np.flip(total, along) if backwards else total
