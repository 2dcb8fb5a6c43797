"""Winograd against scipy, its adjoints, and by counting what it multiplies, loads, stores and copies.

A kernel takes seconds to compile for each size of tile, so there is one tile for each size of kernel; and one size of
register blocks, which does not fit most numbers of channels and tiles. The sizes that are chosen are interpreted.
"""

import ctypes
import math
import os
import sys
import threading

import numba
import numpy as np
import pytest

from minicnn import Tensor, conv
from minicnn import functional as F
from minicnn.conv import Geometry, choose, layout, memory, winograd
from minicnn.conv.cook_toom import predicted_error
from minicnn.conv.threads import get_num_threads, set_num_threads
from minicnn.models import LeNet
from tests import reference, simd_interpreter

algorithm = conv.algorithms()["winograd"]
TILE = {2: 4, 3: 4, 4: 3, 5: 4, 6: 3, 7: 2}             # r -> m of F(m x m, r x r)
ALL = (True, True, True)


@pytest.fixture(autouse=True)
def few_kernels(request, monkeypatch):
    if "interpreter" not in request.fixturenames:         # that compiles nothing: it takes any size
        monkeypatch.setattr(winograd, "best_tile", lambda geometry: TILE[geometry.kernel[0]])
        monkeypatch.setattr(winograd, "block_size", lambda channels, columns: (3, 2))
        monkeypatch.setattr(winograd, "sum_block_size", lambda channels, vectors: (2, 1))
    winograd.plan_of.cache_clear()
    yield
    winograd.plan_of.cache_clear()


@pytest.fixture
def interpreter(monkeypatch):
    return simd_interpreter.install(monkeypatch)


@pytest.fixture
def threads():
    before = get_num_threads()
    yield set_num_threads
    set_num_threads(before)


def expected(x, weight, bias, grad, g):
    """The output and all gradients by scipy, in float64."""
    (top, _), (left, _), r = *g.padding, g.kernel[0]
    out = reference.conv2d(x, weight, bias, padding=g.padding, mode=g.padding_mode)
    mode = {"zeros": "constant", "circular": "wrap"}[g.padding_mode]
    padded = np.pad(x, ((0, 0), (0, 0), *g.padding), mode=mode)
    grad_weight = reference.conv2d(padded.swapaxes(0, 1), grad.swapaxes(0, 1)).swapaxes(0, 1)
    flipped = weight.swapaxes(0, 1)[:, :, ::-1, ::-1]
    full = reference.conv2d(grad, flipped, padding=((r - 1, r - 1), (r - 1, r - 1)))
    grad_input = full[:, :, top:top + g.height, left:left + g.width]
    if g.padding_mode == "circular":
        grad_input = np.zeros(g.in_shape)
        rows, columns = (np.arange(size) for size in g.padded)
        np.add.at(grad_input, (..., (rows[:, None] - top) % g.height, (columns - left) % g.width), full)
    return out, grad_input, grad_weight, grad.astype(float).sum((0, 2, 3))


def make(input_shape, weight_shape, options, dtype="float32"):
    """Geometry, x, weight, bias, cotangent."""
    rng = np.random.default_rng(0)
    g = Geometry.of(input_shape, weight_shape, dtype=dtype, **options)
    return g, *(rng.standard_normal(shape).astype(dtype)
                for shape in (g.in_shape, g.weight_shape, (g.out_channels,), g.out_shape))


def run(g, x, weight, bias, grad, **options):
    out, saved = algorithm.forward(x, weight, bias, g, **options)
    return out, *algorithm.backward(grad, saved, ALL)


def assert_close(results, g, x, weight, bias, grad):
    """Within twice the predicted error of scipy, were all numbers that a sum meets as large as the largest.

    A tile rounds to eps of the numbers in it, even where an output at the border of an image sees few of them. The
    gradient of the weight is made of r x r outputs for each tile of the cotangent, F(r, m), and sums as many numbers of
    either sign as there are pixels.
    """
    m, r, eps = winograd.plan_of(g).m, g.kernel[0], np.finfo(g.dtype).eps
    most_x, most_grad, pixels = abs(x).max(), abs(grad).max(), math.prod(g.out_shape) // g.out_channels
    limits = (predicted_error(m, r) * (most_x * abs(weight).sum((1, 2, 3)).max() + abs(bias).max()),
              predicted_error(m, r) * most_grad * abs(weight).sum((0, 2, 3)).max(),
              predicted_error(r, m) * most_x * most_grad * math.sqrt(pixels), most_grad * pixels)
    for result, exact, limit in zip(results, expected(x, weight, bias, grad, g), limits, strict=True):
        assert result.shape == exact.shape and result.dtype == g.dtype
        assert abs(result - exact).max() <= 2 * limit * eps


