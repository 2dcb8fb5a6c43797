"""Activations: relu, leaky_relu, tanh, sigmoid, log_softmax. Each takes a Tensor or an array of any shape."""

from __future__ import annotations

import numpy as np

from ..tensor import Tensor, as_tensor, record


def relu(input: Tensor | np.ndarray) -> Tensor:
    """max(input, 0), element by element. The derivative at 0 is 0; NaN stays NaN.

    >>> relu(Tensor([-1.0, 0.0, 2.0]))
    Tensor([0., 0., 2.])
    """
    input = as_tensor(input)
    out = np.maximum(input.data, 0)
    return record(out, (input,), lambda grad: (grad * (out > 0),))


def leaky_relu(input: Tensor | np.ndarray, negative_slope: float = 0.01) -> Tensor:
    """`input` where it is positive, negative_slope * input elsewhere.

    >>> leaky_relu(Tensor([-1.0, 2.0]), 0.5)
    Tensor([-0.5,  2. ])
    """
    input = as_tensor(input)
    slope = np.where(input.data > 0, 1, negative_slope).astype(input.dtype)
    return record(input.data * slope, (input,), lambda grad: (grad * slope,))


def tanh(input: Tensor | np.ndarray) -> Tensor:
    """The hyperbolic tangent of each element; d tanh(x) = (1 - tanh(x)^2) dx.

    >>> tanh(np.zeros(2))
    Tensor([0., 0.], dtype=float64)
    """
    input = as_tensor(input)
    out = np.tanh(input.data)
    return record(out, (input,), lambda grad: (grad * (1 - out * out),))


def sigmoid(input: Tensor | np.ndarray) -> Tensor:
    """s = 1 / (1 + exp(-x)), element by element; d s = s (1 - s) dx.

    The formula used is (1 + tanh(x / 2)) / 2, which cannot overflow.

    >>> sigmoid(Tensor([-1000.0, 0.0, 1000.0]))
    Tensor([0. , 0.5, 1. ])
    """
    input = as_tensor(input)
    out = 0.5 * (1 + np.tanh(0.5 * input.data))
    return record(out, (input,), lambda grad: (grad * out * (1 - out),))


def log_softmax(input: Tensor | np.ndarray, dim: int = -1) -> Tensor:
    """x - log(sum(exp(x))) along the axis `dim`. The maximum is subtracted first, so nothing overflows.

    >>> np.exp(log_softmax(Tensor([1000.0, 1000.0])).data)
    array([0.5, 0.5], dtype=float32)
    """
    input = as_tensor(input)
    out = log_softmax_of_array(input.data, dim)
    return record(out, (input,), lambda grad: (grad - np.exp(out) * grad.sum(dim, keepdims=True),))


def log_softmax_of_array(x: np.ndarray, axis: int) -> np.ndarray:
    """`log_softmax` on arrays, without a tape; `cross_entropy` uses it too."""
    shifted = x - x.max(axis, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis, keepdims=True))
