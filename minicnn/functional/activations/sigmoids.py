"""tanh, sigmoid, its logarithm and softplus."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import arithmetic
from ...arithmetic.extended import quotient
from ...checks import number
from ...errors import InputError
from ...tensor import Tensor, as_tensor, record


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

    def vjp(grad):
        half = np.exp(-np.abs(x) / 2)             # its square may underflow where the product with grad does not
        tail = 1 + half * half
        return (arithmetic.shown(grad, quotient([half, grad, half], [tail, tail])),)
    return record(_sigmoid(x), (input,), vjp)


def logsigmoid(input: Tensor | np.ndarray) -> Tensor:
    """log(sigmoid(x)) = min(x, 0) - log(1 + exp(-|x|)), element by element; the derivative is sigmoid(-x).

    >>> logsigmoid(Tensor([-1000.0, 1000.0]))
    Tensor([-1000.,     0.])
    """
    input = as_tensor(input)
    x = input.data
    out = np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x)))

    def vjp(grad):
        half = np.exp(-np.abs(x) / 2)
        top = np.where(x > 0, half, 1).astype(x.dtype, copy=False)
        return (arithmetic.shown(grad, quotient([top, grad, top], [1 + half * half])),)
    return record(out, (input,), vjp)


def softplus(input: Tensor | np.ndarray, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + exp(beta x)) / beta, element by element, and x where beta x > threshold; a smooth ReLU.

    The derivative is sigmoid(beta x), and 1 beyond the threshold. A beta that is 0 or not finite, and a threshold that
    is not finite, raise InputError.

    References
    ----------
    Dugas et al. 2001, "Incorporating Second-Order Functional Knowledge for Better Option Pricing".

    Examples
    --------
    >>> softplus(Tensor([-1000.0, 0.0, 100.0])).data.round(3)
    array([  0.   ,   0.693, 100.   ], dtype=float32)
    """
    input, beta, threshold = as_tensor(input), number("softplus: beta", beta), number("softplus: threshold", threshold)
    if beta == 0:
        raise InputError("softplus: beta must not be 0, because the result is divided by it")
    x = input.data.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        z = x * beta
        rest = product_error(x, beta, z) if input.dtype == np.float64 else 0.0
    linear, (first, last, tail) = z > threshold, sigmoid_factors(z, rest)
    small = quotient([last, first * (1 + tail)], [np.asarray(beta)])         # e^z / beta, which is log(1 + e^z) / beta
    out = np.where(z < -40, small, (np.maximum(z, 0) + np.log1p(tail)) / beta)
    out = np.where(linear, x, out).astype(input.dtype)

    def vjp(grad):
        slope = quotient([first, grad.astype(np.float64), last])
        return (np.where(linear, grad, arithmetic.shown(grad, slope)).astype(grad.dtype),)
    return record(out, (input,), vjp)


def sigmoid_factors(t: np.ndarray, rest: Any = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two factors whose product is sigmoid(t + rest), and exp(-|t|), for a float64 t. `rest` is a small correction.

    Each factor is in the range of normal numbers where only the product is not.
    """
    negative, half = t < 0, np.exp(-np.abs(t) / 2)
    tail = half * half * np.exp(np.where(negative, rest, -rest))
    first = np.where(negative, half * np.exp(rest), 1) / (1 + tail)
    return first, np.where(negative, half, 1), tail


def product_error(x: np.ndarray, factor: float, product: np.ndarray) -> np.ndarray:
    """x * factor - product, exactly, for the rounded product; 0 where it does not matter, beyond the range of exp.

    Each number is split into two of at most 26 bits, whose products are exact (Dekker 1971, "A Floating-Point Technique
    for Extending the Available Precision").
    """
    matters = (np.abs(product) < 800) & (np.maximum(np.abs(x), abs(factor)) < 1e290)
    (x_high, x_low), (f_high, f_low) = (_halves(a) for a in (np.where(matters, x, 0), min(max(factor, -1e290), 1e290)))
    error = ((x_high * f_high - product) + x_high * f_low + x_low * f_high) + x_low * f_low
    return np.where(matters, error, 0)


def _halves(x):
    scaled = x * 134217729.0                      # 2^27 + 1
    high = scaled - (scaled - x)
    return high, x - high


def _sigmoid(x):
    tail = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, tail) / (1 + tail)
