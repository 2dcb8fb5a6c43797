"""Every algorithm against scipy's correlate2d, by adjoint identities, and through the registry."""

import re

import numpy as np
import pytest

from minicnn import Tensor
from minicnn import functional as F
from minicnn.conv import Geometry, algorithms, choose
from minicnn.conv.algorithm import Algorithm
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
    "everything": ((3, 4, 11, 12), (6, 2, 3, 2),
                   {"stride": (2, 3), "padding": (3, 1), "dilation": (2, 1), "groups": 2, "padding_mode": "circular"}),
}
NAMES = ["naive", "im2col", "direct", "fft", "toeplitz", "winograd"]
EXACT = ["naive", "im2col", "direct", "toeplitz"]           # on integers


def test_all_algorithms_are_tested():
    assert sorted(NAMES) == sorted(algorithms())


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
    """The errors to allow, in units of eps, where |weight| * |input| is `scale`; of transforms, in all outputs."""
    return 2 * algorithms()[name].error_bound * (scale.max() if name in ("fft", "winograd") else scale)


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

    def test_gradients_are_adjoint(self, name, case, rng):
        x, w, b = (Tensor(a, requires_grad=True) for a in arrays(case, rng))
        out = F.conv2d(x, w, b, **CASES[case][2], algorithm=name)
        cotangent = rng.standard_normal(out.shape)
        out.backward(cotangent)
        linear = (cotangent * (out.data - b.data[:, None, None])).sum()
        for value in ((x.grad * x.data).sum(), (w.grad * w.data).sum()):
            assert value == pytest.approx(linear, rel=1e-12, abs=1e-11)
        np.testing.assert_allclose(b.grad, cotangent.sum((0, 2, 3)), rtol=1e-12)

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
    case = "everything" if (name, "everything") in pairs(NAMES) else "padding"
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
    x, w, b = arrays("padding", rng)
    one = Tensor(x[0], requires_grad=True)
    out = F.conv2d(one, Tensor(w), Tensor(b), padding=(2, 1), algorithm=name)
    np.testing.assert_allclose(out.data, expected("padding", x, w, b)[0], rtol=1e-12, atol=1e-12)
    out.backward(np.ones(out.shape))
    assert one.grad.shape == x[0].shape


@pytest.mark.parametrize("name", ["im2col", "direct", "fft", "toeplitz"])
def test_a_result_stays_in_the_batch_innermost_order(name, rng):
    out = F.conv2d(Tensor(rng.standard_normal((8, 2, 6, 6))), Tensor(rng.standard_normal((3, 2, 3, 3))), algorithm=name)
    assert out.data.transpose(1, 2, 3, 0).flags.c_contiguous
    assert F.relu(out).data.transpose(1, 2, 3, 0).flags.c_contiguous


def test_it_is_cross_correlation():
    """torch.nn.functional.conv2d gives the same; scipy.signal.convolve2d would flip the kernel."""
    out = F.conv2d(Tensor([[[0.0, 1.0, 0.0]]]), Tensor([[[[1.0, 2.0, 3.0]]]]), padding=(0, 1))
    assert out.data.ravel().tolist() == [3.0, 2.0, 1.0]


