"""Winograd against scipy, and its adjoints, with the fixture `few_kernels`."""

import ctypes
import math

import numba
import numpy as np
import pytest

from minicnn import Tensor
from minicnn import functional as F
from minicnn.conv import Geometry, choose, runtime
from minicnn.conv.algorithms import winograd
from minicnn.conv.kernels import winograd_backward, winograd_forward, winograd_weight
from minicnn.conv.kernels.cook_toom import predicted_error
from minicnn.conv.runtime.target import target
from tests import reference
from tests.conv.algorithms.winograd_cases import ALL, algorithm, assert_close, make, run

pytestmark = pytest.mark.usefixtures("few_kernels")

# input (N, C, H, W), weight (K, C, r, r), options
PADDED = ((48, 2, 9, 11), (7, 2, 3, 3), {"padding": 1})
CUT = ((17, 2, 5, 4), (3, 2, 3, 3), {"padding": (7, 9)})                    # a batch that does not fill the lanes
FILLED = ((20, 2, 9, 7), (3, 2, 3, 3), {"padding": 1})                      # and to which images of zeros are added
CIRCULAR = ((16, 3, 9, 7), (4, 3, 3, 3), {"padding": 1, "padding_mode": "circular"})
GEOMETRIES = [
    ((16, 3, 8, 8), (3, 3, 5, 5), {}),                                      # whole tiles, blocks and vectors
    ((16, 5, 11, 13), (4, 5, 2, 2), {}),
    PADDED,
    ((15, 4, 7, 10), (5, 4, 4, 4), {"padding": "same"}),
    ((17, 1, 12, 9), (1, 1, 5, 5), {"padding": (2, 1)}),
    ((3, 2, 13, 8), (17, 2, 6, 6), {"padding": "same"}),
    ((1, 7, 9, 14), (2, 7, 7, 7), {"padding": 3}),
    ((16, 1, 10, 10), (1, 1, 7, 7), {}),
    ((32, 3, 7, 9), (33, 3, 6, 6), {"padding": (0, 3)}),
    ((16, 4, 5, 5), (3, 4, 5, 5), {}),                                      # the kernel is the image
    ((1, 1, 2, 2), (1, 1, 2, 2), {}),
    ((17, 3, 7, 7), (2, 3, 7, 7), {}),
    ((16, 2, 1, 2), (2, 2, 3, 3), {"padding": 1}),                          # narrower than a tile and than the kernel
    ((5, 2, 2, 1), (3, 2, 4, 4), {"padding": (1, 2)}),
    ((16, 2, 40, 3), (2, 2, 3, 3), {}),                                     # more rows of tiles than jobs
    ((16, 1, 45, 4), (4, 1, 7, 7), {"padding": (0, 2)}),                    # rows of tiles overlap three times
    ((2, 2, 61, 4), (3, 2, 2, 2), {}),
    ((16, 2, 4, 50), (3, 2, 3, 3), {"padding": 1}),
    ((3, 1, 6, 37), (2, 1, 5, 5), {}),
    ((16, 2, 5, 6), (3, 2, 3, 3), {"padding": 2}),
    ((16, 2, 5, 6), (3, 2, 3, 3), {"padding": (7, 3)}),                     # rows of tiles that see only padding
    CUT,
    FILLED,
    ((28, 3, 9, 7), (4, 3, 3, 3), {"padding": 1, "padding_mode": "circular"}),
    ((32, 2, 3, 2), (4, 2, 2, 2), {"padding": 14}),
    CIRCULAR,
    ((3, 2, 5, 6), (2, 2, 4, 4), {"padding": "same", "padding_mode": "circular"}),
    ((16, 2, 5, 8), (3, 2, 5, 5), {"padding": (5, 7), "padding_mode": "circular"}),
    ((288, 1, 6, 5), (2, 1, 3, 3), {}),                                     # more vectors of images than jobs
    ((144, 2, 21, 4), (1, 2, 4, 4), {"padding": 1}),
    ((16, 70, 6, 6), (2, 70, 3, 3), {}),                                    # more channels than one chain of sums
    ((1, 2, 6, 7), (130, 2, 3, 3), {}),
]


@pytest.mark.parametrize("case", GEOMETRIES, ids=str)
def test_equals_scipy_in_float32(case):
    operands = make(*case)
    assert_close(run(*operands), *operands)


