"""load() and describe(): the choice of the data and of the directory. Small datasets replace the real ones."""

import dataclasses
import gzip
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from minicnn.data import DataError, Dataset, UnavailableError, describe, load, mnist, names
from minicnn.data.mnist import FASHION_MNIST, MNIST, SOURCES, IdxFile, data_place
from minicnn.errors import FileError, InputError, InputTypeError
from minicnn.progress import SILENT
from tests.data.idx_files import idx_bytes
from tests.recorder import Recorder


def tiny(source, published_raw=True):
    """A copy of a source with 6 training and 4 test images, and its unpacked files."""
    rng, files, contents = np.random.default_rng(len(source.name)), [], {}
    for file in source.files:
        n = 6 if file.name.startswith("train") else 4
        shape = (n, 2, 3) if len(file.shape) == 3 else (n,)
        raw = idx_bytes(rng.integers(0, 10, shape, dtype=np.uint8))
        packed = gzip.compress(raw, mtime=0)
        digests = [hashlib.sha256(content).hexdigest() for content in (packed, raw)]
        files.append(IdxFile(file.name, shape, len(packed), digests[0], digests[1] if published_raw else None))
        contents[file.name] = raw
    return dataclasses.replace(source, files=tuple(files), mirrors=("http://127.0.0.1:1/",)), contents


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """An empty cache directory, and tiny datasets that no server has."""
    for name in ("MINICNN_DATA", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MINICNN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("no_proxy", "*")
    return tmp_path / "home"


@pytest.fixture
def contents(monkeypatch):
    source, contents = tiny(MNIST)
    fashion, _ = tiny(FASHION_MNIST, published_raw=False)
    monkeypatch.setattr(names, "VALIDATION", 2)
    monkeypatch.setitem(SOURCES, "mnist", source)
    monkeypatch.setitem(SOURCES, "fashion-mnist", fashion)
    return contents


def put(folder, contents, packed=True):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        file, content = (f"{name}.gz", gzip.compress(content, mtime=0)) if packed else (name, content)
        (folder / file).write_bytes(content)
    return folder


def serve(monkeypatch, contents, delivers=0):
    """Replace fetch() by a function that has the files. It appends (file, mirrors) to the list that is returned."""
    asked = []

    def fetch(mirrors, path, size, sha256, **options):
        asked.append((path.name, list(mirrors)))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(contents[path.stem], mtime=0))
        return mirrors[delivers]
    monkeypatch.setattr(mnist, "fetch", fetch)
    return asked


@pytest.mark.parametrize("packed", [True, False], ids=["gz", "raw"])
@pytest.mark.parametrize("layout", [".", "MNIST/raw"])
@pytest.mark.parametrize("name", ["mnist", "auto"])
def test_a_named_directory(tmp_path, contents, packed, layout, name):
    put(tmp_path / "digits" / layout, contents, packed)
    data = load(name, tmp_path / "digits")
    assert isinstance(data, Dataset) and data.name == "mnist"
    assert str((tmp_path / "digits" / layout).resolve()) in data.source
    images = np.frombuffer(contents["train-images-idx3-ubyte"][16:], np.uint8).reshape(6, 2, 3)
    labels = np.frombuffer(contents["train-labels-idx1-ubyte"][8:], np.uint8)
    np.testing.assert_array_equal(data.train_images, images[:4])
    np.testing.assert_array_equal(data.val_images, images[4:])
    np.testing.assert_array_equal(data.train_labels, labels[:4])
    np.testing.assert_array_equal(data.val_labels, labels[4:])
    assert data.test_images.shape == (4, 2, 3)
    assert data.test_labels.dtype == data.train_labels.dtype == np.int64


def test_which_directory_wins(tmp_path, contents, monkeypatch, home):
    named, environment = put(tmp_path / "named", contents), put(tmp_path / "environment", contents)
    put(home / "MNIST" / "raw", contents)
    assert str(home) in load("mnist").source
    monkeypatch.setenv("MINICNN_DATA", str(environment))
    assert str(environment) in load("mnist").source
    assert str(named) in load("mnist", named).source


