"""Data-parallel training over MPI: each rank computes its part of every batch, and `backward` adds up the gradients.

Any communicator of mpi4py will do. In a program that `mpiexec -n 4 python my.py` starts:

    parallel = DataParallel(model, MPI.COMM_WORLD)      # all ranks get the parameters and buffers of rank 0
    for images, labels in parallel.shards(loader):      # this rank's part of every batch
        optimizer.zero_grad()
        F.cross_entropy(model(Tensor(images)), labels).backward()     # gradients of the whole batch, on all ranks
        optimizer.step()

References
----------
Li et al. 2020, "PyTorch Distributed: Experiences on Accelerating Data Parallel Training", section 3.2.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
import traceback
import zlib
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from .conv.runtime import threads
from .data import DataLoader, shard_of
from .errors import InputError, MinicnnError, StateError
from .nn import Module
from .nn.utils.rows import draw_rows

VARIABLE, SECONDS = "MINICNN_MPI_TIMEOUT", 300.0  # how long a rank waits for the others
FAREWELL = 3.0                                    # seconds in which all ranks must fail alike, or one ends all
AWAKE, PAUSE = 2e-3, 1e-4                         # seconds of waiting awake, and of a pause after that


class DataParallel:
    """Keeps a model the same on all ranks. `close` makes the model an ordinary one again.

    The gradient of a rank with n of the batch's N images counts n/N. If the loss of each rank is the mean over its
    images, `backward` thus gives the gradient of the mean over the whole batch. The same parameters take part in a
    pass on all ranks. A rank may have no images: a batch of length 0. Dropout draws for the whole batch, and each rank
    takes its rows. Batch normalization is another function on several ranks: it uses the rank's own images.

    Parameters
    ----------
    model : Module
        Its arrays have the same names and shapes on all ranks.
    comm : communicator of mpi4py, optional
        By default there is one rank, and nothing is sent.
    bucket_bytes : int
        A message is sent as soon as so many bytes of gradients are complete, while `backward` goes on.

    Attributes
    ----------
    rank, size : int
    extra : sequence of float
        Numbers that travel with the gradients of the next `backward`, which puts their sums over the ranks here.
    images : int
        In the present batch, on all ranks together.

    Raises
    ------
    InputError
        The model has other arrays on another rank.
    StateError
        A rank has waited for the others longer than MINICNN_MPI_TIMEOUT seconds (by default 300). In `backward`: the
        part is not known, or other parameters took part on another rank.
    """

    def __init__(self, model: Module, comm: Any = None, *, bucket_bytes: int = 1 << 20) -> None:
        self.model, self.comm, self.images, self._part, self._seen = model, comm, 0, slice(0, 0), 0
        self.extra: Any = []
        self.rank: int = 0 if comm is None else comm.Get_rank()
        self.size: int = 1 if comm is None else comm.Get_size()
        self._buckets: list[tuple[np.ndarray, set[int]]] = []         # (numbers, which parameters)
        self._places: list[np.ndarray] = []                           # of each parameter in its bucket
        self._complete: set[int] = set()                              # parameters that are complete in this pass,
        self._requests: list[Any] = []                                # and a message for each of the first buckets
        self._opened = contextlib.ExitStack()
        if self.size > 1:
            agree(comm, {name: f"{array.dtype} {array.shape}" for name, array in model._state()})
            for _, array in model._state():
                array[...] = self._wait(self.comm.Ibcast, array.copy("C"))
            self._opened.enter_context(draw_rows(model, lambda: (self.images, self._part)))
            self._make_buckets(bucket_bytes)

    def close(self) -> None:
        """Take what this object needs away from the model."""
        self._opened.close()

    def shards(self, loader: DataLoader, start: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """This rank's part of each batch of a pass, from batch number `start` on. All loaders draw the same numbers."""
        with contextlib.closing(loader.batches(start, (self.rank, self.size))) as batches:
            for k, batch in enumerate(batches, start):
                self.part(loader.size_of(k))
                yield batch

    def part(self, n: int) -> slice:
        """Begin a batch of n images, and return which of them are this rank's. `shards` does that for each batch."""
        self.images, self._part = n, shard_of(n, self.rank, self.size)
        self._seen += self._part.stop - self._part.start
        return self._part

    def sum(self, values: Any) -> np.ndarray:
        """The sums over the ranks, as an array of float64. All ranks must call it."""
        out = np.array(values, np.float64)
        return self._wait(self._add, out) if self.size > 1 else out

    def average_buffers(self, *modules: Module) -> None:
        """Average the running statistics, weighted by the images that each rank has had since the last call.

        All ranks must call it before the model is evaluated or saved. `modules` may be others, such as averages of it.
        """
        if self.size > 1 and (total := self.sum(self._seen)):
            for array in [getattr(module, name) for one in modules or [self.model] for _, module in one.named_modules()
                          for name in module.buffers]:
                mean = self.sum(array * (self._seen / total))
                array[...] = mean if array.dtype.kind == "f" else np.rint(mean)
            self._seen = 0

    def check_equal(self) -> None:
        """Raise StateError if the parameters are not the same bits on all ranks."""
        own = zlib.crc32(b"".join(one.data.tobytes() for one in self.model.parameters()))
        if self.sum(own) != self.size * own:
            raise StateError(f"the parameters of rank {self.rank} differ from those of others: change them on all "
                             "ranks alike, and let all computers have the same libraries")

    def _make_buckets(self, most):
        """Give each parameter a place. The gradients of the last ones are complete first, and fill the first bucket."""
        groups: list[list] = []
        for one in reversed([one for one in self.model.parameters() if one.requires_grad]):
            if not groups or groups[-1][0].dtype != one.dtype or sum(p.data.nbytes for p in groups[-1]) >= most:
                groups.append([])
            groups[-1].append(one)
        for group in groups:
            first, flat = len(self._places), np.zeros(sum(one.size for one in group), group[0].dtype)
            for one, place in zip(group, np.split(flat, np.cumsum([one.size for one in group])[:-1]), strict=True):
                if one.gradient_hook is not None:
                    raise StateError("DataParallel: the model has another DataParallel already: close that first")
                one.gradient_hook = partial(self._take, len(self._places))
                self._opened.callback(setattr, one, "gradient_hook", None)
                self._places.append(place.reshape(one.shape))
            self._buckets.append((flat, set(range(first, len(self._places)))))

    def _take(self, i, grad):
        """The hook of parameter i: put the gradient into its place, and send the buckets that are complete."""
        if not self.images:
            raise StateError("backward: it is not known which images of the batch are this rank's: take them from "
                             "parallel.shards(loader), or call parallel.part(n) before the forward pass")
        own = self._part.stop - self._part.start
        self._places[i][...] = grad * (own / self.images) if own else 0
        self._complete.add(i)
        for flat, members in self._buckets[len(self._requests):]:
            if not members <= self._complete:
                break
            self._requests.append(self._add(flat))
        for request in self._requests:
            request.Test()                        # MPI makes progress only inside of its functions
        return partial(self._sum_of, i)

    def _sum_of(self, i):
        if self._complete:                        # the first result of this pass: send the rest, and wait for all
            for missing in set(range(len(self._places))) - self._complete:
                self._places[missing][...] = 0
            count, header = len(self._complete), np.array([len(self._complete), *self.extra], np.float64)
            self._requests += [self._add(flat) for flat, _ in self._buckets[len(self._requests):]]
            self._wait(self._add, header)
            self._complete, self._requests, self.extra = set(), [], header[1:]
            if header[0] != self.size * count:
                raise StateError(f"backward: {count} parameters took part on rank {self.rank}, and {header[0]:.0f} on "
                                 f"{self.size} ranks together: the same ones must take part on all")
        return self._places[i]

    def _add(self, array):
        from mpi4py import MPI  # imported here because not everybody has it
        return self.comm.Iallreduce(MPI.IN_PLACE, array)

    def _wait(self, start, array):
        """Start a message and wait until it and all others are complete. Return the array."""
        requests, since = [*self._requests, start(array)], time.monotonic()
        while not all([request.Test() for request in requests]):  # noqa: C419 (each of them makes progress)
            waited, limit = time.monotonic() - since, float(os.environ.get(VARIABLE, SECONDS))
            if waited > limit:
                raise StateError(f"rank {self.rank} has waited {limit:g} s for the other ranks: one of them hangs or "
                                 f"is slow. The variable {VARIABLE} sets another limit")
            time.sleep(0 if waited < AWAKE else PAUSE)
        return array


