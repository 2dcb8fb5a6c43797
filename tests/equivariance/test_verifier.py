"""The verifier: borders, strides, constants, rounding, defects, proofs and errors."""

import numpy as np
import pytest
from scipy import ndimage
from scipy.signal import convolve2d

from minicnn import InputError, InputTypeError
from minicnn import functional as F
from minicnn.conv import algorithms
from minicnn.equivariance import verify_convolution
from minicnn.nn import Conv2d, Dropout, Sequential
from tests.recorder import Recorder


def test_halo_of_two_padded_layers_is_44_of_144_pixels(rng):
    layers = Sequential(*(Conv2d(1, 1, 3, padding=1, bias=False, dtype=np.float64, rng=rng) for _ in range(2)))
    report = verify_convolution(layers, size=(12, 12), domain="plane")
    assert report.halo == (1, 1, 1, 1)
    assert report.failing.sum() == 44
    assert verify_convolution(layers, size=(12, 12)).halo == (2, 2, 2, 2)
    assert verify_convolution(layers[:1], size=(12, 12), domain="plane")


def each_image(filtered):
    return lambda f: np.stack([[filtered(channel) for channel in image] for image in f])


K = np.random.default_rng(3).standard_normal((3, 3))


@pytest.mark.parametrize("op", [
    lambda f: 0.001 * f + 100, lambda f: 1e-6 * f + 1, lambda f: f + 1e6,
    lambda f: f * np.float32(0.01) + np.float32(1e4),
], ids=["0.001 f + 100", "f / 1e6 + 1", "f + 1e6", "float32"])
def test_a_large_constant_is_a_constant(op):
    assert verify_convolution(op).verdict == "a convolution plus a constant"
    assert verify_convolution(op, dtype=np.float32)


@pytest.mark.parametrize("mode", ["wrap", "constant", "reflect"])
def test_every_padding_in_a_window_has_its_halo_and_its_kernel(mode):
    report = verify_convolution(each_image(lambda c: ndimage.convolve(c, K, mode=mode)), domain="window")
    assert report.halo == (1, 1, 1, 1)
    np.testing.assert_allclose(report.impulse_response.kernel[0, 0], K, atol=1e-12)
    assert report.impulse_response.origin == (1, 1)
    assert report.verdict.endswith("but one inside")


@pytest.mark.parametrize("domain", ["torus", "window"])
def test_stride_and_border_are_both_told(domain, rng):
    conv = Conv2d(1, 1, 3, stride=2, padding=1, dtype=np.float64, rng=rng)
    report = verify_convolution(conv, domain=domain)
    assert report.halo == (1, 0, 1, 0)
    assert "every 2 x 2-th pixel of one plus a constant inside" in report.verdict
    np.testing.assert_allclose(report.impulse_response.kernel, conv.weight.data[..., ::-1, ::-1], atol=1e-12)


def test_transposed_convolution():
    up = lambda c: np.kron(c, [[1, 0], [0, 0]])[:-1, :-1]
    op = each_image(lambda c: convolve2d(up(c), K))
    assert "but one after 2 x 2 upsampling with zeros;" in verify_convolution(op, domain="plane").verdict
    assert "but one after 2 x 2 upsampling with zeros inside" in verify_convolution(op, domain="window").verdict


@pytest.mark.parametrize("op", [
    lambda f: F.max_unpool2d(*F.max_pool2d(f, 2, return_indices=True), 2),
    lambda f: np.round(f * (1 + np.arange(f.shape[-1]) % 2)),
], ids=["unpooled maxima", "rounded stripes"])
def test_jumps_are_no_rounding(op):
    """A change in the last bit decides between equal maxima, or whether 1/2 is rounded up."""
    report = verify_convolution(op, size=(12, 12))
    assert not report.affine and report.lattice[1] == 2


def test_a_mirror_has_no_vertical_shifts():
    assert verify_convolution(lambda f: f[:, :, ::-1], domain="plane").lattice == (None, 1)


def test_what_only_bright_images_show():
    mean = lambda f: f.mean((1, 2, 3), keepdims=True)
    report = verify_convolution(lambda f: np.where(mean(f) > f.std((1, 2, 3), keepdims=True), 0, f))
    assert not report.affine


def test_a_circular_filter_on_the_plane_comes_with_a_warning():
    report = verify_convolution(lambda f: np.roll(f, 1, 3), domain="plane")
    assert "another size may tell more" in report.verdict
    every_second = verify_convolution(lambda f: np.roll(f, 1, 3)[..., ::2, ::2], domain="plane")
    assert "every 2 x 2-th pixel of one, with a kernel that reaches across the image" in every_second.verdict


@pytest.mark.parametrize("domain", ["torus", "plane", "window"])
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (2, 2), (3, 1)])
def test_tiny_images(size, domain):
    assert verify_convolution(lambda f: 2 * f - 1, size=size, domain=domain, exhaustive=True)


# Exactness.

@pytest.mark.parametrize("name", ["naive", "direct", "im2col"])
def test_integers_have_no_error_at_all(name, rng):
    weight = rng.integers(-9, 10, (2, 3, 3, 2)).astype(float)
    bias = rng.integers(-9, 10, 2).astype(float)
    op = lambda f: F.conv2d(f, weight, bias, algorithm=name)
    report = verify_convolution(op, 3, (7, 6), "window", trials=4, integers=True)
    assert report
    assert report.error == 0.0
    assert all(check.error == 0.0 for check in report.checks)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", sorted(algorithms()))
