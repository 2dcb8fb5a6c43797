"""The patches of images as columns, and the adjoint."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...checks import image_shape, pair, sides
from ...errors import InputError
from ...tensor import Tensor, as_tensor, record
from ..pooling.windows import Windows


def unfold(input: Tensor | np.ndarray, kernel_size: int | tuple[int, int], dilation: int | tuple[int, int] = 1,
           padding: Any = 0, stride: int | tuple[int, int] = 1) -> Tensor:
    """The patch of each position of a kernel as a column: out[n, (c kH + i) kW + j, y OW + x] is the pixel (c, i, j).

    It is input[n, c, y sy + i dy - py, x sx + j dx - px], or 0 in the padding. With it, a convolution is a product of
    matrices: weight.reshape(C_out, -1) @ unfold(input, (kH, kW)).

    Parameters
    ----------
    input : Tensor, shape (N, C, H, W) or (C, H, W)
    kernel_size, dilation, stride : int or (int, int)
    padding : int, (int, int) or ((top, bottom), (left, right))

    Returns
    -------
    Tensor, shape (N, C kH kW, OH OW) or (C kH kW, OH OW), OH = floor((H + 2 py - dy (kH - 1) - 1) / sy) + 1

    Raises
    ------
    InputError
        The input has another number of axes, or the kernel is larger than the padded image.

    Examples
    --------
    >>> unfold(Tensor([[[1.0, 2.0, 3.0]]]), (1, 2))
    Tensor([[1., 2.],
            [2., 3.]])
    """
    input = as_tensor(input)
    image_shape("unfold", input.shape)
    windows = _windows("unfold", input.shape[-2:], kernel_size, dilation, padding, stride)
    return record(_columns(input.data, windows), (input,), lambda grad: (_image(grad, windows),))


def fold(input: Tensor | np.ndarray, output_size: int | tuple[int, int], kernel_size: int | tuple[int, int],
         dilation: int | tuple[int, int] = 1, padding: Any = 0, stride: int | tuple[int, int] = 1) -> Tensor:
    """The adjoint of `unfold`: each element of the columns is added to its pixel of an image of `output_size`.

    fold(unfold(x)) is x times the number of patches that see each pixel. Sums are computed in float64.

    Parameters
    ----------
    input : Tensor, shape (N, C kH kW, OH OW) or (C kH kW, OH OW)
    output_size : int or (int, int)
        Height and width of the image.
    kernel_size, dilation, padding, stride
        As in `unfold`.

    Returns
    -------
    Tensor, shape (N, C, *output_size) or (C, *output_size)

    Raises
    ------
    InputError
        The input does not have the shape of the columns of such an image.

    Examples
    --------
    >>> fold(Tensor([[1.0, 2.0], [2.0, 3.0]]), (1, 3), (1, 2))
    Tensor([[[1., 4., 3.]]])
    """
    input = as_tensor(input)
    size, shape = pair("fold: output_size", output_size, 1), input.shape
    windows = _windows("fold", size, kernel_size, dilation, padding, stride)
    taps, patches = len(windows.slices), math.prod(windows.shape)
    if len(shape) not in (2, 3) or shape[-1] != patches or shape[-2] % taps or shape[-2] == 0:
        raise InputError(f"fold: {windows.shape[0]} x {windows.shape[1]} patches of {taps} pixels fit into an image of "
                         f"{size[0]} x {size[1]} pixels, so the input must have shape (N, C * {taps}, {patches}) or "
                         f"(C * {taps}, {patches}), not {shape}")
    return record(_image(input.data, windows), (input,), lambda grad: (_columns(grad, windows),))


def _windows(name, size, kernel_size, dilation, padding, stride):
    return Windows(name, size, pair(f"{name}: kernel_size", kernel_size, 1), pair(f"{name}: stride", stride, 1),
                   sides(f"{name}: padding", padding), pair(f"{name}: dilation", dilation, 1), False)


def _columns(x, windows):
    """(..., C, H, W) -> (..., C kH kW, OH OW)."""
    padded, taps = windows.pad(x, 0), len(windows.slices)
    out = np.empty((*x.shape[:-2], taps, *windows.shape), x.dtype)
    for tap, view in enumerate(windows.slices):
        out[..., tap, :, :] = padded[view]
    return out.reshape(*x.shape[:-3], x.shape[-3] * taps, math.prod(windows.shape))


def _image(columns, windows):
    """(..., C kH kW, OH OW) -> (..., C, H, W), the adjoint of `_columns`."""
    taps = len(windows.slices)
    columns = columns.reshape(*columns.shape[:-2], columns.shape[-2] // taps, taps, *windows.shape)
    full = np.zeros((*columns.shape[:-3], *windows.padded))             # float64
    for tap, view in enumerate(windows.slices):
        windows.add(full, view, columns[..., tap, :, :])
    return windows.crop(full, columns.dtype)
