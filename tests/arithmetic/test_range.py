"""Values and gradients over the whole range of the dtype, against decimal arithmetic with 60 digits.

The numbers are powers of ten with random mantissas, among them the smallest and the largest of the dtype. The right
answer is rounded to the dtype: it may be infinite, denormal or 0, and no partial result may decide that.
"""

import decimal
from decimal import Decimal

import numpy as np
import pytest

from minicnn import Tensor
from minicnn import functional as F

decimal.getcontext().prec = 60
decimal.getcontext().Emax, decimal.getcontext().Emin = 10**9, -10**9


def spread(dtype, count, rng, limit=1.0):
    """Positive numbers of all magnitudes, evenly in their exponent; the ends of the range among them."""
    info = np.finfo(dtype)
    low, high = np.log10(float(info.smallest_subnormal)) * limit, np.log10(float(info.max)) * limit
    ends = [info.smallest_subnormal, info.tiny, info.max, 1, info.eps] if limit == 1 else [1]
    with np.errstate(all="ignore"):
        drawn = (10.0 ** rng.uniform(low, high, count)).astype(dtype)
    return np.concatenate([np.array(ends, dtype), drawn])


def rounded(value, dtype):
    """A Decimal in the dtype. float() of its digits rounds once; then float64 to float32 once more."""
    with np.errstate(all="ignore"):
        return dtype(float(str(value)))


def tanh(x):
    e = (-2 * abs(x)).exp()
    return ((1 - e) / (1 + e)).copy_sign(x)


def slope_of_tanh(x):
    e = (-2 * abs(x)).exp()
    return 4 * e / (1 + e) ** 2


UNARY = {                       # the operation, its value, its derivative
    "exp": (lambda x: x.exp(), lambda x: x.exp(), lambda x: x.exp()),
    "log": (lambda x: x.log(), lambda x: x.ln(), lambda x: 1 / x),
    "sqrt": (np.sqrt, lambda x: x.sqrt(), lambda x: 1 / (2 * x.sqrt())),
    "square": (np.square, lambda x: x * x, lambda x: 2 * x),
    "reciprocal": (lambda x: 1 / x, lambda x: 1 / x, lambda x: -1 / x ** 2),
    "cube": (lambda x: x ** 3, lambda x: x ** 3, lambda x: 3 * x ** 2),
    "x^-2": (lambda x: x ** -2, lambda x: x ** -2, lambda x: -2 * x ** -3),
    "x^0.5": (lambda x: x ** 0.5, lambda x: x.sqrt(), lambda x: 1 / (2 * x.sqrt())),
    "x^-1.5": (lambda x: x ** -1.5, lambda x: 1 / (x * x.sqrt()), lambda x: Decimal("-1.5") / (x * x * x.sqrt())),
    "2^x": (lambda x: 2 ** x, lambda x: (x * Decimal(2).ln()).exp(), lambda x: (x * Decimal(2).ln()).exp()
            * Decimal(2).ln()),
    "tanh": (np.tanh, tanh, slope_of_tanh),
}
NEGATIVE = ("exp", "square", "reciprocal", "cube", "x^-2", "2^x", "tanh")
EXPONENTIAL = ("exp", "2^x", "tanh")


def assert_close(ours, exact, dtype, units, what):
    """Within some units in the last place of the right number; the last denormal digits are units too."""
    for got, value in zip(ours, exact, strict=True):
        want = rounded(value, dtype)
        if np.isinf(want) or np.isinf(got):
            limit = Decimal(float(np.finfo(dtype).max)) * (1 - units * Decimal(float(np.finfo(dtype).eps)))
            assert abs(value) > limit and np.sign(got) == np.sign(want), (what, got, value)
        else:
            unit = max(float(np.spacing(abs(want))), float(np.finfo(dtype).smallest_subnormal))
            assert abs(Decimal(float(got)) - value) <= units * Decimal(unit), (what, got, value)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", UNARY)
def test_one_operand(name, dtype, rng):
    operation, value, derivative = UNARY[name]
    x = spread(dtype, 60, rng)
    if name in EXPONENTIAL:
        top = np.log(float(np.finfo(dtype).max))
        x = np.concatenate([rng.uniform(0, 2.2 * top, 60), [0, 1e-5, 1e-12]]).astype(dtype)
    x = np.concatenate([x, -x]) if name in NEGATIVE else x
    grad = rng.permutation(np.resize(spread(dtype, 60, rng), x.shape)) * rng.choice([-1, 1], x.shape).astype(dtype)
    tensor = Tensor(x, requires_grad=True)
    with np.errstate(all="ignore"):
        out = operation(tensor)
        out.backward(grad)
    exact = [Decimal(float(v)) for v in x]
    power = 20000 if dtype == np.float64 and name in EXPONENTIAL else 60         # the exponent of e^700 rounds
    assert_close(out.data, [value(v) for v in exact], dtype, 4, name)
    slopes = [derivative(v) * Decimal(float(g)) for v, g in zip(exact, grad, strict=True)]
    assert_close(tensor.grad, slopes, dtype, power, f"gradient of {name}")


