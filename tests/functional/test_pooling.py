"""Pools against windows made by slices; ties, NaN, memory order."""

import numpy as np
import pytest

from minicnn import InputError, Tensor
from minicnn import functional as F
from tests.reference import ORDERS, windows


@pytest.mark.parametrize(("kernel", "stride", "padding"), [
    ((2, 2), (2, 2), 0), ((3, 2), (1, 3), 1), ((3, 3), (2, 2), 1)])
def test_pools_against_a_loop(kernel, stride, padding, rng):
    x = rng.standard_normal((2, 3, 7, 8))
    for name, value, reduce in (("max_pool2d", -np.inf, np.max), ("avg_pool2d", 0, np.mean)):
        out = getattr(F, name)(Tensor(x), kernel, stride, padding).data
        for n, c in np.ndindex(2, 3):
            padded = np.pad(x[n, c], padding, constant_values=value)
            np.testing.assert_allclose(out[n, c], reduce(windows(padded, kernel, stride), (-2, -1)))


@pytest.mark.parametrize(("pixels", "kernel", "stride", "padding", "windows"), [
    (2, 3, 2, 0, 1), (2, 3, 3, 0, 1), (1, 3, 3, 0, 1), (1, 4, 2, 1, 1), (4, 3, 2, 0, 2), (1, 3, 2, 0, 0),
    (2, 4, 2, 0, 0)])
def test_with_ceil_mode_the_only_window_may_be_larger_than_the_image(pixels, kernel, stride, padding, windows, rng):
    torch = pytest.importorskip("torch")
    x = rng.standard_normal((1, 1, pixels, 9))
    for name, options in ("max_pool2d", {}), ("avg_pool2d", {}), ("avg_pool2d", {"count_include_pad": False}):
        arguments, options = (kernel, stride, padding), {"ceil_mode": True, **options}
        if windows == 0:
            with pytest.raises(InputError, match=f"{name}: the window spans .* but the padded image has only"):
                getattr(F, name)(x, *arguments, **options)
            continue
        ours, theirs = Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        out, expected = (getattr(module, name)(one, *arguments, **options)
                         for module, one in ((F, ours), (torch.nn.functional, theirs)))
        assert out.shape[2] == windows
        np.testing.assert_allclose(out.data, expected.detach().numpy())
        cotangent = rng.standard_normal(out.shape)
        out.backward(cotangent)
        expected.backward(torch.tensor(cotangent))
        np.testing.assert_allclose(ours.grad, theirs.grad.numpy())


def test_max_pool_tie_goes_to_the_first_in_row_major_order():
    x = Tensor(np.zeros((1, 2, 2)), requires_grad=True)
    F.max_pool2d(x, 2).backward(np.full((1, 1, 1), -3.0))
    assert x.grad.ravel().tolist() == [-3, 0, 0, 0]


@pytest.mark.parametrize("where", range(4))
def test_max_pool_of_nan_is_nan(where):
    x = np.ones(4)
    x[where] = np.nan
    assert np.isnan(F.max_pool2d(Tensor(x.reshape(1, 2, 2)), 2).item())


def test_pools_take_any_memory_order(rng):
    x = rng.standard_normal((3, 2, 6, 6))
    other = np.ascontiguousarray(x.transpose(1, 2, 3, 0)).transpose(3, 0, 1, 2)
    for pool in (F.max_pool2d, F.avg_pool2d):
        one, two = Tensor(x, requires_grad=True), Tensor(other, requires_grad=True)
        cotangent = rng.standard_normal((3, 2, 3, 3))
        for t in (one, two):
            pool(t, 2).backward(cotangent)
        np.testing.assert_array_equal(one.grad, two.grad)


POOLS = [               # kernel, stride, padding, dilation
    ((2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1)), ((3, 2), (1, 3), ((2, 0), (0, 1)), (1, 1)),
    ((2, 3), (2, 1), ((1, 3), (4, 0)), (3, 2)), ((1, 1), (2, 2), ((0, 0), (0, 0)), (1, 1)),
]


