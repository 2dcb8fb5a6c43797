"""var, std, prod, cumsum, logsumexp, expm1, log1p and erf over the whole range, against decimals with 60 digits."""

import math
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest
from scipy import special

from minicnn import Tensor
from tests.arithmetic.test_range import assert_close, rounded, spread

DTYPES = [np.float32, np.float64]


def exact(array):
    return [Decimal(float(v)) for v in array]


def assert_near(ours, numbers, dtype, units, what):
    """Within some units in the last place of the largest number; the last denormal digits are units too."""
    largest = max(abs(v) for v in numbers)
    for got, value in zip(ours, numbers, strict=True):
        want = rounded(value, dtype)
        if np.isinf(want) or np.isinf(got):
            assert got == want or abs(value) > Decimal(float(np.finfo(dtype).max)) * Decimal("0.999"), (what, got)
        else:
            eps, least = (Decimal(float(v)) for v in (np.finfo(dtype).eps, np.finfo(dtype).smallest_subnormal))
            assert abs(Decimal(float(got)) - value) <= units * max(largest * eps, least), (what, got, value)


def rows(dtype, rng):
    """Rows of five numbers of one magnitude, for magnitudes from the smallest to the largest; some nearly equal."""
    info = np.finfo(dtype)
    low, high = np.log10(float(info.smallest_subnormal)), np.log10(float(info.max))
    with np.errstate(all="ignore"):
        scales = np.concatenate([10.0 ** np.linspace(low + 1, high - 0.1, 40), [float(info.max), float(info.tiny)]])
        x = scales[:, None] * rng.uniform(-1, 1, (len(scales), 5))
        x[::3] = scales[::3, None] * (1 - 1e-3 * rng.random((len(scales[::3]), 5)))
        x[-2, :2] = info.max, -info.max
    return x.astype(dtype)


@pytest.mark.parametrize("ddof", [0, 1])
@pytest.mark.parametrize("dtype", DTYPES)
def test_variance_and_deviation(dtype, ddof, rng):
    x = rows(dtype, rng)
    for name in ("var", "std"):
        grad = rng.permutation(np.resize(spread(dtype, 40, rng), len(x)))
        tensor = Tensor(x, requires_grad=True)
        out = getattr(tensor, name)(1, ddof=ddof)
        out.backward(grad)
        for i, row in enumerate(x):
            numbers, g = [Fraction(float(v)) for v in row], Decimal(float(grad[i]))
            deviations = [v - sum(numbers) / 5 for v in numbers]            # exact: some rows are equal
            deviations = [Decimal(v.numerator) / Decimal(v.denominator) for v in deviations]
            variance = sum(v * v for v in deviations) / (5 - ddof)
            value = variance if name == "var" else variance.sqrt()
            assert_close(out.data[i:i + 1], [value], dtype, 16, name)
            divisor = (5 - ddof) * (1 if name == "var" else 2 * value or 1)
            slopes = [2 * g * v / divisor for v in deviations]
            assert_near(tensor.grad[i], slopes, dtype, 600, f"gradient of {name}")


@pytest.mark.parametrize("dtype", DTYPES)
def test_products_of_all_magnitudes(dtype, rng):
    for count in (1, 2, 3, 7, 20):
        x = rng.permutation(spread(dtype, 60, rng))[:count] * rng.choice([-1, 1], count).astype(dtype)
        numbers = exact(x)
        value = math.prod(numbers)
        with localcontext() as context:           # a cotangent that brings the gradient back into the range
            context.prec = 60
            power = int(-value.adjusted())
            grad = dtype(10.0 ** float(np.clip(power, -300 if dtype == np.float64 else -36, 300 if dtype == np.float64
                                               else 36)))
        tensor = Tensor(x, requires_grad=True)
        out = tensor.prod()
        out.backward(grad)
        assert_close([out.data], [value], dtype, 2 * count, "prod")
        assert_close(tensor.grad, [value / v * Decimal(float(grad)) for v in numbers], dtype, 2 * count + 2, "gradient")


def test_partial_products_may_leave_the_range():
    x = Tensor(np.array([1e200, 1e200, 1e-300, 1e-90]), requires_grad=True)
    out = x.prod()
    out.backward()
    np.testing.assert_allclose([out.item(), *x.grad], [1e10, 1e-190, 1e-190, np.inf, 1e100], rtol=1e-13)
    assert Tensor(np.full(3000, 0.5)).prod().item() == 0 and Tensor(np.array([1e200, 1e200, 0.0])).prod().item() == 0
    long = np.concatenate([np.full(2000, 0.5), np.full(2000, 2.0)])
    assert Tensor(long).prod().item() == 1 and Tensor(long.astype(np.float32)).prod().item() == 1


@pytest.mark.parametrize("dtype", DTYPES)
def test_logsumexp(dtype, rng):
    top = float(np.finfo(dtype).max)
    for scale in (1e-30, 1, 30, 1000, 1e6, top / 2):
        x = (scale * rng.uniform(-1, 1, 6)).astype(dtype)
        numbers, g = exact(x), spread(dtype, 1, rng)[-1]
        largest = max(numbers)
        powers = [(v - largest).exp() for v in numbers]
        tensor = Tensor(x, requires_grad=True)
        out = tensor.logsumexp()
        out.backward(g)
        assert_near([out.data], [largest + sum(powers).ln()], dtype, 4, "logsumexp")
        slopes = [p / sum(powers) * Decimal(float(g)) for p in powers]
        assert_close(tensor.grad, slopes, dtype, 3000, "gradient of logsumexp")          # e^-700 rounds its exponent


