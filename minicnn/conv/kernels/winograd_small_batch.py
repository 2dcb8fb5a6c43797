"""Winograd for a batch that does not fill the lanes: the images are cut into tiles, the images of a larger batch."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numba import types

from ..layout import readonly
from ..runtime.memory import empty
from ..runtime.threads import parallel_for
from .compile import compiled
from .vector import INT

PER_CALL = 50_000               # numbers: less work is not worth a call on another thread


@functools.cache
def gather_kernel(bits: int) -> Any:
    """target[c, p] = the sum of source[c, table[k, p]] over all k for which table[k, p] is not negative.

    A job is one channel c.
    """
    def gather(start, stop, source, target, table):
        for c in range(start, stop):
            for p in range(target.shape[1]):
                at = table[0, p]
                target[c, p] = source[c, at] if at >= 0 else 0
            for k in range(1, len(table)):
                for p in range(target.shape[1]):
                    at = table[k, p]
                    if at >= 0:
                        target[c, p] += source[c, at]

    element = types.Float(f"float{bits}")
    source = types.Array(element, 2, "C", readonly=True)
    return compiled(types.void(INT, INT, source, element[:, ::1], types.int32[:, ::1]), gather)


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
    C = len(source)
    kernel, source = gather_kernel(8 * source.itemsize), readonly(source.reshape(C, -1))
    target = empty((C, table.shape[1]), source.dtype)
    parallel_for(C, lambda start, stop: kernel(start, stop, source, target, table), 1 + PER_CALL // table.size)
    return target.reshape(C, *shape)
