"""conv_transpose2d: the adjoint of conv2d in every geometry, by every algorithm; its gradients; one dimension."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from minicnn import Tensor
from minicnn import functional as F
from minicnn.conv import algorithms
from minicnn.functional.convolution import shapes_only
from tests.reference import ORDERS, assert_gradients, conv2d

NAMES = list(algorithms())
upto3, small = st.integers(0, 3), st.integers(1, 4)


def by_loop(y, w, b, size, stride, padding, dilation, groups):
    """Each pixel adds the kernel, times its value, to the output (N, K, *size)."""
    outs = w.shape[1]
    out = np.zeros((len(y), outs * groups, *size)) + (0 if b is None else b[:, None, None])
    for n, c, p, q in np.ndindex(y.shape):
        first = c // (y.shape[1] // groups) * outs
        for k, i, j in np.ndindex(w.shape[1:]):
            row = p * stride[0] + i * dilation[0] - padding[0][0]
            column = q * stride[1] + j * dilation[1] - padding[1][0]
            if 0 <= row < size[0] and 0 <= column < size[1]:
                out[n, first + k, row, column] += y[n, c, p, q] * w[c, k, i, j]
    return out


def size_of(y, w, stride, padding, more, dilation):
    return tuple((n - 1) * s - sum(p) + d * (k - 1) + 1 + o for n, s, p, o, d, k in zip(
        y[2:], stride, padding, more, dilation, w[2:], strict=True))


@st.composite
def geometries(draw):
    groups, kernel, stride = draw(st.integers(1, 2)), draw(st.tuples(small, small)), draw(st.tuples(small, small))
    dilation, padding = draw(st.tuples(small, small)), draw(st.tuples(*[st.tuples(upto3, upto3)] * 2))
    y = draw(st.integers(1, 3)), groups * draw(st.integers(1, 2)), draw(small), draw(small)
    w = y[1], draw(st.integers(1, 2)), *kernel
    more = tuple(draw(st.integers(0, max(s, d) - 1)) for s, d in zip(stride, dilation, strict=True))
    assume(min(size_of(y, w, stride, padding, more, dilation)) > 0)
    return y, w, stride, padding, more, dilation, groups


@pytest.mark.parametrize("name", [name for name in NAMES if name != "winograd"])
@settings(max_examples=40, deadline=None, derandomize=True)
@given(geometry=geometries(), seed=st.integers(0, 2**32 - 1))
def test_any_geometry(name, geometry, seed):
    """On integers: the loop; the adjoint of conv2d; the gradients are adjoint in input and weight."""
    y, w, stride, padding, more, dilation, groups = geometry
    size = size_of(y, w, stride, padding, more, dilation)
    assume(name != "naive" or np.prod(y) * np.prod(w[1:]) < 500)
    rng = np.random.default_rng(seed)
    draw = lambda *shape: rng.integers(-9, 10, shape).astype(float)
    y, w, b = (Tensor(a, requires_grad=True) for a in (draw(*y), draw(*w), draw(w[1] * groups)))
    out = F.conv_transpose2d(y, w, b, stride, padding, more, groups, dilation, algorithm=name)
    close = {"rtol": 0, "atol": 0 if algorithms()[name].error_norm == "element" else 1e-9}
    expected = by_loop(y.data, w.data, b.data, size, stride, padding, dilation, groups)
    np.testing.assert_allclose(out.data, expected, **close)
    x = draw(*out.shape)
    out.backward(x)
    linear = (x * (out.data - b.data[:, None, None])).sum()
    assert (y.grad * y.data).sum() == pytest.approx(linear, abs=1e-6)
    assert (w.grad * w.data).sum() == pytest.approx(linear, abs=1e-6)
    np.testing.assert_array_equal(b.grad, x.sum((0, 2, 3)))
    if all(o < s for o, s in zip(more, stride, strict=True)) and all(
            n + sum(p) >= d * (k - 1) + 1 for n, p, d, k in zip(size, padding, dilation, w.shape[2:], strict=True)):
        there = conv2d(x, w.data, None, stride, padding, dilation, groups)
        assert there.shape == y.shape and (there * y.data).sum() == pytest.approx(linear, abs=1e-6)
        np.testing.assert_allclose(y.grad, there, **close)


ADJOINT = {
    "plain": ((2, 3, 9, 8), (4, 3, 3, 3), {}),
    "stride": ((2, 2, 9, 11), (3, 2, 3, 3), {"stride": 2, "padding": 1}),
    "stride beyond the kernel": ((1, 2, 9, 11), (3, 2, 2, 2), {"stride": 4}),
    "padding of four sizes": ((1, 2, 6, 7), (3, 2, 3, 3), {"padding": ((2, 0), (1, 3))}),
    "dilation": ((1, 2, 9, 9), (3, 2, 3, 2), {"dilation": (2, 3)}),
    "groups": ((2, 4, 7, 6), (6, 2, 3, 3), {"groups": 2}),
    "depthwise": ((2, 3, 7, 6), (3, 1, 3, 3), {"groups": 3, "padding": 1}),
    "17 images": ((17, 2, 6, 6), (5, 2, 3, 3), {"padding": 1}),
}


@pytest.mark.usefixtures("few_kernels")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["auto", *NAMES])
@pytest.mark.parametrize("case", ADJOINT)
def test_it_is_the_adjoint_of_conv2d(case, name, dtype, rng):
    """<conv2d(x, w), y> = <x, conv_transpose2d(y, w)>, and its gradients are conv2d and the gradient of conv2d."""
    shape, weight, options = ADJOINT[case]
    x, w = rng.standard_normal(shape).astype(dtype), rng.standard_normal(weight).astype(dtype)
    x, w, v = Tensor(x, requires_grad=True), Tensor(w, requires_grad=True), Tensor(w, requires_grad=True)
    try:
        there = F.conv2d(x, w, **options, algorithm=name)
    except ValueError as error:
        assert "cannot compute this convolution" in str(error)
        with pytest.raises(ValueError, match="cannot compute this convolution"):
            F.conv_transpose2d(np.zeros((shape[0], weight[0], 3, 3), dtype), v, **options, algorithm=name)
        return
    y = Tensor(rng.standard_normal(there.shape).astype(dtype), requires_grad=True)
    plain = F.conv_transpose2d(y, v, **options, algorithm=name)
    more = tuple(n - m for n, m in zip(shape[2:], plain.shape[2:], strict=True))
    back = F.conv_transpose2d(y, v, **options, output_padding=more, algorithm=name)
    close = {"rtol": 1e-4, "atol": 1e-4} if dtype == np.float32 else {"rtol": 1e-11, "atol": 1e-11}
    assert back.shape == shape and back.dtype == dtype
    np.testing.assert_allclose((there.data * y.data).sum(), (x.data * back.data).sum(), **close)
    back.backward(x.data)
    there.backward(y.data)
    np.testing.assert_allclose(back.data, x.grad, **close)
    np.testing.assert_allclose(y.grad, there.data, **close)
    np.testing.assert_allclose(v.grad, w.grad, **close)


@pytest.mark.parametrize("name", NAMES)
def test_every_derivative_against_differences(name, rng):
    options = {"stride": (2, 1), "padding": ((0, 2), (1, 1)), "output_padding": (1, 0)}
    if algorithms()[name].error_norm == "largest":
        options = {"padding": 1}
    arrays = [rng.standard_normal(shape) for shape in ((2, 2, 3, 4), (2, 3, 3, 3), (3,))]
    assert_gradients(lambda y, w, b: F.conv_transpose2d(y, w, b, **options, algorithm=name), arrays, rng, eps=1,
                     rtol=1e-10)


def test_memory_orders_single_images_and_unchanged_inputs(rng):
    y, w, b = rng.standard_normal((3, 2, 4, 5)), rng.standard_normal((2, 3, 3, 2)), rng.standard_normal(3)
    cotangent, found = rng.standard_normal((3, 3, 9, 6)), []
    before = y.copy(), w.copy()
    for order in (np.array, *ORDERS):
        t, u = Tensor(order(y), requires_grad=True), Tensor(order(w), requires_grad=True)
        out = F.conv_transpose2d(t, u, b, (2, 1), 0)
        out.backward(order(cotangent))
        found.append((out.data, t.grad, u.grad))
    for results in found[1:]:
        for one, other in zip(results, found[0], strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)
    single = Tensor(y[1], requires_grad=True)
    out = F.conv_transpose2d(single, w, b, (2, 1))
    out.backward(cotangent[1])
    np.testing.assert_allclose(out.data, found[0][0][1], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(single.grad, found[0][1][1], rtol=1e-12, atol=1e-12)
    assert (y == before[0]).all() and (w == before[1]).all()


@pytest.mark.parametrize("name", NAMES)
def test_no_image(name):
    y, w, b = (Tensor(np.ones(shape, np.float32), requires_grad=True) for shape in ((0, 2, 3, 3), (2, 4, 3, 3), (4,)))
    out = F.conv_transpose2d(y, w, b, algorithm=name)
    assert out.shape == (0, 4, 5, 5) and out.dtype == np.float32
    out.backward(np.ones(out.shape))
    assert y.grad.shape == y.shape and not w.grad.any() and b.grad.tolist() == [0] * 4


def test_only_the_gradients_that_are_needed(monkeypatch, rng):
    algorithm = type(algorithms()["im2col"])
    calls = []
    for method in ("forward", "backward"):
        old = getattr(algorithm, method)
        monkeypatch.setattr(algorithm, method, lambda *args, old=old, m=method: calls.append(m) or old(*args))
    y, w = rng.standard_normal((1, 2, 3, 3)), rng.standard_normal((2, 1, 3, 3))
    expected = {(False, False): [], (True, False): ["forward"], (False, True): ["forward", "backward"]}
    for needs, wanted in expected.items():
        b = Tensor(np.zeros(1), requires_grad=True)
        out = F.conv_transpose2d(*(Tensor(a, requires_grad=need) for a, need in zip((y, w), needs, strict=True)), b,
                                 algorithm="im2col")
        calls.clear()                               # the forward pass itself is one call of backward
        out.backward(np.ones(out.shape))
        assert calls == wanted and b.grad.tolist() == [25]


def test_shapes_only():
    with shapes_only():
        out = F.conv_transpose2d(np.ones((2, 3, 4, 4)), np.ones((3, 2, 3, 3)), stride=2, output_padding=1)
        assert out.shape == (2, 2, 10, 10) and not out.data.any()
        assert F.conv_transpose1d(np.ones((3, 4)), np.ones((3, 2, 3))).shape == (2, 6)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(length=st.integers(1, 6), k=small, stride=small, padding=st.tuples(upto3, upto3), dilation=small,
       groups=st.integers(1, 2), single=st.booleans(), seed=st.integers(0, 2**32 - 1))
def test_one_dimension_is_an_image_of_one_row(length, k, stride, padding, dilation, groups, single, seed):
    rng = np.random.default_rng(seed)
    lead = () if single else (3,)
    x, w, b = rng.standard_normal((*lead, 2, length)), rng.standard_normal((2, 2 // groups, k)), rng.standard_normal(2)
    calls = []
    if length + sum(padding) >= dilation * (k - 1) + 1:
        calls.append((F.conv1d, F.conv2d, ((stride,), (padding,), dilation, groups),
                      ((1, stride), ((0, 0), padding), (1, dilation), groups)))
    more = min(max(stride, dilation) - 1, 2)
    if (length - 1) * stride - sum(padding) + dilation * (k - 1) + 1 + more > 0:
        calls.append((F.conv_transpose1d, F.conv_transpose2d, (stride, (padding,), (more,), groups, dilation),
                      ((1, stride), ((0, 0), padding), (0, more), groups, (1, dilation))))
    for one, two, arguments, twice in calls:
        bias = b if one is F.conv1d else rng.standard_normal(w.shape[1] * groups)
        left = [Tensor(a, requires_grad=True) for a in (x, w, bias)]
        right = [Tensor(a, requires_grad=True) for a in (x[..., None, :], w[..., None, :], bias)]
        out, image = one(*left, *arguments), two(*right, *twice)
        np.testing.assert_array_equal(out.data, image.data[..., 0, :])
        cotangent = rng.standard_normal(out.shape)
        out.backward(cotangent)
        image.backward(cotangent[..., None, :])
        for a, c in zip(left, right, strict=True):
            np.testing.assert_array_equal(a.grad, c.grad.reshape(a.shape))


def test_padding_modes_of_one_dimension(rng):
    x, w = rng.standard_normal((2, 1, 5)), rng.standard_normal((3, 1, 3))
    for mode in ("zeros", "circular", "reflect", "replicate"):
        padded = F.pad(x, (1, 1), "constant" if mode == "zeros" else mode)
        out = F.conv1d(x, w, padding="same", padding_mode=mode)
        np.testing.assert_allclose(out.data, F.conv1d(padded, w, padding="valid").data, rtol=1e-13, atol=1e-13)


Y, W = np.ones((1, 2, 3, 3)), np.ones((2, 3, 3, 3))


@pytest.mark.parametrize(("call", "message"), [
    (lambda: F.conv_transpose2d(Y[0, 0], W), r"conv_transpose2d: the input must have shape \(N, C, H, W\) or \(C"),
    (lambda: F.conv_transpose2d(Y[:, :, :0], W), "conv_transpose2d: an image needs at least one channel and one pixel"),
    (lambda: F.conv_transpose2d(Y, W[0]), "conv_transpose2d: the weight must have 4 axes"),
    (lambda: F.conv_transpose2d(Y, W[:1]), r"the input has 2 channels, so the weight must have shape \(2, C_out // gr"),
    (lambda: F.conv_transpose2d(Y, W, groups=3), "and groups=3 must divide 2; the weight is"),
    (lambda: F.conv_transpose2d(Y, W[:, :0]), r"the weight is \(2, 0, 3, 3\)"),
    (lambda: F.conv_transpose2d(Y, W.astype(np.float32)), "the input is float64 but the weight float32"),
    (lambda: F.conv_transpose2d(Y, W, np.ones(2)), r"conv_transpose2d: the bias must have shape \(3,\) and dtype flo"),
    (lambda: F.conv_transpose2d(Y, W, output_padding=1), r"output_padding \(1, 1\) must be less than the stride"),
    (lambda: F.conv_transpose2d(Y, W, padding=3), "the output would have -1 rows or columns: use less padding"),
    (lambda: F.conv_transpose2d(Y, W, padding="same"), "conv_transpose2d: padding must be an integer or a pair"),
    (lambda: F.conv_transpose2d(Y, W, stride=10**6), "which is too many: use a smaller stride, dilation or image"),
    (lambda: F.conv_transpose2d(Y, W, stride=0), "conv_transpose2d: stride must be"),
    (lambda: F.conv_transpose2d(Y, W, algorithm="best"), "no convolution algorithm is called 'best'"),
    (lambda: F.conv1d(Y, W[0]), r"conv1d: the input must have shape \(N, C, L\) or \(C, L\), not \(1, 2, 3, 3\)"),
    (lambda: F.conv1d(Y[0], W), "conv1d: the weight must have 3 axes, two of channels and 1 of the kernel"),
    (lambda: F.conv1d(Y[0], W[0], stride=(1, 1)), r"conv1d: stride must be an integer of at least 1, or a tuple of"),
    (lambda: F.conv1d(Y[0], W[0], padding=((1, -1),)), r"conv1d: padding must be an integer, a tuple of one, or \(\(l"),
    (lambda: F.conv1d(Y[0], W[0], padding="full"), "conv1d: padding must be an integer"),
    (lambda: F.conv_transpose1d(Y[0], W[:, :, 0], padding=-1), "conv_transpose1d: padding must be an integer of at le"),
])
def test_bad_input_is_named(call, message):
    with pytest.raises((ValueError, TypeError), match=message) as caught:
        call()
    assert type(caught.value).__module__ == "minicnn"
