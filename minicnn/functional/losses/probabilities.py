"""Losses of probabilities: binary_cross_entropy, the same of logits, and kl_div."""

from __future__ import annotations

import numpy as np

from ...checks import boolean, one_of
from ...errors import InputError
from ...tensor import Tensor, record
from ..activations import sigmoid_factors
from .reduction import DIVERGENCE_REDUCTIONS, REDUCTIONS, element_weight, input_and_target, reduced, spread, times


def binary_cross_entropy(input: Tensor | np.ndarray, target: Tensor | np.ndarray,
                         weight: np.ndarray | Tensor | None = None, *, reduction: str = "mean") -> Tensor:
    """-weight * (t log(p) + (1 - t) log(1 - p)) for each probability p = input and target t.

    A logarithm below -100 counts as -100, as in PyTorch, so that no loss is infinite. The derivative
    (p - t) / (p (1 - p)) divides by at least 1e-12. `binary_cross_entropy_with_logits` needs no such limits.

    Parameters
    ----------
    input, target : Tensor, of the same shape
        Numbers from 0 to 1. A target that requires a gradient gets one.
    weight : array that broadcasts to this shape, optional
        Has no gradient. What has weight 0 contributes 0.
    reduction : {"mean", "sum", "none"}
        "mean" divides by the number of elements; the mean of no elements is NaN.

    Returns
    -------
    Tensor
        A single number; with reduction "none" a number for each element.

    Raises
    ------
    InputError
        The shapes do not fit, or a number is not from 0 to 1. The message names it.
    InputTypeError
        The weight requires a gradient.

    Examples
    --------
    >>> round(binary_cross_entropy(Tensor([0.5, 1.0]), Tensor([0.0, 1.0]), reduction="sum").item(), 4)
    0.6931
    """
    input, target = input_and_target("binary_cross_entropy", input, target)
    one_of("binary_cross_entropy: reduction", reduction, REDUCTIONS)
    for name, tensor in ("input", input), ("target", target):
        _check_probabilities(name, tensor.data)
    p, t = input.data.astype(np.float64), target.data.astype(np.float64)
    w = element_weight("binary_cross_entropy: weight", weight, p.shape, input.dtype)
    with np.errstate(divide="ignore"):
        yes, no = np.maximum(np.log(p), -100), np.maximum(np.log1p(-p), -100)
    losses = -times(w, t * yes + (1 - t) * no) + 0.0

    def vjp(grad):
        g = times(w, spread(grad, reduction, losses.size))
        dp, dt = times(g, (p - t) / np.maximum(p * (1 - p), 1e-12)), times(g, no - yes)
        return dp.astype(input.dtype), dt.astype(target.dtype)
    dtype = np.result_type(input.dtype, target.dtype)
    return record(reduced(losses, reduction, losses.size, dtype), (input, target), vjp)


def _check_probabilities(name, values):
    wrong = ~((values >= 0) & (values <= 1))
    if wrong.any():
        where = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise InputError(f"binary_cross_entropy: the {name} must hold numbers from 0 to 1, not {values[where]} at "
                         f"{where}; for logits there is binary_cross_entropy_with_logits")


