"""The dot-product test, and the inputs that avoid kinks and ties."""

import re

import numpy as np
import pytest

from minicnn import InputError, Tensor
from minicnn import functional as F
from minicnn.gradcheck import GradcheckError, adjoint_test, safe_inputs
from tests.gradcheck.functions import leaf


@pytest.mark.parametrize("shapes", [[(5,)], [(2, 3), (3,)], [()], [(0, 2), (1,)], [(7, 3, 2)]])
def test_safe_inputs(rng, shapes):
    tensors = safe_inputs(*shapes, rng=rng, spacing=0.5)
    assert [t.shape for t in tensors] == shapes and all(t.requires_grad and t.dtype == np.float64 for t in tensors)
    values = np.sort(np.concatenate([t.data.ravel() for t in tensors]))
    assert np.allclose(np.diff(values), 0.5) and np.abs(values).min() >= 0.25
    assert values.size == 1 or (values[0] < 0 < values[-1])


def test_safe_inputs_misuse(rng):
    with pytest.raises(ValueError, match="give at least one shape"):
        safe_inputs(rng=rng)
    with pytest.raises(ValueError, match="spacing must be a number above 0, not 0"):
        safe_inputs((2,), rng=rng, spacing=0)
    with pytest.raises(TypeError, match="safe_inputs: rng must be a numpy.random.Generator such as .*, not 7"):
        safe_inputs((2,), rng=7)
    for shape in ("3,4", 3, (2, -1), (2.0, 1)):
        with pytest.raises(InputError, match="a shape must be a tuple of integers of at least 0, as in .*, not " +
                           re.escape(repr(shape))):
            safe_inputs(shape, rng=rng)


def test_adjoint_test(rng):
    image, w = (3, 1, 7, 6), rng.standard_normal((2, 1, 3, 2))
    forward = lambda x: F.conv2d(Tensor(x), Tensor(w), stride=2).data

    def adjoint(g):
        x = leaf(np.zeros(image))
        F.conv2d(x, Tensor(w), stride=2).backward(g)
        return x.grad

    assert adjoint_test(forward, adjoint, image, rng=rng) < 1e-14
    with pytest.raises(GradcheckError, match=r"<g, A x> = \S+ but <A\^T g, x> = \S+, relative error"):
        adjoint_test(forward, lambda g: 2 * adjoint(g), image, rng=rng)
    with pytest.raises(GradcheckError, match=r"the operation is affine, not linear"):
        adjoint_test(lambda x: forward(x) + 1, adjoint, image, rng=rng)
    with pytest.raises(GradcheckError, match=r"returned shape \(3,\) for an input of shape \(3, 1, 7, 6\)"):
        adjoint_test(forward, lambda g: np.zeros(3), image, rng=rng)
    with pytest.raises(TypeError, match="adjoint_test: rng must be a numpy.random.Generator such as .*, not None"):
        adjoint_test(forward, adjoint, image, rng=None)


@pytest.mark.parametrize("size", [1e-300, 1e200, 1e307])
def test_the_adjoint_of_large_and_small_numbers(size, rng):
    matrix = rng.standard_normal((4, 3)) * size
    assert adjoint_test(lambda x: matrix @ x, lambda g: matrix.T @ g, (3,), rng=rng) < 1e-15
    with pytest.raises(GradcheckError, match="adjoint_test: <g, A x> = "):
        adjoint_test(lambda x: matrix @ x, lambda g: 1.001 * matrix.T @ g, (3,), rng=rng)
