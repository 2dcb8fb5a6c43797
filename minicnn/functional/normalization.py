"""Batch normalization."""

from __future__ import annotations

import numpy as np

from ..errors import InputError
from ..tensor import Tensor, as_tensor, record


def batch_norm(input: Tensor | np.ndarray, running_mean: np.ndarray | None, running_var: np.ndarray | None,
               weight: Tensor | np.ndarray | None = None, bias: Tensor | np.ndarray | None = None,
               training: bool = False, momentum: float = 0.1, eps: float = 1e-5) -> Tensor:
    """(x - mean) / sqrt(var + eps) * weight + bias, for each channel (axis 1) over all the other axes.

    Parameters
    ----------
    input : Tensor, shape (N, C, ...)
    running_mean, running_var : ndarray, shape (C,), or None
        Evaluation uses them as mean and var. Training uses the mean and the var of the batch (the biased var, divided
        by the number of values), and changes these arrays in place: r <- r + momentum (batch - r), with the unbiased
        var. With None, training keeps no running statistics.
    weight, bias : Tensor, shape (C,), optional
        1 and 0 by default.
    training : bool
    momentum, eps : float

    Raises
    ------
    InputError
        Training has only one value per channel, or evaluation has no running statistics.

    References
    ----------
    Ioffe & Szegedy 2015, "Batch Normalization", algorithm 1.

    Examples
    --------
    >>> batch_norm(Tensor([[1.0], [3.0]]), None, None, training=True, eps=0)
    Tensor([[-1.],
            [ 1.]])
    """
    input = as_tensor(input)
    x = input.data
    axes = (0, *range(2, x.ndim))
    column = lambda v: np.asarray(v, x.dtype).reshape(-1, *[1] * (x.ndim - 2))
    count = x.size // x.shape[1]
    if training:
        if count < 2:
            raise InputError(f"batch_norm: training needs more than one value per channel, the input has {x.shape}")
        mean, var = x.mean(axes), x.var(axes)
        if running_mean is not None and running_var is not None:
            running_mean += momentum * (mean - running_mean)
            running_var += momentum * (var * count / (count - 1) - running_var)
    elif running_mean is None or running_var is None:
        raise InputError("batch_norm: evaluation needs running_mean and running_var")
    else:
        mean, var = running_mean, running_var
    inverse = column(1 / np.sqrt(var + eps))
    normal = (x - column(mean)) * inverse
    weight = as_tensor(np.ones(x.shape[1], x.dtype) if weight is None else weight)
    bias = as_tensor(np.zeros(x.shape[1], x.dtype) if bias is None else bias)
    scale = column(weight.data)

    def vjp(grad):
        g = grad * scale
        if training:                # mean and var depend on x too: subtract their part
            g = g - column(g.mean(axes)) - normal * column((g * normal).mean(axes))
        return g * inverse, (grad * normal).sum(axes), grad.sum(axes)
    return record(normal * scale + column(bias.data), (input, weight, bias), vjp)
