"""The number of threads, and loops on several threads for kernels that release the GIL.

minicnn does not use numba's parallel loops: numba's own threading layer aborts the process if two Python threads use it
at the same time, and its parallel functions are slow to compile.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from ...checks import from_environment, integer
from .crew import MOST, Call, Crew
from .exclusive import Turn
from .memory import address_of, working_memory

VARIABLES = "NUMBA_NUM_THREADS", "OMP_NUM_THREADS"
PER_COPY = 200_000              # numbers: a smaller copy by NumPy is not worth a call on another thread

_threads: int | None = None
_helpers: Crew | None = None
_making = Turn()


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
    return number_in_environment() or len(allowed_cores())


def number_in_environment() -> int:
    """The number of threads that NUMBA_NUM_THREADS or OMP_NUM_THREADS gives, or 0 if none is set."""
    return next(filter(None, map(from_environment, VARIABLES)), 0)


def allowed_cores() -> list[int]:
    """The numbers of the cores that the process may use."""
    try:
        return sorted(os.sched_getaffinity(0))
    except (AttributeError, OSError):             # another system than Linux; a sandbox may forbid it
        return list(range(os.cpu_count() or 1))


def check_environment() -> None:
    """Raise InputError if NUMBA_NUM_THREADS or OMP_NUM_THREADS is wrong. numba's own error at its import is obscure."""
    for name in VARIABLES:
        from_environment(name)


def set_num_threads(n: int) -> None:
    """Use n threads from the next convolution on, in minicnn and in the BLAS library under NumPy.

    Before the first call, the environment variables of the BLAS library set its number of threads. No convolution
    depends on a number of threads. A matrix product, such as that of `Linear`, may: with another number of its own
    threads, BLAS may sum in another order.

    Raises
    ------
    InputError
        n is not an integer of at least 1.
    """
    global _threads
    _threads = integer("the number of threads", n, 1)
    from threadpoolctl import threadpool_limits  # imported here because nothing else needs it
    threadpool_limits(_threads, user_api="blas")


def share_cores(comm: Any) -> int:
    """Use this process's share of the cores, in convolutions and BLAS. Return the number of threads.

    `comm` is a communicator of mpi4py. Its processes on the same computer share the cores, unless MPI has bound them to
    different ones. All of them must call this. A number of threads in the environment stays as it is.
    """
    from mpi4py import MPI  # imported here because not everybody has it
    node, cores = comm.Split_type(MPI.COMM_TYPE_SHARED), allowed_cores()
    sharing = [rank for rank, others in enumerate(node.allgather(cores)) if others == cores]
    i, n = sharing.index(node.Get_rank()), len(sharing)
    node.Free()
    if not number_in_environment():
        set_num_threads(max(1, len(cores) * (i + 1) // n - len(cores) * i // n))
    return get_num_threads()


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

    Notes
    -----
    A thread takes about four ranges, so a slow thread takes fewer than a fast one. Each range takes some microseconds
    of Python, and two threads cannot run Python at once: `parallel_kernel` costs less.
    """
    threads, size = _shares(jobs, least, 4)
    crew = _crew() if threads > 1 else None
    if crew is None:
        work(0, jobs)
    else:
        crew.run(Call(work, jobs, size, threads))


def parallel_kernel(jobs: int, function: int, task: np.ndarray, scratch: int = 0, least: int = 1,
                    together: int = 1) -> None:
    """The same for a machine function f(start, stop, scratch, task) of integers that returns nothing.

    Awake threads take their jobs without Python: a call costs some microseconds less than `parallel_for`, with any
    number of threads.

    Parameters
    ----------
    jobs : int
    function : int
        The address, from `kernels.compile.compiled_block`. The function must not raise.
    task : array
        Its address is the last argument of f.
    scratch : int
        The third argument of f is the address of that many bytes of scratch memory, which each thread has for itself.
    least : int
        As for `parallel_for`.
    together : int
        So many neighbouring jobs take less time in one call than in several calls. The ranges are then multiples of
        that number, if they are enough for all threads; otherwise multiples of its half, and so on.
    """
    threads, size = _shares(jobs, least, 8, together)
    memory = working_memory(scratch) if scratch else None       # kept here: a signal handler may need a larger one
    address, place = address_of(task), 0 if memory is None else address_of(memory)
    crew = _crew()
    if threads == 1 or crew is None or not crew.playing(crew.play, jobs, size, threads, function, address,
                                                        (place, scratch)):
        from .board import alone_kernel  # imported here because it imports numba
        alone_kernel()(function, jobs, place, address)         # little work, or another thread has the helpers


def _shares(jobs, least, ranges, together=1):
    """The number of threads, and the number of jobs in a range if a thread gets that many `ranges`."""
    if jobs < 2 * least:
        return 1, jobs
    threads = min(get_num_threads(), jobs // max(least, 1), MOST)
    if threads == 1:
        return 1, jobs
    size = max(least, -(-jobs // (ranges * threads)))
    while together > 1 and (units := -(-jobs // together)) < 2 * threads and units % threads:
        together = -(-together // 2)
    return threads, max(1, size // together) * together


def _crew():
    """The helpers of this process. None while they are made, by another thread or by this one before a signal."""
    if _helpers is None:
        _making(_make_crew)
    return _helpers


def _make_crew():
    global _helpers
    _helpers = _helpers or Crew()


def _forget_helpers():
    """A forked child has the record of the helpers but not their threads, so it starts without helpers."""
    global _helpers, _making
    _helpers, _making = None, Turn()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_helpers)
