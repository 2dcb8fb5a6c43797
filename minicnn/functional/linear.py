"""linear, flatten and dropout."""

from __future__ import annotations

import math

import numpy as np

from ..arithmetic import product, shown_product
from ..checks import axis, boolean, fraction, generator
from ..conv.runtime.blas import matmul
from ..errors import InputError
from ..tensor import Tensor, as_tensor, record


def linear(input: Tensor | np.ndarray, weight: Tensor | np.ndarray, bias: Tensor | np.ndarray | None = None) -> Tensor:
    """input @ weight^T + bias: out[..., o] = bias[o] + sum over i of weight[o, i] input[..., i].

    Parameters
    ----------
    input : Tensor, shape (..., in_features)
    weight : Tensor, shape (out_features, in_features)
    bias : Tensor, shape (out_features,), optional

    Returns
    -------
    Tensor, shape (..., out_features)

    Raises
    ------
    InputError
        The last length of the input is not in_features, or the bias does not have one number for each output.

    Examples
    --------
    >>> linear(Tensor([[1.0, 2.0]]), Tensor([[3.0, 4.0]]), Tensor([5.0]))
    Tensor([[16.]])
    """
    input = as_tensor(input)
    weight = as_tensor(weight, input.dtype)
    x, w = input.data, weight.data
    if w.ndim != 2 or x.ndim < 1 or x.shape[-1] != w.shape[1]:
        raise InputError(f"linear: the input has shape {x.shape}, the weight (out_features, in_features) = {w.shape}: "
                         "the last length of the input must be in_features")
    with np.errstate(all="ignore"):               # sums become infinite or NaN without a warning
        out = product(x, w.T, matmul)
    tensors: tuple[Tensor, ...] = (input, weight)
    if bias is not None:
        bias = as_tensor(bias, input.dtype)
        if bias.shape != w.shape[:1]:
            raise InputError(f"linear: the bias must have shape {w.shape[:1]}, one number for each output, not "
                             f"{bias.shape}")
        with np.errstate(over="ignore", invalid="ignore"):
            out, tensors = out + bias.data, (input, weight, bias)

    def vjp(grad):
        count = math.prod(grad.shape[:-1])
        rows = grad.reshape(count, w.shape[0])                          # (all leading axes, out_features)
        total = rows.sum(0, np.float64).astype(grad.dtype)
        return (shown_product(grad, w, matmul), shown_product(rows.T, x.reshape(count, w.shape[1]), matmul),
                total)[:len(tensors)]
    return record(out, tensors, vjp)


def flatten(input: Tensor | np.ndarray, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Join the axes from start_dim to end_dim into one, in C order: channel, row, column for an image.

    A number without axes becomes an array of one element. Axes that do not exist, or an end before the start, raise
    InputError.

    >>> flatten(Tensor(np.zeros((2, 3, 4, 5))), 1).shape
    (2, 60)
    """
    input = as_tensor(input)
    start, end = (axis(f"flatten: {name}", dim, input.ndim) for name, dim in (
        ("start_dim", start_dim), ("end_dim", end_dim)))
    if start > end:
        raise InputError(f"flatten: cannot join the axes {start_dim} to {end_dim} of shape {input.shape}")
    joined = math.prod(input.shape[start:end + 1])                      # -1 would be ambiguous for an empty array
    return input.reshape(*input.shape[:start], joined, *input.shape[end + 1:])


def dropout(input: Tensor | np.ndarray, p: float = 0.5, training: bool = True, *,
            rng: np.random.Generator | None = None) -> Tensor:
    """In training each element becomes 0 with probability p, and is else divided by 1 - p. Evaluation changes nothing.

    Parameters
    ----------
    input : Tensor, any shape
    p : float
        From 0 to 1.
    training : bool
    rng : numpy.random.Generator
        Required in training, because there is no global random state.

    Raises
    ------
    InputError
        p is outside of 0 to 1, or `rng` is missing.
    InputTypeError
        `rng` is not a numpy.random.Generator.

    Examples
    --------
    >>> dropout(Tensor([1.0, 1.0, 1.0]), 0.5, rng=np.random.default_rng(0))
    Tensor([2., 0., 0.])
    """
    input = as_tensor(input)
    p = fraction("dropout: p", p)
    if not boolean("dropout: training", training) or p == 0:
        return input
    if rng is None:
        raise InputError("dropout: give rng=np.random.default_rng(seed); there is no global random state")
    kept, scale = generator("dropout: rng", rng).random(input.shape) >= p, 1 / (1 - p) if p < 1 else 1.0

    def scaled(values):             # a mask selects: what is dropped is 0, also if it is inf or NaN
        with np.errstate(over="ignore"):
            return np.multiply(values, scale, out=np.zeros_like(values), where=kept)
    return record(scaled(input.data), (input,), lambda grad: (scaled(grad),))
