"""Memory for the arrays of a convolution: aligned, and reused within the process; a cache that is bounded in bytes."""

from __future__ import annotations

import ctypes
import math
import mmap
import os
import sys
import threading
from collections.abc import Callable
from functools import cache
from typing import Any, Generic, TypeVar

import numpy as np

LINE = 64                       # bytes of a cache line
HUGE_PAGE, RESERVED = 2**21, 2**28
Key = TypeVar("Key")
Value = TypeVar("Value")
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3             # numbers of glibc's mallopt, from its malloc.h

_local = threading.local()
_caches: list[BoundedCache] = []


def _unlock_caches():
    """A forked child has the locks that other threads of its parent held, but not these threads."""
    for one in _caches:
        one.lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_unlock_caches)


class BoundedCache(Generic[Key, Value]):
    """make(key) for each key, kept while all values together have at most `most` bytes. The newest is always kept.

    Parameters
    ----------
    make : callable
    size : callable
        The bytes of a value.
    most : int

    Examples
    --------
    >>> cache = BoundedCache(bytes, len, 10)
    >>> [len(cache(n)) for n in (4, 6, 4, 3)], cache.bytes
    ([4, 6, 4, 3], 7)
    """

    def __init__(self, make: Callable[[Key], Value], size: Callable[[Value], int], most: int) -> None:
        self.make, self.size, self.most, self.bytes = make, size, most, 0
        self.kept: dict[Key, Value] = {}                # the one that was used last stands last
        self.lock = threading.RLock()                   # a signal handler may come while this thread holds the lock
        _caches.append(self)

    def __call__(self, key: Key) -> Value:
        with self.lock:
            value = self.kept.pop(key, None)
            if value is not None:
                self.kept[key] = value
                return value
        value = self.make(key)
        with self.lock:
            if key not in self.kept:                    # another thread may have made it in the meantime
                self.kept[key] = value
                self.bytes += self.size(value)
            while self.bytes > self.most and len(self.kept) > 1:
                self.bytes -= self.size(self.kept.pop(next(iter(self.kept))))
        return value

    def cache_clear(self) -> None:
        """Forget all values."""
        with self.lock:
            self.kept, self.bytes = {}, 0


def empty(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """An uninitialised array that begins at a cache line. A vector that crosses two lines takes twice as long to load.

    >>> empty((3, 5), np.float32).ctypes.data % 64
    0
    """
    keep_freed_memory()
    dtype = np.dtype(dtype)
    memory = np.empty(math.prod(shape) * dtype.itemsize + LINE, np.uint8)
    whole: Any = memory                                 # Any: type checkers do not know that an array is a buffer
    address = ctypes.addressof(ctypes.c_char.from_buffer(whole))        # much faster than memory.ctypes.data
    return np.ndarray(shape, dtype, memory, -address % LINE)


def address_of(array: np.ndarray) -> int:
    """The address of the first number of an array: `array.ctypes.data`, which takes ten times as long.

    A forward pass of one image needs 60 addresses. The address is the first field of the structure of an array, which
    compiled programs rely on: PyArrayObject_fields in ndarraytypes.h of NumPy.

    >>> numbers = np.arange(5.0)[2:]
    >>> address_of(numbers) == numbers.ctypes.data
    True
    """
    return ctypes.c_size_t.from_address(id(array) + object.__basicsize__).value


def working_memory(size: int) -> np.ndarray:
    """At least `size` bytes of scratch memory of the calling thread, at the start of a huge page.

    Each call returns the same memory, so it stays in the cache.
    """
    memory = getattr(_local, "memory", None)
    if memory is None or memory.size < size:
        memory = _local.memory = huge_pages(size)
    return memory


def huge_pages(size: int) -> np.ndarray:
    """At least `size` bytes of memory at the start of a huge page. The memory takes no space before it is used."""
    size += HUGE_PAGE
    pages: Any = None
    if hasattr(mmap, "MADV_HUGEPAGE"):
        pages = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)      # private: a forked child gets its own
        pages.madvise(mmap.MADV_HUGEPAGE)
    else:
        pages = bytearray(size)
    memory = np.frombuffer(pages, np.uint8)
    return memory[-memory.ctypes.data % HUGE_PAGE:]


@cache
def keep_freed_memory() -> None:
    """Ask the C library to keep the memory of a training step for the next step, and to use pages of 2 MB.

    Otherwise the C library returns the activations to the operating system after every step and gets them back page
    by page, each cleared. That takes an eighth of the time of a LeNet step. Kernels also go through memory in long
    strides, and the processor remembers the addresses of few pages. With pages of 4 KB it looks up a page for most
    vectors. That takes another sixth of the time at batch 256.

    The function acts once in a process, and only if the C library is glibc and no MALLOC_* environment variable is set.
    The reserved memory takes no space before it is used.
    """
    if sys.platform != "linux" or any(name.startswith("MALLOC_") for name in os.environ):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    mallopt(M_TRIM_THRESHOLD, 2**30)
    if mallopt(M_MMAP_THRESHOLD, 2**30):
        np.empty(RESERVED, np.uint8)                    # NumPy asks for huge pages; the process keeps them when freed
    else:
        mallopt(M_MMAP_THRESHOLD, 2**25)                # older versions allow 32 MB at most
