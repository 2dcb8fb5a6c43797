"""Images of any size and colour: rules, normalisation, random changes, lazy images, batches that a thread makes."""

import dataclasses
import json
import threading
import time

import numpy as np
import pytest

from minicnn.data import (
    DataLoader,
    Dataset,
    LazyImages,
    Rules,
    crop_images,
    flip_images,
    load,
    normalize,
    rotate_images,
    shift_images,
)
from minicnn.data.lazy import LazyPart, blocks, in_memory, one_ahead
from minicnn.errors import InputError

RULES = Rules((5, 6), 3, (0.1, 0.2, 0.3), (0.4, 0.5, 0.6))


@pytest.fixture
def colour():
    return np.random.default_rng(0).integers(0, 256, (23, 5, 6, 3), dtype=np.uint8)


@pytest.fixture
def mapped(tmp_path, colour):
    np.save(tmp_path / "images.npy", colour)
    return np.load(tmp_path / "images.npy", mmap_mode="r")


class Watched(LazyImages):
    """Lazy images that count which of them are read, and fail at some."""

    def __init__(self, images, fails=()):
        super().__init__(images.shape)
        self.images, self.fails, self.asked = images, set(fails), []

    def read(self, numbers):
        self.asked.append(numbers.tolist())
        if self.fails & set(numbers.tolist()):
            raise InputError("this picture is broken")
        return self.images[numbers]


def test_rules_survive_json():
    assert Rules(**json.loads(json.dumps(dataclasses.asdict(RULES)))) == RULES
    assert str(RULES) == "5 rows x 6 columns, colour" and RULES.shape(4) == (4, 3, 5, 6)


@pytest.mark.parametrize(("values", "message"), [
    ({"size": 0}, "Rules: size must be an integer or a pair of integers of at least 1, not 0"),
    ({"channels": 2}, "Rules: channels must be one of 1, 3, not 2"),
    ({"resize": "fit"}, "Rules: resize must be one of 'crop', not 'fit'"),
    ({"mean": 0.5}, "Rules: mean must have one number for each of 1 channels, not 0.5"),
    ({"channels": 3}, "Rules: mean must have one number for each of 3 channels"),
    ({"std": (0,)}, "Rules: std must be a number above 0, not 0"),
    ({"mean": (float("nan"),)}, "Rules: mean must be a number, not nan")])
def test_rules_that_cannot_be(values, message):
    with pytest.raises(InputError, match=message):
        Rules(**values)


def test_rules_measured(colour):
    found = Rules(5, 3, (0,) * 3, (1,) * 3).measured(colour)
    np.testing.assert_allclose(found.mean, colour.mean((0, 1, 2)) / 255, rtol=1e-12)
    np.testing.assert_allclose(found.std, colour.std((0, 1, 2)) / 255, rtol=1e-12)
    x = normalize(colour, found)
    np.testing.assert_allclose([x.mean((0, 2, 3)), x.std((0, 2, 3))], [[0] * 3, [1] * 3], atol=1e-6)
    assert Rules().measured(np.full((2, 3, 3), 7, np.uint8)).std == (1 / 255,)
    grey = load("mnist5k").train_images
    assert abs(Rules().measured(grey).mean[0] - 0.1307) < 0.002


def test_colour_is_normalized_by_channel(colour):
    out = normalize(colour, RULES)
    assert out.shape == (23, 3, 5, 6) and out.dtype == np.float32 and out.flags.c_contiguous
    expected = (colour / 255 - np.array(RULES.mean)) / np.array(RULES.std)
    np.testing.assert_allclose(out, expected.transpose(0, 3, 1, 2), rtol=0, atol=2e-6)


def test_mnist_is_normalized_as_ever():
    images = load("mnist5k").val_images
    pixels = images[:, None] / np.float32(255)
    expected = (pixels - np.float32(0.1307)) / np.float32(0.3081)
    for found in (normalize(images), normalize(images, Rules()), load("mnist5k").rules and normalize(images)):
        np.testing.assert_array_equal(found.view(np.uint32), expected.view(np.uint32))


