"""Each pass equals its formula in NumPy, in both memory orders, with one block and with many, on all threads."""

import numpy as np
import pytest

from minicnn.conv.runtime import threads
from minicnn.passes import channels
from minicnn.passes.batch_norm import gradient_sums, input_gradient, moments, normalized
from minicnn.passes.channels import blocks_of, in_memory_order

SHAPES = [(3, 2, 5, 7), (2, 3, 6, 6), (5, 4), (1, 1, 2, 1), (4, 1, 40)]
ORDERS = {"(N, C, ...)": lambda x: x, "(C, ..., N)": lambda x: np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 0, -1)),
                                                                          -1, 0)}


@pytest.fixture(params=SHAPES, ids=str)
def x(request, rng):
    return (3 + rng.standard_normal(request.param)).astype(np.float32)


@pytest.fixture(params=[1, 7, 8192])
def block(request, monkeypatch):
    monkeypatch.setattr(channels, "BLOCK", request.param)


def flat_and_blocks(x):
    flat, axes = in_memory_order(x)
    return flat, blocks_of(x.shape, axes), axes


def column(values, x):
    return values.reshape(-1, *[1] * (x.ndim - 2))


@pytest.mark.parametrize("order", ORDERS)
def test_every_pass_is_its_formula(x, order, block, rng):
    x = ORDERS[order](x)
    grad = rng.standard_normal(x.shape).astype(np.float32)
    flat, blocks, axes = flat_and_blocks(x)
    back = lambda result: result.reshape([x.shape[a] for a in axes]).transpose(np.argsort(axes))
    over = (0, *range(2, x.ndim))
    mean, var = moments(flat, blocks)
    np.testing.assert_allclose(mean, x.mean(over, np.float64), rtol=1e-14)
    np.testing.assert_allclose(var, x.var(over, np.float64), rtol=1e-12, atol=1e-14)
    weight, bias = rng.standard_normal((2, x.shape[1])).astype(np.float32)
    inverse, less, slope, scale = rng.standard_normal((4, x.shape[1]))
    normal = ((x - column(mean, x)) * column(inverse, x)).astype(np.float32)
    np.testing.assert_allclose(back(normalized(flat, blocks, mean, inverse, weight, bias)),
                               normal * column(weight, x) + column(bias, x), rtol=3e-7, atol=1e-6)
    g = np.ascontiguousarray(grad.transpose(axes)).reshape(-1)
    total, product = gradient_sums(g, flat, blocks, mean, inverse)
    np.testing.assert_allclose(total, grad.sum(over, np.float64), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(product, (grad * normal.astype(np.float64)).sum(over), rtol=1e-12, atol=1e-12)
    expected = (grad - column(less, x) - normal * column(slope, x)) * column(scale, x)
    np.testing.assert_allclose(back(input_gradient(g, flat, blocks, mean, inverse, less, slope, scale)), expected,
                               rtol=1e-6, atol=1e-6)


def test_the_number_of_threads_changes_no_bit(rng, monkeypatch):
    monkeypatch.setattr(channels, "PER_CALL", 1)
    monkeypatch.setattr(channels, "BLOCK", 50)
    x = rng.standard_normal((30, 3, 9, 2)).astype(np.float32)
    flat, blocks, _ = flat_and_blocks(x)
    found = set()
    for number in 1, 2, 5:
        monkeypatch.setattr(threads, "_threads", number)
        found.add(b"".join(a.tobytes() for a in (*moments(flat, blocks), normalized(
            flat, blocks, *moments(flat, blocks), *np.ones((2, 3), np.float32)))))
    assert len(found) == 1


def test_a_large_first_element_costs_few_digits(rng):
    x = rng.standard_normal((64, 1, 8, 8)).astype(np.float32)
    x[0, 0, 0, 0] = 1e6
    mean, var = moments(*flat_and_blocks(x)[:2])
    np.testing.assert_allclose(var, x.var(dtype=np.float64), rtol=1e-10)
    x += np.float32(1e6)                          # all digits of float32 are in the mean
    np.testing.assert_allclose(moments(*flat_and_blocks(x)[:2])[1], x.var(dtype=np.float64), rtol=1e-10)


def test_arrays_in_known_orders_are_not_copied(rng):
    x = rng.standard_normal((2, 3, 6, 6))
    assert np.shares_memory(in_memory_order(x)[0], x)
    last = x.transpose(1, 2, 3, 0).copy().transpose(3, 0, 1, 2)
    flat, axes = in_memory_order(last)
    assert np.shares_memory(flat, last) and axes == (1, 2, 3, 0)
    odd = x[:, :, ::2]
    flat, axes = in_memory_order(odd)
    np.testing.assert_array_equal(flat.reshape([odd.shape[a] for a in axes]), odd.transpose(axes))