@pytest.mark.parametrize("name", ["mnist", "auto"])
@pytest.mark.parametrize("by", ["data_dir", "MINICNN_DATA"])
def test_a_named_directory_that_lacks_files_is_an_error(tmp_path, contents, monkeypatch, name, by):
    asked = serve(monkeypatch, contents)
    folder = put(tmp_path / "digits", contents)
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    monkeypatch.setenv("MINICNN_DATA", str(folder))
    named = "explicitly" if by == "data_dir" else "by MINICNN_DATA"
    message = f"mnist: t10k-labels-idx1-ubyte .or .gz. not found in {folder} nor in {folder}/MNIST/raw; .* {named}"
    with pytest.raises(DataError, match=message) as caught:
        load(name, folder if by == "data_dir" else None)
    assert not isinstance(caught.value, UnavailableError) and asked == []


def test_a_directory_that_is_not_there(tmp_path, contents):
    message = "nowhere: there is no such directory; .*: train-images-idx3-ubyte, .*t10k-labels-idx1-ubyte"
    with pytest.raises(DataError, match=message):
        load("mnist", tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["mnist", "auto"])
@pytest.mark.parametrize("packed", [True, False], ids=["gz", "raw"])
@pytest.mark.parametrize("where", ["named", "cache"])
def test_a_corrupt_file_is_reported_and_kept(tmp_path, contents, monkeypatch, home, name, packed, where):
    asked = serve(monkeypatch, contents)
    folder = put(home / "MNIST" / "raw" if where == "cache" else tmp_path / "digits", contents, packed)
    path = folder / ("train-labels-idx1-ubyte" + ".gz" * packed)
    broken = path.read_bytes()[:-1] + b"\x77"
    path.write_bytes(broken)
    with pytest.raises(DataError, match=f"{path}: not the official file, or damaged: .* SHA-256 .*Replace the file.*"
                       "Files of your own need other names: train_images.idx"):
        load(name, None if where == "cache" else folder)
    assert path.read_bytes() == broken and asked == []


def test_what_the_cache_lacks_is_downloaded_once(contents, monkeypatch, home):
    asked = serve(monkeypatch, contents)
    put(home / "MNIST" / "raw", dict(list(contents.items())[:2]))
    assert load("mnist").train_images.shape == (4, 2, 3)
    assert [name for name, _ in asked] == ["t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"]
    assert load("auto").name == "mnist" and len(asked) == 2


def test_the_mirror_that_served_is_asked_first(contents, monkeypatch):
    monkeypatch.setitem(SOURCES, "mnist", dataclasses.replace(SOURCES["mnist"], mirrors=("first", "second")))
    asked = serve(monkeypatch, contents, delivers=1)
    load("mnist")
    assert [mirrors for _, mirrors in asked][:2] == [["first", "second"], ["second", "first"]]


def test_without_a_network(contents, home):
    with pytest.raises(UnavailableError, match="train-images-idx3-ubyte.gz could not be downloaded"):
        load("mnist", progress=SILENT)
    with pytest.raises(UnavailableError, match="not found in .*the cache directory of minicnn. Allow the download"):
        load("mnist", download=False)
    assert not home.exists()


@pytest.mark.parametrize(("allowed", "why"), [(True, "could not be downloaded"), (False, "not found in")])
def test_auto_falls_back_with_a_note(contents, allowed, why, capsys):
    told = Recorder()
    data = load("auto", download=allowed, progress=told)
    assert data.name == "mnist5k"
    assert told.notes[-1].startswith("Using the 5,000 embedded MNIST digits instead of full MNIST: ")
    assert why in told.notes[-1] and capsys.readouterr() == ("", "")
    load("auto", download=False)
    assert "embedded" in capsys.readouterr().err
    load("auto", download=False, progress=SILENT)
    assert capsys.readouterr() == ("", "")


def test_auto_is_less_patient(contents, monkeypatch):
    asked = []

    def fetch(*arguments, patience, **options):
        asked.append(patience)
        raise UnavailableError("no network")
    monkeypatch.setattr(mnist, "fetch", fetch)
    load("auto", progress=SILENT)
    with pytest.raises(UnavailableError, match="no network"):
        load("mnist")
    assert asked == [names.AUTO_PATIENCE, None]


def test_pooch_is_imported_for_a_download_only(tmp_path, contents):
    code = ("import sys; from minicnn.data import describe, load; load('mnist5k'); load('auto', download=False); "
            "describe(); print([name for name in ('pooch', 'requests', 'urllib3') if name in sys.modules])")
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])})
    assert result.stdout.strip() == "[]"


