"""Pooling with a binomial blur, which loses less of the equivariance to shifts than a maximum or a mean does."""

from __future__ import annotations

from math import comb

import numpy as np

from ...checks import image_shape, pair
from ...errors import InputError
from ...tensor import Tensor, as_tensor, record


def blur_pool2d(input: Tensor | np.ndarray, kernel_size: int | tuple[int, int] = 4,
                stride: int | tuple[int, int] = 2) -> Tensor:
    """Each channel is blurred with a binomial kernel; every stride-th pixel of the result is kept.

        out[y, x] = sum over i, j of a[i] a[j] x[stride y + i - p, stride x + j - p],   p = (k - 1) // 2

    The k taps are a[i] = C(k - 1, i) / 2^(k - 1): the numbers 1; 1 1; 1 2 1; 1 3 3 1; 1 4 6 4 1; ... divided by their
    sum. The image is reflected at its edge: ... x[2] x[1] | x[0] x[1] x[2] ... p pixels are added at the top and left,
    k // 2 at the bottom and right. The output has ceil(H / stride) rows.

    Parameters
    ----------
    input : Tensor, shape (N, C, H, W) or (C, H, W)
    kernel_size : int or (int, int)
        Taps down and across. Even sizes move the image by half a pixel, as an even max-pool does.
    stride : int or (int, int)

    Returns
    -------
    Tensor, shape (N, C, ceil(H / stride), ceil(W / stride)), dtype of the input

    Raises
    ------
    InputError
        The input has another number of axes; a size or stride is below 1; the image has at most k // 2 pixels in a
        direction, too few to reflect.

    References
    ----------
    Zhang 2019, "Making Convolutional Networks Shift-Invariant Again", section 3.3.

    Examples
    --------
    >>> blur_pool2d(Tensor([[[0.0, 0.0, 4.0, 0.0]]]), (1, 3))
    Tensor([[[0., 2.]]])
    >>> blur_pool2d(Tensor(np.ones((1, 7, 6)))).shape
    (1, 4, 3)
    """
    input = as_tensor(input)
    x = input.data
    image_shape("blur_pool2d", x.shape)
    (ky, kx), (sy, sx) = pair("blur_pool2d: kernel_size", kernel_size, 1), pair("blur_pool2d: stride", stride, 1)
    height, width = x.shape[-2:]
    if ky // 2 >= height or kx // 2 >= width:
        raise InputError(f"blur_pool2d: a kernel of {ky} x {kx} reflects {ky // 2} rows and {kx // 2} columns, but the "
                         f"image has only {height} x {width}: use a larger image or a smaller kernel")
    down = _blur(x.swapaxes(-1, -2), ky, sy).swapaxes(-1, -2)               # (N, C, ceil(H / sy), W)
    out = _blur(down, kx, sx)

    def vjp(grad):                  # the adjoints of the two directions, in reverse order
        across = _blur_adjoint(grad, kx, sx, width)
        return (_blur_adjoint(across.swapaxes(-1, -2), ky, sy, height).swapaxes(-1, -2),)
    return record(out, (input,), vjp)


def _taps(k):
    """The binomial coefficients divided by their sum. They are exact in floats, and their sum is 1."""
    return [comb(k - 1, i) / 2 ** (k - 1) for i in range(k)]


def _blur(x, k, stride):
    """Along the last axis, n -> ceil(n / stride): reflect at the edges, blur, keep every stride-th pixel."""
    before, n = (k - 1) // 2, x.shape[-1]
    after = k // 2
    padded = np.concatenate([x[..., 1:before + 1][..., ::-1], x, x[..., ::-1][..., 1:after + 1]], -1)
    with np.errstate(invalid="ignore"):           # inf - inf
        return sum(tap * padded[..., i:i + n:stride] for i, tap in enumerate(_taps(k)))


def _blur_adjoint(grad, k, stride, n):
    """Along the last axis, ceil(n / stride) -> n: add the part of each tap, then add the margins to the edges."""
    before, after = (k - 1) // 2, k // 2
    full = np.zeros_like(grad, shape=(*grad.shape[:-1], n + k - 1))
    for i, tap in enumerate(_taps(k)):
        full[..., i:i + n:stride] += tap * grad
    inside = full[..., before:before + n]
    inside[..., 1:before + 1] += full[..., :before][..., ::-1]
    inside[..., n - 1 - after:n - 1] += full[..., before + n:][..., ::-1]
    return inside
