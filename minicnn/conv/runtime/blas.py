"""Matrix products on minicnn's threads, each on one thread of the BLAS library.

On several threads of its own, a BLAS library waits awake: the threads of one product wait for each other, and after it
for the next product. If another process wants the cores, such a wait lasts until the system gives the other thread a
core again, and a product takes fifty times as long. So the jobs are minicnn's, and the library has one thread
meanwhile. Its number of threads is the user's: it is restored at once.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from . import threads

PLACES = [f"{before}openblas_{{}}_num_threads{after}" for before in ("", "scipy_") for after in ("", "64_", "_64")]

ALONE = 1 << 18                 # multiply-adds for which OpenBLAS uses one thread anyway,
ALONE_VECTOR = 1 << 13          # and if one side of the result has length 1
WORTH = 1 << 23                 # multiply-adds that are worth a job
LEAST = 32                      # rows or columns of the result in a job


class _Library(NamedTuple):
    """The functions of one BLAS library that tell and set its number of threads."""

    get: Callable[[], int]
    set: Callable[[int], Any]


@functools.cache
def _libraries() -> list[_Library]:
    """The BLAS libraries of the process. To look for them takes half a millisecond, so it is done once.

    The functions of OpenBLAS are called without threadpoolctl. It would let only the first thread that calls it set the
    number, and from then on refuse others, also the user's.
    """
    from threadpoolctl import ThreadpoolController  # imported here because only some algorithms need it
    found = []
    for one in ThreadpoolController().lib_controllers:
        if one.user_api != "blas":
            continue
        names = [name for name in PLACES if hasattr(one.dynlib, name.format("get"))]
        if names and getattr(one, "threading_layer", "") != "openmp":
            found.append(_Library(*(getattr(one.dynlib, names[0].format(verb)) for verb in ("get", "set"))))
        else:
            found.append(_Library(one.get_num_threads, one.set_num_threads))
    return found


class _OneThread:
    """Limits the BLAS libraries to one thread while at least one call of `work` runs, in any thread of Python.

    A signal handler may come between two lines, and may convolve or raise: see `exclusive`.
    """

    def __init__(self) -> None:
        self.inside: dict[object, None] = {}            # a mark for each call
        self.before: list[int] | None = None            # the user's numbers, while they are not set
        self.lock = threading.RLock()

    def __call__(self, work: Callable, *arguments: Any) -> Any:
        libraries, mark = _libraries(), object()
        try:
            with self.lock:
                if self.before is None:
                    self.before = [one.get() for one in libraries]
                self.inside[mark] = None
                for one in libraries:
                    one.set(1)
            return work(*arguments)
        finally:
            self.inside.pop(mark, None)
            try:
                self.restore()
            finally:
                self.restore()                          # again: an exception may have come before the end

    def restore(self) -> None:
        """Set the user's numbers again if no call is left. A number that the user has changed meanwhile stays."""
        with self.lock:
            before = self.before
            if self.inside or before is None:
                return
            for one, number in zip(_libraries(), before, strict=True):
                if one.get() == 1:
                    one.set(number)
            self.before = None


one_thread = _OneThread()       # one_thread(work, *arguments): call work while the BLAS library has one thread


def parallel_products(jobs: int, work: Callable[[int], None]) -> None:
    """Call work(job) for each of range(jobs) on several threads, while the BLAS library has one thread.

    The result of `work` must not depend on the other jobs. An exception in `work` is raised here.

    >>> found = []
    >>> parallel_products(3, found.append)
    >>> sorted(found)
    [0, 1, 2]
    """
    errors: Any = np.geterr()                     # which NumPy keeps for each thread

    def some(start: int, stop: int) -> None:
        with np.errstate(**errors):
            for job in range(start, stop):
                work(job)
    one_thread(threads.parallel_for, jobs, some)


def matmul(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """np.matmul(a, b). A large product of two matrices is cut into jobs along the longer side of the result.

    The shapes alone decide on the jobs.

    >>> matmul(np.ones((500, 400)), np.ones((400, 300)))[-1, -1]
    np.float64(400.0)
    """
    if a.ndim > 2 and b.ndim == 2:
        return matmul(a.reshape(-1, a.shape[-1]), b).reshape(*a.shape[:-1], b.shape[1]) if a.size else np.matmul(a, b)
    products = a.size * (b.shape[-1] if b.ndim > 1 else 1)
    if products <= (ALONE if min(a.ndim, b.ndim) > 1 and min(a.shape[-2], b.shape[-1]) > 1 else ALONE_VECTOR):
        return np.matmul(a, b)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[0]:
        return one_thread(np.matmul, a, b)
    out = np.empty((a.shape[0], b.shape[1]), np.result_type(a, b))
    length = max(out.shape)
    step = max(LEAST, -(-length * WORTH // products))

    def work(job: int) -> None:
        part = slice(job * step, (job + 1) * step)
        if length == out.shape[0]:
            np.matmul(a[part], b, out=out[part])
        else:
            np.matmul(a, b[:, part], out=out[:, part])
    parallel_products(-(-length // step), work)
    return out


def _forget_calls():
    """A forked child has the marks of its parent's threads, but not these threads."""
    one_thread.lock = threading.RLock()
    one_thread.inside.clear()
    one_thread.restore()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_calls)
