"""The l1, huber and smooth_l1 losses, binary cross-entropies, kl_div: loops, mpmath, scipy; masks; messages."""

import math

import numpy as np
import pytest
from scipy import special

from minicnn import Tensor
from minicnn import functional as F
from tests.functional.test_range import all_sizes, gradient
from tests.reference import ORDERS, assert_gradients

INF, NAN = np.inf, np.nan


def reduce_by_hand(losses, reduction, divisor):
    return losses if reduction == "none" else losses.sum() / (divisor if reduction == "mean" else 1)


LOSSES = {                      # operation of (input, target), loss of one element, drawn input and target
    "l1_loss": (F.l1_loss, lambda x, t: abs(x - t), "numbers"),
    "huber_loss": (lambda x, t, **o: F.huber_loss(x, t, delta=0.7, **o),
                   lambda x, t: (x - t) ** 2 / 2 if abs(x - t) <= 0.7 else 0.7 * (abs(x - t) - 0.35), "numbers"),
    "smooth_l1_loss": (lambda x, t, **o: F.smooth_l1_loss(x, t, beta=0.7, **o),
                       lambda x, t: (x - t) ** 2 / 1.4 if abs(x - t) < 0.7 else abs(x - t) - 0.35, "numbers"),
    "smooth_l1_loss, beta 0": (lambda x, t, **o: F.smooth_l1_loss(x, t, beta=0, **o), lambda x, t: abs(x - t),
                               "numbers"),
    "binary_cross_entropy": (F.binary_cross_entropy, lambda x, t: -(t * math.log(x) + (1 - t) * math.log(1 - x)),
                             "probabilities"),
    "binary_cross_entropy_with_logits": (
        F.binary_cross_entropy_with_logits,
        lambda x, t: -t * special.log_expit(x) - (1 - t) * special.log_expit(-x), "logits"),
    "binary_cross_entropy_with_logits, pos_weight": (
        lambda x, t, **o: F.binary_cross_entropy_with_logits(x, t, pos_weight=np.array(3.0), **o),
        lambda x, t: -3 * t * special.log_expit(x) - (1 - t) * special.log_expit(-x), "logits"),
    "kl_div": (F.kl_div, lambda x, t: special.rel_entr(t, math.exp(x)), "logits"),
    "kl_div, log_target": (lambda x, t, **o: F.kl_div(x, t, log_target=True, **o),
                           lambda x, t: math.exp(t) * (t - x), "numbers"),
}


def drawn(kind, rng):
    x, t = rng.standard_normal((3, 2, 4, 2)), rng.standard_normal((3, 2, 4, 2))
    p = special.expit(t)
    return {"numbers": (x, t), "probabilities": (special.expit(x), p), "logits": (x, p)}[kind]


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("name", LOSSES)
def test_losses_of_elements_by_loops(name, reduction, rng):
    operation, loss, kind = LOSSES[name]
    x, t = drawn(kind, rng)
    losses = np.array([loss(*pair) for pair in zip(x.ravel().tolist(), t.ravel().tolist(), strict=True)])
    right = reduce_by_hand(losses.reshape(x.shape), reduction, x.size)
    for order in [lambda a: a, *ORDERS]:
        np.testing.assert_allclose(operation(order(x), t, reduction=reduction).data, right, rtol=1e-12)
    assert_gradients(lambda x, t: operation(x, t, reduction=reduction), [x[0, 0], t[0, 0]], rng)
    tensors = [Tensor(a.astype(np.float32), requires_grad=True) for a in (x, t)]
    out = operation(*tensors, reduction=reduction)
    out.backward(np.ones(out.shape))
    assert out.dtype == tensors[0].grad.dtype == tensors[1].grad.dtype == np.float32
    np.testing.assert_allclose(out.data, right, rtol=2e-5, atol=1e-6)
    np.testing.assert_array_equal(tensors[0].data, x.astype(np.float32))


@pytest.mark.parametrize("name", LOSSES)
def test_losses_of_nothing_and_of_one(name):
    operation, loss, _ = LOSSES[name]
    x = Tensor(np.ones((0, 3)), requires_grad=True)
    for reduction in "mean", "sum", "none":
        out = operation(x, np.ones((0, 3)), reduction=reduction)
        assert np.isnan(out.item()) if reduction == "mean" else not out.data.any()
        out.backward(np.ones(out.shape))
        assert x.grad.shape == (0, 3)
    one = operation(np.array(0.25), np.array(0.5))
    assert one.shape == () and one.item() == pytest.approx(loss(0.25, 0.5))


