"""Counts of the products, loads, stores and copies of winograd. Its kernels are interpreted, with all block sizes."""

import math
import os
import sys

import numpy as np
import pytest

from minicnn import Tensor, conv
from minicnn import functional as F
from minicnn.conv import layout
from minicnn.conv.algorithms import winograd
from minicnn.conv.runtime import memory
from minicnn.models import LeNet
from tests.conv.algorithms.winograd_cases import ALL, algorithm, assert_close, make, run
from tests.conv.kernels import simd_interpreter

pytestmark = pytest.mark.usefixtures("few_kernels")

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
    """The interpreter also checks that every load and store lies inside an array."""
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
    """The number of products of a call, and its result."""
    before = interpreter.products
    result = function(*arguments)
    return interpreter.products - before, result


def test_4_products_for_an_output_and_channel_where_direct_has_25(interpreter, monkeypatch):
    """A smaller form of LeNet's second convolution: F(4 x 4, 5 x 5), the forward pass and both gradients."""
    monkeypatch.setattr(winograd, "best_tile", lambda geometry: 4)          # the tile for the LeNet's channels
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
    ((1, 11, 9, 9), (1, 11, 2, 2), {"padding": 1}), ((20, 3, 8, 15), (7, 3, 3, 3), {}),
], ids=str)
def test_products_are_those_of_the_tiles_and_blocks(case, interpreter):
    g, x, weight, bias, grad = make(*case)
    m = winograd.best_tile(g)
    rows, columns = (-(-size // m) for size in g.out_size)
    up = lambda size, step: -(-size // step) * step
    images = rows * g.batch                             # rows of tiles of all images
    group, lanes = winograd.tiling_of(g).group, winograd.tiling_of(g).F.lanes
    if filled := winograd.filled_batch(g.batch, lanes):
        images = rows * filled
    else:
        groups = up(rows * columns * g.batch, lanes) // lanes
        columns = min(columns, max(1, groups // 8))     # tiles in an image of the larger batch
        images = up(groups, columns) // columns * lanes
    total, C, K = images * (m + g.kernel[0] - 1) ** 2, g.in_channels, g.out_channels
    k_block, c_block = (winograd.product_block_size(size, columns * group)[0] for size in (K, C))
    c_sums = up(C, winograd.weight_block_size(C, -(-K // lanes))[0])
    forward, (_, saved) = products(interpreter, algorithm.forward, x, weight, bias, g)
    parts = [products(interpreter, algorithm.backward, grad, saved, needs)[0]
             for needs in ((True, False, False), (False, True, False), (False, False, True))]
    assert forward == total * up(K, k_block) * columns * C
    assert parts == [total * up(C, c_block) * columns * K, total * c_sums * columns * up(K, lanes), 0]


# Memory.

def test_how_often_images_are_read_and_written(interpreter, monkeypatch):
    """An output is written once, a cotangent is read once, an input row is read once for each row of tiles with it."""
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
    """LeNet on 16 images: of all images and gradients, only the first images are copied into another order."""
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
    numbers = memory.working_memory(64)[:64]
    numbers[:] = 1
    child = os.fork()
    if child == 0:
        memory.working_memory(64)[:] = 2
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert (numbers == 1).all()
