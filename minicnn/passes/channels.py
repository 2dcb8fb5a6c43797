"""The elements of each channel of an array, as blocks that lie in one piece in memory."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
from numba import types

from ..conv.runtime.kernel_cache import compile_or_load
from ..conv.runtime.threads import parallel_for

BLOCK = 8192                    # elements: a block and its results stay in the cache next to the processor
SHORT = 32                      # elements: shorter blocks take as long as their beginning and end
PER_CALL = 32_768               # elements: less work is not worth a call on another thread


class Blocks(NamedTuple):
    """Block b of channel c starts at element c * channel_step + b * block_step of the array, in memory order.

    Attributes
    ----------
    channels, blocks : int
        `blocks` is the number for each channel.
    channel_step, block_step, length, last : int
        In elements; each block has `length` elements, but the last one of a channel has `last`.
    """

    channels: int
    blocks: int
    channel_step: int
    block_step: int
    length: int
    last: int

    @property
    def elements(self) -> int:
        """The number of elements of a channel."""
        return (self.blocks - 1) * self.length + self.last


def in_memory_order(x: np.ndarray) -> tuple[np.ndarray, tuple[int, ...]]:
    """The elements of x (N, C, ...) as a flat array without a copy if there is a known order, and its axes.

    The known orders are (C, ..., N), and (N, C, ...) if the last axes hold at least SHORT elements. An array in
    another order is copied to (C, ..., N).

    >>> flat, axes = in_memory_order(np.zeros((4, 2, 64)))
    >>> flat.shape, axes
    ((512,), (0, 1, 2))
    """
    first = tuple(range(x.ndim))
    last = (*first[1:], 0)
    long = x.flags.c_contiguous and math.prod(x.shape[2:]) >= SHORT and not x.transpose(last).flags.c_contiguous
    axes = first if long else last
    return np.ascontiguousarray(x.transpose(axes)).reshape(-1), axes


def blocks_of(shape: tuple[int, ...], axes: tuple[int, ...]) -> Blocks:
    """The blocks of an array of `shape` (N, C, ...) whose axes lie in memory in the order `axes`.

    >>> blocks_of((64, 16, 28, 28), (0, 1, 2, 3))
    Blocks(channels=16, blocks=64, channel_step=784, block_step=12544, length=784, last=784)
    >>> blocks_of((64, 16, 28, 28), (1, 2, 3, 0))
    Blocks(channels=16, blocks=7, channel_step=50176, block_step=8192, length=8192, last=1024)
    """
    images, channels, size = shape[0], shape[1], math.prod(shape[2:])
    if axes[0] == 0:
        return Blocks(channels, images, size, channels * size, size, size)
    count = images * size
    blocks = -(-count // BLOCK)
    return Blocks(channels, blocks, count, BLOCK, min(BLOCK, count), count - (blocks - 1) * BLOCK)


def run(kernel: Callable, blocks: Blocks, *arrays: np.ndarray) -> None:
    """Call kernel(start, stop, blocks, *arrays) on several threads; job c * blocks + b is block b of channel c."""
    plan = np.array(blocks, np.int64)
    parallel_for(blocks.channels * blocks.blocks, lambda start, stop: kernel(start, stop, plan, *arrays),
                 1 + PER_CALL // blocks.length)


@cache
def compiled(kernel: Callable, *kinds: str) -> Callable:
    """The machine code of kernel(start, stop, blocks, *arrays) for one-dimensional arrays of these dtypes.

    Sums may be added in any order within a block, so that vectors can add them. The order does not depend on the number
    of threads.
    """
    vectors = [types.Array(getattr(types, kind), 1, "C") for kind in ("int64", *kinds)]
    return compile_or_load(types.void(types.int64, types.int64, *vectors), kernel, fastmath={"reassoc"})
