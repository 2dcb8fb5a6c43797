"""The register of algorithms, the choice among them, and the messages for geometries that do not fit."""

import importlib
import math
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minicnn import Tensor
from minicnn import functional as F
from minicnn.conv import Algorithm, Geometry, algorithms, choose
from minicnn.conv import algorithm as choice
from minicnn.conv import speeds as machine
from minicnn.conv.algorithm import before_relu
from minicnn.conv.runtime.target import target
from tests.conv.geometries import geometries

SQUARE = Geometry.of((1, 1, 5, 5), (1, 1, 3, 3))
OBLONG = Geometry.of((3, 4, 11, 12), (6, 2, 3, 2), stride=(2, 3), padding=(3, 1), dilation=(2, 1), groups=2)


def algorithm(name, /, seconds=0.0, **attributes):
    """An algorithm with this name and this predicted cost."""
    facts = {"name": name, "reference": "none", "error_bound": 1.0, "cost": lambda self, geometry: seconds}
    return type(name.title(), (Algorithm,), facts | {"__module__": __name__} | attributes)


def test_it_is_cross_correlation():
    """torch.nn.functional.conv2d gives the same; scipy.signal.convolve2d would flip the kernel."""
    out = F.conv2d(Tensor([[[0.0, 1.0, 0.0]]]), Tensor([[[[1.0, 2.0, 3.0]]]]), padding=(0, 1))
    assert out.data.ravel().tolist() == [3.0, 2.0, 1.0]


def test_auto_takes_the_least_predicted_cost_among_those_that_can(added):
    assert choose("auto", SQUARE).cost(SQUARE) == min(
        a.cost(SQUARE) for a in algorithms().values() if a.unsupported(SQUARE) is None)
    added(algorithm("square", unsupported=lambda self, g: None if g.height == g.width else f"{g.height} x {g.width}"))
    assert choose("auto", SQUARE).name == "square"              # auto has chosen before, and still sees the new class
    assert choose("auto", OBLONG).name != "square"
    with pytest.raises(ValueError, match="the algorithm 'square' cannot compute this convolution: 11 x 12"):
        choose("square", OBLONG)


@pytest.fixture
def speeds(monkeypatch):
    """speeds(near=1e9, ...): the machine has these speeds instead of the target's."""
    def have(**changed):
        there = replace(machine.default_speeds(target()), **changed)
        for name in ("direct", "fft", "im2col", "winograd"):
            monkeypatch.setattr(importlib.import_module(f"minicnn.conv.algorithms.{name}"), "speeds", lambda: there)
        choice._choose.cache_clear()
    yield have
    choice._choose.cache_clear()


POINTWISE = Geometry.of((16, 256, 14, 14), (256, 256, 1, 1))
LARGE_KERNEL = Geometry.of((16, 16, 64, 64), (16, 16, 31, 31), padding=15)
TYPICAL = Geometry.of((16, 64, 28, 28), (64, 64, 3, 3), padding=1)


def test_the_speeds_of_the_machine_decide(speeds):
    """On every machine the fastest of its units wins where it can."""
    speeds(matrix=1e15)
    assert choose("auto", POINTWISE).name == "im2col"
    speeds(matrix=1e6)
    assert choose("auto", POINTWISE).name == "direct"
    speeds(products=1e15)
    assert choose("auto", LARGE_KERNEL).name == "direct"
    speeds(products=1e6, matrix=1e8)
    assert choose("auto", LARGE_KERNEL).name == "fft"
    speeds()
    assert choose("auto", TYPICAL).name == "winograd"


