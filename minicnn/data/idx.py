"""IDX, the file format of MNIST, EMNIST and QMNIST: a magic number, the sizes, then the elements, in C order.

The magic number is two zero bytes, the type of the elements, and the number of dimensions. Each size is a 32-bit
integer. All numbers are big-endian::

    00 00 08 03 (2051), n, height, width, then n * height * width pixels      (images of uint8)
    00 00 08 01 (2049), n, then n labels                                      (labels of uint8)

A reader looks at the header before it unpacks or stores anything. It needs memory for the array that the header
states, and 3 MB. A memory-mapped file, which must not be gzipped, takes no memory for the array. A file of n bytes is
refused at the header if the array would have more bytes than n, or more than 1032 n if the file is gzipped, because
gzip cannot pack bytes more tightly.
"""

from __future__ import annotations

import contextlib
import math
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..checks import boolean, integer
from ..errors import FileError, InputError
from ..files import as_path, open_to_read
from .unpack import BrokenStreamError, Content

IMAGES, LABELS = 2051, 2049
TYPES = {0x08: np.dtype("u1"), 0x09: np.dtype("i1"), 0x0B: np.dtype(">i2"), 0x0C: np.dtype(">i4"),
         0x0D: np.dtype(">f4"), 0x0E: np.dtype(">f8")}
DIMENSIONS = 64                                   # of an array of NumPy
QMNIST_COLUMNS = 8                                # of QMNIST's labels: the class, then the writer and other numbers
REPLACE = "Replace the file by an intact copy."
KNOWN = {b"\x1f\x8b": " but a gzip stream in a gzip stream", b"PK": " but a zip archive", b"<!": " but a web page",
         b"<h": " but a web page", b"ve": " but a pointer of Git LFS", b"\x93N": " but an array of NumPy",
         b"\x03\x08": " of big-endian numbers", b"\x01\x08": " of big-endian numbers"}     # by its first two bytes


class DataError(InputError):
    """Data that cannot be used: a file that is missing, damaged or of another kind.

    The message names the file, what was found, what was expected, and what to do.
    """


def read_idx(path: str | Path, *, mmap: bool = False) -> np.ndarray:
    """Read an IDX file of any type and shape, gzipped or not. The content shows whether it is gzipped, not the name.

    Parameters
    ----------
    path : path
    mmap : bool
        Whether the file is memory-mapped: only those elements are read that are used. A gzipped file cannot be.

    Returns
    -------
    ndarray of uint8, int8, int16, int32, float32 or float64
        The shape is that of the file: (n, height, width) for images, (n,) for labels. The byte order is the machine's;
        with `mmap` it is that of the file, big-endian. The array is read-only.

    Raises
    ------
    DataError
        The file cannot be read, its gzip stream is broken, it does not begin as an IDX file, its length is not the one
        that its header states, the header states a shape that no array can have, or it is gzipped but `mmap` is true.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "labels")
    ...     _ = path.write_bytes(struct.pack(">2i", 2049, 3) + bytes([7, 2, 1]))
    ...     read_idx(path)
    array([7, 2, 1], dtype=uint8)
    """
    boolean("read_idx: mmap", mmap)
    with opened(path) as content:
        if not mmap:
            return read_array(content, path)
        if content.packed:
            raise DataError(f"{path}: it is gzipped, so that it cannot be memory-mapped: unpack it (gunzip), or leave "
                            "out mmap; then the whole file is read")
        dtype, shape, header = _checked_header(content, path)
        return np.memmap(as_path(path), dtype, "r", header, shape)


def read_images(path: str | Path) -> np.ndarray:
    """Read an IDX file of images as `read_idx` does: shape (n, height, width), uint8 in all known datasets.

    EMNIST stores its images transposed: `read_images(path).transpose(0, 2, 1)` are upright.

    Raises
    ------
    DataError
        As `read_idx`, or the file has not three dimensions.
    """
    images = read_idx(path)
    if images.ndim != 3:
        raise _wrong_kind(path, images, "images", 3)
    return images


def read_labels(path: str | Path, classes: int | None = None) -> np.ndarray:
    """Read an IDX file of labels as `read_idx` does: int64, shape (n,).

    QMNIST's labels are int32 of shape (n, 8). Their first column, which is the class, is returned. EMNIST's labels go
    from 1 to 26, from 0 to 46 or from 0 to 61. A network with 26 outputs needs labels from 0 to 25.

    Parameters
    ----------
    path : path
    classes : int, optional
        The labels must go from 0 to classes - 1. Default: from 0 on.

    Raises
    ------
    DataError
        As `read_idx`, or the file holds no labels, or a label is outside of the classes.
    """
    return check_labels(read_idx(path), path, classes)


@contextlib.contextmanager
def opened(path: str | Path) -> Iterator[Content]:
    """Context manager: the content of a file. Errors of reading become DataErrors that name the path."""
    try:
        with open_to_read(path) as file:
            yield Content(file)
    except FileError as error:
        raise DataError(str(error)) from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}. Check the path and its permissions.") from error
    except BrokenStreamError as error:
        raise DataError(f"{path}: broken gzip stream ({error}). {REPLACE}") from error


