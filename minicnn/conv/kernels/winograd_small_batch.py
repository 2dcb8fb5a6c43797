"""Winograd for a batch that does not fill the lanes.

`Filled` adds images of zeros. `Grid` cuts the images of a small batch into tiles: the images of a larger batch.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from ..runtime.memory import address_of, empty
from ..runtime.threads import PER_COPY, parallel_for, parallel_kernel
from .compile import compiled_block, pack, unpack
from .numbers import number, set_number, short_entry

PER_CALL = 15_000               # numbers: less work is not worth a call on another thread


class Filled:
    """Fills a batch (C, H, W, N) up to B images. The images that are added are 0, and dropped again.

    >>> filled = Filled(3, 4)
    >>> filled.cut(np.ones((1, 1, 1, 3), np.float32)), filled.join(np.ones((1, 1, 1, 4), np.float32))
    (array([[[[1., 1., 1., 0.]]]], dtype=float32), array([[[[1., 1., 1.]]]], dtype=float32))
    """

    bytes = 0                   # of tables

    def __init__(self, N: int, B: int):
        self.N, self.B = N, B

    def cut(self, image: np.ndarray) -> np.ndarray:
        """(C, H, W, N) in any memory order -> (C, H, W, B) in C order."""
        out = empty((*image.shape[:3], self.B), image.dtype)

        def work(start, stop):
            out[start:stop, ..., :self.N] = image[start:stop]
            out[start:stop, ..., self.N:] = 0

        parallel_for(len(out), work, 1 + PER_COPY // out[0].size)
        return out

    def join(self, pieces: np.ndarray) -> np.ndarray:
        """(C, H, W, B) -> (C, H, W, N), a view."""
        return pieces[..., :self.N]


class GatherTask(NamedTuple):
    """What `gather_kernel` gets besides its range of jobs."""

    source: int         # the address of an array (c, pixel)
    target: int         # the address of an array (c, p)
    table: int          # the address of an array (k, p) of int32
    pixels: int
    p: int
    k: int


@functools.cache
def gather_kernel(bits: int) -> int:
    """target[c, p] = the sum of source[c, table[k, p]] over all k for which table[k, p] is not negative.

    A job is one channel c.
    """
    def gather(start, stop, scratch, task):
        g = unpack(GatherTask, task)
        for c in range(start, stop):
            source, target = c * g.pixels, c * g.p
            for p in range(g.p):
                at = short_entry(g.table, p)
                set_number(bits, g.target, target + p, number(bits, g.source, source + at) if at >= 0 else 0)
            for k in range(1, g.k):
                for p in range(g.p):
                    at = short_entry(g.table, k * g.p + p)
                    if at >= 0:
                        total = number(bits, g.target, target + p) + number(bits, g.source, source + at)
                        set_number(bits, g.target, target + p, total)

    return compiled_block(4, gather)


class Grid:
    """Cuts a batch of images (C, H, W, N) into a batch of tiles, and joins the tiles again.

    A tile is size x size pixels. The first tile of an image begins at pixel (-top, -left). The next tile begins `step`
    pixels further. Pixels outside of the image are 0.

    The tiles are numbered in the order (y, x, n): row of tiles, tile in the row, image. `cut` puts them side by side in
    an array (C, size, T size, B): tile number t B + b is image b of column t. Columns and images beyond the last tile
    are 0.

    Parameters
    ----------
    pixels : (int, int, int)
        H, W, N.
    size, step : int
    origin : (int, int)
        top, left.
    tiles : (int, int)
        Rows of tiles, and tiles in a row, for each image.
    place : (int, int)
        T, B. T B must be at least the number of tiles.

    Examples
    --------
    >>> grid = Grid((8, 8, 1), size=4, step=2, origin=(0, 0), tiles=(3, 3), place=(1, 16))
    >>> pieces = grid.cut(np.ones((2, 8, 8, 1), np.float32))
    >>> pieces.shape, grid.join(pieces)[0, 0, :, 0]
    ((2, 4, 4, 16), array([1., 1., 2., 2., 2., 2., 1., 1.], dtype=float32))
    """

    def __init__(self, pixels: tuple[int, int, int], size: int, step: int, origin: tuple[int, int],
                 tiles: tuple[int, int], place: tuple[int, int]):
        (H, W, N), (rows, columns), (T, B) = pixels, tiles, place
        self.pixels, self.pieces = pixels, (size, T * size, B)
        number = np.arange(H * W * N, dtype=np.int32).reshape(pixels)
        around = [(before, max(0, (count - 1) * step + size - before - length))
                  for before, count, length in zip(origin, tiles, (H, W), strict=True)]
        number = np.pad(number, (*around, (0, 0)), constant_values=-1)
        windows = np.lib.stride_tricks.sliding_window_view(number, (size, size), axis=(0, 1))
        windows = windows[:rows * step:step, :columns * step:step].transpose(3, 4, 0, 1, 2)     # (i, j, y, x, n)
        places: np.ndarray = np.full((size, size, T * B), -1, np.int32)
        places[..., :rows * columns * N] = windows.reshape(size, size, -1)
        places = places.reshape(size, size, T, B).swapaxes(1, 2)                                # (i, t, j, b)
        self.table = np.ascontiguousarray(places).reshape(1, -1)
        self.adjoint = _adjoint(self.table[0], H * W * N)
        self.bytes = self.table.nbytes + self.adjoint.nbytes

    def cut(self, image: np.ndarray) -> np.ndarray:
        """(C, H, W, N) -> (C, size, T size, B)."""
        return _gather(image, self.pieces, self.table)

    def join(self, pieces: np.ndarray) -> np.ndarray:
        """(C, size, T size, B) -> (C, H, W, N), the adjoint of `cut`: pixels that tiles share are added up."""
        return _gather(pieces, self.pixels, self.adjoint)


def _adjoint(table, size):
    """adjoint[k, pixel]: the index of the (k+1)-th occurrence of `pixel` in `table`; -1 if there is none.

    >>> _adjoint(np.array([1, 0, -1, 1]), 3)
    array([[ 1,  0, -1],
           [-1,  3, -1]], dtype=int32)
    """
    order = np.argsort(table, kind="stable")
    order = order[np.searchsorted(table[order], 0):]                    # without the pixels outside, which are -1
    first = np.searchsorted(table[order], np.arange(size + 1))
    times = np.arange(len(order)) - first[table[order]]
    adjoint = np.full((max(1, np.diff(first).max()), size), -1, np.int32)
    adjoint[times, table[order]] = order
    return adjoint


def _gather(source, shape, table):
    """`gather_kernel` on arrays (C, ...) -> (C, *shape)."""
    C, source, table = len(source), np.ascontiguousarray(source), np.ascontiguousarray(table)
    target = empty((C, *shape), source.dtype)
    kernel = gather_kernel(8 * source.itemsize)
    (k, p), pixels = table.shape, source[0].size
    task = pack(GatherTask(address_of(source), address_of(target), address_of(table), pixels, p, k))
    parallel_kernel(C, kernel, task, 0, 1 + PER_CALL // table.size)
    return target
