"""Numbers at the limits of the dtype: infinite and NaN results come without a warning, inputs stay unchanged, and what
nobody sees gets the gradient 0.
"""

import contextlib

import numpy as np
import pytest

from minicnn import InputError, Tensor
from minicnn import functional as F
from minicnn.arithmetic import shown_product
from minicnn.gradcheck.operations import catalogue

OPERATIONS = [one for one in catalogue() if one.kind not in ("conv2d", "conv_transpose2d")]    # conv1d stands for them
NUMPY_WARNS = {"log1p", "relu6", "kl_div"}       # the cases of these compute their inputs with NumPy's operators


def extreme(dtype, shape, rng):
    limits = np.finfo(dtype)
    sets = ([limits.max, -limits.max, limits.max / 2, 1e30], [limits.tiny, limits.smallest_subnormal, 0.0, -0.0],
            [np.inf, -np.inf, 1, 0], [np.nan, 1, -2, 0], [limits.max, limits.tiny, -1, np.inf, np.nan, 0])
    values = rng.choice(sets[rng.integers(len(sets))], shape)
    return np.where(rng.random(shape) < 0.2, rng.normal(size=shape), values).astype(dtype)


def results(operation, dtype, rng):
    """Eight times the inputs and the output of an operation for extreme numbers."""
    function = operation.func[0] if isinstance(operation.func, tuple) else operation.func
    loud = operation.kind not in F.__all__ or operation.kind in NUMPY_WARNS
    for _ in range(8):
        arrays = [extreme(dtype, x.shape, rng) for x in operation.inputs]
        inputs = [Tensor(array.copy(), requires_grad=True) for array in arrays]
        try:
            with np.errstate(all="ignore") if loud else contextlib.nullcontext():
                out = function(*inputs)
        except InputError:                        # a number that is no probability
            continue
        yield arrays, inputs, out[0] if isinstance(out, (tuple, list)) else out


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_operation_warns(dtype, rng):
    for operation in OPERATIONS:
        for arrays, inputs, out in results(operation, dtype, rng):
            out.backward(extreme(out.dtype, out.shape, rng))
            for given, array in zip(inputs, arrays, strict=True):
                np.testing.assert_array_equal(given.data, array, err_msg=operation.name)
                assert given.grad is None or given.grad.dtype == dtype, operation.name


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_cotangent_0_gives_gradients_of_0(dtype, rng):
    for operation in OPERATIONS:
        for _, inputs, out in results(operation, dtype, rng):
            if operation.kind.startswith("conv") and not np.isfinite(inputs[1].data).all():
                continue
            out.backward(np.zeros_like(out.data))
            for given in inputs:
                assert given.grad is None or not given.grad.any(), operation.name


def convolution(algorithm):
    return lambda x, w: F.conv2d(x[:, :, None, None], w[:, :, None, None], algorithm=algorithm)[:, :, 0, 0]


PRODUCTS = {                    # of samples, the rows of x, with a matrix w
    "linear": F.linear,
    "matmul": lambda x, w: x @ w.transpose(),
    "einsum": lambda x, w: np.einsum("ni,oi->no", x, w),
    "einsum, the samples second": lambda x, w: np.einsum("oi,ni->on", w, x).transpose(),
    "conv2d, naive": convolution("naive"), "conv2d, im2col": convolution("im2col"), "conv2d": convolution("auto"),
    "conv_transpose1d": lambda x, w: F.conv_transpose1d(x[:, :, None], w.transpose()[:, :, None])[:, :, 0],
    "batch_norm": lambda x, w: F.batch_norm(x, np.zeros(2), np.ones(2), w[0], w[1]),
}


@pytest.mark.parametrize("name", PRODUCTS)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_sample_that_is_masked_has_no_part_in_any_gradient(name, bad, rng):
    values, weight, cotangent = rng.normal(size=(3, 2)), rng.normal(size=(2, 2)), rng.normal(size=(3, 2))
    values[1], cotangent[1] = [bad, -bad], 0
    x, w, w2 = (Tensor(a, requires_grad=True) for a in (values, weight, weight))
    with np.errstate(invalid="ignore"):           # np.matmul warns, as an operator of NumPy
        PRODUCTS[name](x, w).backward(cotangent)
    seen = Tensor(values[[0, 2]], requires_grad=True)
    PRODUCTS[name](seen, w2).backward(cotangent[[0, 2]])
    np.testing.assert_allclose(x.grad, [seen.grad[0], [0, 0], seen.grad[1]], rtol=1e-12)
    np.testing.assert_allclose(w.grad, w2.grad, rtol=1e-12)


def test_infinite_terms_of_a_product_are_added_as_a_loop_adds_them(rng):
    for _ in range(200):
        g, y = (rng.choice([0, 0, 1, -2, np.inf, -np.inf, np.nan, 3], shape, p=[.2, .2, .2, .2, .05, .05, .05, .05])
                for shape in ((2, 3), (3, 2)))
        with np.errstate(invalid="ignore"):
            right = [[sum(0 if a == 0 else a * b for a, b in zip(row, column, strict=True)) for column in y.T]
                     for row in g]
            np.testing.assert_array_equal(shown_product(g, y), right)
            np.testing.assert_array_equal(shown_product(y.T, g.T, cotangent=1), np.transpose(right))


def test_large_products_on_several_threads_do_not_warn_either():
    x = np.full((400, 600), np.inf)
    x[:, 1] = -np.inf
    assert np.isnan(F.linear(x, np.ones((500, 600))).data).all()
