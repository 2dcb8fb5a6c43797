"""Operations on one or two operands, element by element. Where the cotangent is 0, so is the gradient: see `shown`."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ..checks import float_dtype
from ..errors import InputError, InputTypeError
from .extended import joined, out_of_range, quotient, shown, split_power

Result = tuple[np.ndarray, Callable]


def broadcast(name: str, function: Callable, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """function(x, y); shapes that do not broadcast raise InputError."""
    try:
        return function(x, y)
    except ValueError:
        raise InputError(f"{name}: shapes {x.shape} and {y.shape} do not broadcast: from the last axis on, two lengths "
                         "must be equal or one of them 1") from None


# Two operands.

def add(x: np.ndarray, y: np.ndarray) -> Result:
    """x + y."""
    return broadcast("add", np.add, x, y), lambda grad: (grad, grad)


def subtract(x: np.ndarray, y: np.ndarray) -> Result:
    """x - y."""
    return broadcast("sub", np.subtract, x, y), lambda grad: (grad, -grad)


def multiply(x: np.ndarray, y: np.ndarray) -> Result:
    """x y, element by element."""
    return broadcast("mul", np.multiply, x, y), lambda grad: (times(grad, y), times(grad, x))


def divide(x: np.ndarray, y: np.ndarray) -> Result:
    """x / y; d = dx / y - x dy / y^2."""
    out = broadcast("div", np.divide, x, y)
    return out, lambda grad: (shown(grad, quotient([grad], [y])), shown(grad, -quotient([x, grad], [y, y])))


def power(x: np.ndarray, y: np.ndarray, needs_exponent: bool = True) -> Result:
    """x^y; d = y x^(y-1) dx + x^y log(x) dy.

    The second part is computed only if `needs_exponent`, because log(x) may not exist.
    x^0 is 1 also where x is 0 or infinite, so its derivative dx is 0. 0^y is 0 for y > 0, so its derivative dy is 0; at
    y = 0 the derivative from the right, 0, counts.
    """
    out = broadcast("pow", operator.pow, x, y)

    def vjp(grad):
        dx = np.where(y == 0, 0, _times_power(grad, y, x, y - 1)).astype(out.dtype, copy=False)
        if not needs_exponent:
            return dx, None
        zero = (x == 0) & (y >= 0)
        log = np.log(np.where(zero, 1, x)).astype(x.dtype, copy=False)
        return dx, np.where(zero, 0, _times_power(grad, log, x, y)).astype(out.dtype, copy=False)
    return out, vjp


def times(grad: np.ndarray, local: np.ndarray) -> np.ndarray:
    """grad * local, for a vjp."""
    return shown(grad, grad * local)


def over(grad: np.ndarray, divisor: np.ndarray) -> np.ndarray:
    """grad / divisor, for a vjp."""
    return shown(grad, grad / divisor)


def _times_power(grad, factor, x, p):
    """grad * factor * x^p."""
    local = np.asarray(x ** p)
    plain = quotient([local, factor, grad])
    odd = out_of_range(local, x)
    if odd.any():
        plain = np.where(odd, joined([split_power(x, p), np.frexp(factor), np.frexp(grad)]), plain)
    return shown(grad, plain)


# One operand.

def negative(x: np.ndarray) -> Result:
    """-x."""
    return -x, lambda grad: (-grad,)


def absolute(x: np.ndarray) -> Result:
    """|x|; d = sign(x) dx, which is 0 at 0."""
    return np.abs(x), lambda grad: (np.where(x > 0, grad, np.where(x < 0, -grad, 0)).astype(x.dtype, copy=False),)


def exp(x: np.ndarray) -> Result:
    """e^x; d = e^x dx."""
    out = np.asarray(np.exp(x))
    return out, lambda grad: (_times_exp(grad, x, out),)


def expm1(x: np.ndarray) -> Result:
    """e^x - 1, with all digits also near 0; d = e^x dx."""
    return _quiet(np.expm1, x), lambda grad: (_times_exp(grad, x, np.asarray(_quiet(np.exp, x))),)


def _times_exp(grad, x, power):
    """grad * e^x, where `power` is e^x. It may overflow or underflow where the product does not."""
    odd = out_of_range(power, x)
    if not odd.any():
        return times(grad, power)
    half = _quiet(np.exp, x / 2)
    return shown(grad, np.where(odd, quotient([half, grad, half]), times(grad, power)))


def log(x: np.ndarray) -> Result:
    """Natural logarithm; d = dx / x."""
    return np.log(x), lambda grad: (over(grad, x),)


def log1p(x: np.ndarray) -> Result:
    """log(1 + x), with all digits also near 0; d = dx / (1 + x)."""
    return _quiet(np.log1p, x), lambda grad: (over(grad, 1 + x),)


def square_root(x: np.ndarray) -> Result:
    """The square root; d = dx / (2 sqrt(x))."""
    out = np.sqrt(x)
    return out, lambda grad: (over(grad, 2 * out),)


def tanh(x: np.ndarray) -> Result:
    """The hyperbolic tangent; d = dx / cosh(x)^2 = 4 e^(-2|x|) / (1 + e^(-2|x|))^2 dx, which is not 0 where it is 1."""
    def vjp(grad):
        half = np.exp(-np.abs(x))                 # its square may underflow where the product with grad does not
        slope = quotient([half, grad, half, x.dtype.type(4)], [1 + half * half, 1 + half * half])
        return (shown(grad, slope),)
    return np.tanh(x), vjp


def sin(x: np.ndarray) -> Result:
    """The sine of an angle in radians; d = cos(x) dx."""
    return _quiet(np.sin, x), lambda grad: (times(grad, _quiet(np.cos, x)),)


def cos(x: np.ndarray) -> Result:
    """The cosine of an angle in radians; d = -sin(x) dx."""
    return _quiet(np.cos, x), lambda grad: (times(grad, -_quiet(np.sin, x)),)


def erf(x: np.ndarray) -> Result:
    """The error function, 2 / sqrt(pi) times the integral of e^(-t^2) from 0 to x; d = 2 / sqrt(pi) e^(-x^2) dx."""
    def vjp(grad):
        # The square of e^(-x^2 / 2) may underflow where the product with grad does not.
        half = _quiet(lambda x: np.exp(-x * (x / 2)), x)
        return (shown(grad, quotient([half, grad, half, x.dtype.type(2 / math.sqrt(math.pi))])),)
    from scipy import special  # imported here because it takes as long as all of minicnn
    return special.erf(x), vjp


def convert(x: np.ndarray, dtype: Any) -> Result:
    """The same numbers as float32 or float64, rounded; the gradient is converted back."""
    if dtype is None:
        raise InputTypeError("astype: dtype must be float32 or float64, not None")
    out_dtype = float_dtype("astype: dtype", dtype)
    return _quiet(lambda x: x.astype(out_dtype), x), lambda grad: (_quiet(lambda g: g.astype(x.dtype), grad),)


def sign(x: np.ndarray) -> Result:
    """-1, 0 or 1; d = 0. The sign of NaN is NaN."""
    return _quiet(np.sign, x), lambda grad: (np.zeros_like(x),)


def _quiet(function, x):
    """function(x): infinite and NaN results come without a warning."""
    with np.errstate(all="ignore"):
        return function(x)