@pytest.mark.parametrize("axis", [0, 1])
def test_cumulative_sums_of_a_million_float32(axis):
    x = np.full((10**6, 1) if axis == 0 else (1, 10**6), 0.1, np.float32)
    tensor = Tensor(x, requires_grad=True)
    out = tensor.cumsum(axis)
    right = np.cumsum(x.astype(float), axis)
    np.testing.assert_allclose(out.data, right, rtol=1e-7)
    out.backward(x)
    np.testing.assert_allclose(tensor.grad, np.flip(right), rtol=1e-7)


def test_partial_cumulative_sums_may_overflow():
    x = Tensor(np.array([1e308, 1e308, -1e308]), requires_grad=True)
    out = x.cumsum(0)
    assert out.data.tolist() == [1e308, np.inf, 1e308]
    out.backward(np.array([-1e308, 1e308, 1e308]))
    assert x.grad.tolist() == [1e308, np.inf, 1e308]
    assert Tensor(np.array([np.inf, 1.0, -np.inf])).cumsum().data[:2].tolist() == [np.inf, np.inf]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["expm1", "log1p", "erf"])
def test_functions(name, dtype, rng):
    info = np.finfo(dtype)
    x = spread(dtype, 60, rng)
    x = np.concatenate([x, -x] if name == "erf" else [x, -x[x < 0.99], -1 + x[x < 0.1]] if name == "log1p" else [x, -x])
    if name != "log1p":
        x = np.concatenate([x, rng.uniform(-1.2, 1.2, 60) * (np.log(float(info.max)) if name == "expm1" else math.sqrt(
            -2 * np.log(float(info.tiny))))]).astype(dtype)
    x = x[np.abs(x) < 1e4] if name == "expm1" else x
    x = x[x > -1] if name == "log1p" else x
    grad = rng.permutation(np.resize(spread(dtype, 60, rng), x.shape))
    tensor = Tensor(x, requires_grad=True)
    {"expm1": np.expm1, "log1p": np.log1p, "erf": special.erf}[name](tensor).backward(grad)
    pi = Decimal("3.14159265358979323846264338327950288419716939937510582097494")
    slope = {"expm1": Decimal.exp, "log1p": lambda v: 1 / (1 + v),
             "erf": lambda v: 2 / pi.sqrt() * max(-v * v, Decimal(-10**6)).exp()}[name]
    slopes = [slope(v) * g for v, g in zip(exact(x), exact(grad), strict=True)]
    with np.errstate(over="ignore"):
        assert_close(tensor.grad, slopes, dtype, 20000, f"gradient of {name}")


@pytest.mark.parametrize("operation", [
    lambda x: x.var(1), lambda x: x.std(1), lambda x: x.logsumexp(1), lambda x: x.prod(1), lambda x: x.min(1),
    lambda x: np.maximum(x, 1.0).sum(1), lambda x: x.clip(-1, 2).sum(1), lambda x: np.expm1(x).sum(1),
    lambda x: np.log1p(abs(x)).sum(1), lambda x: np.sin(x).sum(1), lambda x: np.cos(x).sum(1), lambda x: special.erf(
        x).sum(1), lambda x: x.sqrt().sum(1), lambda x: np.repeat(x, 2, 1).sum(1)])
@pytest.mark.parametrize("hidden", [0.0, -4.0, np.nan, np.inf, -np.inf, 1e308])
def test_a_cotangent_of_0_gives_0(operation, hidden):
    x = Tensor(np.array([[hidden, hidden], [4.0, 1.0]]), requires_grad=True)
    alone = Tensor(np.array([[4.0, 1.0]]), requires_grad=True)
    with np.errstate(all="ignore"):
        operation(x).backward(np.array([0.0, 1.0]))
        operation(alone).backward(np.array([1.0]))
    np.testing.assert_array_equal(x.grad, [[0.0, 0.0], *alone.grad])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("special_values", [[np.inf, 1.0], [np.nan, 1.0], [-np.inf, np.inf], [0.0, 0.0], ["max", "max"],
                                            ["tiny", 1.0]])
def test_no_warning_escapes(special_values, dtype):
    info = np.finfo(dtype)
    values = [{"max": info.max, "tiny": info.smallest_subnormal}.get(v, v) for v in special_values]
    for operation in (Tensor.var, Tensor.std, Tensor.prod, Tensor.cumsum, Tensor.logsumexp, Tensor.min, Tensor.sign,
                      np.sin, np.cos, np.expm1, np.log1p, special.erf, lambda x: np.maximum(x, 0),
                      lambda x: x.clip(0, 1), lambda x: np.einsum("i,j->ij", x, x.data)):
        x = Tensor(np.array(values, dtype), requires_grad=True)
        out = operation(x)
        out.backward(np.full(out.shape, info.max))