@pytest.mark.parametrize(("kernel", "stride", "padding", "dilation"), POOLS)
def test_padding_of_four_sizes_dilation_and_indices_against_a_loop(kernel, stride, padding, dilation, rng):
    x, (top, left) = rng.permutation(2 * 7 * 8).reshape(2, 7, 8).astype(float), (padding[0][0], padding[1][0])
    out, indices = F.max_pool2d(Tensor(x), kernel, stride, padding, dilation, return_indices=True)
    mean = F.avg_pool2d(x, kernel, stride, padding, dilation=dilation).data
    inside = F.avg_pool2d(x, kernel, stride, padding, count_include_pad=False, dilation=dilation).data
    assert indices.dtype == np.int64 and indices.shape == out.shape == mean.shape
    for c, y, z in np.ndindex(out.shape):
        pixels = {(y * stride[0] + i * dilation[0] - top, z * stride[1] + j * dilation[1] - left)
                  for i in range(kernel[0]) for j in range(kernel[1])}
        values = {x[c, p, q]: p * 8 + q for p, q in pixels if 0 <= p < 7 and 0 <= q < 8}
        assert (out.data[c, y, z], indices[c, y, z]) == max(values.items())
        assert mean[c, y, z] == pytest.approx(sum(values) / len(pixels))
        assert inside[c, y, z] == pytest.approx(sum(values) / len(values))
    assert out.shape[1:] == tuple((n + sum(p) - d * (k - 1) - 1) // s + 1 for n, p, d, k, s in zip(
        (7, 8), padding, dilation, kernel, stride, strict=True))


def test_indices_name_the_pixel_that_gets_the_gradient(rng):
    x = rng.integers(0, 3, (3, 2, 6, 7)).astype(float)                  # with many ties
    x[0, 0, 1, 2] = x[0, 0, 1, 3] = np.nan
    x[1, 0] = -np.inf
    pools = [lambda t: F.max_pool2d(t, 3, 2, 1, 1, True, True), lambda t: F.adaptive_max_pool2d(t, (4, 3), True)]
    for pool in pools:
        for order in ORDERS:
            t = Tensor(order(x), requires_grad=True)
            out, indices = pool(t)
            cotangent, expected = rng.standard_normal(out.shape), np.zeros((3, 2, 42))
            flat = x.reshape(3, 2, -1)
            np.testing.assert_array_equal(np.take_along_axis(flat, indices.reshape(3, 2, -1), -1).reshape(out.shape),
                                          out.data)
            for n, c, y, z in np.ndindex(out.shape):
                expected[n, c, indices[n, c, y, z]] += cotangent[n, c, y, z]
            out.backward(cotangent)
            np.testing.assert_allclose(t.grad, expected.reshape(x.shape), rtol=1e-14, atol=1e-14)


def test_a_dilated_window_of_nothing_but_padding():
    x = Tensor(np.ones((1, 1, 1)), requires_grad=True)
    out, indices = F.max_pool2d(x, 2, 1, 1, 2, return_indices=True)
    assert out.data.tolist() == [[[-np.inf]]] and 0 <= indices.item() < 1
    out.backward(np.ones((1, 1, 1)))
    assert x.grad.tolist() == [[[0]]]
    out = F.avg_pool2d(x, 2, 1, 1, count_include_pad=False, dilation=2)
    out.backward(np.ones((1, 1, 1)))
    assert np.isnan(out.data).all() and F.avg_pool2d(x, 2, 1, 1, dilation=2).data.tolist() == [[[0]]]


