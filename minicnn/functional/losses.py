"""Losses: cross_entropy and mse_loss."""

from __future__ import annotations

import numpy as np

from ..checks import one_of
from ..errors import InputError
from ..tensor import Tensor, as_tensor, record
from .activations import log_softmax_of_array

REDUCTIONS = ("mean", "sum", "none")


def cross_entropy(input: Tensor | np.ndarray, target: np.ndarray | Tensor, weight: np.ndarray | Tensor | None = None, *,
                  ignore_index: int = -100, reduction: str = "mean", label_smoothing: float = 0.0) -> Tensor:
    """-sum over classes of weight * q * log_softmax(input). q is the target distribution of each sample.

    Parameters
    ----------
    input : Tensor, shape (N, classes) or (classes,) or (N, classes, d1, ...)
        Logits.
    target : array
        Class indices: integers, with the input's shape without the class axis. Or probabilities: floating-point
        numbers, with the input's shape.
    weight : array, shape (classes,), optional
    ignore_index : int
        A sample with this class index has loss 0 and weight 0.
    reduction : {"mean", "sum", "none"}
        "mean" divides by the sum of the weights of the targets (class indices) or by N (probabilities).
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

    Examples
    --------
    >>> round(cross_entropy(Tensor([[0.0, 0.0]]), np.array([1])).item(), 4)
    0.6931
    """
    input = as_tensor(input)
    x = input.data
    axis = 0 if x.ndim == 1 else 1
    target = target.data if isinstance(target, Tensor) else np.asarray(target)
    w = None if weight is None else np.asarray(getattr(weight, "data", weight), x.dtype)
    if w is not None and w.shape != (x.shape[axis],):
        raise InputError(f"cross_entropy: weight must have shape ({x.shape[axis]},), one for each class, not {w.shape}")
    one_of("cross_entropy: reduction", reduction, REDUCTIONS)
    if not 0 <= label_smoothing <= 1:
        raise InputError(f"cross_entropy: label_smoothing must be between 0 and 1, not {label_smoothing}")
    q, divisor = _target_distribution(x, target, axis, w, ignore_index, label_smoothing)
    log_p = log_softmax_of_array(x, axis)
    losses = -(q * log_p).sum(axis)
    scale = x.dtype.type(1 / divisor if divisor else np.nan) if reduction == "mean" else x.dtype.type(1)
    out = losses if reduction == "none" else losses.sum() * scale

    def vjp(grad):                  # d loss / d x = softmax(x) * sum(q) - q
        g = np.expand_dims(grad, axis) if reduction == "none" else grad * scale
        return (g * (np.exp(log_p) * q.sum(axis, keepdims=True) - q),)
    return record(out, (input,), vjp)


def mse_loss(input: Tensor | np.ndarray, target: Tensor | np.ndarray, reduction: str = "mean") -> Tensor:
    """(input - target)^2, averaged over all elements ("mean"), summed ("sum") or for each element ("none").

    Different shapes of input and target, and another reduction, raise InputError.

    >>> mse_loss(Tensor([1.0, 3.0]), Tensor([1.0, 1.0])).item()
    2.0
    """
    input, target = as_tensor(input), as_tensor(target)
    if input.shape != target.shape:
        raise InputError(f"mse_loss: the input has shape {input.shape}, the target {target.shape}: they must agree")
    one_of("mse_loss: reduction", reduction, REDUCTIONS)
    difference = input - target
    squares = difference * difference
    return {"mean": squares.mean, "sum": squares.sum, "none": lambda: squares}[reduction]()


def _target_distribution(x, target, axis, weight, ignore_index, smoothing):
    """The weighted target distribution, in the shape of x, and the divisor of "mean"."""
    if target.dtype.kind == "f":
        return _probabilities(x, target, axis, weight, smoothing)
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
        return q, labels.size
    counted, weight = target != ignore_index, np.ones(classes, x.dtype) if weight is None else weight
    return q * _column(weight, x, axis) * np.expand_dims(counted, axis), float((weight[labels] * counted).sum())


def _valid_labels(target, classes, ignore_index):
    """The labels, with 0 for those that are ignored; InputError if one is not a class."""
    counted = target != ignore_index
    wrong = counted & ((target < 0) | (target >= classes))
    if wrong.any():
        where = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise InputError(f"cross_entropy: the label {int(target[where])} at {where} is not one of the {classes} "
                         f"classes 0..{classes - 1}")
    return np.where(counted, target, 0)


def _probabilities(x, target, axis, weight, smoothing):
    """The same as `_target_distribution`, for a target that is a distribution."""
    if target.shape == x.shape[:axis] + x.shape[axis + 1:]:
        raise InputError("cross_entropy: the target has the shape of class indices but is floating, as every Tensor "
                         "is: give the indices as an array of integers, not as a Tensor")
    if target.shape != x.shape:
        raise InputError(f"cross_entropy: probabilities must have the input's shape {x.shape}, not {target.shape}")
    classes = x.shape[axis]
    q = ((1 - smoothing) * target + smoothing / classes).astype(x.dtype)
    return q if weight is None else q * _column(weight, x, axis), x.size // classes


def _column(values, x, axis):
    """Values of the classes, in a shape that broadcasts along the class axis of x."""
    return values.reshape(-1, *[1] * (x.ndim - axis - 1))
