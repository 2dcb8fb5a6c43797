"""The assertions assert_equivariant and assert_convolution, and their messages."""

import numpy as np
import pytest

from minicnn import InputError, MinicnnError
from minicnn import functional as F
from minicnn.equivariance import (
    ConvolutionError,
    EquivarianceError,
    OperatorError,
    assert_convolution,
    assert_equivariant,
)
from minicnn.nn import BatchNorm2d, Conv2d, Dropout, MaxPool2d, ReLU, Sequential


def test_assert_equivariant(rng):
    conv = Conv2d(2, 3, 3, rng=rng)
    for dtype in (np.float32, np.float64):
        found = assert_equivariant(conv, 2, (9, 9), "window", dtype=dtype)
        assert len(found) == 6
        assert all(error < 1e-4 for _, error in found)
    with pytest.raises(EquivarianceError, match=r"shift \(1, 0\): at the output pixel .*, for f = .*; the first layer "
                                                r"that is not equivariant is 1 \(MaxPool2d.*\): its stride \(2, 2\) "
                                                "keeps only .* filter before it subsamples"):
        assert_equivariant(Sequential(ReLU(), MaxPool2d(2)), 1, (8, 8), "window")
    with pytest.raises(MinicnnError, match="the first layer that is not equivariant is 0"):
        assert_equivariant(Sequential(Conv2d(1, 1, 3, stride=2, rng=rng)), 1, (9, 9), "window")
    with pytest.raises(AssertionError, match="the first layer that is not equivariant is MaxPool2d"):
        assert_equivariant(MaxPool2d(2), 1, (8, 8), "window")


@pytest.mark.parametrize(("op", "message"), [
    (lambda f: f[..., ::2], r"as large as the input, \(16, 16\), not \(16, 8\); verify_convolution finds the shifts"),
    (lambda f: f.repeat(2, 3), r"not equivariant to every shift: on the torus .* not \(16, 32\)"),
    (MaxPool2d(2), r"not \(8, 8\); the first layer that is not equivariant is MaxPool2d .*; verify_convolution finds"),
])
def test_an_operator_that_subsamples_fails_the_assertion(op, message):
    with pytest.raises(EquivarianceError, match=message):
        assert_equivariant(op)
    with pytest.raises(AssertionError):
        assert_equivariant(op)


def test_a_small_difference_is_visible():
    with pytest.raises(EquivarianceError, match=r"op\(S f\) is (\S+), S op\(f\) is (?!\1,)"):
        assert_equivariant(lambda f: f * np.where(np.arange(16) == 3, 1 + 1e-7, 1), atol=0, rtol=1e-9)


def test_the_tolerance_of_assert_equivariant():
    gain = np.ones((8, 8))
    gain[2, 3] += 1e-3
    with pytest.raises(EquivarianceError, match=r"shift \(1, 0\): .* error .\.\de-03, allowed .\.\de-1[45]"):
        assert_equivariant(lambda f: gain * f, size=8)
    assert assert_equivariant(lambda f: gain * f, size=8, atol=0.02, rtol=0)[0][1] > 1e-3
    assert assert_equivariant(lambda f: gain * f, size=8, atol=0, rtol=0.002)[0][1] > 1e-3


@pytest.mark.parametrize(("op", "message"), [
    (lambda f: f + np.random.default_rng().standard_normal(f.shape), r"not deterministic: .* \(by up to .*e"),
    (lambda f, calls=[]: f + len(calls.append(0) or calls), "not deterministic"),               # noqa: B006
    (lambda f: f - f.mean(0), "not an operator on single images: the result depends on the others in the batch"),
    (lambda f: f[::-1], "not an operator on single images")])
def test_more_than_the_image_decides_the_result(op, message):
    """The noise of such an operator must not count as its rounding."""
    with pytest.raises(EquivarianceError, match=message):
        assert_equivariant(op, size=(6, 7))
    assert assert_equivariant(op, size=(6, 7), atol=1e3)


@pytest.mark.parametrize(("arguments", "error", "message"), [
    ({"op": lambda f: f[..., 1:]}, InputError, r"as large as the input, .*, not \(16, 15\); .* domain='window'"),
    ({"shifts": [(100, 0)]}, InputError, r"two integers smaller than the image, \(16, 16\), not \(100, 0\)"),
    ({"shifts": [(0.5, 0)]}, InputError, r"two integers smaller than the image, \(16, 16\), not \(0\.5, 0\)"),
    ({"shifts": []}, InputError, r"shifts must be a list of at least one pair of integers, as in \[\(1, 0\)\], not"),
    ({"shifts": [(1,)]}, InputError, r"a shift must be two integers smaller than the image, \(16, 16\), not \(1,\)"),
    ({"atol": np.nan}, InputError, "atol must be a number of at least 0, not nan"),
    ({"domain": "sphere"}, InputError, "domain must be one of 'torus', 'plane', 'window', not 'sphere'"),
])
def test_misuse_of_assert_equivariant(arguments, error, message):
    with pytest.raises(error, match=message):
        assert_equivariant(**{"op": F.relu} | arguments)


