"""Sums over the taps of one channel, for batches that fill whole vectors: depthwise convolutions.

A vector holds one pixel of some images, so every tap meets whole vectors, whatever the strides, and no image is copied.
A pixel has a list of the taps that meet the image. Pixels that meet the image with the same taps share a list. The
order of summation is that of `kernel`, so the bits are the same.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from ...runtime.memory import address_of
from ...runtime.target import target
from ...runtime.threads import parallel_kernel
from ..compile import call, compiled_block, pack, unpack
from ..numbers import entry, prefetch
from ..simd import add, add_products, add_rows, column, relu, splats, store_tile, zeros
from ..vector import VECTOR
from .image import Axis
from .plan import JOBS, Correlation, chain_of

PER_CALL = 300_000              # products: less work is not worth a call on another thread
PIXELS = 6                      # that share a number of the weight: each takes a general register for its place
MOVE = 4.0                      # half cycles to read or write a vector: measured
MOST = 100_000                  # numbers of all lists


class Arrays(NamedTuple):
    """The addresses of the arrays of `depthwise_kernel`."""

    out: int            # (channel, row, pixel, image)
    x: int              # (channel, height, width, image)
    weight: int         # (channel, ...)
    bias: int           # (channel)
    kinds: int          # (row) int64: the kind of each output row
    lists: int          # (kind of row, kind of column, ...) int64: see `lists_of`


class Task(NamedTuple):
    """Everything that `depthwise_kernel` gets besides its range of jobs."""

    arrays: Arrays
    some: int           # the addresses of the functions that sum PIXELS pixels, and one pixel
    one: int
    rectify: int        # whether the output is that of a ReLU
    chains: int         # of a list
    length: int         # numbers of a list
    batch: int
    rows: int           # of the output
    columns: int
    first: int          # the columns first..last of the output meet the image with all taps
    last: int
    x_channel: int      # numbers from one channel to the next, and from what an output meets to what the next one meets
    x_row: int
    x_column: int
    ahead: int          # from what an output meets to the rows that are new in what the next output row meets
    new_rows: int       # how many rows are new
    width: int          # numbers of a row of x
    w_channel: int
    out_channel: int
    out_row: int
    out_column: int
    parts: int          # jobs of a channel


def fits(s: Correlation) -> bool:
    """Whether a group has one channel, the images of a batch fill whole vectors, and the lists are short."""
    return s.channels == s.depth == 1 and s.batch % target().lanes(s.bits) == 0 and (
        (3 * s.taps + 2) * len(kinds_of(s.rows)[1]) * len(kinds_of(s.columns)[1]) < MOST)


def depthwise_cycles(s: Correlation) -> float:
    """The predicted time of one core, in half cycles, for a sum, or for the gradient of its weight."""
    vectors = s.groups * s.rows.out * s.columns.out * s.batch // target().lanes(s.bits)
    return vectors * (2 * s.taps + (1 + s.rows.step * s.columns.step) * MOVE)


def inside(axis: Axis, taps: tuple[int, ...]) -> tuple[int, int]:
    """The outputs first..last that meet the image with all of some taps.

    >>> inside(Axis(5, 5, 1, (-1, 0, 1)), (-1, 0, 1)), inside(Axis(4, 2, 2, (0, 1, 2)), (0, 2))
    ((1, 4), (0, 1))
    >>> inside(Axis(2, 2, 1, (-2, 2)), (-2, 2))
    (2, 2)
    """
    first = min(max(-(min(taps) // axis.step), 0), axis.out)
    return first, min(max((axis.size - 1 - max(taps)) // axis.step + 1, first), axis.out)


@functools.lru_cache(maxsize=1024)
def kinds_of(axis: Axis) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The kind of each output, and one output of each kind. Outputs of a kind meet the image with the same taps.

    Kind 0 meets it with all taps, if there are such outputs.

    >>> kinds_of(Axis(5, 5, 1, (-1, 0, 1)))
    ((1, 0, 0, 0, 2), (1, 0, 4))
    """
    first, last = inside(axis, axis.taps)
    kinds = [0] * axis.out
    edges = [*range(first), *range(last, axis.out)]
    for kind, output in enumerate(edges, 1):
        kinds[output] = kind
    return tuple(kinds), (first if first < last else 0, *edges)


