"""The first of three ranks downloads, hashes and reads; the others get the same data, and its errors too.

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


def rank_0_alone(**expected):
    """Check what each rank has counted since the last call."""
    found = WORLD.allgather(dict(counts))
    assert found == [{**dict.fromkeys(counts, 0), **(expected if rank == 0 else {})} for rank in range(3)], found
    counts.update(dict.fromkeys(counts, 0))


def same(data):
    facts = WORLD.allgather((data_checksum(data), data.name, data.source, data.rules, data.class_names))
    assert facts == facts[:1] * 3


mnist.SOURCES["mnist"], contents = tiny(mnist.MNIST)
names.VALIDATION = 2
os.environ["MINICNN_HOME"] = str(FOLDER / "home")
os.environ.pop("MINICNN_DATA", None)
count(hashlib, "file_digest", "hashes", hashlib.file_digest)
count(mnist, "fetch", "downloads", deliver)
count(Rules, "measured", "measured", Rules.measured)

for downloads in (4, 0):
    digits = once_a_node(WORLD, lambda: load("mnist", progress=SILENT))
    rank_0_alone(downloads=downloads, hashes=4)
    assert digits.train_images.shape == (4, 2, 3) and in_memory(digits.train_images)
    same(digits)

file = FOLDER / "home" / "MNIST" / "raw" / "t10k-labels-idx1-ubyte.gz"
if WORLD.rank == 0:
    file.write_bytes(b"damaged")
try:
    once_a_node(WORLD, lambda: load("mnist"))
except DataError as error:
    message = str(error)
assert message.startswith(f"{file}: not the official file, or damaged: 7 bytes") and \
    WORLD.allgather(message) == [message] * 3
rank_0_alone(hashes=3)

if WORLD.rank == 0:
    np.save(FOLDER / "images.npy", np.random.default_rng(0).integers(0, 256, (20, 3, 4, 5)).astype(np.uint8))
    np.save(FOLDER / "labels.npy", np.arange(20) % 2)
mapped = once_a_node(WORLD, lambda: load_arrays(FOLDER))              # views of the file, with other axes
rank_0_alone(measured=1)
assert mapped.train_images.shape == (16, 4, 5, 3) and not in_memory(mapped.train_images.images)
same(mapped)