def agree(comm: Any, facts: dict[str, Any]) -> None:
    """Raise InputError on all ranks unless all have the same facts, {name: value}. The message says what differs."""
    everyone = comm.allgather({name: str(value) for name, value in facts.items()})
    differ = [f"{name} is {theirs.get(name)} on rank {rank} and {everyone[0].get(name)} on rank 0"
              for rank, theirs in enumerate(everyone) for name in {**everyone[0], **theirs}
              if theirs.get(name) != everyone[0].get(name)]
    if differ:
        raise InputError(f"the ranks must do the same work, but {'; '.join(differ[:5])}")


@contextlib.contextmanager
def together(comm: Any) -> Iterator[None]:
    """Context manager: an exception that leaves it ends all ranks, which would wait for this one in vain.

    If exceptions leave it on all ranks within 3 seconds, each only goes on. None: the block alone.
    """
    farewell = None if comm is None else comm.Dup()
    try:
        yield
    except BaseException as error:
        request, end = None if farewell is None else farewell.Ibarrier(), time.monotonic() + FAREWELL
        while not (alike := request is None or request.Test()) and time.monotonic() < end:
            time.sleep(PAUSE)
        if not alike:
            known = isinstance(error, (MinicnnError, KeyboardInterrupt, OSError, MemoryError))
            text = f"{type(error).__name__}: {error}" if known else traceback.format_exc()
            print(f"rank {comm.Get_rank()} of {comm.Get_size()}: {text}", file=sys.__stderr__, flush=True)
            comm.Abort(130 if isinstance(error, KeyboardInterrupt) else 2 if known else 70)
        raise
    if farewell is not None:
        farewell.Free()


def share_cores(comm: Any) -> int:
    """Use this rank's share of the cores of its computer, in kernels and BLAS, and return the number of threads.

    A rank shares with those ranks that MPI has bound to the same cores. A number in the environment is left alone.
    """
    from mpi4py import MPI  # imported here because not everybody has it
    node, mine = comm.Split_type(MPI.COMM_TYPE_SHARED), threads.allowed_cores()
    sharing = [rank for rank, cores in enumerate(node.allgather(mine)) if cores == mine]
    if not threads.number_in_environment():
        part = shard_of(len(mine), sharing.index(node.Get_rank()), len(sharing))
        threads.set_num_threads(max(1, part.stop - part.start))
    node.Free()
    return threads.get_num_threads()
