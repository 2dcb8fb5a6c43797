"""What every algorithm must do: agree with the reference implementation, have its adjoint, and change no operand."""

import re

import numpy as np
import pytest

from minicnn import Tensor
from minicnn import functional as F
from minicnn.conv import Geometry, algorithms
from tests.reference import assert_gradients, conv2d

# (input, weight, options)
CASES = {
    "5x5": ((2, 3, 9, 8), (4, 3, 5, 5), {}),
    "1x1": ((3, 4, 5, 6), (2, 4, 1, 1), {}),
    "even kernel": ((1, 2, 7, 6), (3, 2, 2, 4), {}),
    "kernel as large as the image": ((2, 1, 4, 3), (2, 1, 4, 3), {}),
    "17 images": ((17, 1, 5, 5), (2, 1, 3, 3), {}),
    "stride": ((2, 2, 9, 10), (3, 2, 3, 3), {"stride": (2, 3)}),
    "stride beyond the kernel": ((2, 2, 9, 11), (3, 2, 2, 2), {"stride": 4}),
    "rows left over": ((1, 1, 8, 8), (1, 1, 3, 3), {"stride": 2}),
    "padding": ((2, 2, 5, 4), (3, 2, 3, 3), {"padding": (2, 1)}),
    "same": ((2, 2, 5, 6), (3, 2, 4, 3), {"padding": "same"}),
    "dilation": ((2, 2, 9, 9), (3, 2, 3, 2), {"dilation": (2, 3)}),
    "groups": ((2, 4, 6, 6), (6, 2, 3, 3), {"groups": 2}),
    "depthwise": ((2, 3, 6, 6), (3, 1, 3, 3), {"groups": 3, "padding": 1}),
    "circular": ((2, 2, 5, 4), (3, 2, 3, 3), {"padding": (2, 1), "padding_mode": "circular"}),
    "circular same, even": ((1, 1, 4, 5), (1, 1, 2, 4), {"padding": "same", "padding_mode": "circular"}),
    "reflect": ((2, 2, 5, 4), (3, 2, 3, 3), {"padding": (2, 1), "padding_mode": "reflect"}),
    "replicate": ((2, 2, 3, 4), (3, 2, 3, 3), {"padding": ((5, 1), (0, 2)), "padding_mode": "replicate"}),
    "padding of four sizes": ((2, 2, 5, 4), (3, 2, 3, 3), {"padding": ((0, 3), (2, 1)), "stride": (2, 1)}),
    "everything": ((3, 4, 11, 12), (6, 2, 3, 2),
                   {"stride": (2, 3), "padding": (3, 1), "dilation": (2, 1), "groups": 2, "padding_mode": "circular"}),
}
NAMES = list(algorithms())
EXACT = [name for name, algorithm in algorithms().items() if algorithm.error_norm == "element"]     # on integers


def geometry_of(case, dtype="float64"):
    input_shape, weight_shape, options = CASES[case]
    return Geometry.of(input_shape, weight_shape, dtype=dtype, **options)


def expected(case, x, w, b):
    g = geometry_of(case)
    return conv2d(x, w, b, g.stride, g.padding, g.dilation, g.groups, g.padding_mode)


def arrays(case, rng, dtype=np.float64):
    input_shape, weight_shape, _ = CASES[case]
    return [rng.standard_normal(s).astype(dtype) for s in (input_shape, weight_shape, weight_shape[:1])]


def bound(name, scale):
    """The allowed errors, in units of eps. `scale` is |weight| * |input| of all outputs."""
    algorithm = algorithms()[name]
    return 2 * algorithm.error_bound * (scale.max() if algorithm.error_norm == "largest" else scale)


def hardest(name, *cases):
    """The first of the cases that an algorithm can compute."""
    return next(case for case in cases if algorithms()[name].unsupported(geometry_of(case)) is None)


def pairs(names):
    """(name, case) for every case that an algorithm can compute."""
    return [(name, case) for name in names for case in CASES
            if algorithms()[name].unsupported(geometry_of(case)) is None]


@pytest.mark.parametrize("case", CASES)
def test_what_an_algorithm_cannot_compute_it_refuses_with_its_reason(case, rng):
    for name in NAMES:
        reason = algorithms()[name].unsupported(geometry_of(case))
        if reason:
            x, w, b = map(Tensor, arrays(case, rng))
            with pytest.raises(ValueError, match=f"{name!r} cannot compute this convolution: {re.escape(reason)}"):
                F.conv2d(x, w, b, **CASES[case][2], algorithm=name)