def test_a_dataset_of_grey_images_has_the_rules_of_mnist_for_its_size(colour):
    grey = colour[..., 0]
    assert Dataset("a", "b", grey, grey, grey, grey).rules == Rules((5, 6))


@pytest.mark.parametrize(("call", "message"), [
    (lambda c: normalize(c), "normalize: images of shape .* are in colour: give their rules"),
    (lambda c: DataLoader(c, np.arange(23)), "DataLoader: images of shape .* are in colour: give their rules"),
    (lambda c: normalize(c, Rules()), "have 3 channels, but the rules are Rules"),
    (lambda c: normalize(c[..., 0], RULES), "have 1 channel, but the rules are Rules"),
    (lambda c: normalize(c[..., :2], RULES), r"normalize: uint8 \(23, 5, 6, 2\), expected uint8"),
    (lambda c: normalize(c, (0.5, 0.5)), "but the rules are"),
    (lambda c: Dataset("a", "b", c, c, c, c, class_names="cats"), "class_names must be the names of the classes"),
    (lambda c: Dataset("a", "b", c, c, c, c, rules={}), r"rules must be minicnn.data.Rules\(...\), not {}"),
    (lambda c: Dataset("a", "b", c, c, c, c), r"5 rows x 6 columns in colour, but no rules are given: give Rules\(\("),
    (lambda c: Dataset("a", "b", c[..., 0], c, c, c, rules=RULES), "5 rows x 6 columns in grey, but the rules are"),
    (lambda c: Dataset("a", "b", c[:, :4], c, c, c, rules=RULES), "4 rows x 6 columns in colour, but the rules are "),
    (lambda c: shift_images(c[..., :2], np.zeros((23, 2), int)), "shift_images: images"),
    (lambda c: flip_images(c, np.zeros(23)), "flips of dtype float64, expected booleans"),
    (lambda c: flip_images(c, np.zeros(22, bool)), r"flips \(22,\), expected .* and \(n,\)"),
    (lambda c: rotate_images(c, np.full(23, np.nan)), "an angle is NaN or infinite"),
    (lambda c: rotate_images(c, np.zeros(23, int)), "degrees of dtype int64, expected floats"),
    (lambda c: crop_images(c, np.full((23, 2), 3), (1, 1)), r"corners go from \(0, 0\) to \(2, 2\)"),
    (lambda c: crop_images(c, np.zeros((23, 2), int), (-1, 1)), "crop_images: margin must be"),
    (lambda c: DataLoader(c, np.arange(23), rules=RULES, augment="flip"), "augment must be a tuple of names"),
    (lambda c: DataLoader(c, np.arange(23), rules=RULES, augment=("flip", "flip")), "each once"),
    (lambda c: DataLoader(c, np.arange(23), rules=RULES, augment=("flip",)), "rng is None"),
    (lambda c: DataLoader(c, np.arange(23), rules=RULES, prefetch=1), "prefetch must be True or False"),
    (lambda c: DataLoader(np.zeros((23, 1, 4, 4)), np.arange(23), augment=("flip",)), "augment needs uint8 images")])
def test_errors(call, message, colour):
    with pytest.raises((InputError, TypeError), match=message):
        call(colour)


# Random changes.

def test_each_channel_is_changed_as_a_grey_image(colour):
    rng = np.random.default_rng(1)
    before = colour.copy()
    shifts, flips = rng.integers(-2, 3, (23, 2)), rng.integers(0, 2, 23) == 1
    degrees, corners = rng.uniform(-30, 30, 23), rng.integers(0, 3, (23, 2))
    for change in (lambda x: shift_images(x, shifts), lambda x: flip_images(x, flips),
                   lambda x: rotate_images(x, degrees), lambda x: crop_images(x, corners, (1, 2))):
        found = change(colour)
        assert found.shape == colour.shape and found.dtype == np.uint8 and not np.shares_memory(found, colour)
        for channel in range(3):
            np.testing.assert_array_equal(found[..., channel], change(colour[..., channel]))
    np.testing.assert_array_equal(colour, before)


