"""How an operator is called, and the errors for operators that misbehave."""

import numpy as np
import pytest

from minicnn import InputError, InputTypeError, Tensor
from minicnn import functional as F
from minicnn.equivariance import OperatorError, verify_convolution
from minicnn.equivariance.operator import NUMBERS, Operator
from minicnn.nn import BatchNorm2d, Conv2d


def changes(f):
    f += 1
    return f


@pytest.mark.parametrize(("op", "message"), [
    (lambda f: 1 / 0, "raised ZeroDivisionError for an input of shape"),
    (changes, "changed its input in place"),
    (lambda f: f[0], r"returned shape \(1, 8, 8\) .* it must be \(N, C, H, W\)"),
    (lambda f: f[:, :, :0], "returned an empty array"),
    (lambda f: f[:1], r"returned shape \(1, 1, 8, 8\) for an input of shape \(\d+, 1, 8, 8\)"),
    (lambda f: f / 0.0, r"returned nan at pixel \(channel, y, x\) = \(0, 0, 0\)"),
    (lambda f: f.astype(int), "returned int64"),
    (lambda f: f > 0, "returned bool"),
    (lambda f: f.tolist(), "returned a list"),
    (lambda f: np.ma.masked_less(f, 0), "returned a MaskedArray"),
    (lambda f: f[:, :, :5], r"on the torus .* must return as many"),
    (Conv2d(1, 1, 9), "does it need a larger size, or other channels"),
    (Conv2d(3, 1, 3), "raised InputError"),
])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_cannot_be_judged_is_told(op, message):
    with pytest.raises(OperatorError, match=message):
        verify_convolution(op, size=(8, 8))


def leaves(f):
    raise SystemExit(0)


def test_an_operator_that_leaves_the_program_has_raised():
    with pytest.raises(OperatorError, match=r"raised SystemExit .*: 0 \(in test_operator\.py, line \d+\)"):
        verify_convolution(leaves, size=(8, 8))


def test_the_time_limit_counts_all_calls(monkeypatch):
    seconds = iter(range(0, 1000, 2))                       # each call of the operator takes 2 seconds
    monkeypatch.setattr("minicnn.equivariance.operator.clock", lambda: next(seconds))
    operator = Operator(np.copy, 1, (8, 8), time_limit=5)
    f = np.zeros((1, 1, 8, 8))
    operator(f)
    operator(f)
    with pytest.raises(OperatorError, match="too slow: its calls took 6 s, more than the limit of 5 s; give a smaller"):
        operator(f)


def test_a_call_that_would_take_too_long_is_refused_with_an_estimate(monkeypatch):
    seconds = iter(range(0, 1000, 3))                       # each call of the operator takes 3 seconds
    monkeypatch.setattr("minicnn.equivariance.operator.clock", lambda: next(seconds))
    calls = []
    operator = Operator(lambda f: (calls.append(len(f)), f.copy())[1], 1, (8, 8), time_limit=20)
    operator(np.zeros((5, 1, 8, 8)))                        # the first call, on one image, may have compiled
    operator(np.zeros((2, 1, 8, 8)))
    with pytest.raises(OperatorError, match="a call with 40 images would take about 24 s, more than the limit of 20 s"):
        operator(np.zeros((40, 1, 8, 8)))
    assert calls == [1, 5, 2]


def test_large_batches_are_given_in_parts():
    seen = []
    side = 1 << 9
    operator = Operator(lambda f: (seen.append(f.shape), f)[1], 1, (side, side))
    del seen[:]
    f = np.zeros((10, 1, side, side))
    assert operator(f).shape == f.shape
    assert [shape[0] for shape in seen] == [8, 2]
    assert 8 * side * side == NUMBERS


def test_functions_of_arrays_and_of_tensors():
    def needs_a_tensor(f):
        if not isinstance(f, Tensor):
            raise AttributeError
        return f
    f = np.arange(4.0).reshape(1, 1, 2, 2)
    for op in (needs_a_tensor, np.copy, F.relu):
        np.testing.assert_array_equal(Operator(op, 1, 2)(f), f)


def test_a_module_keeps_its_dtype(rng):
    layer = BatchNorm2d(1).eval()
    assert Operator(layer, 1, 4, np.float64).eps < 1e-15
    assert layer.weight.data.dtype == layer.running_mean.dtype == np.float32


@pytest.mark.parametrize(("arguments", "error", "message"), [
    ((5, 1, (8, 8)), InputTypeError, "the operator must be callable, not a int"),
    ((F.relu, 0, (8, 8)), InputError, "in_channels must be an integer of at least 1, not 0"),
    ((F.relu, 1, (0, 3)), InputError, r"size must be an integer or a pair of integers of at least 1, not \(0, 3\)"),
    ((F.relu, 10**6, 16), InputError, "an image would have 256,000,000 numbers, more than 16,777,216: give a smaller"),
    ((F.relu, 1, 8, int), InputTypeError, "dtype must be float32 or float64, not <class 'int'>"),
    ((F.relu, 1, 8, np.float64, 0), InputError, "time_limit must be a number above 0, not 0"),
])
def test_misuse(arguments, error, message):
    with pytest.raises(error, match=message):
        Operator(*arguments)


@pytest.mark.parametrize(("options", "what"), [
    ({"trials": 10**7}, "the images of all trials"), ({"in_channels": 10**4, "domain": "window"}, "the images of all"),
    ({"op": lambda f: np.repeat(f, 5, 1), "trials": 10**4 * 2}, "the outputs of all trials"),
    ({"op": lambda f: np.repeat(f, 10, 1), "in_channels": 200, "domain": "plane", "trials": 1}, "the responses")])
def test_what_would_not_fit_into_memory(options, what):
    with pytest.raises(InputError, match=f"{what}.* would have .* numbers, more than .*: give a smaller size"):
        verify_convolution(**{"op": np.copy} | options)


def test_the_time_limit_does_not_count_the_compiling_of_kernels(monkeypatch):
    spent = iter(range(0, 1000, 2))                         # a compiler takes all of the 2 seconds of each call
    seconds = iter(range(0, 1000, 2))
    monkeypatch.setattr("minicnn.equivariance.operator.clock", lambda: next(seconds))
    monkeypatch.setattr("minicnn.equivariance.operator.compile_seconds", lambda: next(spent))
    operator = Operator(np.copy, 1, (8, 8), time_limit=5)
    for _ in range(9):
        operator(np.zeros((1, 1, 8, 8)))
    assert operator.seconds == 0
