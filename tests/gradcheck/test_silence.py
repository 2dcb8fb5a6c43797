"""Numbers at the limits of the dtype: infinite and NaN results come without a warning, and inputs stay unchanged."""

import contextlib

import numpy as np
import pytest

from minicnn import InputError, Tensor
from minicnn import functional as F
from minicnn.gradcheck.operations import catalogue

OPERATIONS = [one for one in catalogue() if one.kind not in ("conv2d", "conv_transpose2d")]    # conv1d stands for them
NUMPY_WARNS = {"log1p", "relu6", "kl_div"}       # the cases of these compute their inputs with NumPy's operators


def extreme(dtype, shape, rng):
    limits = np.finfo(dtype)
    sets = ([limits.max, -limits.max, limits.max / 2, 1e30], [limits.tiny, limits.smallest_subnormal, 0.0, -0.0],
            [np.inf, -np.inf, 1, 0], [np.nan, 1, -2, 0], [limits.max, limits.tiny, -1, np.inf, np.nan, 0])
    values = rng.choice(sets[rng.integers(len(sets))], shape)
    return np.where(rng.random(shape) < 0.2, rng.normal(size=shape), values).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_operation_warns(dtype, rng):
    for operation in OPERATIONS:
        function = operation.func[0] if isinstance(operation.func, tuple) else operation.func
        for _ in range(8):
            arrays = [extreme(dtype, x.shape, rng) for x in operation.inputs]
            inputs = [Tensor(array.copy(), requires_grad=True) for array in arrays]
            loud = operation.kind not in F.__all__ or operation.kind in NUMPY_WARNS
            try:
                with np.errstate(all="ignore") if loud else contextlib.nullcontext():
                    out = function(*inputs)
            except InputError:                    # a number that is no probability
                continue
            out = out[0] if isinstance(out, (tuple, list)) else out
            out.backward(extreme(out.dtype, out.shape, rng))
            for given, array in zip(inputs, arrays, strict=True):
                np.testing.assert_array_equal(given.data, array, err_msg=operation.name)
                assert given.grad is None or given.grad.dtype == dtype, operation.name


def test_large_products_on_several_threads_do_not_warn_either():
    x = np.full((400, 600), np.inf)
    x[:, 1] = -np.inf
    assert np.isnan(F.linear(x, np.ones((500, 600))).data).all()
