"""The compiled kernel of the gradient of the weight of `direct`: sums of products over pixels, held in registers.

`kernels.direct` has the notation: output rows, taps and `source`.
"""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit, types

from ..runtime.threads import parallel_for
from .compile import PACKED, compiled, pack, unpack
from .direct import Block, block_size
from .simd import add_outer, gather, store_tile, zeros
from .vector import INT, VECTOR

PER_CALL = 2_000_000            # products: less work is not worth a call on another thread
FLUSH = 64                      # vectors (or one row, if longer) that `sum_products` sums before it adds in float64


class ProductArrays(NamedTuple):
    """The addresses of the caller's arrays in `product_kernel`."""

    grad: int           # (group, k, row, pixel)
    x: int              # (group, ...)


class ProductSizes(NamedTuple):
    """The sizes of `product_kernel`, in numbers."""

    pixels: int         # of an output row
    x_group: int        # from one group of x to the next
    x_row: int          # from one row of x to the next


class ProductTask(NamedTuple):
    """Everything that `product_kernel` gets besides its range of jobs and its arrays of known types."""

    arrays: ProductArrays
    sizes: ProductSizes


@njit(inline="always")
def sum_pixels(B: Block, arrays: ProductArrays, sizes: ProductSizes, source: np.ndarray, i: int, first: int, last: int,
               k_table: np.ndarray, q_table: np.ndarray) -> Any:
    """A register block: the sum of grad[k] x[q] over the pixels of the rows first..last - 1, for tap row i."""
    tile, whole = zeros(B.bits, B.rows, B.columns), sizes.pixels // B.lanes * B.lanes
    for row in range(first, last):
        if source[row, i] >= 0:
            at, there = row * sizes.pixels, source[row, i] * sizes.x_row
            for p in range(0, whole, B.lanes):
                tile = add_outer(tile, gather(B.bits, B.rows, arrays.grad, at + p, k_table.ctypes.data, None),
                                 gather(B.bits, B.columns, arrays.x, there + p, q_table.ctypes.data, None))
            if whole < sizes.pixels:
                left, at, there = sizes.pixels - whole, at + whole, there + whole
                tile = add_outer(tile, gather(B.bits, B.rows, arrays.grad, at, k_table.ctypes.data, left),
                                 gather(B.bits, B.columns, arrays.x, there, q_table.ctypes.data, left))
    return tile


@njit(inline="always")
def store_totals(B: Block, out: np.ndarray, totals: np.ndarray, group: int, k: int, i: int, q: int) -> None:
    """out[group, k + n, i, q + m] = the sum of the lanes of block entry (n, m) in `totals`, if that is inside `out`."""
    for n in range(min(B.rows, out.shape[1] - k)):
        for m in range(min(B.columns, out.shape[3] - q)):
            total, slot = 0.0, ((i * B.rows + n) * B.columns + m) * B.lanes
            for lane in range(slot, slot + B.lanes):
                total += totals[lane]
            out[group, k + n, i, q + m] = total


@functools.cache
def product_kernel(bits: int, k_block: int, q_block: int) -> Any:
    """out[group, k, i, q] = sum over row, p of grad[group, k, row, p] x[group, source[row, i], taps[q] + p].

    A job is one block of k_block x q_block pairs (k, q) of one group, for all i, because all i read the same rows of x.
    The job sums a few rows in registers, in the dtype of the input, and adds these sums to `totals` (i, k, q, lane) in
    float64. No two jobs write to the same place. Thus the order of summation does not depend on the number of threads.
    """
    B = Block(bits, k_block, q_block)

    def multiply(start, stop, task, out, source, taps, sums, totals):
        arrays, sizes = unpack(ProductTask, task)
        rows, kernel_rows = source.shape
        channels = out.shape[1]
        k_blocks, q_blocks = -(-channels // B.rows), -(-taps.size // B.columns)
        k_table, q_table = np.empty(B.rows, np.int64), np.empty(B.columns, np.int64)
        some = max(1, FLUSH * B.lanes // sizes.pixels)              # rows
        for job in range(start, stop):
            group, k, q = job // q_blocks // k_blocks, job // q_blocks % k_blocks * B.rows, job % q_blocks * B.columns
            for n in range(B.rows):                     # beyond the last k: the last one again, not stored
                k_table[n] = (group * channels + min(k + n, channels - 1)) * rows * sizes.pixels
            for n in range(B.columns):
                q_table[n] = group * sizes.x_group + taps[min(q + n, taps.size - 1)]
            for n in range(totals.size):
                totals[n] = 0
            for first in range(0, rows, some):
                last = min(first + some, rows)
                for i in range(kernel_rows):
                    tile = sum_pixels(B, arrays, sizes, source, i, first, last, k_table, q_table)
                    store_tile(tile, B.size, sums.ctypes.data, 0, 0, 1, None)
                    for n in range(sums.size):
                        totals[i * sums.size + n] += sums[n]
            for i in range(kernel_rows):
                store_totals(B, out, totals, group, k, i, q)

    element = types.Float(f"float{bits}")
    return compiled(types.void(INT, INT, PACKED, element[:, :, :, ::1], types.int64[:, ::1], types.int64[::1],
                               element[::1], types.float64[::1]), multiply)


def sum_products(grad: np.ndarray, x: np.ndarray, source: np.ndarray, taps: np.ndarray, groups: int) -> np.ndarray:
    """The sum over pixels of grad x, for every tap: `product_kernel` on arrays.

    Parameters
    ----------
    grad : array (G K, OH, OW, N), in C order
    x, source, taps
        As for `correlate`.

    Returns
    -------
    out : array (G, K, kh, C kw)
    """
    channels, bits = len(grad) // groups, 8 * x.itemsize
    k_block, q_block = block_size(channels), block_size(taps.size)
    kernel = product_kernel(bits, k_block, q_block)
    out = np.empty((groups, channels, source.shape[1], taps.size), x.dtype)
    arrays = ProductArrays(grad.ctypes.data, x.ctypes.data)
    sizes = ProductSizes(grad[0, 0].size, x.size // groups, math.prod(x.shape[2:]))
    task = pack(ProductTask(arrays, sizes))

    def work(start, stop):
        sums = np.empty(k_block * q_block * VECTOR[bits].lanes, x.dtype)
        kernel(start, stop, task, out, source, taps, sums, np.empty(source.shape[1] * sums.size))

    jobs = groups * -(-channels // k_block) * -(-taps.size // q_block)
    parallel_for(jobs, work, 1 + PER_CALL // (grad[0].size * source.shape[1] * k_block * q_block))
    return out
