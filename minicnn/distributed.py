"""Data-parallel training over MPI: each rank computes its part of every batch, and `backward` adds up the gradients."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial
from itertools import takewhile
from typing import Any

import numpy as np

from .checks import communicator
from .conv.runtime.threads import share_cores  # noqa: F401 (for users)
from .data import DataLoader, once_a_node, shard_of  # noqa: F401 (for users)
from .errors import InputError, StateError
from .nn import Module
from .nn.utils.rows import draw_rows
from .progress.ranks import meet, together  # noqa: F401 (for users)


class DataParallel(contextlib.ExitStack):
    """Keeps a model the same on all ranks. A context manager; its end, or `close()`, makes it an ordinary model again.

    The gradient of a rank with n of the batch's N images counts n/N: if each loss is the mean over the rank's images,
    `backward` gives the gradient of the mean over the batch. The batch of a rank may have length 0. Dropout draws for
    the whole batch. Batch normalization is another function on several ranks: it uses the images of the rank.

    `mpiexec -n 4 python -m mpi4py my.py` starts four ranks. With `-m mpi4py` an exception of one rank ends all of them;
    without it the others may wait for ever, because Python's end waits for all ranks. In the program, `with
    together(comm):` does the same. Data are read once on each computer by `once_a_node(comm, lambda: load("mnist"))`.

    Parameters
    ----------
    model : Module
        Its arrays have the same names and shapes on all ranks; else InputError.
    comm : communicator of mpi4py, optional
        By default there is one rank, and nothing is sent.
    bucket_bytes : int
        A message is sent as soon as so many bytes of gradients are complete, while `backward` goes on (Li et al. 2020,
        "PyTorch Distributed: Experiences on Accelerating Data Parallel Training", section 3.2).

    Attributes
    ----------
    rank, size, images : int
    extra : sequence of float
        Numbers that travel with the gradients of the next `backward`, which puts their sums over the ranks here.

    Raises
    ------
    StateError
        A rank waited longer than MINICNN_MPI_TIMEOUT seconds (300), or other parameters took part on another rank.

    Examples
    --------
    >>> from minicnn import Tensor, functional as F, nn, optim
    >>> model, comm = nn.Sequential(nn.Flatten(), nn.Linear(4, 2)), None             # or MPI.COMM_WORLD of mpi4py
    >>> loader = DataLoader(np.eye(5, 4).reshape(5, 1, 2, 2), np.arange(5) % 2, batch_size=3)
    >>> optimizer = optim.SGD(model.parameters(), lr=0.1)
    >>> with DataParallel(model, comm) as parallel:       # all ranks begin with the model of rank 0
    ...     for images, labels in parallel.shards(loader):          # this rank's part of every batch
    ...         optimizer.zero_grad()
    ...         F.cross_entropy(model(Tensor(images)), labels).backward()   # gradients of the whole batch, on all ranks
    ...         optimizer.step()
    ...     print(parallel.images, parallel.sum(len(images)))       # of the last batch
    2 2.0
    """

    def __init__(self, model: Module, comm: Any = None, *, bucket_bytes: int = 1 << 20) -> None:
        super().__init__()
        self.model, self.comm = model, communicator("DataParallel: comm", comm)
        self.images, self._part, self._seen = 0, slice(0, 0), 0
        self.rank, self.size = (0, 1) if comm is None else (int(comm.Get_rank()), int(comm.Get_size()))
        self.extra: Any = []
        self._buckets: list[tuple[np.ndarray, set[int]]] = []         # (numbers, which parameters)
        self._places: list[np.ndarray] = []                           # of each parameter in its bucket
        self._complete: set[int] = set()                              # parameters that are complete in this pass,
        self._requests: list[Any] = []                                # and a message for each of the first buckets
        if self.size > 1:
            if any(one.gradient_hook is not None for one in model.parameters()):
                raise StateError("DataParallel: the model belongs to another DataParallel: close that one first")
            self._add = partial(comm.Iallreduce, None)                # None: the sum takes the place of the array
            agree(comm, {name: f"{array.dtype} {array.shape}" for name, array in model._state()})
            for _, array in model._state():
                array[...] = meet(comm, comm.Ibcast, array.copy("C"))
            self.enter_context(draw_rows(model, lambda: (self.images, self._part), comm.bcast))
            self._make_buckets(bucket_bytes)

    def shards(self, loader: DataLoader, start: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """This rank's part of each batch of a pass, from batch number `start` on. All loaders draw the same numbers."""
        with contextlib.closing(loader.batches(start, (self.rank, self.size))) as batches:
            for k, batch in enumerate(batches, start):
                self.part(loader.size_of(k))
                yield batch

    def part(self, n: int) -> slice:
        """Begin a batch of n `images`, and return which of them are this rank's. `shards` does that for each batch."""
        if self._complete:
            raise StateError("part: an error has ended the last backward, which had sent messages: begin a new program")
        self.images, self._part = n, shard_of(n, self.rank, self.size)
        self._seen += self._part.stop - self._part.start
        return self._part

    def sum(self, values: Any) -> np.ndarray:
        """The sums over the ranks, as an array of float64. All ranks must call it."""
        out = np.array(values, np.float64)
        return meet(self.comm, self._add, out) if self.size > 1 else out

    def average_buffers(self, *modules: Module) -> None:
        """Average the running statistics, weighted by the images that each rank has had since the last call.

        All ranks must call it before the model is evaluated or saved. `modules` may be others, such as averages of it.
        """
        if self.size == 1:
            return
        total, layers = self.sum(self._seen), [m for one in modules or [self.model] for _, m in one.named_modules()]
        for array in [getattr(layer, name) for layer in layers for name in layer.buffers] if total else ():
            mean = self.sum(array * (self._seen / total))
            array[...] = mean if array.dtype.kind == "f" else np.rint(mean)
        self._seen = 0

    def _make_buckets(self, most):
        """Give each parameter a place. The gradients of the last ones are complete first, and fill the first bucket."""
        groups: list[list] = []
        for i, one in enumerate(reversed([one for one in self.model.parameters() if one.requires_grad])):
            one.gradient_hook = partial(self._take, i)
            self.callback(setattr, one, "gradient_hook", None)
            if not groups or groups[-1][0].dtype != one.dtype or sum(p.data.nbytes for p in groups[-1]) >= most:
                groups.append([])
            groups[-1].append(one)
        for group in groups:
            ends, first = np.cumsum([one.size for one in group]), len(self._places)
            flat = np.zeros(ends[-1], group[0].dtype)
            self._places += [x.reshape(one.shape) for one, x in zip(group, np.split(flat, ends[:-1]), strict=True)]
            self._buckets.append((flat, set(range(first, len(self._places)))))

    def _take(self, i, grad):
        """The hook of parameter i: put the gradient into its place, and send the buckets that are complete."""
        if not self.images:
            raise StateError("backward: the part of the batch is not known: use parallel.shards(loader) or .part(n)")
        own = self._part.stop - self._part.start
        np.multiply(grad if own else 0, own / self.images, out=self._places[i])
        self._complete.add(i)
        for flat, _ in takewhile(lambda bucket: bucket[1] <= self._complete, self._buckets[len(self._requests):]):
            self._requests.append(self._add(flat))
        for request in self._requests:
            request.Test()                        # MPI makes progress only inside of its functions
        return partial(self._sum_of, i)

    def _sum_of(self, i):
        if self._complete:                        # the first result of this pass: send the rest, and wait for all
            for missing in set(range(len(self._places))) - self._complete:
                self._places[missing][...] = 0
            header = np.array([own := sum(k ** 3 + 1 for k in self._complete), *self.extra], float)  # own: for this set
            self._requests += [self._add(flat) for flat, _ in self._buckets[len(self._requests):]]
            meet(self.comm, self._add, header, self._requests)
            self._complete, self._requests, self.extra = set(), [], header[1:]
            if header[0] != self.size * own:
                raise StateError("backward: other parameters took part on another rank: let all ranks compute the same")
        return self._places[i]


def agree(comm: Any, facts: dict[str, Any]) -> None:
    """Raise InputError on all ranks unless all have the same facts, {name: value}. The message says what differs."""
    meet(comm, comm.Ibarrier)
    everyone = comm.allgather({name: str(value) for name, value in facts.items()})
    for rank, theirs in enumerate(everyone):
        if differ := [f"{name} is {theirs.get(name)} instead of {everyone[0].get(name)}"
                      for name in {**everyone[0], **theirs} if theirs.get(name) != everyone[0].get(name)]:
            raise InputError(f"rank {rank} would not do the same work as rank 0: {'; '.join(differ[:5])}")
