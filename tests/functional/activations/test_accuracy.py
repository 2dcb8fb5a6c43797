"""gelu, silu, elu, softplus, hardtanh, prelu, softmax: values and derivatives against mpmath, over the whole range."""

import numpy as np
import pytest

from minicnn import Tensor
from minicnn import functional as F
from tests.functional.test_range import all_sizes, gradient

INF, NAN = np.inf, np.nan
mpmath = pytest.importorskip("mpmath")
mpf = mpmath.mpf


def normal(x):
    return mpf(x > 0) if abs(x) > 100 else mpmath.erfc(-x / mpmath.sqrt(2)) / 2


def bell(x):
    return mpmath.exp(-x * x / 2) / mpmath.sqrt(2 * mpmath.pi)


def sigmoid(x):
    return 1 / (1 + mpmath.exp(-x))


def inner(x):
    return mpmath.sqrt(8 / mpmath.pi) * (x + mpf("0.044715") * x ** 3)


def inner_slope(x):
    return mpmath.sqrt(8 / mpmath.pi) * (1 + 3 * mpf("0.044715") * x * x)


EXACT = {                       # function, value, and the terms whose sum is the derivative
    "silu": (F.silu, lambda x: x * sigmoid(x), lambda x: (sigmoid(x), x * sigmoid(x) * sigmoid(-x))),
    "gelu": (F.gelu, lambda x: x * normal(x), lambda x: (normal(x), x * bell(x))),
    "gelu, tanh": (lambda x: F.gelu(x, "tanh"), lambda x: x * sigmoid(inner(x)),
                   lambda x: (sigmoid(inner(x)), x * inner_slope(x) * sigmoid(inner(x)) * sigmoid(-inner(x)))),
    "elu": (F.elu, lambda x: x if x > 0 else mpmath.expm1(x), lambda x: (1 if x > 0 else mpmath.exp(x),)),
    "elu, alpha 0.3": (lambda x: F.elu(x, 0.3), lambda x: x if x > 0 else mpf(0.3) * mpmath.expm1(x),
                       lambda x: (1 if x > 0 else mpf(0.3) * mpmath.exp(x),)),
    "softplus": (F.softplus, lambda x: mpmath.log1p(mpmath.exp(x)) if x <= 20 else x,
                 lambda x: (sigmoid(x) if x <= 20 else 1,)),
    "softplus, beta 0.7, threshold 500": (
        lambda x: F.softplus(x, 0.7, 500), lambda x: mpmath.log1p(mpmath.exp(mpf(0.7) * x)) / mpf(0.7),
        lambda x: (sigmoid(mpf(0.7) * x),)),
    "softplus, beta -3": (lambda x: F.softplus(x, -3.0), lambda x: mpmath.log1p(mpmath.exp(-3 * x)) / -3
                          if -3 * x <= 20 else x, lambda x: (sigmoid(-3 * x) if -3 * x <= 20 else 1,)),
    "hardtanh": (F.hardtanh, lambda x: min(max(x, -1), 1), lambda x: (1 if abs(x) < 1 else 0,)),
    "relu6": (F.relu6, lambda x: min(max(x, 0), 6), lambda x: (1 if 0 < x < 6 else 0,)),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", EXACT)
def test_against_mpmath(name, dtype, rng):
    function, value, terms = EXACT[name]
    limits = np.finfo(dtype)
    near = rng.uniform(0, 40, 100)
    x = np.concatenate([all_sizes(dtype, rng), near, -near]).astype(dtype)
    with mpmath.workdps(50):
        values, slopes = zip(*((value(a), terms(a)) for a in map(mpf, x.tolist())), strict=True)
        checks = [(values, map(abs, values)), (map(sum, slopes), [max(map(abs, t)) for t in slopes])]
        for found, (wanted, scale) in zip(gradient(function, x), checks, strict=True):
            errors = [float(abs(mpf(float(a)) - b) / (c * limits.eps + limits.smallest_subnormal))
                      for a, b, c in zip(found, wanted, scale, strict=True)]
            assert max(errors) < 6, (max(errors), x[int(np.argmax(errors))])


EXTREME = {
    "silu": -750.0, "gelu": -38.7, "gelu, tanh": -22.1, "elu": -750.0, "softplus": -750.0, "sigmoid": -740.0,
    "logsigmoid": 740.0,
}
TERMS = {name: (function, terms) for name, (function, _, terms) in EXACT.items()} | {
    "sigmoid": (F.sigmoid, lambda x: (sigmoid(x) * sigmoid(-x),)),
    "logsigmoid": (F.logsigmoid, lambda x: (sigmoid(-x),)),
}


@pytest.mark.parametrize("name", EXTREME)
def test_a_large_cotangent_of_a_derivative_below_the_range(name):
    (function, terms), x = TERMS[name], EXTREME[name]
    _, slope = gradient(function, np.array([x]), [1e300])
    with mpmath.workdps(50):
        assert slope[0] == pytest.approx(float(sum(terms(mpf(x))) * mpf(1e300)), rel=2e-15)


@pytest.mark.parametrize(("operation", "values", "slopes"), [
    (F.silu, [NAN, INF, NAN], [NAN, NAN, NAN]),                 # PyTorch's: x times 0 is NaN for an infinite x
    (F.gelu, [NAN, INF, NAN], [0, 1, NAN]),
    (lambda x: F.gelu(x, "tanh"), [NAN, INF, NAN], [0, 1, NAN]),
    (F.elu, [-1, INF, NAN], [0, 1, NAN]),
    (lambda x: F.elu(x, 0), [0, INF, NAN], [0, 1, 1]),
    (F.softplus, [0, INF, NAN], [0, 1, NAN]),
    (F.hardtanh, [-1, 1, NAN], [0, 0, 1]),
    (F.relu6, [0, 6, NAN], [0, 0, 1]),
    (lambda x: F.prelu(x, [0.5]), [-INF, INF, NAN], [0.5, 1, 0.5]),
])
def test_infinity_and_nan(operation, values, slopes):
    x = np.array([-INF, INF, NAN])
    np.testing.assert_array_equal(gradient(operation, x), (values, slopes))
    assert not gradient(operation, x, [0, 0, 0])[1].any()       # a cotangent of 0 hides the element
    assert gradient(operation, x.astype(np.float32))[1].dtype == np.float32


def test_nothing_warns_of_infinite_cotangents_and_rows():
    for function in (F.sigmoid, F.logsigmoid, F.softplus, F.silu, F.gelu, F.elu):
        _, slope = gradient(function, np.array([-INF, -1000.0, 0.0, 1000.0, -1e308]), [0, 0, INF, 0, 1e308])
        assert slope.tolist() == [0, 0, INF, 0, 1e308 if function is F.logsigmoid else 0]
    for function in (F.softmax, F.log_softmax):
        out, slope = gradient(function, np.array([[-INF, -INF], [INF, 1.0], [1.0, 1.0]]), [[0, 0], [0, 0], [INF, -INF]])
        assert np.isnan(out[:2]).all() and not slope[:2].any() and np.isnan(slope[2]).all()


def test_softplus_of_extreme_slopes():
    x = np.array([-1e-305, 1e-305, -1e300, 1e300, 0.0])
    found = F.softplus(x, 1e305).data
    np.testing.assert_allclose(found, np.array([np.log1p(np.exp(-1)), np.log1p(np.e), 0, 1e300, np.log(2)]) * [
        1e-305, 1e-305, 1, 1, 1e-305], rtol=1e-13)
    np.testing.assert_allclose(F.softplus(x, 1e-300).data[2:4], np.log1p(np.exp([-1, 1])) * 1e300, rtol=1e-13)


def test_the_kinks():
    assert gradient(F.hardtanh, np.array([-1.0, 1.0]))[1].tolist() == [0, 0]
    assert gradient(F.relu6, np.array([0.0, 6.0]))[1].tolist() == [0, 0]
    assert gradient(F.elu, np.array([0.0, -0.0]))[1].tolist() == [1, 1]
    assert gradient(lambda x: F.elu(x, 3), np.array([0.0]))[1].tolist() == [3]
    assert gradient(lambda x: F.prelu(x, [0.25]), np.array([0.0]))[1].tolist() == [0.25]
    out = F.hardtanh(np.array([1e38, -5], np.float32), -2, 1e300)
    assert out.dtype == np.float32 and out.data.tolist() == [np.float32(1e38), -2]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softmax_against_mpmath(dtype, rng):
    limits = np.finfo(dtype)
    x = (rng.uniform(-400, 400, (6, 7)) * np.array([1, 0.1, 0.01, 1e-30, 1e-5, 1])[:, None]).astype(dtype)
    x[5] = limits.max * np.array([1, 1, -1, 0.5, 0, 1, -1])
    g = rng.standard_normal((6, 7))
    out, grad = gradient(F.softmax, x, g)
    with mpmath.workdps(50):
        for i in range(6):
            e = [mpmath.exp(mpf(float(a)) - mpf(float(x[i].max()))) for a in x[i]]
            p = [a / sum(e) for a in e]
            dot = sum(mpf(float(np.asarray(b, dtype))) * a for a, b in zip(p, g[i], strict=True))
            for j in range(7):
                assert abs(mpf(float(out[i, j])) - p[j]) <= 6 * (p[j] * limits.eps + limits.smallest_subnormal)
                right = p[j] * (mpf(float(np.asarray(g[i, j], dtype))) - dot)
                assert abs(mpf(float(grad[i, j])) - right) <= 12 * (p[j] * limits.eps + limits.smallest_subnormal)


def test_softmax_of_what_is_hidden_or_infinite():
    out, grad = gradient(F.softmax, np.array([[1, -INF, 1.0], [-INF] * 3, [INF, 0, 0], [0, -800, -10]]),
                         [[1, INF, 3], [0, 0, 0], [0, 0, 0], [0, 1e300, 0]])
    assert out[0].tolist() == [0.5, 0, 0.5] and np.isnan(out[1:3]).all()
    np.testing.assert_allclose(grad[0], [-0.5, 0, 0.5])
    assert not grad[1:3].any()
    assert grad[3, 1] == pytest.approx(3.667874584177687e-48, rel=1e-4) or grad[3, 1] > 0
    np.testing.assert_allclose(F.softmax(np.ones((2, 3)), 0).data, np.full((2, 3), 0.5))


def test_prelu_of_channels(rng):
    x, w = rng.standard_normal((3, 4, 2)), np.array([0.1, -2, 0, 3])
    g = rng.standard_normal(x.shape)
    tensors = Tensor(x, requires_grad=True), Tensor(w, requires_grad=True)
    out = F.prelu(*tensors)
    out.backward(g)
    for c in range(4):
        below = x[:, c] <= 0
        np.testing.assert_array_equal(out.data[:, c], np.where(below, w[c] * x[:, c], x[:, c]))
        np.testing.assert_array_equal(tensors[0].grad[:, c], np.where(below, w[c] * g[:, c], g[:, c]))
        assert tensors[1].grad[c] == pytest.approx((g[:, c] * x[:, c])[below].sum())
    one = Tensor(np.array(0.5), requires_grad=True)
    F.prelu(x, one).backward(g)
    assert one.grad == pytest.approx((g * x)[x <= 0].sum())
    slope = Tensor(np.zeros(1, np.float32), requires_grad=True)
    F.prelu(np.full(2_000_000, -0.1, np.float32), slope).sum().backward()
    assert slope.grad[0] == pytest.approx(-200_000, rel=1e-6)


@pytest.mark.parametrize(("call", "message"), [
    (lambda x: F.softmax(x, 2), "softmax: dim must be from -2 to 1 for 2 axes, not 2"),
    (lambda x: F.softmax(x, dtype=int), "softmax: dtype must be float32 or float64, not <class 'int'>"),
    (lambda x: F.gelu(x, "erf"), "gelu: approximate must be one of 'none', 'tanh', not 'erf'"),
    (lambda x: F.gelu(x, True), "gelu: approximate must be one of"),
    (lambda x: F.elu(x, NAN), "elu: alpha must be a number, not nan"),
    (lambda x: F.softplus(x, 0), "softplus: beta must not be 0"),
    (lambda x: F.softplus(x, 1, None), "softplus: threshold must be a number, not None"),
    (lambda x: F.hardtanh(x, 1, 0), "hardtanh: min_val=1 must be at most max_val=0"),
    (lambda x: F.hardtanh(x, "0"), "hardtanh: min_val must be a number, not '0'"),
    (lambda x: F.hardtanh(x, 0, INF), "hardtanh: max_val must be a number, not inf"),
    (lambda x: F.prelu(x, np.ones(2)), r"prelu: for an input of shape \(2, 3\) .* shape \(1,\) or \(3,\), one"),
    (lambda x: F.prelu(x[0], np.ones(3)), r"prelu: for an input of shape \(3,\) .* shape \(1,\), one number"),
    (lambda x: F.prelu(x, np.ones((1, 3))), r"prelu: .* not \(1, 3\)"),
])
def test_what_is_refused(call, message):
    with pytest.raises((ValueError, TypeError), match=message) as caught:
        call(Tensor(np.ones((2, 3))))
    assert type(caught.value).__module__ == "minicnn"