def test_unpooling_puts_the_maxima_back(rng):
    x = rng.standard_normal((2, 3, 7, 6)).astype(np.float32)
    pooled, indices = F.max_pool2d(x, 2, return_indices=True)
    out = F.max_unpool2d(pooled, indices, 2, output_size=(2, 3, 7, 6))
    assert out.dtype == np.float32 and (out.data == np.where(out.data != 0, x, 0)).all()
    assert np.count_nonzero(out.data) == pooled.size == 2 * 3 * 3 * 3
    assert F.max_unpool2d(pooled, indices % 36, 2).shape == (2, 3, 6, 6)
    values = Tensor(np.array([[[1.0, 2.0], [3.0, 4.0]]]), requires_grad=True)
    out = F.max_unpool2d(values, np.array([[[0, 3], [0, 8]]]), 2, 1)
    assert out.data.tolist() == [[[3, 0, 0], [2, 0, 0], [0, 0, 4]]]
    out.backward(np.arange(9.0).reshape(1, 3, 3) + 1)
    assert values.grad.tolist() == [[[0, 4], [1, 9]]], "of an index twice the last element counts"
    empty = F.max_unpool2d(np.zeros((0, 1, 2, 2)), np.zeros((0, 1, 2, 2), int), 2)
    assert empty.shape == (0, 1, 4, 4)


def test_unpooling_does_not_depend_on_memory_order(rng):
    x, places = rng.standard_normal((3, 2, 4, 5)), rng.permuted(np.tile(np.arange(80), (3, 2, 1)), axis=-1)[..., :20]
    places, cotangent = places.reshape(x.shape), rng.standard_normal((3, 2, 8, 10))
    for order in ORDERS:
        t = Tensor(order(x), requires_grad=True)
        out = F.max_unpool2d(t, order(places), 2)
        np.testing.assert_array_equal(np.take_along_axis(out.data.reshape(3, 2, -1), places.reshape(3, 2, -1), -1),
                                      x.reshape(3, 2, -1))
        out.backward(order(cotangent))
        np.testing.assert_array_equal(
            t.grad, np.take_along_axis(cotangent.reshape(3, 2, -1), places.reshape(3, 2, -1), -1).reshape(x.shape))


@pytest.mark.parametrize(("call", "message"), [
    (lambda x, i: F.max_unpool2d(x, i[:1], 2), r"the indices must have the input's shape \(2, 2, 2, 2\), not \(1, 2"),
    (lambda x, i: F.max_unpool2d(x, i + 0.5, 2), "the indices must be an array of integers, not float64"),
    (lambda x, i: F.max_unpool2d(x, i - 1, 2), "indices must be from 0 to 15 for an output of 4 x 4 pixels, not from"),
    (lambda x, i: F.max_unpool2d(x, i + 16, 2), "indices must be from 0 to 15 for an output of 4 x 4 pixels, not from"),
    (lambda x, i: F.max_unpool2d(x, i, 2, output_size=(6, 4)), r"output_size \(6, 4\) must differ by less than the st"),
    (lambda x, i: F.max_unpool2d(x, i, 2, output_size=4), r"output_size must be \(rows, columns\) or a whole shape"),
    (lambda x, i: F.max_unpool2d(x, i, 2, output_size=(4, 4.0)), "output_size must be an integer, not 4.0"),
    (lambda x, i: F.max_unpool2d(x, i, 1, 1, 1), "the output would have 0 x 0 pixels: use less padding"),
    (lambda x, i: F.max_unpool2d(x[0, 0], i, 2), r"max_unpool2d: the input must have shape \(N, C, H, W\)"),
    (lambda x, i: F.max_unpool2d(x, i, 0), "max_unpool2d: kernel_size must be"),
    (lambda x, i: F.max_unpool2d(x, i, (10**20, 1)), r"the output would have 2\d+ x 2 pixels, which is too many"),
    (lambda x, i: F.max_unpool2d(x, [[1, 2], [3]], 2), "the indices must be an array, and this list is none: its part"),
    (lambda x, i: F.max_unpool2d(x, np.ma.array(i, mask=i == 0), 2), "of a masked array are masked, and would count"),
])
def test_bad_unpooling_is_named(call, message):
    with pytest.raises((ValueError, TypeError), match=message) as caught:
        call(Tensor(np.ones((2, 2, 2, 2))), np.zeros((2, 2, 2, 2), int))
    assert type(caught.value).__module__ == "minicnn"


