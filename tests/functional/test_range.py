"""Values and derivatives over the whole range of a dtype, and what a mask hides.

The reference is mpmath with 50 digits for activations, and float64 for sums of float32.
"""

import numpy as np
import pytest
from scipy import special

from minicnn import Tensor
from minicnn import functional as F
from minicnn.conv import algorithms

INF, NAN = np.inf, np.nan


def gradient(operation, x, cotangent=None):
    x = Tensor(np.asarray(x), requires_grad=True)
    out = operation(x)
    out.backward(np.ones(out.shape) if cotangent is None else np.asarray(cotangent, float))
    return out.data, x.grad


def all_sizes(dtype, rng):
    """Both signs, from the smallest denormal to the largest number, the most of them where the functions bend."""
    limits = np.finfo(dtype)
    magnitudes = np.exp(rng.uniform(np.log(limits.smallest_subnormal), np.log(limits.max), 60))
    magnitudes = np.concatenate([magnitudes, rng.uniform(0, 800, 80), [0, limits.tiny, limits.max]])
    return np.concatenate([magnitudes, -magnitudes]).astype(dtype)


EXACT = {                       # function and derivative with a tail that has relative accuracy
    "relu": (F.relu, lambda m, x: max(x, 0), lambda m, x: 1 if x > 0 else 0),
    "leaky_relu": (F.leaky_relu, lambda m, x: x if x > 0 else x / 100, lambda m, x: 1 if x > 0 else m.mpf(1) / 100),
    "tanh": (F.tanh, lambda m, x: m.tanh(x), lambda m, x: m.sech(x) ** 2),
    "sigmoid": (F.sigmoid, lambda m, x: 1 / (1 + m.exp(-x)), lambda m, x: m.exp(-abs(x)) / (1 + m.exp(-abs(x))) ** 2),
    "logsigmoid": (F.logsigmoid, lambda m, x: -m.log1p(m.exp(-x)), lambda m, x: 1 / (1 + m.exp(x))),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", EXACT)
def test_activations_against_mpmath(name, dtype, rng):
    mpmath = pytest.importorskip("mpmath")
    function, value, derivative = EXACT[name]
    x, limits = all_sizes(dtype, rng), np.finfo(dtype)
    with mpmath.workdps(50):
        for found, exact in zip(gradient(function, x), (value, derivative), strict=True):
            wanted = [exact(mpmath, mpmath.mpf(float(a))) for a in x]
            errors = [float(abs(mpmath.mpf(float(a)) - b) / (abs(b) * limits.eps + limits.smallest_subnormal))
                      for a, b in zip(found, wanted, strict=True)]
            assert max(errors) < 6


@pytest.mark.parametrize(("operation", "values", "slopes"), [
    (F.relu, [0, INF, NAN], [0, 1, 1]),
    (F.leaky_relu, [-INF, INF, NAN], [0.01, 1, 0.01]),
    (lambda x: F.leaky_relu(x, 0), [0, INF, NAN], [0, 1, 1]),
    (F.tanh, [-1, 1, NAN], [0, 0, NAN]),
    (F.sigmoid, [0, 1, NAN], [0, 0, NAN]),
    (F.logsigmoid, [-INF, 0, NAN], [1, 0, NAN]),
])
def test_activations_at_infinity_and_nan(operation, values, slopes):
    found = gradient(operation, [-INF, INF, NAN])
    np.testing.assert_array_equal(found, (values, slopes))


def test_log_softmax_with_inputs_of_minus_infinity(rng):
    x = rng.standard_normal((3, 5))
    x[0, 2] = x[1, :4] = -INF
    out, grad = gradient(F.log_softmax, x, [[1, 2, 0, -1, 3]] * 3)
    np.testing.assert_allclose(out, special.log_softmax(x, 1), rtol=1e-14)
    np.testing.assert_allclose(grad, [1, 2, 0, -1, 3] - 5 * special.softmax(x, 1), atol=1e-14)
    with np.errstate(invalid="ignore"):
        _, grad = gradient(F.log_softmax, [1, -INF], [INF, 0])
    assert grad[1] == 0                           # a probability of 0 times an infinite cotangent


@pytest.mark.parametrize(("target", "options", "loss", "grad"), [
    ([0], {}, 1.3132616875182228, [-0.7310585786300049, 0.7310585786300049, 0]),
    ([2], {}, INF, [0.2689414213699951, 0.7310585786300049, -1]),
    ([2], {"weight": [1, 1, 0], "reduction": "sum"}, 0, [0, 0, 0]),
    ([0], {"weight": [1, 1, 0], "label_smoothing": 0.3}, 1.3132616875182228 * 0.8 + 0.3132616875182228 * 0.1, None),
    ([-100], {"reduction": "sum"}, 0, [0, 0, 0]),
    ([[0.5, 0.5, 0]], {}, 0.8132616875182228, [-0.2310585786300049, 0.2310585786300049, 0]),
    ([[0.5, 0.0, 0.5]], {"weight": [1, 1, 0]}, 0.6566308437591114, None),
])
def test_cross_entropy_with_a_logit_of_minus_infinity(target, options, loss, grad):
    found, slopes = gradient(lambda x: F.cross_entropy(x, target, **options), [[1.0, 2.0, -INF]])
    np.testing.assert_allclose(found, loss, rtol=1e-14)
    assert grad is None or np.allclose(slopes, [grad], rtol=1e-14)
    assert np.isfinite(slopes).all()


def test_an_ignored_sample_contributes_nothing():
    x = [[1.0, 2.0], [NAN, INF]]
    for target, options in ([0, -100], {}), ([0, 1], {"weight": [1, 0]}):
        found, slopes = gradient(lambda x, t=target, o=options: F.cross_entropy(x, t, **o), x)
        assert found == pytest.approx(1.3132616875182228) and slopes[1].tolist() == [0, 0]
        _, slopes = gradient(lambda x, t=target, o=options: F.cross_entropy(x, t, reduction="none", **o), x, [1, INF])
        assert np.isfinite(slopes[0]).all() and slopes[1].tolist() == [0, 0]


def test_the_gradient_of_target_probabilities():
    x, q = Tensor([[0.0, 1.0]], dtype=np.float64), Tensor([[0.5, 0.5]], requires_grad=True, dtype=np.float64)
    F.cross_entropy(x, q).backward()
    np.testing.assert_allclose(q.grad, [[1.3132616875182228, 0.3132616875182228]], rtol=1e-14)
    q.grad = None
    F.cross_entropy(x, q, [2, 0], reduction="sum", label_smoothing=0.5).backward()
    np.testing.assert_allclose(q.grad, [[1.3132616875182228, 0]], rtol=1e-14)


COTANGENTS = [1.0, INF, -INF, NAN]
MASKS = {                       # operations of four numbers that hide some: (operation, numbers, which it hides)
    "relu": (F.relu, [-1, 0, -INF, 2], [True, True, True, False]),
    "leaky_relu, slope 0": (lambda x: F.leaky_relu(x, 0), [-1, 0, -INF, 2], [True, True, True, False]),
    "dropout": (lambda x: F.dropout(x, 0.5, rng=np.random.default_rng(1)), [1, INF, NAN, 2],
                np.random.default_rng(1).random(4) < 0.5),
    "dropout of all": (lambda x: F.dropout(x, 1.0, rng=np.random.default_rng(1)), [1, INF, NAN, 2], [True] * 4),
}


@pytest.mark.parametrize("cotangent", COTANGENTS)
@pytest.mark.parametrize("name", MASKS)
def test_what_a_mask_hides_contributes_nothing(name, cotangent):
    operation, numbers, hidden = MASKS[name]
    out, grad = gradient(operation, np.array(numbers, float), [cotangent] * 4)
    assert not out[hidden].any() and not grad[hidden].any()
    np.testing.assert_array_equal(np.isnan(grad[~np.array(hidden)]), np.isnan(cotangent))


@pytest.mark.parametrize("cotangent", COTANGENTS)
@pytest.mark.parametrize("pool", [lambda x: F.max_pool2d(x, 2), lambda x: F.max_pool2d(x, 2, 1, 1),
                                  lambda x: F.adaptive_max_pool2d(x, 1)], ids=["disjoint", "overlapping", "adaptive"])
def test_what_a_max_pool_does_not_take_gets_nothing(pool, cotangent):
    _, grad = gradient(pool, np.array([[[1.0, 4.0], [3.0, 2.0]]]), np.full(pool(np.ones((1, 2, 2))).shape, cotangent))
    taken = [[False, True], [False, False]] if pool(np.ones((1, 2, 2))).size == 1 else [[True, True], [True, True]]
    assert not grad[0][~np.array(taken)].any()
    assert grad[0, 0, 1] == cotangent or grad.size > 1 and not np.isfinite(cotangent) or cotangent == 1.0


@pytest.mark.usefixtures("few_kernels")
@pytest.mark.parametrize("name", ["separate", *algorithms()])
def test_relu_after_a_convolution_is_the_same_fused_or_not(name, rng):
    """Negative outputs hide infinite and NaN cotangents; NaN outputs let the cotangent through."""
    x, w = np.abs(rng.standard_normal((3, 2, 6, 6))) + 0.1, np.ones((4, 2, 3, 3))
    w[::2] = -1
    x[0, 0, 0, 0] = NAN                           # spoils the tiles of image 0 in the algorithms that mix pixels
    b = np.array([0.0, 1, 2, 3])
    cotangent = rng.standard_normal((3, 4, 4, 4))
    cotangent[1:, ::2] = rng.choice([INF, -INF, NAN], (2, 2, 4, 4))
    tensors = [Tensor(a, requires_grad=True) for a in (x, w, b)]
    out = F.relu(F.conv2d(*tensors)) if name == "separate" else F.conv2d(*tensors, algorithm=name, relu=True)
    out.backward(cotangent)
    assert not out.data[1:, ::2].any() and np.isnan(out.data[0, :, 0, 0]).all()
    inner = np.where(out.data <= 0, 0, cotangent)
    np.testing.assert_allclose(tensors[2].grad, inner.sum((0, 2, 3)), rtol=1e-12)
    assert np.isfinite(tensors[0].grad[1:]).all()


@pytest.mark.parametrize("fill", [-INF, NAN])
def test_a_max_pool_sends_no_gradient_into_its_padding(fill):
    out, grad = gradient(lambda x: F.max_pool2d(x, 3, 2, 1), np.full((1, 1, 4, 4), fill))
    np.testing.assert_array_equal(out, np.full((1, 1, 2, 2), fill))
    assert grad.sum() == 4 and grad[0, 0, 0, 0] == 1


def test_pools_of_infinite_numbers():
    x = np.array([[[1.0, INF], [-INF, 2.0]]])
    assert gradient(lambda x: F.max_pool2d(x, 2), x)[1].tolist() == [[[0, 1], [0, 0]]]
    assert gradient(lambda x: F.adaptive_max_pool2d(x, 1), np.full((1, 2, 2), -INF))[1].tolist() == [[[1, 0], [0, 0]]]
    with np.errstate(invalid="ignore"):
        assert np.isnan(F.avg_pool2d(x, 2).item())
    assert F.avg_pool2d(np.array([[[INF, 1.0]]]), (1, 2)).item() == INF


@pytest.mark.parametrize("convolution", [F.conv2d, F.conv_transpose2d])
@pytest.mark.parametrize("algorithm", algorithms())
@pytest.mark.parametrize(("pixel", "tap", "constant"), [(1, 2, 0), (1, 0.5, 1), (INF, 1, 0), (0, INF, 0)])
def test_convolutions_beyond_the_range_give_no_warning(convolution, algorithm, pixel, tap, constant):
    largest = np.finfo(np.float32).max
    tensors = [Tensor(np.full(shape, value, np.float32), requires_grad=True) for shape, value in (
        ((1, 1, 4, 4), largest * pixel), ((1, 1, 3, 3), tap), ((1,), largest * constant))]
    out = convolution(*tensors, padding=1, algorithm=algorithm)
    out.backward(np.full(out.shape, largest, np.float32))
    assert not np.isfinite(out.data).all()


def test_gradients_of_overlapping_windows_are_added_in_float64():
    """The pixel in the middle is in 4096 windows."""
    for pool in F.avg_pool2d, F.max_pool2d:
        x = np.zeros((1, 1, 8191), np.float32)
        x[0, 0, 4095] = 1
        _, grad = gradient(lambda x, pool=pool: pool(x, (1, 4096), 1), x, np.full((1, 1, 4096), 0.1))
        np.testing.assert_allclose(grad[0, 0, 4095], 409.6 if pool is F.max_pool2d else 0.1, rtol=1e-7)


LONG = 2_000_000
SUMS = {                        # operations of 2 million numbers of 0.1 whose result and gradient are known
    "linear": (lambda x: F.linear(x.reshape(1, LONG), np.ones((1, LONG), np.float32)), LONG * 0.1),
    "avg_pool2d": (lambda x: F.avg_pool2d(x.reshape(1, 1000, 2000), (4, 2000), 4), 0.1),
    "adaptive_avg_pool2d": (lambda x: F.adaptive_avg_pool2d(x.reshape(1, 2000, 1000).transpose(0, 2, 1), 1), 0.1),
    "mse_loss": (lambda x: F.mse_loss(x, np.zeros(LONG, np.float32)), 0.01),
    "cross_entropy": (lambda x: F.cross_entropy(x.reshape(LONG // 2, 2), np.zeros(LONG // 2, int)), np.log(2)),
    "cross_entropy of one sample": (lambda x: F.cross_entropy(x, np.array(5)), np.log(LONG)),
    "log_softmax": (lambda x: F.log_softmax(x.reshape(LONG, 1), 0), -np.log(LONG)),
    "softmax": (lambda x: F.softmax(x.reshape(LONG, 1), 0), 1 / LONG),
}


@pytest.mark.parametrize("name", SUMS)
def test_long_sums_of_float32(name):
    operation, exact = SUMS[name]
    out, grad = gradient(operation, np.full(LONG, 0.1, np.float32))
    np.testing.assert_allclose(out, exact, rtol=5e-6 if name == "linear" else 1e-6)      # BLAS adds in float32
    assert out.dtype == grad.dtype == np.float32 and np.isfinite(grad).all()


def test_long_sums_of_batch_norm_and_of_gradients():
    rows, w, b = np.full((LONG, 1), 0.1, np.float32), Tensor(np.ones((1, 1), np.float32), requires_grad=True), None
    b = Tensor(np.zeros(1, np.float32), requires_grad=True)
    out = F.linear(rows, w, b)
    out.backward(np.full((LONG, 1), 0.1, np.float32))
    np.testing.assert_allclose((w.grad[0, 0], b.grad[0]), (0.01 * LONG, 0.1 * LONG), rtol=1e-6)
    mean, var = np.zeros(1), np.ones(1)
    x = np.where(np.arange(LONG) % 2, 1000.1, 999.9).astype(np.float32).reshape(LONG, 1)
    out = F.batch_norm(x, mean, var, training=True, momentum=1.0)
    np.testing.assert_allclose((mean[0], var[0]), (x.mean(dtype=np.float64), x.var(dtype=np.float64)), rtol=1e-6)
    np.testing.assert_allclose(np.abs(out.data), 1, rtol=1e-3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_numbers_whose_mean_is_no_overflow(dtype):
    largest = np.finfo(dtype).max
    x = np.full((1, 4, 4), largest, dtype)
    for pool in (lambda x: F.avg_pool2d(x, 4), lambda x: F.avg_pool2d(x, 2, padding=1, count_include_pad=False),
                 lambda x: F.adaptive_avg_pool2d(x, 1), lambda x: F.avg_pool2d(x, 4, divisor_override=-16)):
        out, grad = gradient(pool, x)
        np.testing.assert_allclose(np.abs(out), largest, rtol=1e-6)
        assert np.isfinite(grad).all()
    root = np.sqrt(largest)
    found, slopes = gradient(lambda x: F.mse_loss(x, np.zeros(100, dtype)), np.array([9 * root] + [0] * 99, dtype))
    np.testing.assert_allclose((found, slopes[0] / root), (0.81 * largest, 0.18), rtol=1e-6)
    assert F.mse_loss(np.full(3, np.sqrt(np.finfo(dtype).tiny)), np.zeros(3), "sum").item() > 0
    found, _ = gradient(lambda x: F.cross_entropy(x, [1] * 8), np.array([[largest, 0]] * 8, dtype))
    assert found == largest
