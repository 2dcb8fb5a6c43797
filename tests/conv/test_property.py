"""Any geometry that is valid: the algorithms against the reference, and the adjoint identity, on small integers."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from minicnn.conv import Geometry, algorithms
from tests.conv.geometries import expected, geometries, integers, operands, run
from tests.reference import NUMPY_MODES

HARD = Geometry.of((2, 4, 9, 9), (4, 2, 3, 2), stride=(2, 3), padding=(2, 1), dilation=(1, 2), groups=2,
                   padding_mode="circular", dtype="float64")
GENERAL = [name for name, algorithm in algorithms().items() if algorithm.unsupported(HARD) is None]


@pytest.mark.parametrize("name", GENERAL)
@settings(max_examples=150, deadline=None, derandomize=True)
@given(geometry=geometries(), seed=st.integers(0, 2**32 - 1))
def test_any_geometry(name, geometry, seed):
    g, algorithm = geometry, algorithms()[name]
    assume(name != "naive" or g.multiply_adds < 2000)            # seven Python loops
    x, weight, bias, grad = arrays = operands(g, integers(np.random.default_rng(seed)))
    out, grad_input, grad_weight, grad_bias = results = run(algorithm, g, *arrays)
    assert all(result.dtype == g.dtype for result in results)
    # integers have no rounding, except where an algorithm transforms them
    rounded = 0 if algorithm.error_norm == "element" else 1e-12
    np.testing.assert_allclose(out, expected(g, x, weight, bias), rtol=0, atol=9e2 * rounded)
    linear = (grad * (expected(g, x, weight))).sum()
    assert (grad_input * x).sum() == pytest.approx(linear, rel=0, abs=1e5 * rounded)
    assert (grad_weight * weight).sum() == pytest.approx(linear, rel=0, abs=1e5 * rounded)
    np.testing.assert_array_equal(grad_bias, grad.sum((0, 2, 3)))


@settings(max_examples=100, deadline=None, derandomize=True)
@given(geometry=geometries())
def test_the_rows_of_a_geometry(geometry):
    """`input_rows` and `output_rows` are inverse to each other; the padded form reads the same pixels."""
    g = geometry.padded_form
    assert (g.out_shape, g.padding, g.padding_mode) == (geometry.out_shape, ((0, 0), (0, 0)), "zeros")
    shift = g.input_rows - geometry.padding[0][0]
    inside = (shift >= 0) & (shift < geometry.height)
    padded = np.pad(np.arange(geometry.height), geometry.padding[0], NUMPY_MODES[geometry.padding_mode])
    rows = np.where(inside, shift, -1) if geometry.padding_mode == "zeros" else padded[g.input_rows]
    np.testing.assert_array_equal(geometry.input_rows, rows)
    pairs = {(oy, i, iy) for (oy, i), iy in np.ndenumerate(g.input_rows)}
    assert pairs == {(oy, i, iy) for (iy, i), oy in np.ndenumerate(g.output_rows) if oy >= 0}
