"""Where the arrays of a convolution come from: aligned, and from memory that the process already has."""

from __future__ import annotations

import ctypes
import math
import os
import sys
import threading
from functools import cache

import numpy as np

LINE = 64                       # bytes of a cache line
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3             # numbers of glibc's mallopt, from its malloc.h

_local = threading.local()


def empty(shape, dtype):
    """An uninitialised array that begins at a cache line: a vector that crosses lines takes twice as long to load.

    >>> empty((3, 5), np.float32).ctypes.data % 64
    0
    """
    keep_freed_memory()
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    memory = np.empty(size + LINE, np.uint8)
    start = -memory.ctypes.data % LINE
    return memory[start:start + size].view(dtype).reshape(shape)


def scratch(size) -> int:
    """The address of at least `size` bytes of working memory that belong to the calling thread, at a cache line.

    The same memory at each call, so that it stays in the cache.
    """
    memory = getattr(_local, "memory", None)
    if memory is None or memory.size < size:
        memory = _local.memory = empty((size,), np.uint8)
    return memory.ctypes.data


@cache
def keep_freed_memory():
    """Ask the C library not to give the activations of a training step back to the operating system after every step.

    It would get them again page by page, each cleared first: an eighth of the time of a LeNet step. Only where the C
    library is glibc and no MALLOC_* environment variable says otherwise; once in a process.
    """
    if sys.platform != "linux" or any(name.startswith("MALLOC_") for name in os.environ):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_TRIM_THRESHOLD, 2**30)
        mallopt(M_MMAP_THRESHOLD, 2**30) or mallopt(M_MMAP_THRESHOLD, 2**25)    # older versions allow 32 MB at most
