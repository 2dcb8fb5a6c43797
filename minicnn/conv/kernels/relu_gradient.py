"""The gradient through the ReLU and the bias that end a convolution, in one pass over its cotangent."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from ..runtime.memory import address_of, empty
from ..runtime.threads import parallel_kernel
from .compile import compiled_block, pack, unpack
from .simd import add_up, column, loads, store_column, store_tile, where_positive, zeros
from .vector import VECTOR

PER_CALL = 100_000              # pixels: less work is not worth a call on another thread
JOBS = 64                       # enough for as many cores
LEAST = 8_000                   # pixels that are worth a job


class GateTask(NamedTuple):
    """What `gate_kernel` gets besides its range of jobs."""

    grad: int           # the addresses of arrays (k, pixel)
    out: int
    gated: int
    sums: int           # the address of an array (k, part, lane)
    pixels: int         # of a channel
    parts: int


@functools.cache
def gate_kernel(bits: int) -> int:
    """gated[k, p] = grad[k, p], but 0 where out[k, p] is 0; sums[k, part, lane] = the sum of gated over a lane.

    A job is one part of the pixels of one channel k.
    """
    lanes = VECTOR[bits].lanes

    def gate(start, stop, scratch, task):
        grad, out, gated, sums, pixels, parts = unpack(GateTask, task)
        vectors = -(-pixels // lanes)
        for job in range(start, stop):
            k, part = job // parts, job % parts
            first, last = vectors * part // parts * lanes, min(vectors * (part + 1) // parts * lanes, pixels)
            whole = k * pixels + first + (last - first) // lanes * lanes
            total = zeros(bits, 1, 1)
            for p in range(k * pixels + first, whole, lanes):
                tile = where_positive(column(bits, 1, out, p, 0), column(bits, 1, grad, p, 0))
                total = add_up(total, tile)
                store_column(tile, 0, gated, p, 0)
            left = k * pixels + last - whole
            if left:
                tile = where_positive(loads(bits, 1, out, whole, left), loads(bits, 1, grad, whole, left))
                total = add_up(total, tile)
                store_tile(tile, 1, gated, whole, 0, 1, left)
            store_column(total, 0, sums, job * lanes, 0)

    return compiled_block(4, gate)


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
    bits, channels, pixels = 8 * grad.itemsize, len(grad), grad[0].size
    kernel, gated = gate_kernel(bits), empty(grad.shape, grad.dtype)
    parts = max(1, min(-(-JOBS // channels), pixels // LEAST))
    sums = np.empty((channels, parts * VECTOR[bits].lanes), grad.dtype)
    task = pack(GateTask(address_of(grad), address_of(out), address_of(gated), address_of(sums), pixels, parts))
    parallel_kernel(channels * parts, kernel, task, 0, 1 + PER_CALL * parts // pixels)
    return gated, sums.sum(1)
