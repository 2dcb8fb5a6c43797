"""softmax and log_softmax."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...arithmetic.extended import quotient
from ...checks import axis as axis_of
from ...checks import float_dtype
from ...tensor import Tensor, as_tensor, record


def softmax(input: Tensor | np.ndarray, dim: int = -1, *, dtype: Any = None) -> Tensor:
    """p = exp(x) / sum(exp(x)) along the axis `dim`; dx = p (g - sum(g p)) for the cotangent g.

    The maximum is subtracted first, so nothing overflows. Probabilities are computed in float64, and are right to a few
    units in the last place, also the smallest. An input of -inf has the probability 0. If all inputs along the axis are
    -inf, or one is inf, the result is NaN. For a logarithm of the result see `log_softmax`, for the loss
    `cross_entropy`, which take the logits. With `dtype`, float32 or float64, the input is converted first. An axis that
    does not exist raises InputError.

    >>> softmax(Tensor([[1000.0, 1000.0], [-1000.0, 0.0]]))
    Tensor([[0.5, 0.5],
            [0. , 1. ]])
    """
    input = _converted("softmax", input, dtype)
    axis, x = axis_of("softmax: dim", dim, input.ndim), input.data
    half, total = _exponentials(x, axis)

    def vjp(grad):
        g, counted = grad.astype(np.float64), half != 0
        p = np.multiply(half / total * half, g, out=np.zeros_like(g), where=counted)       # 0 has no part of inf
        slope = quotient([half, g - p.sum(axis, keepdims=True), half], [total]) if g.size else g
        hidden = (g == 0).all(axis, keepdims=True)              # a row that is hidden gets 0: see `arithmetic.shown`
        return (np.where(hidden | ~counted, 0, slope).astype(x.dtype),)
    return record((half / total * half).astype(x.dtype), (input,), vjp)


def _converted(name: str, input: Tensor | np.ndarray, dtype: Any) -> Tensor:
    tensor = as_tensor(input)
    return tensor if dtype is None else tensor.astype(float_dtype(f"{name}: dtype", dtype))


def _exponentials(x, axis):
    """exp((x - max) / 2) in float64, and the sums of the squares. A square may underflow where p * grad does not."""
    x = x.astype(np.float64)
    if not x.size:
        return x, np.ones(())
    largest = x.max(axis, keepdims=True)
    with np.errstate(over="ignore", invalid="ignore"):
        d = x - largest
        subtracted = d - x
        error = (x - (d - subtracted)) - (largest + subtracted)                 # x - largest - d exactly (Knuth)
        half = np.exp(d / 2)
        half = np.where(np.isfinite(error), half * (1 + error / 2), half)
        return half, np.square(half).sum(axis, keepdims=True)


def log_softmax(input: Tensor | np.ndarray, dim: int = -1, *, dtype: Any = None) -> Tensor:
    """x - log(sum(exp(x))) along the axis `dim`. The maximum is subtracted first, so nothing overflows.

    An input of -inf has the probability 0. If all inputs along the axis are -inf, or one is inf, the result is NaN.
    With `dtype`, float32 or float64, the input is converted first. An axis that does not exist raises InputError.

    >>> np.exp(log_softmax(Tensor([1000.0, 1000.0])).data)
    array([0.5, 0.5], dtype=float32)
    """
    input = _converted("log_softmax", input, dtype)
    axis, dtype = axis_of("log_softmax: dim", dim, input.ndim), input.dtype
    out = log_softmax_of_array(input.data, axis)

    def vjp(grad):
        total = grad.sum(axis, np.float64, keepdims=True)
        slope = -softmax_difference(out, total, grad)
        if slope.size and np.isnan(slope.min()):            # a row that is hidden gets 0: see `arithmetic.shown`
            slope = np.where((grad == 0).all(axis, keepdims=True), 0, slope)
        return (slope.astype(dtype),)
    with np.errstate(over="ignore"):              # a probability may be smaller than e^-(the largest float32)
        return record(out.astype(dtype), (input,), vjp)


def log_softmax_of_array(x: np.ndarray, axis: int) -> np.ndarray:
    """`log_softmax` on arrays, without a tape, computed in float64; `cross_entropy` uses it too."""
    shifted = x.astype(np.float64)
    if x.size:
        with np.errstate(over="ignore", invalid="ignore"):      # inf - inf is NaN
            shifted -= x.max(axis, keepdims=True)
            shifted -= np.log(np.exp(shifted).sum(axis, keepdims=True))
    return shifted


def softmax_difference(log_p: np.ndarray, total: np.ndarray, q: np.ndarray) -> np.ndarray:
    """exp(log_p) * total - q, in float64. A probability of 0 contributes 0, whatever `total` is."""
    p = np.exp(log_p, out=np.empty_like(log_p))         # an array, even without axes
    return np.multiply(p, total, out=p, where=p != 0) - q
