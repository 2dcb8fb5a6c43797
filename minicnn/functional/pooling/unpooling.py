"""Unpooling: the maxima go back to where they came from."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ...arithmetic.padding import MOST
from ...checks import array, image_shape, integer, pair
from ...errors import InputError, InputTypeError
from ...tensor import Tensor, as_tensor, record


def max_unpool2d(input: Tensor | np.ndarray, indices: np.ndarray, kernel_size: int | tuple[int, int],
                 stride: int | tuple[int, int] | None = None, padding: int | tuple[int, int] = 0,
                 output_size: Sequence[int] | None = None) -> Tensor:
    """Zeros, with each element of the input at its index: out[n, c, indices[n, c, y, x]] = input[n, c, y, x].

    With the indices of `max_pool2d` and the same sizes, it is a partial inverse of the pool. If an index appears
    several times in a plane, the last element in row-major order is taken, and only this element gets the gradient.
    (PyTorch gives the gradient to all of them, so that their sum is too large.)

    Parameters
    ----------
    input : Tensor, shape (N, C, H, W) or (C, H, W)
    indices : ndarray of integers with the same shape
        y OW + x of each element in its plane of the output.
    kernel_size, stride, padding : int or (int, int)
        Those of the pool. The stride is the kernel size by default.
    output_size : (int, int) or the whole shape, optional
        Several sizes are pooled to the same one: this says which one it was. It may differ by less than the stride
        from the default, (H - 1) sy - 2 py + kH.

    Returns
    -------
    Tensor, shape (N, C, OH, OW)

    Raises
    ------
    InputError
        The shapes of input and indices differ; an index lies outside of the output; the output size does not fit.
    InputTypeError
        The indices are not integers.

    Examples
    --------
    >>> pooled, indices = Tensor([[[4.0]]]), np.array([[[2]]])
    >>> max_unpool2d(pooled, indices, 2)
    Tensor([[[0., 0.],
             [4., 0.]]])
    """
    input = as_tensor(input)
    places = array("max_unpool2d: the indices", indices.data if isinstance(indices, Tensor) else indices)
    image_shape("max_unpool2d", input.shape)
    if places.dtype.kind not in "iu":
        raise InputTypeError(f"max_unpool2d: the indices must be an array of integers, not {places.dtype}")
    if places.shape != input.shape:
        raise InputError(f"max_unpool2d: the indices must have the input's shape {input.shape}, not {places.shape}")
    kernel = pair("max_unpool2d: kernel_size", kernel_size, 1)
    stride = kernel if stride is None else pair("max_unpool2d: stride", stride, 1)
    size = _output_size(input.shape, kernel, stride, pair("max_unpool2d: padding", padding, 0), output_size)
    if places.size and not 0 <= places.min() <= places.max() < math.prod(size):
        raise InputError(f"max_unpool2d: indices must be from 0 to {math.prod(size) - 1} for an output of "
                         f"{size[0]} x {size[1]} pixels, not from {places.min()} to {places.max()}")
    shape, lead = input.shape, input.shape[:-2]
    places = places.reshape(math.prod(lead), math.prod(shape[-2:])).astype(np.int64)   # a copy, a plane a row
    places += np.arange(len(places))[:, None] * math.prod(size)                         # in all planes together
    out = np.zeros(math.prod(lead) * math.prod(size), input.dtype)
    out[places.ravel()] = input.data.ravel()

    def vjp(grad):
        flat = places.ravel()
        last = np.empty(grad.size, np.int64)
        last[flat] = np.arange(flat.size)                               # which element is in each place
        taken = last[flat] == np.arange(flat.size)
        return (np.where(taken, grad.ravel()[flat], 0).reshape(shape),)
    return record(out.reshape(*lead, *size), (input,), vjp)


def _output_size(shape, kernel, stride, padding, output_size):
    default = [(n - 1) * s - 2 * p + k for n, s, p, k in zip(shape[-2:], stride, padding, kernel, strict=True)]
    size = default
    if output_size is not None:
        size = list(output_size) if isinstance(output_size, (tuple, list)) else [output_size]
        if len(size) not in (2, len(shape)):
            raise InputError(f"max_unpool2d: output_size must be (rows, columns) or a whole shape, not {output_size!r}")
        size = [integer("max_unpool2d: output_size", n) for n in size[-2:]]
        if any(not d - s < n < d + s for n, d, s in zip(size, default, stride, strict=True)):
            raise InputError(f"max_unpool2d: output_size {tuple(size)} must differ by less than the stride {stride} "
                             f"from {tuple(default)}")
    if min(size) < 1:
        raise InputError(f"max_unpool2d: the output would have {size[0]} x {size[1]} pixels: use less padding")
    if math.prod(size) * math.prod(shape[:-2]) > MOST:
        raise InputError(f"max_unpool2d: the output would have {size[0]} x {size[1]} pixels, which is too many: use a "
                         "smaller kernel or stride")
    return tuple(size)
