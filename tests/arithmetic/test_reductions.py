"""Sums of millions, ties, NaN, and overflow of partial sums."""

import math

import numpy as np
import pytest

from minicnn import Tensor
from minicnn.autograd import unbroadcast


@pytest.mark.parametrize(("shape", "axis"), [
    ((2_000_000, 1), 0), ((1, 2_000_000), 1), ((2_000_000,), None), ((1000, 2000), (0, 1)), ((2, 1_000_000, 1), (0, 1)),
    ((1000, 2, 1000), (2, 0)), ((2_000_000, 2), 0)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_sums_of_millions_of_float32(shape, axis, order):
    x = Tensor(np.full(shape, 0.1, np.float32, order))
    exact = np.full(shape, np.float32(0.1), np.float64).sum(axis)
    np.testing.assert_allclose(x.sum(axis).data, exact, rtol=1e-7)
    np.testing.assert_allclose(x.mean(axis).data, 0.1, rtol=1e-7)


def test_sums_that_cancel(rng):
    x = rng.standard_normal(300_000).astype(np.float32) * np.float32(10.0) ** rng.integers(-6, 6, 300_000)
    x = x.astype(np.float32)
    assert Tensor(x).sum().item() == pytest.approx(math.fsum(x.astype(float)), rel=1e-6)


def test_gradients_of_a_million_uses_are_added_in_float64():
    b = Tensor(np.zeros((1, 2), np.float32), requires_grad=True)
    (b + np.zeros((2_000_000, 2), np.float32)).backward(np.full((2_000_000, 2), 0.1, np.float32))
    np.testing.assert_allclose(b.grad, 200_000, rtol=1e-6)
    x = Tensor(np.zeros(2, np.float32), requires_grad=True)
    x[np.zeros(2_000_000, int)].backward(np.full(2_000_000, 0.1, np.float32))
    np.testing.assert_allclose(x.grad, [200_000, 0], rtol=1e-6)
    np.testing.assert_allclose(unbroadcast(np.full((2_000_000, 3), 0.1, np.float32), (3,)), 200_000, rtol=1e-6)


def test_partial_sums_may_overflow():
    assert Tensor(np.array([1.7e308, 1.7e308])).mean().item() == 1.7e308
    assert Tensor(np.array([1e308, 1e308, -1e308])).sum().item() == 1e308
    assert Tensor(np.array([3e38, 3e38, -3e38], np.float32)).sum().item() == np.float32(3e38)
    assert Tensor(np.array([3e38, 3e38], np.float32)).mean().item() == np.float32(3e38)
    assert Tensor(np.array([[1e308, 1.0], [1e308, 2.0]])).sum(0).data.tolist() == [np.inf, 3.0]
    assert np.isnan(Tensor(np.array([np.inf, -np.inf])).sum().item())
    assert Tensor(np.array([np.inf, 1.0])).mean().item() == np.inf
    assert np.isnan(Tensor(np.array([[1.0, np.nan], [1.0, 2.0]])).sum(1).data).tolist() == [True, False]


@pytest.mark.parametrize(("values", "expected"), [
    ([1, 3, 3], [0, 0.5, 0.5]), ([np.inf, np.inf], [0.5, 0.5]), ([-np.inf, -np.inf], [0.5, 0.5]),
    ([1, np.nan, 3], [0, 1, 0]), ([np.nan, np.nan], [0.5, 0.5]), ([0.0, -0.0], [0.5, 0.5])])
def test_ties_and_nan_share_the_gradient_of_max(values, expected):
    for axis in (None, 0):
        for cotangent in (1.0, np.inf):
            x = Tensor(np.array(values), requires_grad=True)
            x.max(axis).backward(cotangent)
            np.testing.assert_array_equal(x.grad, [0 if e == 0 else cotangent * e for e in expected])


def test_what_max_hides_gets_no_gradient_whatever_the_cotangent(rng):
    x = Tensor(rng.permutation(12.0 * np.arange(12)).reshape(3, 4), requires_grad=True)
    out = x.max(1, keepdims=True)
    out.backward(np.array([[np.nan], [np.inf], [-1.0]]))
    np.testing.assert_array_equal(x.grad, np.where(x.data == out.data, np.array([[np.nan], [np.inf], [-1.0]]), 0))


def test_no_partial_sum_of_the_gradients_overflows():
    b = Tensor(np.zeros(1, np.float32), requires_grad=True)
    (b + np.zeros(3, np.float32)).backward(np.array([3e38, 3e38, -3e38], np.float32))
    assert b.grad.tolist() == [np.float32(3e38)]
