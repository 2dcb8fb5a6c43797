"""The compiled kernels of `direct`: sums of products over the taps, held in registers.

    out[group, k, row, p] = bias[group, k] + sum over q of weight[group, k, q] x[group, row x_row + places[q] + p]

A tap is q = (c, i, j): an input channel, a row and a column of the kernel. An output row is `pixels` numbers that lie
one after the other, p = ox N + n, and so do the numbers of x that one tap meets: see `image`. The lanes of a vector run
over p. A register block holds some channels k (its rows) of some vectors (its columns), which may lie in different
output rows.

If rows do not fill whole vectors, or many channels use the same pixels, the pixels that a tile meets are copied into a
panel first: panel[q, column, lane]. A vector of the panel may consist of the ends and the beginnings of rows.

The taps are cut into chunks, so that what a tile meets stays in the first-level cache while all channels use it. The
sums of a chunk are partial results. A chunk consists of chains, because the error of a chain of additions grows with
its length. The sums of a chunk go on where those of the chunk before it ended. So the order of summation depends on the
number of taps alone: a shifted image gives exactly the shifted map, whatever the size of the images and of the batch.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from numba import njit

from ...runtime.memory import address_of
from ...runtime.threads import parallel_kernel
from ..compile import call, compiled_block, pack, unpack
from ..numbers import entry, set_entry, splice, store_at
from ..simd import (
    add,
    add_products,
    add_rows,
    gather,
    load_tile,
    loads,
    relu,
    splats,
    store_tile,
    zeros,
)
from ..vector import VECTOR
from .depthwise import correlate_depthwise, fits
from .image import CopyArrays, CopySizes, copy_rows, image_of
from .plan import Correlation, Plan, Sizes, planned

PER_CALL = 300_000              # products: less work is not worth a call on another thread
TABLE = 32                      # numbers of the places of a tile, twice: in the image and in the output


class Arrays(NamedTuple):
    """The addresses of the arrays of `correlation_kernel`."""

    out: int            # (group, k, row, pixel)
    x: int              # (group, ...)
    weight: int         # (group, k, ...)
    bias: int           # (group, k)
    places: int         # (q) int64
    taps: int           # (q, 2) int64: in the panel or x, in the weight
    tables: int         # of `copy_rows`


class Task(NamedTuple):
    """Everything that `correlation_kernel` gets besides its range of jobs and its scratch memory."""

    arrays: Arrays
    sizes: Sizes
    plan: Plan
    copy: CopySizes
    large: int          # the addresses of the `sum_block` of large and of small blocks
    small: int
    rectify: int        # whether the output is that of a ReLU


class Tile(NamedTuple):
    """What a `sum_block` gets: some vectors and a chunk of taps."""

    x: int              # the address of the group's image, or the place of the image that matches the panel
    row: int            # the first output row
    pixel: int          # the first pixel in that row
    vectors: int
    q: int              # the first tap
    q_stop: int
    scratch: int        # the address of a table of 2 TABLE int64
    partial: int        # the address of the partial sums: (tile, k, column, lane)


@njit(inline="always")
def place_vectors(columns: int, lanes: int, t: Task, table: int, row: int, pixel: int,
                  vectors: int) -> tuple[int, int]:
    """Write the places of a tile's vectors in x and in the output. Returns the row and the pixel of the next vector.

    The last vector of a row ends with the row: it overlaps the vector before it. Beyond the last vector of the tile the
    last one comes again.
    """
    s = t.sizes
    last, skip = max(s.pixels - lanes, 0), 0 if t.plan.packed > 0 else s.skip       # a panel has no gaps
    for j in range(columns):
        p = min(pixel, last)
        set_entry(table, j, row * s.x_row + p + (p // s.batch * skip if skip > 0 else 0))
        set_entry(table, TABLE + j, row * s.out_row + p)
        if j + 1 < vectors:
            pixel += lanes
            if pixel >= s.pixels:
                row, pixel = row + 1, 0
    return row, pixel


@functools.cache
def sum_block(bits: int, rows: int, columns: int) -> int:
    """The address of the function that sums a chunk of taps for some vectors and the channels k, k + 1, ... in blocks.

    The weight is read where it lies: tap q of channel k is number k w_channel + taps[q, 1] from the group's first.
    """
    lanes = VECTOR[bits].lanes

    def multiply(task, group, k_first, k_stop, x, row, pixel, vectors, q_first, q_stop, table, partial):
        t = unpack(Task, task)
        arrays, s = t.arrays, t.sizes
        for v in range(0, vectors, columns):
            row, pixel = place_vectors(columns, lanes, t, table, row, pixel, vectors - v)
            for k in range(k_first, k_stop, rows):
                slot = (v // columns * s.channels + k) * columns * lanes
                total, w = zeros(bits, rows, columns), group * s.w_group + k * s.w_channel
                if q_first > 0:
                    total = load_tile(bits, rows, columns, partial, slot, columns * lanes)
                for begin in range(q_first, q_stop, s.chain):
                    tile = zeros(bits, rows, columns)
                    for q in range(begin, min(begin + s.chain, q_stop)):
                        numbers = gather(bits, columns, x, entry(arrays.taps, 2 * q), table, None)
                        tile = add_products(tile, rows, arrays.weight, w + entry(arrays.taps, 2 * q + 1), s.w_channel,
                                            numbers)
                    total = add(total, tile)
                if q_stop < s.taps:
                    store_tile(total, columns, partial, slot, columns * lanes, rows, None)
                else:
                    k_all = group * s.channels + k
                    total = add_rows(total, splats(bits, rows, arrays.bias, k_all, 1))
                    if t.rectify:
                        total = relu(total)
                    to = k_all * s.out_channel
                    if s.pixels < lanes:
                        store_at(total, columns, arrays.out, to, s.out_channel, table + 8 * TABLE, s.pixels)
                    else:
                        store_at(total, columns, arrays.out, to, s.out_channel, table + 8 * TABLE, None)

    return compiled_block(12, multiply)


@njit(inline="always")
def fill_panel(bits: int, lanes: int, columns: int, x: int, t: Task, first: int, q_first: int, q_stop: int,
               panel: int) -> None:
    """panel[q, column, lane] = what tap q meets at the pixels from `first` on, counted over all rows."""
    s, width = t.sizes, columns * lanes
    for j in range(columns):
        if j == 0 or first + j * lanes < s.pixels:
            start = max(min(first + j * lanes, s.pixels - lanes), 0)
            row, column = start // s.row_pixels, start % s.row_pixels
            at = row * s.x_row + column + (column // s.batch * s.skip if s.skip > 0 else 0)
            cut, end = s.row_pixels - column, min(lanes, s.pixels - start)
            for q in range(q_first, q_stop):
                begin = at + entry(t.arrays.places, q)
                vector = loads(bits, 1, x, begin, None)
                for edge in range(cut, end, s.row_pixels):              # the next rows begin here
                    begin += s.x_row - s.row_pixels
                    vector = splice(vector, x, begin, edge)
                store_tile(vector, 1, panel, (q - q_first) * width + start - first, 0, 1, None)


@njit(inline="always")
def run_blocks(t: Task, task: int, group: int, blocks: tuple[int, int], tile: Tile) -> None:
    """All channels of a range of register blocks: the large ones, then the small ones."""
    edge, size = t.plan.large_blocks, t.plan.large
    first, stop = min(blocks[0], edge) * size, min(blocks[1], edge) * size
    if first < stop:
        call(t.large, (task, group, first, stop, tile.x, tile.row, tile.pixel, tile.vectors, tile.q, tile.q_stop,
                       tile.scratch, tile.partial))
    first = edge * size + max(blocks[0] - edge, 0) * (size - 1)
    stop = edge * size + max(blocks[1] - edge, 0) * (size - 1)
    if first < stop:
        call(t.small, (task, group, first, stop, tile.x, tile.row, tile.pixel, tile.vectors, tile.q, tile.q_stop,
                       tile.scratch, tile.partial))


@njit(inline="always")
def own_image(bits: int, lanes: int, t: Task, group: int, first_row: int, image: int) -> None:
    """Make the part of a group's image that the output rows from first_row on meet."""
    s, planes = t.copy, t.sizes.depth * t.copy.row_phases
    arrays, size = CopyArrays(t.arrays.x, image, t.arrays.tables), s.length * s.column_phases * s.run
    for plane in range(planes):
        copy_rows(bits, lanes, arrays, s, group * planes + plane, first_row, s.length, plane * size,
                  planes * size + lanes)