# input (N, C, H, W), weight (K, C, r, r), options
PADDED = ((48, 2, 9, 11), (7, 2, 3, 3), {"padding": 1})
CUT = ((17, 2, 5, 4), (3, 2, 3, 3), {"padding": (7, 9)})                    # a batch that does not fill the lanes
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
    ((16, 2, 5, 6), (3, 2, 3, 3), {"padding": (7, 3)}),                     # rows of tiles that see padding only
    CUT,
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
    """<g, conv(x, w)> = <grad_input, x> = <grad_weight, w>, also where the ReLU has put zeros."""
    for relu in (False, True):
        g, x, weight, bias, grad = make(*case)
        out, grad_input, grad_weight, grad_bias = (a.astype(float) for a in run(g, x, weight, bias, grad, relu=relu))
        grad = grad * (out > 0) if relu else grad
        linear = (out - bias[:, None, None]) * grad
        tolerance = 3e-7 * predicted_error(TILE[g.kernel[0]], g.kernel[0]) * max(abs(linear).sum(), abs(grad).sum())
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


# What a result does not depend on.

def unaligned(a):
    raw = np.zeros(a.nbytes + 1, np.uint8)[1:].view(a.dtype).reshape(a.shape)
    raw[...] = a
    return raw


@pytest.mark.parametrize("order", [
    np.asfortranarray, unaligned, lambda a: a.repeat(2, -1)[..., ::2], lambda a: a[..., ::-1].copy()[..., ::-1],
    lambda a: np.ascontiguousarray(a.transpose(1, 2, 3, 0)).transpose(3, 0, 1, 2),
    lambda a: unaligned(a.transpose(1, 2, 3, 0)).transpose(3, 0, 1, 2)])
def test_every_memory_order_and_inputs_unchanged(order):
    for case in PADDED, CUT:
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
    for case in PADDED, CUT, CIRCULAR:
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
    for case in PADDED, CUT:
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


@pytest.mark.parametrize("batch", [32, 5])
def test_number_of_threads_changes_no_bit(batch, threads):
    operands = make((batch, 6, 23, 14), (7, 6, 3, 3), {"padding": 1})
    threads(1)
    alone = run(*operands, relu=True)
    for n in (2, 5):
        threads(n)
        for a, b in zip(run(*operands, relu=True), alone, strict=True):
            np.testing.assert_array_equal(a, b)


def test_several_python_threads_at_once(threads):
    threads(2)
    sizes = [make((batch, 6, 23, 14), (7, 6, 3, 3), {"padding": 1}) for batch in (32, 5)]
    wanted, results = [run(*operands) for operands in sizes], []

    def work():
        for _ in range(5):
            results.extend(run(*operands) for operands in sizes)
    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(results) == 40
    for result in results:
        same = wanted[result[0].shape[0] == 5]
        assert all(np.array_equal(a, b) for a, b in zip(result, same, strict=True))


def test_an_image_does_not_depend_on_the_others():
    """Neither on those in its vector; nor, but for rounding, on how many there are."""
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


def test_nothing_beside_the_arrays_is_read_or_written(monkeypatch):
    """Every neighbour in memory is NaN, and so is what memory holds beforehand: a lane too far would show."""
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

    monkeypatch.setattr(winograd, "empty", island)
    monkeypatch.setattr(winograd, "scratch", lambda size: island((size,), np.uint8).ctypes.data)
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


# ReLU and NaN.

@pytest.mark.parametrize("name", ["winograd", "im2col"])
def test_relu_in_one_pass_equals_relu_afterwards(name):
    for case in PADDED, CUT, CIRCULAR:
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


# What it cannot do, and what it chooses.

