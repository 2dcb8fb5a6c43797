"""DataLoader, normalize and shift_images."""

import numpy as np
import pytest

from minicnn.data import MEAN, STD, DataLoader, normalize, shift_images


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (23, 7, 9), dtype=np.uint8)


LABELS = np.arange(23)


def loader(images, seed=0, **options):
    return DataLoader(images, LABELS, 5, **options, rng=np.random.default_rng(seed))


def same_bits(one, other):
    one, other = list(one), list(other)
    assert len(one) == len(other)
    for (x, y), (u, v) in zip(one, other, strict=True):
        np.testing.assert_array_equal(x, u)
        np.testing.assert_array_equal(y, v)


def naive_shift(images, shifts):
    out = np.zeros_like(images)
    for i, (dy, dx) in enumerate(shifts):
        for y in range(images.shape[1]):
            for x in range(images.shape[2]):
                if 0 <= y - dy < images.shape[1] and 0 <= x - dx < images.shape[2]:
                    out[i, y, x] = images[i, y - dy, x - dx]
    return out


def test_normalize_is_the_formula(images):
    out = normalize(images)
    assert out.shape == (23, 1, 7, 9) and out.dtype == np.float32
    np.testing.assert_allclose(out[:, 0], (images / 255 - MEAN) / STD, rtol=0, atol=1e-6)


@pytest.mark.parametrize("bad", [np.zeros((2, 7, 9)), np.zeros((2, 1, 7, 9), np.uint8)])
def test_normalize_refuses_what_it_would_spoil(bad):
    with pytest.raises(ValueError, match=r"normalize: .* expected uint8 \(n, height, width\)"):
        normalize(bad)


@pytest.mark.parametrize("largest", [0, 1, 3, 12])
@pytest.mark.parametrize("dtype", [np.int64, np.int8])
def test_shift_is_the_definition(images, largest, dtype):
    before = images.copy()
    shifts = np.random.default_rng(1).integers(-largest, largest + 1, (23, 2)).astype(dtype)
    out = shift_images(images, shifts)
    np.testing.assert_array_equal(out, naive_shift(images, shifts))
    np.testing.assert_array_equal(images, before)
    assert out.dtype == np.uint8 and not np.shares_memory(out, images)


def test_shift_by_the_least_int8(images):
    assert not shift_images(images, np.full((23, 2), -128, np.int8)).any()


@pytest.mark.parametrize("shift", [2 ** 62, -2 ** 63, np.uint64(2 ** 64 - 1), np.int8(127)])
def test_huge_shifts_leave_nothing_and_take_no_memory(images, shift):
    shifts = np.full((23, 2), shift)
    assert not shift_images(images, shifts).any()
    shifts[:, 1] = 0
    assert not shift_images(images, shifts).any()


def test_shift_errors(images):
    with pytest.raises(ValueError, match=r"shift_images: images \(23, 7, 9\) and shifts \(2,\)"):
        shift_images(images, np.array([1, 2]))
    with pytest.raises(ValueError, match="shift_images: shifts of dtype float64, expected integers"):
        shift_images(images, np.zeros((23, 2)))


def test_a_plain_pass_is_the_dataset_in_order(images):
    batches = list(DataLoader(images, LABELS.astype(np.uint8), 5))
    assert [len(y) for _, y in batches] == [5, 5, 5, 5, 3]
    np.testing.assert_array_equal(np.concatenate([x for x, _ in batches]), normalize(images))
    labels = np.concatenate([y for _, y in batches])
    assert labels.dtype == np.int64
    np.testing.assert_array_equal(labels, LABELS)


@pytest.mark.parametrize(("batch_size", "drop_last", "count"), [
    (5, False, 5), (5, True, 4), (23, True, 1), (99, False, 1)])
def test_number_of_batches(images, batch_size, drop_last, count):
    data = DataLoader(images, LABELS, batch_size, drop_last=drop_last)
    assert len(data) == len(list(data)) == count


def test_shuffling_keeps_every_image_with_its_label(images):
    data = loader(images, shuffle=True)
    first, second = (np.concatenate([y for _, y in data]) for _ in range(2))
    assert sorted(first) == sorted(second) == list(LABELS)
    assert first.tolist() != second.tolist() != list(LABELS)
    for x, y in data:
        np.testing.assert_array_equal(x, normalize(images[y]))


