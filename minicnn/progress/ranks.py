"""Ranks of MPI at long work: they wait for each other, and an error on one of them ends all."""

from __future__ import annotations

import contextlib
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ..checks import from_environment
from ..errors import MinicnnError, StateError

LIMIT = from_environment("MINICNN_MPI_TIMEOUT") or 300          # seconds that a rank waits for the others
AWAKE, PAUSE, FAREWELL = 2e-3, 1e-4, 3.0        # seconds: waiting awake; a pause after that; see `together`
FORWARDED, ABORT = 0.5, 2                       # seconds for mpiexec to show the reason, and to end all ranks
_farewell: list[Any] = []                       # the communicator of the outermost `together`


def meet(comm: Any, start: Callable, array: Any = None, others: Sequence[Any] = (), seconds: float = LIMIT) -> Any:
    """Start a message, and wait until it and others are complete. Return its array.

    Parameters
    ----------
    comm : communicator of mpi4py
    start : callable
        It takes the array, or nothing without one, and returns a request, such as `comm.Ibarrier`.
    array : ndarray, optional
    others : sequence of requests
    seconds : float
        StateError if it takes longer.
    """
    requests, since = [*others, start() if array is None else start(array)], time.monotonic()
    while not all([request.Test() for request in requests]):  # noqa: C419 (each of them makes progress)
        if (waited := time.monotonic() - since) > seconds:
            raise StateError(f"rank {comm.Get_rank()} has waited {seconds} s for the other ranks: one of them hangs or "
                             "is slow. The environment variable MINICNN_MPI_TIMEOUT sets another limit")
        time.sleep(0 if waited < AWAKE else PAUSE)
    return array


@contextlib.contextmanager
def together(comm: Any) -> Iterator[None]:
    """Context manager: an exception that leaves it ends all ranks, which would wait for this one in vain.

    If exceptions leave it on all ranks within 3 seconds, each only goes on. In another such block it does nothing.
    """
    if comm is None or _farewell:
        yield
        return
    _farewell.append(comm)
    own, request = comm.Idup()
    try:
        meet(comm, lambda: request)
        _farewell[0] = own
        yield
    except BaseException as error:
        try:
            meet(comm, _farewell[0].Ibarrier, seconds=FAREWELL)
        except StateError:
            known = isinstance(error, (MinicnnError, KeyboardInterrupt, OSError, MemoryError))
            text = f"{type(error).__name__}: {error}" if known else "".join(traceback.format_exception(error))
            print(f"rank {comm.Get_rank()} of {comm.Get_size()}: {text}", file=sys.__stderr__, flush=True)
            time.sleep(FORWARDED)
            if hasattr(signal, "alarm"):
                signal.alarm(ABORT)     # the system ends this process where Abort waits for a computer that is cut off
            comm.Abort(130 if isinstance(error, KeyboardInterrupt) else 2 if known else 70)
        raise
    finally:
        if _farewell.pop() is own:
            own.Free()