@functools.lru_cache(maxsize=256)
def lists_of(s: Correlation) -> np.ndarray:
    """(row kinds, column kinds, C + 1 + 2 Q) int64: the list of the taps of each kind of pixel.

    A list begins with the places in it where its C chains begin and where the last one ends. A tap is two numbers: its
    place in x beside that of tap (0, 0), and its place in a channel's weight.
    """
    chain, row = chain_of(s.taps), s.columns.size * s.batch
    chains = -(-s.taps // chain)
    (_, rows), (_, columns) = kinds_of(s.rows), kinds_of(s.columns)
    lists = np.zeros((len(rows), len(columns), chains + 1 + 2 * s.taps), np.int64)
    taps = [(y, x) for y in s.rows.taps for x in s.columns.taps]
    for i, oy in enumerate(rows):
        for j, ox in enumerate(columns):
            met, ends = [], [chains + 1]
            for q, (y, x) in enumerate(taps):
                if 0 <= oy * s.rows.step + y < s.rows.size and 0 <= ox * s.columns.step + x < s.columns.size:
                    met += [y * row + x * s.batch, s.weight_taps[q]]
                if (q + 1) % chain == 0 or q + 1 == s.taps:
                    ends.append(chains + 1 + len(met))
            lists[i, j, :len(ends) + len(met)] = ends + met
    return lists


@functools.cache
def pixels_block(bits: int, pixels: int) -> int:
    """The address of the function that sums the taps of a list for some neighbouring pixels and all images."""
    lanes = VECTOR[bits].lanes

    def sum_pixels(task, channel, at, taps, to):
        t = unpack(Task, task)
        arrays, weight = t.arrays, channel * t.w_channel
        for n in range(0, t.batch, lanes):
            if pixels > 1:                              # what the next output row meets
                for row in range(t.new_rows):
                    begin = at + n + t.ahead + row * t.width
                    for place in range(begin, begin + t.x_column, t.batch):
                        prefetch(bits, pixels, arrays.x, place, t.x_column, 0)
            total = zeros(bits, 1, pixels)
            for chain in range(t.chains):
                tile = zeros(bits, 1, pixels)
                for q in range(entry(taps, chain), entry(taps, chain + 1), 2):
                    numbers = column(bits, pixels, arrays.x, at + n + entry(taps, q), t.x_column)
                    tile = add_products(tile, 1, arrays.weight, weight + entry(taps, q + 1), 0, numbers)
                total = add(total, tile)
            total = add_rows(total, splats(bits, 1, arrays.bias, channel, 0))
            if t.rectify:
                total = relu(total)
            store_tile(total, 1, arrays.out, to + n, t.out_column, pixels, None)

    return compiled_block(5, sum_pixels)


@functools.cache
def depthwise_kernel(bits: int) -> int:
    """The address of the function that computes a `Correlation` that `fits`. A job is some rows of a channel."""
    def correlate(start, stop, scratch, task):
        t = unpack(Task, task)
        edges, whole = t.first + t.columns - t.last, t.first + (t.last - t.first) // PIXELS * PIXELS
        for job in range(start, stop):
            channel, part = job // t.parts, job % t.parts
            for row in range(t.rows * part // t.parts, t.rows * (part + 1) // t.parts):
                at = channel * t.x_channel + row * t.x_row
                to = channel * t.out_channel + row * t.out_row
                lists = t.arrays.lists + 8 * t.length * (edges + 1) * entry(t.arrays.kinds, row)
                for pixel in range(t.first):
                    call(t.one, (task, channel, at + pixel * t.x_column, lists + 8 * t.length * (pixel + 1),
                                 to + pixel * t.out_column))
                for pixel in range(t.first, whole, PIXELS):
                    call(t.some, (task, channel, at + pixel * t.x_column, lists, to + pixel * t.out_column))
                for pixel in range(whole, t.last):
                    call(t.one, (task, channel, at + pixel * t.x_column, lists, to + pixel * t.out_column))
                for pixel in range(t.last, t.columns):
                    kind = pixel - t.last + t.first + 1
                    call(t.one, (task, channel, at + pixel * t.x_column, lists + 8 * t.length * kind,
                                 to + pixel * t.out_column))

    return compiled_block(4, correlate)


def correlate_depthwise(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, s: Correlation, out: np.ndarray,
                        place: int, rectify: bool) -> None:
    """`kernel.correlate` for a Correlation that `fits`."""
    kinds, lists = np.array(kinds_of(s.rows)[0], np.int64), lists_of(s)
    operands = [np.ascontiguousarray(a) for a in (x, weight, bias, kinds, lists)]
    arrays = Arrays(address_of(out) + place * x.itemsize, *(address_of(a) for a in operands))
    row, parts = s.columns.size * s.batch, parts_of(s)
    task = pack(Task(arrays, pixels_block(s.bits, PIXELS), pixels_block(s.bits, 1), rectify,
                     -(-s.taps // chain_of(s.taps)), lists.shape[2], s.batch, s.rows.out, s.columns.out,
                     *inside(s.columns, s.columns.taps), s.rows.size * row, s.rows.step * row,
                     s.columns.step * s.batch, (max(s.rows.taps) + 1) * row + max(s.columns.taps) * s.batch,
                     s.rows.step, row, s.weight[0], *s.out, parts))
    jobs = s.groups * parts
    parallel_kernel(jobs, depthwise_kernel(s.bits), task, 0, least_jobs(s, jobs))


def parts_of(s: Correlation) -> int:
    """The jobs of a channel."""
    return min(-(-JOBS // s.groups), s.rows.out)


def least_jobs(s: Correlation, jobs: int) -> int:
    """The jobs that are worth a call on another thread."""
    return 1 + PER_CALL * jobs // (s.groups * s.rows.out * s.columns.out * s.batch * s.taps)
