"""Impulse responses."""

import numpy as np
import pytest
from scipy.signal import convolve2d

from minicnn import InputError
from minicnn.equivariance import OperatorError, dirac, impulse_response
from minicnn.nn import Conv2d


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


def test_misuse():
    with pytest.raises(InputError, match="domain must be one of 'torus', 'plane', 'window', not 'ball'"):
        impulse_response(np.copy, domain="ball")
    with pytest.raises(InputError, match="stride must be an integer or a pair of integers of at least 1, not 0"):
        impulse_response(np.copy, domain="window", stride=0)
    with pytest.raises(OperatorError, match="on the torus an operator on"):
        impulse_response(lambda f: f[..., 1:])
