"""The gradient with respect to the weight of a sum over the taps of one channel: see `depthwise`.

    dw[channel, i, j] = sum over row, p of dy[channel, row, p] x[channel, row step + i, p step + j]

Each job copies the rows that some rows of the cotangent meet, with the zeros around them, so that all taps meet all of
these pixels. The taps of one row of the kernel share the vectors of the cotangent.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from ...runtime.memory import address_of
from ...runtime.threads import parallel_kernel
from ..compile import call, compiled_block, pack, unpack
from ..numbers import entry
from ..simd import accumulate, add, add_outer, column, loads, zeros
from ..vector import VECTOR
from .depthwise import least_jobs, parts_of
from .image import CopyArrays, CopySizes, copy_plan, copy_rows, image_places
from .plan import Correlation

MOST = 7                        # taps that share a vector: each takes a general register for its place
NEAR = 2**20                    # bits of the copy: a part of a small second-level cache
CHAIN = 1024                    # products in a chain of additions, before a float64 takes the sum


class Task(NamedTuple):
    """Everything that `depthwise_weight_kernel` gets besides its range of jobs and its scratch memory."""

    copied: CopyArrays
    copy: CopySizes
    sums: int           # the addresses: of (channel, part, tap, lane) float64;
    grad: int           # of (channel, row, pixel);
    places: int         # of (tap) int64: where it begins in the copy;
    add_pairs: int      # of the functions that add the products of pairs of columns, and of one column, for some taps
    add_one: int
    taps: int
    group: int          # the number of these taps
    rows: int           # of the cotangent
    columns: int
    batch: int
    row: int            # numbers from what an output meets to what these meet: the one in the next row,
    column: int         # the next one in its row, and the next tap of a row
    tap: int
    some: int           # rows of a copy
    parts: int          # jobs of a channel


@functools.cache
def pairs_block(bits: int, taps: int) -> int:
    """The address of the function that adds the products of pairs of columns to the sums of some taps.

    The first tap begins at `image`. If `first` is not 0, the sums begin with these products.
    """
    lanes = VECTOR[bits].lanes

    def add_pairs(task, image, grad, rows, columns, sums, first):
        t = unpack(Task, task)
        even, odd = zeros(bits, taps, 1), zeros(bits, taps, 1)
        for row in range(rows):
            for n in range(0, t.batch, lanes):
                at, dy = row * t.row + n, grad + row * t.columns * t.batch + n
                for _ in range(0, columns, 2):
                    left, right = column(bits, taps, image, at, t.tap), column(bits, taps, image, at + t.column, t.tap)
                    even = add_outer(even, left, loads(bits, 1, t.grad, dy, None))
                    odd = add_outer(odd, right, loads(bits, 1, t.grad, dy + t.batch, None))
                    at, dy = at + 2 * t.column, dy + 2 * t.batch
        accumulate(add(even, odd), sums, 0, first)

    return compiled_block(7, add_pairs)


@functools.cache
def column_block(bits: int, taps: int) -> int:
    """The same for one column and some images, which fill a vector. The sums have begun."""
    def add_column(task, image, grad, rows, sums):
        t = unpack(Task, task)
        tile = zeros(bits, taps, 1)
        for row in range(rows):
            left = column(bits, taps, image, row * t.row, t.tap)
            tile = add_outer(tile, left, loads(bits, 1, t.grad, grad + row * t.columns * t.batch, None))
        accumulate(tile, sums, 0, 0)

    return compiled_block(5, add_column)


@functools.cache
def depthwise_weight_kernel(bits: int) -> int:
    """The address of the function that sums the products of some rows of a channel for all taps.

    Scratch memory holds the copy.
    """
    lanes, size_of = VECTOR[bits].lanes, bits // 8

    def correlate(start, stop, image, task):
        t = unpack(Task, task)
        s, planes = t.copy, t.copy.row_phases
        size = s.length * s.column_phases * s.run
        arrays = CopyArrays(t.copied.x, image, t.copied.tables)
        for job in range(start, stop):
            channel, part = job // t.parts, job % t.parts
            begin, end = t.rows * part // t.parts, t.rows * (part + 1) // t.parts
            for row in range(begin, end, t.some):
                for plane in range(planes):
                    copy_rows(bits, lanes, arrays, s, channel * planes + plane, row, s.length, plane * size,
                              planes * size + lanes)
                some, paired = min(t.some, end - row), t.columns // 2 * 2
                grad = (channel * t.rows + row) * t.columns * t.batch
                for q in range(0, t.taps, t.group):
                    place, sums = image + size_of * entry(t.places, q), t.sums + 8 * lanes * (job * t.taps + q)
                    call(t.add_pairs, (task, place, grad, some, paired, sums, int(row == begin)))
                    for n in range(0, t.batch if paired < t.columns else 0, lanes):
                        call(t.add_one, (task, place + size_of * (paired * t.column + n), grad + paired * t.batch + n,
                                         some, sums))

    return compiled_block(4, correlate)


def depthwise_weight(grad: np.ndarray, x: np.ndarray, s: Correlation) -> np.ndarray:
    """The gradient with respect to the weight (C, 1, kh, kw) of a Correlation that `depthwise.fits`.

    Parameters
    ----------
    grad : array (C, OH, OW, N), in C order
        The cotangent.
    x : array (C, H, W, N), in C order
    s : Correlation
        The forward pass.
    """
    lanes, parts, (kh, kw) = VECTOR[s.bits].lanes, parts_of(s), (len(s.rows.taps), len(s.columns.taps))
    some = -(-s.rows.out // parts)
    while some > 1 and (some * s.columns.out * s.batch > CHAIN * lanes or _copy(s, some)[2].channel * s.bits > NEAR):
        some = -(-some // 2)
    rows, columns, image = _copy(s, some)
    sizes, tables = copy_plan(s.groups, rows, columns, s.batch)
    places = np.add.outer(image.taps_y, image.taps_x)
    group = next(n for n in range(MOST, 0, -1) if kw % n == 0)
    sums = np.empty((s.groups, parts, kh, kw, lanes))
    x, grad, places, tables = (np.ascontiguousarray(a) for a in (x, grad, places, tables))
    task = pack(Task(CopyArrays(address_of(x), 0, address_of(tables)), sizes, sums.ctypes.data, address_of(grad),
                     address_of(places), pairs_block(s.bits, group), column_block(s.bits, group), s.taps, group,
                     s.rows.out, s.columns.out, s.batch, image.row, s.columns.step * s.batch,
                     image.taps_x[min(1, kw - 1)] - image.taps_x[0], some, parts))
    scratch, jobs = 8 * (image.channel + lanes), s.groups * parts
    parallel_kernel(jobs, depthwise_weight_kernel(s.bits), task, scratch, least_jobs(s, jobs))
    return sums.sum((1, 4)).astype(grad.dtype)


def _copy(s, out):
    """The axes and the places of the copy for that many rows of the cotangent. It keeps all columns in their order."""
    rows = s.rows._replace(out=out)
    columns = s.columns._replace(out=(s.columns.out - 1) * s.columns.step + 1, step=1)
    return rows, columns, image_places(rows, columns, s.batch, True)
