"""Losses of numbers: mse_loss, l1_loss, huber_loss and smooth_l1_loss."""

from __future__ import annotations

import numpy as np

from ...arithmetic import shown
from ...checks import number, one_of
from ...tensor import Tensor, record
from .reduction import REDUCTIONS, input_and_target, reduced, spread


def mse_loss(input: Tensor | np.ndarray, target: Tensor | np.ndarray, reduction: str = "mean") -> Tensor:
    """(input - target)^2, averaged over all elements ("mean"), summed ("sum") or for each element ("none").

    Different shapes of input and target, and another reduction, raise InputError. The mean of no elements is NaN.

    >>> mse_loss(Tensor([1.0, 3.0]), Tensor([1.0, 1.0])).item()
    2.0
    """
    input, target = input_and_target("mse_loss", input, target)
    one_of("mse_loss: reduction", reduction, REDUCTIONS)
    with np.errstate(over="ignore", invalid="ignore"):
        difference = input.data - target.data
        count = difference.size if reduction == "mean" else 1
        out = difference * difference if reduction == "none" else _sum_of_squares(difference, count)
        out = np.asarray(out).astype(difference.dtype)

    def vjp(grad):
        slope = shown(grad, 2 * (grad / (count or np.nan)) * difference)
        return slope.astype(input.dtype, copy=False), -slope.astype(target.dtype, copy=False)
    return record(out, (input, target), vjp)


def _sum_of_squares(x, count):
    """sum of x^2 / count in float64; NaN for count 0. The squares or their sum may overflow where the result does not.
    """
    with np.errstate(over="ignore"):
        total = np.square(x, dtype=np.float64).sum()
    if np.isfinite(total) or not np.isfinite(x).all():
        return total / count if count else np.nan
    unit = np.ldexp(1.0, np.frexp(np.abs(x).max())[1])
    return np.square(x / unit).sum() / count * unit * unit


def l1_loss(input: Tensor | np.ndarray, target: Tensor | np.ndarray, *, reduction: str = "mean") -> Tensor:
    """|input - target|, averaged over all elements ("mean"), summed ("sum") or for each element ("none").

    The derivative is the sign of the difference, and 0 at 0. Different shapes of input and target, and another
    reduction, raise InputError. The mean of no elements is NaN.

    >>> l1_loss(Tensor([1.0, 3.0]), Tensor([1.0, 1.0])).item()
    1.0
    """
    return _of_difference("l1_loss", input, target, reduction, np.abs, np.sign)


def huber_loss(input: Tensor | np.ndarray, target: Tensor | np.ndarray, reduction: str = "mean",
               delta: float = 1.0) -> Tensor:
    """d^2 / 2 where |d| <= delta, delta (|d| - delta / 2) elsewhere, for the difference d = input - target.

    The derivative is d, limited to the range from -delta to delta. Options and errors are those of `l1_loss`; a delta
    that is not above 0 raises InputError.

    References
    ----------
    Huber 1964, "Robust Estimation of a Location Parameter".

    Examples
    --------
    >>> huber_loss(Tensor([1.0, 5.0]), Tensor([0.0, 0.0]), "none")
    Tensor([0.5, 4.5])
    """
    delta = number("huber_loss: delta", delta, above=0)

    def loss(d):
        near = np.minimum(np.abs(d), delta)
        return near * (np.abs(d) - near / 2)
    return _of_difference("huber_loss", input, target, reduction, loss, lambda d: np.clip(d, -delta, delta))


def smooth_l1_loss(input: Tensor | np.ndarray, target: Tensor | np.ndarray, *, reduction: str = "mean",
                   beta: float = 1.0) -> Tensor:
    """d^2 / (2 beta) where |d| < beta, |d| - beta / 2 elsewhere, for the difference d = input - target.

    This is huber_loss / beta with delta = beta. With beta 0 it is `l1_loss`. A negative beta raises InputError.

    References
    ----------
    Girshick 2015, "Fast R-CNN", equation 3, for beta = 1.

    Examples
    --------
    >>> smooth_l1_loss(Tensor([1.0, 5.0]), Tensor([0.0, 0.0]), reduction="none", beta=2.0)
    Tensor([0.25, 4.  ])
    """
    beta = number("smooth_l1_loss: beta", beta, least=0)
    if beta == 0:
        return _of_difference("smooth_l1_loss", input, target, reduction, np.abs, np.sign)

    def loss(d):
        near = np.minimum(np.abs(d), beta)
        return near / beta * (np.abs(d) - near / 2)
    return _of_difference("smooth_l1_loss", input, target, reduction, loss, lambda d: np.clip(d, -beta, beta) / beta)


def _of_difference(name, input, target, reduction, loss, derivative):
    """loss(input - target), reduced, in float64. The target's gradient is that of the input with the other sign."""
    input, target = input_and_target(name, input, target)
    one_of(f"{name}: reduction", reduction, REDUCTIONS)
    with np.errstate(over="ignore", invalid="ignore"):
        d = input.data.astype(np.float64) - target.data
        losses = loss(d)

    def vjp(grad):
        slope = shown(grad, derivative(d) * spread(grad, reduction, d.size))
        return slope.astype(input.dtype), (-slope).astype(target.dtype)
    dtype = np.result_type(input.dtype, target.dtype)
    return record(reduced(losses, reduction, d.size, dtype), (input, target), vjp, name)
