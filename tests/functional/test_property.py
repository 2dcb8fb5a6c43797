"""Any shape, window and memory order: operations against oracles of loops or scipy; inputs are never modified."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from minicnn import Tensor
from minicnn import functional as F
from tests.reference import ORDERS

small = st.integers(1, 4)
ORDER = st.sampled_from([lambda a: a, *ORDERS])
QUICK = settings(max_examples=60, deadline=None, derandomize=True)


def check(operation, oracle, x, order, rng, rtol=1e-10):
    """Values against the oracle; the gradient in a random direction against its central difference; unchanged input."""
    given_x, cotangent = order(x), rng.standard_normal(oracle(x).shape)
    t = Tensor(given_x, requires_grad=True)
    out = operation(t)
    np.testing.assert_allclose(out.data, oracle(x), rtol=rtol, atol=1e-13)
    out.backward(cotangent)
    np.testing.assert_array_equal(given_x, x)
    direction, eps = rng.standard_normal(x.shape), 1e-6
    slope = (cotangent * (oracle(x + eps * direction) - oracle(x - eps * direction))).sum() / (2 * eps)
    assert (t.grad * direction).sum() == pytest.approx(slope, rel=1e-5, abs=1e-5)


def distinct(rng, shape):
    """Numbers that differ by 0.1 at least, and are not 0: no kink is near."""
    n = int(np.prod(shape))
    return ((rng.permutation(n) - n // 2 + 0.5) * 0.1).reshape(shape)


ELEMENTWISE = {
    "relu": (F.relu, lambda a: np.maximum(a, 0)),
    "leaky_relu": (lambda x: F.leaky_relu(x, 0.3), lambda a: np.where(a > 0, a, 0.3 * a)),
    "tanh": (F.tanh, np.tanh), "sigmoid": (F.sigmoid, special.expit), "logsigmoid": (F.logsigmoid, special.log_expit),
    "prelu": (lambda x: F.prelu(x, np.array([0.3])), lambda a: np.where(a > 0, a, 0.3 * a)),
    "hardtanh": (lambda x: F.hardtanh(x, -0.42, 0.51), lambda a: np.clip(a, -0.42, 0.51)),
    "elu": (lambda x: F.elu(x, 2), lambda a: np.where(a > 0, a, 2 * np.expm1(np.minimum(a, 0)))),
    "silu": (F.silu, lambda a: a * special.expit(a)), "gelu": (F.gelu, lambda a: a * special.ndtr(a)),
    "gelu, tanh": (lambda x: F.gelu(x, "tanh"),
                   lambda a: a / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (a + 0.044715 * a ** 3)))),
    "softplus": (lambda x: F.softplus(x, 2), lambda a: np.logaddexp(0, 2 * a) / 2),
    "softmax": (lambda x: F.softmax(x, 1), lambda a: special.softmax(a, 1)),
    "log_softmax": (lambda x: F.log_softmax(x, 1), lambda a: special.log_softmax(a, 1)),
    "flatten": (lambda x: F.flatten(x, 1, 2), lambda a: a.reshape(a.shape[0], -1, a.shape[3])),
    "mse_loss": (lambda x: F.mse_loss(x, np.ones(x.shape)), lambda a: np.array(((a - 1) ** 2).mean())),
    "linear": (lambda x: F.linear(x, np.ones((2, x.shape[-1])), np.ones(2)),
               lambda a: a @ np.ones((a.shape[-1], 2)) + 1),
    "cross_entropy": (lambda x: F.cross_entropy(x, np.zeros((x.shape[0], *x.shape[2:]), int)),
                      lambda a: np.array(-special.log_softmax(a, 1)[:, 0].mean())),
}


@pytest.mark.parametrize("name", ELEMENTWISE)
@QUICK
@given(shape=st.tuples(small, small, small, small), order=ORDER, seed=st.integers(0, 2**32 - 1))
def test_operations_of_any_shape_and_memory_order(name, shape, order, seed):
    rng = np.random.default_rng(seed)
    check(*ELEMENTWISE[name], distinct(rng, shape), order, rng)


@QUICK
@given(shape=st.tuples(st.integers(2, 4), small, small, small), order=ORDER, seed=st.integers(0, 2**32 - 1))
def test_batch_norm_of_any_shape_and_memory_order(shape, order, seed):
    rng = np.random.default_rng(seed)

    def oracle(a):
        deviation = a - a.mean((0, 2, 3), keepdims=True)
        return deviation / np.sqrt((deviation ** 2).mean((0, 2, 3), keepdims=True) + 0.1)
    check(lambda x: F.batch_norm(x, None, None, training=True, eps=0.1), oracle, distinct(rng, shape), order, rng)


def by_loop(a, kernel, stride, padding, dilation, fill, reduce):
    """A pool as loops over the windows of the padded images."""
    a = np.pad(a, ((0, 0), (0, 0), *((p, p) for p in padding)), constant_values=fill)
    span = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    rows, columns = (range(0, n - s + 1, step) for n, s, step in zip(a.shape[2:], span, stride, strict=True))
    return np.stack([np.stack([reduce(a[:, :, y:y + span[0]:dilation[0], x:x + span[1]:dilation[1]], (2, 3))
                               for x in columns], -1) for y in rows], -2)


@QUICK
@given(kernel=st.tuples(small, small), stride=st.tuples(small, small), padded=st.booleans(), dilated=st.booleans(),
       more=st.tuples(st.integers(0, 4), st.integers(0, 4)), order=ORDER, seed=st.integers(0, 2**32 - 1))
def test_pools_of_any_window(kernel, stride, padded, dilated, more, order, seed):
    rng = np.random.default_rng(seed)
    padding, dilation = tuple(k // 2 * padded for k in kernel), (1, 2) if dilated else (1, 1)
    size = [d * (k - 1) + 1 + n for k, d, n in zip(kernel, dilation, more, strict=True)]
    x = distinct(rng, (2, 2, *size))
    check(lambda x: F.max_pool2d(x, kernel, stride, padding, dilation),
          lambda a: by_loop(a, kernel, stride, padding, dilation, -np.inf, np.max), x, order, rng)
    check(lambda x: F.avg_pool2d(x, kernel, stride, padding),
          lambda a: by_loop(a, kernel, stride, padding, (1, 1), 0, np.mean), x, order, rng)


@QUICK
@given(size=st.tuples(st.integers(1, 7), st.integers(1, 7)), out=st.tuples(small, small), order=ORDER,
       seed=st.integers(0, 2**32 - 1))
def test_adaptive_pools_of_any_size(size, out, order, seed):
    rng = np.random.default_rng(seed)

    def oracle(reduce):
        cut = lambda i, n, count: slice(i * n // count, -(-(i + 1) * n // count))
        return lambda a: np.stack([np.stack([reduce(a[:, :, cut(y, size[0], out[0]), cut(x, size[1], out[1])], (2, 3))
                                             for x in range(out[1])], -1) for y in range(out[0])], -2)
    x = distinct(rng, (2, 2, *size))
    check(lambda x: F.adaptive_avg_pool2d(x, out), oracle(np.mean), x, order, rng)
    check(lambda x: F.adaptive_max_pool2d(x, out), oracle(np.max), x, order, rng)