@pytest.mark.parametrize("batch", [16, 24, 50, 60, 100, 250, 1000])
def test_a_batch_of_any_size_is_as_fast_as_the_next_larger_that_fills_the_lanes(batch, speeds):
    """The predicted cost rises at most by the copies."""
    filled = replace(TYPICAL, batch=-(-batch // 16) * 16)
    g = replace(TYPICAL, batch=batch)
    algorithm = choose("auto", g)
    assert algorithm.name == "winograd" and algorithm.cost(g) < 1.25 * algorithm.cost(filled)


def test_the_choice_does_not_depend_on_the_number_of_threads(threads):
    chosen = []
    for number in (1, 2, 7):
        threads(number)
        choice._choose.cache_clear()
        chosen.append([choose("auto", g).name for g in (SQUARE, OBLONG, POINTWISE, LARGE_KERNEL, TYPICAL)])
    assert chosen[0] == chosen[1] == chosen[2]


def larger(g):
    """Geometries with about twice the work. Batches that fill the lanes or do not are not comparable."""
    yield replace(g, height=2 * g.height)
    yield replace(g, width=2 * g.width)
    yield replace(g, in_channels=2 * g.in_channels, out_channels=2 * g.out_channels)
    yield replace(g, batch=2 * g.batch)
    yield replace(g, dtype="float64")


@settings(max_examples=200, deadline=None, derandomize=True)
@given(geometry=geometries(), scale=st.integers(1, 16))
def test_more_work_is_never_predicted_to_be_much_cheaper(geometry, scale):
    g = replace(geometry, batch=16 * geometry.batch, in_channels=scale * geometry.in_channels,
                out_channels=scale * geometry.out_channels, dtype="float32")
    for one in algorithms().values():
        seconds = one.cost(g)
        for more in larger(g):
            if one.unsupported(g) is None and one.unsupported(more) is None and seconds < math.inf:
                assert one.cost(more) >= 0.8 * seconds > 0, (one.name, more)


def test_the_environment_is_read_at_every_auto(added, monkeypatch):
    added(algorithm("quick"))
    for name in ("naive", "im2col", "naive"):
        monkeypatch.setenv("MINICNN_CONV_ALGO", name)
        assert choose("auto", OBLONG).name == name and choose("direct", OBLONG).name == "direct"
    monkeypatch.setenv("MINICNN_CONV_ALGO", "")
    assert choose("auto", OBLONG).name == "quick"
    monkeypatch.setenv("MINICNN_CONV_ALGO", "auto")
    assert choose("auto", OBLONG).name == "quick"
    monkeypatch.setenv("MINICNN_CONV_ALGO", "magic")
    with pytest.raises(ValueError, match="variable MINICNN_CONV_ALGO: no convolution algorithm is called 'magic'"):
        choose("auto", OBLONG)


def test_the_class_that_is_defined_again_replaces_the_older_one(added):
    added(algorithm("mine"))
    assert choose("auto", SQUARE).name == "mine"
    added(algorithm("mine", seconds=np.inf))
    assert choose("auto", SQUARE).name != "mine" and choose("mine", SQUARE).cost(SQUARE) == np.inf


@pytest.mark.parametrize(("attributes", "message"), [
    ({"name": "direct"}, r"'direct' belongs to minicnn.conv.algorithms.direct.Direct: give Mine another name"),
    ({"name": "auto"}, "the name 'auto' belongs to the choice among all algorithms"),
    ({"error_norm": "sum"}, "error_norm of Mine must be 'element' or 'largest', not 'sum'"),
])
def test_what_cannot_be_registered(added, attributes, message):
    with pytest.raises(ValueError, match=message):
        added(algorithm("mine", **attributes))
    with pytest.raises(ValueError, match="the algorithm Bare has no name: give it the attributes name, reference and"):
        added(type("Bare", (Algorithm,), {}))


def test_an_explicit_name_runs_that_algorithm(monkeypatch):
    ran = []
    for name, one in algorithms().items():
        monkeypatch.setattr(one, "forward", lambda *a, _f=one.forward, _n=name: (ran.append(_n), _f(*a))[1])
        F.conv2d(Tensor(np.ones((1, 1, 3, 3))), Tensor(np.ones((1, 1, 2, 2))), algorithm=name)
    assert ran == list(algorithms())


def test_before_relu_keeps_dtype_and_memory_order(rng):
    grad = rng.standard_normal((2, 3, 4, 5)).astype(np.float32).transpose(3, 0, 1, 2)
    out = rng.standard_normal((2, 3, 4, 5)).astype(np.float32).transpose(3, 0, 1, 2)
    gated = before_relu(grad, out)
    assert gated.dtype == np.float32 and gated.strides == grad.strides
    np.testing.assert_array_equal(gated, grad * (out > 0))
    assert before_relu(grad, None) is grad


@pytest.mark.parametrize(("arguments", "message"), [
    (((1, 3, 5, 5), (2, 3, 6, 5)), "the kernel spans 6 x 5 pixels but the padded image has only 5 x 5"),
    (((3, 5), (2, 3, 3, 3)), r"the input must have shape \(N, C, H, W\), not \(3, 5\)"),
    (((1, 3, 5, 5), (2, 3, 3)), "the weight must have shape"),
    (((1, 3, 5, 5), (2, 4, 3, 3)), r"the weight must have shape \(2, 3, kH, kW\), not \(2, 4, 3, 3\)"),
    (((1, 4, 5, 5), (3, 2, 3, 3), 1, 0, 1, 2), "groups=2 must divide"),
    (((1, 3, 5, 5), (2, 3, 3, 3), 0), "stride must be an integer or a pair of integers of at least 1, not 0"),
    (((1, 3, 5, 5), (2, 3, 3, 3), 1, -1), r"padding must be an integer or a pair of .*, or \(\(top, .*, not -1"),
    (((1, 3, 5, 5), (2, 3, 3, 3), 1, ((1, 1), (0, -1))), r"padding must be .*, not \(\(1, 1\), \(0, -1\)\)"),
    (((1, 3, 5, 5), (2, 3, 3, 3), 1, ((1, 1), (0, True))), r"padding must be .*, not \(\(1, 1\), \(0, True\)\)"),
    (((1, 3, 5, 5), (2, 3, 3, 3), 1, ((1, 1), 0)), r"padding must be .*, not \(\(1, 1\), 0\)"),
    (((1, 3, 5, 5), (2, 3, 3, 3), 2, "same"), "padding='same' needs stride 1"),
    (((1, 3, 5, 5), (2, 3, 3, 3), 1, "full"), "not 'full'"),
    (((1, 3, 5, 5), (2, 3, 3, 3), 1, 0, 1.5), "dilation must be an integer"),
    (((1, 3, 5, 5), (2, 3, 3, 3), 1, 0, 1, 0), "groups must be an integer of at least 1, not 0"),
    (((1, 3, 5, 5), (2, 3, 3, 3), 1, 0, 1, 1, "mirror"), "padding_mode must be one of 'zeros', 'circular', 'refl"),
    (((1, 3, 5, 5), (2, 3, 3, 3), 1, 6, 1, 1, "circular"), "would repeat the 5 x 5 image more than once: .* at most 5"),
    (((1, 3, 5, 5), (2, 3, 3, 3), 1, 5, 1, 1, "reflect"), "would repeat the 5 x 5 image more than once: .* at most 4"),
    (((1, 3, 5, 5), (2, 3, 3, 3), 1, 0, 1, 1, "zeros", "int64"), "computes in float32 or float64, not int64"),
    (((0, 3, 5, 5), (2, 3, 3, 3)), "needs at least one image"),
    ((5, (2, 3, 3, 3)), r"the input must have shape \(N, C, H, W\), not 5"),
    (((1, 3, 5, 5), (2, 3, "3", 3)), r"weight must have shape \(C_out, C_in // groups, kH, kW\), not \(2, 3, '3'"),
    (((1, 3, 5, 5), (2, 3, 3, 3), 1, np.ones(2)), "padding must be an integer or a pair of integers of at least 0"),
    (((1, 3, 5, 5), (2, 3, 3, 3), {}), "stride must be an integer or a pair of integers of at least 1, not {}"),
    (((1, 3, 5, 5), (2, 3, 3, 3), 1, 0, 1, True), "groups must be an integer of at least 1, not True"),
    (((1, 3, 5, 5), (2, 3, 3, 3), 1, 0, 1, [1]), r"groups must be an integer of at least 1, not \(1,\)"),
    (((1, 3, 5, 5), (2, 3, 3, 3), 1, 0, 1, 1, ["zeros"]), r"must be one of .*, not \['zeros'\]"),
])
def test_bad_geometry(arguments, message):
    with pytest.raises(ValueError, match=message):
        Geometry.of(*arguments)


def test_a_geometry_in_the_cache_lets_no_boolean_pass():
    shapes = (1, 3, 5, 5), (2, 3, 3, 3)
    assert Geometry.of(*shapes, padding=((1, 0), (1, 1))).out_size == (4, 5)
    with pytest.raises(ValueError, match="padding must be"):
        Geometry.of(*shapes, padding=((True, 0), (1, 1)))


def test_bad_operands():
    x, w = Tensor(np.ones((1, 1, 3, 3))), Tensor(np.ones((1, 1, 2, 2)))
    with pytest.raises(ValueError, match=r"the bias must have shape \(1,\)"):
        F.conv2d(x, w, Tensor(np.ones(2)))
    with pytest.raises(TypeError, match="the input is float64 but the weight float32"):
        F.conv2d(x, Tensor(np.ones((1, 1, 2, 2), np.float32)))
    with pytest.raises(ValueError, match="no convolution algorithm is called 'magic': choose 'auto' or one of "
                                         + re.escape(", ".join(algorithms()))):
        F.conv2d(x, w, algorithm="magic")
    with pytest.raises(TypeError, match=r"algorithm must be 'auto' or the name of an algorithm, not \['direct'\]"):
        F.conv2d(x, w, algorithm=["direct"])


@pytest.mark.parametrize("name", ["im2col", "direct", "fft", "toeplitz"])
def test_a_result_stays_in_the_batch_innermost_order(name, rng):
    """The contract allows any memory order. These algorithms return the order that the next layer needs."""
    out = F.conv2d(Tensor(rng.standard_normal((8, 2, 6, 6))), Tensor(rng.standard_normal((3, 2, 3, 3))), algorithm=name)
    assert out.data.transpose(1, 2, 3, 0).flags.c_contiguous
    assert F.relu(out).data.transpose(1, 2, 3, 0).flags.c_contiguous
