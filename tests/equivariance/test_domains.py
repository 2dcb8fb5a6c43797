"""Shifts, impulses, domains, and the verifier's own convolution."""

import numpy as np
import pytest

from minicnn.equivariance import OperatorError, dirac, shift
from minicnn.equivariance.domains import axes_of, border, compare, shift_candidates, torus_rates
from minicnn.equivariance.impulse import convolve, convolve_basis_row
from minicnn.equivariance.signals import sample_images


def test_shift(rng):
    f = rng.standard_normal((2, 5, 6))
    np.testing.assert_array_equal(shift(f, (2, -3)), np.roll(f, (2, -3), (1, 2)))
    moved = shift(f, (2, -3), "plane")
    np.testing.assert_array_equal(moved[:, 2:, :3], f[:, :3, 3:])
    assert not moved[:, :2].any()
    assert not moved[:, :, 3:].any()
    assert not shift(f, (9, 0), "plane").any()
    with pytest.raises(ValueError, match="'torus' or 'plane'"):
        shift(f, (1, 0), "window")


def test_shifts_of_impulses_make_all_impulses():
    for y, x in np.ndindex(3, 4):
        np.testing.assert_array_equal(shift(dirac((3, 4)), (y, x)), dirac((3, 4), (y, x)))


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("rate", [(1, 1), (2, 1), (1, 2)])
def test_convolve_is_its_definition(periodic, rate, rng):
    alpha, beta = rate
    in_shape, out_shape = (2, 6, 4), (3, 6 * beta // alpha, 4 * beta // alpha)
    axes = axes_of(in_shape, out_shape, (rate, rate), periodic)
    h = rng.integers(-9, 10, (3, 2, axes[0].count, axes[1].count)).astype(float)
    f = rng.integers(-9, 10, (2, *in_shape)).astype(float)
    wanted = np.zeros((2, *out_shape))
    for oy, ox in np.ndindex(*out_shape[1:]):
        for py, px in np.ndindex(*in_shape[1:]):
            dy, dx = axes[0].displacements(py)[oy], axes[1].displacements(px)[ox]
            wanted[:, :, oy, ox] += f[:, :, py, px] @ h[:, :, dy, dx].T
    np.testing.assert_array_equal(convolve(f, h, axes), wanted)


@pytest.mark.parametrize(("periodic", "margin"), [(True, (0, 0)), (False, (0, 0)), (False, (2, 3))])
def test_a_row_of_the_basis_is_convolved_as_images_are(periodic, margin, rng):
    size, channel, y = (5 + 2 * margin[0], 4 + 2 * margin[1]), 1, 3
    axes = axes_of((2, 5, 4), (3, 5, 4), ((1, 1), (1, 1)), periodic)
    h = rng.integers(-9, 10, (3, 2, axes[0].count, axes[1].count)).astype(float)
    basis = np.concatenate([dirac(size, (y, x), channels=2, channel=channel) for x in range(size[1])])
    found = convolve_basis_row(h, axes, margin, size, channel, y)
    np.testing.assert_array_equal(found, convolve(basis, h, axes, margin))


def test_comparing_leaves_out_what_a_shift_brings_in(rng):
    before = rng.standard_normal((2, 1, 4, 5))
    for domain in ("plane", "window"):
        difference, known = compare(before, shift(before, (1, -2), "plane"), (1, -2), domain)
        assert not difference.any()
        assert known.sum() == 3 * 3
    _, known = compare(before, before, (1, 2), "torus")
    assert known.all()


def test_a_border_is_whole_rows_and_columns():
    failing = np.zeros((8, 8), bool)
    assert border(failing) is None
    failing[:2], failing[:, -1:] = True, True
    assert border(failing) == (2, 0, 0, 1)
    failing[4, 4] = True
    assert border(failing) is None
    assert border(np.ones((8, 8), bool)) is None


def test_the_rates_of_the_torus():
    assert torus_rates((1, 8, 6), (3, 4, 12)) == ((2, 1), (1, 2))
    with pytest.raises(OperatorError, match=r"on \(8, 6\) pixels must return .* not \(5, 6\); .* domain='window'"):
        torus_rates((1, 8, 6), (1, 5, 6))


@pytest.mark.parametrize(("domain", "sizes"), [
    *((domain, sizes) for domain in ("torus", "window") for sizes in ((1, 1), (7, 7), (12, 6), (6, 12))),
    ("window", (9, 4))])
def test_the_unit_shift_is_tried_first_and_all_shifts_fit(domain, sizes):
    candidates = shift_candidates(*sizes, domain)
    assert candidates[0][0] == 1
    assert all(a <= sizes[0] and b <= sizes[1] for a, b in candidates)


def test_sample_images_are_of_every_kind(rng):
    images = sample_images(rng, 8, (2, 5, 6), np.float32)
    assert images.dtype == np.float32
    whole = [bool((image == np.rint(image)).all()) for image in images]
    assert whole == [False, True, False, False] * 2
    assert [int(np.count_nonzero(image)) for image in images[2::4]] == [4, 4]
    assert all(image.min() >= 1 for image in images[3::4])
    assert all(image.min() < 0 < image.max() for image in images[:2])
    assert (sample_images(rng, 5, (1, 3, 3), np.float64, integers=True) % 1 == 0).all()
