"""The compiled kernel of `direct`: sums of products over the taps, held in registers.

An output row is `pixels` numbers that lie one after the other. The numbers of the input that one tap meets lie one
after the other too. A tap is q = (c, j): an input channel and a column of the kernel. Tap q in row i of the kernel
meets the numbers from `taps[q]` on in row `source[row, i]` of the input. `source[row, i]` is -1 if that row is padding;
the kernels leave such rows out.

Arrays of the caller reach a kernel as addresses: numba would compile a kernel again for every mix of writeable,
read-only and unaligned arrays. The function `correlate` takes arrays and calls the kernel.
"""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit, types

from ..runtime.memory import empty
from ..runtime.target import target
from ..runtime.threads import parallel_for
from .compile import PACKED, compiled, constants, pack, unpack
from .simd import (
    add,
    add_products,
    add_rows,
    loads,
    relu,
    splats,
    store_tile,
    zeros,
)
from .vector import INT, VECTOR

WIDE = {1: 8, 4: 5, 5: 4}       # channels of a register block: vectors of each channel, with 32 registers
NARROW = {1: 8, 4: 2, 6: 2}     # with 16 registers
WIDTH = WIDE if target().registers > 16 else NARROW
PER_CALL = 2_000_000            # products: less work is not worth a call on another thread