def test_quarter_turns_are_exact(colour):
    square = colour[:, :, :5]
    for quarters in range(5):
        turned = rotate_images(square, np.full(23, 90.0 * quarters))
        np.testing.assert_array_equal(turned, np.rot90(square, quarters, (1, 2)))
    np.testing.assert_array_equal(rotate_images(colour, np.zeros(23)), colour)


def test_a_rotation_is_the_bilinear_formula(colour):
    image, angle = colour[0, :, :, 0].astype(float), np.deg2rad(17.0)
    found = rotate_images(image[None], np.array([17.0]))[0]
    for y in range(5):
        for x in range(6):
            v = np.clip(2 + np.cos(angle) * (y - 2) + np.sin(angle) * (x - 2.5), 0, 4)
            u = np.clip(2.5 - np.sin(angle) * (y - 2) + np.cos(angle) * (x - 2.5), 0, 5)
            total = sum(image[i, j] * max(0, 1 - abs(v - i)) * max(0, 1 - abs(u - j))
                        for i in range(5) for j in range(6))
            assert abs(found[y, x] - total) < 1e-4


def test_a_crop_is_a_window_of_the_reflection(colour):
    corners = np.random.default_rng(0).integers(0, 5, (23, 2))
    found = crop_images(colour, corners, (2, 2))
    for image, (y, x), out in zip(colour, corners, found, strict=True):
        np.testing.assert_array_equal(out, np.pad(image, ((2, 2), (2, 2), (0, 0)), "reflect")[y:y + 5, x:x + 6])
    one = np.full((1, 1, 1), 9, np.uint8)
    assert crop_images(one, np.array([[2, 0]]), (1, 1)).tolist() == [[[9]]]


ALL = {"shuffle": True, "max_shift": 1, "augment": ("flip", "rotate", "crop")}


def loader(images, **options):
    return DataLoader(images, np.arange(23), 5, rules=RULES, rng=np.random.default_rng(3), **options)


def same_bits(one, other):
    for (x, y), (u, v) in zip(one, other, strict=True):
        np.testing.assert_array_equal(x, u)
        np.testing.assert_array_equal(y, v)


@pytest.mark.parametrize("start", range(6))
@pytest.mark.parametrize("prefetch", [False, True])
def test_resuming_an_augmented_pass_gives_the_same_bits(colour, start, prefetch):
    same_bits(list(loader(colour, **ALL))[start:], loader(colour, prefetch=prefetch, **ALL).batches(start))


@pytest.mark.parametrize("name", ["flip", "rotate", "crop"])
def test_an_augmentation_changes_the_images_and_leaves_the_order_and_the_shifts(colour, name):
    plain, changed = loader(colour, shuffle=True), loader(colour, shuffle=True, augment=(name,))
    same = []
    for (x, y), (u, v) in zip(plain, changed, strict=True):
        np.testing.assert_array_equal(y, v)
        same += [np.array_equal(a, b) for a, b in zip(x, u, strict=True)]
    assert not all(same) and (name != "flip" or any(same))


def test_without_augmentation_the_numbers_drawn_are_those_of_old(colour):
    rng = np.random.default_rng(3)
    order, shifts = rng.permutation(23), rng.integers(-1, 2, size=(23, 2))
    expected = normalize(shift_images(colour[order], shifts), RULES)
    found = loader(colour, shuffle=True, max_shift=1)
    np.testing.assert_array_equal(np.concatenate([x for x, _ in found]), expected)
    assert found.rng.bit_generator.state == rng.bit_generator.state


# Images that do not lie in memory.

