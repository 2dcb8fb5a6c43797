"""The layer as a matrix, against dense linear algebra and the convolution of scipy.signal."""

import numpy as np
import pytest
from scipy import sparse
from scipy.linalg import circulant

from minicnn import InputError, Tensor, nn
from minicnn import functional as F
from minicnn.conv import algorithms
from minicnn.equivariance import matrix as m
from tests.equivariance.layers import OTHER, ROUND, TORUS, channels, correlate, geometry_of


@pytest.mark.parametrize(("shape", "size", "options"), TORUS + OTHER)
def test_the_matrix_is_the_layer(shape, size, options, rng):
    weight = rng.integers(-9, 10, shape).astype(float)
    x = rng.integers(-9, 10, (3, channels(shape, options), *size)).astype(float)
    a = m.operator_matrix(weight, size, **options)
    expected = correlate(x, weight, size, options)
    np.testing.assert_array_equal((a @ x.reshape(3, -1).T).T.reshape(expected.shape), expected)
    assert m.operator_matrix(weight.astype(np.float32), size, **options).dtype == np.float32
    assert sparse.issparse(a) and a.format == "csr"


@pytest.mark.parametrize(("arguments", "options"), [
    ((2, 3, 3), {}), ((2, 4, (3, 2)), {"stride": (2, 1), "padding": (1, 0), "groups": 2}),
    ((2, 2, 3), {"padding": "same", "padding_mode": "circular", "dilation": 2})])
def test_the_matrix_of_a_module(arguments, options, rng):
    layer = nn.Conv2d(*arguments, **options, rng=rng)
    x = rng.standard_normal((2, 2, 6, 7)).astype(np.float32)
    out = layer(Tensor(x)).data
    a = m.layer_matrix(layer, (6, 7))
    assert a.dtype == np.float32
    mine = (a @ x.reshape(2, -1).T).T.reshape(out.shape) + layer.bias.data[:, None, None]
    np.testing.assert_allclose(mine, out, atol=1e-5)


def test_a_square_image_may_be_one_number(rng):
    weight = rng.standard_normal((1, 1, 3, 3))
    assert (m.operator_matrix(weight, 5) != m.operator_matrix(weight, (5, 5))).nnz == 0


@pytest.mark.parametrize(("shape", "size", "options"), TORUS)
def test_circular_layers_commute_with_the_shifts_exactly(shape, size, options, rng):
    g, weight = geometry_of(shape, size, options), rng.standard_normal(shape)
    a = m.operator_matrix(weight, size, **options)
    if g.span[0] > size[0] or g.span[1] > size[1]:      # taps meet: A holds sums, rounded in more than one order
        assert max(m.commutators(a, g.in_channels, g.out_channels, size)) < 1e-14
        a = m.operator_matrix(np.rint(9 * weight), size, **options)
    assert m.is_doubly_circulant(a, g.in_channels, g.out_channels, size)
    assert m.is_doubly_toeplitz(a, g.in_channels, g.out_channels, size)
    assert m.commutators(a, g.in_channels, g.out_channels, size) == (0.0, 0.0)


@pytest.mark.parametrize("kernel", [(2, 2), (3, 3), (3, 5), (4, 3)])
def test_layers_padded_with_zeros_are_toeplitz_and_do_not_commute(kernel, rng):
    a = m.operator_matrix(rng.standard_normal((3, 2, *kernel)), (6, 7), padding="same")
    assert m.is_doubly_toeplitz(a, 2, 3, (6, 7)) and not m.is_doubly_circulant(a, 2, 3, (6, 7))
    assert min(m.commutators(a, 2, 3, (6, 7))) > 0.1


@pytest.mark.parametrize(("shape", "size", "options"), OTHER)
def test_which_layers_are_doubly_toeplitz(shape, size, options, rng):
    g = geometry_of(shape, size, options)
    a = m.operator_matrix(rng.standard_normal(shape), size, **options)
    assert m.is_doubly_toeplitz(a, g.in_channels, g.out_channels, size, g.out_size) == (g.stride == (1, 1))


def blocks_are_constant(dense, k, c, size, out_size, modulo):
    """The definition: whether entries of the same offset are equal."""
    seen = {}
    a = dense.reshape(k, *out_size, c, *size)
    for o, oy, ox, i, iy, ix in np.ndindex(a.shape):
        offset = (iy - oy) % size[0] if modulo else iy - oy, (ix - ox) % size[1] if modulo else ix - ox
        if seen.setdefault((o, i, *offset), a[o, oy, ox, i, iy, ix]) != a[o, oy, ox, i, iy, ix]:
            return False
    return True


