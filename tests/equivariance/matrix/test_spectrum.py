"""The spectrum of a layer, against dense linear algebra and the definition of the DFT."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from minicnn import InputError
from minicnn.equivariance.matrix import adjoint, operator_matrix
from minicnn.equivariance.matrix import spectrum as s
from tests.equivariance.layers import OTHER, ROUND, TORUS, channels, correlate


def paired(a, b):
    """b in the order that comes nearest to a."""
    a, b = a.ravel(), b.ravel()
    assert a.size == b.size
    return a, b[linear_sum_assignment(abs(a[:, None] - b))[1]]


@pytest.mark.parametrize(("shape", "size", "options"), TORUS)
def test_the_transfer_function_acts_on_each_frequency(shape, size, options, rng):
    weight, x = rng.standard_normal(shape), rng.standard_normal((2, channels(shape, options), *size))
    found = s.transfer_function(weight, size, **options)
    assert found.shape == (*size, shape[0], channels(shape, options)) and found.dtype == complex
    expected = np.fft.fft2(correlate(x, weight, size, options))
    np.testing.assert_allclose(np.einsum("uvkc,ncuv->nkuv", found, np.fft.fft2(x)), expected, atol=1e-12)


def test_the_transfer_function_is_its_formula(rng):
    weight = rng.standard_normal((2, 3, 2, 3))
    found = s.transfer_function(weight, (5, 4), dilation=(2, 1))        # "same": 2 pixels, 1 at the top; 2, 1 left
    for u, v in np.ndindex(5, 4):
        expected = sum(weight[:, :, a, b] * np.exp(2j * np.pi * (u * (2 * a - 1) / 5 + v * (b - 1) / 4))
                       for a, b in np.ndindex(2, 3))
        np.testing.assert_allclose(found[u, v], expected, atol=1e-14)


def test_a_correlation_has_the_conjugate_of_the_spectrum_of_its_weight(rng):
    weight = rng.standard_normal((1, 1, 3, 3))
    centred = np.zeros((6, 7))
    centred[:3, :3] = weight[0, 0]
    centred = np.roll(centred, (-1, -1), (0, 1))
    np.testing.assert_allclose(s.transfer_function(weight, (6, 7))[..., 0, 0], np.fft.fft2(centred).conj(), atol=1e-14)


@pytest.mark.parametrize("c", [1, 2, 3])
@pytest.mark.parametrize("kernel", [(3, 3), (2, 4)])
def test_eigenvalues_of_the_dense_matrix(c, kernel, rng):
    weight = rng.standard_normal((c, c, *kernel))
    found = s.eigenvalues(weight, (4, 5))
    assert found.shape == ((4, 5) if c == 1 else (4, 5, c))
    expected = np.linalg.eigvals(operator_matrix(weight, (4, 5), **ROUND).toarray())
    np.testing.assert_allclose(*paired(found, expected), atol=1e-10)


def test_waves_are_the_eigenvectors(rng):
    weight = rng.standard_normal((1, 1, 3, 2))
    a, found = operator_matrix(weight, (4, 5), **ROUND), s.eigenvalues(weight, (4, 5))
    y, x = np.indices((4, 5))
    for u, v in np.ndindex(4, 5):
        wave = np.exp(2j * np.pi * (u * y / 4 + v * x / 5)).ravel()
        np.testing.assert_allclose(a @ wave, found[u, v] * wave, atol=1e-13)


@pytest.mark.parametrize(("shape", "size", "options"), TORUS + OTHER)
def test_singular_values_of_the_dense_matrix(shape, size, options, rng):
    weight = rng.standard_normal(shape)
    found = s.singular_values(weight, size, **options)
    expected = np.linalg.svd(operator_matrix(weight, size, **options).toarray(), compute_uv=False)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=1e-12)
    np.testing.assert_allclose(s.spectral_norm(weight, size, **options), expected[0], rtol=1e-13)


def test_singular_values_on_the_torus_need_no_matrix(rng, monkeypatch):
    monkeypatch.setattr(s, "sparse_matrix", None)
    weight = rng.standard_normal((8, 4, 3, 3)).astype(np.float32)
    found = s.singular_values(weight, 64, **ROUND)
    assert found.shape == (4 * 64 * 64,) and found.dtype == np.float64 and (np.diff(found) <= 0).all()
    # the sum of their squares is that of the matrix's entries, each weight H W times
    np.testing.assert_allclose((found**2).sum(), 64 * 64 * (weight.astype(float)**2).sum())
    assert s.spectral_norm(weight, 64, **ROUND) == found[0]


@pytest.mark.parametrize(("shape", "size", "options"), OTHER)
def test_the_lanczos_iteration_finds_the_largest(shape, size, options, rng, monkeypatch):
    weight = rng.standard_normal(shape)
    expected = s.singular_values(weight, size, **options)[0]
    monkeypatch.setattr(s, "DENSE", 1)
    np.testing.assert_allclose(s.spectral_norm(weight, size, **options), expected, rtol=1e-12)
    assert s.spectral_norm(weight, size, **options) == s.spectral_norm(weight, size, **options)
    assert s.spectral_norm(0 * weight, size, **options) == 0.0


def test_integer_weights_have_a_spectrum_too(monkeypatch):
    weight = np.array([[[[1, 2, 1]]]])
    assert operator_matrix(weight, (1, 4)).dtype == weight.dtype
    np.testing.assert_allclose(s.singular_values(weight, (1, 4), padding="same")[0], 2 + 2 * np.cos(np.pi / 5))
    monkeypatch.setattr(s, "DENSE", 1)
    np.testing.assert_allclose(s.spectral_norm(weight, (1, 4), padding="same"), 2 + 2 * np.cos(np.pi / 5))


@pytest.mark.parametrize(("shape", "size", "options"), TORUS)
def test_the_adjoint_is_the_conjugate_transpose_of_each_frequency(shape, size, options, rng):
    weight, cotangent = rng.standard_normal(shape), rng.standard_normal((2, shape[0], *size))
    found = np.fft.fft2(adjoint(weight, size, **options)(cotangent))
    transfer = s.transfer_function(weight, size, **options)
    np.testing.assert_allclose(found, np.einsum("uvkc,nkuv->ncuv", transfer.conj(), np.fft.fft2(cotangent)), atol=1e-11)


ONE = np.ones((1, 1, 3, 3))


@pytest.mark.parametrize(("call", "message"), [
    (lambda: s.transfer_function(ONE, 5, stride=2, padding=1), r"no transfer function: with stride \(2, 2\) a layer"),
    (lambda: s.transfer_function(ONE, 5, padding_mode="zeros"), "padding_mode='zeros' a layer does not commute"),
    (lambda: s.transfer_function(ONE, 5, padding=0), r"turns \(5, 5\) pixels into \(3, 3\), .* the operator_matrix"),
    (lambda: s.eigenvalues(np.ones((2, 3, 3, 3)), 5), "3 input and 2 output channels .* use its singular_values"),
    (lambda: s.singular_values(np.ones((9, 9, 3, 3)), 40), r"its 12996 x 14400 entries are more than 9e\+06: use a s"),
    (lambda: s.singular_values(np.ones((9, 9, 3, 3)), 80, stride=2), r"with stride \(2, 2\) .* spectral_norm for the"),
    (lambda: s.spectral_norm(np.ones((512, 512, 3, 3)), 32), "more than 2: take a smaller image"),
])
def test_what_does_not_fit_says_why(call, message):
    with pytest.raises(InputError, match=message):
        call()
