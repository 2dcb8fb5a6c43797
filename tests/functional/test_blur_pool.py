"""blur_pool2d against reflection by np.pad and correlation by scipy; its adjoint; its response to shifts."""

import numpy as np
import pytest

from minicnn import Tensor, nn
from minicnn import functional as F
from tests import reference
from tests.reference import ORDERS, PASCAL, assert_gradients


@pytest.mark.parametrize("stride", [1, 2, 3, (2, 1), (1, 4)])
@pytest.mark.parametrize("size", [*PASCAL, (3, 4), (1, 6)])
@pytest.mark.parametrize("shape", [(2, 3, 8, 6), (1, 1, 7, 9), (2, 2, 4, 5)])
def test_against_pad_and_correlate(shape, size, stride, rng):
    x = rng.standard_normal(shape)
    out = F.blur_pool2d(Tensor(x), size, stride).data
    steps = stride if isinstance(stride, tuple) else (stride, stride)
    assert out.shape == (*shape[:2], *(-(-n // s) for n, s in zip(shape[2:], steps, strict=True)))
    np.testing.assert_allclose(out, reference.blur_pool2d(x, size, stride), rtol=1e-12, atol=1e-14)


def test_the_default_is_the_papers(rng):
    x = rng.standard_normal((2, 3, 12, 11))
    np.testing.assert_array_equal(F.blur_pool2d(Tensor(x)).data, F.blur_pool2d(Tensor(x), 4, 2).data)
    assert F.blur_pool2d(Tensor(x)).shape == (2, 3, 6, 6)
    np.testing.assert_array_equal(F.blur_pool2d(Tensor(x), 1).data, x[..., ::2, ::2])


@pytest.mark.parametrize(("size", "stride"), [(4, 2), (3, 2), (2, 1), (1, 3), ((5, 2), (1, 2))])
def test_gradient(size, stride, rng):
    assert_gradients(lambda x: F.blur_pool2d(x, size, stride), [rng.standard_normal((2, 2, 5, 6))], rng)


@pytest.mark.parametrize("size", [*PASCAL, (2, 5)])
@pytest.mark.parametrize("stride", [1, 2, (3, 2)])
@pytest.mark.parametrize("shape", [(2, 3, 7, 8), (1, 2, 4, 4)])
def test_adjoint_identity(shape, size, stride, rng):
    x = Tensor(rng.standard_normal(shape), requires_grad=True)
    out = F.blur_pool2d(x, size, stride)
    cotangent = rng.standard_normal(out.shape)
    out.backward(cotangent)
    assert np.vdot(cotangent, out.data) == pytest.approx(np.vdot(x.grad, x.data), rel=1e-12, abs=1e-12)


def test_it_is_linear_and_keeps_constants_and_channels_apart(rng):
    x, y = rng.standard_normal((2, 2, 3, 6, 6))
    blur = lambda array: F.blur_pool2d(Tensor(array), 5).data
    np.testing.assert_allclose(blur(2 * x - 3 * y), 2 * blur(x) - 3 * blur(y), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(blur(np.full((1, 2, 5, 5), 7.0)), 7.0, rtol=1e-15)
    x[:, 1] = 0
    assert not blur(x)[:, 1].any()


def test_a_bad_pixel_spoils_only_what_sees_it():
    x = np.zeros((1, 1, 12, 12))
    x[0, 0, 6, 6] = np.nan
    bad = np.isnan(F.blur_pool2d(Tensor(x), 3).data[0, 0])
    assert bad.sum() == 1 and bad[3, 3]


@pytest.mark.parametrize("order", ORDERS)
def test_memory_order_dtype_and_inputs(order, rng):
    x = rng.standard_normal((3, 2, 6, 7)).astype(np.float32)
    plain, other = Tensor(x.copy(), requires_grad=True), Tensor(order(x), requires_grad=True)
    before = other.data.copy()
    cotangent = rng.standard_normal((3, 2, 3, 4)).astype(np.float32)
    results = [F.blur_pool2d(t) for t in (plain, other)]
    for out in results:
        out.backward(cotangent)
    np.testing.assert_array_equal(results[0].data, results[1].data)
    np.testing.assert_array_equal(plain.grad, other.grad)
    np.testing.assert_array_equal(other.data, before)
    assert results[1].dtype == other.grad.dtype == np.float32


def test_the_batch_stays_innermost(rng):
    x = np.ascontiguousarray(rng.standard_normal((2, 8, 8, 16))).transpose(3, 0, 1, 2)
    assert F.blur_pool2d(Tensor(x)).data.transpose(1, 2, 3, 0).flags.c_contiguous


@pytest.mark.parametrize("size", [2, 3, 4, 5])
def test_even_shifts_move_the_output_odd_ones_do_not(size, rng):
    x = rng.standard_normal((1, 2, 24, 24))
    blur = lambda array: F.blur_pool2d(Tensor(array), size).data
    inner = (..., slice(4, -4), slice(4, -4))     # without pixels that see the reflected or the rolled edge
    for by in ((2, 0), (0, -2), (4, 2)):
        moved = blur(np.roll(x, by, (-2, -1)))
        np.testing.assert_array_equal(moved[inner], np.roll(blur(x), (by[0] // 2, by[1] // 2), (-2, -1))[inner])
    odd = blur(np.roll(x, (0, 1), (-2, -1)))
    assert min(abs(odd - np.roll(blur(x), s, -1))[inner].max() for s in (0, 1)) > 0.1


def test_layer(rng):
    x = Tensor(rng.standard_normal((2, 3, 8, 8)))
    np.testing.assert_array_equal(nn.BlurPool2d(3, 1)(x).data, F.blur_pool2d(x, 3, 1).data)
    np.testing.assert_array_equal(nn.BlurPool2d()(x).data, F.blur_pool2d(x, 4, 2).data)
    assert repr(nn.BlurPool2d()) == "BlurPool2d(kernel_size=4, stride=2)" and not nn.BlurPool2d().state_dict()
    assert F.blur_pool2d(x.data[0]).shape == (3, 4, 4)


@pytest.mark.parametrize(("call", "message"), [
    (lambda x: F.blur_pool2d(x[0, 0]), r"blur_pool2d: the input must have shape \(N, C, H, W\) or \(C, H, W\), no"),
    (lambda x: F.blur_pool2d(x, 0), "blur_pool2d: kernel_size must be an integer or a pair of integers of at least 1"),
    (lambda x: F.blur_pool2d(x, 4, 0), "blur_pool2d: stride must be an integer or a pair of integers of at least 1"),
    (lambda x: F.blur_pool2d(x, 2.0), "blur_pool2d: kernel_size must be an integer"),
    (lambda x: F.blur_pool2d(x, (3, 8)), r"blur_pool2d: a kernel of 3 x 8 reflects 1 rows and 4 columns, but the image "
                                         "has only 6 x 4: use a larger image or a smaller kernel"),
    (lambda x: F.blur_pool2d(x[:, :, :1], 3), "reflects 1 rows and 1 columns, but the image has only 1 x 4"),
])
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(Tensor(np.ones((2, 2, 6, 4))))


def test_the_smallest_image_that_can_be_reflected(rng):
    x = rng.standard_normal((1, 1, 3, 3))
    np.testing.assert_allclose(F.blur_pool2d(Tensor(x), 5).data, reference.blur_pool2d(x, 5, 2), rtol=1e-12)
