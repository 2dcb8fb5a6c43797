"""An image from its phases, the other way round than `image`: for the gradient through a stride."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from ...runtime.memory import address_of
from ...runtime.threads import parallel_kernel
from ..compile import compiled_block, pack, unpack
from ..numbers import entry
from ..vector import VECTOR
from .image import PER_CALL, PIECE, clear, move


class MergeSizes(NamedTuple):
    """The sizes of `merge_kernel`, in numbers."""

    height: int         # of the output
    width: int
    batch: int
    step_y: int
    step_x: int
    piece: int          # rows of a job


class MergeTask(NamedTuple):
    """Everything that `merge_kernel` gets besides its range of jobs: two addresses of arrays, one of int64, sizes."""

    out: int            # (channel, height, width, N)
    parts: int
    tables: int         # for each phase (y, x): where its first channel begins in `parts`, or -1; its channel; its row
    sizes: MergeSizes


@functools.cache
def merge_kernel(bits: int) -> int:
    """out[c, m step_y + y, n step_x + x] = part[y, x][c, m, n], or 0 where a phase has no part.

    A job is some rows of a channel. The numbers are written in the order of their places: see `image.move`.
    """
    lanes = VECTOR[bits].lanes

    def merge(start, stop, scratch, address):
        task = unpack(MergeTask, address)
        s = task.sizes
        size, pieces = s.width * s.batch, -(-s.height // s.piece)
        for job in range(start, stop):
            channel, first = job // pieces, job % pieces * s.piece
            last = min(first + s.piece, s.height)
            for row in range(first, last):
                table = row % s.step_y * s.step_x * 3
                to = (channel * s.height + row) * size
                exact = row + 1 == last or size < lanes
                phase, n = 0, 0
                for x in range(s.width):
                    at = table + 3 * phase
                    if entry(task.tables, at) < 0:
                        clear(bits, lanes, task.out, to + x * s.batch, s.batch, exact)
                    else:
                        source = entry(task.tables, at) + channel * entry(task.tables, at + 1) \
                            + row // s.step_y * entry(task.tables, at + 2)
                        move(bits, lanes, task.out, to + x * s.batch, task.parts, source + n * s.batch, s.batch, exact)
                    phase += 1
                    if phase == s.step_x:
                        phase, n = 0, n + 1

    return compiled_block(4, merge)


def merge(parts: np.ndarray, tables: np.ndarray, step: tuple[int, int], out: np.ndarray) -> None:
    """Write to `out` (C, H, W, N) what its phases hold: `merge_kernel` on arrays.

    Parameters
    ----------
    parts : array
        At least a vector longer than its phases.
    tables : int64 array (step_y, step_x, 3)
        Where a phase begins in `parts`, or -1; the numbers from one channel and row of the phase to the next.
    """
    channels, height, width, batch = out.shape
    piece = min(max(PIECE // (width * batch), 1), height)
    sizes = MergeSizes(height, width, batch, *step, piece)
    task = pack(MergeTask(address_of(out), address_of(parts), address_of(np.ascontiguousarray(tables)), sizes))
    jobs = channels * -(-height // piece)
    parallel_kernel(jobs, merge_kernel(8 * out.itemsize), task, 0, 1 + PER_CALL * jobs // out.size)
