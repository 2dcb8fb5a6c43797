"""Commands that mpiexec starts several times: the communicator, and what rank 0 alone does for all.

Rank 0 prints; the others print only why they end the run.
"""

from __future__ import annotations

import contextlib
import math
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

from ..errors import InputError, MinicnnError
from .output import note_stderr

PARALLEL = "train", "invariance", "verify"      # commands whose ranks share the work; mpiexec must not start others
STARTED = {"OMPI_COMM_WORLD_SIZE": "OMPI_COMM_WORLD_RANK", "PMI_SIZE": "PMI_RANK",
           "MV2_COMM_WORLD_SIZE": "MV2_COMM_WORLD_RANK", "SLURM_STEP_NUM_TASKS": "SLURM_PROCID"}


def processes() -> tuple[int, str]:
    """How many processes mpiexec or srun has started, and the environment variable that says so. One: (1, "")."""
    counts = {name: int(text) for name in STARTED if (text := os.environ.get(name, "")).isdigit()}
    name = max(counts, key=lambda one: counts[one], default="")
    return (counts[name], name) if name and counts[name] > 1 else (1, "")


def silence_followers() -> None:
    """If this process is another rank than 0, let it print nothing."""
    _, name = processes()
    if name and os.environ.get(STARTED[name], "0") != "0":
        sys.stdout = sys.stderr = open(os.devnull, "w")         # noqa: SIM115 (until the process ends)


def refuse_many(prog: str, hint: str = "One process uses several threads: start it without mpiexec") -> None:
    """Raise InputError if mpiexec started several processes of a command that would all do the whole work."""
    count, name = processes()
    if name:
        raise InputError(f"{count} processes of {prog} were started (the environment variable {name} is {count}), and "
                         f"each would do the whole work. {hint}")


def world(prog: str) -> Any:
    """The communicator of all processes that mpiexec started, or None if there is one.

    Raises
    ------
    InputError
        mpi4py is not installed, or finds another MPI than that of the mpiexec.
    """
    count, name = processes()
    if not name:
        return None
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:        # RuntimeError: there is no library of MPI
        reason = str(error).split("\n")[0]
        refuse_many(prog, f"To share the work, install MPI: pip install mpi4py mpich ({reason})")
    if MPI.COMM_WORLD.Get_size() != count:
        library = MPI.Get_library_version().split("\n")[0].strip("\0 ,")
        refuse_many(prog, f"The library of MPI that mpi4py has found ({library}) knows of {MPI.COMM_WORLD.Get_size()}: "
                          "use the mpiexec of the same MPI; pip install mpich brings one")
    return MPI.COMM_WORLD


def begin(comm: Any, threads_given: bool, quiet: bool) -> None:
    """Give each rank its share of the cores, and say so once."""
    from ..conv.runtime.threads import get_num_threads, share_cores
    if comm is None:
        return
    from mpi4py import MPI
    own, node = get_num_threads() if threads_given else share_cores(comm), comm.Split_type(MPI.COMM_TYPE_SHARED)
    counts, computers = sorted(set(comm.allgather(own))), sum(comm.allgather(node.Get_rank() == 0))
    node.Free()
    note_stderr(f"{comm.Get_size()} ranks on {computers} computer{'s' * (computers != 1)}, with "
                f"{' or '.join(map(str, counts))} thread{'s' * (counts != [1])} each", quiet)


def note_idle(comm: Any, images: int, quiet: bool) -> None:
    """Say so if a batch of all ranks together has fewer images than there are ranks."""
    if comm is not None and (idle := comm.Get_size() - images) > 0:
        note_stderr(f"{idle} of {comm.Get_size()} ranks have no images in any step, because a batch has {images}: give "
                    "a larger --batch-size, or start fewer ranks", quiet)


def share(comm: Any, quiet: bool) -> Callable:
    """A function like map whose calls the ranks share out. All ranks get all results, in their order.

    >>> list(share(None, True)(abs, [3, -2]))
    [3, 2]
    """
    if comm is None:
        return map

    def shared(function, items):
        from ..progress.ranks import meet  # imported here because it imports NumPy
        rank, size = comm.Get_rank(), comm.Get_size()
        if (idle := size - len(items)) > 0:
            note_stderr(f"{idle} of {size} ranks have no work, because there are {len(items)} pieces of it", quiet)
        own = [function(item) for item in items[rank::size]]
        meet(comm, comm.Ibarrier, seconds=math.inf)         # some work takes longer
        found = comm.allgather(own)
        return [found[i % size][i // size] for i in range(len(items))]
    return shared


@contextlib.contextmanager
def on_rank_0(comm: Any, context: Any) -> Iterator[Any]:
    """Context manager: enter `context` on rank 0 alone. All ranks get its value, or its MinicnnError."""
    with contextlib.ExitStack() as stack:
        if comm is None:
            yield stack.enter_context(context)
            return
        value = None
        if comm.Get_rank() == 0:
            try:
                value = stack.enter_context(context)
            except MinicnnError as error:
                value = error
        value = comm.bcast(value)
        if isinstance(value, MinicnnError):
            raise value
        yield value
