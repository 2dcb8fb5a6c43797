"""Clipping of gradients against PyTorch and against the definition."""

import math
from fractions import Fraction

import numpy as np
import pytest

from minicnn import StateError
from minicnn.nn.utils import clip_grad_norm_, clip_grad_value_
from minicnn.tensor import Tensor


def with_grads(grads):
    params = []
    for grad in grads:
        params.append(Tensor(np.zeros(() if grad is None else np.shape(grad), np.float64), requires_grad=True))
        params[-1].grad = None if grad is None else np.array(grad)
    return params


def gradients():
    rng = np.random.default_rng(0)
    return [rng.normal(size=(3, 4)), None, rng.normal(size=5), np.array(-0.7), np.zeros((0, 2))]


@pytest.mark.parametrize("max_norm", [0.0, 0.1, 2.5, 1e9])
@pytest.mark.parametrize("norm_type", [2.0, 1, 3.5, 0.5, math.inf])
def test_the_norm_agrees_with_torch(norm_type, max_norm):
    torch = pytest.importorskip("torch")
    ours, theirs = with_grads(gradients()[:4]), []
    for param in ours:
        theirs.append(torch.nn.Parameter(torch.tensor(param.data)))
        theirs[-1].grad = None if param.grad is None else torch.tensor(param.grad)
    arrays = [param.grad for param in ours]
    found = clip_grad_norm_(iter(ours), max_norm, norm_type)
    expected = torch.nn.utils.clip_grad_norm_(theirs, max_norm, norm_type)
    assert type(found) is float and found == pytest.approx(expected.item(), rel=1e-13)
    for a, b, array in zip(ours, theirs, arrays, strict=True):
        assert a.grad is array                    # in place
        if array is not None:
            np.testing.assert_allclose(a.grad, b.grad.numpy(), rtol=1e-13)


@pytest.mark.parametrize("clip_value", [0.0, 0.3, 10.0])
def test_the_values_agree_with_torch(clip_value):
    torch = pytest.importorskip("torch")
    given = [*gradients(), np.array([np.nan, np.inf, -np.inf, 0.1])]
    params = with_grads(given)
    assert clip_grad_value_(params, clip_value) is None
    for grad, param in zip(given, params, strict=True):
        if grad is not None:
            other = torch.nn.Parameter(torch.zeros(grad.shape, dtype=torch.float64))
            other.grad = torch.tensor(grad)
            torch.nn.utils.clip_grad_value_([other], clip_value)
            np.testing.assert_array_equal(param.grad, other.grad.numpy())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1e-45, 1e-39, 1e-20, 1.0, 1e19, 8e37])
def test_the_whole_range_of_float32(dtype, size):
    grad = np.array([3, -4], dtype) * dtype(size) if size > 1e-44 else np.array([size, size], dtype)
    norm = clip_grad_norm_(with_grads([grad]), 1.0)
    assert norm == pytest.approx(math.hypot(*map(float, grad)), rel=1e-15)


def test_float64_beyond_the_squares():
    for size in (1e300, 1e-300):
        params = with_grads([np.array([3.0, 4.0]) * size])
        assert clip_grad_norm_(params, size) == pytest.approx(5 * size, rel=1e-15)
    assert clip_grad_norm_(with_grads([np.full(2, 1.5e308)]), 1.0) == math.inf      # the norm itself is too large
    assert clip_grad_norm_(with_grads([np.ones(9)]), 1.0, 1e-3) == math.inf


def test_float32_gradients_whose_factor_is_denormal_keep_their_digits():
    params = with_grads([np.full(1000, 3e38, np.float32)])
    clip_grad_norm_(params, 1.0)
    np.testing.assert_allclose(params[0].grad, 1000 ** -0.5, rtol=1e-7)


@pytest.mark.parametrize("grad", [[3.0, 4.0], [1.0, np.inf]])
def test_an_infinite_bound_only_computes_the_norm(grad):
    params = with_grads([np.array(grad)])
    assert clip_grad_norm_(params, math.inf) == math.hypot(*grad)
    np.testing.assert_array_equal(params[0].grad, grad)


