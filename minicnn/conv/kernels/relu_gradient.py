"""The gradient through the ReLU and the bias that end a convolution, in one pass over its cotangent."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numba import types

from ..runtime.memory import empty
from ..runtime.threads import parallel_for
from .compile import compiled
from .simd import add_up, column, loads, store_column, store_tile, where_positive, zeros
from .vector import INT, VECTOR

PER_CALL = 100_000              # pixels: less work is not worth a call on another thread


@functools.cache
def gate_kernel(bits: int) -> Any:
    """gated[k, p] = grad[k, p] where out[k, p] > 0, else 0; sums[k, lane] = the sum of gated over the pixels of a lane.

    A job is one channel k.
    """
    lanes = VECTOR[bits].lanes

    def gate(start, stop, grad, out, gated, pixels, sums):
        whole = pixels // lanes * lanes
        for k in range(start, stop):
            total = zeros(bits, 1, 1)
            for p in range(k * pixels, k * pixels + whole, lanes):
                tile = where_positive(column(bits, 1, out, p, 0), column(bits, 1, grad, p, 0))
                total = add_up(total, tile)
                store_column(tile, 0, gated, p, 0)
            if whole < pixels:
                p, left = k * pixels + whole, pixels - whole
                tile = where_positive(loads(bits, 1, out, p, left), loads(bits, 1, grad, p, left))
                total = add_up(total, tile)
                store_tile(tile, 1, gated, p, 0, 1, left)
            store_column(total, 0, sums, k * lanes, 0)

    return compiled(types.void(*[INT] * 7), gate)


def gate(grad: np.ndarray, out: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The cotangent of the ReLU's input, and its sum for each channel: `gate_kernel` on arrays.

    Parameters
    ----------
    grad : array (K, OH, OW, N), in C order
        The cotangent of the ReLU's output.
    out : array (K, OH, OW, N), in C order
        The ReLU's output.

    Returns
    -------
    gated : array (K, OH, OW, N)
    sums : array (K,)
    """
    bits, channels = 8 * grad.itemsize, len(grad)
    kernel, gated = gate_kernel(bits), empty(grad.shape, grad.dtype)
    sums = np.empty((channels, VECTOR[bits].lanes), grad.dtype)

    def work(start, stop):
        kernel(start, stop, grad.ctypes.data, out.ctypes.data, gated.ctypes.data, grad[0].size, sums.ctypes.data)

    parallel_for(channels, work, 1 + PER_CALL // grad[0].size)
    return gated, sums.sum(1)
