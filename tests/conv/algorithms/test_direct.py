"""The direct algorithm against scipy, its adjoints, and errors that only machine code can have."""

import os

import numpy as np
import pytest

from minicnn.conv import Geometry, choose
from minicnn.conv.algorithms.direct import forward_sum
from minicnn.conv.kernels.correlation import depthwise, plan
from tests.conv import geometries
from tests.conv.geometries import expected
from tests.reference import ORDERS

direct = choose("direct", Geometry.of((1, 1, 1, 1), (1, 1, 1, 1)))


# input (N, C, H, W), weight (K, C / G, kh, kw), options
GEOMETRIES = [
    ((1, 1, 1, 1), (1, 1, 1, 1), {}),
    ((1, 1, 28, 28), (5, 1, 5, 5), {}),                                     # lanes run over columns
    ((17, 3, 9, 7), (5, 3, 3, 3), {"padding": 1}),
    ((16, 2, 6, 6), (4, 2, 2, 4), {"padding": "same"}),
    ((3, 4, 5, 6), (10, 4, 5, 6), {}),                                      # the kernel is the image
    ((2, 5, 11, 13), (7, 5, 1, 1), {"stride": (3, 2)}),                     # stride > kernel: the taps have one phase
    ((5, 2, 12, 15), (3, 2, 3, 2), {"stride": (1, 3), "padding": (2, 1), "dilation": (2, 2)}),
    ((2, 6, 9, 10), (6, 1, 3, 3), {"groups": 6, "padding": 1, "stride": 2}),
    ((2, 6, 9, 10), (9, 2, 3, 5), {"groups": 3, "dilation": (1, 2)}),
    ((3, 4, 8, 9), (5, 4, 4, 3), {"padding": 3, "padding_mode": "circular", "stride": (2, 3)}),
    ((4, 2, 5, 4), (2, 2, 3, 3), {"padding": (5, 4)}),                      # rows and columns that see only padding
    ((2, 1, 4, 3), (1, 1, 2, 2), {"padding": 4, "stride": 3}),
    ((33, 2, 3, 40), (6, 2, 1, 7), {"padding": (0, 3)}),
    ((1, 3, 40, 2), (4, 3, 9, 2), {"dilation": (4, 1), "padding": (7, 0)}),
    ((4, 2, 17, 15), (5, 2, 3, 1), {"padding": (3, 1)}),                    # all rows of the padded image are one
    ((16, 3, 9, 11), (3, 1, 3, 3), {"groups": 3, "padding": 1, "stride": 2}),       # depthwise, of whole vectors
    ((32, 2, 7, 8), (2, 1, 7, 7), {"groups": 2, "padding": 3}),                     # chains of taps that edges cut
    ((16, 1, 9, 8), (1, 1, 3, 2), {"padding": (4, 5), "dilation": (2, 3), "stride": (1, 3)}),
    ((16, 70, 5, 4), (70, 1, 1, 1), {"groups": 70, "stride": (2, 3)}),              # phases without taps
    ((16, 2, 5, 5), (2, 1, 3, 3), {"groups": 2, "padding": 1, "padding_mode": "reflect"}),
]


def make(input_shape, weight_shape, options, dtype="float64", integers=False):
    """Geometry, x, weight, bias, cotangent. Integers are so small that every sum is exact."""
    rng = np.random.default_rng(0)
    g = Geometry.of(input_shape, weight_shape, dtype=dtype, **options)
    draw = (lambda shape: rng.integers(-4, 5, shape)) if integers else rng.standard_normal
    return g, *(draw(s).astype(dtype) for s in (g.in_shape, g.weight_shape, (g.out_channels,), g.out_shape))


def run(*operands):
    return geometries.run(direct, *operands)


@pytest.mark.parametrize("case", GEOMETRIES, ids=str)
def test_equals_scipy_exactly_on_integers(case):
    g, x, weight, bias, grad = make(*case, integers=True)
    assert np.array_equal(direct.forward(x, weight, bias, g)[0], expected(g, x, weight, bias))
    assert np.array_equal(direct.forward(x, weight, None, g)[0], expected(g, x, weight))


@pytest.mark.parametrize("seed", range(3))
def test_equals_im2col_exactly_on_integers_for_all_plans(seed):
    """Images large enough for several jobs, panels, and blocks with a rest, at all shapes of kernels."""
    rng = np.random.default_rng(seed)
    draw = lambda least, most, size=None: rng.integers(least, most + 1, size).tolist()
    for _ in range(80):
        groups, kernel, step = draw(1, 3), draw(1, 5, 2), draw(1, 2, 2)
        options = {"stride": step, "padding": draw(0, 3, 2), "dilation": draw(1, 2, 2), "groups": groups}
        depth, channels, dtype = draw(1, 5), draw(1, 8) * groups, rng.choice(["float32", "float64"])
        made = make((draw(1, 20), depth * groups, *draw(9, 30, 2)), (channels, depth, *kernel), options, dtype, True)
        for a, b in zip(run(*made), geometries.run(choose("im2col", made[0]), *made), strict=True):
            assert np.array_equal(a, b), made[0]