BINARY = {                      # the operation, its value, its two derivatives
    "mul": (lambda x, y: x * y, lambda x, y: x * y, lambda x, y: y, lambda x, y: x),
    "div": (lambda x, y: x / y, lambda x, y: x / y, lambda x, y: 1 / y, lambda x, y: -x / y ** 2),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", BINARY)
def test_two_operands(name, dtype, rng):
    operation, value, *derivatives = BINARY[name]
    x, y, grad = (rng.permutation(spread(dtype, 300, rng)) * dtype(rng.choice([-1, 1])) for _ in range(3))
    tensors = Tensor(x, requires_grad=True), Tensor(y, requires_grad=True)
    with np.errstate(all="ignore"):
        out = operation(*tensors)
        out.backward(grad)
    exact = [(Decimal(float(a)), Decimal(float(b)), Decimal(float(g))) for a, b, g in zip(x, y, grad, strict=True)]
    assert_close(out.data, [value(a, b) for a, b, _ in exact], dtype, 1, name)
    for tensor, derivative in zip(tensors, derivatives, strict=True):
        assert_close(tensor.grad, [derivative(a, b) * g for a, b, g in exact], dtype, 8, f"gradient of {name}")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_power_of_two_tensors(dtype, rng):
    x, grad = spread(dtype, 300, rng), spread(dtype, 300, rng)
    y = rng.uniform(-3, 3, x.shape).astype(dtype)
    tensors = Tensor(x, requires_grad=True), Tensor(y, requires_grad=True)
    with np.errstate(all="ignore"):
        (tensors[0] ** tensors[1]).backward(grad)
    rows = [(Decimal(float(a)), Decimal(float(b)), Decimal(float(g))) for a, b, g in zip(x, y, grad, strict=True)]
    dx = [g * b * a ** (b - 1) for a, b, g in rows]
    dy = [g * a ** b * a.ln() for a, b, g in rows]
    units = 3000 if dtype == np.float64 else 300        # b - 1 rounds, and a has an exponent of up to 1074
    assert_close(tensors[0].grad, dx, dtype, units, "gradient of the base")
    assert_close(tensors[1].grad, dy, dtype, units, "gradient of the exponent")


def gradient(operation, *values):
    tensors = [Tensor(np.array(v, np.float64), requires_grad=True) for v in values]
    with np.errstate(all="ignore"):
        out = operation(*tensors)
        out.backward(np.ones(out.shape))
    return [t.grad.tolist() for t in tensors]


def test_powers_of_zero():
    assert gradient(lambda y: 0.0 ** y, [0.0, 1.0, 2.0]) == [[0.0, 0.0, 0.0]]
    assert gradient(lambda y: 0.0 ** y, [-1.0]) == [[-np.inf]]
    assert gradient(lambda x: x ** 0, [0.0, np.inf, -2.0]) == [[0.0, 0.0, 0.0]]
    assert gradient(lambda x: x ** 1, [0.0]) == [[1.0]]
    assert gradient(lambda x: x ** 2, [0.0, -2.0]) == [[0.0, -4.0]]
    assert gradient(lambda x: x ** 0.5, [0.0, 4.0]) == [[np.inf, 0.25]]
    assert gradient(lambda x, y: x ** y, [0.0, 0.0], [2.0, 0.0]) == [[0.0, 0.0], [0.0, 0.0]]


@pytest.mark.parametrize("special", [np.inf, -np.inf, np.nan])
def test_infinite_operands_and_cotangents(special):
    with np.errstate(all="ignore"):
        assert gradient(lambda x, y: x / y, [1.0], [abs(special)] if special == special else [2.0])[0][0] in (0.0, 0.5)
        x = Tensor(np.array([1.0, 2.0]), requires_grad=True)
        (x * 3)[:1].backward(np.array([special]))
        np.testing.assert_array_equal(x.grad, [special, 0])     # what an index does not take gets nothing
        x.grad = None
        x.max().backward(special)
        np.testing.assert_array_equal(x.grad, [0, special])
        x.grad = None
        abs(x).backward(np.array([special, 1.0]))
        np.testing.assert_array_equal(x.grad, [special, 1.0])


@pytest.mark.parametrize("operation", [
    np.sqrt, np.log, np.exp, np.reciprocal, np.tanh, np.square, F.sigmoid, F.logsigmoid, F.log_softmax,
    lambda x: x ** -1, lambda x: x ** 0.5, lambda x: 2.0 ** x, lambda x: x * np.inf, lambda x: 1 / x, lambda x: x / 0.0,
])
@pytest.mark.parametrize("hidden", [0.0, -4.0, np.nan, np.inf, -np.inf, 1e308])
def test_a_cotangent_of_0_gives_0_also_where_the_derivative_is_infinite_or_nan(operation, hidden):
    with np.errstate(all="ignore"):
        x = Tensor(np.array([[hidden, hidden], [4.0, 1.0]]), requires_grad=True)
        np.where([[False], [True]], operation(x), 7.0).sum().backward()
        alone = Tensor(np.array([[4.0, 1.0]]), requires_grad=True)
        operation(alone).sum().backward()
    np.testing.assert_array_equal(x.grad, [[0.0, 0.0], *alone.grad])


def test_an_infinite_derivative_that_counts_stays():
    assert gradient(np.sqrt, [0.0]) == [[np.inf]] and gradient(np.log, [0.0]) == [[np.inf]]
    assert np.isnan(gradient(lambda x: x * np.nan, [0.0])).all() and np.isnan(gradient(np.sqrt, [-1.0])).all()