def test_shifted_batches_are_shifted_images(images):
    candidates = {label: [] for label in LABELS}
    for dy in range(-2, 3):
        for dx in range(-2, 3):
            for label, image in enumerate(normalize(shift_images(images, np.full((23, 2), (dy, dx))))):
                candidates[label].append(image.tobytes())
    drawn = [candidates[label].index(image.tobytes()) for batch, labels in loader(images, max_shift=2)
             for image, label in zip(batch, labels, strict=True)]
    assert len(set(drawn)) > 10


def test_the_seed_decides_all(images):
    same_bits(loader(images, 3, shuffle=True, max_shift=2), loader(images, 3, shuffle=True, max_shift=2))
    one, other = (next(iter(loader(images, seed, shuffle=True)))[1].tolist() for seed in (3, 4))
    assert one != other


@pytest.mark.parametrize("start", range(6))
def test_resuming_gives_the_same_bits(images, start):
    whole, resumed = (loader(images, shuffle=True, max_shift=2) for _ in range(2))
    same_bits(list(whole)[start:], resumed.batches(start))
    same_bits(whole, resumed)  # the generators are in the same state: so is the next pass


def test_a_pass_draws_when_it_starts(images):
    data = loader(images, shuffle=True)
    data.batches()
    state = data.rng.bit_generator.state
    list(data.batches(5))
    assert state != data.rng.bit_generator.state
    unused = loader(images, shuffle=True)
    unused.batches()
    assert unused.rng.bit_generator.state == state


def test_floating_images_are_taken_as_they_stand():
    images = np.random.default_rng(0).standard_normal((23, 3, 4, 4))
    x, _ = next(iter(DataLoader(images, LABELS, 23)))
    assert x.dtype == np.float64
    np.testing.assert_array_equal(x, images)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_not_a_number_is_located(value):
    images = np.zeros((23, 1, 4, 4), np.float32)
    images[[17, 20], 0, 2, 3] = value
    with pytest.raises(ValueError, match="NaN or infinity in 2 of 23 images, first at index 17"):
        DataLoader(images, LABELS)


@pytest.mark.parametrize(("shape", "dtype"), [
    ((0, 28, 28), np.uint8), ((0, 1, 28, 28), np.float32), ((3, 0, 28), np.uint8)])
def test_empty_dataset(shape, dtype):
    with pytest.raises(ValueError, match="the dataset is empty"):
        DataLoader(np.zeros(shape, dtype), np.zeros(shape[0], int))


@pytest.mark.parametrize(("shape", "dtype"), [
    ((23, 7, 9), np.float32), ((23, 1, 7, 9), np.uint8), ((23, 7, 9), np.int64)])
def test_images_of_the_wrong_kind(shape, dtype):
    with pytest.raises(ValueError, match=r"images of dtype \w+ and shape .* expected uint8 \(n, height, width\)"):
        DataLoader(np.zeros(shape, dtype), LABELS)


@pytest.mark.parametrize(("labels", "message"), [
    (LABELS[:-1], r"labels of shape \(22,\) for 23 images, expected \(23,\)"),
    (np.eye(23, dtype=int), r"labels of shape \(23, 23\) for 23 images"),
    (LABELS.astype(float), "labels of dtype float64, expected integers"),
    (None, "the labels are None: give an array"), ([[1, 2], [3]] * 9, "the labels do not have the same shape"),
    (LABELS > 3, "labels of dtype bool, expected integers")])
def test_labels_that_do_not_fit(images, labels, message):
    with pytest.raises(ValueError, match=message):
        DataLoader(images, labels)


@pytest.mark.parametrize(("options", "message"), [
    ({"batch_size": 0}, "batch_size must be an integer of at least 1, not 0"),
    ({"batch_size": 24, "drop_last": True}, "drop_last leaves no batch of 24 out of 23 images"),
    ({"max_shift": 7}, "max_shift is 7, expected 0 to 6"),
    ({"max_shift": -1}, "max_shift must be an integer of at least 0, not -1"),
    ({"shuffle": True}, r"rng is None; pass rng=np.random.default_rng\(seed\)"),
    ({"max_shift": 1}, r"pass rng=np.random.default_rng\(seed\)")])
