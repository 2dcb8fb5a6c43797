"""Correct gradients of functions and Modules pass. Inputs that cannot be checked are errors."""

import numpy as np
import pytest

from minicnn import InputError, Tensor, nn, record
from minicnn import functional as F
from minicnn.gradcheck import GradcheckError, GradcheckWarning, gradcheck, safe_inputs
from tests.gradcheck.functions import leaf, sum_of_squares

# Correct gradients pass.

@pytest.mark.parametrize("fast", [False, True])
def test_right_gradients_pass(rng, fast):
    x, y = safe_inputs((3, 4), (4,), rng=rng)
    assert gradcheck(lambda a, b: (F.tanh(a * b), (a @ b).sum()), (x, y), fast_mode=fast)
    assert gradcheck(F.relu, x, fast_mode=fast)
    assert gradcheck(sum_of_squares(), (x,), fast_mode=fast, check_grad_dtypes=True)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4, 1e8])
def test_inputs_of_any_magnitude(rng, scale):
    assert gradcheck(lambda x: x * x, Tensor(scale * safe_inputs((3, 3), rng=rng)[0].data, requires_grad=True))


def test_a_function_that_curves_strongly_passes():
    assert gradcheck(lambda x: F.tanh(x * 300), leaf([0.001, 0.002]))


def test_a_kink_near_the_sample_but_not_on_it_passes():
    assert gradcheck(F.relu, leaf([4e-7, 1.0]))


def test_inputs_of_other_kinds_are_passed_on(rng):
    (x,) = safe_inputs((3, 2), rng=rng)
    assert gradcheck(F.cross_entropy, (x, np.array([0, 1, 1]), Tensor(np.array([1.0, 2.0]))))
    assert gradcheck(F.max_pool2d, (safe_inputs((1, 4, 4), rng=rng)[0], 2))


def test_inputs_and_parameters_come_back_unchanged(rng):
    class Fails(nn.Module):
        def __init__(self):
            self.weight = nn.Parameter(np.ones(3))

        def forward(self, x):
            if np.any(x.data != start):
                raise ZeroDivisionError("not at the start")
            return x * self.weight

    model, (x,) = Fails(), safe_inputs((3,), rng=rng)
    start, array, weight = x.data.copy(), x.data, model.weight.data
    model.weight.grad = np.full(3, 7.0)
    with pytest.raises(ZeroDivisionError, match="not at the start"):
        gradcheck(model, x)
    assert x.data is array and model.weight.data is weight and x.grad is None
    assert np.array_equal(x.data, start) and np.array_equal(weight, [1] * 3) and np.all(model.weight.grad == 7)


def test_running_means_come_back_unchanged(rng):
    model = nn.BatchNorm2d(2, dtype=np.float64)
    assert gradcheck(model, safe_inputs((3, 2, 2, 2), rng=rng))
    assert np.array_equal(model.running_mean, [0, 0]) and np.array_equal(model.running_var, [1, 1])


@pytest.mark.parametrize("size", [5, 500])
def test_fast_mode_takes_few_evaluations_whatever_the_size(rng, size):
    calls = []

    def f(x):
        calls.append(1)
        return x * x
    assert gradcheck(f, safe_inputs((size,), rng=rng, spacing=1 / size), fast_mode=True)
    assert len(calls) < 80


# Inputs and functions for which finite differences are useless.

def test_kink_of_relu_at_zero():
    for fast in (False, True):
        with pytest.raises(GradcheckError, match=r"element \(1,\): .*\n.* kink here \(left slope 0, right slope 1\)"):
            gradcheck(F.relu, leaf([1.0, 0.0, -1.0]), fast_mode=fast)


def test_tie_in_max_pool():
    with pytest.raises(GradcheckError, match=r"numerically 0\.5.*\n.*kink here .*max-pool at a tie"):
        gradcheck(lambda x: F.max_pool2d(x, 2), leaf([[[1.0, 3.0], [3.0, 2.0]]]))


@pytest.mark.parametrize("function", [np.sign, lambda x: np.heaviside(x, 1)])
def test_jump(function):
    with pytest.raises(GradcheckError, match="The function jumps here"):
        gradcheck(lambda x: record(function(x.data), (x,), lambda grad: (0 * grad,), "step"), leaf([0.0, 1.0]))


def test_float32_is_warned_of_and_checked_in_float64(rng):
    (x,) = safe_inputs((3,), rng=rng, dtype=np.float32)
    with pytest.warns(GradcheckWarning, match="input 0: float32 is too coarse for finite differences") as seen:
        assert gradcheck(lambda t: t * t, x, rtol=1e-8)
    assert seen[0].filename == __file__
    with pytest.warns(GradcheckWarning, match="parameter 'weight', parameter 'bias': float32"):
        assert gradcheck(nn.Linear(3, 2, rng=rng), safe_inputs((1, 3), rng=rng))


def test_arithmetic_in_float32_is_named(rng):
    def small(x):
        return record((x.data * x.data).astype(np.float32), (x,), lambda grad: ((2 * grad * x.data),), "small")
    with pytest.raises(GradcheckError, match="The output is float32 though the input is float64"):
        gradcheck(small, safe_inputs((3, 5), rng=rng))


