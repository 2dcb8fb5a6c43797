"""The verifier: what is known of well-known operators, its witnesses, its proofs, and what it refuses to judge."""

import json

import numpy as np
import pytest
from scipy import ndimage
from scipy.signal import convolve2d

from minicnn import functional as F
from minicnn.conv import algorithms
from minicnn.equivariance import EquivarianceError, OperatorError, Witness, check_equivariance, layer_reports
from minicnn.equivariance.known_operators import catalogue, run_catalogue
from minicnn.equivariance.verifier import verify_convolution
from minicnn.models import lenet
from minicnn.nn import Conv2d, Dropout, Linear, MaxPool2d, Module, ReLU, Sequential


def test_catalogue():
    outcomes = run_catalogue()
    assert [outcome.name for outcome in outcomes if not outcome.right] == []
    refuted = [o for o in outcomes if not o.report and o.report.deterministic]
    for outcome in refuted:
        if outcome.report.checks[0].name == "determinism" and outcome.report.witness:
            assert outcome.report.witness.holds(outcome.entry.op), outcome.name


def test_what_an_entry_is_not_is_noticed():
    """The catalogue's verdicts can fail: a convolution is not taken for something else."""
    entries = {entry.name: entry for entry in catalogue()}
    report = verify_convolution(entries["ReLU"].op)
    assert not report
    assert report.equivariant
    assert verify_convolution(entries["identity"].op)


# Facts of theory: the median, the mirror image, the square.

def test_median_is_homogeneous_and_blind_to_impulses():
    moves = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1)]
    report = verify_convolution(lambda f: np.median([np.roll(f, by, (2, 3)) for by in moves], 0))
    passed = {check.name: check.passed for check in report.checks}
    assert passed["homogeneity"]
    assert not passed["additivity"]
    assert not report.impulse_response.values.any()


def test_square_answers_an_impulse_with_an_impulse():
    report = verify_convolution(np.square)
    assert report.impulse_response.kernel.tolist() == [[[[1.0]]]]
    assert not report.affine


def test_relu_on_non_negative_images_would_pass():
    f = np.random.default_rng(0).random((2, 1, 8, 8))
    np.testing.assert_array_equal(F.relu(f).data, f)
    assert not verify_convolution(F.relu).linear


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


def test_a_mirror_has_no_vertical_shifts():
    assert verify_convolution(lambda f: f[:, :, ::-1], domain="plane").lattice == (None, 1)


def test_what_only_bright_images_show():
    mean = lambda f: f.mean((1, 2, 3), keepdims=True)
    report = verify_convolution(lambda f: np.where(mean(f) > f.std((1, 2, 3), keepdims=True), 0, f))
    assert not report.affine


def test_a_circular_filter_on_the_plane_comes_with_a_warning():
    report = verify_convolution(lambda f: np.roll(f, 1, 3), domain="plane")
    assert "another size may tell more" in report.verdict


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
    weight = rng.standard_normal((6, 5, 3, 3)).astype(dtype)
    op = lambda f: F.conv2d(f, weight, algorithm=name)
    bound = 4 * algorithms()[name].error_bound   # of L(f + g), L(f), L(g) and their sum
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


# LeNet.

def test_the_trained_lenet():
    model = lenet(pretrained=True)
    for name in ("conv1", "conv2", "conv3", "conv4"):
        conv = getattr(model, name)
        assert verify_convolution(conv, conv.in_channels, (10, 10), "window", np.float32, trials=2), name
    features = verify_convolution(model.features, 1, (22, 22), "window", np.float32, trials=3)
    assert (features.equivariant, features.linear, features.affine) == (True, False, False)
    reports = {layer.name: layer.report for layer in layer_reports(model, 1, (28, 28), trials=2)}
    assert list(reports) == ["conv1", "relu1", "conv2", "relu2", "conv3", "relu3", "conv4", "relu4", "pool"]
    assert [report.lattice for report in reports.values()] == 8 * [(1, 1)] + [(2, 2)]
    assert reports["conv1"].affine and not reports["relu1"].affine
    assert "pixels, rows" in str(layer_reports(Sequential(MaxPool2d(2)), 1, (8, 8))[0])


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
    """The images of `trials` never light this pixel alone enough: the defect is below what they round."""
    def op(f):
        out = f * 1.0
        out[:, 0, 3, 4] += 2e-11 * f[:, 0, 6, 6]
        return out
    assert verify_convolution(op, size=(8, 9), bound=1e6)
    report = verify_convolution(op, size=(8, 9), exhaustive=True, bound=1e4)
    assert not report
    assert np.argwhere(report.failing).tolist() == [[3, 4]]


def test_no_proof_without_linearity():
    assert not verify_convolution(F.relu, exhaustive=True).proof


# Witnesses.

@pytest.mark.parametrize("op", [
    F.relu, np.square, lambda f: f[..., ::-1], lambda f: f * np.arange(16.0), F.tanh,
], ids=["relu", "square", "mirror", "gain", "tanh"])
def test_witness_is_small_verifies_itself_and_goes_to_json(op):
    report = verify_convolution(op)
    for witness in report.witnesses.values():
        assert witness.error > witness.tolerance
        assert sum(np.count_nonzero(f) for f in witness.inputs) <= 2
        back = Witness.from_dict(json.loads(json.dumps(witness.to_dict())))
        assert str(back) == str(witness)
        assert back.holds(op)
        assert not back.holds(lambda f: f * 1.0)


