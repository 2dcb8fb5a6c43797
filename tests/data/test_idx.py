"""IDX files: correct files are read, and every kind of broken file has its message."""

import gzip
import os
import re
import struct
import tracemalloc
import zlib

import numpy as np
import pytest

from minicnn.data import DataError, read_idx, read_images, read_labels
from minicnn.errors import InputError, InputTypeError
from tests.data.idx_files import TYPES, idx_bytes

IMAGES = np.arange(2 * 3 * 5, dtype=np.uint8).reshape(2, 3, 5)
LABELS = np.array([9, 0, 4], np.uint8)


@pytest.fixture
def file(tmp_path):
    def write(content, name="some-idx-ubyte"):
        path = tmp_path / name
        path.write_bytes(content)
        return path
    return write


@pytest.mark.parametrize("array", [IMAGES, LABELS], ids=["images", "labels"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["raw", "gz"])
@pytest.mark.parametrize("name", ["idx", "idx.gz"])
def test_reads_raw_and_gz_whatever_the_name(file, array, pack, name):
    out = read_idx(file(pack(idx_bytes(array)), name))
    assert out.dtype == np.uint8
    np.testing.assert_array_equal(out, array)


def test_images_and_labels_have_their_dtypes(file):
    images, labels = read_images(file(idx_bytes(IMAGES))), read_labels(file(idx_bytes(LABELS)))
    assert (images.dtype, labels.dtype) == (np.uint8, np.int64)
    np.testing.assert_array_equal(labels, LABELS)


def test_no_images_at_all(file):
    assert read_images(file(idx_bytes(np.zeros((0, 28, 28), np.uint8)))).shape == (0, 28, 28)


@pytest.mark.parametrize(("content", "message"), [
    (b"", "starts with nothing, expected 00 00 08 03"),
    (b"<html>", "not an IDX file.*starts with 3c 68 74 6d"),
    (struct.pack(">2I", 2053, 3) + bytes(3), r"truncated: 11 bytes, fewer than the header's 24"),
    (struct.pack(">2I", 2048, 3) + bytes(3), "not an IDX file.*starts with 00 00 08 00.*magic number 2051, images"),
    (struct.pack(">2I", 0x0a01, 3) + bytes(3), "not an IDX file.*starts with 00 00 0a 01.*08: uint8, .*0e: float64"),
    (idx_bytes(IMAGES)[:10], "truncated: 10 bytes, fewer than the header's 16"),
    (idx_bytes(IMAGES)[:-1], r"truncated: 45 bytes uncompressed, expected 46 for images of shape \(2, 3, 5\)"),
    (idx_bytes(LABELS) + b"\0", "trailing garbage: 12 bytes uncompressed, expected 11 for labels"),
    (struct.pack(">4I", 2051, 2**31, 2**31, 2**31), "truncated: 16 bytes uncompressed, expected 99035"),
    (gzip.compress(idx_bytes(IMAGES), mtime=0)[:-9], "broken gzip stream"),
    (gzip.compress(idx_bytes(IMAGES), mtime=0) + b"garbage", "broken gzip stream"),
    (gzip.compress(idx_bytes(IMAGES), mtime=0)[:10] + b"\x07" * 40, "broken gzip stream"),
    (gzip.compress(idx_bytes(IMAGES), mtime=0)[:-8] + bytes(8), "broken gzip stream.*incorrect data check")])
def test_broken_files_are_named_and_explained(file, content, message):
    path = file(content)
    with pytest.raises(DataError, match=f"(?s){path}: .*{message}.*Replace the file"):
        read_idx(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", [(5,), (2, 3), (2, 1, 3), (0, 4), (1, 2, 1, 3, 1)], ids=str)
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["raw", "gz"])
def test_every_type_and_number_of_dimensions(file, dtype, shape, pack, rng):
    array = rng.normal(0, 50, shape).astype(dtype)
    out = read_idx(file(pack(idx_bytes(array))))
    assert out.dtype == array.dtype and out.dtype.isnative and not out.flags.writeable
    np.testing.assert_array_equal(out, array, strict=True)


def test_the_labels_of_qmnist_are_their_first_column(file, rng):
    table = rng.integers(0, 10, (6, 8)).astype(np.int32)
    labels = read_labels(file(idx_bytes(table)))
    assert labels.dtype == np.int64 and labels.tolist() == table[:, 0].tolist()
    np.testing.assert_array_equal(read_idx(file(idx_bytes(table))), table)
    assert read_labels(file(idx_bytes(table[:, 0]))).tolist() == table[:, 0].tolist()


@pytest.mark.parametrize(("first", "last"), [(1, 26), (0, 46), (0, 61)], ids=["letters", "balanced", "byclass"])
def test_the_labels_of_emnist(file, first, last):
    path = file(idx_bytes(np.arange(first, last + 1, dtype=np.uint8)))
    assert read_labels(path).tolist() == read_labels(path, last + 1).tolist() == list(range(first, last + 1))


@pytest.mark.parametrize(("array", "message"), [
    (np.zeros((2, 3), np.uint8), r"an array of uint8 and shape \(2, 3\), expected 2049 \(labels\): labels are"),
    (np.zeros(3, np.float32), r"an array of float32 and shape \(3,\), expected 2049 .*read_idx reads this file"),
    (np.zeros((2, 3, 4), np.int32), r"images of int32, expected 2049 \(labels\). Are two files swapped")])
def test_what_is_no_file_of_labels(file, array, message):
    with pytest.raises(DataError, match=message):
        read_labels(file(idx_bytes(array)))
    with pytest.raises(DataError, match=r"expected 2051 \(images\): images are arrays of 3 dimensions|swapped"):
        read_images(file(idx_bytes(array.reshape(-1))))


@pytest.mark.parametrize(("content", "kind"), [
    (gzip.compress(gzip.compress(bytes(9), mtime=0), mtime=0), "but a gzip stream in a gzip stream"),
    (b"PK\3\4", "but a zip archive"),
    (b"<!DOCTYPE html>", "but a web page"), (b"version https://git-lfs.github.com/spec/v1", "but a pointer of Git LFS"),
    (b"\x93NUMPY", "but an array of NumPy"), (b"\x03\x08\0\0", "of big-endian numbers")])
def test_files_of_other_kinds_are_named(file, content, kind):
    with pytest.raises(DataError, match=f"not an IDX file {kind}: it starts with"):
        read_idx(file(content))


def test_arguments_that_are_no_path_or_no_number(file):
    with pytest.raises(InputTypeError, match="the path of a file is needed, not a list"):
        read_idx([])
    with pytest.raises(InputError, match="read_labels: classes must be an integer of at least 1, not nan"):
        read_labels(file(idx_bytes(np.zeros(3, np.uint8))), np.nan)


# Hostile files: nothing is unpacked or stored before the header has been looked at.

def bomb(header, size=1 << 26):
    """A gzipped file of `header` and `size` zeros: 64 MB in 65 kB."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    pieces = [packer.compress(header), *(packer.compress(bytes(1 << 20)) for _ in range(size >> 20)), packer.flush()]
    return b"".join(pieces)


def traced(path):
    """The peak of the memory that `read_idx` takes, and its error."""
    tracemalloc.start()
    try:
        with pytest.raises(DataError) as caught:
            read_idx(path)
        return tracemalloc.get_traced_memory()[1], str(caught.value)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("header", "message"), [
    (b"", "not an IDX file: it starts with 00 00 00 00"),
    (struct.pack(">4I", 2051, 1, 28, 28), "trailing garbage: more than 800 bytes uncompressed, expected 800"),
    (struct.pack(">2I", 2049, 2 ** 32 - 1), "gzipped bytes hold at most .*expected 4294967303 for labels")],
    ids=["nothing", "small", "large"])
def test_a_gzip_bomb_is_refused_at_its_header(file, header, message):
    peak, error = traced(file(bomb(header)))
    assert re.search(message, error) and peak < 3e6


def test_a_bomb_whose_header_is_honest_takes_the_memory_that_the_header_states(file):
    size = 16 << 20
    peak, error = traced(file(bomb(struct.pack(">3I", 0x0802, size, 1), size - 1)))
    assert "truncated" in error and peak < size + 3e6


@pytest.mark.parametrize("shape", [(0, 2 ** 32 - 1, 2 ** 32 - 1), (2 ** 32 - 1, 0, 2 ** 32 - 1)])
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["raw", "gz"])
def test_a_shape_that_no_array_can_have(file, shape, pack):
    with pytest.raises(DataError, match=r"states images of shape \(.*4294967295.*\), which no array can have"):
        read_idx(file(pack(struct.pack(">4I", 2051, *shape))))


def test_streams_that_follow_each_other_and_padding(file):
    content = idx_bytes(IMAGES)
    for packed in (b"".join(gzip.compress(content[i:i + 5]) for i in range(0, len(content), 5)),
                   gzip.compress(b"") + gzip.compress(content) + gzip.compress(b"") + bytes(100_000)):
        np.testing.assert_array_equal(read_idx(file(packed)), IMAGES)
    with pytest.raises(DataError, match="broken gzip stream .more than 100,000 streams in one file"):
        read_idx(file(gzip.compress(b"") * 100_001))


def test_a_pipe_and_a_device_are_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(DataError, match=f"{path}: cannot be read: it is not a regular file"):
            read_idx(path)


def test_labels_out_of_range(file):
    path = file(idx_bytes(np.array([1, 9, 10, 11], np.uint8)))
    with pytest.raises(DataError, match="label 10 at index 2, expected 0 to 9. The labels go from 1 to 11. Is the file "
                       "damaged, or of another dataset"):
        read_labels(path, 10)
    with pytest.raises(DataError, match="label -3 at index 1, expected at least 0. The labels go from -3 to 4"):
        read_labels(file(idx_bytes(np.array([4, -3], np.int8))))


def test_swapped_files(file):
    with pytest.raises(DataError, match=r"2049 \(labels\), expected 2051 \(images\). Are two files swapped"):
        read_images(file(idx_bytes(LABELS)))
    with pytest.raises(DataError, match=r"2051 \(images\), expected 2049 \(labels\). Are two files swapped"):
        read_labels(file(idx_bytes(IMAGES)))


def test_unreadable_file(tmp_path):
    with pytest.raises(DataError, match="absent: cannot be read: No such file"):
        read_idx(tmp_path / "absent")
    with pytest.raises(DataError, match="cannot be read: .*irectory"):
        read_idx(tmp_path)


@pytest.mark.parametrize("array", [IMAGES, LABELS, np.zeros((0, 3, 5), np.uint8), np.array([[7, -2]], np.int32),
                                   np.array([0.5, -3])], ids=str)
def test_a_memory_mapped_file(file, array):
    found = read_idx(file(idx_bytes(array)), mmap=True)
    assert isinstance(found, np.memmap) and not found.flags.writeable and found.dtype.newbyteorder("=") == array.dtype
    np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize(("content", "message"), [
    (gzip.compress(idx_bytes(IMAGES)), r"it is gzipped, so that it cannot be memory-mapped: unpack it \(gunzip\)"),
    (idx_bytes(IMAGES)[:-1], "truncated: 45 bytes uncompressed, expected 46 for images"),
    (idx_bytes(IMAGES) + b"0", "trailing garbage: 47 bytes"), (b"\x93NUMPY", "but an array of NumPy")])
def test_what_cannot_be_mapped(file, content, message):
    with pytest.raises(DataError, match=f"some-idx-ubyte: .*{message}"):
        read_idx(file(content), mmap=True)
    with pytest.raises(InputTypeError, match="read_idx: mmap must be True or False"):
        read_idx(file(content), mmap="r")
