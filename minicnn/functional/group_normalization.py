"""Layer, group and instance normalization: each image is normalized by itself, and a batch plays no part."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..arithmetic import shown, sum_over
from ..checks import boolean, integer, is_integer, number
from ..errors import InputError
from ..tensor import Tensor, as_tensor, record
from .normalization import batch_norm, channel_parameter, move_statistics, running_statistics
from .standardization import (
    Standardized,
    affine,
    column,
    gradient_sums,
    input_gradient,
    near_one,
    standardized,
    value_axes,
)


def layer_norm(input: Tensor | np.ndarray, normalized_shape: int | Sequence[int],
               weight: Tensor | np.ndarray | None = None, bias: Tensor | np.ndarray | None = None,
               eps: float = 1e-5) -> Tensor:
    """(x - mean) / sqrt(var + eps) * weight + bias, over the last axes, for each index of the axes before them.

    Parameters
    ----------
    input : Tensor, shape (..., *normalized_shape)
    normalized_shape : int or tuple of ints
        The lengths of the last axes, one at least.
    weight, bias : Tensor, shape normalized_shape, optional
        1 and 0 by default.
    eps : float
        Above 0.

    Returns
    -------
    Tensor, shape and dtype of the input
        The var is the biased one, divided by the number of values. Statistics are computed in float64. A single value
        is its own mean and becomes the bias.

    Raises
    ------
    InputError
        The input does not end in normalized_shape, or a weight or bias has another shape.

    References
    ----------
    Ba, Kiros & Hinton 2016, "Layer Normalization", equation 3, for the values of each sample.

    Examples
    --------
    >>> layer_norm(Tensor([[1.0, 3.0], [5.0, 9.0]]), 2).data.round(3)
    array([[-1.,  1.],
           [-1.,  1.]], dtype=float32)
    """
    input = as_tensor(input)
    x, shape = input.data, shape_to_normalize("layer_norm: normalized_shape", normalized_shape)
    if x.shape[-len(shape):] != shape:
        raise InputError(f"layer_norm: the input has shape {x.shape}, and must end in normalized_shape = {shape}")
    eps = number("layer_norm: eps", eps, above=0)
    scale, offset = (as_tensor(np.full(shape, fill, x.dtype) if given is None else given, x.dtype)
                     for given, fill in ((weight, 1), (bias, 0)))
    for name, tensor in ("weight", scale), ("bias", offset):
        if tensor.shape != shape:
            raise InputError(f"layer_norm: {name} must have shape {shape}, that of normalized_shape, not "
                             f"{tensor.shape}")
    leading = x.ndim - len(shape)
    rows = standardized(_rows(x, math.prod(x.shape[:leading])), eps)
    return _record(rows, (input, scale, offset), scale.data, offset.data, tuple(range(leading)), "layer_norm")


def shape_to_normalize(name: str, value: int | Sequence[int]) -> tuple[int, ...]:
    """Return an integer, or a tuple or list of integers, as a tuple. Each must be at least 0, and one must be there.

    >>> shape_to_normalize("normalized_shape", 3)
    (3,)
    """
    lengths = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    if not lengths or not all(is_integer(n) and n >= 0 for n in lengths):
        raise InputError(f"{name} must be an integer or a tuple of integers, the lengths of the last axes, not "
                         f"{value!r}")
    return tuple(int(n) for n in lengths)


def group_norm(input: Tensor | np.ndarray, num_groups: int, weight: Tensor | np.ndarray | None = None,
               bias: Tensor | np.ndarray | None = None, eps: float = 1e-5) -> Tensor:
    """(x - mean) / sqrt(var + eps) * weight + bias, for each image and each group of C / num_groups channels.

    Parameters
    ----------
    input : Tensor, shape (N, C, ...)
    num_groups : int
        Divides C.
    weight, bias : Tensor, shape (C,), optional
        1 and 0 by default.
    eps : float
        Above 0.

    Returns
    -------
    Tensor, shape and dtype of the input
        The var is the biased one. Statistics are computed in float64.

    Raises
    ------
    InputError
        The groups do not divide the channels, a shape does not fit, or the input is one image with one value per group.

    References
    ----------
    Wu & He 2018, "Group Normalization", equations 1, 2, 6 and 7.

    Examples
    --------
    >>> group_norm(Tensor([[1.0, 3.0, 5.0, 9.0]]), 2).data.round(3)
    array([[-1.,  1., -1.,  1.]], dtype=float32)
    """
    input = as_tensor(input)
    x, groups = input.data, integer("group_norm: num_groups", num_groups, 1)
    eps = number("group_norm: eps", eps, above=0)
    if x.ndim < 2:
        raise InputError(f"group_norm: the input must have shape (N, C, ...), not {x.shape}")
    if x.shape[1] % groups:
        raise InputError(f"group_norm: num_groups={groups} must divide the {x.shape[1]} channels of the input "
                         f"{x.shape}")
    if x.shape[0] == 1 and x.size == groups:
        raise InputError(f"group_norm: a group needs more than one value; the input has shape {x.shape}, and "
                         f"num_groups is {groups}")
    scale, offset = (channel_parameter("group_norm", name, given, x, fill) for name, given, fill in (
        ("weight", weight, 1), ("bias", bias, 0)))
    return _record_channels(standardized(_rows(x, x.shape[0] * groups), eps), (input, scale, offset), "group_norm")


def instance_norm(input: Tensor | np.ndarray, running_mean: Tensor | np.ndarray | None = None,
                  running_var: Tensor | np.ndarray | None = None, weight: Tensor | np.ndarray | None = None,
                  bias: Tensor | np.ndarray | None = None, use_input_stats: bool = True, momentum: float = 0.1,
                  eps: float = 1e-5) -> Tensor:
    """(x - mean) / sqrt(var + eps) * weight + bias, for each image and each channel.

    Parameters
    ----------
    input : Tensor, shape (N, C, ...)
    running_mean, running_var : Tensor or ndarray of floats, shape (C,), or None
        With `use_input_stats` these arrays are changed in place: r <- r + momentum (s - r), where s is the average of
        the statistics of all images, with the unbiased var. None for both: no running statistics.
    weight, bias : Tensor, shape (C,), optional
        1 and 0 by default.
    use_input_stats : bool
        Whether mean and var are those of the image, or the running ones.
    momentum : float
    eps : float
        Above 0.

    Returns
    -------
    Tensor, shape and dtype of the input
        A batch of zero images gives an empty result and moves no statistics.

    Raises
    ------
    InputError
        A channel has only one pixel, statistics are missing, or a shape does not fit.
    InputTypeError
        Running statistics cannot be changed in place, or they require a gradient.

    References
    ----------
    Ulyanov, Vedaldi & Lempitsky 2016, "Instance Normalization: The Missing Ingredient for Fast Stylization".

    Examples
    --------
    >>> instance_norm(Tensor([[[1.0, 3.0], [5.0, 9.0]]])).data.round(3)
    array([[[-1.,  1.],
            [-1.,  1.]]], dtype=float32)
    """
    input = as_tensor(input)
    x = input.data
    if x.ndim < 2:
        raise InputError(f"instance_norm: the input must have shape (N, C, ...), not {x.shape}")
    if boolean("instance_norm: use_input_stats", use_input_stats) is False and running_mean is running_var is None:
        raise InputError("instance_norm: use_input_stats=False needs running_mean and running_var")
    momentum, eps = number("instance_norm: momentum", momentum), number("instance_norm: eps", eps, above=0)
    scale, offset = (channel_parameter("instance_norm", name, given, x, fill) for name, given, fill in (
        ("weight", weight, 1), ("bias", bias, 0)))
    running = running_statistics("instance_norm", running_mean, running_var, x.shape[1], use_input_stats)
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, scale, offset, eps=eps)
    count = math.prod(x.shape[2:])
    if count == 1:
        raise InputError(f"instance_norm: a channel needs more than one pixel; the input has shape {x.shape}")
    rows = standardized(_rows(x, x.shape[0] * x.shape[1]), eps)
    if running is not None and x.size:
        _move(running, rows, x.shape[:2], count, momentum)
    return _record_channels(rows, (input, scale, offset), "instance_norm")


def _rows(x, count):
    """x as `count` channels of one image."""
    return x.reshape(1, count, x.size // count if count else 0)


def _move(running, rows, shape, count, momentum):
    """Move the running statistics by the averages over all images. The rows are (images, channels) = shape."""
    mean, var, unit = rows.mean, rows.var, rows.unit
    if unit is not None:
        mean, var = mean / unit, var / unit / unit
    mean, var = (sum_over(values.reshape(shape), (0,), count=shape[0]) for values in (mean, var))
    move_statistics(running, mean, var, None if unit is None else np.ones(shape[1]), count, momentum)


def _record_channels(rows, tensors, name):
    x, weight, bias = (tensor.data for tensor in tensors)
    return _record(rows, tensors, column(weight, x), column(bias, x), value_axes(x), name)


def _record(rows: Standardized, tensors, scale, offset, axes, name):
    """rows.normal * scale + offset in the shape of the input. The gradients of weight and bias are sums over `axes`.

    The tensors are input, weight and bias. scale and offset are the numbers of weight and bias, and broadcast.
    """
    x, weight, bias = (tensor.data for tensor in tensors)
    normal = rows.normal.reshape(x.shape)

    def vjp(grad):
        (g, lift), (w, unit) = ((a.astype(np.float64), None) if a.dtype == np.float32 else near_one(a)
                                for a in (grad, scale))
        inner = np.broadcast_to(shown(g, g * w), x.shape).reshape(rows.normal.shape)
        less, slope = (total / max(1, inner.shape[2]) for total in gradient_sums(inner, rows.normal))
        dx = input_gradient(inner, rows.normal, less, slope,
                            [factor for factor in (rows.inverse, rows.unit, lift, unit) if factor is not None])
        if dx.size and np.isnan(dx.min()):              # a row that is hidden gets 0: see `arithmetic.shown`
            dx = np.where((inner == 0).all((0, 2), keepdims=True), 0, dx)
        dw, db = shown(g, g * normal).sum(axes), g.sum(axes)
        dw, db = (d if lift is None else d * lift for d in (dw, db))
        return dx.reshape(x.shape).astype(x.dtype), dw.astype(weight.dtype), db.astype(bias.dtype)
    with np.errstate(over="ignore"):
        out = affine(normal, 1.0, scale, offset).astype(x.dtype, copy=False)
    return record(out, tensors, vjp, name)