@pytest.mark.parametrize(("arguments", "message"), [
    (((1, 3, 5, 5), (2, 3, 6, 5)), "the kernel spans 6 x 5 pixels but the padded image has only 5 x 5"),
    (((3, 5), (2, 3, 3, 3)), r"the input must have shape \(N, C, H, W\), not \(3, 5\)"),
    (((1, 3, 5, 5), (2, 3, 3)), "the weight must have shape"),
    (((1, 3, 5, 5), (2, 4, 3, 3)), r"the weight must have shape \(2, 3, kH, kW\), not \(2, 4, 3, 3\)"),
    (((1, 4, 5, 5), (3, 2, 3, 3), 1, 0, 1, 2), "groups=2 must divide"),
    (((1, 3, 5, 5), (2, 3, 3, 3), 0), "stride must be an integer or a pair of integers of at least 1, not 0"),
    (((1, 3, 5, 5), (2, 3, 3, 3), 1, -1), "padding must be an integer or a pair of integers of at least 0, not -1"),
    (((1, 3, 5, 5), (2, 3, 3, 3), 2, "same"), "padding='same' needs stride 1"),
    (((1, 3, 5, 5), (2, 3, 3, 3), 1, "full"), "not 'full'"),
    (((1, 3, 5, 5), (2, 3, 3, 3), 1, 0, 1.5), "dilation must be an integer"),
    (((1, 3, 5, 5), (2, 3, 3, 3), 1, 0, 1, 0), "groups must be an integer of at least 1, not 0"),
    (((1, 3, 5, 5), (2, 3, 3, 3), 1, 0, 1, 1, "reflect"), "padding_mode must be 'zeros' or 'circular', not 'reflect'"),
    (((1, 3, 5, 5), (2, 3, 3, 3), 1, 6, 1, 1, "circular"), "would wrap around the 5 x 5 image more than once"),
    (((1, 3, 5, 5), (2, 3, 3, 3), 1, 0, 1, 1, "zeros", "int64"), "computes in float32 or float64, not int64"),
    (((0, 3, 5, 5), (2, 3, 3, 3)), "needs at least one image"),
])
def test_bad_geometry(arguments, message):
    with pytest.raises(ValueError, match=message):
        Geometry.of(*arguments)


def test_bad_operands(rng):
    x, w = Tensor(np.ones((1, 1, 3, 3))), Tensor(np.ones((1, 1, 2, 2)))
    with pytest.raises(ValueError, match=r"the bias must have shape \(1,\)"):
        F.conv2d(x, w, Tensor(np.ones(2)))
    with pytest.raises(TypeError, match="the input is float64 but the weight float32"):
        F.conv2d(x, Tensor(np.ones((1, 1, 2, 2), np.float32)))
    with pytest.raises(ValueError, match="no convolution algorithm is called 'magic': choose 'auto' or one of"):
        F.conv2d(x, w, algorithm="magic")


def test_auto_never_picks_naive_and_obeys_the_environment(monkeypatch):
    geometry = geometry_of("everything")
    choose.cache_clear()
    assert choose("auto", geometry).name != "naive"
    monkeypatch.setenv("MINICNN_CONV_ALGO", "naive")
    choose.cache_clear()
    assert choose("auto", geometry).name == "naive"
    choose.cache_clear()


def test_what_an_algorithm_cannot_do_it_refuses_with_the_reason(monkeypatch):
    class Square(Algorithm):
        name = "square"

        def unsupported(self, geometry):
            return None if geometry.height == geometry.width else f"the image is {geometry.height} x {geometry.width}"

        def cost(self, geometry):
            return 0.0
    monkeypatch.setitem(__import__("minicnn.conv.algorithm", fromlist="_")._registered, "square", Square())
    choose.cache_clear()
    with pytest.raises(ValueError, match="'square' cannot compute this convolution: the image is 11 x 12"):
        choose("square", geometry_of("everything"))
    assert choose("auto", geometry_of("everything")).name != "square"
    assert choose("auto", Geometry.of((1, 1, 5, 5), (1, 1, 3, 3))).name == "square"
    choose.cache_clear()


def test_an_explicit_name_runs_that_algorithm(monkeypatch):
    ran = []
    for name in NAMES:
        algorithm = algorithms()[name]
        monkeypatch.setattr(algorithm, "forward", lambda *a, _f=algorithm.forward, _n=name: (ran.append(_n), _f(*a))[1])
    for name in NAMES:
        F.conv2d(Tensor(np.ones((1, 1, 3, 3))), Tensor(np.ones((1, 1, 2, 2))), algorithm=name)
    assert ran == NAMES
