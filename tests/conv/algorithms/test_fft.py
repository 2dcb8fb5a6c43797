"""The fft algorithm: its errors, its torus, and the number of its transforms."""

import numpy as np
import pytest

from minicnn.conv import Geometry, algorithms
from minicnn.conv.algorithms import fft as module
from tests.conv.geometries import operands, run

fft, exact = algorithms()["fft"], algorithms()["im2col"]


def make(g, seed=0, one_sign=False):
    """x, weight, bias, cotangent."""
    rng = np.random.default_rng(seed)
    draw = rng.random if one_sign else rng.standard_normal
    return operands(g, draw)


def of(images, weight, dtype="float64", **options):
    return Geometry.of(images, weight, dtype=dtype, **options)


LARGE = {
    "5x5, 40 channels": of((4, 40, 20, 20), (8, 40, 5, 5), "float32"),
    "512 channels": of((1, 512, 8, 8), (16, 512, 3, 3), "float32", padding=1),
    "31x31 depthwise": of((2, 6, 32, 32), (6, 1, 31, 31), "float32", padding=15, groups=6),
    "11x11, stride 4": of((3, 3, 63, 63), (8, 3, 11, 11), "float32", stride=4),
    "circular": of((2, 8, 28, 28), (8, 8, 7, 7), "float32", padding=3, padding_mode="circular"),
}


@pytest.mark.parametrize(("one_sign", "most"), [(False, fft.error_bound), (True, 6)])
@pytest.mark.parametrize("case", LARGE)
def test_errors_in_norm(case, one_sign, most):
    """The errors of the output and of all gradients, in units of eps times the largest sum of absolute values."""
    g = LARGE[case]
    arrays = make(g, one_sign=one_sign)
    wide = [a.astype(float) for a in arrays]
    reference, scale = run(exact, g, *wide), run(exact, g, *map(abs, wide))
    for ours, theirs, size in zip(run(fft, g, *arrays), reference, scale, strict=True):
        assert ours.dtype == np.float32
        assert abs(ours - theirs).max() <= most * np.finfo(np.float32).eps * size.max()


@pytest.mark.parametrize(("geometry", "size"), [
    (of((1, 1, 30, 29), (1, 1, 5, 5)), (30, 30)),                                   # 29 is prime
    (of((1, 1, 64, 64), (1, 1, 31, 31), padding=15), (80, 80)),                     # 64 + 15, not 64 + 30
    (of((1, 1, 4, 4), (1, 1, 2, 2), padding=6), (15, 15)),                          # more outputs than 4 + 6
    (of((1, 1, 3, 3), (1, 1, 9, 9), padding=4), (9, 9)),                            # more taps than 3 + 4
    (of((1, 1, 29, 28), (1, 1, 5, 5), padding=2, padding_mode="circular"), (29, 28)),       # the image is the torus
    (of((1, 1, 4, 4), (1, 1, 3, 3), padding=2, padding_mode="circular"), (8, 8)),           # more outputs than pixels
])
def test_size_of_the_torus(geometry, size):
    x, weight, bias, grad = make(geometry)
    out, (_, spectrum, *_) = fft.forward(x, weight, bias, geometry)
    assert spectrum.shape[:2] == (size[0], size[1] // 2 + 1)
    for ours, theirs in zip(run(fft, geometry, x, weight, bias, grad), run(exact, geometry, x, weight, bias, grad),
                            strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)


def test_circular_convolution_theorem():
    g = of((1, 1, 8, 6), (1, 1, 8, 6), padding=0)
    x, weight, _, _ = make(g)
    g = of((1, 1, 8, 6), (1, 1, 8, 6), padding="same", padding_mode="circular")
    spectrum = np.conj(np.fft.fft2(weight[0, 0])) * np.fft.fft2(x[0, 0])
    expected = np.roll(np.fft.ifft2(spectrum).real, (3, 2), (0, 1))         # tap 0 lies (3, 2) before its output
    np.testing.assert_allclose(fft.forward(x, weight, None, g)[0][0, 0], expected, atol=1e-12)


def test_spectra_are_computed_once(monkeypatch):
    counts = {"rfft2": 0, "irfft2": 0}

    def count(name):
        original = getattr(module.fft, name)

        def counting(*arguments, **options):
            counts[name] += 1
            return original(*arguments, **options)
        monkeypatch.setattr(module.fft, name, counting)

    count("rfft2")
    count("irfft2")
    g = of((2, 3, 9, 8), (4, 3, 5, 5), "float32", padding=2)
    x, weight, bias, grad = make(g)
    _, saved = fft.forward(x, weight, bias, g)
    assert counts == {"rfft2": 2, "irfft2": 1} and {a.dtype for a in saved[:2]} == {np.dtype("complex64")}
    fft.backward(grad, saved, (True, True, True))
    assert counts == {"rfft2": 3, "irfft2": 3}                      # the cotangent; two gradients
    fft.backward(grad, saved, (False, False, True))
    assert counts == {"rfft2": 3, "irfft2": 3}


def test_a_nan_spreads_over_its_image_and_no_other():
    g = of((3, 2, 9, 8), (4, 2, 3, 3), "float32")
    x, weight, bias, _ = make(g)
    x[1, 0, 4, 4] = np.nan
    with np.errstate(invalid="ignore"):
        out, _ = fft.forward(x, weight, bias, g)
    assert np.isnan(out[1]).all() and np.isfinite(out[[0, 2]]).all()


def test_predicted_to_win_for_large_kernels_only():
    direct = algorithms()["direct"]
    small, medium = of((64, 16, 32, 32), (16, 16, 3, 3), padding=1), of((1, 16, 32, 32), (16, 16, 1, 1))
    large = of((4, 8, 64, 64), (8, 8, 31, 31), padding=15)
    assert all(fft.cost(g) > direct.cost(g) for g in (small, medium)) and fft.cost(large) < direct.cost(large)
