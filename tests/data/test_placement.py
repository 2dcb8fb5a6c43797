"""Digits at places on a canvas, and digits shifted within a view."""

import numpy as np
import pytest

from minicnn.data import load, shift_images
from minicnn.data.placement import Shifts, place, placements
from minicnn.errors import InputError


@pytest.fixture(scope="module")
def images():
    return load("mnist5k").val_images


def test_all_placements_are_there_once_in_order():
    offsets = placements()
    assert offsets.tolist() == [[y, x] for y in range(11) for x in range(11)]
    assert placements(3, 3).tolist() == [[0, 0]]


def test_place_against_a_loop(rng):
    images = rng.integers(0, 256, (4, 3, 5), dtype=np.uint8)
    offsets = np.array([[0, 0], [4, 3], [1, 2], [3, 0]])
    out = place(images, (7, 8), offsets)
    assert out.shape == (4, 7, 8) and out.dtype == np.uint8
    for image, (y, x), result in zip(images, offsets, out, strict=True):
        expected = np.zeros((7, 8), np.uint8)
        expected[y:y + 3, x:x + 5] = image
        np.testing.assert_array_equal(result, expected)
    np.testing.assert_array_equal(place(images, (7, 8), (4, 3))[1], out[1])


@pytest.mark.parametrize("view", [28, 34, 38, 70])
def test_shifts_against_shift_images(view, images):
    shifts = Shifts(5, view)
    for dy, dx in ((0, 0), (5, -5), (-3, 2), (-5, 0)):
        margin = max(0, view - 28) // 2
        padded = np.pad(images[:3], ((0, 0), (margin, margin), (margin, margin)))
        expected = shift_images(padded, np.full((3, 2), (dy, dx)))
        np.testing.assert_array_equal(shifts.images(images[:3], dy, dx), expected)


def test_ink_lost(images):
    assert not Shifts(5, 38).ink_lost(images[:20]).any()
    lost = Shifts(5, 28).ink_lost(images)
    moved = shift_images(images, np.full((len(images), 2), (-5, 4)))
    assert lost[0, 9] == pytest.approx(1 - moved.sum() / images.sum(), rel=1e-12)
    assert lost[5, 5] == 0 and 0.005 < lost[0, 5] < 0.04        # the margin of MNIST is about 4 pixels


def test_the_shift_model_is_told_in_words():
    assert "moved by -5..5 each way (121 places), " in str(Shifts())
    assert "the network sees all 38x38 pixels" in str(Shifts())
    assert "the network sees only the middle 28x28 pixels" in str(Shifts(view=28))


def test_distance_and_parity():
    shifts = Shifts(2)
    assert shifts.distance.tolist() == [[2] * 5, [2, 1, 1, 1, 2], [2, 1, 0, 1, 2], [2, 1, 1, 1, 2], [2] * 5]
    even, other = shifts.parity["both even"], shifts.parity["otherwise"]
    assert even.tolist() == [[1, 0, 1, 0, 1], [0] * 5, [1, 0, 0, 0, 1], [0] * 5, [1, 0, 1, 0, 1]]
    assert other.tolist() == [[0, 1, 0, 1, 0], [1, 0, 0, 0, 1], [0] * 5, [1, 0, 0, 0, 1], [0, 1, 0, 1, 0]]
    for distance in (2, 4):
        ring = Shifts(5).distance == distance
        assert all((mask & ring).sum() == ring.sum() / 2 for mask in Shifts(5).parity.values())


IMAGES = np.zeros((2, 28, 28), np.uint8)


@pytest.mark.parametrize(("call", "message"), [
    (lambda: placements(28, 27), "placements: a digit of 28 pixels does not fit on a canvas of 27: give 1 <= digit"),
    (lambda: place(IMAGES[0], 38, (0, 0)), r"place: the images must have shape \(n, H, W\) or \(n, H, W, 3\), not"),
    (lambda: place(IMAGES, 38, (0.0, 0.0)), r"place: the offsets must be integers of shape \(2,\) or \(2, 2\), not fl"),
    (lambda: place(IMAGES, 38, [[1, 2, 3]]), r"offsets must be integers .*, not int64 of shape \(1, 3\)"),
    (lambda: place(IMAGES, 38, [[0, 0], [3, 11]]), r"place: a digit of shape \(28, 28\) at \(3, 11\) does not lie on a "
                                                   r"canvas of shape \(38, 38\): offsets go from 0 to \(10, 10\)"),
    (lambda: place(IMAGES, 38, (-1, 0)), r"at \(-1, 0\) does not lie on a canvas"),
    (lambda: place(IMAGES, 0, (0, 0)), "place: canvas must be an integer or a pair of integers of at least 1, not 0"),
    (lambda: Shifts(-1), "Shifts: reach -1, view 38, digit 28: the reach must be at least 0"),
    (lambda: Shifts(1, 26), "Shifts: reach 1, view 26, digit 28"),
    (lambda: Shifts(1, 29), "and the view the digit's size plus an even number, so that it can be centred"),
    (lambda: Shifts().images(np.zeros((2, 27, 28)), 0, 0), r"Shifts: the images must have shape \(n, 28, 28\), not"),
])
def test_bad_input_is_named(call, message):
    with pytest.raises(InputError, match=message):
        call()


@pytest.mark.parametrize("dtype", [np.uint64, np.int8, np.uint8])
def test_offsets_of_every_integer_dtype(dtype):
    images = np.ones((2, 1, 2), np.uint8)
    out = place(images, 3, np.array([[0, 1], [2, 0]], dtype))
    assert out.sum(axis=(1, 2)).tolist() == [2, 2] and out[0, 0].tolist() == [0, 1, 1]
    with pytest.raises(ValueError, match="place: a digit of shape .* does not lie on a canvas"):
        place(images, 3, np.array([[0, 1], [np.iinfo(dtype).max, 0]], dtype))


def test_no_images_and_no_ink():
    assert place(np.zeros((0, 2, 2)), 5, (1, 1)).shape == (0, 5, 5)
    for images in (np.zeros((2, 28, 28), np.uint8), np.zeros((0, 28, 28), np.uint8)):
        assert not Shifts(view=28, reach=1).ink_lost(images).any()


def test_sizes_that_are_no_integers():
    with pytest.raises(ValueError, match="placements: digit must be an integer, not 2.5"):
        placements(2.5, 5)
    with pytest.raises(ValueError, match="Shifts: reach must be an integer, not 1.5"):
        Shifts(reach=1.5)