def binary_cross_entropy_with_logits(input: Tensor | np.ndarray, target: Tensor | np.ndarray,
                                     weight: np.ndarray | Tensor | None = None, *, reduction: str = "mean",
                                     pos_weight: np.ndarray | Tensor | None = None) -> Tensor:
    """-weight * (pos_weight t log(s) + (1 - t) log(1 - s)) with s = sigmoid(x), for each logit x = input and target t.

    -log(1 - s) = log(1 + exp(x)) is computed without overflow, and keeps all digits in the tails. The derivative is
    weight * ((1 - t) s - pos_weight t (1 - s)). A term with the factor 0 is 0, also for an infinite logit.

    Parameters
    ----------
    input : Tensor, any shape
        Logits.
    target : Tensor, of the same shape
        Probabilities. A target that requires a gradient gets one.
    weight : array that broadcasts to this shape, optional
        Has no gradient.
    reduction : {"mean", "sum", "none"}
        "mean" divides by the number of elements; the mean of no elements is NaN.
    pos_weight : array that broadcasts to this shape, optional
        The weight of the positive class, such as negatives / positives. Has no gradient.

    Returns
    -------
    Tensor
        A single number; with reduction "none" a number for each element.

    Raises
    ------
    InputError
        The shapes do not fit.
    InputTypeError
        A weight requires a gradient.

    Examples
    --------
    >>> round(binary_cross_entropy_with_logits(Tensor([0.0]), Tensor([1.0])).item(), 4)
    0.6931
    """
    name = "binary_cross_entropy_with_logits"
    input, target = input_and_target(name, input, target)
    one_of(f"{name}: reduction", reduction, REDUCTIONS)
    x, t = input.data.astype(np.float64), target.data.astype(np.float64)
    w = element_weight(f"{name}: weight", weight, x.shape, input.dtype)
    positive = element_weight(f"{name}: pos_weight", pos_weight, x.shape, input.dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        minus, plus = times(w, 1 - t), times(w, times(positive, t))
    tail = np.log1p(np.exp(-np.abs(x)))
    no, yes = np.maximum(x, 0) + tail, np.maximum(-x, 0) + tail             # log(1 + e^x), log(1 + e^-x)
    with np.errstate(invalid="ignore"):           # inf - inf, for targets beyond 0 to 1
        losses = times(minus, no) + times(plus, yes)

    def vjp(grad):
        g = spread(grad, reduction, losses.size)
        s, rest = (np.multiply(*sigmoid_factors(sign * x)[:2]) for sign in (1, -1))
        slope = times(minus, s) - times(plus, rest)
        dt = times(w, times(positive - 1, yes) - x)                         # pos_weight yes - no, where no = x + yes
        return times(g, slope).astype(input.dtype), times(g, dt).astype(target.dtype)
    dtype = np.result_type(input.dtype, target.dtype)
    return record(reduced(losses, reduction, losses.size, dtype), (input, target), vjp)


def kl_div(input: Tensor | np.ndarray, target: Tensor | np.ndarray, *, reduction: str = "mean",
           log_target: bool = False) -> Tensor:
    """t (log(t) - x) for each target probability t and log-probability x = input: the Kullback-Leibler divergence.

    A target of 0 contributes 0, also where x is -inf.

    Parameters
    ----------
    input : Tensor, any shape
        Logarithms of probabilities, such as those of `log_softmax`.
    target : Tensor, of the same shape
        Probabilities. A target that requires a gradient gets one.
    reduction : {"mean", "batchmean", "sum", "none"}
        "batchmean" divides by the length of the first axis, which gives the divergence of a sample (a single number
        counts as one); "mean" divides by the number of elements. Divided by 0 it is NaN.
    log_target : bool
        Whether the targets are logarithms of probabilities too.

    Returns
    -------
    Tensor
        A single number; with reduction "none" a number for each element.

    Raises
    ------
    InputError
        The shapes do not fit, or the reduction is another one.

    References
    ----------
    Kullback & Leibler 1951, "On Information and Sufficiency", section 2.

    Examples
    --------
    >>> x = Tensor(np.log([[0.25, 0.75]]))
    >>> round(kl_div(x, Tensor([[0.5, 0.5]], dtype=np.float64), reduction="batchmean").item(), 4)
    0.1438
    """
    input, target = input_and_target("kl_div", input, target)
    one_of("kl_div: reduction", reduction, DIVERGENCE_REDUCTIONS)
    x, given = input.data.astype(np.float64), target.data.astype(np.float64)
    divisor = x.size
    if reduction == "batchmean":
        divisor, reduction = x.shape[0] if x.ndim else 1, "mean"
    logarithms = boolean("kl_div: log_target", log_target)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        t, log_t = (np.exp(given), given) if logarithms else (given, np.log(given))
        distance = log_t - x
    losses = times(t, distance)

    def vjp(grad):
        g = spread(grad, reduction, divisor)
        dt = times(t, distance + 1) if logarithms else distance + 1
        return -times(g, t).astype(input.dtype), times(g, dt).astype(target.dtype)
    dtype = np.result_type(input.dtype, target.dtype)
    return record(reduced(losses, reduction, divisor, dtype), (input, target), vjp)
