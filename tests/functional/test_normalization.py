"""Batch normalization: its running statistics and its messages. Its gradients are in test_gradients."""

import math
from fractions import Fraction

import numpy as np
import pytest

from minicnn import Tensor
from minicnn import functional as F


def test_batch_norm_moves_the_running_statistics(rng):
    x = rng.standard_normal((8, 3, 2, 2))
    mean, var = np.zeros(3), np.ones(3)
    F.batch_norm(Tensor(x), mean, var, training=True)
    np.testing.assert_allclose(mean, 0.1 * x.mean((0, 2, 3)))
    np.testing.assert_allclose(var, 0.9 + 0.1 * x.var((0, 2, 3), ddof=1))


@pytest.mark.parametrize(("call", "message"), [
    (lambda x: F.batch_norm(x, None, None), "batch_norm: evaluation needs running_mean"),
    (lambda x: F.batch_norm(x[:1, :, :1, :1], None, None, training=True), "batch_norm: training needs more than one"),
])
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(Tensor(np.ones((2, 2, 6, 6)), requires_grad=True))


def exact(x, w, b, g, eps, running=None):
    """(right Fractions, the sum of the magnitudes of their terms) of output, dx, dw and db of one channel."""
    x, g, w, b, eps = [Fraction(v) for v in x.tolist()], [Fraction(v) for v in g.tolist()], *map(Fraction, (w, b, eps))
    n = len(x)
    mean, var = map(Fraction, running or (sum(x) / n, sum((v - sum(x) / n) ** 2 for v in x) / n))
    inverse = Fraction(10**700, math.isqrt(int((var + eps) * 10**1400)))
    normal = [(v - mean) * inverse for v in x]
    products = [a * c for a, c in zip(g, normal, strict=True)]
    inner = g if running else [a - sum(g) / n - c * sum(products) / n for a, c in zip(g, normal, strict=True)]
    out, dx = [c * w + b for c in normal], [w * inverse * a for a in inner]
    return ((out, max(map(abs, out))), (dx, w * inverse * max(map(abs, g))),
            ([sum(products)], sum(map(abs, products))), ([sum(g)], sum(map(abs, g))))


def assert_near(ours, right, scale, units=16):
    """Within some units in the last place of `scale`; infinite only if the right number is too large for the dtype."""
    info = np.finfo(ours.dtype)
    for got, want in zip(ours.ravel().tolist(), right, strict=True):
        if abs(want) > Fraction(float(info.max)):
            assert abs(got) > 0.99 * float(info.max)
        else:
            scale = min(max(abs(want), scale), Fraction(float(info.max)))
            assert abs(Fraction(got) - want) <= units * Fraction(float(info.eps)) * scale + Fraction(
                float(info.smallest_subnormal)) * units, (got, float(want))


@pytest.mark.filterwarnings("ignore:overflow")           # where the right number is too large for the dtype
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_batch_norm_over_the_whole_range(dtype, training, rng):
    """The variance may be beyond the largest number or below the smallest; the standard deviation is not."""
    top = 37 if dtype == np.float32 else 307
    for power in (-top, -top // 2 - 4, 0, top // 2 + 4, top):
        for weight in (-top // 2, 0, top // 2):
            for slope in (-top // 2, 0, top - 2):
                x, g = ((rng.standard_normal(5) * 10.0 ** e).astype(dtype) for e in (power, slope))
                w, b = dtype(10.0 ** weight), dtype(0.5 * 10.0 ** weight)
                running = None if training else (float(x[0]) * -0.9, float(min(10.0 ** power, 1e150)) ** 2)
                right = exact(x, float(w), float(b), g, 1e-5, running)
                tensors = [Tensor(a, requires_grad=True) for a in (x.reshape(5, 1), np.array([w]), np.array([b]))]
                statistics = (None, None) if training else map(np.array, zip(running, strict=True))
                y = F.batch_norm(tensors[0], *statistics, *tensors[1:], training=training)
                y.backward(g.reshape(5, 1))
                for ours, (numbers, size) in zip((y.data, *(t.grad for t in tensors)), right, strict=True):
                    assert_near(ours, numbers, size)


@pytest.mark.parametrize("size", [1e-200, 1.0, 1e150, 1e300])
def test_running_statistics_of_large_and_small_numbers(size):
    mean, var = np.array([size]), np.array([0.0])
    x = np.array([[1.0], [3.0]]) * size
    if size == 1e300:                                   # 2e600
        with pytest.warns(RuntimeWarning, match="overflow"):
            F.batch_norm(x, mean, var, training=True, momentum=0.5)
        assert var == np.inf
    else:
        F.batch_norm(x, mean, var, training=True, momentum=0.5)
        np.testing.assert_allclose(var, size * size, rtol=1e-14)
    np.testing.assert_allclose(mean, 1.5 * size, rtol=1e-14)


def test_channels_of_different_sizes_do_not_disturb_each_other(rng):
    x = rng.standard_normal((6, 3, 2, 2))
    alone = F.batch_norm(x, None, None, training=True).data
    x[:, 0] *= 2.0 ** 1000
    x[0, 1, 0, 0] = np.nan
    out = F.batch_norm(x, None, None, training=True).data
    np.testing.assert_allclose(out[:, 0], alone[:, 0], rtol=1e-4)           # the eps counts less
    assert np.isnan(out[:, 1]).all()
    np.testing.assert_allclose(out[:, 2], alone[:, 2], rtol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_in_evaluation_the_gradient_does_not_depend_on_the_input(dtype):
    x = Tensor(np.array([[1, np.inf], [np.nan, 2], [-np.inf, 3]], dtype), requires_grad=True)
    weight, grad = np.array([2, 3], dtype), np.array([[1, 2], [0, 4], [5, 6]], dtype)
    F.batch_norm(x, np.zeros(2, dtype), np.ones(2, dtype), weight, None).backward(grad)
    np.testing.assert_allclose(x.grad, grad * weight / np.sqrt(1 + 1e-5), rtol=1e-6)
