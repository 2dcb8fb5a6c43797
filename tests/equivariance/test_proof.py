"""Shifts, impulses, impulse responses, the convolution of the verifier, and the derivation."""

import numpy as np
import pytest
from scipy.signal import convolve2d

from minicnn.equivariance import OperatorError, derivation, dirac, impulse_response, shift
from minicnn.equivariance.domains import axes_of, convolve
from minicnn.equivariance.proof import STEPS
from minicnn.nn import Conv2d, ReLU


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


@pytest.mark.parametrize(("options", "domain", "origin"), [
    ({}, "window", (2, 3)), ({"padding": 1}, "plane", (1, 2)), ({"padding": (2, 3)}, "plane", (0, 0)),
    ({"stride": 2}, "window", (2, 3)), ({"stride": (3, 2)}, "plane", (2, 3)), ({"padding": (4, 0)}, "plane", (-2, 3)),
])
def test_impulse_response_is_the_flipped_weight_exactly(options, domain, origin, rng):
    conv = Conv2d(2, 3, (3, 4), rng=rng, algorithm="direct", **options)
    stride = options.get("stride", 1)
    h = impulse_response(conv, 2, (13, 14), domain, stride=stride if isinstance(stride, tuple) else (stride, stride))
    assert h.origin == origin
    np.testing.assert_array_equal(h.kernel, conv.weight.data[..., ::-1, ::-1])
    np.testing.assert_array_equal(h.offset, np.broadcast_to(conv.bias.data[:, None, None], h.offset.shape))


def test_dilation_puts_zeros_between_the_taps(rng):
    conv = Conv2d(1, 1, 3, dilation=2, rng=rng, algorithm="direct")
    kernel = impulse_response(conv, 1, (9, 9), "window").kernel[0, 0]
    assert kernel.shape == (5, 5)
    np.testing.assert_array_equal(kernel[::2, ::2], conv.weight.data[0, 0, ::-1, ::-1])
    assert np.count_nonzero(kernel) == 9


def test_one_impulse_of_a_strided_operator_sees_one_tap_in_four_phases(rng):
    conv = Conv2d(1, 1, 3, stride=3, bias=False, dtype=np.float64, rng=rng)
    assert np.count_nonzero(conv(dirac((9, 9), (4, 4))).data) == 1
    assert impulse_response(conv, 1, (9, 9), "window", stride=(3, 3)).kernel.shape == (1, 1, 3, 3)
    assert np.count_nonzero(impulse_response(conv, 1, (9, 9)).values) == 9             # on the torus sizes say it


def test_a_corner_impulse_of_a_valid_convolution_sees_one_tap(rng):
    conv = Conv2d(1, 1, 3, bias=False, dtype=np.float64, rng=rng)
    assert np.count_nonzero(conv(dirac((7, 7))).data) == 1
    assert np.count_nonzero(conv(dirac((7, 7), (3, 3))).data) == 9


def test_responses_of_layers_convolve(rng):
    first, second = (rng.integers(-9, 10, (1, 1, 5, 5)).astype(float) for _ in range(2))
    layers = [Conv2d(1, 1, 5, bias=False, dtype=np.float64) for _ in range(2)]
    for layer, weight in zip(layers, (first, second), strict=True):
        layer.weight.data[...] = weight
    kernel = impulse_response(lambda f: layers[1](layers[0](f)), 1, (24, 24), "window").kernel[0, 0]
    assert kernel.shape == (9, 9)
    np.testing.assert_allclose(kernel, convolve2d(first[0, 0, ::-1, ::-1], second[0, 0, ::-1, ::-1]), atol=1e-9)


def test_impulse_response_far_away_on_the_torus():
    h = impulse_response(lambda f: np.roll(f, (2, 5), (2, 3)), 1, (12, 12))
    assert h.kernel.tolist() == [[[[1.0]]]]
    assert h.origin == (-2, -5)


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


# The derivation.

def test_every_step_of_a_convolution_holds(rng):
    conv = Conv2d(2, 3, 3, padding=1, padding_mode="circular", dtype=np.float64, rng=rng)
    found = derivation(conv, rng.standard_normal((2, 6, 5)))
    assert found.breaks is None
    assert [step.holds for step in found.steps] == [True] * len(STEPS)
    assert str(found).count("ok  ") == len(STEPS)
    np.testing.assert_allclose(found.steps[0].value, found.steps[-1].value, atol=1e-12)


def test_integers_agree_exactly_up_to_the_fourier_transform(rng):
    f = rng.integers(-9, 10, (5, 6))
    found = derivation(lambda f: 3 * np.roll(f, 1, 2) - f, f)
    assert [step.difference for step in found.steps[:-1]] == [0.0] * (len(STEPS) - 1)


@pytest.mark.parametrize(("op", "step"), [
    (ReLU(), "linearity"), (np.square, "linearity"), (lambda f: f[..., ::-1], "equivariance"),
    (lambda f: f * np.arange(6.0), "equivariance"), (Conv2d(1, 1, 3, padding=1, dtype=np.float64), "equivariance"),
], ids=["relu", "square", "mirror", "gain", "zero padding"])
def test_what_is_none_breaks_at_its_step(op, step, rng):
    assert derivation(op, rng.standard_normal((6, 6))).breaks == step


def test_derivation_of_nothing():
    found = derivation(lambda f: f + 1.0, np.zeros((3, 4)))
    assert found.breaks is None
    with pytest.raises(ValueError, match="not finite"):
        derivation(np.abs, np.full((3, 4), np.nan))


def test_derivation_refuses_what_it_cannot_do(rng):
    with pytest.raises(OperatorError, match="keep the size"):
        derivation(Conv2d(1, 1, 3, dtype=np.float64), rng.standard_normal((6, 6)))
    with pytest.raises(ValueError, match=r"shape \(C, H, W\) or \(H, W\)"):
        derivation(np.abs, np.zeros((1, 1, 4, 4)))