@pytest.fixture
def force(monkeypatch):
    """force(wanted): `direct` takes this plan where it can. force(): the plans from which the next sum chooses."""
    def choose_plan(wanted=None):
        seen = []
        monkeypatch.setattr(plan, "_cost", lambda s, one, *sizes: seen.append(one) or -1e9 * (one == wanted))
        plan.planned.cache_clear()
        return seen
    yield choose_plan
    plan.planned.cache_clear()


@pytest.mark.parametrize("case", [
    ((16, 24, 14, 14), (20, 24, 1, 1), {"stride": 2}), ((32, 7, 9, 13), (17, 7, 2, 3), {"stride": (1, 3)}),
    ((17, 30, 9, 9), (21, 30, 3, 3), {"stride": 2, "padding": 1}), ((64, 8, 9, 9), (9, 8, 3, 1), {"stride": 2}),
    ((2, 100, 9, 9), (15, 100, 3, 3), {"padding": 1}), ((5, 6, 12, 11), (6, 2, 3, 3), {"groups": 3})], ids=str)
def test_every_plan_is_right(case, force):
    """Also those that this machine does not take: panels, chunks of taps, jobs that make their part of the image."""
    g, x, weight, bias, _ = make(*case, "float32", integers=True)
    wanted, plans = expected(g, x, weight, bias), force()
    direct.forward(x, weight, bias, g)
    assert len(set(plans)) > 5
    for one in sorted(set(plans)):
        force(one)
        assert np.array_equal(direct.forward(x, weight, bias, g)[0], wanted), one


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("options", [{"padding": 1}, {"padding": 2, "stride": 2}, {"stride": (1, 3), "dilation": 2}],
                         ids=str)
def test_depthwise_kernels_give_the_bits_of_the_others(options, dtype):
    """A batch that fills whole vectors has kernels of its own: 16 images, but not 17."""
    for size in (3, 5):
        g, x, weight, bias, grad = make((17, 3, 11, 12), (3, 1, size, size), {"groups": 3, **options}, dtype)
        first = Geometry.of((16, 3, 11, 12), (3, 1, size, size), dtype=dtype, groups=3, **options)
        assert depthwise.fits(forward_sum(first)) and not depthwise.fits(forward_sum(g))
        many, few = run(g, x, weight, bias, grad), run(first, x[:16], weight, bias, grad[:16])
        for a, b in zip(many[:2], few[:2], strict=True):
            assert np.array_equal(a[:16], b)


@pytest.mark.parametrize("channels, outputs", [(1, 20), (40, 40), (40, 5), (3, 64)])
def test_an_output_does_not_depend_on_the_size_of_image_and_batch(channels, outputs):
    """Each size has a plan of its own, with chunks of taps of its own. The bits of the result are the same."""
    rng = np.random.default_rng(0)
    whole, weight, bias = (rng.standard_normal(s, np.float32) for s in ((33, channels, 38, 38),
                                                                        (outputs, channels, 5, 5), outputs))
    wanted = None
    for batch, size in (33, 38), (1, 38), (16, 24), (3, 9), (1, 5):
        x = whole[:batch, :, :size, :size]
        out = direct.forward(x, weight, bias, Geometry.of(x.shape, weight.shape))[0]
        wanted = out if wanted is None else wanted
        assert np.array_equal(out, wanted[:batch, :, :size - 4, :size - 4])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", GEOMETRIES, ids=str)
def test_error_in_units_of_the_last_place(case, dtype):
    g, x, weight, bias, grad = make(*case, dtype)
    out, grad_input, grad_weight, grad_bias = run(g, x, weight, bias, grad)
    size = expected(g, abs(x), abs(weight), abs(bias))
    assert (abs(out - expected(g, x, weight, bias)) <= direct.error_bound * np.finfo(dtype).eps * size).all()
    assert [a.dtype for a in (out, grad_input, grad_weight, grad_bias)] == [dtype] * 4
    assert [a.shape for a in (grad_input, grad_weight, grad_bias)] == [x.shape, weight.shape, bias.shape]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", GEOMETRIES, ids=str)