def test_float32_is_added_in_float64():
    grad = np.full(2_000_000, np.float32(0.1))
    exact = math.sqrt(2_000_000 * Fraction(float(np.float32(0.1))) ** 2)
    assert clip_grad_norm_(with_grads([grad]), 1e9) == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize(("grad", "norm", "after"), [
    ([1.0, np.nan], math.nan, [np.nan, np.nan]), ([1.0, np.inf], math.inf, [0.0, np.nan])])
def test_a_norm_that_is_not_finite(grad, norm, after):
    params = with_grads([np.array(grad), np.array([np.inf])] if norm == math.inf else [np.array([5.0]), np.array(grad)])
    with pytest.raises(StateError, match=f"the norm of the gradients is {norm}, so they cannot be scaled"):
        clip_grad_norm_(params, 1.0, error_if_nonfinite=True)
    before = next(param for param in params if len(param.grad) == 2)
    assert np.array_equal(before.grad, grad, equal_nan=True)
    assert str(clip_grad_norm_(params, 1.0)) == str(norm)
    assert np.array_equal(before.grad, after, equal_nan=True)


def test_one_tensor_no_gradient_and_one_that_is_given_twice():
    params = with_grads([np.array([3.0, 4.0]), None])
    assert clip_grad_norm_(params[0], 10.0) == 5 == clip_grad_norm_([params[0], params[0]], 10.0)
    assert clip_grad_norm_(params[1:], 1.0) == 0 == clip_grad_norm_([], 1.0)
    clip_grad_norm_([params[0], params[0]], 1.0)
    np.testing.assert_allclose(params[0].grad, [0.6, 0.8], rtol=1e-6)
    clip_grad_value_([], 1.0)


def test_the_dtype_is_kept():
    params = with_grads([np.ones(3, np.float32), np.asfortranarray(np.ones((3, 4), np.float32))[::-1]])
    clip_grad_norm_(params, 0.5)
    clip_grad_value_(params, 0.01)
    assert {param.grad.dtype for param in params} == {np.dtype(np.float32)}
    assert all((param.grad == np.float32(0.01)).all() for param in params)


def read_only():
    param = with_grads([np.ones(2)])[0]
    param.grad.flags.writeable = False
    return param


def whole_numbers():
    param = with_grads([np.ones(2)])[0]
    param.grad = np.ones(2, np.int64)
    return param


@pytest.mark.parametrize(("make", "message"), [
    (lambda: clip_grad_norm_([], -1), "clip_grad_norm_: max_norm must be a number of at least 0, not -1"),
    (lambda: clip_grad_norm_([], np.ones(2)), r"max_norm must be a number of at least 0, not array\(\[1., 1.\]\)"),
    (lambda: clip_grad_norm_([], 1, 0), "norm_type must be a number above 0, not 0"),
    (lambda: clip_grad_norm_([], 1, "inf"), "norm_type must be a number above 0, not 'inf'"),
    (lambda: clip_grad_norm_([], 1, 2, 1), "error_if_nonfinite must be True or False, not 1"),
    (lambda: clip_grad_norm_(3, 1), r"parameters must be a Tensor or a list such as model.parameters\(\), not a int"),
    (lambda: clip_grad_norm_(np.ones(2), 1), "not a ndarray"),
    (lambda: clip_grad_norm_([3], 1), r"clip_grad_norm_: parameters\[0\] is a int, not a Tensor"),
    (lambda: clip_grad_value_([read_only()], 1), r"clip_grad_value_: the gradient of parameters\[0\] is read-only"),
    (lambda: clip_grad_value_([whole_numbers()], 1), r"gradient of parameters\[0\] must be an array .* not a int64"),
    (lambda: clip_grad_value_([], math.nan), "clip_value must be a number of at least 0, not nan"),
])
def test_what_is_refused(make, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make()
