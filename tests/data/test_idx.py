"""IDX files: correct files are read, and every kind of broken file has its message."""

import gzip
import struct

import numpy as np
import pytest

from minicnn.data import DataError, read_idx, read_images, read_labels
from tests.data.idx_files import idx_bytes

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
    (struct.pack(">2I", 2052, 3) + bytes(3), "magic number 2051, images"),
    (idx_bytes(IMAGES)[:10], "truncated: 10 bytes, fewer than the header's 16"),
    (idx_bytes(IMAGES)[:-1], r"truncated: 45 bytes uncompressed, expected 46 for images of shape \(2, 3, 5\)"),
    (idx_bytes(LABELS) + b"\0", "trailing garbage: 12 bytes uncompressed, expected 11 for labels"),
    (struct.pack(">4I", 2051, 2**31, 2**31, 2**31), "truncated: 16 bytes uncompressed, expected 99035"),
    (gzip.compress(idx_bytes(IMAGES))[:-9], "broken gzip stream"),
    (gzip.compress(idx_bytes(IMAGES)) + b"garbage", "broken gzip stream"),
    (gzip.compress(idx_bytes(IMAGES))[:12] + b"\xff" * 40, "broken gzip stream"),
    (gzip.compress(idx_bytes(IMAGES))[:-8] + bytes(8), "broken gzip stream.*CRC")])
def test_broken_files_are_named_and_explained(file, content, message):
    path = file(content)
    with pytest.raises(DataError, match=f"(?s){path}: .*{message}.*Replace the file"):
        read_idx(path)
    assert path.read_bytes() == content


def test_labels_out_of_range(file):
    with pytest.raises(DataError, match="label 10 at index 2, expected 0 to 9"):
        read_labels(file(idx_bytes(np.array([1, 9, 10, 11], np.uint8))))


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
