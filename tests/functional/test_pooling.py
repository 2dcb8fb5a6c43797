"""Pools against windows made by slices; ties, NaN, memory order."""

import numpy as np
import pytest

from minicnn import Tensor
from minicnn import functional as F
from tests.reference import windows


@pytest.mark.parametrize(("kernel", "stride", "padding"), [
    ((2, 2), (2, 2), 0), ((3, 2), (1, 3), 1), ((3, 3), (2, 2), 1)])
def test_pools_against_a_loop(kernel, stride, padding, rng):
    x = rng.standard_normal((2, 3, 7, 8))
    for name, value, reduce in (("max_pool2d", -np.inf, np.max), ("avg_pool2d", 0, np.mean)):
        out = getattr(F, name)(Tensor(x), kernel, stride, padding).data
        for n, c in np.ndindex(2, 3):
            padded = np.pad(x[n, c], padding, constant_values=value)
            np.testing.assert_allclose(out[n, c], reduce(windows(padded, kernel, stride), (-2, -1)))


def test_max_pool_tie_goes_to_the_first_in_row_major_order():
    x = Tensor(np.zeros((1, 2, 2)), requires_grad=True)
    F.max_pool2d(x, 2).backward(np.full((1, 1, 1), -3.0))
    assert x.grad.ravel().tolist() == [-3, 0, 0, 0]


@pytest.mark.parametrize("where", range(4))
def test_max_pool_of_nan_is_nan(where):
    x = np.ones(4)
    x[where] = np.nan
    assert np.isnan(F.max_pool2d(Tensor(x.reshape(1, 2, 2)), 2).item())


def test_pools_take_any_memory_order(rng):
    x = rng.standard_normal((3, 2, 6, 6))
    other = np.ascontiguousarray(x.transpose(1, 2, 3, 0)).transpose(3, 0, 1, 2)
    for pool in (F.max_pool2d, F.avg_pool2d):
        one, two = Tensor(x, requires_grad=True), Tensor(other, requires_grad=True)
        cotangent = rng.standard_normal((3, 2, 3, 3))
        for t in (one, two):
            pool(t, 2).backward(cotangent)
        np.testing.assert_array_equal(one.grad, two.grad)


@pytest.mark.parametrize(("call", "message"), [
    (lambda x: F.max_pool2d(x, 7), r"max_pool2d: the window spans \(7, 7\) pixels but the padded image has only \(6"),
    (lambda x: F.max_pool2d(x, 2, padding=2), "max_pool2d: padding .* must be at most half the kernel"),
    (lambda x: F.max_pool2d(x, 0), "max_pool2d: kernel_size must be an integer or a pair"),
    (lambda x: F.avg_pool2d(x[0, 0], 2), "avg_pool2d: the input must have shape"),
    (lambda x: F.adaptive_avg_pool2d(x, 0), "adaptive_avg_pool2d: output_size must be"),
    (lambda x: F.adaptive_max_pool2d(x, np.array([2, 2])), "adaptive_max_pool2d: output_size must be"),
])
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(Tensor(np.ones((2, 2, 6, 6)), requires_grad=True))
