"""Pools of signals (N, C, L): those of images with one row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...checks import along, padding_along
from ...errors import InputError
from ...tensor import Tensor, as_tensor
from .fixed import avg_pooled, max_pooled


def max_pool1d(input: Tensor | np.ndarray, kernel_size: int | Sequence[int], stride: int | Sequence[int] | None = None,
               padding: Any = 0, dilation: int | Sequence[int] = 1, ceil_mode: bool = False,
               return_indices: bool = False) -> Any:
    """`max_pool2d` of images with one row: the largest element of each window of a signal (N, C, L) or (C, L).

    Sizes are integers or tuples of one; the padding may also be ((left, right),).

    >>> max_pool1d(Tensor([[1.0, 3.0, 2.0, 0.0]]), 2, return_indices=True)
    (Tensor([[3., 2.]]), array([[1, 2]]))
    """
    name, images = "max_pool1d", _images("max_pool1d", input)
    kernel, steps, sides = _sizes(name, kernel_size, stride, padding)
    found = max_pooled(name, images, kernel, steps, sides, along(f"{name}: dilation", dilation, 1), ceil_mode,
                       return_indices)
    if isinstance(found, tuple):
        return found[0][..., 0, :], found[1][..., 0, :]
    return found[..., 0, :]


def avg_pool1d(input: Tensor | np.ndarray, kernel_size: int | Sequence[int], stride: int | Sequence[int] | None = None,
               padding: Any = 0, ceil_mode: bool = False, count_include_pad: bool = True) -> Tensor:
    """`avg_pool2d` of images with one row: the mean of each window of a signal (N, C, L) or (C, L).

    >>> avg_pool1d(Tensor([[1.0, 3.0, 2.0, 0.0]]), 2)
    Tensor([[2., 1.]])
    """
    name, images = "avg_pool1d", _images("avg_pool1d", input)
    kernel, steps, sides = _sizes(name, kernel_size, stride, padding)
    return avg_pooled(name, images, kernel, steps, sides, ceil_mode, count_include_pad)[..., 0, :]


def _images(name, input):
    """The signals as images with one row."""
    input = as_tensor(input)
    if input.ndim not in (2, 3):
        raise InputError(f"{name}: the input must have shape (N, C, L) or (C, L), not {input.shape}")
    return input[..., None, :]


def _sizes(name, kernel_size, stride, padding):
    kernel = along(f"{name}: kernel_size", kernel_size, 1)
    steps = kernel if stride is None else along(f"{name}: stride", stride, 1)
    if isinstance(padding, str):
        raise InputError(f"{name}: padding must be an integer, a tuple of one, or ((left, right),), not {padding!r}")
    return kernel, steps, padding_along(f"{name}: padding", padding)
