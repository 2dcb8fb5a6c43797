"""Read data once on each computer, where several ranks of MPI work on it."""

from __future__ import annotations

import io
import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import MinicnnError
from ..progress.ranks import meet
from .dataset import Dataset


def once_a_node(comm: Any, load: Callable[[], Dataset]) -> Dataset:
    """The Dataset that `load()` returns. Only the first rank of each computer calls it; it sends the arrays to others.

    The first rank downloads the files and verifies them. The others wait, and read nothing. They map the memory-mapped
    arrays again.

    Parameters
    ----------
    comm : communicator of mpi4py, or None
        None: there is one rank. All ranks must call this.
    load : callable

    Raises
    ------
    MinicnnError, OSError, MemoryError
        `load` has raised it on one of the first ranks. All ranks raise it. If several did, the lowest rank counts. Any
        other error is raised on that rank alone: see `minicnn.distributed.together`.

    Examples
    --------
    >>> from minicnn.data import load
    >>> comm = None                               # or MPI.COMM_WORLD
    >>> len(once_a_node(comm, lambda: load("mnist5k")).train_images)
    4000
    """
    if comm is None or comm.Get_size() == 1:
        return load()
    from mpi4py import MPI  # imported here because not everybody has it
    node, data, error = comm.Split_type(MPI.COMM_TYPE_SHARED), None, None
    if node.Get_rank() == 0:
        try:
            data = load()
        except (MinicnnError, OSError, MemoryError) as raised:
            error = raised
    meet(comm, comm.Ibarrier, seconds=math.inf)             # a download may take long
    errors = [found for found in comm.allgather(error) if found is not None]
    shared = None if errors else _sent(node, data)
    node.Free()
    if shared is None:
        raise errors[0]
    return shared


def _sent(node: Any, data: Any) -> Dataset:
    """The Dataset of the first rank, on all ranks of a computer."""
    text = io.BytesIO()
    if data is not None:
        FilePickler(text, pickle.HIGHEST_PROTOCOL).dump(data)
    size = node.bcast(text.tell())
    content = np.frombuffer(text.getbuffer(), np.uint8) if data is not None else np.empty(size, np.uint8)
    node.Bcast(content)
    return pickle.loads(content.data) if data is None else data


class FilePickler(pickle.Pickler):
    """A Pickler that writes of a memory-mapped array only the path and the place in the file, and no element.

    >>> import tempfile
    >>> from minicnn.data.lazy import in_memory
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(folder + "/rows.npy", np.arange(6).reshape(3, 2))
    ...     FilePickler(text := io.BytesIO()).dump(np.load(folder + "/rows.npy", mmap_mode="r")[:0:-1, 1:])
    ...     again = pickle.loads(text.getvalue())
    >>> again.tolist(), in_memory(again)
    ([[5], [3]], False)
    """

    def reducer_override(self, array: Any) -> Any:
        """How to pickle a memory-mapped array. All other objects are pickled as usual."""
        root = array
        while isinstance(getattr(root, "base", None), np.ndarray):
            root = root.base
        if not isinstance(array, np.ndarray) or not isinstance(root, np.memmap) or root.filename is None:
            return NotImplemented
        place = root.offset + array.__array_interface__["data"][0] - root.__array_interface__["data"][0]
        return mapped_again, (root.filename, place, array.shape, array.strides, array.dtype)


def mapped_again(path: Any, place: int, shape: tuple[int, ...], strides: tuple[int, ...], dtype: np.dtype) -> Any:
    """The memory-mapped array that begins at this place of a file, in bytes."""
    return np.ndarray(shape, dtype, np.memmap(path, np.uint8, "r"), place, strides)       # type: ignore[arg-type]
