"""The elements of each channel of an array, as blocks that lie in one piece in memory."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ..conv.runtime.memory import address_of
from ..conv.runtime.threads import parallel_kernel

BLOCK = 8192                    # elements: a block and its results stay in the cache next to the processor
SHORT = 32                      # elements: shorter blocks take as long as their beginning and end
PER_CALL = 32_768               # elements: less work is not worth a call on another thread


class Layout(NamedTuple):
    """How an array (N, C, ...) lies in memory. Block b of channel c starts at c * channel_step + b * block_step.

    Attributes
    ----------
    shape, axes : tuple of int
        The shape of the array, and its axes in the order in which they lie in memory.
    channels, blocks : int
        `blocks` is the number for each channel.
    channel_step, block_step, length, last : int
        In elements. A block has `length` elements, but the last one of a channel has `last`.
    """

    shape: tuple[int, ...]
    axes: tuple[int, ...]
    channels: int
    blocks: int
    channel_step: int
    block_step: int
    length: int
    last: int

    @classmethod
    def of(cls, x: np.ndarray) -> Layout:
        """The layout (N, C, ...) if x lies so and its last axes hold at least SHORT elements. Otherwise (C, ..., N).

        >>> Layout.of(np.zeros((64, 16, 28, 28)))[2:]
        (16, 64, 784, 12544, 784, 784)
        >>> Layout.of(np.zeros((16, 28, 28, 64)).transpose(3, 0, 1, 2))[2:]
        (16, 7, 50176, 8192, 8192, 1024)
        """
        images, channels, size = x.shape[0], x.shape[1], math.prod(x.shape[2:])
        first = tuple(range(x.ndim))
        last = (*first[1:], 0)
        if size >= SHORT and x.flags.c_contiguous and not x.transpose(last).flags.c_contiguous:
            return cls(x.shape, first, channels, images, size, channels * size, size, size)
        count = images * size
        blocks = max(1, -(-count // BLOCK))
        return cls(x.shape, last, channels, blocks, count, BLOCK, min(BLOCK, count), count - (blocks - 1) * BLOCK)

    def flat(self, x: np.ndarray) -> np.ndarray:
        """An array of this shape as a flat one in this layout. It is a copy only if x lies otherwise in memory."""
        return np.ascontiguousarray(x.transpose(self.axes)).reshape(-1)

    def shaped(self, flat: np.ndarray) -> np.ndarray:
        """The inverse of `flat`."""
        back = sorted(range(len(self.axes)), key=self.axes.__getitem__)
        return flat.reshape([self.shape[axis] for axis in self.axes]).transpose(back)

    def run(self, kernel: str, *inputs: np.ndarray, out: np.ndarray) -> None:
        """Let a kernel of `passes.kernels` work on flat arrays, on several threads. It writes to `out`, in C order."""
        from . import kernels  # imported here because it imports numba
        arrays = [np.ascontiguousarray(x, kind) for x, kind in zip(inputs, kernels.INPUTS[kernel], strict=True)]
        task = np.array([*self[2:], math.prod(self.shape), *map(address_of, arrays), address_of(out)], np.int64)
        parallel_kernel(self.channels * self.blocks, kernels.address(getattr(kernels, kernel)), task, 0,
                        1 + PER_CALL // max(1, self.length))
