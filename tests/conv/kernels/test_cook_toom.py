"""The Cook-Toom matrices in exact fractions, and the predicted error against the error of float32."""

from fractions import Fraction

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from minicnn.conv.kernels import cook_toom as module
from minicnn.conv.kernels.cook_toom import POINTS, cook_toom, predicted_error

ALL = [(m, n + 1 - m) for n in POINTS for m in range(1, n + 1)]
PLANE = [(m, r) for m, r in ALL if min(m, r) > 1]       # these save products


def times(matrix, vector):
    return [sum((a * v for a, v in zip(row, vector, strict=True)), Fraction(0)) for row in matrix]


@pytest.mark.parametrize(("m", "r"), ALL)
def test_equals_the_correlation_exactly(m, r, rng):
    AT, G, BT = cook_toom(m, r)
    for _ in range(3):
        g, d = ([Fraction(int(i), int(j)) for i, j in zip(rng.integers(-9, 10, size), rng.integers(1, 10, size),
                                                          strict=True)] for size in (r, m + r - 1))
        products = [a * b for a, b in zip(times(G, g), times(BT, d), strict=True)]
        assert times(AT, products) == [sum(g[j] * d[i + j] for j in range(r)) for i in range(m)]


@pytest.mark.parametrize(("m", "r"), PLANE)
def test_n_products_of_fractions_that_floats_can_hold(m, r):
    AT, G, BT = cook_toom(m, r)
    n = m + r - 1
    assert [(len(matrix), {len(row) for row in matrix}) for matrix in (AT, G, BT)] == [(m, {n}), (n, {r}), (n, {n})]
    assert all(isinstance(a, Fraction) for matrix in (AT, G, BT) for row in matrix for a in row)
    for a in (a for matrix in (AT, BT) for row in matrix for a in row):
        assert Fraction(float(np.float32(float(a)))) == a


@pytest.mark.parametrize(("m", "r"), PLANE)
def test_transposed_it_multiplies_polynomials(m, r, rng):
    """The adjoint, used by the gradients: B ((G g) * (A d)) is the product of the polynomials g and d."""
    AT, G, BT = cook_toom(m, r)
    g, d = ([Fraction(int(i)) for i in rng.integers(-9, 10, size)] for size in (r, m))
    A, B = list(zip(*AT, strict=True)), list(zip(*BT, strict=True))
    products = [a * b for a, b in zip(times(G, g), times(A, d), strict=True)]
    assert times(B, products) == np.convolve(g, d).tolist()


@pytest.mark.parametrize(("m", "r"), [(0, 3), (3, 0), (-1, 5), (1, 1), (5, 7), (11, 1)])
@pytest.mark.parametrize("function", [cook_toom, predicted_error])
def test_sizes_that_have_no_points(function, m, r):
    with pytest.raises(ValueError, match=rf"F\({m}, {r}\) needs m and r of at least 1, and m \+ r - 1 from 2 to 10"):
        function(m, r)


def measured_error(m, r, rng, channels=20, tiles=1000):
    """The largest error of 1000 m^2 outputs in float32, in units of eps * (|weight| * |input|)."""
    AT, G, BT = (np.array([list(map(float, row)) for row in matrix], np.float32) for matrix in cook_toom(m, r))
    weight = rng.standard_normal((channels, r, r)).astype(np.float32)
    tile = rng.standard_normal((tiles, channels, len(BT), len(BT))).astype(np.float32)
    out = AT @ ((G @ weight @ G.T) * (BT @ tile @ BT.T)).sum(1) @ AT.T
    correlate = lambda x, w: np.einsum("tcijab,cab->tij", sliding_window_view(x, (r, r), (2, 3)), w, optimize=True)
    exact, scale = correlate(tile.astype(float), weight.astype(float)), correlate(abs(tile), abs(weight))
    return (abs(out - exact) / scale).max() / np.finfo(np.float32).eps


@pytest.mark.parametrize(("m", "r"), PLANE)
def test_predicted_error_is_what_float32_makes(m, r, rng):
    assert predicted_error(m, r) / 2 < measured_error(m, r, rng) < 2 * predicted_error(m, r)


def test_a_larger_tile_costs_accuracy():
    for m, r in PLANE:
        if m + r <= max(POINTS):                        # one more point, the same taps
            assert predicted_error(m, r) <= predicted_error(m + 1, r)
        if r > 2:                                       # the same points, and a higher power of each in AT
            assert predicted_error(m, r) < predicted_error(m + 1, r - 1)


@pytest.mark.parametrize("n", [n for n in POINTS if n > 3])
def test_the_points_are_no_worse_than_the_usual_ones(n, monkeypatch):
    """0, 1, -1, 2, -2, 1/2, -1/2, 4, -4, as in wincnn and the papers."""
    usual = tuple(map(Fraction, (0, 1, -1, 2, -2, "1/2", "-1/2", 4, -4)))
    sizes = [(m, r) for m, r in PLANE if m + r - 1 == n]
    ours = [predicted_error(*size) for size in sizes]
    monkeypatch.setattr(module, "POINTS", {n: usual[:n - 1]})
    monkeypatch.setattr(module, "cook_toom", cook_toom.__wrapped__)
    theirs = [predicted_error.__wrapped__(*size) for size in sizes]
    assert all(a <= b for a, b in zip(ours, theirs, strict=True))
    assert n in (4, 8) or all(1.3 * a < b for a, b in zip(ours, theirs, strict=True))
