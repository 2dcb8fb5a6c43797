"""Each pass equals its formula in NumPy, in both memory orders, with one block and with many, on all threads."""

import numpy as np
import pytest

from minicnn.conv.runtime import threads
from minicnn.passes import channels
from minicnn.passes.channels import Layout
from minicnn.passes.standardization import affine, gradient_sums, input_gradient, moments

SHAPES = [(3, 2, 5, 7), (2, 3, 6, 6), (5, 4), (1, 1, 2, 1), (4, 1, 40)]
ORDERS = {"(N, C, ...)": lambda x: x, "(C, ..., N)": lambda x: np.moveaxis(np.moveaxis(x, 0, -1).copy(), -1, 0),
          "reversed": lambda x: x[::-1]}


@pytest.fixture(params=SHAPES, ids=str)
def x(request, rng):
    return (3 + rng.standard_normal(request.param)).astype(np.float32)


@pytest.fixture(params=[1, 7, 8192])
def block(request, monkeypatch):
    monkeypatch.setattr(channels, "BLOCK", request.param)


def column(values, x):
    return values.reshape(-1, *[1] * (x.ndim - 2))


@pytest.mark.parametrize("order", ORDERS)
def test_every_pass_is_its_formula(x, order, block, rng):
    x = ORDERS[order](x)
    grad = rng.standard_normal(x.shape).astype(np.float32)
    x.flags.writeable = grad.flags.writeable = False       # as the results of recorded operations
    over = (0, *range(2, x.ndim))
    mean, var = moments(x)
    np.testing.assert_allclose(mean, x.mean(over, np.float64), rtol=1e-14)
    np.testing.assert_allclose(var, x.var(over, np.float64), rtol=1e-12, atol=1e-14)
    weight, bias = rng.standard_normal((2, x.shape[1])).astype(np.float32)
    less, slope, factor = rng.standard_normal((3, x.shape[1]))
    normal = ((x - column(mean, x)) * column(factor, x)).astype(np.float32)
    expected = normal * column(weight, x) + column(bias, x)
    np.testing.assert_allclose(affine(x, mean, factor, weight, bias), expected, rtol=3e-7, atol=1e-6)
    total, product = gradient_sums(grad, normal)
    np.testing.assert_allclose(total, grad.sum(over, np.float64), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(product, (grad * normal.astype(np.float64)).sum(over), rtol=1e-12, atol=1e-12)
    expected = (grad - column(less, x) - normal * column(slope, x)) * column(factor, x)
    np.testing.assert_allclose(input_gradient(grad, normal, less, slope, factor), expected, rtol=1e-6, atol=1e-6)


def test_the_number_of_threads_changes_no_bit(rng, monkeypatch):
    monkeypatch.setattr(channels, "PER_CALL", 1)
    monkeypatch.setattr(channels, "BLOCK", 50)
    x = rng.standard_normal((30, 3, 9, 2)).astype(np.float32)
    found = set()
    for number in 1, 2, 5:
        monkeypatch.setattr(threads, "_threads", number)
        found.add(b"".join(a.tobytes() for a in (*moments(x), *gradient_sums(x, x[::-1]))))
    assert len(found) == 1


def test_a_large_first_element_costs_few_digits(rng):
    x = rng.standard_normal((64, 1, 8, 8)).astype(np.float32)
    x[0, 0, 0, 0] = 1e6
    np.testing.assert_allclose(moments(x)[1], x.var(dtype=np.float64), rtol=1e-10)
    x += np.float32(1e6)                          # all digits of float32 are in the mean
    np.testing.assert_allclose(moments(x)[1], x.var(dtype=np.float64), rtol=1e-10)


def test_a_constant_channel_has_no_variance():
    assert moments(np.full((3, 1, 50), 0.1, np.float32))[1] == 0


@pytest.mark.parametrize("shape", [(0, 2, 3, 3), (2, 0, 3, 3), (0, 2)])
def test_no_elements(shape):
    nothing = np.zeros(shape, np.float32)
    zeros = np.zeros(shape[1])
    assert not any(map(np.any, gradient_sums(nothing, nothing)))
    assert input_gradient(nothing, nothing, zeros, zeros, zeros).shape == shape


def test_arrays_in_known_orders_are_not_copied(rng):
    x = rng.standard_normal((2, 3, 6, 6))
    assert np.shares_memory(Layout.of(x).flat(x), x)
    last = x.transpose(1, 2, 3, 0).copy().transpose(3, 0, 1, 2)
    assert np.shares_memory(Layout.of(last).flat(last), last)
    for array in last, x[:, :, ::2], x.transpose(1, 0, 3, 2):
        layout = Layout.of(array)
        np.testing.assert_array_equal(layout.shaped(layout.flat(array)), array)
