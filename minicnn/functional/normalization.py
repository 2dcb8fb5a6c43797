"""Batch normalization."""

from __future__ import annotations

import math

import numpy as np

from ..checks import boolean, number
from ..errors import InputError, InputTypeError
from ..tensor import Tensor, as_tensor, record


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
        Statistics are computed in float64. A batch of zero images gives an empty result and moves no statistics.

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
    running = _running_statistics(running_mean, running_var, x.shape[1], training)
    ones, zeros = np.ones(x.shape[1], x.dtype), np.zeros(x.shape[1], x.dtype)
    weight, bias = (as_tensor(default if given is None else _fitting(name, given, x)) for name, given, default in (
        ("weight", weight, ones), ("bias", bias, zeros)))
    axes = (0, *range(2, x.ndim))
    column = lambda v: v.reshape(-1, *[1] * (x.ndim - 2))                   # (C,) -> (C, 1, ...)
    mean, var = _batch_statistics(x, axes, running, momentum) if training else (r.astype(np.float64) for r in running)
    inverse = 1 / np.sqrt(var + eps)
    normal = ((x - column(mean)) * column(inverse)).astype(x.dtype)
    scale = weight.data

    def vjp(grad):
        total, product = (a.sum(axes, np.float64) for a in (grad, grad * normal))
        g = grad
        if training and x.size:     # mean and var depend on x too: subtract their part
            count = x.size // x.shape[1]
            g = grad - column(total / count) - normal * column(product / count)
        return (g * column(scale * inverse)).astype(x.dtype), product.astype(scale.dtype), total.astype(bias.dtype)
    return record((normal * column(scale) + column(bias.data)).astype(x.dtype), (input, weight, bias), vjp)


def _batch_statistics(x, axes, running, momentum):
    """Mean and biased var of each channel in float64; moves the running statistics in place."""
    count = math.prod(x.shape[axis] for axis in axes)
    if count == 1:
        raise InputError(f"batch_norm: training needs more than one value per channel, the input has shape {x.shape}")
    if count == 0:
        return np.zeros(x.shape[1]), np.ones(x.shape[1])
    mean = x.mean(axes, np.float64)
    var = x.var(axes, np.float64)
    if running is not None:
        for kept, batch in zip(running, (mean, var * count / (count - 1)), strict=True):
            kept += momentum * (batch - kept)
    return mean, var


def _running_statistics(mean, var, channels, training):
    """The two arrays, or None."""
    if mean is None and var is None:
        if not training:
            raise InputError("batch_norm: evaluation needs running_mean and running_var")
        return None
    arrays = []
    for name, given in (("running_mean", mean), ("running_var", var)):
        if given is None:
            raise InputError(f"batch_norm: {name} is missing: give running_mean and running_var, or None for both")
        if isinstance(given, Tensor) and given.requires_grad:
            raise InputTypeError(f"batch_norm: {name} must not require a gradient: give {name}.detach()")
        array = given.data if isinstance(given, Tensor) else given
        if not isinstance(array, np.ndarray) or array.dtype not in (np.float32, np.float64):
            what = array.dtype if isinstance(array, np.ndarray) else type(given).__name__
            raise InputTypeError(f"batch_norm: {name} must be an array or a Tensor of float32 or float64, not {what}")
        if array.shape != (channels,):
            raise InputError(f"batch_norm: {name} must have shape ({channels},), one number for each channel, not "
                             f"{array.shape}")
        if training and not array.flags.writeable:
            raise InputTypeError(f"batch_norm: training changes {name} in place, but the array is read-only: give a "
                                 "copy")
        arrays.append(array)
    return arrays


def _fitting(name, given, x):
    given = as_tensor(given)
    if given.shape != (x.shape[1],):
        raise InputError(f"batch_norm: {name} must have shape ({x.shape[1]},), one number for each channel, not "
                         f"{given.shape}")
    return given
