"""A pool of Python threads for kernels that release the GIL.

Why not numba's own parallel loops: the threading layer that it comes with aborts the process where two Python threads
use it at once, and its parallel functions are slow to compile.
"""

from __future__ import annotations

import itertools
import os
from concurrent.futures import ThreadPoolExecutor

_threads: int | None = None
_pool: ThreadPoolExecutor | None = None


def get_num_threads() -> int:
    """How many threads a convolution uses: what `set_num_threads` said, else the environment variable
    NUMBA_NUM_THREADS, else OMP_NUM_THREADS, else as many as the process may use cores."""
    if _threads is not None:
        return _threads
    for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS"):
        first = os.environ.get(name, "").split(",")[0].strip()     # OMP_NUM_THREADS may be a list, one item a level
        if first.isdecimal() and int(first) > 0:
            return int(first)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def set_num_threads(n: int) -> None:
    """Use n threads from the next convolution on. No result depends on it.

    Raises
    ------
    ValueError
        If n is not an integer of at least 1.
    """
    global _threads, _pool
    if isinstance(n, bool) or not hasattr(n, "__index__") or n < 1:
        raise ValueError(f"the number of threads must be an integer of at least 1, not {n!r}")
    _threads, _pool = int(n), None                      # a call that still uses the old pool keeps it alive


def parallel_for(jobs, work, least=1):
    """Call work(start, stop) on ranges that together are range(jobs), on several threads at once.

    `work` must give the same result however the jobs are cut. An exception in it is raised here, after every running
    call has returned.

    Parameters
    ----------
    least : int
        The fewest jobs that are worth a call; up to twice as many run on the calling thread alone.
    """
    threads = min(get_num_threads(), jobs // max(least, 1))
    if threads <= 1:
        work(0, jobs)
        return
    size = max(least, -(-jobs // (8 * threads)))        # 8 ranges a thread: a slow core takes fewer of them
    bounds = [jobs * n // threads for n in range(threads + 1)]
    starts = [itertools.count(bound, size) for bound in bounds[:-1]]        # next() of a count is atomic

    def drain(own):                                     # neighbouring jobs, which share data, on one core
        for part in (*range(own, threads), *range(own)):
            while not stopped and (start := next(starts[part])) < bounds[part + 1]:
                work(start, min(start + size, bounds[part + 1]))

    stopped = []
    helpers = [_helpers().submit(drain, part) for part in range(1, threads)]
    try:
        drain(0)
    except BaseException:
        stopped.append(True)                            # the helpers see it: nothing more to do
        raise
    finally:
        started = [helper for helper in helpers if not helper.cancel()]
        errors = [error for helper in started if (error := helper.exception())]
    if errors:
        raise errors[0]


def _helpers():
    """The pool, made on first use. Two threads may make one each; the one that is not kept ends with its work."""
    global _pool
    pool = _pool
    if pool is None:
        pool = _pool = ThreadPoolExecutor(max(get_num_threads() - 1, 1), thread_name_prefix="minicnn")
    return pool


def _forget_pool():
    """A forked child has the pool but not its threads."""
    global _pool
    _pool = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)