def test_numbers_of_python_take_the_dtype_of_the_input():
    for loss in (F.mse_loss, F.l1_loss, F.huber_loss, F.smooth_l1_loss):
        assert loss(np.array([0.1]), [0.1]).item() == 0
    assert F.linear(np.ones((1, 1)), [[0.1]], [0.2]).item() == 0.1 + 0.2
    for dtype in np.float32, np.float64:
        x = np.array([[1.0, 3.0]], dtype)
        assert F.binary_cross_entropy_with_logits(x, [[0, 1]]).dtype == dtype
        for given in [0.1, 0.1], np.array([0.1, 0.1], dtype):
            np.testing.assert_array_equal(F.layer_norm(x, 2, given).data, F.layer_norm(x, 2).data * dtype(0.1))
            np.testing.assert_array_equal(F.prelu(-x, given).data, -x * dtype(0.1))


def test_batchmean(rng):
    x, t = np.log(rng.dirichlet(np.ones(5), 3)), rng.dirichlet(np.ones(5), 3)
    right = sum(special.rel_entr(t, np.exp(x)).ravel())
    assert F.kl_div(x, t, reduction="batchmean").item() == pytest.approx(right / 3)
    assert F.kl_div(x, np.log(t), reduction="batchmean", log_target=True).item() == pytest.approx(right / 3)
    assert_gradients(lambda x, t: F.kl_div(x, t, reduction="batchmean"), [x, t], rng)
    assert F.kl_div(np.array(-1.0), np.array(0.5), reduction="batchmean").item() == 0.5 * (np.log(0.5) + 1)


