"""The image as `correlation` reads it: every tap of the kernel meets pixels that lie one after the other.

An axis of a convolution says: output o meets the pixels o step + t, for t in `taps`; pixels outside of the image are
zeros. Column o step + t lies in phase t mod step, at o + floor(t / step). So the phases of an image, side by side, turn
any step into 1. `image_of` makes them, with the zeros around them, in the memory order

    (C, row phases, H', column phases, W', N)

Phases that no tap meets are left out. An image that needs no zeros is used as it is if the column step is 1, or if the
images of a batch fill whole vectors: then only the places of the vectors differ (`Image.skip`).
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from numba import njit

from ...runtime.memory import address_of, empty
from ...runtime.threads import parallel_kernel
from ..compile import compiled_block, pack, unpack
from ..numbers import clear_numbers, copy_numbers, entry
from ..simd import loads, store_tile, zeros
from ..vector import VECTOR

PIECE = 8_000                   # numbers of a job, or one row
PER_CALL = 20_000               # numbers: a smaller copy is not worth a call on another thread


class Axis(NamedTuple):
    """Output o meets the pixels o step + t of the image, for t in `taps`."""

    size: int           # pixels of the image
    out: int            # outputs
    step: int
    taps: tuple[int, ...]

    @property
    def phases(self) -> list[int]:
        """The phases that taps meet."""
        return sorted({t % self.step for t in self.taps})

    @property
    def low(self) -> int:
        """The first place in a phase that a tap meets."""
        return min(t // self.step for t in self.taps)

    @property
    def length(self) -> int:
        """The places in a phase that taps meet."""
        return self.out + max(t // self.step for t in self.taps) - self.low

    @property
    def inside(self) -> bool:
        """Whether no tap meets a pixel outside of the image."""
        return min(self.taps) >= 0 and (self.out - 1) * self.step + max(self.taps) < self.size


class Image(NamedTuple):
    """Where the pixels lie, in numbers from the start of the image."""

    copied: int         # whether the image is a copy
    channel: int        # from one channel to the next
    row: int            # from what an output row meets to what the next one meets
    skip: int           # numbers between what an output meets and what the next one meets; 0 in a copy
    taps_y: tuple[int, ...]
    taps_x: tuple[int, ...]


@functools.lru_cache(maxsize=1024)
def image_places(rows: Axis, columns: Axis, batch: int, copied: bool = False) -> Image:
    """Where `image_of` puts the pixels. `copied` asks for a copy even if all pixels are inside.

    >>> image_places(Axis(5, 5, 1, (-1, 0, 1)), Axis(6, 2, 3, (0, 1, 2)), 10)
    Image(copied=True, channel=420, row=60, skip=0, taps_y=(0, 60, 120), taps_x=(0, 20, 40))
    """
    if not copied and rows.inside and columns.inside:
        row = columns.size * batch
        return Image(False, rows.size * row, rows.step * row, (columns.step - 1) * batch,
                     tuple(t * row for t in rows.taps), tuple(t * batch for t in columns.taps))
    run = columns.length * batch
    row = len(columns.phases) * run
    plane = rows.length * row
    taps_y = tuple(rows.phases.index(t % rows.step) * plane + (t // rows.step - rows.low) * row for t in rows.taps)
    taps_x = tuple(columns.phases.index(t % columns.step) * run + (t // columns.step - columns.low) * batch
                   for t in columns.taps)
    return Image(True, len(rows.phases) * plane, row, 0, taps_y, taps_x)


class CopySizes(NamedTuple):
    """The sizes of `copy_kernel`, in numbers."""

    x_channel: int      # from one channel of x to the next
    x_size: int         # of all of x
    batch: int
    height: int         # of x
    width: int
    length: int         # H'
    low: int            # of the rows
    step: int           # of the rows
    column_step: int
    row_phases: int
    column_phases: int
    run: int            # W' N
    piece: int          # rows of a job


class CopyArrays(NamedTuple):
    """The addresses of the arrays of a copy."""

    x: int
    image: int
    tables: int         # of int64: row phases; for each column phase `column_range`


class CopyTask(NamedTuple):
    """Everything that `copy_kernel` gets besides its range of jobs."""

    arrays: CopyArrays
    sizes: CopySizes


def column_range(axis: Axis, phase: int) -> tuple[int, int, int]:
    """The places first..last of a phase that hold pixels, and the pixel at the first one.

    >>> column_range(Axis(6, 6, 1, (-1, 0, 1)), 0)
    (1, 7, 0)
    """
    first = min(max(-(phase // axis.step) - axis.low, 0), axis.length)
    last = min(max((axis.size - 1 - phase) // axis.step + 1 - axis.low, first), axis.length)
    return first, last, (first + axis.low) * axis.step + phase


@njit(inline="always")
def move(bits: int, lanes: int, to: int, place: int, base: int, index: int, count: int, exact: bool) -> None:
    """Copy `count` numbers. If not `exact`, whole vectors are copied, which reach beyond the last number."""
    if exact:
        copy_numbers(bits, to, place, base, index, count)
    else:
        for i in range(0, count, lanes):
            store_tile(loads(bits, 1, base, index + i, None), 1, to, place + i, 0, 1, None)


@njit(inline="always")
def clear(bits: int, lanes: int, to: int, place: int, count: int, exact: bool) -> None:
    """The same for zeros."""
    if exact:
        clear_numbers(bits, to, place, count)
    else:
        for i in range(0, count, lanes):
            store_tile(zeros(bits, 1, 1), 1, to, place + i, 0, 1, None)


@njit(inline="always")
def copy_pixels(bits: int, lanes: int, arrays: CopyArrays, place: int, source: int, sizes: tuple[int, int, int],
                exact: bool) -> None:
    """Copy pixels of n numbers that lie `step` numbers apart; sizes = (n, step, pixels).

    A copy of a number of bytes that the compiler knows is one instruction.
    """
    n, step, pixels = sizes
    to, x = arrays.image, arrays.x
    if n == 1:
        for i in range(pixels):
            copy_numbers(bits, to, place + i, x, source + i * step, 1)
    elif n == 2:
        for i in range(pixels):
            copy_numbers(bits, to, place + 2 * i, x, source + i * step, 2)
    elif n == 4:
        for i in range(pixels):
            copy_numbers(bits, to, place + 4 * i, x, source + i * step, 4)
    else:
        for i in range(pixels):
            move(bits, lanes, to, place + i * n, x, source + i * step, n, exact)


@njit(inline="always")
def split_row(bits: int, lanes: int, arrays: CopyArrays, s: CopySizes, to: int, at: int) -> None:
    """Fill all column phases of a row, if pixels are whole vectors. x is read in the order of its pixels.

    Memory is read half as fast again as phase by phase.
    """
    n = s.batch
    for i in range(s.run // n):
        for phase in range(s.column_phases):
            table, place = s.row_phases + 3 * phase, to + phase * s.run + i * n
            first, last = entry(arrays.tables, table), entry(arrays.tables, table + 1)
            if first <= i < last:
                column = entry(arrays.tables, table + 2) + (i - first) * s.column_step
                move(bits, lanes, arrays.image, place, arrays.x, at + column * n, n, False)
            else:
                clear(bits, lanes, arrays.image, place, n, False)


@njit(inline="always")
def copy_row(bits: int, lanes: int, arrays: CopyArrays, s: CopySizes, row: int, to: int, at: int, exact: bool) -> None:
    """Fill all column phases of one row of the image from element `to` on; row `row` of x begins at element `at`.

    A row outside of x is zeros. The numbers are written in the order of their places, so that a vector which reaches
    too far is overwritten by what belongs there.
    """
    n, image = s.batch, arrays.image
    if row < 0 or row >= s.height:
        clear(bits, lanes, image, to, s.column_phases * s.run, exact)
        return
    if s.column_phases > 1 and n % lanes == 0:
        split_row(bits, lanes, arrays, s, to, at)
        return
    for phase in range(s.column_phases):
        table = s.row_phases + 3 * phase
        first, last, column = (entry(arrays.tables, table), entry(arrays.tables, table + 1),
                               entry(arrays.tables, table + 2))
        source, place, step = at + column * n, to + phase * s.run, s.column_step
        clear(bits, lanes, image, place, first * n, exact)
        if step == 1:
            move(bits, lanes, image, place + first * n, arrays.x, source, (last - first) * n, exact)
        else:
            copy_pixels(bits, lanes, arrays, place + first * n, source, (n, step * n, last - first), exact)
        clear(bits, lanes, image, place + last * n, s.run - last * n, exact)


@njit(inline="always")
def copy_rows(bits: int, lanes: int, arrays: CopyArrays, s: CopySizes, plane: int, first: int, count: int, to: int,
              end: int) -> None:
    """Fill the places first, first + 1, ... of a row phase of a channel; `plane` counts row phases and channels.

    They are written from element `to` of the image on. Element `end` must not be written to.
    """
    size, x_row = s.column_phases * s.run, s.width * s.batch
    row = (first + s.low) * s.step + entry(arrays.tables, plane % s.row_phases)
    at = plane // s.row_phases * s.x_channel + row * x_row
    for _ in range(count):
        exact = to + size + lanes > end or at + x_row + lanes > s.x_size
        copy_row(bits, lanes, arrays, s, row, to, at, exact)
        to, row, at = to + size, row + s.step, at + s.step * x_row


@functools.cache
def copy_kernel(bits: int) -> int:
    """The address of the function that makes an image. A job is some rows of a row phase of a channel."""
    lanes = VECTOR[bits].lanes

    def copy(start, stop, scratch, address):
        task = unpack(CopyTask, address)
        s = task.sizes
        size, pieces = s.column_phases * s.run, -(-s.length // s.piece)
        for job in range(start, stop):
            plane, first = job // pieces, job % pieces * s.piece
            count, to = min(s.piece, s.length - first), (plane * s.length + first) * size
            copy_rows(bits, lanes, task.arrays, s, plane, first, count, to, to + count * size)

    return compiled_block(4, copy)


@functools.lru_cache(maxsize=1024)
def copy_plan(channels: int, rows: Axis, columns: Axis, batch: int) -> tuple[CopySizes, np.ndarray]:
    """The sizes and the tables of a copy."""
    plane, run = rows.size * columns.size * batch, columns.length * batch
    piece = min(max(PIECE // (len(columns.phases) * run), 1), rows.length)
    sizes = CopySizes(plane, channels * plane, batch, rows.size, columns.size, rows.length, rows.low, rows.step,
                      columns.step, len(rows.phases), len(columns.phases), run, piece)
    numbers = [*rows.phases, *(n for phase in columns.phases for n in column_range(columns, phase))]
    return sizes, np.array(numbers, np.int64)


def image_of(x: np.ndarray, rows: Axis, columns: Axis, image: Image) -> np.ndarray:
    """The image of x (C, H, W, N) as `image_places` describes it: an array (C, ...), or x itself.

    A vector that begins in a copy may reach beyond its end.
    """
    if not image.copied:
        return x
    size, lanes = len(x) * image.channel, VECTOR[8 * x.itemsize].lanes
    out = empty((size + lanes,), x.dtype)
    sizes, tables = copy_plan(len(x), rows, columns, x.shape[3])
    task = pack(CopyTask(CopyArrays(address_of(x), address_of(out), address_of(np.ascontiguousarray(tables))), sizes))
    jobs = len(x) * len(rows.phases) * -(-rows.length // sizes.piece)
    parallel_kernel(jobs, copy_kernel(8 * x.itemsize), task, 0, 1 + PER_CALL * jobs // size)
    return out[:size].reshape(len(x), len(rows.phases), rows.length, len(columns.phases), columns.length, -1)
