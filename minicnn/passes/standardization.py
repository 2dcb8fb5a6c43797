"""The passes of normalizations over float32 arrays (N, C, ...): two forward, two backward. Sums are added in float64.

An array may be in any memory order. Numbers for each channel have shape (C,).
"""

from __future__ import annotations

import numpy as np

from .channels import Layout


def moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and biased variance of each channel, in float64, in one pass.

    The sums are of x - s and (x - s)^2, where s is the first element of the channel. Then cancellation costs the
    variance at most a factor of the number n of elements: (mean - s)^2 <= n var. For float32 numbers, float64 has
    digits enough for that. A channel with an infinite number or a NaN has the variance NaN.

    References
    ----------
    Chan, Golub & LeVeque 1983, "Algorithms for Computing the Sample Variance", section 2: shifted data.

    Examples
    --------
    >>> moments(np.array([[1], [3]], np.float32))
    (array([2.]), array([1.]))
    """
    layout = Layout.of(x)
    flat = layout.flat(x)
    shift = flat[np.arange(layout.channels) * layout.channel_step].astype(np.float64)
    sums = np.empty((layout.channels, layout.blocks, 2))
    layout.run("moments", flat, shift, out=sums)
    with np.errstate(invalid="ignore"):
        first, second = np.moveaxis(sums.sum(1), 1, 0) * (layout.channels / x.size)
        return shift + first, np.maximum(second - first * first, 0)


def affine(x: np.ndarray, mean: np.ndarray, factor: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """(x - mean) * factor * weight + bias. The first two steps are in float64, the others in float32.

    >>> one = np.ones(1, np.float32)
    >>> affine(np.array([[1], [3]], np.float32), np.array([2.0]), np.array([0.5]), 4 * one, one)
    array([[-1.],
           [ 3.]], dtype=float32)
    """
    layout = Layout.of(x)
    flat = layout.flat(x)
    out = np.empty_like(flat)
    layout.run("affine", flat, mean, factor, weight, bias, out=out)
    return layout.shaped(out)


def gradient_sums(grad: np.ndarray, normal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The sums of grad and of grad * normal over each channel, in float64.

    >>> gradient_sums(np.array([[1], [3]], np.float32), np.array([[2], [5]], np.float32))
    (array([4.]), array([17.]))
    """
    layout = Layout.of(normal)
    sums = np.empty((layout.channels, layout.blocks, 2))
    layout.run("gradient_sums", layout.flat(grad), layout.flat(normal), out=sums)
    total, product = np.moveaxis(sums.sum(1), 1, 0)
    return total, product


def input_gradient(grad: np.ndarray, normal: np.ndarray, less: np.ndarray, slope: np.ndarray,
                   factor: np.ndarray) -> np.ndarray:
    """(grad - less - normal * slope) * factor, computed in float64; the last three are numbers for each channel.

    >>> input_gradient(np.ones((1, 1), np.float32), np.ones((1, 1), np.float32), *np.array([[0.5], [2.0], [4.0]]))
    array([[-6.]], dtype=float32)
    """
    layout = Layout.of(normal)
    out = np.empty(normal.size, np.float32)
    layout.run("input_gradient", layout.flat(grad), layout.flat(normal), less, slope, factor, out=out)
    return layout.shaped(out)
