"""The safetensors format: a header in JSON, then the bytes of the arrays.

The first 8 bytes are the length of the header, little-endian. The header maps each name to the type, the shape and
the place of an array, and "__metadata__" to a dict of strings. `write` adds a checksum to this dict, and `read`
verifies it.

A file is not trusted. `read` looks at the whole header before it reads or allocates an array. The arrays must cover the
rest of the file without gaps, so together they need as many bytes as the file has. The header may have `HEADER_LIMIT`
bytes. `read` needs at most 50 bytes of memory for each of them.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import sys
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from ..errors import FileError, InputError
from ..files import open_to_read, replacing

DTYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "I64": "int64", "I32": "int32", "I16": "int16",
          "I8": "int8", "U64": "uint64", "U32": "uint32", "U16": "uint16", "U8": "uint8", "BOOL": "bool"}
CODES = {name: code for code, name in DTYPES.items()}
BFLOAT16 = "BF16"                                 # the upper half of a float32: it is read as float32
METADATA = "__metadata__"
HEADER_LIMIT = 1 << 24
DIMENSIONS = 64                                   # of an array of NumPy
# Two entries of the metadata, because a flipped bit may hide one of them from `read`.
CHECKED, SEAL = ("checksum", "sha256"), "sha256"
BLANK = "0" * 64


class CheckpointError(InputError):
    """A checkpoint that cannot be written, read or used. The message says which file and what to do."""

    __module__ = "minicnn.checkpoint"


class Entry(NamedTuple):
    """The header's description of one array."""

    name: str
    dtype: np.dtype
    shape: tuple[int, ...]
    begin: int
    end: int
    is_bfloat16: bool