def test_options_that_cannot_be(images, options, message):
    with pytest.raises(ValueError, match=message):
        DataLoader(images, LABELS, **options)


def test_floating_images_cannot_be_shifted():
    with pytest.raises(ValueError, match="max_shift needs uint8 images, not float32"):
        DataLoader(np.zeros((23, 1, 4, 4), np.float32), LABELS, max_shift=1, rng=np.random.default_rng(0))


@pytest.mark.parametrize("start", [-1, 6])
def test_starting_outside_the_pass(images, start):
    with pytest.raises(ValueError, match=f"start is {start}, expected 0 to 5"):
        loader(images).batches(start)


# Zero and one, and what does not belong together.

@pytest.mark.parametrize("shape", [(0, 7, 9), (3, 0, 9), (3, 7, 0)])
def test_no_images_or_no_pixels_are_refused(shape):
    with pytest.raises(ValueError, match=r"DataLoader: the dataset is empty: images of shape"):
        DataLoader(np.zeros(shape, np.uint8), np.zeros(shape[0], int))


@pytest.mark.parametrize("batch_size", [1, 2, 64])
def test_one_image_is_one_batch(images, batch_size):
    ((x, y),) = DataLoader(images[:1], [4], batch_size, shuffle=True, max_shift=1, rng=np.random.default_rng(0))
    assert x.shape == (1, 1, 7, 9) and y.tolist() == [4]


def test_one_pixel(images):
    ((x, _),) = DataLoader(images[:5, :1, :1], LABELS[:5], 8)
    np.testing.assert_array_equal(x, normalize(images[:5, :1, :1]))


@pytest.mark.parametrize("count", [0, 22, 24])
def test_one_label_for_each_image(images, count):
    with pytest.raises(ValueError, match=rf"DataLoader: labels of shape \({count},\) for 23 images, expected \(23,\)"):
        DataLoader(images, np.zeros(count, int))


def test_labels_that_int64_does_not_have(images):
    labels = np.zeros(23, np.uint64)
    assert DataLoader(images, labels).labels.dtype == np.int64
    labels[7] = 2 ** 63
    with pytest.raises(ValueError, match="label 9223372036854775808 at index 7 is larger than every int64"):
        DataLoader(images, labels)


def test_images_of_another_byte_order(rng):
    images = rng.normal(size=(4, 1, 3, 3))
    ((x, _),) = DataLoader(images.astype(">f8"), np.arange(4))
    assert x.dtype.isnative
    np.testing.assert_array_equal(x, images)


def test_a_start_that_is_no_integer(images):
    with pytest.raises(ValueError, match="DataLoader: start must be an integer, not 0.5"):
        DataLoader(images, LABELS).batches(0.5)


@pytest.mark.parametrize("parts", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("options", [{}, {"shuffle": True, "max_shift": 2, "augment": ("flip", "rotate", "crop")},
                                     {"shuffle": True, "prefetch": True}])
def test_the_parts_of_a_batch_together_are_the_batch(images, parts, options):
    """Also with more parts than images: 5 in a batch, 3 in the last one."""
    whole = list(loader(images, **options).batches(2))
    pieces = [list(loader(images, **options).batches(2, (i, parts))) for i in range(parts)]
    assert all(len(own) == len(whole) == 3 for own in pieces)
    for k in range(3):
        own = [piece[k] for piece in pieces]
        np.testing.assert_array_equal(np.concatenate([x for x, _ in own]), whole[k][0])
        assert np.concatenate([y for _, y in own]).tolist() == whole[k][1].tolist()
        assert max(len(y) for _, y in own) - min(len(y) for _, y in own) <= 1


@pytest.mark.parametrize("shard", [(2, 2), (-1, 2), (0, 0), (0.5, 2)])
def test_a_part_that_is_not_there(images, shard):
    with pytest.raises(ValueError, match="DataLoader: shard "):
        DataLoader(images, LABELS).batches(0, shard)