def block_size(n: int) -> int:
    """The size of register blocks that covers n channels with the least work. Each block also costs about one load.

    >>> [block_size(n) for n in (1, 2, 3, 5, 8, 40)]
    [1, 1, 4, 5, 4, 5]
    """
    return min(WIDTH, key=lambda size: (-(-n // size) * (size + 1), -size))


@constants
class Block(NamedTuple):
    """A register block, a constant of the machine code: rows x columns vectors of numbers of `bits` bits."""

    bits: int
    rows: int
    columns: int

    @property
    def size(self) -> int:
        """The number of vectors."""
        return self.rows * self.columns

    @property
    def lanes(self) -> int:
        return VECTOR[self.bits].lanes


class CorrelationArrays(NamedTuple):
    """The addresses of the arrays of `correlation_kernel`."""

    out: int            # (group, k, row, pixel)
    x: int              # (group, ...)
    weight: int         # (group, k / block, i, q, k % block)
    bias: int           # (group, k / block, k % block)


class CorrelationSizes(NamedTuple):
    """The sizes of `correlation_kernel`, in numbers."""

    channels: int       # k, of a group
    pixels: int         # of an output row
    x_group: int        # from one group of x to the next
    x_row: int          # from one row of x to the next
    chain: int          # products in a chain of additions


class CorrelationTask(NamedTuple):
    """Everything that `correlation_kernel` gets besides its range of jobs, `source` and `taps`."""

    arrays: CorrelationArrays
    sizes: CorrelationSizes
    rectify: int        # whether the output is that of a ReLU


@njit(inline="always")
def sum_taps(B: Block, columns: int, arrays: CorrelationArrays, sizes: CorrelationSizes, source: np.ndarray,
             taps: np.ndarray, row: int, at: int, w: int, count: int | None) -> Any:
    """A tile of B.rows x columns vectors: the sum over the taps (i, q) of weight[k, i, q] x[taps[q] + p].

    The pixels p begin at x[at], the weights at weight[w]. The sum consists of partial sums of about `sizes.chain` taps,
    because the error of a chain of additions grows with its length.
    """
    total, tile, length = zeros(B.bits, B.rows, columns), zeros(B.bits, B.rows, columns), 0
    for i in range(source.shape[1]):
        if source[row, i] >= 0:
            for begin in range(0, taps.size, sizes.chain):
                end = min(begin + sizes.chain, taps.size)
                for q in range(begin, end):
                    pixels = loads(B.bits, columns, arrays.x, at + source[row, i] * sizes.x_row + taps[q], count)
                    tile = add_products(tile, B.rows, arrays.weight, w + (i * taps.size + q) * B.rows, 1, pixels)
                length += end - begin
                if length >= sizes.chain:
                    total, tile, length = add(total, tile), zeros(B.bits, B.rows, columns), 0
    return add(total, tile)


@functools.cache
def correlation_kernel(bits: int, block: int) -> Any:
    """out[group, k, row, p] = bias[group, k]
    + sum over i, q of weight[group, k, i, q] x[group, source[row, i], taps[q] + p], where source[row, i] is not -1.

    With `rectify` the ReLU of that. A job is one register block of pixels in one row of one group, for all channels k:
    the part of x that it reads stays in the cache. The order of summation is the same for every pixel, so a shifted
    image gives exactly the shifted map.
    """
    B = Block(bits, block, WIDTH[block])

    def correlate(start, stop, task, source, taps):
        arrays, sizes, rectify = unpack(CorrelationTask, task)
        rows, kernel_rows = source.shape
        pixels, reach = sizes.pixels, B.columns * B.lanes           # reach: pixels of a block
        tiles, blocks = -(-pixels // reach), -(-sizes.channels // B.rows)
        for job in range(start, stop):
            group, row, first = job // tiles // rows, job // tiles % rows, job % tiles * reach
            for b in range(blocks):
                packed, channels = (group * blocks + b) * B.rows, sizes.channels - b * B.rows
                w, at = packed * kernel_rows * taps.size, group * sizes.x_group + first
                shift = splats(B.bits, B.rows, arrays.bias, packed, 1)
                target = ((group * sizes.channels + b * B.rows) * rows + row) * pixels
                if first + reach <= pixels:
                    tile = sum_taps(B, B.columns, arrays, sizes, source, taps, row, at, w, None)
                    tile = add_rows(tile, shift)
                    if rectify:
                        tile = relu(tile)
                    store_tile(tile, B.columns, arrays.out, target + first, rows * pixels, channels, None)
                    continue
                for p in range(first, pixels, B.lanes):     # the end of the row: one vector at a time
                    last = sum_taps(B, 1, arrays, sizes, source, taps, row, at + p - first, w, pixels - p)
                    last = add_rows(last, shift)
                    if rectify:
                        last = relu(last)
                    store_tile(last, 1, arrays.out, target + p, rows * pixels, channels, pixels - p)

    return compiled(types.void(INT, INT, PACKED, types.int64[:, ::1], types.int64[::1]), correlate)


def pack_weight(weight: np.ndarray, block: int) -> np.ndarray:
    """(G, K, C, kh, kw) -> (G, K / block, kh, C, kw, block), zeros beyond the last channel."""
    groups, channels = weight.shape[:2]
    blocks = -(-channels // block)
    packed = np.zeros((groups, blocks * block, *weight.shape[2:]), weight.dtype)
    packed[:, :channels] = weight
    return np.ascontiguousarray(packed.reshape(groups, blocks, block, *weight.shape[2:]).transpose(0, 1, 4, 3, 5, 2))


def correlate(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, source: np.ndarray, taps: np.ndarray, pixels: int,
              rectify: bool = False) -> np.ndarray:
    """The sum over taps plus the bias, and with `rectify` the ReLU of that: `correlation_kernel` on arrays.

    Parameters
    ----------
    x : array (G C, H, phases, W', N), in C order
    weight : array (G, K, C, kh, kw)
    bias : array (G K,)
    source : int64 array (rows, kh)
        The row of x that tap row i of an output row meets, or -1.
    taps : int64 array (C kw,)
        Where tap (c, j) begins in a row of x, in numbers from the first channel of the group.
    pixels : int
        The length of an output row.

    Returns
    -------
    out : array (G K, rows, pixels)
    """
    groups, channels = weight.shape[:2]
    block, bits = block_size(channels), 8 * x.itemsize
    kernel = correlation_kernel(bits, block)
    packed, packed_bias = (pack_weight(a, block) for a in (weight, bias.reshape(groups, channels, 1, 1, 1)))
    out = empty((groups * channels, len(source), pixels), x.dtype)
    chain = max(16, round((source.shape[1] * taps.size) ** (2 / 3)))    # L^(2/3) of L terms has the least error
    arrays = CorrelationArrays(out.ctypes.data, x.ctypes.data, packed.ctypes.data, packed_bias.ctypes.data)
    sizes = CorrelationSizes(channels, pixels, x.size // groups, math.prod(x.shape[2:]), chain)
    task = pack(CorrelationTask(arrays, sizes, rectify))

    def work(start, stop):
        kernel(start, stop, task, source, taps)

    tile = WIDTH[block] * VECTOR[bits].lanes
    jobs = groups * len(source) * -(-pixels // tile)
    parallel_for(jobs, work, 1 + PER_CALL // (min(tile, pixels) * packed.size // groups))
    return out