def write(path: str | os.PathLike, arrays: dict[str, np.ndarray], metadata: dict[str, str]) -> None:
    """Write a file atomically. The arrays must have dtypes of `CODES`. The same arguments give the same bytes.

    The checksum is the SHA-256 of the whole file, in which the 64 digits of the checksum itself are zeros.

    Raises
    ------
    CheckpointError
        The header would be too long, or the file could not be written. The old file is unchanged.
    """
    little = {name: np.asarray(array, array.dtype.newbyteorder("<"), order="C") for name, array in arrays.items()}
    order = sorted(little, key=lambda name: (-little[name].dtype.itemsize, name))       # aligned, as the format asks
    header: dict[str, Any] = {METADATA: {**metadata, CHECKED[0]: CHECKED[1], SEAL: BLANK}}
    end = 0
    for name in order:
        begin, end = end, end + little[name].nbytes
        header[name] = {"dtype": CODES[little[name].dtype.name], "shape": list(little[name].shape),
                        "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > HEADER_LIMIT:
        raise CheckpointError(f"{path} could not be written: the names and metadata take {len(text):,} bytes, more "
                              f"than {HEADER_LIMIT:,}. An existing file is unchanged.")
    start = len(text).to_bytes(8, "little") + text
    digest = hashlib.sha256(start)
    for name in order:
        digest.update(_bytes_of(little[name]))
    try:
        with replacing(path) as temporary, open(temporary, "wb") as file:
            file.write(start.replace(_sealed(BLANK), _sealed(digest.hexdigest()), 1))
            for name in order:
                file.write(_bytes_of(little[name]))
    except FileError as error:
        raise CheckpointError(str(error)) from error.__cause__


def read(path: str | os.PathLike) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The arrays and the metadata of a file. The arrays are the caller's own. The checksum is not in the metadata.

    bfloat16, which NumPy does not have, becomes float32.

    Returns
    -------
    arrays : dict of ndarray
    metadata : dict of str
        It has the key `CHECKED[0]` if the file has a checksum, and then the checksum was right.

    Raises
    ------
    CheckpointError
        The file cannot be read, is not a whole safetensors file, differs from its checksum, or has an array of a dtype
        that NumPy does not have.
    """
    try:
        with open_to_read(path) as file:
            return _read(file, path)
    except OSError as error:
        raise CheckpointError(str(error) if isinstance(error, FileError) else
                              f"{path} cannot be read: {error.strerror}") from error


def _read(file, path):
    size = os.fstat(file.fileno()).st_size
    try:
        start = _start(file, size)
        header = parsed(start[8:])
        if b"\\u" in start:
            json.dumps(header, ensure_ascii=False).encode()             # a half of a surrogate pair is a ValueError
        metadata = header.pop(METADATA, None)
        metadata = {} if metadata is None else metadata
        if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
            raise ValueError("its metadata are not texts")
        found = sorted(_entries(header), key=lambda entry: (entry.begin, entry.end))
        _check_places(found, size - len(start))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is not a complete safetensors file ({error}): it was cut off, damaged, or is of "
                              "another kind. Take an earlier checkpoint or copy it again. If torch.save wrote the "
                              "file, save the weights with safetensors.torch.save_file instead") from error
    except _UnknownDtypeError as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from None
    sealed = metadata.pop(SEAL, None)
    digest = hashlib.sha256(start if sealed is None else start.replace(_sealed(sealed), _sealed(BLANK), 1))
    arrays = {entry.name: _array(file, path, entry, digest) for entry in found}
    if (sealed is not None or CHECKED[0] in metadata) and sealed != digest.hexdigest():
        raise CheckpointError(f"{path} is damaged: its checksum does not fit its contents. It was damaged, or another "
                              "program changed it, after minicnn had written it. Take an earlier checkpoint or copy it "
                              "again")
    return arrays, metadata


class _UnknownDtypeError(Exception):
    """An array of a dtype that NumPy does not have."""


def _start(file: BinaryIO, size: int) -> bytes:
    """The length and the header, which is not looked at. ValueError if it cannot be there."""
    first = file.read(8)
    length = int.from_bytes(first, "little")
    if len(first) < 8 or length > size - 8:
        raise ValueError(f"it has {size:,} bytes, and its header would have {length:,}" if len(first) == 8 else
                         f"it has {size} bytes")
    if length > HEADER_LIMIT:
        raise ValueError(f"its header has {length:,} bytes, more than {HEADER_LIMIT:,}")
    return first + file.read(length)


def parsed(text: str | bytes) -> dict[str, Any]:
    """The dict in a text of JSON. ValueError if it is no dict, or a key stands twice in it.

    >>> parsed('{"a": 1, "a": 2}')
    Traceback (most recent call last):
        ...
    ValueError: the key 'a' stands twice
    """
    def unique(pairs):
        found = {}
        for name, value in pairs:
            if name in found:
                raise ValueError(f"the key {name[:80]!r} stands twice")
            found[name] = value
        return found
    try:
        found = json.loads(text if isinstance(text, str) else text.decode(), object_pairs_hook=unique)
    except RecursionError:
        raise ValueError("its JSON is too deep") from None
    if not isinstance(found, dict):
        raise ValueError(f"its JSON is a {type(found).__name__}, not a dict")
    return found


def _entries(header: dict[str, Any]) -> Iterator[Entry]:
    """The descriptions of the arrays. ValueError if one does not fit the format."""
    for name, found in header.items():
        if not isinstance(found, dict) or not found.keys() >= {"dtype", "shape", "data_offsets"}:
            raise ValueError(f"{name[:80]!r} has no dtype, shape and data_offsets")
        code, shape, place = found["dtype"], found["shape"], found["data_offsets"]
        if not _is_sizes(shape) or not _is_sizes(place) or len(place) != 2 or not isinstance(code, str):
            raise ValueError(f"{name[:80]!r} has a wrong dtype, shape or data_offsets")
        if code not in DTYPES and code != BFLOAT16:
            raise _UnknownDtypeError(f"{name[:80]} has a dtype that NumPy does not have ({code[:80]}); save it as "
                                     "float32")
        dtype = np.dtype(DTYPES.get(code, "uint16"))
        if len(shape) > DIMENSIONS or math.prod(max(n, 1) for n in shape) * dtype.itemsize > sys.maxsize:
            raise ValueError(f"{name[:80]!r} has a shape that no array can have")
        if place[1] - place[0] != math.prod(shape) * dtype.itemsize:
            raise ValueError(f"{name[:80]!r} has another number of bytes than its shape needs")
        yield Entry(name, dtype, tuple(shape), place[0], place[1], code == BFLOAT16)


def _check_places(found, size):
    """Raise ValueError unless the arrays cover `size` bytes without gaps and without an overlap."""
    end = 0
    for entry in found:
        if entry.begin != end:
            raise ValueError(f"{entry.name[:80]!r} does not begin where the array before it ends")
        end = entry.end
    if end != size:
        raise ValueError(f"its arrays need {end:,} bytes, and there are {size:,}")


def _array(file, path, entry, digest):
    array = np.empty(entry.shape, entry.dtype)
    data = _bytes_of(array)
    if file.readinto(data) != len(data):
        raise CheckpointError(f"{path} cannot be read: it became shorter meanwhile")
    digest.update(data)
    if entry.dtype == bool and not (array.view(np.uint8) <= 1).all():
        raise CheckpointError(f"{path} is damaged: {entry.name} is of BOOL and has bytes other than 0 and 1")
    array = array.byteswap(inplace=True) if sys.byteorder == "big" else array
    if entry.is_bfloat16:
        wide = array.astype(np.uint32)
        wide <<= 16
        return wide.view(np.float32)
    return array


def _bytes_of(array: np.ndarray) -> Any:
    return array.reshape(-1).view(np.uint8).data


def _is_sizes(value):
    return isinstance(value, list) and all(type(n) is int and 0 <= n <= sys.maxsize for n in value)


def _sealed(digits):
    return f'"{SEAL}":"{digits}"'.encode(errors="replace")
