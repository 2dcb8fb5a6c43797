"""The official files of KMNIST, QMNIST, EMNIST and CIFAR-10, where the user has them. Small files replace them."""

import dataclasses
import gzip
import hashlib
import io
import pickle

import numpy as np
import pytest

from minicnn.data import DataError, UnavailableError, describe, load, names
from minicnn.data.sources import cifar, official
from tests.data.idx_files import idx_bytes

SETS = ("kmnist", "qmnist", "emnist-letters", "emnist-balanced", "emnist-byclass", "emnist-mnist")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.delenv("MINICNN_DATA", raising=False)
    monkeypatch.setenv("MINICNN_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(names, "VALIDATION", 2)
    return tmp_path / "home"


def made(name, monkeypatch):
    """({file name: content} of a small dataset, its arrays). The checksums become those of these files."""
    source, rng = official.GIVEN[name], np.random.default_rng(len(name))
    arrays, contents, files = [], {}, []
    for i, file in enumerate(source.files):
        n = 6 if i < 2 else 4
        images = rng.integers(0, 256, (n, 28, 28), dtype=np.uint8)
        labels = rng.integers(0, len(source.class_names), n)
        arrays.append(labels if i % 2 else images)
        stored = images.transpose(0, 2, 1) if source.transposed else images
        if i % 2:
            stored = (labels + source.first).astype(np.uint8)
            if name == "qmnist":
                stored = np.stack([labels, *rng.integers(0, 9999, (7, n))], 1).astype(np.int32)
        packed = gzip.compress(idx_bytes(stored), mtime=0)
        contents[f"{file.name}.gz"] = packed
        files.append(dataclasses.replace(file, md5=file.md5 and hashlib.md5(packed).hexdigest()))
    monkeypatch.setitem(official.GIVEN, name, dataclasses.replace(source, files=tuple(files)))
    return contents, arrays


def put(folder, contents):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("packed", [True, False])
def test_idx_sets(tmp_path, name, packed, monkeypatch):
    contents, (images, labels, test_images, test_labels) = made(name, monkeypatch)
    if not packed:
        contents = {file.removesuffix(".gz"): gzip.decompress(content) for file, content in contents.items()}
    for place in (".", official.GIVEN[name].folders[0]):
        folder = tmp_path / place.replace("/", "-")
        put(folder / place, contents)
        data = load(name, folder)
        np.testing.assert_array_equal(data.train_images, images[:4])
        np.testing.assert_array_equal(data.val_images, images[4:])
        np.testing.assert_array_equal(data.train_labels, labels[:4])
        np.testing.assert_array_equal(data.val_labels, labels[4:])
        np.testing.assert_array_equal(data.test_images, test_images)
        np.testing.assert_array_equal(data.test_labels, test_labels)
    verified = packed and not name.startswith("emnist")
    assert data.class_names == official.GIVEN[name].class_names and data.rules == names.Rules()
    assert ("some without a known checksum" in data.source) != verified
    assert {record.state for record in describe(name, tmp_path)} == {
        "verified" if verified else "unverified: no checksum of this file is known"}


def test_class_names():
    count = {name: len(source.class_names) for name, source in official.GIVEN.items()}
    assert count == {"kmnist": 10, "qmnist": 10, "emnist-balanced": 47, "emnist-bymerge": 47, "emnist-byclass": 62,
                     "emnist-digits": 10, "emnist-mnist": 10, "emnist-letters": 26}
    assert all(len(set(source.class_names)) == len(source.class_names) for source in official.GIVEN.values())


def test_a_mapping_names_the_classes(tmp_path, monkeypatch):
    contents, _ = made("emnist-letters", monkeypatch)
    lines = "".join(f"{label} {code} {code - 32}\n" for label, code in enumerate(range(97, 123), 1))
    put(tmp_path, {**contents, "emnist-letters-mapping.txt": lines.encode()})
    assert load("emnist-letters", tmp_path).class_names == tuple("abcdefghijklmnopqrstuvwxyz")
    for spoilt in ("", "1 65\n", "a b\n", lines[:-9], "1\n" * 26):
        put(tmp_path, {"emnist-letters-mapping.txt": spoilt.encode()})
        with pytest.raises(DataError, match="letters-mapping.txt: not a mapping of emnist-letters: .* from 1 to 26"):
            load("emnist-letters", tmp_path)


@pytest.mark.parametrize("name", [*SETS, "cifar10"])
def test_missing_files_are_named_with_their_page(tmp_path, name, home):
    source = official.GIVEN.get(name)
    file, page = (source.files[3].name, source.page) if source else ("test_batch.bin", cifar.PAGE)
    with pytest.raises(DataError, match=f"{name}: .*{file}.* not found; get them from .*, and put them into") as caught:
        load(name, tmp_path)
    assert page in str(caught.value) and not isinstance(caught.value, UnavailableError)
    with pytest.raises(UnavailableError, match="the cache directory of minicnn"):
        load(name)
    assert {record.state for record in describe(name)} == {"missing"} and page in describe(name)[0].origin


def test_damage_and_mixtures(tmp_path, monkeypatch):
    contents, _ = made("kmnist", monkeypatch)
    first = "train-images-idx3-ubyte.gz"
    put(tmp_path, {**contents, first: contents[first] + b"x"})
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte.gz: not the official file, or damaged: MD5 \w+, ex"):
        load("kmnist", tmp_path)
    assert describe("kmnist", tmp_path)[0].state.startswith("corrupt: not the official file")
    put(tmp_path / "b", {"emnist-digits-train-labels-idx1-ubyte": idx_bytes(np.array([1, 11], np.uint8))})
    source = official.GIVEN["emnist-digits"]
    with pytest.raises(DataError, match="label 11 at index 1, expected 0 to 9"):
        official.read(tmp_path / "b" / "emnist-digits-train-labels-idx1-ubyte", source, source.files[1])
    small = {f"emnist-digits-{part}-{kind}-ubyte": idx_bytes(np.zeros(shape, np.uint8))
             for part in ("train", "test") for kind, shape in (("images-idx3", (5, 28, 28)), ("labels-idx1", (4,)))}
    with pytest.raises(DataError, match="5 training images and 4 labels in .*are files of two datasets mixed"):
        load("emnist-digits", put(tmp_path / "c", small))
    small["emnist-digits-train-images-idx3-ubyte"] = idx_bytes(np.zeros((5, 27, 28), np.uint8))
    with pytest.raises(DataError, match=r"images of uint8 and shape \(5, 27, 28\), expected uint8 \(n, 28, 28\)"):
        load("emnist-digits", put(tmp_path / "c", small))


# CIFAR-10

@pytest.fixture
def batches():
    rng = np.random.default_rng(0)
    draw = lambda: (rng.integers(0, 256, (3, 3072), dtype=np.uint8), rng.integers(0, 10, 3))
    return {batch.name: draw() for batch in cifar.BATCHES}


def binary(batches):
    return {f"{name}.bin": np.concatenate([labels[:, None].astype(np.uint8), pixels], 1).tobytes()
            for name, (pixels, labels) in batches.items()}


class Python2(pickle._Pickler):
    """Writes bytes as Python 2 wrote str, and NumPy's arrays under NumPy's old names."""

    dispatch = dict(pickle._Pickler.dispatch)

    def save_bytes(self, value):
        self.write(pickle.BINSTRING + len(value).to_bytes(4, "little") + value)
        self.memoize(value)
    dispatch[bytes] = save_bytes

    def save_global(self, value, name=None):
        if getattr(value, "__name__", "") == "_reconstruct":
            self.write(b"cnumpy.core.multiarray\n_reconstruct\n")
            return
        super().save_global(value, name)
    dispatch[type(lambda: 0)] = save_global
    dispatch[type(len)] = save_global


def python(batches, monkeypatch, old=True):
    contents = {}
    for name, (pixels, labels) in batches.items():
        found = {b"batch_label": b"a", b"labels": labels.tolist(), b"data": pixels, b"filenames": [b"x.png"]}
        file = io.BytesIO()
        (Python2 if old else pickle.Pickler)(file, 2).dump(found)
        contents[name] = file.getvalue()
    monkeypatch.setattr(cifar, "BATCHES", tuple(cifar.Batch(name, hashlib.md5(content).hexdigest())
                                                for name, content in contents.items()))
    return contents


def same_as(data, batches):
    images, labels = (np.concatenate([batch[part] for batch in batches.values()]) for part in (0, 1))
    images = images.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    np.testing.assert_array_equal(np.concatenate([data.train_images, data.val_images, data.test_images]), images)
    np.testing.assert_array_equal(np.concatenate([data.train_labels, data.val_labels, data.test_labels]), labels)
    assert len(data.train_labels) == 13 and len(data.val_labels) == 2 and len(data.test_labels) == 3
    assert data.class_names[3] == "cat" and data.rules.shape(1) == (1, 3, 32, 32)
    np.testing.assert_allclose(data.rules.mean, data.train_images.mean((0, 1, 2)) / 255)


@pytest.mark.parametrize("place", [".", "cifar-10-batches-bin"])
def test_binary_version(tmp_path, batches, place):
    put(tmp_path / place, binary(batches))
    same_as(load("cifar10", tmp_path), batches)
    assert {one.state for one in describe("cifar10", tmp_path)} == {"unverified: no checksum of this file is known"}


@pytest.mark.parametrize("old", [True, False])
def test_python_version(tmp_path, batches, monkeypatch, old):
    put(tmp_path / "cifar-10-batches-py", python(batches, monkeypatch, old))
    same_as(load("cifar10", tmp_path), batches)
    assert {record.state for record in describe("cifar10", tmp_path)} == {"verified"}


class Harm:
    def __reduce__(self):
        return exec, ("raise SystemExit('this must not run')",)


@pytest.mark.parametrize(("value", "message"), [
    (Harm(), "the pickle names .*exec, which minicnn does not run: it may do harm. Get the binary version"),
    (np.array([Harm()], object), "the pickle is broken .an array of the dtype 'O8'|which minicnn does not run"),
    ({b"data": np.zeros((2, 3072), np.uint8), b"labels": [1]}, "not a batch of CIFAR-10: expected a dictionary"),
    ({b"data": np.zeros((1, 3071), np.uint8), b"labels": [1]}, "not a batch of CIFAR-10"),
    ({b"data": np.zeros((1, 3072), np.uint8), b"labels": [10]}, "label 10 at index 0, expected 0 to 9"),
    ({b"data": np.zeros((1, 3072), np.uint8), b"labels": [1e9]}, "not a batch of CIFAR-10"),
    ([1], "not a batch of CIFAR-10"), (np.ma.array([1]), "the pickle names numpy.ma.core._mareconstruct, which")])
def test_pickles_that_are_refused(tmp_path, value, message):
    path = tmp_path / "data_batch_1"
    path.write_bytes(pickle.dumps(value, 2))
    with pytest.raises(DataError, match=f"data_batch_1: ({message})"):
        cifar.read(path, cifar.Batch("data_batch_1", hashlib.md5(path.read_bytes()).hexdigest()))


@pytest.mark.parametrize("content", [b"", b"\x80\x02", b"\x80\x02]q\0", b"garbage", b"\x80\x02X\xff\xff\xff\x7f"])
def test_broken_pickles(tmp_path, content):
    path = tmp_path / "data_batch_1"
    path.write_bytes(content)
    with pytest.raises(DataError, match="data_batch_1: the pickle is broken"):
        cifar.read(path, cifar.Batch("data_batch_1", hashlib.md5(content).hexdigest()))
    with pytest.raises(DataError, match="not the official file, or damaged: MD5"):
        cifar.read(path, cifar.BATCHES[0])


@pytest.mark.parametrize("content", [b"", b"x" * 3072, b"x" * 3074])
def test_broken_binary_files(tmp_path, content):
    path = tmp_path / "data_batch_1.bin"
    path.write_bytes(content)
    with pytest.raises(DataError, match="data_batch_1.bin: .* bytes, expected a multiple of 3,073"):
        cifar.read(path, cifar.BATCHES[0])
    path.write_bytes(b"\x0a" * 3073)
    with pytest.raises(DataError, match="label 10 at index 0, expected 0 to 9"):
        cifar.read(path, cifar.BATCHES[0])