@pytest.mark.parametrize(("weight_shape", "options", "message"), [
    ((2, 4, 3, 5), {}, "the kernel must be square, 2 x 2 to 7 x 7, not 3 x 5"),
    ((2, 4, 1, 1), {}, "the kernel must be square, 2 x 2 to 7 x 7, not 1 x 1"),
    ((2, 4, 8, 8), {}, "the kernel must be square, 2 x 2 to 7 x 7, not 8 x 8"),
    ((2, 4, 3, 3), {"stride": (1, 2)}, r"stride 1, dilation 1 and one group, not stride \(1, 2\), dilation \(1, 1\)"),
    ((2, 4, 3, 3), {"dilation": 2}, r"not stride \(1, 1\), dilation \(2, 2\), groups 1"),
    ((2, 2, 3, 3), {"groups": 2}, r"not stride \(1, 1\), dilation \(1, 1\), groups 2"),
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
                assert len(tiles) == 1 and predicted_error(*tiles, r) <= winograd.LIMIT
    assert winograd.best_tile(Geometry.of((64, 20, 24, 24), (40, 20, 5, 5))) == 4


def test_blocks_fit_the_registers_and_waste_little(interpreter):
    for channels in range(1, 70):
        for columns in range(1, 20):
            a, b = winograd.block_size(channels, columns)
            assert a * b <= winograd.REGISTERS
            assert -(-channels // a) * a * -(-columns // b) * b <= 1.25 * channels * columns + 1
        for vectors in range(1, 9):
            a, b = winograd.sum_block_size(channels, vectors)
            assert a * b <= winograd.REGISTERS and vectors % b == 0


# The kernels interpreted.

INTERPRETED = [
    ((16, 4, 6, 7), (5, 4, 2, 2), {"padding": 1}, "float64"),
    ((3, 2, 13, 10), (20, 2, 3, 3), {}),
    ((1, 9, 11, 5), (3, 9, 4, 4), {"padding": (4, 2)}),
    ((16, 1, 9, 9), (17, 1, 5, 5), {}, "float64"),
    ((2, 3, 8, 8), (2, 3, 6, 6), {"padding": "same"}),
    ((8, 2, 7, 9), (20, 2, 7, 7), {"padding": 3, "padding_mode": "circular"}, "float64"),
    ((16, 66, 5, 4), (2, 66, 3, 3), {}),
]


@pytest.mark.parametrize("case", INTERPRETED, ids=str)
def test_interpreted_with_the_sizes_that_are_chosen(case, interpreter):
    """And every load and store lies inside an array."""
    operands = make(*case)
    results = run(*operands)
    assert_close(results, *operands)
    out = algorithm.forward(*operands[1:4], operands[0], relu=True)[0]
    np.testing.assert_array_equal(out, np.maximum(results[0], 0))


@pytest.mark.parametrize("case", [
    ((16, 5, 7, 9), (4, 5, 3, 3), {"padding": 1}), ((3, 2, 5, 4), (3, 2, 5, 5), {"padding": (5, 2)}),
], ids=str)
def test_compiled_and_interpreted_give_the_same_numbers(case, monkeypatch):
    operands = make(*case)
    compiled = run(*operands, relu=True)
    simd_interpreter.install(monkeypatch)
    for a, b in zip(run(*operands, relu=True), compiled, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5 * abs(b).max())


def products(interpreter, function, *arguments):
    """How many products a call computes, and what it returns."""
    before = interpreter.products
    result = function(*arguments)
    return interpreter.products - before, result


def test_4_products_for_an_output_and_channel_where_direct_has_25(interpreter, monkeypatch):
    """The second convolution of LeNet made smaller: F(4 x 4, 5 x 5), forward and in either gradient."""
    monkeypatch.setattr(winograd, "best_tile", lambda geometry: 4)          # as for the LeNet's channels
    g, x, weight, bias, grad = make((16, 2, 12, 16), (16, 2, 5, 5), {})
    pairs = math.prod(g.out_shape) * g.in_channels
    for name, count in (("winograd", 4), ("direct", 25)):
        forward, (_, saved) = products(interpreter, conv.algorithms()[name].forward, x, weight, bias, g)
        backward = conv.algorithms()[name].backward
        assert forward == products(interpreter, backward, grad, saved, (False, True, False))[0] == count * pairs
        if name == "winograd":
            assert products(interpreter, backward, grad, saved, (True, False, False))[0] == count * pairs


@pytest.mark.parametrize("case", [
    ((16, 3, 8, 15), (7, 3, 3, 3), {"padding": 1}), ((3, 5, 13, 10), (18, 5, 4, 4), {}),
    ((1, 11, 9, 9), (1, 11, 2, 2), {"padding": 1}),
], ids=str)
def test_products_are_those_of_the_tiles_and_blocks(case, interpreter):
    g, x, weight, bias, grad = make(*case)
    m = winograd.best_tile(g)
    rows, columns = (-(-size // m) for size in g.out_size)
    up = lambda size, step: -(-size // step) * step
    images = rows * g.batch if g.batch % 16 == 0 else up(rows * g.batch, 16)        # a row of tiles each
    total, C, K = images * (m + g.kernel[0] - 1) ** 2, g.in_channels, g.out_channels
    (k_block, k_tiles), (c_block, c_tiles) = winograd.block_size(K, columns), winograd.block_size(C, columns)
    c_sums = up(C, winograd.sum_block_size(C, -(-K // 16))[0])
    forward, (_, saved) = products(interpreter, algorithm.forward, x, weight, bias, g)
    parts = [products(interpreter, algorithm.backward, grad, saved, needs)[0]
             for needs in ((True, False, False), (False, True, False), (False, False, True))]
    assert forward == total * up(K, k_block) * up(columns, k_tiles) * C
    assert parts == [total * up(C, c_block) * up(columns, c_tiles) * K, total * c_sums * columns * up(K, 16), 0]


# Memory.

def test_how_often_images_are_read_and_written(interpreter, monkeypatch):
    """An output is written once, a cotangent read once, and a row of the input once for each row of tiles it is in."""
    monkeypatch.setattr(winograd, "best_tile", lambda geometry: 4)
    g, x, weight, bias, grad = make((16, 2, 24, 24), (3, 2, 5, 5), {})
    x, grad = (np.ascontiguousarray(a.transpose(1, 2, 3, 0)) for a in (x, grad))
    out, saved = algorithm.forward(x.transpose(3, 0, 1, 2), weight, bias, g, relu=True)
    out = out.transpose(1, 2, 3, 0)
    assert interpreter.traffic(out) == (0, out.size)
    rows = 5 * 8                                        # 5 rows of tiles of 8 x 8 pixels
    assert interpreter.traffic(x) == (rows * 24 * 2 * 16, 0)
    gradients = algorithm.backward(grad.transpose(3, 0, 1, 2), saved, ALL)
    assert interpreter.traffic(out) == (out.size, out.size)
    assert interpreter.traffic(grad) == (grad.size, 0)
    assert interpreter.traffic(x) == (2 * rows * 24 * 2 * 16, 0)
    stored = interpreter.traffic(gradients[0].transpose(1, 2, 3, 0))[1]
    assert x.size <= stored <= rows * 24 * 2 * 16


def test_padding_with_zeros_copies_nothing():
    g, x, weight, bias, _ = make((16, 2, 9, 11), (7, 2, 3, 3), {"padding": 1})
    x = np.ascontiguousarray(x.transpose(1, 2, 3, 0)).transpose(3, 0, 1, 2)
    _, saved = algorithm.forward(x, weight, bias, g)
    assert [np.shares_memory(a, b) for a, b in zip(saved[:2], (x, weight), strict=True)] == [True, True]


def test_a_training_step_does_not_copy_activations(monkeypatch, rng):
    """LeNet on 16 images: of what the layers get, images and gradients, only the first images change their order."""
    shared = []

    def spy(x, original=layout.to_batch_last):
        result = original(x)
        shared.append(np.shares_memory(x, result))
        return result
    for module in (module for name, module in sys.modules.items() if name.startswith("minicnn.conv.")):
        if hasattr(module, "to_batch_last"):
            monkeypatch.setattr(module, "to_batch_last", spy)
    logits = LeNet(rng=rng)(Tensor(rng.standard_normal((16, 1, 28, 28)).astype(np.float32)))
    F.cross_entropy(logits, np.arange(16) % 10).backward()
    assert shared == [False] + 3 * [True] + 4 * [True]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_has_working_memory_of_its_own():
    numbers = np.frombuffer((ctypes.c_char * 64).from_address(memory.scratch(64)), np.uint8)
    numbers[:] = 1
    child = os.fork()
    if child == 0:
        ctypes.memset(memory.scratch(64), 2, 64)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert (numbers == 1).all()