def test_a_step_too_large_is_named():
    with pytest.raises(GradcheckError, match=r"eps=1 is too large, because the function is not linear"):
        gradcheck(F.tanh, leaf([0.3, -0.4]), eps=1)


def test_overlapping_inputs():
    base = np.arange(6.0)
    shared = Tensor(base[:4], requires_grad=True), Tensor(base[3:], requires_grad=True)
    with pytest.raises(GradcheckError, match="input 0 and input 1 share memory"):
        gradcheck(lambda x, y: x.sum() + y.sum(), shared)
    interleaved = Tensor(base[::2], requires_grad=True), Tensor(base[1::2], requires_grad=True)
    assert gradcheck(lambda x, y: x * y, interleaved)
    with pytest.raises(GradcheckError, match="elements of input 0 share memory"):
        gradcheck(lambda x: x * 2, Tensor(np.broadcast_to(base, (2, 6)), requires_grad=True))


def test_nondeterminism(rng):
    (x,) = safe_inputs((30,), rng=rng)                  # two masks are never the same by chance
    with pytest.raises(GradcheckError, match="the function is not deterministic"):
        gradcheck(lambda t: F.dropout(t, 0.5, rng=rng), x)
    noisy = sum_of_squares(lambda grad, dx: dx + 1e-9 * rng.random(dx.shape))
    with pytest.raises(GradcheckError, match="backward is not deterministic: .* input 0"):
        gradcheck(noisy, safe_inputs((2, 2), rng=rng))
    assert gradcheck(noisy, safe_inputs((2, 2), rng=rng), nondet_tol=1e-8, check_undefined_grad=False)


def test_a_cotangent_of_zeros(rng):
    with pytest.raises(GradcheckError, match="zeros gave input 0 a gradient that is not zero"):
        gradcheck(sum_of_squares(lambda grad, dx: dx + 1), safe_inputs((2, 2), rng=rng))


def test_changes_in_place():
    def doubles(x):
        x *= 2
        return x + 0

    with pytest.raises(GradcheckError, match=r"the function changed input 0 in place, at \(0,\) from 1 to 2"):
        gradcheck((doubles, lambda grad, x: 2 * grad), np.array([1.0]))

    def backward(grad, x):
        grad *= 2
        return grad
    with pytest.raises(GradcheckError, match="backward changed its cotangent in place"):
        gradcheck((lambda x: 2 * x, backward), np.array([1.0]))


def test_samples_outside_the_domain(rng):
    with pytest.raises(ValueError, match=r"input 0 is nan at \(1,\)"):
        gradcheck(F.relu, leaf([0.0, np.nan]))
    pair = lambda x: np.divide(1, x, where=x > 0, out=np.full(x.shape, np.inf)), lambda grad, x: -grad / x ** 2
    with pytest.raises(GradcheckError, match=r"output 0 is inf at \(1,\)"):
        gradcheck(pair, np.array([1.0, 0.0]))


@pytest.mark.parametrize("func, inputs, error, message", [
    (F.relu, np.ones(3), ValueError, "nothing to check: give at least one Tensor with requires_grad=True"),
    ((np.sin, np.cos), np.arange(3), ValueError, "a pair .* needs at least one array of floating-point numbers"),
    (lambda x: x.data, leaf([1.0]), TypeError, "must return a Tensor or a tuple of Tensors, not a ndarray"),
    ((np.multiply, lambda grad, x, y: grad), (np.ones(1), np.ones(1)), GradcheckError, r"1 gradient\(s\) for 2 input"),
    ((np.sin, lambda grad, x: np.float32(grad * np.cos(x))), np.ones(2), GradcheckError, "of input 0 is float32"),
])
def test_misuse(func, inputs, error, message):
    with pytest.raises(error, match=message):
        gradcheck(func, inputs, check_grad_dtypes=True)


# Modules.

@pytest.mark.parametrize("fast", [False, True])
def test_parameters_of_a_module(rng, fast):
    model = nn.Sequential(nn.Conv2d(1, 2, 3, dtype=np.float64, rng=rng), nn.Tanh(), nn.Flatten(),
                          nn.Linear(8, 2, dtype=np.float64, rng=rng))
    assert gradcheck(model, safe_inputs((2, 1, 4, 4), rng=rng), fast_mode=fast)
    assert all(p.grad is None for p in model.parameters())


def test_a_wrong_gradient_of_a_parameter_is_named(rng):
    class Scale(nn.Module):
        def __init__(self):
            self.factor = nn.Parameter(np.array([2.0, 3.0]))

        def forward(self, x):
            a, f = x.data, self.factor.data
            return record(a * f, (x, self.factor), lambda grad: (grad * f, grad * a * np.array([1.0, 1.0001])), "scale")

    with pytest.raises(GradcheckError, match=r"parameter '0\.factor', shape \(2,\), is wrong at its element \(1,\)"):
        gradcheck(nn.Sequential(Scale()), safe_inputs((3, 2), rng=rng))


def test_a_jacobian_that_is_too_large(rng):
    x = Tensor(np.ones(4000), requires_grad=True)
    with pytest.raises(InputError, match=r"the Jacobian has 16,000,000 entries \(4,000 outputs, 4,000 inputs\), more "
                                         "than 10,000,000: give smaller inputs, or fast_mode=True"):
        gradcheck(lambda x: x * 2, x)
    assert gradcheck(lambda x: x * 2, x, fast_mode=True)