@pytest.mark.parametrize(("domain", "size"), [("torus", 8), ("window", 13)])
def test_an_operator_with_a_stride_is_equivariant_to_its_multiples(domain, size):
    pool = lambda f: F.max_pool2d(f, 2)
    shifts = [(2, 0), (0, -2), (4, 2)]
    assert [by for by, _ in assert_equivariant(pool, 1, size, domain, shifts)] == shifts
    with pytest.raises(EquivarianceError, match="not equivariant to"):
        assert_equivariant(pool, 1, size, domain, [(2, 0), (0, 1)])


def test_the_shift_of_the_output_is_named_if_it_is_another_one():
    broken = lambda f: np.where(np.arange(8) == 2, 2, 1) * f[..., ::2]
    with pytest.raises(EquivarianceError, match=r"the shift \(0, 2\) \(of the output: \(0, 1\)\): at the output pixel"):
        assert_equivariant(broken, 1, (4, 16), "torus", [(0, 2)])


def test_a_small_input_is_named():
    """The input of the message breaks the law at the pixel that the message names."""
    vignette = np.linspace(0.5, 1, 16)
    with pytest.raises(EquivarianceError, match=r"pixel \(0, \d+, \d+\) op\(S f\) .*, for f = \S+ at \(0, \d+, \d+\)$"):
        assert_equivariant(lambda f: f * vignette)
    with pytest.raises(EquivarianceError, match=r"allowed 1\.0e-03$"):         # a tolerance of the caller: no search
        assert_equivariant(lambda f: f * vignette, atol=1e-3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_assert_convolution(rng, dtype):
    conv = Conv2d(2, 3, 3, padding=1, padding_mode="circular", rng=rng)
    report = assert_convolution(conv, 2, (6, 7), dtype=dtype, exhaustive=True)
    assert report.proof and report.impulse_response.kernel.shape == (3, 2, 3, 3)
    with pytest.raises(ConvolutionError) as caught:
        assert_convolution(Sequential(conv, ReLU(), MaxPool2d(2)), 2, (6, 8), dtype=dtype)
    assert isinstance(caught.value, AssertionError) and not caught.value.report
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("not linear; equivariant to multiples of 2 down, multiples of 2 across (on the torus, 6")
    assert any(line.startswith("L(-1 f) = -1 L(f) is broken at output pixel") for line in lines)
    assert any(line.startswith("op(S(1, 0) f) = S(0, 0) op(f) is broken at output pixel") for line in lines)
    assert lines[-2].startswith("the first layer that is not equivariant is 2 (MaxPool2d")
    assert lines[-2].endswith("filter before it subsamples, as BlurPool2d does")
    assert lines[-1].startswith("the first layer that is not linear is 1 (ReLU")


def test_an_equivariant_layer_is_not_blamed_for_what_is_only_not_linear(rng):
    with pytest.raises(ConvolutionError) as caught:
        assert_convolution(Sequential(Conv2d(1, 1, 3, rng=rng), ReLU()), 1, (9, 9), "window")
    assert "the first layer that is not linear is 1 (ReLU" in str(caught.value)
    assert "not equivariant is" not in str(caught.value)


@pytest.mark.parametrize(("arguments", "error", "message"), [
    ({"op": 3}, MinicnnError, "the operator must be callable, not a int"),
    ({"op": lambda f: 1 / 0}, OperatorError, "the operator raised ZeroDivisionError"),
    ({"op": np.copy, "trials": 0}, InputError, "trials must be"),
    ({"op": np.copy, "domain": "ball"}, InputError, "domain must be one of"),
])
def test_misuse_of_assert_convolution(arguments, error, message):
    with pytest.raises(error, match=message):
        assert_convolution(**arguments)


def test_a_layer_that_keeps_the_shift_is_not_blamed(rng):
    keeps = Conv2d(1, 2, 3, padding=1, padding_mode="circular", rng=rng)
    network = Sequential(keeps, MaxPool2d(2), Conv2d(2, 1, 3, padding=1, rng=rng))
    with pytest.raises(EquivarianceError, match=r"the first layer that is not equivariant is 2 \(Conv2d.*zero padding"):
        assert_equivariant(network, shifts=[(2, 0)])
    with pytest.raises(EquivarianceError, match=r"the first layer that is not equivariant is 1 \(MaxPool2d"):
        assert_equivariant(network, shifts=[(1, 0)])
    assert_equivariant(network[:2], shifts=[(2, 0), (-4, 6)])


def test_a_module_in_training_mode_is_named(rng):
    network = Sequential(Conv2d(1, 1, 3, padding=1, padding_mode="circular"), Sequential(BatchNorm2d(1)))
    hint = r"depends on the others in the batch; module 1\.0 \(BatchNorm2d\) is in training mode: call eval\(\)"
    with pytest.raises(EquivarianceError, match=hint + r" \(by up to "):
        assert_equivariant(network, size=8)
    with pytest.raises(ConvolutionError, match=hint):
        assert_convolution(network, size=8)
    with pytest.raises(EquivarianceError, match="not deterministic: .*; the Dropout is in training mode: call eval"):
        assert_equivariant(Dropout(0.5, rng=rng), size=8)
    assert len(assert_equivariant(network.eval(), size=8)) > 0
