"""Convolutions of signals (N, C, L): those of images with one row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...checks import along, padding_along
from ...tensor import Tensor
from .convolve import convolved, on_images
from .transposed import transposed


def conv1d(input: Tensor | np.ndarray, weight: Tensor | np.ndarray, bias: Tensor | np.ndarray | None = None,
           stride: int | Sequence[int] = 1, padding: Any = 0, dilation: int | Sequence[int] = 1, groups: int = 1, *,
           padding_mode: str = "zeros", algorithm: str = "auto") -> Tensor:
    """`conv2d` of images with one row: out[n, k, x] = bias[k] + sum of weight[k, c, j] input[n, c, x s + j d - p].

    Parameters
    ----------
    input : Tensor, shape (N, C_in, L) or (C_in, L)
    weight : Tensor, shape (C_out, C_in // groups, k)
    bias : Tensor, shape (C_out,), optional
    stride, dilation : int or (int,)
    padding : int, (int,), ((left, right),), "same" or "valid"
    groups, padding_mode, algorithm
        As in `conv2d`, and so are the errors.

    Returns
    -------
    Tensor, shape (N, C_out, floor((L + 2 p - d (k - 1) - 1) / s) + 1)

    Examples
    --------
    >>> conv1d(Tensor([[1.0, 2.0, 3.0]]), Tensor([[[1.0, 10.0]]]))
    Tensor([[21., 32.]])
    """
    options = (along("conv1d: stride", stride, 1), padding_along("conv1d: padding", padding),
               along("conv1d: dilation", dilation, 1), groups, padding_mode, algorithm)
    return on_images("conv1d", 1, input, weight, bias,
                     lambda x, w, b, needs: convolved("conv1d", x, w, b, needs, *options))


def conv_transpose1d(input: Tensor | np.ndarray, weight: Tensor | np.ndarray, bias: Tensor | np.ndarray | None = None,
                     stride: int | Sequence[int] = 1, padding: Any = 0, output_padding: int | Sequence[int] = 0,
                     groups: int = 1, dilation: int | Sequence[int] = 1, *, algorithm: str = "auto") -> Tensor:
    """`conv_transpose2d` of images with one row: the adjoint of `conv1d`.

    The input is (N, C_in, L) or (C_in, L), the weight (C_in, C_out // groups, k), the result (N, C_out, OL) with
    OL = (L - 1) s - 2 p + d (k - 1) + output_padding + 1. The other arguments are numbers or tuples of one number.

    >>> conv_transpose1d(Tensor([[1.0, 2.0]]), Tensor([[[1.0, 10.0]]]), stride=2)
    Tensor([[ 1., 10.,  2., 20.]])
    """
    name = "conv_transpose1d"
    options = (along(f"{name}: stride", stride, 1), padding_along(f"{name}: padding", padding),
               along(f"{name}: output_padding", output_padding, 0), groups, along(f"{name}: dilation", dilation, 1),
               algorithm)
    return on_images(name, 1, input, weight, bias, lambda x, w, b, needs: transposed(name, x, w, b, needs, *options))
