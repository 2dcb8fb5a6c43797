"""Activations that multiply x by a number from 0 to 1, which depends on x: silu and gelu."""

from __future__ import annotations

import numpy as np

from ...arithmetic import shown
from ...arithmetic.extended import quotient
from ...checks import one_of
from ...tensor import Tensor, as_tensor, record
from .sigmoids import sigmoid_factors


def silu(input: Tensor | np.ndarray) -> Tensor:
    """x sigmoid(x), element by element; the derivative is s (1 + x (1 - s)) with s = sigmoid(x).

    At -inf it is NaN, as -inf * 0 and PyTorch's result are.

    References
    ----------
    Elfwing, Uchibe & Doya 2017, "Sigmoid-Weighted Linear Units for Neural Network Function
    Approximation in Reinforcement Learning", section 2.

    Examples
    --------
    >>> silu(Tensor([-1000.0, 0.0, 1000.0]))
    Tensor([  -0.,    0., 1000.])
    """
    input = as_tensor(input)
    x = input.data.astype(np.float64)
    return _gated(input, x, x, 0.0, x, "silu")


def gelu(input: Tensor | np.ndarray, approximate: str = "none") -> Tensor:
    """x P(x), element by element, where P(x) = (1 + erf(x / sqrt(2))) / 2 is the normal distribution.

    Parameters
    ----------
    input : Tensor, any shape
    approximate : {"none", "tanh"}
        "tanh": x sigmoid(2 u) = x (1 + tanh(u)) / 2 with u = sqrt(2 / pi) (x + 0.044715 x^3) instead.

    Returns
    -------
    Tensor
        At -inf it is NaN, as -inf * 0 and PyTorch's result are.

    Raises
    ------
    InputError
        `approximate` is another value.

    References
    ----------
    Hendrycks & Gimpel 2016, "Gaussian Error Linear Units", section 2.

    Examples
    --------
    >>> gelu(Tensor([-1.0, 0.0, 1.0])).data.round(4)
    array([-0.1587,  0.    ,  0.8413], dtype=float32)
    """
    input = as_tensor(input)
    x = input.data.astype(np.float64)
    if one_of("gelu: approximate", approximate, ("none", "tanh")) == "none":
        return _normal_gated(input, x)
    y = np.clip(x, -30, 30)                       # beyond, the sigmoid is 0 or 1
    t, rest = _exponent(y)
    return _gated(input, x, t, rest, y * (SLOPE + 3 * CUBIC * y * y), "gelu")


# 2 u = SLOPE x + CUBIC x^3 with SLOPE = sqrt(8 / pi), CUBIC = 0.044715 SLOPE. Each constant is a head of few bits and a
# rest, found with mpmath.
SLOPE_HEAD, SLOPE_REST = 1.5957691216026433, 3.0874305383944692e-12
CUBIC_HEAD, CUBIC_REST = 0.0712890625, 6.575377260024877e-05
SLOPE, CUBIC = SLOPE_HEAD + SLOPE_REST, CUBIC_HEAD + CUBIC_REST


def _exponent(x):
    """2 u for |x| <= 30 as a float64 and its rounding error, because exp(2 u) needs all digits behind the point of 2 u.

    The head of x has 15 bits, so that the heads' products are exact.
    """
    head = np.rint(x * 1024) / 1024
    low, cube = x - head, head ** 3
    p, q = CUBIC_HEAD * cube, SLOPE_HEAD * head
    t = p + q
    error = (p - (t - q)) + (q - (t - (t - q)))                                # of the sum (Knuth)
    more = low * (SLOPE + CUBIC * (3 * head * head + 3 * head * low + low * low))
    return t, error + (CUBIC_REST * cube + SLOPE_REST * head + more)


def _gated(input, x, t, rest, lift, name):
    """x sigmoid(t + rest); lift = x dt/dx. The derivative is s (1 + lift (1 - s)), and 1 - s = sigmoid(-t)."""
    first, last, tail = sigmoid_factors(t, rest)
    with np.errstate(invalid="ignore"):           # inf * 0 = NaN at an infinite x
        out = (x * first * last).astype(input.dtype)
        inner = 1 + lift * np.where(t < 0, 1, tail) / (1 + tail)

    def vjp(grad):
        slope = quotient([first, inner, grad.astype(np.float64), last])
        return (shown(grad, slope).astype(input.dtype),)
    return record(out, (input,), vjp, name)


def _normal_gated(input, x):
    """x P(x), and P(x) + x P'(x) with P'(x) = exp(-x^2 / 2) / sqrt(2 pi).

    For negative x, P(x) = exp(-x^2 / 2) erfcx(-x / sqrt(2)) / 2. With a head y of x of 22 bits, y^2 is exact, and
    exp(-x^2 / 2) = exp(-y^2 / 4)^2 exp((y - x) (y + x) / 2).
    """
    from scipy.special import erfc, erfcx  # imported here because it takes as long as all of minicnn
    negative, near = x < 0, np.clip(x, -60, 60)   # beyond 60 the exponential is 0
    head = np.rint(near * 65536) / 65536
    half, correction = np.exp(-head * head / 4), np.exp((head - near) * (head + near) / 2)
    scaled = erfcx(np.where(negative, -x, 0) * np.sqrt(0.5)) / 2
    positive = 1 - erfc(np.where(negative, 0, x) * np.sqrt(0.5)) / 2
    bell = near * correction / np.sqrt(2 * np.pi)
    last = np.where(negative, half, 1)
    with np.errstate(invalid="ignore"):           # inf * 0 = NaN at an infinite x
        out = x * np.where(negative, scaled * correction, positive) * last * last
        inner = np.where(negative, scaled * correction + bell, positive + bell * half * half)

    def vjp(grad):
        slope = quotient([last, inner, grad.astype(np.float64), last])
        return (shown(grad, slope).astype(input.dtype),)
    return record(out.astype(input.dtype), (input,), vjp, "gelu")
