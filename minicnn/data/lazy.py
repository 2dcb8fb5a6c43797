"""Images that are read when they are needed, because they may be larger than the memory."""

from __future__ import annotations

import mmap
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, cast

import numpy as np

from ..errors import InputError

BLOCK = 1 << 22                                   # bytes of the images that are looked at together


class LazyImages:
    """Images of uint8 that are read when they are indexed. The base class of all kinds.

    It behaves as an array of shape (n, H, W) or (n, H, W, 3) that is indexed by images: by an integer or by an array of
    integers, which read the images, or by a slice or an array of booleans, which make a part and read nothing.
    `numpy.asarray` reads all images.

    A subclass has `read`.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, shape: tuple[int, ...]):
        self.shape = shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, tuple):              # arange(n)[..., 0] would be the number 0
            raise InputError(f"lazy images are indexed by images only, not by {index!r}: read them first, as in "
                             "images[numbers][:, 0]")
        numbers = np.arange(len(self))[index]
        if isinstance(index, slice) or getattr(index, "dtype", None) == np.bool_:
            return LazyPart(self, numbers)
        if numbers.ndim > 1:
            raise InputError(f"lazy images are indexed by images only, not by an array of shape {numbers.shape}")
        found = self.read(np.atleast_1d(numbers))
        return found if numbers.ndim else found[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self.read(np.arange(len(self))).astype(dtype or self.dtype, copy=False)

    def read(self, numbers: np.ndarray) -> np.ndarray:
        """The images of these numbers, shape (len(numbers), H, W) or (len(numbers), H, W, 3)."""
        raise NotImplementedError

    def checksums(self, numbers: np.ndarray) -> np.ndarray | None:
        """A checksum of each of these images, if they are known without reading the images. Otherwise None."""
        return None


class LazyPart(LazyImages):
    """Some images of an array, such as a memory-mapped one, or of other lazy images.

    >>> part = LazyPart(np.arange(8, dtype=np.uint8).reshape(4, 1, 2), np.array([3, 1]))
    >>> part[0].tolist(), part[1:].shape
    ([[6, 7]], (1, 1, 2))
    """

    def __init__(self, images: Any, numbers: np.ndarray):
        super().__init__((len(numbers), *images.shape[1:]))
        self.images, self.numbers = images, numbers

    def read(self, numbers: np.ndarray) -> np.ndarray:
        """The images of these numbers."""
        return np.asarray(self.images[self.numbers[numbers]])

    def checksums(self, numbers: np.ndarray) -> np.ndarray | None:
        """Those of the images that this is a part of."""
        return self.images.checksums(self.numbers[numbers]) if isinstance(self.images, LazyImages) else None


def in_memory(images: Any) -> bool:
    """Whether the images lie in memory: they are neither lazy nor memory-mapped.

    >>> in_memory(np.zeros(3)), in_memory(LazyPart(np.zeros((3, 1, 1), np.uint8), np.arange(2)))
    (True, False)
    """
    while images is not None:
        if isinstance(images, (LazyImages, np.memmap, mmap.mmap)):
            return False
        images = getattr(images, "base", None)
    return True


def blocks(images: Any) -> Iterator[np.ndarray]:
    """The images as arrays of at most about 4 MB, one after the other."""
    count = max(1, BLOCK // max(1, int(np.prod(images.shape[1:])) * images.dtype.itemsize))
    for start in range(0, len(images), count):
        yield np.asarray(images[start:start + count])


def one_ahead(make: Any, numbers: range) -> Generator[Any]:
    """make(number) for each number, in order. A thread makes the next one while the caller uses the present one.

    An exception of `make` is raised where its result would come. The thread ends with the loop, or when
    the generator is closed. Where the system gives no thread, nothing is made ahead.

    >>> list(one_ahead(lambda number: number * number, range(4)))
    [0, 1, 4, 9]
    """
    pool = ThreadPoolExecutor(1, "minicnn-data")
    try:
        try:
            waiting = pool.submit(make, numbers[0]) if numbers else None
        except RuntimeError:                      # the system gives no thread
            yield from map(make, numbers)
            return
        for number in numbers[1:]:
            following = pool.submit(make, number)
            yield cast(Future, waiting).result()
            waiting = following
        if waiting is not None:
            yield waiting.result()
    finally:
        pool.shutdown(cancel_futures=True)
