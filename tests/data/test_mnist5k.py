"""The embedded digits: the contents of the file, and their origin in official MNIST."""

import numpy as np
import pytest

from minicnn.data import DataError, describe, embedded, load


def test_split_and_types(monkeypatch):
    monkeypatch.setenv("MINICNN_DATA", "/nowhere")
    data = load("mnist5k")
    assert data.name == "mnist5k" and "5,000 official MNIST training digits" in data.source
    assert data.train_images.shape == (4000, 28, 28) and data.val_images.shape == (1000, 28, 28)
    assert data.train_images.dtype == np.uint8 and data.train_labels.dtype == np.int64
    assert np.bincount(data.train_labels).tolist() == [400] * 10
    assert np.bincount(data.val_labels).tolist() == [100] * 10
    assert data.test_images is data.test_labels is None


def test_no_validation_image_is_trained_on():
    images, _ = embedded.read_embedded()
    assert len({image.tobytes() for image in images}) == 5000


def test_the_order_is_mixed():
    _, labels = embedded.read_embedded()
    assert len(set(labels[:20])) > 5


def test_a_damaged_package_is_noticed(tmp_path, monkeypatch):
    path = tmp_path / "mnist5k.npz"
    path.write_bytes(embedded.EMBEDDED.read_bytes()[:-1])
    monkeypatch.setattr(embedded, "EMBEDDED", path)
    with pytest.raises(DataError, match="mnist5k.npz: damaged: SHA-256 .* Install minicnn again"):
        embedded.read_embedded(path)
    assert describe("mnist5k")[0].state.startswith("corrupt: ")


def test_all_are_official_training_digits_and_none_is_a_test_digit(mnist_dir):
    full = load("mnist", mnist_dir)
    images, labels = embedded.read_embedded()
    parts = (full.train_images, full.train_labels), (full.val_images, full.val_labels)
    official = {image.tobytes(): label for part in parts for image, label in zip(*part, strict=True)}
    assert [official[image.tobytes()] for image in images] == labels.tolist()
    assert not {image.tobytes() for image in images} & {image.tobytes() for image in full.test_images}