@pytest.mark.parametrize(("name", "case"), pairs(NAMES))
class TestAlgorithm:
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_forward(self, name, case, dtype, rng):
        x, w, b = arrays(case, rng, dtype)
        before = x.copy(), w.copy(), b.copy()
        out = F.conv2d(*map(Tensor, (x, w, b)), **CASES[case][2], algorithm=name).data
        exact = expected(case, x, w, b)
        scale = expected(case, abs(x), abs(w), abs(b))
        assert out.shape == exact.shape == geometry_of(case).out_shape and out.dtype == dtype
        assert (abs(out - exact) <= bound(name, scale) * np.finfo(dtype).eps).all()
        for array, old in zip((x, w, b), before, strict=True):
            np.testing.assert_array_equal(array, old)

    def test_relu(self, name, case, rng):
        """The output is max(output, 0); the cotangent is 0 where that is not positive. Nothing saved is modified."""
        algorithm, g, arrays_ = algorithms()[name], geometry_of(case), arrays(case, rng)
        plain, saved = algorithm.forward(*arrays_, g)
        out, saved_relu = algorithm.forward(*arrays_, g, relu=True)
        np.testing.assert_array_equal(out, np.maximum(plain, 0))
        grad = rng.standard_normal(out.shape)
        grad[plain <= 0] = rng.choice([1, np.inf, np.nan], (plain <= 0).sum())
        before, needs = grad.copy(), (True, True, True)
        gradients = algorithm.backward(grad, saved_relu, needs)
        for ours, wanted in zip(gradients, algorithm.backward(np.where(plain > 0, grad, 0), saved, needs), strict=True):
            np.testing.assert_allclose(ours, wanted, rtol=1e-12, atol=1e-12)
        for ours, again in zip(gradients, algorithm.backward(grad, saved_relu, needs), strict=True):
            np.testing.assert_array_equal(ours, again)
        np.testing.assert_array_equal(grad, before)

    def test_gradients_are_adjoint(self, name, case, rng):
        x, w, b = (Tensor(a, requires_grad=True) for a in arrays(case, rng))
        out = F.conv2d(x, w, b, **CASES[case][2], algorithm=name)
        cotangent = rng.standard_normal(out.shape)
        out.backward(cotangent)
        linear = (cotangent * (out.data - b.data[:, None, None])).sum()
        for value in ((x.grad * x.data).sum(), (w.grad * w.data).sum()):
            assert value == pytest.approx(linear, rel=1e-12, abs=1e-11)
        np.testing.assert_allclose(b.grad, cotangent.sum((0, 2, 3)), rtol=1e-12)

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_adjoint_is_the_gradient_of_the_input(self, name, case, dtype, rng):
        """To the last bit: the same work, without a forward pass. Nothing is modified."""
        algorithm, g = algorithms()[name], geometry_of(case, dtype=np.dtype(dtype).name)
        x, w, _ = arrays(case, rng, dtype)
        out, saved = algorithm.forward(x, w, None, g)
        grad = rng.standard_normal(out.shape).astype(dtype)
        before = grad.copy(), w.copy()
        found = algorithm.adjoint(grad, w, g)
        assert found.shape == g.in_shape and found.dtype == dtype
        np.testing.assert_array_equal(found, algorithm.backward(grad, saved, (True, False, False))[0])
        other = algorithm.adjoint(np.asfortranarray(grad), w[::-1].copy()[::-1], g)
        np.testing.assert_allclose(other, found, rtol=1e-12 if dtype == np.float64 else 1e-5, atol=1e-5)
        assert (grad == before[0]).all() and (w == before[1]).all()

    def test_gradients_against_differences_with_eps_1(self, name, case, rng):
        if np.prod(CASES[case][0]) * np.prod(CASES[case][1]) > 20_000 and name == "naive":
            case = "rows left over"               # seven Python loops for each element
        assert_gradients(lambda x, w, b: F.conv2d(x, w, b, **CASES[case][2], algorithm=name), arrays(case, rng), rng,
                         eps=1, rtol=1e-10)

    def test_memory_order_does_not_show(self, name, case, rng):
        x, w, b = arrays(case, rng)
        reordered = np.ascontiguousarray(x.transpose(1, 2, 3, 0)).transpose(3, 0, 1, 2)
        results = []
        for data, weight in ((x, w), (reordered, np.asfortranarray(w)), (np.repeat(x, 2, 3)[..., ::2], w)):
            t, u = Tensor(data, requires_grad=True), Tensor(weight, requires_grad=True)
            out = F.conv2d(t, u, Tensor(b), **CASES[case][2], algorithm=name)
            out.backward(np.cos(np.arange(out.size)).reshape(out.shape))
            results.append((out.data, t.grad, u.grad))
        for other in results[1:]:
            for a, c in zip(results[0], other, strict=True):
                np.testing.assert_allclose(a, c, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize(("name", "case"), pairs(EXACT))
def test_integers_are_exact(name, case, rng):
    x, w, b = (rng.integers(-9, 10, a.shape).astype(float) for a in arrays(case, rng))
    out = F.conv2d(*map(Tensor, (x, w, b)), **CASES[case][2], algorithm=name).data
    np.testing.assert_array_equal(out, expected(case, x, w, b))


@pytest.mark.parametrize("name", NAMES)
def test_only_the_gradients_that_are_needed(name, rng):
    case = hardest(name, "everything", "padding", "5x5")
    geometry = geometry_of(case)
    x, w, b = arrays(case, rng)
    algorithm = algorithms()[name]
    out, saved = algorithm.forward(x, w, b, geometry)
    full = algorithm.backward(np.cos(out), saved, (True, True, True))
    for i in range(3):
        needs = tuple(j == i for j in range(3))
        part = algorithm.backward(np.cos(out), saved, needs)
        assert [p is not None for p in part] == list(needs)
        np.testing.assert_array_equal(part[i], full[i])


@pytest.mark.parametrize("name", NAMES)
def test_single_image(name, rng):
    case = hardest(name, "padding", "5x5")
    x, w, b = arrays(case, rng)
    one = Tensor(x[0], requires_grad=True)
    out = F.conv2d(one, Tensor(w), Tensor(b), **CASES[case][2], algorithm=name)
    np.testing.assert_allclose(out.data, expected(case, x, w, b)[0], rtol=1e-12, atol=1e-12)
    out.backward(np.ones(out.shape))
    assert one.grad.shape == x[0].shape
