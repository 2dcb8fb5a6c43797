"""IDX, the file format of MNIST: a magic number, the sizes, then the bytes in C order.

Everything in the header is a big-endian 32-bit integer::

    2051, n, height, width, then n * height * width pixels      (images)
    2049, n, then n labels                                      (labels)
"""

import gzip
import math
import struct
import zlib

import numpy as np

from .errors import DataError

GZIP = b"\x1f\x8b"  # how every gzip stream starts
IMAGES, LABELS = 2051, 2049
NDIM = {IMAGES: 3, LABELS: 1}
KIND = {IMAGES: "images", LABELS: "labels"}
REPLACE = "Replace the file by an intact copy."


def read_idx(path):
    """Read an IDX file of images or labels, gzipped or not.

    Whether the file is gzipped is decided by its content, not by its name.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    ndarray, uint8
        Shape (n, height, width) for images, (n,) for labels; read-only.

    Raises
    ------
    DataError
        The file cannot be read, its gzip stream is broken, its magic number is neither 2051 nor
        2049, or it is longer or shorter than its header says.

    Examples
    --------
    >>> import pathlib, struct, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "labels")
    ...     _ = path.write_bytes(struct.pack(">2i", 2049, 3) + bytes([7, 2, 1]))
    ...     read_idx(path)
    array([7, 2, 1], dtype=uint8)
    """
    return decode(unpack(read_bytes(path), path), path)


def read_images(path):
    """Read an IDX file that must hold images.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    ndarray, uint8, shape (n, height, width)

    Raises
    ------
    DataError
        As `read_idx`, or the file holds labels.

    Examples
    --------
    >>> import pathlib, struct, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "images")
    ...     _ = path.write_bytes(struct.pack(">4i", 2051, 1, 2, 2) + bytes([0, 64, 128, 255]))
    ...     read_images(path).shape
    (1, 2, 2)
    """
    return check_images(read_idx(path), path)


def read_labels(path):
    """Read an IDX file that must hold labels from 0 to 9.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    ndarray, int64, shape (n,)

    Raises
    ------
    DataError
        As `read_idx`, or the file holds images, or a label lies outside 0..9.

    Examples
    --------
    >>> import pathlib, struct, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "labels")
    ...     _ = path.write_bytes(struct.pack(">2i", 2049, 3) + bytes([7, 2, 1]))
    ...     read_labels(path)
    array([7, 2, 1])
    """
    return check_labels(read_idx(path), path)


def read_bytes(path):
    """Return the bytes of a file as they stand; `DataError` if it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}. Check the path and its permissions.") from error


def unpack(content, path):
    """Return `content` without its gzip wrapping, if it has one; `DataError` if that is broken."""
    if not content.startswith(GZIP):
        return content
    try:
        return gzip.decompress(content)
    except (EOFError, OSError, zlib.error) as error:
        raise DataError(f"{path}: broken gzip stream ({error}) in a file of {len(content)} bytes. {REPLACE}") from error


def decode(content, path):
    """Return the array that the bytes of an uncompressed IDX file hold; `path` is for the errors."""
    magic = int.from_bytes(content[:4], "big")
    if len(content) < 4 or magic not in NDIM:
        raise DataError(
            f"{path}: not an IDX file of images or labels: it starts with {content[:4].hex(' ') or 'nothing'}, "
            f"expected 00 00 08 03 (magic number 2051, images) or 00 00 08 01 (2049, labels). {REPLACE}"
        )
    header = 4 + 4 * NDIM[magic]
    if len(content) < header:
        raise DataError(f"{path}: truncated: {len(content)} bytes do not even hold the header of {header}. {REPLACE}")
    shape = struct.unpack(f">{NDIM[magic]}I", content[4:header])
    expected = header + math.prod(shape)
    if len(content) != expected:
        fault = "truncated" if len(content) < expected else "trailing garbage"
        raise DataError(
            f"{path}: {fault}: {len(content)} bytes uncompressed, "
            f"expected {expected} for {KIND[magic]} of shape {shape}. {REPLACE}"
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def check_images(array, path):
    """Return `array` if it is what an IDX file of images decodes to; `DataError` otherwise."""
    if array.ndim != 3:
        raise DataError(f"{path}: magic number {LABELS} (labels), expected {IMAGES} (images). Are two files swapped?")
    return array


def check_labels(array, path):
    """Return `array` as int64 if it holds labels from 0 to 9; `DataError` otherwise."""
    if array.ndim != 1:
        raise DataError(f"{path}: magic number {IMAGES} (images), expected {LABELS} (labels). Are two files swapped?")
    wrong = np.flatnonzero(array > 9)
    if wrong.size:
        raise DataError(f"{path}: label {array[wrong[0]]} at index {wrong[0]}, expected 0 to 9. {REPLACE}")
    return array.astype(np.int64)
