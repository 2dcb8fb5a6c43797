"""Activations against their formulas."""

import inspect

import numpy as np
import pytest
from scipy.special import log_softmax as scipy_log_softmax

from minicnn import Tensor
from minicnn import functional as F


@pytest.mark.parametrize(("name", "formula"), [
    ("relu", lambda a: np.where(a > 0, a, 0)), ("leaky_relu", lambda a: np.where(a > 0, a, 0.01 * a)),
    ("tanh", lambda a: (np.exp(a) - np.exp(-a)) / (np.exp(a) + np.exp(-a))),
    ("sigmoid", lambda a: 1 / (1 + np.exp(-a))), ("log_softmax", lambda a: scipy_log_softmax(a, axis=-1))])
def test_activations_by_formula_of_tensors_arrays_and_by_keyword(name, formula, rng):
    x = rng.standard_normal((3, 4))
    for argument in (Tensor(x), x):
        np.testing.assert_allclose(getattr(F, name)(input=argument).data, formula(x), rtol=1e-13)


def test_sigmoid_does_not_overflow():
    assert F.sigmoid(Tensor([-1000.0, 1000.0])).data.tolist() == [0.0, 1.0]


def test_relu_at_the_kink_and_at_nan():
    x = Tensor([0.0, -0.0, np.nan], requires_grad=True)
    y = F.relu(x)
    y.backward(np.array([3.0, -4.0, 5.0]))
    assert np.abs(x.grad[:2]).tolist() == [0.0, 0.0]
    assert np.isnan(y.data[2])


def test_log_softmax_against_scipy(rng):
    x = 100 * rng.standard_normal((3, 5))
    np.testing.assert_allclose(F.log_softmax(Tensor(x)).data, scipy_log_softmax(x, axis=-1), rtol=1e-12)


@pytest.mark.parametrize("name", F.__all__)
def test_the_first_argument_is_called_input_as_in_torch(name):
    assert next(iter(inspect.signature(getattr(F, name)).parameters)) == "input"