def test_gradients_are_the_adjoints(case, dtype):
    """<g, conv(x, w)> = <grad_input, x> = <grad_weight, w>, in either dtype on integers, where nothing is rounded."""
    for integers in (True, False):
        g, x, weight, bias, grad = make(*case, dtype, integers)
        out = expected(g, x, weight)
        _, grad_input, grad_weight, grad_bias = (a.astype(float) for a in run(g, x, weight, bias, grad))
        value, scale = (grad * out).sum(), (abs(grad) * abs(out)).sum()
        tolerance = 0 if integers else scale * {"float32": 1e-5, "float64": 1e-12}[dtype]
        assert abs((grad_input * x).sum() - value) <= tolerance
        assert abs((grad_weight * weight).sum() - value) <= tolerance
        assert abs(grad_bias - grad.astype(float).sum((0, 2, 3))).max() <= tolerance


@pytest.mark.parametrize("order", ORDERS)
def test_every_memory_order_and_inputs_unchanged(order):
    for case in GEOMETRIES[1:3]:
        g, *arrays = make(*case, "float32")
        wanted = run(g, *arrays)
        images = [order(arrays[0]), arrays[1].copy(), arrays[2].copy(), order(arrays[3])]
        for a in images:
            a.flags.writeable = False
        for a, b in zip(run(g, *images), wanted, strict=True):
            assert np.array_equal(a, b)


def test_nan_and_inf_reach_what_they_meet_and_nothing_else():
    for case in GEOMETRIES[4:10]:
        g, x, weight, bias, _ = make(*case, "float32", integers=True)
        x[0, 0, 0, 0], x[-1, -1, -1, -1] = np.nan, np.inf
        for tap in weight[-1, -1, -1, -1], -np.inf:
            weight[-1, -1, -1, -1] = tap
            with np.errstate(invalid="ignore"):
                wanted = choose("naive", g).forward(x, weight, bias, g)[0]
            assert np.array_equal(direct.forward(x, weight, bias, g)[0], wanted, equal_nan=True)
    g, x, weight, bias, grad = make((3, 1, 4, 5), (5, 1, 3, 3), {}, "float32")
    grad[1, 2, 0, 0] = np.nan
    grad_input, grad_weight, grad_bias = run(g, x, weight, bias, grad)[1:]
    assert np.array_equal(np.argwhere(np.isnan(grad_input)), [[1, 0, i, j] for i in range(3) for j in range(3)])
    assert np.isnan(grad_weight[2]).all() and np.isfinite(np.delete(grad_weight, 2, 0)).all()
    assert np.array_equal(np.isnan(grad_bias), np.arange(5) == 2)


def test_nothing_beside_the_arrays_is_read():
    """All numbers beside the arrays in memory are NaN: a load beyond an array would make the result NaN."""
    def island(a):
        sea = np.full(a.size + 64, np.nan, a.dtype)
        sea[32:32 + a.size] = a.ravel()
        return sea[32:32 + a.size].reshape(a.shape)
    for case in GEOMETRIES:
        g, x, weight, bias, grad = make(*case, "float32", integers=True)
        x, grad = (island(a.transpose(1, 2, 3, 0)).transpose(3, 0, 1, 2) for a in (x, grad))
        assert all(np.isfinite(a).all() for a in run(g, x, weight, bias, grad))


BIG = ((17, 10, 13, 14), (10, 10, 3, 3), {"padding": 1})     # enough work for several threads


def test_a_shifted_image_gives_the_shifted_map_to_the_bit():
    g, x, weight, bias, _ = make((3, 2, 20, 21), (5, 2, 5, 5), {}, "float32")
    x[:, :, :3] = x[:, :, :, :2] = 0
    shifted = np.roll(x, (-3, -2), (2, 3))
    out, moved = (direct.forward(a, weight, bias, g)[0] for a in (x, shifted))
    assert np.array_equal(out[:, :, 3:, 2:], moved[:, :, :-3, :-2])


def test_long_sums_of_grad_weight_do_not_drift():
    """A float32 sum of 16 384 times 0.1 in each lane has an error of 1e-3: every addition rounds the same way."""
    g, x, weight, bias, grad = make((16, 1, 128, 128), (1, 1, 1, 1), {}, "float32")
    grad_weight = run(g, 1 + x * 0, weight, bias, grad * 0 + np.float32(0.1))[2]
    assert abs(grad_weight.item() / (x.size * float(np.float32(0.1))) - 1) < 5e-6
    drift = np.cumsum(np.full(16384, 0.1, np.float32))[-1]
    assert abs(drift / (16384 * float(np.float32(0.1))) - 1) > 5e-5


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")     # the test forks on purpose
def test_a_forked_child_convolves(threads):
    threads(2)
    g, *arrays = make(*BIG, "float32")
    wanted = run(g, *arrays)
    child = os.fork()
    if child == 0:
        os._exit(0 if all(np.array_equal(a, b) for a, b in zip(run(g, *arrays), wanted, strict=True)) else 1)
    assert os.waitpid(child, 0)[1] == 0
