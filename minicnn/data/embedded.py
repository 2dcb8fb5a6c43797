"""The 5,000 digits that are embedded in the package."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np

from .dataset import Dataset
from .idx import DataError, opened

# README.md in this directory tells the origin of the embedded digits and how the file was made. They are in random
# order: 400 of each class before EMBEDDED_TRAIN and 100 after it.
EMBEDDED = Path(__file__).with_name("mnist5k.npz")
EMBEDDED_SHA256 = "505780d3faa4718ad85adcaf55ad25af2f5d12528faaf6d031ad75209b5646eb"
EMBEDDED_TRAIN = 4000


def read_embedded(path: Path = EMBEDDED) -> tuple[np.ndarray, np.ndarray]:
    """Read and verify the embedded digits.

    Returns
    -------
    images : ndarray, uint8, shape (5000, 28, 28)
    labels : ndarray, int64, shape (5000,)

    Raises
    ------
    DataError
        The file is missing, or it is not the file of this version of minicnn.

    Examples
    --------
    >>> images, labels = read_embedded()
    >>> images.shape, np.bincount(labels[:EMBEDDED_TRAIN]).tolist()
    ((5000, 28, 28), [400, 400, 400, 400, 400, 400, 400, 400, 400, 400])
    """
    with np.load(io.BytesIO(embedded_bytes(path)), allow_pickle=False) as arrays:
        return arrays["images"], arrays["labels"].astype(np.int64)


def load_embedded() -> Dataset:
    """The dataset mnist5k."""
    images, labels = read_embedded()
    return Dataset("mnist5k", "embedded in the package (5,000 official MNIST training digits)",
                   images[:EMBEDDED_TRAIN], labels[:EMBEDDED_TRAIN], images[EMBEDDED_TRAIN:], labels[EMBEDDED_TRAIN:],
                   class_names=tuple("0123456789"))


def embedded_bytes(path: Path) -> bytes:
    """The content of the file of digits. DataError if it is not the file of this version of minicnn."""
    with opened(path) as file:
        content = file.file.read()
    found = hashlib.sha256(content).hexdigest()
    if found != EMBEDDED_SHA256:
        raise DataError(f"{path}: damaged: SHA-256 {found}, expected {EMBEDDED_SHA256}. Install minicnn again.")
    return content