def test_report_goes_to_json_and_to_text():
    report = verify_convolution(F.relu, size=(6, 6))
    record = json.loads(json.dumps(report.to_dict()))
    assert record["convolution"] is False
    assert record["lattice"] == [1, 1]
    assert "FAIL L(a f) = a L(f)" in str(report)
    assert "witness: L(-1 f) = -1 L(f) is broken at" in str(report)


# What cannot be judged.

def changes(f):
    f += 1
    return f


@pytest.mark.parametrize(("op", "message"), [
    (lambda f: 1 / 0, "raised ZeroDivisionError for an input of shape"),
    (changes, "changed its input in place"),
    (lambda f: f[0], r"returned shape \(1, 8, 8\) .* it must be \(N, C, H, W\)"),
    (lambda f: f[:, :, :0], "returned an empty array"),
    (lambda f: f[:1], r"returned shape \(1, 1, 8, 8\) for an input of shape \(\d+, 1, 8, 8\)"),
    (lambda f: f / 0.0, r"returned nan at pixel \(channel, y, x\) = \(0, 0, 0\)"),
    (lambda f: f.astype(int), "returned int64"),
    (lambda f: f > 0, "returned bool"),
    (lambda f: f.tolist(), "returned a list"),
    (lambda f: f[:, :, :5], r"on the torus .* must return as many"),
    (Conv2d(1, 1, 9), "a smaller size, or other channels, than it needs"),
    (Conv2d(3, 1, 3), "raised InputError"),
])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_cannot_be_judged_is_told(op, message):
    with pytest.raises(OperatorError, match=message):
        verify_convolution(op, size=(8, 8))


def test_too_slow():
    import time
    with pytest.raises(OperatorError, match="too slow"):
        verify_convolution(lambda f: time.sleep(0.02) or f, size=(8, 8), time_limit=0.05)


@pytest.mark.parametrize(("arguments", "error", "message"), [
    ({"op": 5}, TypeError, "must be callable"),
    ({"domain": "sphere"}, ValueError, "the domain must be"),
    ({"in_channels": 0}, ValueError, "must be a positive integer"),
    ({"size": (0, 3)}, ValueError, "must be a positive integer"),
    ({"dtype": int}, TypeError, "float32 or float64"),
    ({"trials": 0}, ValueError, "trials must be a positive integer"),
    ({"bound": -1}, ValueError, "bound must be a positive number"), ({"rng": 3}, TypeError, "rng must be"),
    ({"time_limit": 0}, ValueError, "time_limit must be a positive"),
])
def test_misuse(arguments, error, message):
    with pytest.raises(error, match=message):
        verify_convolution(**{"op": F.relu} | arguments)


def test_results_that_change_are_told_before_anything_else(rng):
    report = verify_convolution(Dropout(0.5, rng=rng))
    assert (report.deterministic, report.linear, report.convolution) == (False, False, False)
    assert report.verdict.startswith("not deterministic")
    report = verify_convolution(lambda f: f - f.mean(0, keepdims=True))
    assert "depends on the others in the batch" in report.verdict


def test_a_module_keeps_its_dtype(rng):
    conv = Conv2d(1, 1, 3, rng=rng)
    verify_convolution(conv, domain="window")
    assert conv.weight.data.dtype == np.float32


# check_equivariance

def test_check_equivariance(rng):
    conv = Conv2d(2, 3, 3, rng=rng)
    for dtype in (np.float32, np.float64):
        found = check_equivariance(conv, 2, (9, 9), "window", dtype=dtype)
        assert len(found) == 6
        assert all(error < 1e-4 for _, error in found)
    with pytest.raises(EquivarianceError, match=r"shift \(1, 0\): at the output pixel .* is 1 \(MaxPool2d"):
        check_equivariance(Sequential(ReLU(), MaxPool2d(2)), 1, (8, 8), "window")
    with pytest.raises(ValueError, match="as large as the input"):
        check_equivariance(conv, 2, (9, 9))


def test_layers_of_another_dtype_and_what_is_no_module(rng):
    model = Sequential(Conv2d(1, 1, 3, stride=2, rng=rng))
    assert [layer.report.lattice for layer in layer_reports(model, 1, (9, 9), dtype=np.float64)] == [(2, 2)]
    with pytest.raises(EquivarianceError, match="first layer whose map does not move along is 0"):
        check_equivariance(model, 1, (9, 9), "window")
    with pytest.raises(TypeError, match="takes a Module"):
        layer_reports(F.relu)
    with pytest.raises(ValueError, match="smaller than the image"):
        check_equivariance(F.relu, shifts=[(100, 0)])


def test_layers_end_where_maps_end(rng):
    class Net(Module):
        def __init__(self):
            self.conv, self.fc = Conv2d(1, 2, 3, rng=rng), Linear(2 * 36, 3, rng=rng)

        def forward(self, x):
            return self.fc(F.flatten(self.conv(x), 1))
    assert [layer.name for layer in layer_reports(Net(), 1, (8, 8))] == ["conv"]
