"""Anti-aliased down-sampling: blur, then keep every stride-th pixel; part of `minicnn.functional`."""

from __future__ import annotations

from math import comb

import numpy as np

from ..checks import pair
from ..errors import InputError
from ..tensor import Tensor, as_tensor, record  # noqa: F401 (Tensor: for the examples)


def blur_pool2d(input, kernel_size=4, stride=2):
    """Each channel blurred with a binomial kernel, of which every stride-th pixel is kept.

    With the k taps a[i] = C(k - 1, i) / 2^(k - 1), that is 1; 1 1; 1 2 1; 1 3 3 1; 1 4 6 4 1; ... over their sum,

        out[y, x] = sum over i, j of a[i] a[j] x[stride y + i - p, stride x + j - p],   p = (k - 1) // 2,

    where pixels outside of the image are those reflected at its edge: ... x[2] x[1] | x[0] x[1] x[2] ... So p pixels
    are added at the top and left, k // 2 at the bottom and right, and the output has ceil(H / stride) rows.

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
    ValueError
        The input has another number of axes, a size or stride is below 1, or the image has no more than k // 2 pixels
        in a direction, too few to reflect.

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
    if x.ndim not in (3, 4):
        raise InputError(f"blur_pool2d: the input must have shape (N, C, H, W) or (C, H, W), not {x.shape}")
    (ky, kx), (sy, sx) = pair("blur_pool2d: kernel_size", kernel_size, 1), pair("blur_pool2d: stride", stride, 1)
    height, width = x.shape[-2:]
    if ky // 2 >= height or kx // 2 >= width:
        raise InputError(f"blur_pool2d: a kernel of {ky} x {kx} reflects {ky // 2} rows and {kx // 2} columns, but the "
                         f"image has only {height} x {width}: use a larger image or a smaller kernel")
    down = _blur(x.swapaxes(-1, -2), ky, sy).swapaxes(-1, -2)               # (N, C, ceil(H / sy), W)
    out = _blur(down, kx, sx)

    def vjp(grad):                  # the adjoints of the two directions, the last one first
        across = _blur_adjoint(grad, kx, sx, width)
        return (_blur_adjoint(across.swapaxes(-1, -2), ky, sy, height).swapaxes(-1, -2),)
    return record(out, (input,), vjp)


def _taps(k):
    """The binomial coefficients over their sum: exact in binary, and 1 in sum."""
    return [comb(k - 1, i) / 2 ** (k - 1) for i in range(k)]


def _blur(x, k, stride):
    """Along the last axis, n -> ceil(n / stride): reflect, weigh, keep every stride-th."""
    before, n = (k - 1) // 2, x.shape[-1]
    after = k // 2
    padded = np.concatenate([x[..., 1:before + 1][..., ::-1], x, x[..., ::-1][..., 1:after + 1]], -1)
    return sum(tap * padded[..., i:i + n:stride] for i, tap in enumerate(_taps(k)))


def _blur_adjoint(grad, k, stride, n):
    """Along the last axis, ceil(n / stride) -> n: each tap hands back what it took, and the margins are folded in."""
    before, after = (k - 1) // 2, k // 2
    full = np.zeros_like(grad, shape=(*grad.shape[:-1], n + k - 1))
    for i, tap in enumerate(_taps(k)):
        full[..., i:i + n:stride] += tap * grad
    inside = full[..., before:before + n]
    inside[..., 1:before + 1] += full[..., :before][..., ::-1]
    inside[..., n - 1 - after:n - 1] += full[..., before + n:][..., ::-1]
    return inside
