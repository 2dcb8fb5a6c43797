"""The embedded digits: 5 000 of MNIST's training digits, so that there is always something to train on.

README.md in this directory says where they come from and how the file was made.
"""

import hashlib
import io
from pathlib import Path

import numpy as np

from .errors import DataError
from .idx import read_bytes

PATH = Path(__file__).with_name("mnist5k.npz")
SHA256 = "505780d3faa4718ad85adcaf55ad25af2f5d12528faaf6d031ad75209b5646eb"
TRAIN = 4000  # The file is in random order, 400 digits of each class before this index and 100 after it.


def verify(path=PATH):
    """Return True if the file is the one that belongs to this version of minicnn; `DataError` otherwise."""
    _read_verified(path)
    return True


def read_mnist5k(path=PATH):
    """Read and verify the embedded digits.

    Returns
    -------
    images : ndarray, uint8, shape (5000, 28, 28)
    labels : ndarray, int64, shape (5000,)

    Raises
    ------
    DataError
        The file is missing or not the one that belongs to this version of minicnn.

    Examples
    --------
    >>> images, labels = read_mnist5k()
    >>> images.shape, np.bincount(labels[:TRAIN]).tolist()
    ((5000, 28, 28), [400, 400, 400, 400, 400, 400, 400, 400, 400, 400])
    """
    with np.load(io.BytesIO(_read_verified(path)), allow_pickle=False) as arrays:
        return arrays["images"], arrays["labels"].astype(np.int64)


def _read_verified(path):
    """Return the bytes of the file."""
    content = read_bytes(path)
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256:
        raise DataError(f"{path}: damaged: SHA-256 {found}, expected {SHA256}. Install minicnn again.")
    return content