def test_every_algorithm_is_accepted_at_its_own_error_bound(name, dtype, rng):
    weight = rng.standard_normal((6, 5, 3, 3))
    weight /= np.abs(weight).sum((1, 2, 3), keepdims=True)      # the largest |h| * |f| of each channel is that of all:
    weight = weight.astype(dtype)                               # the norm of some algorithms' error_bound
    op = lambda f: F.conv2d(f, weight, algorithm=name)
    bound = 4 * algorithms()[name].error_bound                  # of L(f + g), L(f), L(g) and their sum
    assert verify_convolution(op, 5, (9, 8), "window", dtype, trials=4 if name == "naive" else 8, bound=bound)


def test_float32_inside_is_noticed(rng):
    weight = rng.standard_normal((2, 1, 3, 3)).astype(np.float32)
    op = lambda f: F.conv2d(f.astype(np.float32), weight).data.astype(np.float64)
    assert verify_convolution(op, domain="window")
    assert not verify_convolution(lambda f: np.round(op(f)), domain="window")


def test_a_millionth_at_one_pixel_of_one_channel_is_located(rng):
    conv = Conv2d(2, 3, 3, padding=1, padding_mode="circular", dtype=np.float64, rng=rng)
    wrong = abs(conv.weight.data[1]).max() * 1e-6

    def op(f):
        out = conv(f).data.copy()
        out[:, 1, 4, 7] += wrong * f[:, 0, 5, 7]
        return out
    report = verify_convolution(op, 2, (12, 13))
    assert report.affine
    assert not report
    assert np.argwhere(report.failing).tolist() == [[4, 7]]
    assert report.witness.law.name == "equivariance"
    assert report.witness.pixel[0] == 1
    assert report.witness.pixel[1:] in ((4, 7), (5, 7))
    assert np.count_nonzero(report.witness.inputs[0]) == 1


# Proofs.

@pytest.mark.parametrize(("options", "domain", "true"), [
    ({"padding": 1, "padding_mode": "circular"}, "torus", True), ({}, "window", True), ({"padding": 1}, "plane", True),
    ({"padding": 1}, "window", False), ({"padding": 1}, "torus", False), ({"stride": 2}, "window", False),
])
def test_exhaustive(options, domain, true, rng):
    conv = Conv2d(2, 2, 3, dtype=np.float64, rng=rng, **options)
    report = verify_convolution(conv, 2, (7, 8), domain, exhaustive=True)
    assert bool(report) is true
    assert report.proof
    last = report.checks[-1]
    assert last.name == "basis"
    assert last.passed is (true or "stride" in options)


def test_a_defect_that_no_random_image_shows_is_found_by_all_basis_vectors():
    """With random images and a large bound this defect is smaller than the tolerance. A basis vector shows it."""
    def op(f):
        out = f * 1.0
        out[:, 0, 3, 4] += 1e-12 * f[:, 0, 6, 6]
        return out
    assert verify_convolution(op, size=(8, 9), bound=1e6)
    report = verify_convolution(op, size=(8, 9), exhaustive=True, bound=1e4)
    assert not report
    assert np.argwhere(report.failing).tolist() == [[3, 4]]


def test_no_proof_without_linearity():
    assert not verify_convolution(F.relu, exhaustive=True).proof


# Operators and arguments that the verifier refuses.

def test_results_that_change_come_before_anything_else(rng):
    report = verify_convolution(Dropout(0.5, rng=rng))
    assert (report.deterministic, report.linear, report.convolution) == (False, False, False)
    assert report.verdict == ("not deterministic: the same input gives different results; "
                              "the Dropout is in training mode: call eval()")
    report = verify_convolution(lambda f: f - f.mean(0, keepdims=True))
    assert "depends on the others in the batch" in report.verdict
    assert [check.name for check in report.checks] == ["determinism", "independence"]


def test_answers_that_an_operator_keeps():
    """The first answer for each shape, as of a cache whose key is too coarse."""
    kept = {}
    report = verify_convolution(lambda f: kept.setdefault(f.shape, 2 * f), size=6)
    assert not report and "not an operator on single images" in report.verdict


def test_a_huge_gain_is_judged_without_a_warning():
    assert verify_convolution(lambda f: 1e300 * f, size=5)


@pytest.mark.parametrize(("arguments", "error", "message"), [
    ({"domain": "sphere"}, InputError, "domain must be one of 'torus', 'plane', 'window', not 'sphere'"),
    ({"trials": 0}, InputError, "trials must be an integer of at least 1, not 0"),
    ({"dtype": "double float"}, InputTypeError, "dtype must be float32 or float64, not 'double float'"),
    ({"exhaustive": "no"}, InputTypeError, "exhaustive must be True or False, not 'no'"),
    ({"bound": -1}, InputError, "bound must be a number above 0, not -1"),
    ({"rng": 3}, InputTypeError, r"rng must be a numpy.random.Generator such as numpy.random.default_rng\(3\), not 3"),
])
def test_misuse(arguments, error, message):
    with pytest.raises(error, match=message):
        verify_convolution(**{"op": F.relu} | arguments)


@pytest.mark.parametrize("exhaustive", [False, True])
def test_progress_goes_on_to_the_end(exhaustive):
    progress = Recorder()
    verify_convolution(lambda f: 2 * f, size=(4, 5), exhaustive=exhaustive, progress=progress)
    parts = [done / total for done, total, _ in progress.updates]
    assert parts == sorted(parts)
    assert parts[0] == 0 and parts[-1] == 1
    assert len(parts) == 5 + 4 * exhaustive                     # a row of basis vectors at a time
