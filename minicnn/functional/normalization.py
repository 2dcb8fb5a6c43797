"""Batch normalization."""

from __future__ import annotations

import numpy as np

from ..arithmetic import shown
from ..checks import boolean, number
from ..errors import InputError, InputTypeError
from ..tensor import Tensor, as_tensor, record
from .standardization import (
    affine,
    affine_of_normal,
    column,
    gradient_sums,
    input_gradient,
    near_one,
    scaled,
    standardized,
    times,
    value_axes,
)


def batch_norm(input: Tensor | np.ndarray, running_mean: Tensor | np.ndarray | None,
               running_var: Tensor | np.ndarray | None, weight: Tensor | np.ndarray | None = None,
               bias: Tensor | np.ndarray | None = None, training: bool = False, momentum: float = 0.1,
               eps: float = 1e-5) -> Tensor:
    """(x - mean) / sqrt(var + eps) * weight + bias, for each channel (axis 1) over all the other axes.

    Parameters
    ----------
    input : Tensor, shape (N, C, ...)
    running_mean, running_var : Tensor or ndarray of floats, shape (C,), or None
        Evaluation uses them as mean and var. Training uses the mean and the var of the batch (the biased var, divided
        by the number of values), and changes these arrays in place: r <- r + momentum (batch - r), with the unbiased
        var. With None for both, training keeps no running statistics.
    weight, bias : Tensor, shape (C,), optional
        1 and 0 by default.
    training : bool
    momentum : float
    eps : float
        Above 0.

    Returns
    -------
    Tensor, shape and dtype of the input
        Statistics are computed in float64, of numbers up to the largest of the dtype. A batch of zero images gives an
        empty result and moves no statistics.

    Raises
    ------
    InputError
        Training has only one value per channel, evaluation has no running statistics, or a shape does not fit.
    InputTypeError
        Running statistics cannot be changed in place, or they require a gradient.

    References
    ----------
    Ioffe & Szegedy 2015, "Batch Normalization", algorithm 1.

    Examples
    --------
    >>> batch_norm(Tensor([[1.0], [3.0]]), None, None, training=True).data.round(3)
    array([[-1.],
           [ 1.]], dtype=float32)
    """
    input = as_tensor(input)
    x = input.data
    if x.ndim < 2:
        raise InputError(f"batch_norm: the input must have shape (N, C, ...), not {x.shape}")
    training, eps = boolean("batch_norm: training", training), number("batch_norm: eps", eps, above=0)
    momentum = number("batch_norm: momentum", momentum)
    running = running_statistics("batch_norm", running_mean, running_var, x.shape[1], training)
    weight, bias = (channel_parameter("batch_norm", name, given, x, default) for name, given, default in (
        ("weight", weight, 1), ("bias", bias, 0)))
    count, unit, lift = x.size // x.shape[1] if x.size else 0, None, 1.0
    if training:
        if count == 1:
            raise InputError("batch_norm: training needs more than one value per channel, the input has shape "
                             f"{x.shape}")
        normal, mean, var, inverse, unit = standardized(x, eps)
        if running is not None and count:
            move_statistics(running, mean, var, unit, count, momentum)
    elif running is None:
        raise InputError("batch_norm: evaluation needs running_mean and running_var")
    else:
        mean, var = (r.astype(np.float64) for r in running)
        inverse = 1 / np.sqrt(var + eps)
        normal, lift = scaled(x, mean, inverse)
    scale = weight.data

    def vjp(grad):
        g, back = (grad, None) if x.dtype == np.float32 else near_one(grad)
        total, product = gradient_sums(g, normal)
        less, slope = (total / count, product / count) if training and count else np.zeros((2, len(total)))
        factors = [f for f in (scale.astype(np.float64), inverse, unit, back) if f is not None]
        dx = input_gradient(g, normal, less, slope, factors)
        if dx.size and np.isnan(dx.min()):          # what is hidden gets 0: see `arithmetic.shown`
            axes = value_axes(x)
            product = shown(g, g * normal).sum(axes, np.float64)
            hidden = (g == 0).all(axes, keepdims=True) if training else g == 0
            dx = np.where(hidden, 0, dx if training else times(g, factors)).astype(x.dtype)
        if back is not None:
            total, product = total * back, product * back
        return dx, (product * lift).astype(scale.dtype), total.astype(bias.dtype)
    out = affine_of_normal(normal, scale, bias.data) if training else affine(normal, lift, column(scale, x),
                                                                             column(bias.data, x))
    with np.errstate(over="ignore"):
        return record(out.astype(x.dtype, copy=False), (input, weight, bias), vjp)


def move_statistics(running: list[np.ndarray], mean: np.ndarray, var: np.ndarray, unit: np.ndarray | None, count: int,
                    momentum: float) -> None:
    """Move the running statistics in place. A variance that the dtype cannot hold becomes inf, with NumPy's warning."""
    var = var * count / (count - 1)
    if unit is not None:
        mean, var = mean / unit, var / unit / unit
    for kept, batch in zip(running, (mean, var), strict=True):
        if unit is None:
            kept += momentum * (batch - kept)
        else:                       # the difference of two large numbers may overflow
            kept[...] = (1 - momentum) * kept + momentum * batch


def running_statistics(function: str, mean: Tensor | np.ndarray | None, var: Tensor | np.ndarray | None,
                       channels: int, moving: bool) -> list[np.ndarray] | None:
    """The arrays of mean and var, shape (channels,), or None if both are None. With `moving` they must be writeable."""
    if mean is None and var is None:
        return None
    arrays = []
    for name, given in ((f"{function}: running_mean", mean), (f"{function}: running_var", var)):
        if given is None:
            raise InputError(f"{name} is missing: give running_mean and running_var, or None for both")
        if isinstance(given, Tensor) and given.requires_grad:
            raise InputTypeError(f"{name} must not require a gradient: give {name.split()[1]}.detach()")
        array = given.data if isinstance(given, Tensor) else given
        if not isinstance(array, np.ndarray) or array.dtype not in (np.float32, np.float64):
            what = array.dtype if isinstance(array, np.ndarray) else type(given).__name__
            raise InputTypeError(f"{name} must be an array or a Tensor of float32 or float64, not {what}")
        if array.shape != (channels,):
            raise InputError(f"{name} must have shape ({channels},), one number for each channel, not {array.shape}")
        if moving and not array.flags.writeable:
            name = name.split()[1]
            raise InputTypeError(f"{function}: training changes {name} in place, but the array is read-only: give a "
                                 "copy")
        arrays.append(array)
    return arrays


def channel_parameter(function: str, name: str, given: Tensor | np.ndarray | None, x: np.ndarray,
                      default: float) -> Tensor:
    """A weight or bias as a Tensor of shape (C,). None becomes `default` for each channel of x."""
    tensor = as_tensor(np.full(x.shape[1], default, x.dtype) if given is None else given, x.dtype)
    if tensor.shape != (x.shape[1],):
        raise InputError(f"{function}: {name} must have shape ({x.shape[1]},), one number for each channel, not "
                         f"{tensor.shape}")
    return tensor
