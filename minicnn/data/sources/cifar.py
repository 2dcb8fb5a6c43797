"""CIFAR-10: its binary version, and its Python version, which is read without running what the pickles say."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..idx import REPLACE, DataError, opened
from .checksums import check_md5

NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
PAGE = "https://www.cs.toronto.edu/~kriz/cifar.html"
SIDE, PIXELS = 32, 3 * 32 * 32
RECORD = 1 + PIXELS                               # bytes of the binary version: the label, then red, green and blue
LARGEST = 1 << 26                                 # bytes of a pickle that is read; the official ones have 31 MB
FOLDERS = {"binary": "cifar-10-batches-bin", "python": "cifar-10-batches-py"}


class Batch(NamedTuple):
    """A file of 10,000 images.

    Attributes
    ----------
    name : str
        Of the binary version, without ".bin"; and of the Python version.
    md5 : str
        Of the file of the Python version, from torchvision (datasets/cifar.py). None is known for the binary version.
    """

    name: str
    md5: str


BATCHES = (Batch("data_batch_1", "c99cafc152244af753f735de768cd75f"),
           Batch("data_batch_2", "d4bba439e000b95fd0a9bffe97cbabec"),
           Batch("data_batch_3", "54ebc095f3ab1f0389bbae665268c751"),
           Batch("data_batch_4", "634d18415352ddfa80567beed471001a"),
           Batch("data_batch_5", "482c414d41f54cd18b22e5b47cb7c3cb"),
           Batch("test_batch", "40351d587109b95175f43aff81a1287e"))


def find_files(directory: Path) -> dict[str, Path]:
    """The files that are there: name of the batch -> path. The binary version is preferred, if it is complete."""
    found: dict[str, dict[str, Path]] = {"binary": {}, "python": {}}
    for version, folder in FOLDERS.items():
        for batch in BATCHES:
            name = batch.name + (".bin" if version == "binary" else "")
            for place in (directory, directory / folder):
                if batch.name not in found[version] and os.path.isfile(place / name):
                    found[version][batch.name] = place / name
    return max(found.values(), key=len)           # the first one of two that are equally long


def read(path: Path, batch: Batch) -> tuple[np.ndarray, np.ndarray, bool]:
    """The images, uint8 (n, 32, 32, 3), and the labels, int64 (n,), of a file; and whether a checksum was compared.

    Raises
    ------
    DataError
        The file is damaged, is not the official one, or is a pickle that does more than hold arrays.
    """
    if path.suffix == ".bin":
        images, labels = _binary(path)
    else:
        check_md5(path, batch.md5)
        images, labels = _python(path)
    if labels.max(initial=0) >= len(NAMES):
        raise DataError(f"{path}: label {labels.max()} at index {labels.argmax()}, expected 0 to 9. {REPLACE}")
    return images.reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1), labels.astype(np.int64), path.suffix != ".bin"


def read_all(paths: dict[str, Path]) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray, np.ndarray, list[bool]]:
    """((training images, labels), test images, test labels, whether each file was compared with a checksum)."""
    batches = [read(paths[batch.name], batch) for batch in BATCHES]
    images, labels = (np.concatenate([batch[part] for batch in batches[:-1]]) for part in (0, 1))
    return (images, labels), batches[-1][0], batches[-1][1], [batch[2] for batch in batches]


def lack(found: dict[str, Path]) -> str:
    """The names of the files that are missing, and where one gets them. "" if all are there."""
    names = ", ".join(f"{batch.name}.bin" for batch in BATCHES if batch.name not in found)
    return f"{names} (or, of the Python version, without .bin) not found; get them from {PAGE}" if names else ""


def _binary(path):
    """(n, 3072) pixels and n labels of a file of the binary version."""
    with opened(path) as content:
        size = content.size
        data = content.file.read()
    if size == 0 or size % RECORD:
        raise DataError(f"{path}: {size:,} bytes, expected a multiple of {RECORD:,}: for each image its label and "
                        f"{PIXELS:,} pixels. {REPLACE}")
    records = np.frombuffer(data, np.uint8).reshape(-1, RECORD)
    return records[:, 1:], records[:, 0]


def _python(path):
    """(n, 3072) pixels and n labels of a file of the Python version."""
    with opened(path) as content:
        if content.size > LARGEST:
            raise DataError(f"{path}: {content.size:,} bytes, expected at most {LARGEST:,}. {REPLACE}")
        try:
            reader = _Arrays(content.file, encoding="bytes")
            reader.path = path
            found = reader.load()
        except DataError:
            raise
        except Exception as error:                # a broken pickle may raise any error
            raise DataError(f"{path}: the pickle is broken ({error or type(error).__name__}). {REPLACE}") from error
    found = found if isinstance(found, dict) else {}
    images, labels = found.get(b"data"), found.get(b"labels")
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8 or images.ndim != 2 or \
            images.shape[1] != PIXELS or not isinstance(labels, list) or len(labels) != len(images) or \
            not all(type(label) is int and 0 <= label < 256 for label in labels):
        raise DataError(f"{path}: not a batch of CIFAR-10: expected a dictionary with data, uint8 (n, {PIXELS}), and n "
                        f"labels. {REPLACE}")
    return images, np.array(labels, np.int64)


class _Arrays(pickle.Unpickler):
    """Reads dictionaries, lists, numbers, texts and arrays of uint8. A pickle that names anything else is refused."""

    path: Path

    def find_class(self, module: str, name: str) -> Any:
        known = {("numpy.core.multiarray", "_reconstruct"): _empty, ("numpy._core.multiarray", "_reconstruct"): _empty,
                 ("numpy", "ndarray"): np.ndarray, ("numpy", "dtype"): _dtype, ("_codecs", "encode"): _encode}
        if (module, name) not in known:
            raise DataError(f"{self.path}: the pickle names {module}.{name}, which minicnn does "
                            "not run: it may do harm. Get the binary version of CIFAR-10")
        return known[module, name]


def _empty(kind, shape, code):
    if kind is not np.ndarray:
        raise ValueError(f"an array of the kind {kind}")
    return np.ndarray((0,), np.uint8)


def _dtype(code, *_):
    if code not in ("u1", b"u1"):
        raise ValueError(f"an array of the dtype {code!r}")
    return np.dtype("u1", False, True)


def _encode(text, encoding="latin1"):
    return text.encode("latin1")
