"""The compiled kernels of the gradient of a weight: matrix products over the pixels, held in registers.

    out[group, k, q] = sum over row, p of grad[group, k, row, p] x[group, row x_row + taps[q] + p]

A tap q = (c, i, j) is an offset into the image. The image therefore must contain its padding. An output row is `pixels`
numbers that lie one after the other, p = ox N + n. A register block holds the sums of some taps (its rows) and of some
output channels k (its columns). The lanes of a vector are one of two things:

- output channels. The numbers of x are broadcast from the image itself. The cotangent is transposed, a piece at a time,
  into panels: panel[k / width, pixel, k % width], where width is the number of channels of a block.
- pixels. Nothing is transposed, and no lane is lost if a group has few channels. But each sum takes a whole vector.

The work is cut in three ways. A chunk is some pixels whose operands fit the cache: all blocks of a job read it before
the next chunk begins. A job has a range of chunks, a range of k-blocks and a range of q-blocks of a group. The ranges
of chunks have sums of their own, added as a tree at the end. `weight_plan.plan_of` chooses all that.

A sum is a chain of about CHAIN additions in the dtype of the operands. The chains of a chunk are added in that dtype
too, the chunks in float64.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np
from numba import njit

from ..runtime.memory import address_of
from ..runtime.threads import parallel_kernel
from .compile import call, compiled_block, pack, unpack
from .numbers import number, set_number
from .simd import (
    accumulate,
    add,
    add_products_at,
    add_vectors_at,
    gather,
    loads,
    store_column,
    store_tile,
    transpose,
    zeros,
)
from .vector import VECTOR
from .weight_plan import Plan, Sizes, plan_of, sizes_of

CHAIN = 128                     # additions to a register of output channels before it is added to another one
PER_CALL = 500_000              # products: less work is not worth a call on another thread


class Arrays(NamedTuple):
    """The addresses of the arrays of `weight_kernel`."""

    grad: int           # (group, k, row, pixel)
    x: int              # (group, ...)
    taps: int           # (q padded to whole blocks) int64: the last tap is repeated
    ks: int             # (k padded to whole blocks) int64: the places of the channels in grad; the last is repeated
    out: int            # (range, group, k, q)


class Task(NamedTuple):
    """Everything that `weight_kernel` gets besides its range of jobs and its scratch memory."""

    arrays: Arrays
    sizes: Sizes
    plan: Plan
    block: int          # the address of a `channel_block` or of a `pixel_block`
    panel: int          # where the panel begins in scratch memory, in bytes


@functools.cache
def channel_block(bits: int, rows: int, columns: int) -> int:
    """The address of a block with output channels in its lanes.

    totals[i, j] += the sum over p of x[taps[i] + p] panel[p, j]. The pixels are those of a chunk: `count` rows of
    `length` pixels.
    """
    width = columns * VECTOR[bits].lanes

    def multiply(x, at, x_row, taps, panel, g, step, count, length, totals, to, fresh):
        total, tile, added = zeros(bits, rows, columns), zeros(bits, rows, columns), 0
        for _ in range(count):
            for first in range(0, length, CHAIN):
                some = min(CHAIN, length - first)
                for p in range(some):
                    numbers = loads(bits, columns, panel, g + p * width, None)
                    tile = add_products_at(tile, x, at + first + p, taps, numbers)
                g, added = g + some * width, added + some
                if added >= CHAIN:
                    total, tile, added = add(total, tile), zeros(bits, rows, columns), 0
            at += x_row
        accumulate(add(total, tile), totals, to, fresh)

    return compiled_block(12, multiply)


@functools.cache
def pixel_block(bits: int, rows: int, columns: int) -> int:
    """The same with pixels in its lanes: totals[i, j] += the products x[taps[i] + p] grad[ks[j] + p], lane by lane."""
    lanes = VECTOR[bits].lanes

    def multiply(x, at, x_row, taps, grad, g, ks, count, length, totals, to, fresh):
        tile, whole = zeros(bits, rows, columns), length // lanes * lanes
        for row in range(count):
            for p in range(0, whole, lanes):
                numbers = gather(bits, columns, grad, g + row * length + p, ks, None)
                tile = add_vectors_at(tile, x, at + row * x_row + p, taps, None, numbers)
        if whole < length:                              # the ends of the rows
            left, at, g = length - whole, at + whole, g + whole
            for row in range(count):
                numbers = gather(bits, columns, grad, g + row * length, ks, left)
                tile = add_vectors_at(tile, x, at + row * x_row, taps, left, numbers)
        accumulate(tile, totals, to, fresh)

    return compiled_block(12, multiply)


@njit(inline="always")
def fill_panel(bits: int, lanes: int, grad: int, at: int, ks: int, width: int, pixels: int, panel: int) -> None:
    """panel[p, k] = grad[ks[k] + p] for `width` channels and the pixels from `at` on."""
    whole = pixels // lanes * lanes
    for k in range(0, width, lanes):
        for p in range(0, whole, lanes):
            tile = transpose(gather(bits, lanes, grad, at + p, ks + 8 * k, None))
            store_column(tile, 0, panel, p * width + k, width)
        if whole < pixels:
            left = pixels - whole
            tile = transpose(gather(bits, lanes, grad, at + whole, ks + 8 * k, left))
            store_tile(tile, 1, panel, whole * width + k, width, left, None)


@njit(inline="always")
def store_sums(bits: int, lanes: int, s: Sizes, plan: Plan, totals: int, out: int, at: int, k_first: int,
               q_first: int) -> None:
    """out[k, q] = the sums of a job, rounded once; out[0, 0] is at element `at`."""
    for b in range(min(plan.k_some, plan.k_blocks - k_first)):
        for j in range(plan.columns):
            k = (k_first + b) * plan.columns + j
            for c in range(min(plan.q_some, plan.q_blocks - q_first)):
                q = (q_first + c) * plan.rows
                slot = (((b * plan.q_some + c) * plan.rows) * plan.columns + j) * lanes
                for i in range(min(plan.rows, s.taps - q)):
                    if not plan.by_pixels:
                        for lane in range(min(lanes, s.channels - k * lanes)):
                            place = at + (k * lanes + lane) * s.taps + q + i
                            set_number(bits, out, place, number(64, totals, slot + lane))
                    elif k < s.channels:
                        total = 0.0
                        for lane in range(slot, slot + lanes):
                            total += number(64, totals, lane)
                        set_number(bits, out, at + k * s.taps + q + i, total)
                    slot += plan.columns * lanes


@functools.cache
def weight_kernel(bits: int) -> int:
    """out[range, group, k, q] = the sum of the products of a range of chunks.

    The scratch memory holds the sums of a job in float64, (k-block, q-block, row, column, lane), and then the panel.
    """
    lanes = VECTOR[bits].lanes

    def multiply(start, stop, scratch, task):
        arrays, s, plan, block, place_of_panel = unpack(Task, task)
        width, panel = plan.columns if plan.by_pixels else plan.columns * lanes, scratch + place_of_panel
        k_parts, q_parts = -(-plan.k_blocks // plan.k_some), -(-plan.q_blocks // plan.q_some)
        pieces, size = -(-s.pixels // plan.chunk_pixels), plan.rows * plan.columns * lanes
        for job in range(start, stop):
            k_first, q_first = job // q_parts % k_parts * plan.k_some, job % q_parts * plan.q_some
            part = job // q_parts // k_parts
            group, part = part // plan.ranges, part % plan.ranges
            first = plan.chunks * part // plan.ranges
            for chunk in range(first, plan.chunks * (part + 1) // plan.ranges):
                row, p = chunk // pieces * plan.chunk_rows, chunk % pieces * plan.chunk_pixels
                count, length = min(plan.chunk_rows, s.rows - row), min(plan.chunk_pixels, s.pixels - p)
                at = group * s.x_group + row * s.x_row + p
                g = (group * s.channels * s.rows + row) * s.pixels + p
                for k in range(k_first, min(k_first + plan.k_some, plan.k_blocks)):
                    places = arrays.ks + 8 * k * width
                    operand, place = arrays.grad, g
                    if not plan.by_pixels:
                        fill_panel(bits, lanes, arrays.grad, g, places, width, count * length, panel)
                        operand, place = panel, 0
                    for q in range(q_first, min(q_first + plan.q_some, plan.q_blocks)):
                        to = ((k - k_first) * plan.q_some + q - q_first) * size
                        call(block, (arrays.x, at, s.x_row, arrays.taps + 8 * q * plan.rows, operand, place, places,
                                     count, length, scratch, to, int(chunk == first)))
            store_sums(bits, lanes, s, plan, scratch, arrays.out, (part * s.groups + group) * s.channels * s.taps,
                       k_first, q_first)

    return compiled_block(4, multiply)


def weight_products(grad: np.ndarray, x: np.ndarray, x_row: int, taps: np.ndarray, groups: int) -> np.ndarray:
    """The sum over pixels of grad x, for every tap: `weight_kernel` on arrays.

    Parameters
    ----------
    grad : array (G K, OH, OW, N), in C order
    x : array (G C, ...), in C order
        The image with its padding.
    x_row : int
        The distance in x between what one output row and the next meet, in numbers.
    taps : int64 array (Q,)
        Where the first output row meets tap q, in numbers from the first channel of the group.

    Returns
    -------
    out : array (G, K, Q)
    """
    bits, rows, pixels = 8 * x.itemsize, grad.shape[1], grad[0, 0].size
    s = sizes_of(groups, len(grad) // groups, taps.size, rows, pixels, x.size // groups, x_row)
    plan = plan_of(s, bits)
    lanes = VECTOR[bits].lanes
    width = plan.columns if plan.by_pixels else plan.columns * lanes
    block = (pixel_block if plan.by_pixels else channel_block)(bits, plan.rows, plan.columns)
    places = np.ascontiguousarray(np.minimum(np.arange(plan.k_blocks * width), s.channels - 1) * (rows * pixels))
    padded = np.ascontiguousarray(taps[np.minimum(np.arange(plan.q_blocks * plan.rows), taps.size - 1)])
    out = np.empty((plan.ranges, groups, s.channels, taps.size), x.dtype)
    sums = 8 * plan.k_some * plan.q_some * plan.rows * plan.columns * lanes
    panel = 0 if plan.by_pixels else plan.chunk_rows * plan.chunk_pixels * width * x.itemsize
    task = pack(Task(Arrays(*(address_of(a) for a in (grad, x, padded, places, out))), s, plan, block, sums))
    jobs = groups * plan.ranges * math.prod(plan.parts)
    parallel_kernel(jobs, weight_kernel(bits), task, sums + panel, 1 + PER_CALL * jobs // s.products)
    left = plan.ranges
    while left > 1:                                     # a tree
        half = left // 2
        out[:half] += out[left - half:left]
        left -= half
    return out[0]