def test_a_memory_mapped_array_is_not_copied(mapped, colour):
    data = loader(mapped, **ALL)
    assert np.shares_memory(data.images, mapped) and data.prefetch
    same_bits(data, loader(colour, **ALL))
    assert not in_memory(mapped[3:]) and not in_memory(np.asarray(mapped)[::2]) and in_memory(colour[3:])
    assert not loader(colour).prefetch


def test_floating_memory_mapped_images_of_another_byte_order_are_not_copied(tmp_path):
    images = np.random.default_rng(0).normal(size=(4, 1, 3, 3))
    np.save(tmp_path / "x.npy", images.astype(">f8"))
    data = DataLoader(np.load(tmp_path / "x.npy", mmap_mode="r"), np.arange(4), 3)
    assert not in_memory(data.images)
    assert all(x.dtype.isnative for x, _ in data)
    np.testing.assert_array_equal(np.concatenate([x for x, _ in data]), images)


def test_lazy_images_behave_as_an_array(colour):
    lazy = Watched(colour)
    assert lazy.shape == colour.shape and lazy.ndim == 4 and len(lazy) == 23 and lazy.dtype == np.uint8
    part = lazy[5:15:2][np.array([True, False, True, True, False])]
    assert isinstance(part, LazyPart) and not lazy.asked              # nothing is read
    np.testing.assert_array_equal(part, colour[5:15:2][[0, 2, 3]])
    np.testing.assert_array_equal(lazy[-1], colour[-1])
    np.testing.assert_array_equal(lazy[[3, 1]], colour[[3, 1]])
    np.testing.assert_array_equal(np.concatenate(list(blocks(lazy))), colour)
    with pytest.raises(IndexError):
        lazy[23]
    for index in ((..., 0), (slice(None), 0)):
        with pytest.raises(InputError, match=r"indexed by images only, not by \(.*: read them first"):
            lazy[index]
    with pytest.raises(InputError, match=r"indexed by images only, not by an array of shape \(2, 2\)"):
        lazy[np.zeros((2, 2), int)]


def test_a_batch_reads_its_own_images_only(colour):
    lazy = Watched(colour)
    same_bits(loader(lazy, shuffle=True), loader(colour, shuffle=True))
    assert [len(one) for one in lazy.asked] == [5, 5, 5, 5, 3] and sorted(sum(lazy.asked, [])) == list(range(23))


def test_a_thread_makes_one_batch_ahead_and_ends_with_the_loop(colour):
    lazy = Watched(colour)
    before = threading.active_count()
    batches = loader(lazy, shuffle=True).batches()
    assert not lazy.asked
    next(batches)
    deadline = time.monotonic() + 10
    while len(lazy.asked) < 2 and time.monotonic() < deadline:
        time.sleep(0.001)
    assert len(lazy.asked) == 2 and threading.active_count() == before + 1
    batches.close()
    assert threading.active_count() == before and len(lazy.asked) == 2
    list(loader(lazy, shuffle=True))
    assert threading.active_count() == before


def test_an_error_of_the_thread_comes_where_the_batch_would(colour):
    before, seen = threading.active_count(), 0
    with pytest.raises(InputError, match="this picture is broken"):
        for _ in loader(Watched(colour, fails=[12])):
            seen += 1
    assert seen == 2 and threading.active_count() == before


def test_the_results_stay_in_order():
    slow_first = lambda number: (time.sleep(0.01 if number == 0 else 0), number)[1]
    assert list(one_ahead(slow_first, range(5))) == list(range(5)) and list(one_ahead(slow_first, range(0))) == []


def test_without_threads_nothing_is_made_ahead(colour, monkeypatch):
    def refuse(thread):
        raise RuntimeError("can't start new thread")
    expected = list(loader(colour, **ALL))
    monkeypatch.setattr(threading.Thread, "start", refuse)
    same_bits(expected, loader(Watched(colour), **ALL))


def test_no_images_of_a_lazy_kind():
    with pytest.raises(InputError, match="the dataset is empty"):
        DataLoader(Watched(np.zeros((0, 5, 6), np.uint8)), np.zeros(0, int))
