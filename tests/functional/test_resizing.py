"""interpolate against loops over its formula, and against PyTorch over many sizes; pixel_shuffle; messages."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minicnn import Tensor
from minicnn import functional as F
from tests.reference import ORDERS, assert_adjoint

MODES = {1: ("nearest", "nearest-exact", "linear", "area"),
         2: ("nearest", "nearest-exact", "bilinear", "bicubic", "area")}


def line(values, out, mode, align, step):
    """One row of numbers in another size."""
    n, found = len(values), []
    pixel = lambda i: values[min(max(i, 0), n - 1)]
    for o in range(out):
        s = o * (n - 1) / (out - 1) if align and out > 1 else 0.0 if align else step * (o + 0.5) - 0.5
        s = o if out == n and "linear" in mode else s                   # the size stays: a copy
        i, t = math.floor(s), s - math.floor(s)
        if mode == "nearest":
            found.append(pixel(math.floor(step * o)))
        elif mode == "nearest-exact":
            found.append(pixel(math.floor(step * (o + 0.5))))
        elif mode == "area":
            found.append(np.mean(values[o * n // out:-(-(o + 1) * n // out)]))
        elif mode == "bicubic":
            inner = lambda d: 1.25 * d**3 - 2.25 * d**2 + 1             # a = -0.75
            outer = lambda d: -0.75 * (d**3 - 5 * d**2 + 8 * d - 4)
            found.append(outer(1 + t) * pixel(i - 1) + inner(t) * pixel(i) + inner(1 - t) * pixel(i + 1)
                         + outer(2 - t) * pixel(i + 2))
        else:
            found.append((1 - t) * pixel(i) + t * pixel(i + 1))
    return np.array(found)


def by_loop(x, sizes, mode, align, steps):
    for axis, (out, step) in enumerate(zip(sizes, steps, strict=True), 2):
        x = np.apply_along_axis(line, axis, x, out, mode, align, step)
    return x


SCALES = st.sampled_from([0.5, 1.0, 2.0, 3.0, 1.3, 2.7])


@settings(max_examples=150, deadline=None, derandomize=True)
@given(axes=st.sampled_from([1, 2]), which=st.integers(0, 4), shape=st.tuples(st.integers(2, 7), st.integers(2, 7)),
       size=st.tuples(st.integers(1, 9), st.integers(1, 9)), scale=st.one_of(st.none(), st.tuples(SCALES, SCALES)),
       align=st.booleans(), recompute=st.booleans(), order=st.sampled_from(range(len(ORDERS))))
def test_any_size(axes, which, shape, size, scale, align, recompute, order):
    rng, mode = np.random.default_rng(0), MODES[axes][which % len(MODES[axes])]
    align = align if "linear" in mode or "cubic" in mode else None
    shape, size = shape[:axes], size[:axes]
    x, options = rng.standard_normal((2, 3, *shape)), {"mode": mode, "align_corners": align}
    if scale is not None:
        size = tuple(math.floor(n * s) for n, s in zip(shape, scale, strict=False))
        options |= {"scale_factor": scale[:axes], "recompute_scale_factor": recompute}
    steps = [n / o if scale is None or recompute else 1 / s
             for n, o, s in zip(shape, size, scale or size, strict=False)]
    operation = lambda t: F.interpolate(t, None if scale else size, **options)
    given_x = ORDERS[order](x) if axes == 2 else x
    out = operation(given_x)
    np.testing.assert_allclose(out.data, by_loop(x, size, mode, align, steps), rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(given_x, x)
    assert_adjoint(operation, given_x, rng)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(which=st.integers(0, 4), n=st.integers(1, 60), out=st.integers(1, 90), align=st.booleans(),
       scale=st.one_of(st.none(), st.floats(0.05, 5)), wide=st.booleans())
def test_the_formulas_are_pytorchs(which, n, out, align, scale, wide):
    torch = pytest.importorskip("torch")
    mode, dtype = MODES[2][which], np.float64 if wide else np.float32
    if scale is not None and not 1 <= math.floor(n * scale) <= 120:     # in larger images PyTorch rounds otherwise
        scale = None
    x = np.random.default_rng(0).standard_normal((1, 1, n, 2)).astype(dtype)
    options = {"mode": mode, "align_corners": align if mode.startswith("bi") else None}
    options |= {"size": (out, 2)} if scale is None else {"scale_factor": (scale, 1.0)}
    theirs = torch.nn.functional.interpolate(torch.from_numpy(x), **options).numpy()
    ours = F.interpolate(x, **options)
    assert ours.dtype == dtype
    if mode.startswith("nearest"):
        np.testing.assert_array_equal(ours.data, theirs)
    else:
        np.testing.assert_allclose(ours.data, theirs, rtol=1e-9, atol=1e-9 if wide else 1e-4)


@pytest.mark.parametrize("mode", MODES[2])
def test_dtype_aliases_and_no_image(mode, rng):
    x = rng.standard_normal((2, 1, 3, 4)).astype(np.float32)
    t = Tensor(x, requires_grad=True)
    out = F.interpolate(t, (3, 4), mode=mode)
    assert out.dtype == np.float32 and not np.shares_memory(out.data, x)
    np.testing.assert_allclose(out.data, x, rtol=1e-6)
    out.backward(np.ones(out.shape))
    assert t.grad.dtype == np.float32 and t.grad.tolist() == np.ones(x.shape).tolist()
    empty = Tensor(np.zeros((0, 1, 3, 4)), requires_grad=True)
    out = F.interpolate(empty, scale_factor=2, mode=mode)
    assert out.shape == (0, 1, 6, 8)
    out.backward(np.zeros(out.shape))
    assert empty.grad.shape == empty.shape
    one = F.interpolate(np.full((1, 1, 1, 1), 3.0), (2, 3), mode=mode).data
    np.testing.assert_allclose(one, np.full((1, 1, 2, 3), 3.0))


def test_infinite_pixels_and_the_range():
    x = np.array([[[1.0, np.inf, 2.0]]])
    assert F.interpolate(x, 3, mode="linear").data.tolist() == x.tolist()
    assert F.interpolate(x, 5, mode="linear", align_corners=True).data.tolist() == [[[1, np.inf, np.inf, np.inf, 2]]]
    copied = F.interpolate(np.array([[[-0.0, np.nan]]]), 4).data
    assert copied.tobytes() == np.array([-0.0, -0.0, np.nan, np.nan]).tobytes()
    largest = np.finfo(np.float32).max
    flat = np.full((1, 1, 3, 3), largest, np.float32)
    assert (F.interpolate(flat, 7, mode="bilinear").data == largest).all()
    step = flat.copy()
    step[..., 0] *= -1
    assert np.isinf(F.interpolate(step, 7, mode="bicubic").data).any()
    t = Tensor(np.ones((1, 1, 1), np.float32), requires_grad=True)
    F.interpolate(t, 100_000).backward(np.full((1, 1, 100_000), 0.1, np.float32))
    np.testing.assert_allclose(t.grad, [[[1e4]]], rtol=1e-5)
    F.interpolate(t, 2).backward(np.full((1, 1, 2), largest, np.float32))
    assert np.isinf(t.grad).all()


@pytest.mark.parametrize("r", [1, 2, 3])
def test_pixel_shuffle(r, rng):
    x = rng.standard_normal((2, 2 * r * r, 3, 4))
    out = F.pixel_shuffle(x, r)
    for n, c, a, b, y, z in np.ndindex(2, 2, r, r, 3, 4):
        assert out.data[n, c, y * r + a, z * r + b] == x[n, (c * r + a) * r + b, y, z]
    np.testing.assert_array_equal(F.pixel_unshuffle(out, r).data, x)
    assert not np.shares_memory(out.data, x) and F.pixel_shuffle(x[0], r).shape == (2, 3 * r, 4 * r)
    assert_adjoint(lambda t: F.pixel_shuffle(t, r), x, rng)
    assert_adjoint(lambda t: F.pixel_unshuffle(t, r), np.asfortranarray(out.data), rng)
    assert F.pixel_shuffle(np.zeros((0, r * r, 2, 2)), r).shape == (0, 1, 2 * r, 2 * r)


IMAGES, SIGNALS = np.ones((1, 2, 4, 4)), np.ones((1, 2, 4))


@pytest.mark.parametrize(("call", "message"), [
    (lambda: F.interpolate(IMAGES), "interpolate: give either size or scale_factor, not none of them"),
    (lambda: F.interpolate(IMAGES, 3, 2), "interpolate: give either size or scale_factor, not both of them"),
    (lambda: F.interpolate(IMAGES, 3, mode="lanczos"), "interpolate: mode must be one of 'nearest', 'nearest-exact'"),
    (lambda: F.interpolate(IMAGES, 3, mode="linear"), r"the input must have shape \(N, C, L\) for mode 'linear', not"),
    (lambda: F.interpolate(SIGNALS, 3, mode="bilinear"), r"the input must have shape \(N, C, H, W\) for mode 'b"),
    (lambda: F.interpolate(IMAGES[0, 0], 3), r"the input must have shape \(N, C, L\) or \(N, C, H, W\) for mode 'ne"),
    (lambda: F.interpolate(IMAGES[:, :, :0], 3), "interpolate: an image needs at least one channel and one pixel"),
    (lambda: F.interpolate(IMAGES, 3, align_corners=False), "align_corners has no meaning for mode 'nearest'"),
    (lambda: F.interpolate(IMAGES, 3, mode="bilinear", align_corners=1), "align_corners must be True or False"),
    (lambda: F.interpolate(IMAGES, 3, recompute_scale_factor=True), "recompute_scale_factor needs a scale_factor"),
    (lambda: F.interpolate(IMAGES, 3, antialias=True), "antialias=True is not possible: .* use blur_pool2d or mode"),
    (lambda: F.interpolate(IMAGES, (3, 3, 3)), "size must be one number or 2, one for each axis"),
    (lambda: F.interpolate(IMAGES, 0), "interpolate: size must be an integer of at least 1, not 0"),
    (lambda: F.interpolate(IMAGES, 2.0), "interpolate: size must be an integer of at least 1, not 2.0"),
    (lambda: F.interpolate(IMAGES, scale_factor=0), "interpolate: scale_factor must be a number above 0, not 0"),
    (lambda: F.interpolate(IMAGES, scale_factor=(2, None)), "interpolate: scale_factor must be a number above 0, not"),
    (lambda: F.interpolate(IMAGES, scale_factor=np.nan), "interpolate: scale_factor must be a number above 0, not nan"),
    (lambda: F.interpolate(IMAGES, scale_factor=0.2), "the output would have 0 x 0 pixels, which is too few"),
    (lambda: F.interpolate(IMAGES, 10**7), "the output would have 10000000 x 10000000 pixels, which is too many"),
    (lambda: F.interpolate(IMAGES, scale_factor=1e300), r"interpolate: scale_factor=1e\+300 makes too many pixels"),
    (lambda: F.pixel_shuffle(IMAGES, 2), r"pixel_shuffle: the input must have shape \(..., C \* 4, H, W\), not"),
    (lambda: F.pixel_shuffle(IMAGES[0, 0], 1), "pixel_shuffle: the input must have shape"),
    (lambda: F.pixel_shuffle(IMAGES, 0), "pixel_shuffle: upscale_factor must be an integer of at least 1, not 0"),
    (lambda: F.pixel_unshuffle(IMAGES, 3), "pixel_unshuffle: 3 must divide the height and the width"),
    (lambda: F.pixel_unshuffle(IMAGES, 1.0), "pixel_unshuffle: downscale_factor must be an integer"),
])
def test_bad_input_is_named(call, message):
    with pytest.raises((ValueError, TypeError), match=message) as caught:
        call()
    assert type(caught.value).__module__ == "minicnn"