def test_the_checks_against_the_definition(rng):
    """Of matrices, of which one entry at a time is changed, or none."""
    for options in (ROUND, {"padding": "same"}):
        whole = m.operator_matrix(rng.standard_normal((2, 2, 2, 3)), (3, 4), **options).toarray()
        for change in range(40):
            dense = whole.copy()
            if change:
                place = tuple(rng.integers(0, whole.shape))
                dense[place] = rng.choice([0.0, dense[place] + 1, dense[place]])
            for modulo, check in ((True, m.is_doubly_circulant), (False, m.is_doubly_toeplitz)):
                expected = blocks_are_constant(dense, 2, 2, (3, 4), (3, 4), modulo)
                assert check(dense, 2, 2, (3, 4)) == check(sparse.csr_array(dense), 2, 2, (3, 4)) == expected
            commutes = m.commutators(dense, 2, 2, (3, 4)) == (0.0, 0.0)
            assert commutes == blocks_are_constant(dense, 2, 2, (3, 4), (3, 4), True)


def test_a_toeplitz_matrix_of_another_output_size(rng):
    for out_size in ((2, 5), (7, 3)):
        kernel = rng.standard_normal((10, 8))                           # by offset
        dense = np.empty((*out_size, 4, 4))
        for oy, ox, iy, ix in np.ndindex(dense.shape):
            dense[oy, ox, iy, ix] = kernel[iy - oy + 6, ix - ox + 4]
        dense = dense.reshape(np.prod(out_size), 16)
        assert m.is_doubly_toeplitz(dense, 1, 1, 4, out_size)
        dense[-1, 0] = 0                                                # the only entry of its diagonal
        assert m.is_doubly_toeplitz(dense, 1, 1, 4, out_size)
        dense[0, 0] = 0
        assert not m.is_doubly_toeplitz(dense, 1, 1, 4, out_size)


def test_doubly_circulant_is_to_commute_with_both_shifts(rng):
    first, second = (circulant(rng.standard_normal(n)) for n in (3, 4))
    any_matrix = rng.standard_normal((4, 4))
    for dense, vertical, horizontal in ((np.kron(first, second), True, True), (np.kron(first, any_matrix), True, False),
                                        (np.kron(any_matrix, first), False, True)):
        size = (4, 3) if horizontal and not vertical else (3, 4)
        found = m.commutators(dense, 1, 1, size)
        assert (found[0] == 0, found[1] == 0) == (vertical, horizontal)
        assert m.is_doubly_circulant(dense, 1, 1, size) == (vertical and horizontal)


def test_the_commutators_are_those_of_dense_matrices(rng):
    dense = rng.standard_normal((2 * 12, 3 * 12))
    for found, axis in zip(m.commutators(dense, 3, 2, (3, 4)), (1, 2), strict=True):
        left = np.roll(np.eye(36).reshape(3, 3, 4, 36), 1, axis).reshape(36, 36)
        right = np.roll(np.eye(24).reshape(2, 3, 4, 24), 1, axis).reshape(24, 24)
        assert found == abs(dense @ left - right @ dense).max() > 0


def test_a_matrix_of_zeros_and_entries_that_are_zero():
    zeros = m.operator_matrix(np.zeros((1, 1, 3, 3)), 4)                # has entries, all 0
    assert m.is_doubly_toeplitz(zeros, 1, 1, 4, 2)
    assert m.is_doubly_circulant(np.zeros((9, 9)), 1, 1, 3) and m.commutators(np.zeros((9, 9)), 1, 1, 3) == (0.0, 0.0)
    twice = sparse.csr_array(([1.0, 1, 2, 1, 1, 0], [0, 0, 1, 2, 2, 0], [0, 2, 3, 6]), shape=(3, 3))
    assert m.is_doubly_circulant(twice, 1, 1, (1, 3))                   # 2 times the identity, some of it as 1 + 1
    twice.data[2] = 1
    assert not m.is_doubly_circulant(twice, 1, 1, (1, 3)) and twice.nnz == 6


@pytest.mark.parametrize("shift", [(0, 0), (1, 0), (0, 1), (-2, 3), (7, -9)])
def test_the_shift_matrix_rolls(shift, rng):
    x = rng.standard_normal((2, 4, 5))
    s = m.shift_matrix((4, 5), shift, 2)
    np.testing.assert_array_equal(s @ x.ravel(), np.roll(x, shift, (1, 2)).ravel())
    np.testing.assert_array_equal((s.T @ s).toarray(), np.eye(40))


