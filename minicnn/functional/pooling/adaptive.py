"""Pools with a given output size: the maximum or the mean of windows whose size follows from it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...arithmetic import sum_over
from ...checks import boolean, image_shape, pair
from ...errors import InputError
from ...tensor import Tensor, as_tensor, record

MOST_CELLS = 2**24              # windows; each is one slice

OutputSize = int | Sequence[int | None] | None


def adaptive_avg_pool2d(input: Tensor | np.ndarray, output_size: OutputSize) -> Tensor:
    """The mean over windows such that the output has `output_size`. Size 1 is global average pooling.

    Window o of O over length L goes from floor(o L / O) to ceil((o + 1) L / O), as in PyTorch. None in place of a size
    keeps the size of the input. An input with another number of axes, or without a channel or pixel, and a size below 1
    raise InputError. Sums are computed in float64.

    >>> adaptive_avg_pool2d(Tensor([[[1.0, 2.0], [4.0, 3.0]]]), 1)
    Tensor([[[2.5]]])
    """
    input = as_tensor(input)
    x = input.data
    windows = _cells("adaptive_avg_pool2d", x, output_size)
    shape = x.shape[:-2] + tuple(windows.shape)
    out = np.empty(shape, x.dtype)
    for cell in np.ndindex(*windows.shape):
        part = x[(..., *windows[cell])]
        out[(..., *cell)] = sum_over(part, (part.ndim - 2, part.ndim - 1), count=part.shape[-1] * part.shape[-2])

    def vjp(grad):
        full = np.zeros(x.shape, x.dtype)
        for cell in np.ndindex(*windows.shape):
            part = full[(..., *windows[cell])]
            part += (grad[(..., *cell)] / (part.shape[-1] * part.shape[-2]))[..., None, None]
        return (full,)
    return record(out, (input,), vjp)


def adaptive_max_pool2d(input: Tensor | np.ndarray, output_size: OutputSize, return_indices: bool = False) -> Any:
    """The maximum over the windows of `adaptive_avg_pool2d`. Size 1 is global max pooling.

    If several elements are largest, the first one gets the gradient. With `return_indices` the result is a pair; the
    second part is an array of int64 with y W + x of the first maximum.

    >>> adaptive_max_pool2d(Tensor([[[1.0, 2.0], [4.0, 3.0]]]), 1, return_indices=True)
    (Tensor([[[4.]]]), array([[[2]]]))
    """
    input = as_tensor(input)
    x = input.data
    windows = _cells("adaptive_max_pool2d", x, output_size)
    width, shape = x.shape[-1], x.shape[:-2] + tuple(windows.shape)
    out, indices = np.empty(shape, x.dtype), np.empty(shape, np.int64)
    for cell in np.ndindex(*windows.shape):
        rows, columns = windows[cell]
        part = x[..., rows, columns]
        flat = part.reshape(*x.shape[:-2], math.prod(part.shape[-2:]))
        place = flat.argmax(-1, keepdims=True)                          # the first maximum, or the first NaN
        out[(..., *cell)] = np.take_along_axis(flat, place, -1)[..., 0]
        y, x_ = np.divmod(place[..., 0], part.shape[-1])
        indices[(..., *cell)] = (rows.start + y) * width + columns.start + x_
    size = x.shape

    def vjp(grad):
        full = np.zeros((*size[:-2], size[-2] * size[-1]), grad.dtype)
        for cell in np.ndindex(*windows.shape):                         # windows may overlap: one after the other
            place = indices[(..., *cell)][..., None]
            old = np.take_along_axis(full, place, -1)
            np.put_along_axis(full, place, old + grad[(..., *cell)][..., None], -1)
        return (full.reshape(size),)
    pooled = record(out, (input,), vjp)
    return (pooled, indices.copy()) if boolean("adaptive_max_pool2d: return_indices", return_indices) else pooled


def adaptive_size(name: str, output_size: OutputSize, size: tuple[int, int]) -> tuple[int, int]:
    """The output size of an adaptive pool for images of `size`. None stands for the size of the image.

    >>> adaptive_size("pool", (None, 3), (5, 6))
    (5, 3)
    """
    both = tuple(output_size) if isinstance(output_size, (tuple, list)) else (output_size, output_size)
    if len(both) == 2 and any(n is None for n in both):
        both = size[0] if both[0] is None else both[0], size[1] if both[1] is None else both[1]
        output_size = both
    return pair(f"{name}: output_size", output_size, 1)


def _cells(name, x, output_size):
    """An object array (O_y, O_x) of (row slice, column slice)."""
    image_shape(name, x.shape)
    size = adaptive_size(name, output_size, x.shape[-2:])
    if math.prod(size) > MOST_CELLS:
        raise InputError(f"{name}: an output of {size[0]} x {size[1]} pixels has more than {MOST_CELLS} windows: use a "
                         "smaller output_size")
    rows, columns = ([slice(o * n // count, -(-(o + 1) * n // count)) for o in range(count)]
                     for n, count in zip(x.shape[-2:], size, strict=True))
    windows = np.empty(size, object)
    for cell in np.ndindex(*size):
        windows[cell] = rows[cell[0]], columns[cell[1]]
    return windows
