"""The image as `correlation` reads it: every tap of the kernel meets pixels that lie one after the other.

An axis of a convolution says: output o meets the pixels o step + t, for t in `taps`; pixels outside of the image are
zeros. Column o step + t lies in phase t mod step, at o + floor(t / step). So the phases of an image, side by side, turn
any step into 1. `image_of` makes them, with the zeros around them, in the memory order

    (C, row phases, H', column phases, W', N)

Phases that no tap meets are left out. An image that needs no zeros and has a column step of 1 is used as it is.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from numba import njit

from ...runtime.memory import empty
from ...runtime.threads import parallel_kernel
from ..compile import compiled_block, pack, unpack
from ..numbers import clear_numbers, copy_numbers, entry
from ..vector import VECTOR

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
    taps_y: tuple[int, ...]
    taps_x: tuple[int, ...]


@functools.lru_cache(maxsize=1024)
def image_places(rows: Axis, columns: Axis, batch: int, copied: bool = False) -> Image:
    """Where `image_of` puts the pixels. `copied` asks for a copy where none is needed.

    >>> image_places(Axis(5, 5, 1, (-1, 0, 1)), Axis(6, 2, 3, (0, 1, 2)), 10)
    Image(copied=True, channel=420, row=60, taps_y=(0, 60, 120), taps_x=(0, 20, 40))
    """
    if not (copied or columns.step > 1) and rows.inside and columns.inside:
        row = columns.size * batch
        return Image(False, rows.size * row, rows.step * row, tuple(t * row for t in rows.taps),
                     tuple(t * batch for t in columns.taps))
    run = columns.length * batch
    row = len(columns.phases) * run
    plane = rows.length * row
    taps_y = tuple(rows.phases.index(t % rows.step) * plane + (t // rows.step - rows.low) * row for t in rows.taps)
    taps_x = tuple(columns.phases.index(t % columns.step) * run + (t // columns.step - columns.low) * batch
                   for t in columns.taps)
    return Image(True, len(rows.phases) * plane, row, taps_y, taps_x)


class CopySizes(NamedTuple):
    """The sizes of `copy_kernel`, in numbers."""

    x_channel: int      # from one channel of x to the next
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


class CopyTask(NamedTuple):
    """Everything that `copy_kernel` gets besides its range of jobs."""

    x: int
    image: int
    tables: int         # of int64: row phases; for each column phase `column_range`
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
def copy_row(bits: int, task: CopyTask, s: CopySizes, row: int, to: int, at: int) -> None:
    """Fill all column phases of one row of the image from element `to` on; the row of x begins at element `at`.

    A row outside of x is zeros.
    """
    if row < 0 or row >= s.height:
        clear_numbers(bits, task.image, to, s.column_phases * s.run)
        return
    for phase in range(s.column_phases):
        table = s.row_phases + 3 * phase
        first, last, column = (entry(task.tables, table), entry(task.tables, table + 1), entry(task.tables, table + 2))
        source, n, place = at + (row * s.width + column) * s.batch, s.batch, to + phase * s.run
        clear_numbers(bits, task.image, place, first * n)
        if s.column_step == 1:
            copy_numbers(bits, task.image, place + first * n, task.x, source, (last - first) * n)
        elif n == 1:
            for i in range(last - first):
                copy_numbers(bits, task.image, place + first + i, task.x, source + i * s.column_step, 1)
        else:
            for i in range(last - first):
                copy_numbers(bits, task.image, place + (first + i) * n, task.x, source + i * s.column_step * n, n)
        clear_numbers(bits, task.image, place + last * n, s.run - last * n)


@functools.cache
def copy_kernel(bits: int) -> int:
    """The address of the function that makes an image. A job is one row (channel, row phase, place)."""
    def copy(start, stop, scratch, address):
        task = unpack(CopyTask, address)
        s = task.sizes
        for job in range(start, stop):
            phase, channel = job // s.length % s.row_phases, job // s.length // s.row_phases
            row = (job % s.length + s.low) * s.step + entry(task.tables, phase)
            copy_row(bits, task, s, row, job * s.column_phases * s.run, channel * s.x_channel)

    return compiled_block(4, copy)


@functools.lru_cache(maxsize=1024)
def copy_plan(rows: Axis, columns: Axis, batch: int) -> tuple[CopySizes, np.ndarray]:
    """The sizes and the tables of a copy."""
    sizes = CopySizes(rows.size * columns.size * batch, batch, rows.size, columns.size, rows.length, rows.low,
                      rows.step, columns.step, len(rows.phases), len(columns.phases), columns.length * batch)
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
    sizes, tables = copy_plan(rows, columns, x.shape[3])
    task = pack(CopyTask(address_of(x), address_of(out), address_of(np.ascontiguousarray(tables)), sizes))
    jobs = len(x) * len(rows.phases) * rows.length
    parallel_kernel(jobs, copy_kernel(8 * x.itemsize), task, 0, 1 + PER_CALL * jobs // size)
    return out[:size].reshape(len(x), len(rows.phases), rows.length, len(columns.phases), columns.length, -1)


def address_of(array: np.ndarray) -> int:
    """The address of an array: `array.ctypes.data`, which takes four times as long."""
    return array.__array_interface__["data"][0]
