"""`fit` and `evaluate` with images that are read when they are needed: the same bits, no copy, no thread left."""

import dataclasses
import threading
import tracemalloc

import numpy as np
import pytest

from minicnn import nn
from minicnn.data import DataLoader, Dataset, Rules, load_arrays
from minicnn.data.lazy import LazyPart
from minicnn.errors import InputError
from minicnn.models import MLP
from minicnn.progress import Progress
from minicnn.training import Settings, data_checksum, evaluate, fit
from minicnn.training.start import check_model_on_data

SETTINGS = Settings(epochs=2, batch_size=8, max_shift=1, augment=("flip", "rotate", "crop"), lr=0.01)


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (60, 6, 7, 3), dtype=np.uint8), np.arange(60) % 3
    rules = Rules((6, 7), 3, (0,) * 3, (1,) * 3).measured(images[:40])
    return Dataset("made", "here", images[:40], labels[:40], images[40:], labels[40:], class_names=tuple("abc"),
                   rules=rules)


def on_disk(data, folder):
    parts = {}
    for name in ("train_images", "val_images"):
        np.save(folder / f"{name}.npy", getattr(data, name))
        parts[name] = np.load(folder / f"{name}.npy", mmap_mode="r")
    return dataclasses.replace(data, **parts)


def network(classes=3):
    return MLP(8, rng=np.random.default_rng(1), in_channels=3, num_classes=classes, image_size=(6, 7))


def test_the_same_weights_from_disk_and_from_memory(data, tmp_path):
    mapped = on_disk(data, tmp_path)
    lazy = dataclasses.replace(mapped, train_images=LazyPart(mapped.train_images, np.arange(40)))
    assert data_checksum(data) == data_checksum(mapped) == data_checksum(lazy)
    before, states = threading.active_count(), []
    for one in (data, mapped, lazy):
        model = network()
        fit(model, one, SETTINGS)
        states.append(model.state_dict())
        assert threading.active_count() == before
    for name, array in states[0].items():
        np.testing.assert_array_equal(array, states[1][name])
        np.testing.assert_array_equal(array, states[2][name])
    found = [evaluate(network(), one.val_images, one.val_labels, rules=one.rules) for one in (data, mapped)]
    np.testing.assert_array_equal(found[0].probabilities, found[1].probabilities)


def test_memory_does_not_grow_with_the_images(tmp_path):
    """92 MB of images, in a file with holes, so that the disk keeps nearly nothing of them."""
    count = 30_000
    np.lib.format.open_memmap(tmp_path / "images.npy", "w+", np.uint8, (count, 32, 32, 3))
    np.save(tmp_path / "labels.npy", np.arange(count) % 3)
    tracemalloc.start()
    try:
        data = load_arrays(tmp_path)
        data_checksum(data)
        small = dataclasses.replace(data, val_images=data.val_images[:50], val_labels=data.val_labels[:50])
        model = MLP(4, rng=np.random.default_rng(0), in_channels=3, num_classes=3, image_size=32)
        check_model_on_data(model, small, DataLoader(data.train_images, data.train_labels, rules=data.rules))
        for number, _ in enumerate(DataLoader(data.train_images, data.train_labels, shuffle=True, augment=("crop",),
                                              rules=data.rules, rng=np.random.default_rng(0))):
            if number == 3:
                break
        evaluate(model, small.val_images, small.val_labels, rules=data.rules)
        assert tracemalloc.get_traced_memory()[1] < 40e6
    finally:
        tracemalloc.stop()


def test_a_stop_ends_the_thread(data, tmp_path):
    class Stop(Progress):
        def update(self, done, total, text=""):
            if done == 3:
                raise KeyboardInterrupt

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt) as caught:
        fit(network(), on_disk(data, tmp_path), SETTINGS, progress=Stop())
    assert threading.active_count() == before and caught.value is not None
    with pytest.raises(ZeroDivisionError) as failed:
        evaluate(nn.Sequential(Fails()), on_disk(data, tmp_path).val_images, data.val_labels, 4, rules=data.rules)
    assert threading.active_count() == before and failed.value is not None


class Fails(nn.Module):
    def forward(self, x):
        raise ZeroDivisionError


def test_outputs_and_names_must_fit(data):
    with pytest.raises(InputError, match=r"the data have 3 classes \(a, b, c\), but MLP returns 4: make the model"):
        fit(network(4), data, SETTINGS)
    many = dataclasses.replace(data, class_names=("a", "b", "c", "d", "e"))
    with pytest.raises(InputError, match=r"the data have 5 classes \(a, b, c, ...\), but MLP returns 3"):
        fit(network(), many, SETTINGS)
    fit(network(4), dataclasses.replace(data, class_names=None), Settings(epochs=1))


def test_old_settings_are_read():
    old = {"epochs": 2, "batch_size": 8, "lr": 0.1, "weight_decay": 0.1, "seed": 3, "max_shift": 2, "patience": None}
    assert Settings(**old).augment == () and Settings(**old).max_shift == 2
    assert Settings(augment=["crop", "flip"]).augment == ("flip", "crop")
    with pytest.raises(InputError, match="augment must be a tuple of names among 'flip', 'rotate', 'crop', each"):
        Settings(augment=("shift",))