@pytest.mark.parametrize("case", [case for case in GEOMETRIES if case[1][2] == 3], ids=str)
def test_equals_scipy_in_float64(case):
    operands = make(*case, "float64")
    assert_close(run(*operands), *operands)


@pytest.mark.parametrize("case", GEOMETRIES, ids=str)
def test_gradients_are_the_adjoints(case):
    """<g, conv(x, w)> = <grad_input, x> = <grad_weight, w>, also with the zeros of a ReLU."""
    for relu in (False, True):
        g, x, weight, bias, grad = make(*case)
        out, grad_input, grad_weight, grad_bias = (a.astype(float) for a in run(g, x, weight, bias, grad, relu=relu))
        grad = grad * (out > 0) if relu else grad
        linear = (out - bias[:, None, None]) * grad
        error = predicted_error(winograd.tiling_of(g).F.m, g.kernel[0])
        tolerance = 3e-7 * error * max(abs(linear).sum(), abs(grad).sum())
        assert abs((grad_input * x).sum() - linear.sum()) <= tolerance
        assert abs((grad_weight * weight).sum() - linear.sum()) <= tolerance
        np.testing.assert_allclose(grad_bias, grad.sum((0, 2, 3), dtype=float), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("case", [
    ((2, 2, 5, 6), (2, 2, 3, 3), {"padding": 1}),
    ((8, 1, 5, 4), (2, 1, 3, 3), {"padding": (4, 0)}),
    ((3, 2, 4, 5), (2, 2, 3, 3), {"padding": (2, 3), "padding_mode": "circular"}),
    ((9, 1, 6, 3), (1, 1, 3, 3), {"padding": "same"}),
], ids=str)
def test_gradients_against_differences_with_eps_1(case, rng):
    arrays = make(*case, "float64")[1:4]
    assert_gradients = reference.assert_gradients
    assert_gradients(lambda x, w, b: F.conv2d(x, w, b, **case[2], algorithm="winograd"), arrays, rng, eps=1, rtol=1e-10)


# Independence of the results: of memory order, batch and threads.

@pytest.mark.parametrize("order", reference.ORDERS)
def test_every_memory_order_and_inputs_unchanged(order):
    for case in PADDED, CUT, FILLED:
        g, x, weight, bias, grad = make(*case)
        wanted = run(g, x, weight, bias, grad, relu=True)
        arrays = [order(x), order(weight), bias.repeat(2)[::2], order(grad)]
        for a in arrays:
            a.flags.writeable = False
        for a, b in zip(run(g, *arrays, relu=True), wanted, strict=True):
            np.testing.assert_array_equal(a, b)
        for a, b in zip(arrays, (x, weight, bias, grad), strict=True):
            np.testing.assert_array_equal(a, b)


def test_only_the_gradients_that_are_needed():
    for case in PADDED, CUT, FILLED, CIRCULAR:
        g, x, weight, bias, grad = make(*case)
        for relu in (False, True):
            _, saved = algorithm.forward(x, weight, bias, g, relu=relu)
            everything = algorithm.backward(grad, saved, ALL)
            for needs in np.ndindex(2, 2, 2):
                gradients = algorithm.backward(grad, saved, tuple(map(bool, needs)))
                assert [a is not None for a in gradients] == list(map(bool, needs))
                for a, b in zip(gradients, everything, strict=True):
                    assert a is None or np.array_equal(a, b)


def test_backward_twice_with_the_same_saved():
    for case in PADDED, CUT, FILLED:
        g, x, weight, bias, grad = make(*case)
        out, saved = algorithm.forward(x, weight, bias, g, relu=True)
        kept = out.copy()
        first, second = algorithm.backward(grad, saved, ALL), algorithm.backward(grad, saved, ALL)
        other = algorithm.backward(-grad, saved, ALL)
        for a, b, c in zip(first, second, other, strict=True):
            np.testing.assert_array_equal(a, b)
            np.testing.assert_array_equal(a, -c)
        np.testing.assert_array_equal(out, kept)


def test_no_bias_is_a_bias_of_zeros():
    g, x, weight, bias, grad = make(*PADDED)
    np.testing.assert_array_equal(algorithm.forward(x, weight, None, g)[0],
                                  algorithm.forward(x, weight, 0 * bias, g)[0])


def test_an_image_does_not_depend_on_the_others():
    """A result does not depend on the other images in its vector, and the batch size changes only rounding."""
    g, x, weight, bias, grad = make((17, 2, 9, 11), (7, 2, 3, 3), {"padding": 1})
    out, grad_input, *_ = run(g, x, weight, bias, grad)
    others = x.copy(), grad.copy()
    for a in others:
        a[np.arange(17) != 5] *= -3
    other = run(g, others[0], weight, bias, others[1])
    np.testing.assert_array_equal(out[5], other[0][5])
    np.testing.assert_array_equal(grad_input[5], other[1][5])
    alone = run(Geometry.of((1, 2, 9, 11), (7, 2, 3, 3), padding=1), x[5:6], weight, bias, grad[5:6])
    np.testing.assert_allclose(out[5], alone[0][0], atol=1e-4)
    np.testing.assert_allclose(grad_input[5], alone[1][0], atol=1e-4)


def test_nothing_beside_the_arrays_is_read_or_written(threads, monkeypatch):
    """All numbers beside the arrays, and the initial contents of memory, are NaN: a wrong load would give NaN."""
    kept = []

    def island(shape, dtype, beach=4096):
        size = math.prod(shape) * np.dtype(dtype).itemsize
        sea = np.full(size // 8 + 2 * beach // 8 + 1, np.nan).view(np.uint8)
        start = -sea.ctypes.data % 64 + beach - 64
        kept.append((sea, start, start + size))
        return sea[start:start + size].view(dtype).reshape(shape)

    def on_island(a):
        b = island(a.transpose(1, 2, 3, 0).shape, a.dtype)
        b[...] = a.transpose(1, 2, 3, 0)
        return b.transpose(3, 0, 1, 2)

    for module in winograd_forward, winograd_backward, winograd_weight:
        monkeypatch.setattr(module, "empty", island)
    monkeypatch.setattr(runtime.threads, "working_memory", lambda size: island((size,), np.uint8))
    threads(1)                                          # only the calling thread takes memory from there
    for case in GEOMETRIES:
        g, x, weight, bias, grad = make(*case)
        for relu in (False, True):
            results = run(g, on_island(x), weight, bias, on_island(grad), relu=relu)
            assert all(np.isfinite(a).all() for a in results)
            untouched = np.full(1, np.nan).view(np.uint8)
            for sea, start, stop in kept:
                before, after = sea[:start // 8 * 8].reshape(-1, 8), sea[-(-stop // 8) * 8:].reshape(-1, 8)
                assert (before == untouched).all() and (after == untouched).all()
            kept.clear()


@pytest.mark.parametrize("case", [PADDED, CUT, FILLED, ((48, 40, 11, 9), (2, 40, 3, 3), {})], ids=str)
def test_a_job_alone_gives_the_bits_of_many_together(case, monkeypatch):
    """A thread computes neighbouring tiles, channels and frequencies together. No sum depends on that."""
    operands = make(*case)
    together = run(*operands, relu=True)

    def one_by_one(jobs, function, task, scratch=0, least=1, together=1):
        memory = runtime.threads.working_memory(scratch).ctypes.data
        for job in range(jobs):
            block(function, job, job + 1, memory, task.ctypes.data)

    kind = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 4)
    block = lambda function, *arguments: kind(function)(*arguments)
    for module in winograd_forward, winograd_backward:
        monkeypatch.setattr(module, "parallel_kernel", one_by_one)
    for a, b in zip(run(*operands, relu=True), together, strict=True):
        np.testing.assert_array_equal(a, b)


# ReLU and NaN.

@pytest.mark.parametrize("name", ["winograd", "im2col"])
def test_relu_in_one_pass_equals_relu_afterwards(name):
    for case in PADDED, CUT, FILLED, CIRCULAR:
        g, *arrays, grad = make(*case)
        results = []
        for function in (lambda *a, **o: F.conv2d(*a, **o, relu=True), lambda *a, **o: F.relu(F.conv2d(*a, **o))):
            tensors = [Tensor(a, requires_grad=True) for a in arrays]
            out = function(*tensors, **case[2], algorithm=name)
            out.backward(grad)
            results.append((out.data, *(t.grad for t in tensors)))
        assert (results[0][0] == 0).any() and (results[0][0] > 0).any()
        for a, b in zip(*results, strict=True):
            np.testing.assert_array_equal(a, b)


def test_relu_gradients_against_differences(rng):
    """The bias keeps every output away from the kink; half of the channels are negative."""
    g, x, weight, _, _ = make((2, 2, 5, 6), (4, 2, 3, 3), {"padding": 1}, "float64")
    bias = 100 * np.array([1.0, -1, 1, -1])
    reference.assert_gradients(lambda *a: F.conv2d(*a, padding=1, algorithm="winograd", relu=True), [x, weight, bias],
                               rng, eps=1, rtol=1e-10)


def test_nan_stays_nan_and_in_its_tile():
    for batch, relu in ((32, False), (32, True), (3, True)):
        g, x, weight, bias, grad = make((batch, 2, 18, 13), (4, 2, 3, 3), {"padding": 1})
        x[1, 1, 7, 5] = np.nan
        nan = np.isnan(algorithm.forward(x, weight, bias, g, relu=relu)[0])
        definition, tiles = np.zeros(g.out_shape, bool), np.zeros(g.out_shape, bool)
        definition[1, :, 6:9, 4:7] = True               # outputs y with y - 1 <= 7 <= y + 1
        tiles[1, :, 4:12, 4:8] = True                   # tile 1 reads rows 3 to 8, tile 2 rows 7 to 12
        assert (nan >= definition).all() and (nan <= tiles).all()


def test_nan_in_the_cotangent_or_the_weight_stays_in_its_channel():
    g, x, weight, bias, grad = make((17, 3, 9, 8), (5, 3, 3, 3), {})
    grad[3, 2, 1, 1] = np.nan
    _, grad_input, grad_weight, grad_bias = run(g, x, weight, bias, grad)
    assert np.isnan(grad_input[3]).any() and np.isfinite(np.delete(grad_input, 3, 0)).all()
    assert np.isnan(grad_weight[2]).all() and np.isfinite(np.delete(grad_weight, 2, 0)).all()
    np.testing.assert_array_equal(np.isnan(grad_bias), np.arange(5) == 2)
    weight[1, 0, 0, 0] = np.inf
    out = algorithm.forward(x, weight, bias, g)[0]
    assert not np.isfinite(out[:, 1]).any() and np.isfinite(np.delete(out, 1, 1)).all()


# Geometries that it refuses, and its choice of tiles and blocks.

@pytest.mark.parametrize(("weight_shape", "options", "message"), [
    ((2, 4, 3, 5), {}, "the kernel must be square, 2 x 2 to 7 x 7, not 3 x 5"),
    ((2, 4, 1, 1), {}, "the kernel must be square, 2 x 2 to 7 x 7, not 1 x 1"),
    ((2, 4, 8, 8), {}, "the kernel must be square, 2 x 2 to 7 x 7, not 8 x 8"),
    ((2, 4, 3, 3), {"stride": (1, 2)}, r"stride \(1, 2\) makes phases for which the kernel must be .* not 3 x 2"),
    ((2, 4, 3, 3), {"dilation": 2}, r"it needs dilation 1 and one group, not dilation \(2, 2\), groups 1"),
    ((2, 2, 3, 3), {"groups": 2}, r"it needs dilation 1 and one group, not dilation \(1, 1\), groups 2"),
])
def test_what_it_cannot_do(weight_shape, options, message):
    with pytest.raises(ValueError, match=f"'winograd' cannot compute this convolution: .*{message}"):
        choose("winograd", Geometry.of((1, 4, 9, 9), weight_shape, **options))


def test_without_numbas_compiler_there_is_a_reason(monkeypatch):
    monkeypatch.setattr(numba.config, "DISABLE_JIT", True)
    assert "NUMBA_DISABLE_JIT" in algorithm.unsupported(make(*GEOMETRIES[0])[0])


def test_the_tile_that_is_chosen(interpreter):
    for r in range(2, 8):
        for size in range(r, 40, 3):
            for channels in (1, 8, 40):
                shapes = [((n, channels, size, 24), (channels, channels, r, r)) for n in (1, 3, 16, 64)]
                tiles = {winograd.best_tile(Geometry.of(*shape)) for shape in shapes}
                assert len(tiles) == 1 and predicted_error(*tiles, r) <= winograd.MAX_ERROR
    assert winograd.best_tile(Geometry.of((64, 20, 24, 24), (40, 20, 5, 5))) == 4


def test_blocks_fit_the_registers_and_waste_little(interpreter):
    for channels in range(1, 70):
        for columns in range(1, 20):
            a, b = winograd.product_block_size(channels, columns)
            assert target().holds(a, b)
            assert -(-channels // a) * a <= 1.25 * channels + 1
        for vectors in range(1, 9):
            a, b = winograd.weight_block_size(channels, vectors)
            assert target().holds(a, b) and vectors % b == 0
