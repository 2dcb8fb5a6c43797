"""Losses: cross_entropy and mse_loss."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..arithmetic import as_float_array, shown
from ..checks import fraction, integer, one_of, unmasked
from ..errors import InputError, InputTypeError
from ..tensor import Tensor, as_tensor, record
from .activations import log_softmax_of_array, softmax_difference

REDUCTIONS = ("mean", "sum", "none")


def cross_entropy(input: Tensor | np.ndarray, target: np.ndarray | Tensor, weight: np.ndarray | Tensor | None = None, *,
                  ignore_index: int = -100, reduction: str = "mean", label_smoothing: float = 0.0) -> Tensor:
    """-sum over classes of weight * q * log_softmax(input). q is the target distribution of each sample.

    A class with weight * q = 0 contributes nothing, even if its logit is -inf or NaN. In particular, a sample that is
    ignored has loss 0 and gradient 0.

    Parameters
    ----------
    input : Tensor, shape (N, classes) or (classes,) or (N, classes, d1, ...)
        Logits.
    target : array, or Tensor of probabilities
        Class indices: integers, with the input's shape without the class axis. Or probabilities: floating-point
        numbers, with the input's shape. A Tensor of probabilities that requires a gradient gets one.
    weight : array, shape (classes,), optional
        Has no gradient.
    ignore_index : int
        A sample with this class index has loss 0 and weight 0. It means nothing for probabilities, so they refuse an
        index of 0 or more.
    reduction : {"mean", "sum", "none"}
        "mean" divides by the sum of the weights of the targets (class indices) or by N (probabilities). If this is 0,
        the mean is NaN.
    label_smoothing : float
        q becomes (1 - s) q + s / classes.

    Returns
    -------
    Tensor
        A single number; with reduction "none" a number for each sample.

    Raises
    ------
    InputError
        The shapes do not fit, or a label is not in 0..classes-1. The message names the label.
    InputTypeError
        The weight requires a gradient.

    Examples
    --------
    >>> round(cross_entropy(Tensor([[0.0, 0.0]]), np.array([1])).item(), 4)
    0.6931
    """
    input = as_tensor(input)
    x = input.data
    if x.ndim == 0:
        raise InputError("cross_entropy: the input must have shape (classes,) or (N, classes, ...), not ()")
    axis = 0 if x.ndim == 1 else 1
    target = target if isinstance(target, Tensor) else np.asarray(unmasked(target))
    w = None if weight is None else _class_weight(weight, x, axis)
    one_of("cross_entropy: reduction", reduction, REDUCTIONS)
    smoothing = fraction("cross_entropy: label_smoothing", label_smoothing)
    q, divisor, slope = _target_distribution(target, x, axis, w, integer("cross_entropy: ignore_index", ignore_index),
                                             smoothing)
    log_p = log_softmax_of_array(x, axis)
    counted = q != 0
    losses = -_products(log_p, q, counted).sum(axis) + 0.0                  # what has no weight adds no 0 inf
    scale = (1 / divisor if divisor else np.nan) if reduction == "mean" else 1.0
    out = losses if reduction == "none" else _total(losses, scale)
    inputs = (input, target) if isinstance(target, Tensor) else (input,)

    def vjp(grad):                  # d loss / d x = softmax(x) * sum(q) - q;   d loss / d target = -slope * log(p)
        g = np.expand_dims(grad, axis) if reduction == "none" else grad.astype(np.float64) * scale
        parts = [_products(softmax_difference(log_p, q.sum(axis, keepdims=True), q), g,
                           counted.any(axis, keepdims=True) & (g != 0)).astype(x.dtype)]
        if isinstance(target, Tensor) and target.requires_grad:
            factor = np.broadcast_to(-g * slope, x.shape)
            parts.append(_products(log_p, factor, factor != 0).astype(target.dtype))
        return *parts, *[None] * (len(inputs) - len(parts))
    return record(np.asarray(out, x.dtype), inputs, vjp)


def mse_loss(input: Tensor | np.ndarray, target: Tensor | np.ndarray, reduction: str = "mean") -> Tensor:
    """(input - target)^2, averaged over all elements ("mean"), summed ("sum") or for each element ("none").

    Different shapes of input and target, and another reduction, raise InputError. The mean of no elements is NaN.

    >>> mse_loss(Tensor([1.0, 3.0]), Tensor([1.0, 1.0])).item()
    2.0
    """
    input, target = as_tensor(input), as_tensor(target)
    if input.shape != target.shape:
        raise InputError(f"mse_loss: the input has shape {input.shape}, the target {target.shape}: they must agree")
    one_of("mse_loss: reduction", reduction, REDUCTIONS)
    difference = input.data - target.data
    count = difference.size if reduction == "mean" else 1
    out = difference * difference if reduction == "none" else _sum_of_squares(difference, count)

    def vjp(grad):
        slope = 2 * (grad / (count or np.nan)) * difference
        slope = shown(grad, slope)
        return slope.astype(input.dtype, copy=False), -slope.astype(target.dtype, copy=False)
    return record(np.asarray(out, difference.dtype), (input, target), vjp)


def _sum_of_squares(x, count):
    """sum of x^2 / count in float64; NaN for count 0. The squares or their sum may overflow where the result does not.
    """
    with np.errstate(over="ignore"):
        total = np.square(x, dtype=np.float64).sum()
    if np.isfinite(total) or not np.isfinite(x).all():
        return total / count if count else np.nan
    unit = np.ldexp(1.0, np.frexp(np.abs(x).max())[1])
    return np.square(x / unit).sum() / count * unit * unit


def _total(losses, scale):
    """The sum times the scale, also where only the sum overflows."""
    with np.errstate(over="ignore"):
        total = losses.sum() * scale
        return (losses * scale).sum() if np.isinf(total) else total


class _Target(NamedTuple):
    """The weighted target distribution of each sample."""

    q: np.ndarray                   # in the shape of the input
    divisor: float                  # of "mean"
    slope: np.ndarray | float       # the derivative of q with respect to given probabilities


def _class_weight(weight, x, axis):
    if isinstance(weight, Tensor) and weight.requires_grad:
        raise InputTypeError("cross_entropy: weight requires a gradient, but has none: give weight.detach()")
    w = as_float_array(weight.data if isinstance(weight, Tensor) else weight, x.dtype)
    if w.shape != (x.shape[axis],):
        raise InputError(f"cross_entropy: weight must have shape ({x.shape[axis]},), one for each class, not {w.shape}")
    return w


def _target_distribution(target, x, axis, weight, ignore_index, smoothing):
    if target.dtype.kind == "f":
        return _probabilities(target, x, axis, weight, ignore_index, smoothing)
    classes = x.shape[axis]
    labels_shape = x.shape[:axis] + x.shape[axis + 1:]
    if target.shape != labels_shape or target.dtype.kind not in "iu":
        raise InputError(f"cross_entropy: for an input of shape {x.shape} the class indices must be integers of shape "
                         f"{labels_shape}, not {target.dtype} of shape {target.shape}")
    plain = target.size > 0 and target.min() >= 0 and target.max() < classes and ignore_index not in range(classes)
    labels = target if plain else _valid_labels(target, classes, ignore_index)
    one_hot = np.expand_dims(labels, axis) == _column(np.arange(classes), x, axis)
    q = ((1 - smoothing) * one_hot + smoothing / classes if smoothing else one_hot).astype(x.dtype)
    if plain and weight is None:
        return _Target(q, labels.size, 0.0)
    counted, weight = target != ignore_index, np.ones(classes, x.dtype) if weight is None else weight
    q = np.where(np.expand_dims(counted, axis), q * _column(weight, x, axis), 0)
    return _Target(q, float(weight[labels[counted]].sum(dtype=np.float64)), 0.0)


def _valid_labels(target, classes, ignore_index):
    """The labels, with 0 for those that are ignored; InputError if one is not a class."""
    counted = target != ignore_index
    wrong = counted & ((target < 0) | (target >= classes))
    if wrong.any():
        where = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise InputError(f"cross_entropy: the label {int(target[where])} at {where} is not one of the {classes} "
                         f"classes 0..{classes - 1}")
    return np.where(counted, target, 0)


def _probabilities(target, x, axis, weight, ignore_index, smoothing):
    """The same as `_target_distribution`, for a target that is a distribution."""
    if target.shape == x.shape[:axis] + x.shape[axis + 1:]:
        raise InputError("cross_entropy: the target has the shape of class indices but is floating, as every Tensor "
                         "is: give the indices as an array of integers, not as a Tensor")
    if target.shape != x.shape:
        raise InputError(f"cross_entropy: probabilities must have the input's shape {x.shape}, not {target.shape}")
    if ignore_index >= 0:
        raise InputError(f"cross_entropy: ignore_index={ignore_index} ignores samples of this class index, but the "
                         "target holds probabilities: leave ignore_index out, or give class indices")
    classes = x.shape[axis]
    slope = np.asarray(1 - smoothing, x.dtype) * (1 if weight is None else _column(weight, x, axis))
    data = target.data if isinstance(target, Tensor) else target
    q = ((1 - smoothing) * data + (smoothing / classes if smoothing else 0)).astype(x.dtype)
    q = q if weight is None else _products(q, _column(weight, x, axis), _column(weight != 0, x, axis))
    return _Target(q, x.size // classes if classes else 0, slope)


def _products(a, b, where):
    """a * b where `where` is true, 0 elsewhere; b broadcasts to the shape of a."""
    return np.multiply(a, b, out=np.zeros_like(a), where=where)


def _column(values, x, axis):
    """Values of the classes, in a shape that broadcasts along the class axis of x."""
    return values.reshape(-1, *[1] * (x.ndim - axis - 1))
