"""The passes of batch normalization over float32 images: two forward and two backward. Sums are added in float64."""

from __future__ import annotations

import numpy as np

from .channels import Blocks, compiled, run


def moments(flat: np.ndarray, blocks: Blocks) -> tuple[np.ndarray, np.ndarray]:
    """Mean and biased variance of each channel, in float64, in one pass.

    The sums are of x - s and (x - s)^2, where s is the first element of the channel. Then cancellation costs the
    variance at most a factor of the number n of elements: (mean - s)^2 <= n var. For float32 numbers, float64 has
    digits enough for that.

    Parameters
    ----------
    flat : ndarray of float32, from `in_memory_order`
    blocks : Blocks

    Returns
    -------
    mean, var : ndarray of float64, shape (channels,)

    References
    ----------
    Chan, Golub & LeVeque 1983, "Algorithms for Computing the Sample Variance", section 2: shifted data.
    """
    shift = flat[np.arange(blocks.channels) * blocks.channel_step].astype(np.float64)
    sums = np.empty((blocks.channels, blocks.blocks, 2))
    run(compiled(_moments, "float32", "float64", "float64"), blocks, flat, shift, sums.reshape(-1))
    first, second = np.moveaxis(sums.sum(1), 1, 0) / blocks.elements
    return shift + first, second - first * first


def normalized(flat: np.ndarray, blocks: Blocks, mean: np.ndarray, inverse: np.ndarray, weight: np.ndarray,
               bias: np.ndarray) -> np.ndarray:
    """(x - mean) * inverse * weight + bias for each channel. The first two steps are in float64, the others in float32.
    """
    out = np.empty_like(flat)
    run(compiled(_normalize, "float32", "float64", "float64", "float32", "float32", "float32"), blocks, flat, mean,
        inverse, weight, bias, out)
    return out


def gradient_sums(grad: np.ndarray, flat: np.ndarray, blocks: Blocks, mean: np.ndarray,
                  inverse: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The sums of grad and of grad * normal over each channel, in float64; normal = (x - mean) * inverse in float32."""
    sums = np.empty((blocks.channels, blocks.blocks, 2))
    run(compiled(_gradient_sums, "float32", "float32", "float64", "float64", "float64"), blocks, grad, flat, mean,
        inverse, sums.reshape(-1))
    total, product = np.moveaxis(sums.sum(1), 1, 0)
    return total, product


def input_gradient(grad: np.ndarray, flat: np.ndarray, blocks: Blocks, mean: np.ndarray, inverse: np.ndarray,
                   less: np.ndarray, slope: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """(grad - less - normal * slope) * scale, computed in float64; less, slope and scale are numbers for each channel.
    """
    out = np.empty_like(flat)
    run(compiled(_input_gradient, "float32", "float32", "float64", "float64", "float64", "float64", "float64",
                 "float32"), blocks, grad, flat, mean, inverse, less, slope, scale, out)
    return out


# The kernels. Job number `job` is block b of channel c. A slice tells the compiler that indices are not negative.

def _moments(start, stop, plan, x, shift, sums):
    for job in range(start, stop):
        c, b = job // plan[1], job % plan[1]
        first = c * plan[2] + b * plan[3]
        row = x[first:first + (plan[5] if b == plan[1] - 1 else plan[4])]
        s, total, squares = shift[c], 0.0, 0.0
        for i in range(row.size):
            d = row[i] - s
            total += d
            squares += d * d
        sums[2 * job], sums[2 * job + 1] = total, squares


def _normalize(start, stop, plan, x, mean, inverse, weight, bias, out):
    for job in range(start, stop):
        c, b = job // plan[1], job % plan[1]
        first = c * plan[2] + b * plan[3]
        last = first + (plan[5] if b == plan[1] - 1 else plan[4])
        row, result = x[first:last], out[first:last]
        m, k, w, shift = mean[c], inverse[c], weight[c], bias[c]
        for i in range(row.size):
            result[i] = np.float32((row[i] - m) * k) * w + shift


def _gradient_sums(start, stop, plan, grad, x, mean, inverse, sums):
    for job in range(start, stop):
        c, b = job // plan[1], job % plan[1]
        first = c * plan[2] + b * plan[3]
        last = first + (plan[5] if b == plan[1] - 1 else plan[4])
        g, row = grad[first:last], x[first:last]
        m, k, total, products = mean[c], inverse[c], 0.0, 0.0
        for i in range(row.size):
            normal = np.float32((row[i] - m) * k)
            total += g[i]
            products += np.float64(g[i]) * normal
        sums[2 * job], sums[2 * job + 1] = total, products


def _input_gradient(start, stop, plan, grad, x, mean, inverse, less, slope, scale, out):
    for job in range(start, stop):
        c, b = job // plan[1], job % plan[1]
        first = c * plan[2] + b * plan[3]
        last = first + (plan[5] if b == plan[1] - 1 else plan[4])
        g, row, result = grad[first:last], x[first:last], out[first:last]
        m, k, a, p, f = mean[c], inverse[c], less[c], slope[c], scale[c]
        for i in range(row.size):
            normal = np.float32((row[i] - m) * k)
            result[i] = (g[i] - a - normal * p) * f
