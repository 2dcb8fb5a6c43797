"""Activations: relu, leaky_relu, tanh, sigmoid, logsigmoid, log_softmax, of a Tensor or an array of any shape.

Each value and each derivative is right to a few units in the last place wherever the dtype can represent it, also in
the tails. Thus no derivative is computed as a difference such as 1 - tanh(x)^2.
"""

from __future__ import annotations

import numpy as np

from .. import arithmetic
from ..checks import axis as axis_of
from ..checks import number
from ..tensor import Tensor, as_tensor, record


def relu(input: Tensor | np.ndarray) -> Tensor:
    """max(input, 0), element by element. The derivative at 0 is 0. NaN stays NaN, and its derivative is 1.

    >>> relu(Tensor([-1.0, 0.0, 2.0]))
    Tensor([0., 0., 2.])
    """
    return _positive_part(as_tensor(input), "relu")


def leaky_relu(input: Tensor | np.ndarray, negative_slope: float = 0.01) -> Tensor:
    """`input` where it is positive, negative_slope * input elsewhere. With the slope 0 it is `relu`.

    A slope that is not a finite number raises InputError.

    >>> leaky_relu(Tensor([-1.0, 2.0]), 0.5)
    Tensor([-0.5,  2. ])
    """
    input, slope = as_tensor(input), number("leaky_relu: negative_slope", negative_slope)
    if slope == 0:                                # a product with 0 would make inf and NaN out of what the ReLU hides
        return _positive_part(input, "leaky_relu")
    rest = ~(input.data > 0)                      # zeros, negative numbers and NaN

    def scaled(values):
        return np.multiply(values, slope, out=values.copy(order="K"), where=rest)
    return record(scaled(input.data), (input,), lambda grad: (scaled(grad),))


def tanh(input: Tensor | np.ndarray) -> Tensor:
    """The hyperbolic tangent of each element, and its derivative: `arithmetic.tanh`.

    >>> tanh(np.zeros(2))
    Tensor([0., 0.], dtype=float64)
    """
    input = as_tensor(input)
    out, vjp = arithmetic.tanh(input.data)
    return record(out, (input,), vjp)


def sigmoid(input: Tensor | np.ndarray) -> Tensor:
    """s = 1 / (1 + exp(-x)), element by element; d s = s (1 - s) dx.

    With e = exp(-|x|) the formulas used are 1 / (1 + e) for positive x, e / (1 + e) for negative x, and e / (1 + e)^2
    for the derivative. They do not overflow, and keep all digits in the tails. For the logarithm see `logsigmoid`.

    >>> sigmoid(Tensor([-1000.0, 0.0, 1000.0]))
    Tensor([0. , 0.5, 1. ])
    """
    input = as_tensor(input)
    x = input.data
    return record(_sigmoid(x), (input,), lambda grad: (arithmetic.shown(grad, grad * _bell(np.abs(x))),))


def logsigmoid(input: Tensor | np.ndarray) -> Tensor:
    """log(sigmoid(x)) = min(x, 0) - log(1 + exp(-|x|)), element by element; the derivative is sigmoid(-x).

    >>> logsigmoid(Tensor([-1000.0, 1000.0]))
    Tensor([-1000.,     0.])
    """
    input = as_tensor(input)
    x = input.data
    out = np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x)))
    return record(out, (input,), lambda grad: (arithmetic.shown(grad, grad * _sigmoid(-x)),))


def log_softmax(input: Tensor | np.ndarray, dim: int = -1) -> Tensor:
    """x - log(sum(exp(x))) along the axis `dim`. The maximum is subtracted first, so nothing overflows.

    An input of -inf has the probability 0. If all inputs along the axis are -inf, or one is inf, the result is NaN.
    An axis that does not exist raises InputError.

    >>> np.exp(log_softmax(Tensor([1000.0, 1000.0])).data)
    array([0.5, 0.5], dtype=float32)
    """
    input = as_tensor(input)
    axis, dtype = axis_of("log_softmax: dim", dim, input.ndim), input.dtype
    out = log_softmax_of_array(input.data, axis)

    def vjp(grad):
        total = grad.sum(axis, np.float64, keepdims=True)
        slope = -softmax_difference(out, total, grad)
        if slope.size and np.isnan(slope.min()):            # a row that is hidden gets 0: see `arithmetic.shown`
            slope = np.where((grad == 0).all(axis, keepdims=True), 0, slope)
        return (slope.astype(dtype),)
    return record(out.astype(dtype), (input,), vjp)


def log_softmax_of_array(x: np.ndarray, axis: int) -> np.ndarray:
    """`log_softmax` on arrays, without a tape, computed in float64; `cross_entropy` uses it too."""
    shifted = x.astype(np.float64)
    if x.size:
        shifted -= x.max(axis, keepdims=True)
        shifted -= np.log(np.exp(shifted).sum(axis, keepdims=True))
    return shifted


def softmax_difference(log_p: np.ndarray, total: np.ndarray, q: np.ndarray) -> np.ndarray:
    """exp(log_p) * total - q, in float64. A probability of 0 contributes 0, whatever `total` is."""
    p = np.exp(log_p, out=np.empty_like(log_p))         # an array, even without axes
    return np.multiply(p, total, out=p, where=p != 0) - q


def _positive_part(input, name):
    out = np.maximum(input.data, 0)
    return record(out, (input,), lambda grad: (arithmetic.keep(grad, out != 0),), name)     # NaN is not 0: it goes on


def _sigmoid(x):
    tail = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, tail) / (1 + tail)


def _bell(distance):
    """e / (1 + e)^2 with e = exp(-distance): the derivative of the sigmoid at +-distance."""
    tail = np.exp(-distance)
    return tail / ((1 + tail) * (1 + tail))
