"""Activations that are piecewise linear, and elu: relu, leaky_relu, prelu, hardtanh, relu6."""

from __future__ import annotations

import numpy as np

from ...arithmetic import keep, shown, sum_over
from ...arithmetic.extended import quotient
from ...checks import number
from ...errors import InputError
from ...passes import rectifier
from ...tensor import Tensor, as_tensor, record


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
        with np.errstate(over="ignore"):          # of a slope above 1
            return np.multiply(values, slope, out=values.copy(order="K"), where=rest)
    return record(scaled(input.data), (input,), lambda grad: (scaled(grad),))


def prelu(input: Tensor | np.ndarray, weight: Tensor | np.ndarray) -> Tensor:
    """`input` where it is positive, weight * input elsewhere. The weight is learned.

    Parameters
    ----------
    input : Tensor, shape (N, C, ...) or any shape
    weight : Tensor, shape (C,), or of one element
        A slope for each channel (axis 1), or one for all elements.

    Raises
    ------
    InputError
        The weight has another shape.

    References
    ----------
    He et al. 2015, "Delving Deep into Rectifiers", equations 1 and 3.

    Examples
    --------
    >>> prelu(Tensor([[-1.0, 2.0], [-1.0, -3.0]]), Tensor([0.5, 0.1]))
    Tensor([[-0.5,  2. ],
            [-0.5, -0.3]])
    """
    input = as_tensor(input)
    weight = as_tensor(weight, input.dtype)
    x, w = input.data, weight.data
    channels = x.shape[1] if x.ndim > 1 else 1
    if w.ndim > 1 or w.size not in (1, channels):
        shapes = "(1,)" if channels == 1 else f"(1,) or ({channels},)"
        raise InputError(f"prelu: for an input of shape {x.shape} the weight must have shape {shapes}, one number or "
                         f"one for each channel, not {w.shape}")
    axes = tuple(range(x.ndim)) if w.size == 1 else (0, *range(2, x.ndim))
    rest, slope = ~(x > 0), w.reshape(-1, *[1] * (x.ndim - 2)) if w.size != 1 else w.reshape(())

    def scaled(values):                           # zeros, negative numbers and NaN are multiplied
        with np.errstate(over="ignore", invalid="ignore"):
            return np.multiply(values, slope, out=values.copy(order="K"), where=rest, casting="same_kind")

    def vjp(grad):
        parts = np.where(rest & (grad != 0), grad * x, 0).astype(x.dtype, copy=False)
        return shown(grad, scaled(grad)), sum_over(parts, axes).reshape(w.shape).astype(w.dtype)
    return record(scaled(x), (input, weight), vjp)


def hardtanh(input: Tensor | np.ndarray, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """`input`, limited to the range from min_val to max_val.

    The derivative is 1 between the limits, and 0 at and beyond them. NaN stays NaN, and its derivative is 1. A limit
    that is not a finite number, and a lower limit above the upper one, raise InputError.

    >>> hardtanh(Tensor([-2.0, 0.5, 2.0]))
    Tensor([-1. ,  0.5,  1. ])
    """
    low, high = number("hardtanh: min_val", min_val), number("hardtanh: max_val", max_val)
    if low > high:
        raise InputError(f"hardtanh: min_val={min_val} must be at most max_val={max_val}")
    return _limited(as_tensor(input), low, high, "hardtanh")


def relu6(input: Tensor | np.ndarray) -> Tensor:
    """min(max(input, 0), 6), element by element: `hardtanh` from 0 to 6.

    >>> relu6(Tensor([-2.0, 0.5, 8.0]))
    Tensor([0. , 0.5, 6. ])
    """
    return _limited(as_tensor(input), 0.0, 6.0, "relu6")


def elu(input: Tensor | np.ndarray, alpha: float = 1.0) -> Tensor:
    """x where it is positive, alpha (exp(x) - 1) elsewhere; the derivative there is alpha exp(x).

    An alpha that is not a finite number raises InputError. With alpha 0 it is `relu`.

    References
    ----------
    Clevert, Unterthiner & Hochreiter 2016, "Fast and Accurate Deep Network Learning by Exponential Linear Units",
    equation 15.

    Examples
    --------
    >>> elu(Tensor([-1000.0, 0.0, 2.0]))
    Tensor([-1.,  0.,  2.])
    """
    input, alpha = as_tensor(input), number("elu: alpha", alpha)
    if alpha == 0:                                # a product with 0 would make NaN out of what the ReLU hides
        return _positive_part(input, "elu")
    x = input.data
    below = np.minimum(x, 0)
    with np.errstate(over="ignore"):              # of an alpha beyond the range of float32
        out = np.where(x > 0, x, np.expm1(below) * alpha).astype(x.dtype, copy=False)

    def vjp(grad):
        half = np.exp(below / 2)                  # its square may underflow where the product with grad does not
        slope = quotient([half, grad, half, np.asarray(alpha, x.dtype)])
        return (shown(grad, np.where(x > 0, grad, slope)),)
    return record(out, (input,), vjp)


def _positive_part(input, name):
    x = input.data
    if rectifier.worth(x):
        out = rectifier.relu(x)
        return record(out, (input,), lambda grad: (rectifier.gate(grad, out),), name)
    out = np.maximum(x, 0)
    return record(out, (input,), lambda grad: (keep(grad, out != 0),), name)     # NaN is not 0: it goes on


def _limited(input, low, high, name):
    x = input.data
    with np.errstate(over="ignore"):              # a limit beyond the range of float32 is infinite there
        low, high = x.dtype.type(low), x.dtype.type(high)
    outside = (x <= low) | (x >= high)
    return record(np.clip(x, low, high), (input,), lambda grad: (np.where(outside, 0, grad),), name)