def read_array(content: Content, path: str | Path, expected_shape: tuple[int, ...] | None = None) -> np.ndarray:
    """The array in the content of an IDX file, as `read_idx` returns it. `path` is for the messages of DataError.

    With `expected_shape`, a header that states another shape is refused before the elements are read.
    """
    dtype, shape, header = _checked_header(content, path, expected_shape)
    array = np.empty(shape, dtype)
    count, stated = content.read_into(array.reshape(-1).view(np.uint8).data), _stated(dtype, shape, header)
    if count < array.nbytes:
        raise DataError(f"{path}: truncated: {header + count} bytes uncompressed, {stated}")
    if content.read(1):
        raise DataError(f"{path}: trailing garbage: more than {header + count} bytes uncompressed, {stated}")
    if not dtype.isnative:
        array = array.byteswap(inplace=True).view(dtype.newbyteorder("="))
    array.flags.writeable = False
    return array


def _checked_header(content, path, expected_shape=None):
    """(dtype, shape, number of bytes) of the header, which is read. The file may have that many elements."""
    dtype, shape, header = _read_header(content, path)
    if expected_shape is not None and shape != expected_shape:
        hint = "Is it of another dataset?" if len(shape) == len(expected_shape) else "Are two files swapped?"
        raise DataError(f"{path}: array of shape {shape}, expected {expected_shape}. {hint} {REPLACE}")
    nbytes = math.prod(shape) * dtype.itemsize
    stated = _stated(dtype, shape, header)
    if content.most < header + nbytes:
        found = f"{content.most} bytes uncompressed" if not content.packed else \
            f"{content.size} gzipped bytes hold at most {content.most}"
        raise DataError(f"{path}: truncated: {found}, {stated}")
    if not content.packed and content.most > header + nbytes:
        raise DataError(f"{path}: trailing garbage: {content.most} bytes uncompressed, {stated}")
    if math.prod(max(size, 1) for size in shape) * dtype.itemsize > sys.maxsize:
        raise DataError(f"{path}: its header states {_kind(dtype, shape)} of shape {shape}, which no array can have. "
                        f"{REPLACE}")
    return dtype, shape, header


def _kind(dtype, shape):
    return {(3, 1): "images", (1, 1): "labels"}.get((len(shape), dtype.itemsize), f"an array of {dtype.name}")


def _stated(dtype, shape, header):
    """What the header states of the file, for the messages about another length."""
    return (f"expected {header + math.prod(shape) * dtype.itemsize} for {_kind(dtype, shape)} of shape {shape}. "
            f"{REPLACE}")


def check_labels(labels: np.ndarray, path: str | Path, classes: int | None = None) -> np.ndarray:
    """Labels as int64, as `read_labels` returns them. `path` is for the messages of DataError."""
    if labels.ndim == 2 and labels.shape[1] == QMNIST_COLUMNS and labels.dtype == np.int32:
        labels = labels[:, 0]
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise _wrong_kind(path, labels, "labels", 1)
    classes = None if classes is None else integer("read_labels: classes", classes, 1)
    labels = labels.astype(np.int64)
    wrong = np.flatnonzero((labels < 0) | (labels >= (np.inf if classes is None else classes)))
    if wrong.size:
        expected = "at least 0" if classes is None else f"0 to {classes - 1}"
        raise DataError(f"{path}: label {labels[wrong[0]]} at index {wrong[0]}, expected {expected}. The labels go "
                        f"from {labels.min()} to {labels.max()}. Is the file damaged, or of another dataset? read_idx "
                        "returns it as it is")
    return labels


def _read_header(content, path):
    """(dtype, shape, number of bytes) of the header, which is read."""
    start = content.read(4)
    if len(start) < 4 or start[:2] != b"\0\0" or start[2] not in TYPES or not 1 <= start[3] <= DIMENSIONS:
        but = KNOWN.get(start[:2], "")
        raise DataError(f"{path}: not an IDX file{but}: it starts with {start.hex(' ') or 'nothing'}, expected "
                        "00 00 08 03 (magic number 2051, images) or 00 00 08 01 (2049, labels), or instead of 08 "
                        f"another type ({', '.join(f'{code:02x}: {dtype.name}' for code, dtype in TYPES.items())}), or "
                        f"another number of dimensions, from 1 to {DIMENSIONS}. {REPLACE}")
    ndim = start[3]
    sizes = content.read(4 * ndim)
    if len(sizes) < 4 * ndim:
        raise DataError(f"{path}: truncated: {4 + len(sizes)} bytes, fewer than the header's {4 + 4 * ndim}. {REPLACE}")
    return TYPES[start[2]], struct.unpack(f">{ndim}I", sizes), 4 + len(sizes)


def _wrong_kind(path, found, kind, ndim):
    """The DataError of a file with a sound array that is not what the caller asked for."""
    magic, other = {3: (LABELS, "labels"), 1: (IMAGES, "images")}[ndim]
    expected = f"expected {IMAGES if ndim == 3 else LABELS} ({kind})"
    if found.ndim == 4 - ndim and found.dtype.kind in "iu":
        number = f"magic number {magic} ({other})" if found.dtype == np.uint8 else f"{other} of {found.dtype}"
        return DataError(f"{path}: {number}, {expected}. Are two files swapped?")
    return DataError(f"{path}: an array of {found.dtype} and shape {found.shape}, {expected}: {kind} are "
                     f"{'integers' if ndim == 1 else 'arrays'} of {ndim} dimension{'s' * (ndim > 1)}. read_idx reads "
                     "this file.")
