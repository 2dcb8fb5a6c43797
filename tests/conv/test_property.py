"""Any geometry that is valid: the algorithms against scipy, and the adjoint identity, on small integers (exact)."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from minicnn.conv import Geometry, algorithms
from tests.reference import conv2d

small = st.integers(1, 4)
pairs = st.tuples(small, small)


@st.composite
def geometries(draw):
    groups, kernel, mode = draw(st.integers(1, 3)), draw(pairs), draw(st.sampled_from(["zeros", "circular"]))
    channels, outputs = (groups * draw(st.integers(1, 3)) for _ in range(2))
    size = draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    padding = draw(st.one_of(st.just("same"), st.tuples(st.integers(0, 3), st.integers(0, 3))))
    stride = 1 if padding == "same" else draw(pairs)
    try:
        return Geometry.of((draw(small), channels, *size), (outputs, channels // groups, *kernel), stride, padding,
                           draw(pairs), groups, mode, "float64")
    except ValueError:
        assume(False)


@pytest.mark.parametrize("name", ["im2col", "direct"])
@settings(max_examples=150, deadline=None, derandomize=True)
@given(geometry=geometries(), seed=st.integers(0, 2**32 - 1))
def test_any_geometry(name, geometry, seed):
    g, rng = geometry, np.random.default_rng(seed)
    draw = lambda shape: rng.integers(-9, 10, shape).astype(float)
    x, weight, bias, grad = draw(g.in_shape), draw(g.weight_shape), draw(g.out_channels), draw(g.out_shape)
    algorithm = algorithms()[name]
    out, saved = algorithm.forward(x, weight, bias, g)
    np.testing.assert_array_equal(
        out, conv2d(x, weight, bias, g.stride, g.padding, g.dilation, g.groups, g.padding_mode))
    grad_input, grad_weight, grad_bias = algorithm.backward(grad, saved, (True, True, True))
    linear = (grad * (out - bias[:, None, None])).sum()
    assert (grad_input * x).sum() == (grad_weight * weight).sum() == linear
    np.testing.assert_array_equal(grad_bias, grad.sum((0, 2, 3)))
