"""The first rank of each computer downloads, hashes and reads; the others get the same data, and its errors too.

The argument is an empty directory.
"""

import gzip
import hashlib
import os
import sys
from pathlib import Path

import numpy as np
from mpi4py import MPI

from minicnn.data import DataError, Rules, load, load_arrays, mnist, names, once_a_node
from minicnn.data.lazy import in_memory
from minicnn.progress import SILENT
from minicnn.training import data_checksum
from tests.data.test_load import tiny

WORLD, FOLDER = MPI.COMM_WORLD, Path(sys.argv[1])
NODE = WORLD.Split_type(MPI.COMM_TYPE_SHARED)
HOME = FOLDER / f"home{NODE.bcast(WORLD.rank)}"             # each computer has its own
counts = dict.fromkeys(("hashes", "downloads", "measured"), 0)


def count(owner, attribute, name, function):
    def counted(*arguments, **options):
        counts[name] += 1
        return function(*arguments, **options)
    setattr(owner, attribute, counted)


def deliver(mirrors, path, *arguments, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(contents[path.stem], mtime=0))
    return mirrors[0]


def first_ranks_alone(**expected):
    """Check what this rank has counted since the last call."""
    assert counts == {**dict.fromkeys(counts, 0), **(expected if NODE.rank == 0 else {})}, (WORLD.rank, counts)
    counts.update(dict.fromkeys(counts, 0))


def same(data):
    for comm, facts in (NODE, data.source), (WORLD, (data_checksum(data), data.name, data.rules, data.class_names)):
        assert comm.allgather(facts) == [facts] * comm.size


mnist.SOURCES["mnist"], contents = tiny(mnist.MNIST)
names.VALIDATION = 2
os.environ["MINICNN_HOME"] = str(HOME)
os.environ.pop("MINICNN_DATA", None)
count(hashlib, "file_digest", "hashes", hashlib.file_digest)
count(mnist, "fetch", "downloads", deliver)
count(Rules, "measured", "measured", Rules.measured)

for downloads in (4, 0):
    digits = once_a_node(WORLD, lambda: load("mnist", progress=SILENT))
    first_ranks_alone(downloads=downloads, hashes=4)
    assert digits.train_images.shape == (4, 2, 3) and in_memory(digits.train_images)
    same(digits)

if WORLD.rank == 0:
    (HOME / "MNIST" / "raw" / "t10k-labels-idx1-ubyte.gz").write_bytes(b"damaged")
try:
    once_a_node(WORLD, lambda: load("mnist"))
except DataError as error:
    message = str(error)
assert message.startswith(str(FOLDER / "home0")) and ": not the official file, or damaged: 7 bytes" in message
assert WORLD.allgather(message) == [message] * WORLD.size
first_ranks_alone(hashes=3 if HOME.name == "home0" else 4)

if WORLD.rank == 0:
    np.save(FOLDER / "images.npy", np.random.default_rng(0).integers(0, 256, (20, 3, 4, 5)).astype(np.uint8))
    np.save(FOLDER / "labels.npy", np.arange(20) % 2)
WORLD.Barrier()
mapped = once_a_node(WORLD, lambda: load_arrays(FOLDER))              # views of the file, with other axes
first_ranks_alone(measured=1)
assert mapped.train_images.shape == (16, 4, 5, 3) and not in_memory(mapped.train_images.images)
same(mapped)
