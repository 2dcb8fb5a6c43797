"""Operations on one or two operands, element by element. Where the cotangent is 0, so is the gradient: see `shown`."""

from __future__ import annotations

import operator
from collections.abc import Callable

import numpy as np

from ..errors import InputError
from .extended import joined, out_of_range, quotient, shown, split_power

Result = tuple[np.ndarray, Callable]


def _broadcast(name, function, x, y):
    try:
        return function(x, y)
    except ValueError:
        raise InputError(f"{name}: shapes {x.shape} and {y.shape} do not broadcast: from the last axis on, two lengths "
                         "must be equal or one of them 1") from None


# Two operands.

def add(x: np.ndarray, y: np.ndarray) -> Result:
    """x + y."""
    return _broadcast("add", np.add, x, y), lambda grad: (grad, grad)


def subtract(x: np.ndarray, y: np.ndarray) -> Result:
    """x - y."""
    return _broadcast("sub", np.subtract, x, y), lambda grad: (grad, -grad)


def multiply(x: np.ndarray, y: np.ndarray) -> Result:
    """x y, element by element."""
    return _broadcast("mul", np.multiply, x, y), lambda grad: (_times(grad, y), _times(grad, x))


def divide(x: np.ndarray, y: np.ndarray) -> Result:
    """x / y; d = dx / y - x dy / y^2."""
    out = _broadcast("div", np.divide, x, y)
    return out, lambda grad: (shown(grad, quotient([grad], [y])), shown(grad, -quotient([x, grad], [y, y])))


def power(x: np.ndarray, y: np.ndarray, needs_exponent: bool = True) -> Result:
    """x^y; d = y x^(y-1) dx + x^y log(x) dy, the second only if `needs_exponent`: log(x) may not exist.

    x^0 is 1 also where x is 0 or infinite, so its derivative dx is 0. 0^y is 0 for y > 0, so its derivative dy is 0; at
    y = 0 the derivative from the right, 0, counts.
    """
    out = _broadcast("pow", operator.pow, x, y)

    def vjp(grad):
        with np.errstate(all="ignore"):
            dx = np.where(y == 0, 0, _times_power(grad, y, x, y - 1)).astype(out.dtype, copy=False)
            if not needs_exponent:
                return dx, None
            zero = (x == 0) & (y >= 0)
            log = np.log(np.where(zero, 1, x)).astype(x.dtype, copy=False)
            return dx, np.where(zero, 0, _times_power(grad, log, x, y)).astype(out.dtype, copy=False)
    return out, vjp


def _times(grad, local):
    """grad * local."""
    with np.errstate(invalid="ignore"):
        return shown(grad, grad * local)


def _over(grad, divisor):
    """grad / divisor."""
    with np.errstate(invalid="ignore"):
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

    def vjp(grad):
        odd = out_of_range(out, x)
        if not odd.any():
            return (_times(grad, out),)
        half = np.exp(x / 2)                      # e^x overflows or underflows, and grad e^x may not
        return (shown(grad, np.where(odd, quotient([half, grad, half]), _times(grad, out))),)
    return out, vjp


def log(x: np.ndarray) -> Result:
    """Natural logarithm; d = dx / x."""
    return np.log(x), lambda grad: (_over(grad, x),)


def square_root(x: np.ndarray) -> Result:
    """The square root; d = dx / (2 sqrt(x))."""
    out = np.sqrt(x)
    return out, lambda grad: (_over(grad, 2 * out),)


def tanh(x: np.ndarray) -> Result:
    """The hyperbolic tangent; d = dx / cosh(x)^2 = 4 e^(-2|x|) / (1 + e^(-2|x|))^2 dx, which is not 0 where it is 1."""
    def vjp(grad):
        half = np.exp(-np.abs(x))                 # its square may underflow where the product with grad does not
        slope = quotient([half, grad, half, x.dtype.type(4)], [1 + half * half, 1 + half * half])
        return (shown(grad, slope),)
    return np.tanh(x), vjp