@pytest.mark.parametrize(("call", "message"), [
    (lambda x: F.max_pool2d(x, 3, 1, ((3, 0), (0, 0))), "max_pool2d: each number of padding .* must be less than the"),
    (lambda x: F.avg_pool2d(x, 2, dilation=(1, 0)), "avg_pool2d: dilation must be"),
    (lambda x: F.max_pool2d(x, 2, padding=((0, 1), (0, -1))), r"max_pool2d: padding must be .* or \(\(top, bottom\)"),
    (lambda x: F.max_pool2d(x, 7), r"max_pool2d: the window spans \(7, 7\) pixels but the padded image has only \(6"),
    (lambda x: F.max_pool2d(x, 2, padding=2), "max_pool2d: padding .* must be at most half the kernel"),
    (lambda x: F.max_pool2d(x, 0), "max_pool2d: kernel_size must be an integer or a pair"),
    (lambda x: F.avg_pool2d(x[0, 0], 2), "avg_pool2d: the input must have shape"),
    (lambda x: F.adaptive_avg_pool2d(x, 0), "adaptive_avg_pool2d: output_size must be"),
    (lambda x: F.adaptive_max_pool2d(x, (10**9, 1)), "an output of 1000000000 x 1 pixels has more than"),
    (lambda x: F.adaptive_max_pool2d(x, np.array([2, 2])), "adaptive_max_pool2d: output_size must be"),
])
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(Tensor(np.ones((2, 2, 6, 6)), requires_grad=True))


@pytest.mark.parametrize("single", [False, True])
def test_pools_of_signals_are_those_of_images_with_one_row(single, rng):
    x = rng.standard_normal((2, 9) if single else (3, 2, 9))
    calls = [
        (lambda t: F.max_pool1d(t, 3, 2, ((2, 0),), 2, True), lambda t: F.max_pool2d(t, (1, 3), (1, 2), (
            (0, 0), (2, 0)), (1, 2), True)),
        (lambda t: F.max_pool1d(t, (2,), return_indices=True)[0], lambda t: F.max_pool2d(t, (1, 2))),
        (lambda t: F.avg_pool1d(t, 3, 1, 1, True, False), lambda t: F.avg_pool2d(t, (1, 3), 1, (0, 1), True, False)),
    ]
    for one, two in calls:
        left, right = Tensor(x, requires_grad=True), Tensor(x[..., None, :], requires_grad=True)
        out, image = one(left), two(right)
        np.testing.assert_array_equal(out.data, image.data[..., 0, :])
        cotangent = rng.standard_normal(out.shape)
        out.backward(cotangent)
        image.backward(cotangent[..., None, :])
        np.testing.assert_array_equal(left.grad, right.grad[..., 0, :])
    _, indices = F.max_pool1d(x, 3, return_indices=True)
    np.testing.assert_array_equal(np.take_along_axis(x, indices, -1), F.max_pool1d(x, 3).data)


@pytest.mark.parametrize(("call", "message"), [
    (lambda x: F.max_pool1d(x[0, 0], 2), r"max_pool1d: the input must have shape \(N, C, L\) or \(C, L\), not \(4,\)"),
    (lambda x: F.max_pool1d(x, (2, 2)), "max_pool1d: kernel_size must be an integer of at least 1, or a tuple of one"),
    (lambda x: F.avg_pool1d(x, 2, padding="same"), "avg_pool1d: padding must be an integer, a tuple of one, or"),
    (lambda x: F.avg_pool1d(x, 2, padding=2), r"avg_pool1d: padding \(0, 2\) must be at most half"),
    (lambda x: F.avg_pool1d(x, 5), r"avg_pool1d: the window spans \(1, 5\) pixels but the padded image has"),
])
def test_bad_signals_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(np.ones((1, 1, 4)))