@pytest.mark.parametrize(("shape", "size", "options"), TORUS + OTHER)
def test_the_adjoint_is_the_transpose(shape, size, options, rng):
    weight = rng.standard_normal(shape)
    g = geometry_of(shape, size, options, batch=3)
    x, cotangent = rng.standard_normal(g.in_shape), rng.standard_normal(g.out_shape)
    expected = (m.operator_matrix(weight, size, **options).T @ cotangent.reshape(3, -1).T).T.reshape(g.in_shape)
    for algorithm in ("naive", "im2col", "fft", "direct"):
        found = m.adjoint(weight, size, algorithm=algorithm, **options)(cotangent)
        np.testing.assert_allclose(found, expected, atol=1e-12)
        out = F.conv2d(Tensor(x), Tensor(weight), None, algorithm="im2col", **options).data
        np.testing.assert_allclose(np.vdot(cotangent, out), np.vdot(found, x), rtol=1e-10)


def test_the_adjoint_by_any_algorithm(few_kernels, rng):
    weight, cotangent = rng.standard_normal((3, 8, 3, 3)), rng.standard_normal((2, 3, 5, 6))
    expected = (m.operator_matrix(weight, (7, 8)).T @ cotangent.reshape(2, -1).T).T.reshape(2, 8, 7, 8)
    for algorithm in algorithms():
        np.testing.assert_allclose(m.adjoint(weight, (7, 8), algorithm=algorithm)(cotangent), expected, atol=1e-11)


def test_the_adjoint_keeps_the_dtype_of_the_cotangent(rng):
    transposed = m.adjoint(rng.integers(-3, 4, (2, 1, 3, 3)), 6, algorithm="im2col")
    for dtype in (np.float32, np.float64):
        cotangent = rng.integers(-3, 4, (1, 2, 4, 4)).astype(dtype)
        before = cotangent.copy()
        assert transposed(cotangent).dtype == dtype
        np.testing.assert_array_equal(cotangent, before)


ONE = np.ones((1, 1, 3, 3))


@pytest.mark.parametrize(("call", "message"), [
    (lambda: m.operator_matrix(np.ones((3, 3)), 5), r"the weight must have shape \(C_out, .*, not \(3, 3\)"),
    (lambda: m.operator_matrix(ONE, (5, 5, 5)), r"size must be an integer or a pair .* not \(5, 5, 5\)"),
    (lambda: m.operator_matrix(ONE, 2), "the kernel spans 3 x 3 pixels but the padded image has only 2 x 2"),
    (lambda: m.operator_matrix(ONE, 5, groups=1.5), r"groups must be an integer of at least 1, not 1\.5"),
    (lambda: m.operator_matrix(1j * ONE, 5), "the weight must be an array of real numbers, not complex128"),
    (lambda: m.operator_matrix(np.ones((512, 512, 3, 3)), 32, padding=1), "more than 2: take a smaller image"),
    (lambda: m.commutators(np.ones((9, 16)), 1, 1, 4), r"have shape \(16, 16\), for 1 channels of 4 x 4 .* \(9, 16"),
    (lambda: m.is_doubly_toeplitz(np.ones((9, 16)), 1, 1, 4), r"shape \(16, 16\), .* not \(9, 16\)"),
    (lambda: m.is_doubly_circulant(np.ones((9, 16)), 1, 1, 3), r"shape \(9, 9\), .* not \(9, 16\)"),
    (lambda: m.is_doubly_circulant(np.ones((9, 9)), 1, 0, 3), "out_channels must be an integer of at least 1, not 0"),
    (lambda: m.shift_matrix(4, 1), "shift must be a pair of integers, rows and columns, not 1"),
    (lambda: m.shift_matrix(4, (1, 0.5)), r"shift must be a pair of integers, rows and columns, not \(1, 0\.5\)"),
    (lambda: m.shift_matrix(4, (1, 0), 0), "channels must be an integer of at least 1, not 0"),
    (lambda: m.adjoint(ONE, 5)(np.ones((1, 1, 5, 5))), r"must have the shape \(N, 1, 3, 3\) .* not \(1, 1, 5, 5\)"),
    (lambda: m.adjoint(ONE, 5)(np.ones((1, 1, 3, 3), int)), "computes in float32 or float64, not int64"),
    (lambda: m.adjoint(ONE, 5, algorithm="quick")(ONE), "no convolution algorithm is called 'quick'"),
])
def test_what_does_not_fit_says_why(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_only_a_conv2d_has_a_layer_matrix(rng):
    with pytest.raises(TypeError, match="must be a minicnn.nn.Conv2d, not Linear; for a bare weight, and for any oth"):
        m.layer_matrix(nn.Linear(2, 3, rng=rng), 5)
