"""Batch normalization."""

from __future__ import annotations

import math

import numpy as np

from ..arithmetic.extended import quotient
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
    running = _running_statistics(running_mean, running_var, x.shape[1], training)
    ones, zeros = np.ones(x.shape[1], x.dtype), np.zeros(x.shape[1], x.dtype)
    weight, bias = (as_tensor(default if given is None else _fitting(name, given, x)) for name, given, default in (
        ("weight", weight, ones), ("bias", bias, zeros)))
    axes, unit, lift = (0, *range(2, x.ndim)), None, 1.0
    if training:
        unit = _unit(x, axes)
        scaled = x if unit is None else x * _column(unit, x)
        mean, var = _batch_statistics(scaled, axes)
        if running is not None and x.size:
            _move(running, mean, var, unit, x.size // x.shape[1], momentum)
        inverse = 1 / np.sqrt(var + eps) if unit is None else 1 / np.hypot(np.sqrt(var), np.sqrt(eps) * unit)
        normal = ((scaled - _column(mean, x)) * _column(inverse, x)).astype(x.dtype)
    else:
        mean, var = (r.astype(np.float64) for r in running)
        inverse = 1 / np.sqrt(var + eps)
        normal, lift = _normal(x, _column(mean, x), _column(inverse, x))
    scale = weight.data

    def vjp(grad):
        g, back = (grad, None) if x.dtype == np.float32 else _near_one(grad)
        total, product = g.sum(axes, np.float64), np.multiply(g, normal, dtype=np.float64).sum(axes)
        dx = g
        if training and x.size:     # mean and var depend on x too: subtract their part
            count = x.size // x.shape[1]
            dx = g - _column(total / count, x) - normal * _column(product / count, x)
        if back is not None:
            total, product = total * back, product * back
        dx = _times(dx, [f for f in (scale.astype(np.float64), inverse, unit, back) if f is not None])
        return dx.astype(x.dtype), (product * lift).astype(scale.dtype), total.astype(bias.dtype)
    return record(_affine(normal, lift, scale, bias.data).astype(x.dtype, copy=False), (input, weight, bias), vjp)


def _column(values, x):
    """(C,) as (C, 1, ...), which broadcasts to x. A single number stays."""
    return values if np.ndim(values) == 0 else values.reshape(-1, *[1] * (x.ndim - 2))


def _unit(x, axes):
    """A power of 2 for each channel of a float64 x, which makes its largest number about 1; None: there is no need.

    Squares of numbers beyond 2^512 overflow, and those below 2^-512 vanish; their standard deviation does not.
    """
    if x.dtype == np.float32 or not x.size:
        return None
    largest = np.maximum(x.max(axes), -x.min(axes))
    if not np.isfinite(largest).all():
        largest = np.abs(x).max(axes, where=np.isfinite(x), initial=0)
    exponent = np.where(largest > 0, np.frexp(largest)[1], 0)
    return None if (np.abs(exponent) < 400).all() else np.ldexp(1.0, np.clip(-exponent, -900, 900))


def _normal(x, mean, inverse):
    """(x - mean) * inverse in the dtype of x, and 1. Where that leaves the range: the same divided by 2^k, and 2^k."""
    try:
        with np.errstate(over="raise"):
            return ((x - mean) * inverse).astype(x.dtype), 1.0
    except FloatingPointError:
        lift = 1.0 if x.dtype == np.float32 else 2.0 ** 100         # float64 has room for any float32
        return (x / lift - mean / lift) * inverse, lift


def _near_one(grad):
    """A float64 gradient, divided by a power of 2 if its sums or products could leave the range; and the power."""
    exponent = np.frexp(np.abs(grad).max(initial=0))[1]
    return (grad, None) if abs(exponent) < 400 else (np.ldexp(grad, -exponent), np.ldexp(1.0, exponent))


def _times(array, factors):
    """The array times numbers for each channel. The product of the numbers alone may leave the range."""
    try:
        with np.errstate(over="raise", under="raise"):
            product = math.prod(factors)
    except FloatingPointError:
        return quotient([array, *(_column(f, array) for f in factors)])
    return array * _column(product, array)


def _affine(normal, lift, scale, bias):
    """normal * lift * scale + bias, also where only a partial result leaves the range."""
    scale, bias = _column(scale, normal), _column(bias, normal)
    try:
        with np.errstate(over="raise"):
            return normal * scale + bias if lift == 1 else quotient([normal, scale, np.float64(lift)]) + bias
    except FloatingPointError:
        return (quotient([normal, scale, np.float64(lift / 4)]) + bias / 4) * 4


def _batch_statistics(x, axes):
    """Mean and biased var of each channel in float64."""
    count = math.prod(x.shape[axis] for axis in axes)
    if count == 1:
        raise InputError(f"batch_norm: training needs more than one value per channel, the input has shape {x.shape}")
    if count == 0:
        return np.zeros(x.shape[1]), np.ones(x.shape[1])
    return x.mean(axes, np.float64), x.var(axes, np.float64)


def _move(running, mean, var, unit, count, momentum):
    """Move the running statistics in place. A variance that the dtype cannot hold becomes inf, with NumPy's warning."""
    var = var * count / (count - 1)
    if unit is not None:
        mean, var = mean / unit, var / unit / unit
    for kept, batch in zip(running, (mean, var), strict=True):
        if unit is None:
            kept += momentum * (batch - kept)
        else:                       # the difference of two large numbers may overflow
            kept[...] = (1 - momentum) * kept + momentum * batch


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
