"""What losses have in common: the reduction of one loss for each element, and the checks of shapes and weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...arithmetic import as_float_array
from ...errors import InputError, InputTypeError
from ...tensor import Tensor, as_tensor

REDUCTIONS = ("mean", "sum", "none")
DIVERGENCE_REDUCTIONS = ("mean", "batchmean", "sum", "none")


def reduced(losses: np.ndarray, reduction: str, divisor: float, dtype: np.dtype) -> np.ndarray:
    """The float64 losses ("none"), their sum, or their sum divided by `divisor`, in `dtype`. For divisor 0 it is NaN.

    >>> float(reduced(np.array([1e308, 1e308]), "mean", 2, np.dtype(np.float64)))
    1e+308
    """
    with np.errstate(over="ignore", invalid="ignore"):
        if reduction != "none":
            losses = total(losses, (1 / divisor if divisor else np.nan) if reduction == "mean" else 1.0)
        return np.asarray(losses).astype(dtype)


def total(losses: np.ndarray, scale: float) -> Any:
    """The sum times the scale, also where only the sum overflows."""
    with np.errstate(over="ignore", invalid="ignore"):
        result = losses.sum() * scale
        return (losses * scale).sum() if np.isinf(result) else result


def spread(grad: np.ndarray, reduction: str, divisor: float) -> np.ndarray:
    """The cotangent of each loss in float64; it broadcasts to their shape."""
    grad = np.asarray(grad, np.float64)
    return grad / (divisor or np.nan) if reduction == "mean" else grad


def input_and_target(name: str, input: Tensor | np.ndarray, target: Tensor | np.ndarray) -> tuple[Tensor, Tensor]:
    """Both as Tensors; numbers of Python take the input's dtype. Raise InputError unless their shapes are the same."""
    first = as_tensor(input)
    second = as_tensor(target, first.dtype)
    if first.shape != second.shape:
        raise InputError(f"{name}: the input has shape {first.shape}, the target {second.shape}: they must agree")
    return first, second


def element_weight(name: str, weight: Any, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """A weight as a float64 array that broadcasts to `shape`; 1 for None. It must not require a gradient."""
    if weight is None:
        return np.ones(())
    if isinstance(weight, Tensor) and weight.requires_grad:
        raise InputTypeError(f"{name} requires a gradient, but has none: give weight.detach()")
    w = as_float_array(weight.data if isinstance(weight, Tensor) else weight, dtype)
    try:
        np.broadcast_to(w, shape)
    except ValueError:
        raise InputError(f"{name} must broadcast to the input's shape {shape}; it has shape {w.shape}") from None
    return w.astype(np.float64)


def times(factor: np.ndarray, values: np.ndarray) -> np.ndarray:
    """factor * values, and 0 where the factor is 0, whatever the value is."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.where(factor == 0, 0, factor * values)