@functools.cache
def correlation_kernel(bits: int) -> int:
    """The address of the function that computes `Correlation`. A job is a range of vectors and of channels of a group.

    Scratch memory holds the table of a tile, the panel and the partial sums.
    """
    lanes, size = VECTOR[bits].lanes, bits // 8

    def correlate(start, stop, scratch, task):
        t = unpack(Task, task)
        s, plan = t.sizes, t.plan
        width, table = plan.columns * lanes, scratch
        panel = scratch + 16 * TABLE
        partial = panel + (plan.chunk * width if plan.packed else 0) * size
        image = partial + plan.partial * size
        for job in range(start, stop):
            part, group = job // plan.k_parts % plan.parts, job // plan.k_parts // plan.parts
            k_part = job % plan.k_parts
            blocks = plan.large_blocks + plan.small_blocks
            blocks = (blocks * k_part // plan.k_parts, blocks * (k_part + 1) // plan.k_parts)
            first, last = part * plan.some, min((part + 1) * plan.some, plan.vectors)
            x = t.arrays.x + group * s.x_group * size
            if plan.own_rows > 0:
                own_image(bits, lanes, t, group, part * plan.own_rows, image)
                x = image - part * plan.own_rows * s.x_row * size
            for q in range(0, s.taps, plan.chunk):
                q_stop = min(q + plan.chunk, s.taps)
                if not plan.packed:
                    tile = Tile(x, first // plan.in_row, first % plan.in_row * lanes, last - first, q, q_stop, table,
                                partial)
                    run_blocks(t, task, group, blocks, tile)
                    continue
                for v in range(first, last, plan.columns):
                    p = max(min(v * lanes, s.pixels - width), 0)
                    fill_panel(bits, lanes, plan.columns, x, t, p, q, q_stop, panel)
                    tile = Tile(panel - (p + q * width) * size, 0, p, min(plan.columns, plan.vectors), q, q_stop, table,
                                partial + (v - first) * lanes * s.channels * size)
                    run_blocks(t, task, group, blocks, tile)

    return compiled_block(4, correlate)


def correlate(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, s: Correlation, out: np.ndarray, place: int = 0,
              rectify: bool = False) -> np.ndarray:
    """Write a correlation plus the bias to `out`, from number `place` on; with `rectify` the ReLU of that.

    Parameters
    ----------
    x : array (G C, H, W, N), in C order
    weight : array, in C order
    bias : array (G K,)
    s : Correlation
    out : array, in C order

    Returns
    -------
    image : array
        The pixels of x as `Planned.places` finds them, or x if there is no such image of the whole of x.
    """
    if fits(s):
        correlate_depthwise(x, weight, bias, s, out, place, rectify)
        return x
    found = planned(s)
    plan, width = found.plan, found.plan.columns * VECTOR[s.bits].lanes
    image = x if plan.own_rows else image_of(x, s.rows, s.columns, found.image)
    # the name keeps copies alive until the kernel has read them
    operands = [np.ascontiguousarray(a) for a in (image, weight, bias, found.places, found.taps, found.tables)]
    arrays = Arrays(address_of(out) + place * x.itemsize, *(address_of(a) for a in operands))
    small = sum_block(s.bits, plan.large - 1, plan.columns) if plan.small_blocks else 0
    large = sum_block(s.bits, plan.large, plan.columns)
    task = pack(Task(arrays, found.sizes, plan, found.copy, large, small, rectify))
    scratch = 16 * TABLE + ((plan.chunk * width if plan.packed else 0) + plan.partial + plan.image) * x.itemsize
    jobs = s.groups * plan.parts * plan.k_parts
    products = s.groups * s.channels * s.taps * plan.vectors * VECTOR[s.bits].lanes
    parallel_kernel(jobs, correlation_kernel(s.bits), task, scratch, 1 + PER_CALL * jobs // products)
    return image
