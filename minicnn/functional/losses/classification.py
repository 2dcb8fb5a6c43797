"""Losses of classes: cross_entropy, of logits, and nll_loss, of log-probabilities."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...arithmetic import as_float_array
from ...checks import array, fraction, integer, one_of
from ...errors import InputError, InputTypeError
from ...tensor import Tensor, as_tensor, record
from ..activations import log_softmax_of_array, softmax_difference
from .reduction import REDUCTIONS, reduced, spread

FLOATING = ("the target has the shape of class indices but is floating, as every Tensor is: give the indices as an "
            "array of integers, not as a Tensor")


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
    axis = _class_axis("cross_entropy", x)
    target = target if isinstance(target, Tensor) else array("cross_entropy: the target", target)
    w = None if weight is None else _class_weight("cross_entropy", weight, x, axis)
    one_of("cross_entropy: reduction", reduction, REDUCTIONS)
    smoothing = fraction("cross_entropy: label_smoothing", label_smoothing)
    q, divisor, slope = _target_distribution(target, x, axis, w, integer("cross_entropy: ignore_index", ignore_index),
                                             smoothing)
    log_p = log_softmax_of_array(x, axis)
    counted = q != 0
    with np.errstate(over="ignore", invalid="ignore"):
        losses = -_products(log_p, q, counted).sum(axis) + 0.0              # what has no weight adds no 0 inf
    inputs = (input, target) if isinstance(target, Tensor) else (input,)

    def vjp(grad):                  # d loss / d x = softmax(x) * sum(q) - q;   d loss / d target = -slope * log(p)
        g = spread(grad, reduction, divisor)
        g = np.expand_dims(g, axis) if reduction == "none" else g
        parts = [_products(softmax_difference(log_p, q.sum(axis, keepdims=True), q), g,
                           counted.any(axis, keepdims=True) & (g != 0)).astype(x.dtype)]
        if isinstance(target, Tensor) and target.requires_grad:
            factor = np.broadcast_to(-g * slope, x.shape)
            parts.append(_products(log_p, factor, factor != 0).astype(target.dtype))
        return *parts, *[None] * (len(inputs) - len(parts))
    return record(reduced(losses, reduction, divisor, x.dtype), inputs, vjp)


def nll_loss(input: Tensor | np.ndarray, target: np.ndarray, weight: np.ndarray | Tensor | None = None, *,
             ignore_index: int = -100, reduction: str = "mean") -> Tensor:
    """-weight[y] * input[y], the input at the class y of each sample. The input are log-probabilities.

    nll_loss(log_softmax(x, 1), y) is cross_entropy(x, y). What has weight 0 or is ignored contributes 0 to the loss and
    to the gradient, even if the input is -inf or NaN.

    Parameters
    ----------
    input : Tensor, shape (N, classes) or (classes,) or (N, classes, d1, ...)
    target : array of integers, shape (N,) or () or (N, d1, ...)
    weight : array, shape (classes,), optional
        Has no gradient.
    ignore_index : int
        A sample with this class index has loss 0 and weight 0.
    reduction : {"mean", "sum", "none"}
        "mean" divides by the sum of the weights of the targets. If this is 0, the mean is NaN.

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
    >>> nll_loss(Tensor([[-0.5, -1.0], [-2.0, -0.25]]), np.array([0, 1])).item()
    0.375
    """
    input = as_tensor(input)
    x, axis = input.data, _class_axis("nll_loss", input.data)
    target = target if isinstance(target, Tensor) else array("nll_loss: the target", target)
    _check_labels("nll_loss", target, x, axis)
    one_of("nll_loss: reduction", reduction, REDUCTIONS)
    w = np.ones(x.shape[axis]) if weight is None else _class_weight("nll_loss", weight, x, axis).astype(np.float64)
    ignore_index = integer("nll_loss: ignore_index", ignore_index)
    labels = _valid_labels("nll_loss", target, x.shape[axis], ignore_index)
    places = np.expand_dims(labels, axis)
    if x.shape[axis] == 0:                        # no class, and so no sample
        picked, factor = np.zeros(target.shape), np.zeros(target.shape)
    else:
        picked = np.take_along_axis(x, places, axis).squeeze(axis).astype(np.float64)
        factor = np.where(target != ignore_index, w[labels], 0)
    divisor = float(factor.sum())
    losses = _products(picked, -factor, factor != 0) + 0.0

    def vjp(grad):
        g, slope = spread(grad, reduction, divisor), np.zeros_like(x)
        parts = _products(-factor, g, (factor != 0) & (g != 0))
        if x.size:
            np.put_along_axis(slope, places, np.expand_dims(parts, axis).astype(x.dtype), axis)
        return slope,
    return record(reduced(losses, reduction, divisor, x.dtype), (input,), vjp)


class _Target(NamedTuple):
    """The weighted target distribution of each sample."""

    q: np.ndarray                   # in the shape of the input
    divisor: float                  # of "mean"
    slope: np.ndarray | float       # the derivative of q with respect to given probabilities


def _class_axis(function, x):
    if x.ndim == 0:
        raise InputError(f"{function}: the input must have shape (classes,) or (N, classes, ...), not ()")
    return 0 if x.ndim == 1 else 1


def _class_weight(function, weight, x, axis):
    if isinstance(weight, Tensor) and weight.requires_grad:
        raise InputTypeError(f"{function}: weight requires a gradient, but has none: give weight.detach()")
    w = as_float_array(weight.data if isinstance(weight, Tensor) else weight, x.dtype)
    if w.shape != (x.shape[axis],):
        raise InputError(f"{function}: weight must have shape ({x.shape[axis]},), one for each class, not {w.shape}")
    return w


def _target_distribution(target, x, axis, weight, ignore_index, smoothing):
    if target.dtype.kind == "f":
        return _probabilities(target, x, axis, weight, ignore_index, smoothing)
    classes = x.shape[axis]
    _check_labels("cross_entropy", target, x, axis)
    plain = target.size > 0 and target.min() >= 0 and target.max() < classes and ignore_index not in range(classes)
    labels = target if plain else _valid_labels("cross_entropy", target, classes, ignore_index)
    one_hot = np.expand_dims(labels, axis) == _column(np.arange(classes), x, axis)
    q = ((1 - smoothing) * one_hot + smoothing / classes if smoothing else one_hot).astype(x.dtype)
    if plain and weight is None:
        return _Target(q, labels.size, 0.0)
    counted, weight = target != ignore_index, np.ones(classes, x.dtype) if weight is None else weight
    q = np.where(np.expand_dims(counted, axis), q * _column(weight, x, axis), 0)
    return _Target(q, float(weight[labels[counted]].sum(dtype=np.float64)), 0.0)


def _check_labels(function, target, x, axis):
    shape = x.shape[:axis] + x.shape[axis + 1:]
    if isinstance(target, Tensor) and target.shape == shape:
        raise InputError(f"{function}: {FLOATING}")
    if target.shape != shape or target.dtype.kind not in "iu":
        raise InputError(f"{function}: for an input of shape {x.shape} the class indices must be integers of shape "
                         f"{shape}, not {target.dtype} of shape {target.shape}")


def _valid_labels(function, target, classes, ignore_index):
    """The labels, with 0 for those that are ignored; InputError if one is not a class."""
    counted = target != ignore_index
    wrong = counted & ((target < 0) | (target >= classes))
    if wrong.any():
        where = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise InputError(f"{function}: the label {int(target[where])} at {where} is not one of the {classes} "
                         f"classes 0..{classes - 1}")
    return np.where(counted, target, 0)


def _probabilities(target, x, axis, weight, ignore_index, smoothing):
    """The same as `_target_distribution`, for a target that is a distribution."""
    if target.shape == x.shape[:axis] + x.shape[axis + 1:]:
        raise InputError(f"cross_entropy: {FLOATING}")
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
    with np.errstate(over="ignore", invalid="ignore"):
        return np.multiply(a, b, out=np.zeros_like(a), where=where)


def _column(values, x, axis):
    """Values of the classes, in a shape that broadcasts along the class axis of x."""
    return values.reshape(-1, *[1] * (x.ndim - axis - 1))
