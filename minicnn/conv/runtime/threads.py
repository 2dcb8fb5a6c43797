"""A few Python threads for kernels that release the GIL.

minicnn does not use numba's parallel loops: numba's own threading layer aborts the process if two Python threads use it
at the same time, and its parallel functions are slow to compile.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue

import numpy as np

from ...checks import integer
from ...errors import InputError

VARIABLES = "NUMBA_NUM_THREADS", "OMP_NUM_THREADS"

_threads: int | None = None
_helpers: list[_Helper] = []
_lock = threading.Lock()
_core = getattr(ctypes.CDLL(None), "sched_getcpu", None) if sys.platform == "linux" else None
AWAKE = 20_000                  # loops of `spin_wait`: about a millisecond


def get_num_threads() -> int:
    """The number of threads that a convolution uses.

    It is the first of these that is set: the number given to `set_num_threads`, the environment variable
    NUMBA_NUM_THREADS, OMP_NUM_THREADS, and the number of cores that the process may use.

    Raises
    ------
    InputError
        The variable is not an integer of at least 1.
    """
    if _threads is not None:
        return _threads
    number = next(filter(None, map(_from_environment, VARIABLES)), 0)
    if number:
        return number
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check_environment() -> None:
    """Raise InputError if NUMBA_NUM_THREADS or OMP_NUM_THREADS is wrong. numba's own error at its import is obscure."""
    for name in VARIABLES:
        _from_environment(name)


def _from_environment(name):
    """The number of threads that the variable gives, or 0 if it is not set."""
    text = os.environ.get(name, "").strip()
    number = text.split(",")[0].strip() if name == "OMP_NUM_THREADS" else text          # OMP: one for each level
    if text and not (number.isascii() and number.isdecimal() and int(number) > 0):
        raise InputError(f"the environment variable {name} must be an integer of at least 1, not {text!r}")
    return int(number or 0)


def set_num_threads(n: int) -> None:
    """Use n threads from the next convolution on, in minicnn and in the BLAS library under NumPy.

    Before the first call, the environment variables of the BLAS library set its number of threads. No result depends on
    the number of minicnn's threads. With another number of its own threads, BLAS may sum in another order; that changes
    the last bits of `im2col`.

    Raises
    ------
    InputError
        n is not an integer of at least 1.
    """
    global _threads
    _threads = integer("the number of threads", n, 1)
    from threadpoolctl import threadpool_limits  # imported here because nothing else needs it
    threadpool_limits(_threads, user_api="blas")


def parallel_for(jobs: int, work: Callable[[int, int], None], least: int = 1) -> None:
    """Call work(start, stop) on several threads at once, on ranges that together are range(jobs).

    The result of `work` must not depend on how the jobs are divided into ranges. An exception in `work` is raised here,
    after every running call has returned.

    Parameters
    ----------
    jobs : int
    work : callable
    least : int
        The fewest jobs that are worth a call. If there are fewer than 2 * least jobs, only the calling thread works.
    """
    threads = min(get_num_threads(), jobs // max(least, 1))
    if threads <= 1:
        work(0, jobs)
        return
    size = max(least, -(-jobs // (8 * threads)))        # 8 ranges a thread: a slow thread then takes fewer ranges
    bounds = [jobs * n // threads for n in range(threads + 1)]
    starts = [itertools.count(bound, size) for bound in bounds[:-1]]        # next() of a count is atomic

    def drain(own):                                     # a thread takes neighbouring jobs, which share data
        for part in (*range(own, threads), *range(own)):
            while not stopped and (start := next(starts[part])) < bounds[part + 1]:
                work(start, min(start + size, bounds[part + 1]))

    stopped = []
    helpers = _crew(threads - 1)
    _keep_apart(helpers)
    calls = [helper.call(drain, part) for part, helper in enumerate(helpers, 1)]
    try:
        drain(0)
    except BaseException:
        stopped.append(True)                            # the helpers then take no more ranges
        raise
    finally:
        errors = [error for call in calls if (error := call.error())]
    if errors:
        raise errors[0]


class _Helper:
    """A thread that runs calls in order. After a call it waits awake for a moment, then it sleeps."""

    def __init__(self):
        self.given, self.calls, self.cores, self.turns = np.zeros(1, np.int64), SimpleQueue(), None, 0
        self.wait = _wait_kernel()
        self.thread = threading.Thread(target=self._run, name="minicnn", daemon=True)
        self.thread.start()

    def call(self, function, *arguments):
        call = _Call(self, function, arguments)
        self.calls.put(call)
        self.given[0] += 1                              # seen by a helper that is awake; the queue wakes a sleeping one
        return call

    def _run(self):
        address = self.given.ctypes.data
        for taken in itertools.count(1):
            self.wait(address, taken, self.turns)
            self.calls.get().run()


class _Call:
    """One call on a helper's thread."""

    def __init__(self, helper, function, arguments):
        self.helper, self.function, self.arguments = helper, function, arguments
        self.future, self.finished = Future(), np.zeros(1, np.int64)

    def run(self):
        if self.future.set_running_or_notify_cancel():
            try:
                self.function(*self.arguments)
                self.future.set_result(None)
            except BaseException as error:
                self.future.set_exception(error)
            self.finished[0] = 1

    def error(self):
        """Wait for the end of the call; return its exception or None. A call that has not begun is cancelled."""
        if self.future.cancel():
            return None
        self.helper.wait(self.finished.ctypes.data, 1, self.helper.turns)
        return self.future.exception()


def _wait_kernel():
    import numba
    if numba.config.DISABLE_JIT:
        return lambda address, value, turns: None
    from .spin_wait import wait_kernel
    return wait_kernel()


def _keep_apart(helpers):
    """Keep the helpers off the core on which the caller runs. This works on Linux only.

    Linux often wakes a thread on the core of the thread that wakes it. Then both take turns, while another core has
    nothing to do. If there is a core for each thread, the helpers may also wait awake.
    """
    if _core is None:
        return
    allowed = os.sched_getaffinity(0)
    others = allowed - {_core()} or allowed
    for helper in helpers:
        helper.turns = AWAKE if len(helpers) < len(allowed) else 0
        if helper.cores != others:
            os.sched_setaffinity(helper.thread.native_id, others)
            helper.cores = others


def _crew(n):
    """The first n helpers. They are started on first use and kept."""
    with _lock:
        while len(_helpers) < n:
            _helpers.append(_Helper())
        return _helpers[:n]


def _forget_helpers():
    """A forked child has the list of helpers but not their threads, so it starts with an empty list."""
    global _helpers, _lock
    _helpers, _lock = [], threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_helpers)
