"""A strided convolution is a convolution of stride 1 of the phases of the image."""

import numpy as np
import pytest

from minicnn.conv import Geometry, algorithms, phases

CASES = [
    ((16, 2, 9, 12), (3, 2, 3, 3), {"stride": 2, "padding": 1}),
    ((17, 1, 12, 10), (2, 1, 7, 5), {"stride": (3, 2), "padding": (2, 4)}),
    ((3, 2, 13, 13), (2, 2, 11, 11), {"stride": 4, "padding": 2}),
    ((5, 3, 8, 7), (2, 3, 3, 4), {"stride": (2, 3), "padding": (3, 2), "padding_mode": "circular"}),
    ((2, 2, 9, 6), (2, 2, 4, 2), {"stride": (2, 1)}),
    ((1, 1, 3, 3), (1, 1, 3, 3), {"stride": 2, "padding": 9}),          # more padding than image
]


def operands(case, rng, dtype="float64"):
    g = Geometry.of(*case[:2], dtype=dtype, **case[2])
    return g, [rng.standard_normal(shape).astype(dtype)
               for shape in (g.in_shape, g.weight_shape, g.out_channels, g.out_shape)]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_winograd_on_the_phases_equals_im2col(case, rng, few_kernels):
    g, (x, weight, bias, grad) = operands(case, rng)
    found, wanted = ([out, *algorithm.backward(grad, saved, (True, True, True))] for algorithm in
                     (algorithms()["winograd"], algorithms()["im2col"])
                     for out, saved in [algorithm.forward(x, weight, bias, g, True)])
    for ours, exact in zip(found, wanted, strict=True):
        np.testing.assert_allclose(ours, exact, atol=1e-11)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_splitting_and_joining_are_adjoint(case, rng):
    g, (x, weight, _, _) = operands(case, rng)
    g = g.padded_form if g.padding_mode == "circular" else g
    x = rng.standard_normal((g.in_channels, g.height, g.width, g.batch))
    for split, join, array in ((phases.split_image, phases.join_image, x),
                               (phases.split_weight, phases.join_weight, weight)):
        parts = split(array, g)
        other = rng.standard_normal(parts.shape)
        assert (parts * other).sum() == pytest.approx((array * join(other, g)).sum())


def test_pixels_that_the_kernel_never_meets_are_not_read(rng, few_kernels):
    """They are NaN here, and have a gradient of exactly 0."""
    g, (x, weight, bias, grad) = operands(((16, 2, 8, 8), (3, 2, 3, 3), {"stride": 2}), rng, "float32")
    x[:, :, 7], x[:, :, :, 7] = np.nan, np.nan
    algorithm = algorithms()["winograd"]
    out, saved = algorithm.forward(x, weight, bias, g)
    grad_input, grad_weight, _ = algorithm.backward(grad, saved, (True, True, True))
    assert np.isfinite(out).all() and np.isfinite(grad_weight).all()
    assert (grad_input[:, :, 7] == 0).all() and (grad_input[:, :, :, 7] == 0).all()
