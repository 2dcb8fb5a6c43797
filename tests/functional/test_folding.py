"""unfold against loops; fold as its adjoint; memory orders, empty batches, messages."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from minicnn import Tensor
from minicnn import functional as F
from tests.reference import ORDERS, assert_adjoint, conv2d

small, upto3 = st.integers(1, 3), st.integers(0, 3)


def by_loop(x, kernel, dilation, padding, stride):
    x = np.pad(x, ((0, 0), (0, 0), *padding))
    size = [(n - d * (k - 1) - 1) // s + 1 for n, d, k, s in zip(x.shape[2:], dilation, kernel, stride, strict=True)]
    out = np.zeros((len(x), x.shape[1], *kernel, *size))
    for c, i, j, y, z in np.ndindex(*out.shape[1:]):
        out[:, c, i, j, y, z] = x[:, c, y * stride[0] + i * dilation[0], z * stride[1] + j * dilation[1]]
    return out.reshape(len(x), -1, size[0] * size[1])


@settings(max_examples=60, deadline=None, derandomize=True)
@given(size=st.tuples(st.integers(1, 6), st.integers(1, 6)), kernel=st.tuples(small, small),
       dilation=st.tuples(small, small), padding=st.tuples(*[st.tuples(upto3, upto3)] * 2),
       stride=st.tuples(small, small), order=st.sampled_from([np.array, *ORDERS]))
def test_any_patches(size, kernel, dilation, padding, stride, order):
    assume(all(n + sum(p) >= d * (k - 1) + 1 for n, p, d, k in zip(size, padding, dilation, kernel, strict=True)))
    rng = np.random.default_rng(0)
    x, arguments = rng.standard_normal((2, 2, *size)), (kernel, dilation, padding, stride)
    expected = by_loop(x, *arguments)
    columns = F.unfold(order(x), *arguments).data
    np.testing.assert_array_equal(columns, expected)
    np.testing.assert_array_equal(F.unfold(x[1], *arguments).data, expected[1])
    y, t = rng.standard_normal(expected.shape), Tensor(order(x), requires_grad=True)
    F.unfold(t, *arguments).backward(y)
    folded = F.fold(y, size, *arguments).data
    np.testing.assert_allclose(t.grad, folded, rtol=1e-14)
    np.testing.assert_array_equal(F.fold(y[0], size, *arguments).data, folded[0])
    assert (folded * x).sum() == pytest.approx((expected * y).sum(), abs=1e-11)
    assert_adjoint(lambda t: F.fold(t, size, *arguments), y, rng)
    assert_adjoint(lambda t: F.fold(t, size, *arguments), y.transpose(2, 0, 1).copy().transpose(1, 2, 0), rng)


def test_a_convolution_is_a_product_with_the_columns(rng):
    x, w = rng.standard_normal((2, 3, 6, 5)), rng.standard_normal((4, 3, 2, 3))
    columns = F.unfold(x, (2, 3), padding=1, stride=2)
    np.testing.assert_allclose((w.reshape(4, -1) @ columns).data.reshape(2, 4, 4, 3),
                               conv2d(x, w, None, (2, 2), ((1, 1), (1, 1))), rtol=1e-12, atol=1e-12)


def test_dtype_long_sums_and_no_image():
    x = Tensor(np.ones((1, 1, 64, 64), np.float32), requires_grad=True)
    columns = F.unfold(x, 33)
    columns.backward(np.full(columns.shape, 0.1, np.float32))
    assert columns.dtype == x.grad.dtype == np.float32
    np.testing.assert_allclose(x.grad[0, 0, 31, 31], np.float32(0.1) * 32 * 32, rtol=1e-6)
    assert F.unfold(np.zeros((0, 2, 4, 4)), 2).shape == (0, 8, 9)
    assert F.fold(np.zeros((0, 8, 9)), 4, 2).shape == (0, 2, 4, 4)
    folded = F.fold(Tensor(np.ones((4, 9)), requires_grad=True), (4, 4), 2)
    assert folded.data[0, 0].tolist() == [1, 2, 2, 1]


@pytest.mark.parametrize(("call", "message"), [
    (lambda x: F.unfold(x[0, 0], 2), r"unfold: the input must have shape \(N, C, H, W\) or \(C, H, W\)"),
    (lambda x: F.unfold(x, 7), r"unfold: the window spans \(7, 7\) pixels but the padded image has only \(4, 4\)"),
    (lambda x: F.unfold(x, 2, 1, -1), "unfold: padding must be an integer or a pair"),
    (lambda x: F.unfold(x, 2, 0), "unfold: dilation must be"),
    (lambda x: F.unfold(x, 2, stride=(1, 1, 1)), "unfold: stride must be"),
    (lambda x: F.fold(x[0], 4, 2), r"3 x 3 patches of 4 pixels fit into an image of 4 x 4 pixels, so the input must"),
    (lambda x: F.fold(np.zeros((5, 9)), 4, 2), r"shape \(N, C \* 4, 9\) or \(C \* 4, 9\), not \(5, 9\)"),
    (lambda x: F.fold(np.zeros((0, 9)), 4, 2), r"shape \(N, C \* 4, 9\) or \(C \* 4, 9\), not \(0, 9\)"),
    (lambda x: F.fold(np.zeros((4, 9)), 0, 2), "fold: output_size must be"),
])
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call(np.ones((1, 2, 4, 4)))
    assert type(caught.value).__module__ == "minicnn"
