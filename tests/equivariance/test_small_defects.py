"""The verifier finds small defects and accepts right operators: few seeds of `small_defects`, and named cases."""

import json

import numpy as np
import pytest

from minicnn.conv import algorithms
from minicnn.equivariance import EquivarianceError, assert_equivariant, layer_reports, verify_convolution
from minicnn.nn import BlurPool2d, Conv2d, Module, Sequential
from tests.equivariance.small_defects import case, equivariance_broken

SHIFT = {"float32": 1e-5, "float64": 1e-6}


@pytest.mark.parametrize("dtype", SHIFT)
@pytest.mark.parametrize("place", ["pixel", "channel", "half", "weight"])
def test_small_defects_are_found(place, dtype):
    algorithm = "direct" if place == "weight" else None         # the others mix pixels
    for seed in range(2):
        text, op, channels, size, domain, constant, _ = case(seed, dtype, place, 13, algorithm)
        report = verify_convolution(op, channels, size, domain, dtype)
        if constant <= 1:
            assert report.affine and not report, text
            assert equivariance_broken(op, channels, size, domain, dtype), text
            assert report.smallest_defect < SHIFT[dtype], text


@pytest.mark.parametrize("name", ["fft", "winograd"])
def test_a_single_weight_of_an_algorithm_that_mixes_pixels(name):
    """It is found if it is as large as the report says; a weight that is small beside the others is below that."""
    for seed in {"fft": (4, 8), "winograd": (8, 11)}[name]:
        relative = 1e-3 if seed % 2 else 1e-5
        text, op, channels, size, domain, _, defect = case(seed, "float32", "weight", 13, name, relative)
        report = verify_convolution(op, channels, size, domain, np.float32)
        if defect >= report.smallest_weight:
            assert not report and equivariance_broken(op, channels, size, domain, np.float32), text
        assert not seed % 2 or not report
        assert f"{report.smallest_weight:.1e} of the largest weight, in any single weight" in report.power


@pytest.mark.parametrize(("seed", "dtype"), [(5004, "float64"), (6017, "float64"), (6027, "float32")])
def test_small_kernels_by_fft_are_accepted(seed, dtype):
    """An FFT rounds more than a change of the image in its last bit shows, and more than the terms of dark pixels."""
    text, op, channels, size, domain, *_ = case(seed, dtype, None, 12, "fft")
    assert verify_convolution(op, channels, size, domain, dtype), text


@pytest.mark.parametrize("dtype", SHIFT)
@pytest.mark.parametrize("name", sorted(set(algorithms()) - {"naive"}))
def test_right_operators_are_accepted(name, dtype):
    text, op, channels, size, domain, *_ = case(7, dtype, None, 21, name)
    report = verify_convolution(op, channels, size, domain, dtype)
    assert report, f"{text}: {report}"
    assert equivariance_broken(op, channels, size, domain, dtype) == "", text


@pytest.mark.parametrize("size", [(12, 12), (64, 64)])
@pytest.mark.parametrize("constant", [0.0, 1e4])
def test_large_constants_in_float32(size, constant, rng):
    conv = Conv2d(1, 1, 3, padding=1, padding_mode="circular", rng=rng)
    conv.bias.data[:] = constant
    report = verify_convolution(conv, size=size, dtype=np.float32, trials=4)
    assert report
    assert (report.smallest_defect > 1e-5) == (constant > 0)


def gain(place, by, dtype):
    g = np.ones((16, 16), dtype)
    g[place] += by
    return lambda f: f * g


@pytest.mark.parametrize("exhaustive", [False, True])
@pytest.mark.parametrize(("dtype", "by"), [("float32", 1e-4), ("float32", 1e-5), ("float64", 1e-6), ("float64", 1e-12)])
def test_a_gain_that_is_off_at_one_pixel(dtype, by, exhaustive):
    op = gain((5, 7), by, dtype)
    report = verify_convolution(op, dtype=dtype, exhaustive=exhaustive)
    assert not report
    assert report.witness.holds(op)
    with pytest.raises(EquivarianceError, match="not equivariant to the shift"):
        assert_equivariant(op, dtype=dtype)

    class Gain(Module):
        def forward(self, f):
            return f * gain_of
    gain_of = np.ones((16, 16), dtype)
    gain_of[5, 7] += by
    layer, = layer_reports(Sequential(Gain()), domain="torus", dtype=dtype)
    assert not layer.report.equivariant


def test_an_option_sets_the_tolerance_and_the_report_tells_the_smallest_defect():
    op = gain((5, 7), 1e-5, "float32")
    assert not verify_convolution(op, dtype=np.float32)
    wide = verify_convolution(op, dtype=np.float32, bound=1e3)
    assert wide and 1e-4 < wide.smallest_defect < 1e-3
    assert f"the smallest defect that was looked for: {wide.smallest_defect:.1e} of the result" in str(wide)
    assert json.loads(json.dumps(wide.to_dict()))["smallest_defect"] == wide.smallest_defect
    assert verify_convolution(lambda f: 0 * f).smallest_defect is None


@pytest.mark.parametrize("domain", ["torus", "window", "plane"])
@pytest.mark.parametrize(("kernel", "stride"), [(7, 2), (5, 2), (4, 2), (3, 3)])
def test_a_blur_pool_is_a_subsampled_convolution_inside_of_its_border(kernel, stride, domain):
    size = (15, 15) if stride == 3 else (16, 16)
    report = verify_convolution(BlurPool2d(kernel, stride), size=size, domain=domain)
    assert f"every {stride} x {stride}-th pixel of one inside" in report.verdict, report.verdict
    assert report.impulse_response.kernel.shape[2:] == (kernel, kernel)