def test_weights_of_elements(rng):
    x, t, w = rng.standard_normal((2, 3)), rng.uniform(0, 1, (2, 3)), np.array([[2.0], [0.0]])
    p, positive = special.expit(x), np.array([1.0, 0.5, 3.0])
    for found, right in (
            (F.binary_cross_entropy(p, t, w, reduction="none"), -w * (t * np.log(p) + (1 - t) * np.log1p(-p))),
            (F.binary_cross_entropy_with_logits(x, t, w, reduction="none", pos_weight=positive),
             -w * (positive * t * np.log(p) + (1 - t) * np.log1p(-p)))):
        np.testing.assert_allclose(found.data, right, rtol=1e-12)
    spoilt = np.where([[False] * 3, [True, False, True]], INF, x)
    operation = lambda x: F.binary_cross_entropy_with_logits(x, t, w)
    for one, two in zip(gradient(operation, spoilt), gradient(operation, x), strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("target", [0.0, 1.0])
def test_logits_of_the_whole_range_against_mpmath(dtype, target, rng):
    mpmath = pytest.importorskip("mpmath")
    x, limits, sign = all_sizes(dtype, rng), np.finfo(dtype), 1 if target == 0 else -1
    t = np.full(x.shape, target, dtype)
    found = gradient(lambda x: F.binary_cross_entropy_with_logits(x, t, reduction="none"), x)
    with mpmath.workdps(50):
        for a, loss, slope in zip(x.tolist(), *found, strict=True):
            z = mpmath.mpf(a) * sign
            value = mpmath.log1p(mpmath.exp(z)) if z < 1000 else z
            for ours, right in (loss, value), (slope, sign / (1 + mpmath.exp(-z))):
                assert abs(ours - right) <= 6 * (abs(right) * limits.eps + limits.smallest_subnormal)


def test_infinite_logits_and_probabilities_of_0():
    found, slope = gradient(lambda x: F.binary_cross_entropy_with_logits(x, [1.0, 0.0, 0.0], reduction="none"),
                            [INF, -INF, INF])
    assert found.tolist() == [0, 0, INF] and slope.tolist() == [0, 0, 1]
    t = Tensor(np.array([0.0, 1.0]), requires_grad=True)
    F.binary_cross_entropy_with_logits(np.array([800.0, 1e-12]), t, reduction="sum").backward()
    assert t.grad.tolist() == [-800, -1e-12]
    found, slope = gradient(lambda x: F.kl_div(x, [0.0, 0.5], reduction="none"), [-INF, -INF])
    assert found.tolist() == [0, INF] and slope.tolist() == [0, -0.5]
    found, slope = gradient(lambda t: F.kl_div([-1.0, -INF], t, reduction="none", log_target=True), [-INF, -INF])
    assert not found.any() and not slope.any()
    found, slope = gradient(lambda p: F.binary_cross_entropy(p, [0.0, 1.0, 0.0, 1.0], reduction="none"), [0, 1, 1, 0.0])
    assert found.tolist() == [0, 0, 100, 100] and slope.tolist() == [0, 0, 1e12, -1e12]       # PyTorch's limits


@pytest.mark.parametrize("name", ["l1_loss", "huber_loss", "smooth_l1_loss"])
def test_large_infinite_and_hidden_differences(name):
    operation = LOSSES[name][0]
    x = np.array([1e308, INF, NAN, 1e-320, 2.0])
    found, slope = gradient(lambda x: operation(x, np.zeros(5), reduction="none"), x, [1, 1, 0, 1, 0])
    factor = 0.7 if name == "huber_loss" else 1
    np.testing.assert_allclose(found[:2], [factor * 1e308, INF], rtol=1e-15)
    assert np.isnan(found[2]) and slope[2] == slope[4] == 0
    np.testing.assert_allclose(slope[:2], factor)
    tiny = {"l1_loss": 1, "huber_loss": 1e-320, "smooth_l1_loss": 1e-320 / 0.7}[name]
    assert slope[3] == pytest.approx(tiny, rel=1e-3)
    big = np.full(8, np.finfo(np.float64).max)
    assert operation(big, np.zeros(8)).item() == pytest.approx(factor * big[0])
    ones = np.full(2_000_000, 0.1, np.float32)
    assert operation(ones, ones + np.float32(1), reduction="sum").item() == pytest.approx(
        2e6 * LOSSES[name][1](0.1, 1.1), rel=1e-6)
    assert gradient(lambda x: operation(x, np.ones(1)), np.ones(1))[1] == 0          # 0 at the kink


@pytest.mark.parametrize(("call", "message"), [
    (lambda x: F.l1_loss(x, np.ones(3)), r"l1_loss: the input has shape \(3, 3\), the target \(3,\): they must agree"),
    (lambda x: F.huber_loss(x, x, "max"), "huber_loss: reduction must be one of"),
    (lambda x: F.huber_loss(x, x, delta=0), "huber_loss: delta must be a number above 0, not 0"),
    (lambda x: F.smooth_l1_loss(x, x, beta=-1), "smooth_l1_loss: beta must be a number of at least 0, not -1"),
    (lambda x: F.binary_cross_entropy(x * 2, x), r"input must hold numbers from 0 to 1, not 2.0 at \(0, 0\); for"),
    (lambda x: F.binary_cross_entropy(x, x * NAN), "the target must hold numbers from 0 to 1, not nan"),
    (lambda x: F.binary_cross_entropy(x, x[0]), "binary_cross_entropy: the input has shape"),
    (lambda x: F.binary_cross_entropy(x, x, np.ones(2)), "binary_cross_entropy: weight must broadcast to the input's"),
    (lambda x: F.binary_cross_entropy(x, x, x), "binary_cross_entropy: weight requires a gradient, but has none"),
    (lambda x: F.binary_cross_entropy(x, x, reduction=None), "binary_cross_entropy: reduction must be one of"),
    (lambda x: F.binary_cross_entropy_with_logits(x, x, pos_weight=np.ones((2, 3, 3))), "pos_weight must broad"),
    (lambda x: F.binary_cross_entropy_with_logits(x, x, pos_weight=x), "pos_weight requires a gradient, but has none"),
    (lambda x: F.binary_cross_entropy_with_logits(x, x[0]), "binary_cross_entropy_with_logits: the input has shape"),
    (lambda x: F.kl_div(x, x[0]), "kl_div: the input has shape"),
    (lambda x: F.kl_div(x, x, reduction="batch"), "kl_div: reduction must be one of 'mean', 'batchmean', 'sum', 'non"),
    (lambda x: F.kl_div(x, x, log_target=1), "kl_div: log_target must be True or False, not 1"),
])
def test_what_is_refused(call, message):
    with pytest.raises((ValueError, TypeError), match=message) as caught:
        call(Tensor(np.ones((3, 3)), requires_grad=True))
    assert type(caught.value).__module__ == "minicnn"
