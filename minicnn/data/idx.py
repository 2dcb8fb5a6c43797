"""IDX, the file format of MNIST: a magic number, the sizes, then one byte for each element, in C order.

Each number in the header is a big-endian 32-bit integer::

    2051, n, height, width, then n * height * width pixels      (images)
    2049, n, then n labels                                      (labels)
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np

from ..errors import InputError

GZIP = b"\x1f\x8b"                                # the first bytes of every gzip stream
IMAGES, LABELS = 2051, 2049
NDIM = {IMAGES: 3, LABELS: 1}
KIND = {IMAGES: "images", LABELS: "labels"}
REPLACE = "Replace the file by an intact copy."


class DataError(InputError):
    """Data that cannot be used: a file that is missing, damaged or of another kind.

    The message names the file, what was found, what was expected, and what to do.
    """


def read_idx(path: str | Path) -> np.ndarray:
    """Read an IDX file of images or labels, gzipped or not. The content shows whether it is gzipped, not the name.

    Parameters
    ----------
    path : path

    Returns
    -------
    ndarray, uint8
        Shape (n, height, width) for images, (n,) for labels. It is read-only.

    Raises
    ------
    DataError
        The file cannot be read, its gzip stream is broken, its magic number is neither 2051 nor 2049, or its length
        is not the one that its header states.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "labels")
    ...     _ = path.write_bytes(struct.pack(">2i", 2049, 3) + bytes([7, 2, 1]))
    ...     read_idx(path)
    array([7, 2, 1], dtype=uint8)
    """
    return decode(gunzip(read_bytes(path), path), path)


def read_images(path: str | Path) -> np.ndarray:
    """Read an IDX file of images as `read_idx` does: uint8, shape (n, height, width).

    Raises
    ------
    DataError
        As `read_idx`, or the file holds labels.
    """
    images = read_idx(path)
    if images.ndim != 3:
        raise _swapped(path, LABELS, IMAGES)
    return images


def read_labels(path: str | Path) -> np.ndarray:
    """Read an IDX file of labels as `read_idx` does: int64, shape (n,).

    Raises
    ------
    DataError
        As `read_idx`, or the file holds images, or a label is not one of 0 to 9.
    """
    return check_labels(read_idx(path), path)


def read_bytes(path: str | Path) -> bytes:
    """The content of a file. Raises DataError if it cannot be read."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}. Check the path and its permissions.") from error


def gunzip(content: bytes, path: str | Path) -> bytes:
    """Decompress `content` if it is gzipped, else return it. Raises DataError with `path` if the stream is broken."""
    if not content.startswith(GZIP):
        return content
    try:
        return gzip.decompress(content)
    except (EOFError, OSError, zlib.error) as error:
        raise DataError(f"{path}: broken gzip stream ({error}) in a file of {len(content)} bytes. {REPLACE}") from error


def decode(content: bytes, path: str | Path) -> np.ndarray:
    """The array in the content of an IDX file, which is not gzipped. `path` is for the messages of DataError."""
    magic = int.from_bytes(content[:4], "big")
    if len(content) < 4 or magic not in NDIM:
        raise DataError(f"{path}: not an IDX file of images or labels: it starts with "
                        f"{content[:4].hex(' ') or 'nothing'}, expected 00 00 08 03 (magic number 2051, images) or "
                        f"00 00 08 01 (2049, labels). {REPLACE}")
    header = 4 + 4 * NDIM[magic]
    if len(content) < header:
        raise DataError(f"{path}: truncated: {len(content)} bytes, fewer than the header's {header}. {REPLACE}")
    shape = struct.unpack(f">{NDIM[magic]}I", content[4:header])
    expected = header + math.prod(shape)
    if len(content) != expected:
        fault = "truncated" if len(content) < expected else "trailing garbage"
        raise DataError(f"{path}: {fault}: {len(content)} bytes uncompressed, expected {expected} for {KIND[magic]} of "
                        f"shape {shape}. {REPLACE}")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def check_labels(labels: np.ndarray, path: str | Path) -> np.ndarray:
    """Labels as int64. Raises DataError if they are images, or a label is not from 0 to 9."""
    if labels.ndim != 1:
        raise _swapped(path, IMAGES, LABELS)
    wrong = np.flatnonzero(labels > 9)
    if wrong.size:
        raise DataError(f"{path}: label {labels[wrong[0]]} at index {wrong[0]}, expected 0 to 9. {REPLACE}")
    return labels.astype(np.int64)


def _swapped(path, found, expected):
    return DataError(f"{path}: magic number {found} ({KIND[found]}), expected {expected} ({KIND[expected]}). "
                     "Are two files swapped?")
