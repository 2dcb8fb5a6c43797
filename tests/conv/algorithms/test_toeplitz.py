"""The convolution as a sparse matrix: any geometry exactly, its structure, its limits."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minicnn import Tensor
from minicnn import functional as F
from minicnn.conv import Geometry, algorithms, choose
from minicnn.conv.algorithms.toeplitz import matrix, sum_entries
from tests.conv.geometries import expected, geometries

toeplitz = algorithms()["toeplitz"]


@settings(max_examples=150, deadline=None, derandomize=True)
@given(geometry=geometries(), seed=st.integers(0, 2**32 - 1))
def test_the_matrix_of_any_geometry(geometry, seed):
    g, rng = geometry, np.random.default_rng(seed)
    x, weight = (rng.integers(-9, 10, shape).astype(float) for shape in (g.in_shape, g.weight_shape))
    a = matrix(weight, g)
    assert a.shape == (np.prod(g.out_shape[1:]), np.prod(g.in_shape[1:])) and a.has_canonical_format
    np.testing.assert_array_equal(a @ x.reshape(g.batch, -1).T, expected(g, x, weight).reshape(g.batch, -1).T)


def blocks(g, rng):
    """The matrix as (K, C, OH, OW, H, W)."""
    dense = matrix(rng.standard_normal(g.weight_shape), g).toarray()
    return dense.reshape(g.out_channels, *g.out_size, g.in_channels, g.height, g.width).transpose(0, 3, 1, 2, 4, 5)


@pytest.mark.parametrize("padding", [0, 1, (2, 0), "same"])
def test_blocks_are_doubly_toeplitz(padding, rng):
    a = blocks(Geometry.of((1, 2, 6, 7), (3, 2, 3, 4), padding=padding), rng)
    np.testing.assert_array_equal(a[:, :, 1:, :, 1:], a[:, :, :-1, :, :-1])
    np.testing.assert_array_equal(a[:, :, :, 1:, :, 1:], a[:, :, :, :-1, :, :-1])


def test_circular_padding_makes_them_doubly_circulant(rng):
    a = blocks(Geometry.of((1, 2, 5, 6), (3, 2, 3, 4), padding="same", padding_mode="circular"), rng)
    np.testing.assert_array_equal(np.roll(a, (1, 1), (2, 4)), a)
    np.testing.assert_array_equal(np.roll(a, (1, 1), (3, 5)), a)


def test_blocks_that_join_two_groups_are_zero(rng):
    a = blocks(Geometry.of((1, 4, 5, 5), (6, 2, 3, 3), groups=2), rng)
    joined = a.any((2, 3, 4, 5))
    np.testing.assert_array_equal(joined, np.kron(np.eye(2, dtype=bool), np.ones((3, 2), bool)))


def test_a_weight_of_zero_is_an_entry():
    g = Geometry.of((1, 2, 5, 5), (3, 2, 3, 3), padding=1)
    a, ones = matrix(np.zeros(g.weight_shape), g), matrix(np.ones(g.weight_shape), g)
    assert a.nnz == ones.nnz == 3 * 2 * 13 * 13                     # of 3 taps at 5 places 2 meet padding
    np.testing.assert_array_equal(a.indices, ones.indices)
    assert a.dtype == np.float64 and matrix(np.ones(g.weight_shape, np.float32), g).dtype == np.float32


def test_taps_that_meet_the_same_pixel_are_added():
    g = Geometry.of((1, 1, 1, 2), (1, 1, 3, 3), padding=(1, 1), padding_mode="circular")
    a = matrix(np.arange(9).reshape(1, 1, 3, 3), g)
    assert a.toarray().tolist() == [[12, 24], [24, 12]] and a.nnz == 4      # 1 + 4 + 7, and the other two columns


def test_the_weight_must_fit():
    with pytest.raises(ValueError, match=r"the weight must have shape \(1, 1, 3, 3\), not \(3, 3\)"):
        matrix(np.ones((3, 3)), Geometry.of((1, 1, 5, 5), (1, 1, 3, 3)))


def test_too_large_a_matrix_is_refused_with_its_size():
    g = Geometry.of((1, 512, 32, 32), (512, 512, 3, 3), padding=1)
    with pytest.raises(ValueError, match=r"2\.3e\+09 entries and needs 74\.1 GB .* more than 2: take a smaller image"):
        choose("toeplitz", g)
    assert toeplitz.unsupported(Geometry.of((64, 20, 24, 24), (40, 20, 5, 5))) is None
    assert choose("auto", Geometry.of((1, 1, 1, 1), (1, 1, 1, 1))).name != "toeplitz"


@pytest.mark.parametrize("draw", ["random", "standard_normal"])
def test_float32_is_rounded_once(draw, rng):
    g = Geometry.of((3, 64, 9, 9), (4, 64, 3, 3), padding=1)
    x, weight, grad = (getattr(rng, draw)(shape).astype(np.float32)
                       for shape in (g.in_shape, g.weight_shape, g.out_shape))
    out, saved = toeplitz.forward(x, weight, None, g)
    gradients = toeplitz.backward(grad, saved, (True, True, False))
    wide, saved = toeplitz.forward(x.astype(float), weight.astype(float), None, g)
    exact = wide, *toeplitz.backward(grad.astype(float), saved, (True, True, False))[:2]
    for ours, theirs in zip((out, *gradients[:2]), exact, strict=True):
        assert ours.dtype == np.float32
        np.testing.assert_array_equal(ours, theirs.astype(np.float32))


def test_an_infinite_weight_does_not_meet_the_padding():
    weight = np.zeros((1, 1, 3, 3))
    weight[0, 0, 0, 0] = np.inf
    out = F.conv2d(Tensor(np.ones((1, 1, 3, 3))), Tensor(weight), padding=1, algorithm="toeplitz").data
    assert np.isinf(out).sum() == 4 and not out[0, 0, 0].any()


def test_the_gradient_of_the_weight_takes_the_memory_of_its_operands(rng):
    g = Geometry.of((4, 8, 40, 40), (8, 8, 3, 3), dtype="float64")
    grad = rng.standard_normal((*g.out_shape[1:], g.batch))
    x = rng.standard_normal((g.in_channels * g.height * g.width, g.batch))
    tracemalloc.start()
    try:
        sum_entries(grad, x, g)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5 * (grad.nbytes + x.nbytes) < grad[..., 0].size * x[:, 0].size       # bytes of a dense outer product