def test_unpacked_fashion_can_only_be_checked_for_its_format(tmp_path, contents):
    _, fashion = tiny(FASHION_MNIST)
    put(tmp_path / "FashionMNIST" / "raw", fashion, packed=False)
    assert "without a known checksum" in load("fashion-mnist", tmp_path).source
    assert {record.state.split(":")[0] for record in describe("fashion-mnist", tmp_path)} == {"unverified"}
    put(tmp_path / "FashionMNIST" / "raw", fashion)
    assert "the official files" in load("fashion-mnist", tmp_path).source
    (tmp_path / "few").mkdir()
    put(tmp_path / "few", fashion | {"t10k-labels-idx1-ubyte": idx_bytes(np.zeros(3, np.uint8))}, packed=False)
    with pytest.raises(DataError, match=r"array of shape \(3,\), expected \(4,\). Is it of another dataset"):
        load("fashion-mnist", tmp_path / "few")
    images, labels = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")
    put(tmp_path / "few", {images: fashion[labels], labels: fashion[images]}, packed=False)
    with pytest.raises(DataError, match=r"array of shape \(6,\), expected \(6, 2, 3\). Are two files swapped"):
        load("fashion-mnist", tmp_path / "few")


def test_names_of_kaggle_and_what_is_no_path(tmp_path, contents):
    put(tmp_path / "kaggle", {name.replace("-idx", ".idx"): content for name, content in contents.items()}, False)
    assert load("mnist", tmp_path / "kaggle").test_images.shape == (4, 2, 3)
    assert load("mnist", os.fsencode(tmp_path / "kaggle")).name == "mnist"
    with pytest.raises(InputTypeError, match="data_dir must be a path, not a list"):
        load("mnist", [tmp_path])


def test_names(tmp_path):
    with pytest.raises(InputError, match="dataset must be one of 'auto', 'mnist', 'fashion-mnist', 'mnist5k'"):
        load("cifar")
    with pytest.raises(InputError, match="dataset must be one of 'mnist', 'fashion-mnist', .*, not 'auto'"):
        describe("auto")
    for function in (load, describe):
        with pytest.raises(InputError, match="mnist5k is embedded in the package; it takes no data_dir"):
            function("mnist5k", tmp_path)


def test_without_a_home_directory(contents, monkeypatch):
    monkeypatch.delenv("MINICNN_HOME")
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    told = Recorder()
    assert load("auto", progress=told).name == "mnist5k"
    assert told.notes[-1].endswith("there is no home directory for the cache: set MINICNN_HOME to a directory")
    with pytest.raises(FileError, match="there is no home directory"):
        load("mnist")


def test_describe(tmp_path, contents, home):
    assert [(record.state, record.size) for record in describe()] == 4 * [("missing", None)]
    assert describe()[0].path == str(home / "MNIST" / "raw" / "train-images-idx3-ubyte.gz")
    assert describe()[0].origin.startswith("the cache directory of minicnn; official file: http://127.0.0.1:1/train")
    folder = put(tmp_path / "digits", contents)
    (folder / "t10k-images-idx3-ubyte.gz").write_bytes(b"<html>")
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    records = describe("mnist", folder)
    assert [record.state.split(":")[0] for record in records] == ["verified", "verified", "corrupt", "missing"]
    assert "<html>" not in records[2].state and "SHA-256" in records[2].state
    assert records[0].size == (folder / "train-images-idx3-ubyte.gz").stat().st_size
    assert records[0].origin.startswith("the directory was named explicitly")
    assert not home.exists()


def test_data_place(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data_place("~/digits") == (tmp_path / "digits", "data_dir")


def test_full_mnist(mnist_dir):
    data = load("mnist", mnist_dir)
    shapes = [array.shape for array in (data.train_images, data.val_images, data.test_images)]
    assert shapes == [(55000, 28, 28), (5000, 28, 28), (10000, 28, 28)]
    assert data.train_labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert data.test_labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    pixels = np.concatenate([data.train_images, data.val_images]) / np.float32(255)
    assert (round(float(pixels.mean()), 4), round(float(pixels.std()), 4)) == (0.1307, 0.3081)
    assert {record.state for record in describe("mnist", mnist_dir)} == {"verified"}


def test_full_mnist_unpacked(tmp_path, mnist_dir):
    for file in MNIST.files:
        (tmp_path / file.name).write_bytes(gzip.decompress((mnist_dir / f"{file.name}.gz").read_bytes()))
    assert {record.state for record in describe("mnist", tmp_path)} == {"verified"}
