"""The layers drawn at random, and the summary of a set of layers."""

import math

import pytest

from minicnn.bench import layers, libraries, network_layers
from minicnn.bench.layer_summary import fastest_other, summarise
from minicnn.conv import Geometry

DRAWN = network_layers.random_layers()


def run(case, ours=1.0, others=(), auto=1.0, network="lenet"):
    """A run in which auto takes `ours` and the other libraries take these ratios, or fail where one is None."""
    times = lambda ratio: {"ratio_in_turn": ratio}
    rows = [{"library": "minicnn", "status": "ok", "forward": times(ours), "both": times(ours)}]
    rows += [{"library": "torch", "status": "failed" if ratio is None else "ok", "forward": ratio and times(2 * ratio),
              "both": ratio and times(ratio)} for ratio in others]
    return {"network": network, "case": case, "threads": 2, "batch_size": 16, "rows": rows,
            "auto": {"algorithm": "direct", "ratio_to_best": auto}}


def test_the_drawn_layers_stay_the_same():
    assert [(layer.batch_size, layer.describe()) for layer in DRAWN[:3]] == [
        (1, "14->14 1x1 7 groups @56"), (9, "56->70 5x5 7 groups @50"), (6, "91->91 2x2 91 groups @46")]
    assert network_layers.random_layers(seed=1) != DRAWN == network_layers.random_layers()


def test_the_drawn_layers_cover_what_they_should():
    geometries = [layer.geometry(layer.batch_size) for layer in DRAWN]
    assert len(DRAWN) == 40 and {layer.stride for layer in DRAWN} == {1, 2}
    assert {layer.kernel for layer in DRAWN} == set(range(1, 8))
    assert all(1 <= layer.batch_size <= 64 and 7 <= layer.size <= 64 for layer in DRAWN)
    assert all(1 <= count <= 256 for layer in DRAWN for count in (layer.in_channels, layer.out_channels))
    kinds = ["one" if layer.groups == 1 else "all" if layer.groups == layer.in_channels else "some" for layer in DRAWN]
    assert all(kinds.count(kind) >= 5 for kind in ("one", "some", "all"))
    assert all(geometry.multiply_adds <= network_layers.MOST_PRODUCTS for geometry in geometries)
    assert all(math.prod(shape) <= network_layers.MOST_NUMBERS for geometry in geometries
               for shape in (geometry.in_shape, geometry.out_shape))


def test_the_ratio_is_to_the_fastest_library_that_was_measured():
    assert fastest_other(run("conv1", others=[3.0, 2.0, None]), "both") == 2
    assert fastest_other(run("conv1", others=[None]), "both") is None
    assert fastest_other(run("conv1", others=[2.0, 3.0]), "forward") == 4


def test_a_summary_of_two_sets():
    runs = [run("conv1", others=[4.0, 8.0]), run("conv2", others=[1.0], auto=1.2), run("conv3", auto=1.15),
            run("01", others=[0.5], network="random")]
    named, drawn = summarise(runs)
    assert (named["set"], named["batch_size"], named["threads"], named["layers"]) == ("named", 16, 2, 3)
    assert named["both"] == {"count": 2, "geometric_mean": pytest.approx(2), "least": 1.0, "layer": "lenet conv2"}
    assert named["forward"]["geometric_mean"] == pytest.approx(4)
    assert named["auto"] == {"of": 3, "near": 2, "share": pytest.approx(2 / 3)}
    assert (drawn["set"], drawn["batch_size"], drawn["both"]["least"]) == ("random", None, 0.5)


def test_a_summary_without_other_libraries():
    alone = run("conv1")
    assert summarise([{**alone, "auto": None}]) == [{
        "set": "named", "threads": 2, "batch_size": 16, "layers": 1, "forward": None, "both": None, "auto": None}]
    assert summarise([]) == []


def test_slow_competitors_have_no_turn_but_the_fastest_other_library_and_auto_do():
    rows = {name: {"library": name.split()[0]} for name in (
        "minicnn direct", "minicnn im2col", "minicnn winograd", "torch nchw", "torch last")}
    seconds = dict(zip(rows, (5.0, 3.0, 1.0, 9.0, 4.0), strict=True))
    workers = dict.fromkeys(rows)
    layers._leave_out_slow(workers, seconds, rows, "direct")
    assert list(workers) == list(seconds) == ["minicnn direct", "minicnn winograd", "torch last"]
    assert rows["torch nchw"]["reason"] == "2.2 times as slow as torch last: 9.0 s forward and both gradients"


def test_an_algorithm_that_would_take_very_long_is_not_tried():
    large, competitor = Geometry.of((16, 64, 64, 64), (64, 64, 3, 3)), libraries.with_algorithm("im2col")
    cost = {"im2col": 30.0, "direct": 2.0, "winograd": 3.0}
    assert layers._hopeless(large, competitor, {"auto": "winograd", "cost": cost}) == \
        "predicted to take 15 times as long as direct, which is too long to try"
    assert layers._hopeless(large, competitor, {"auto": "winograd", "cost": {**cost, "im2col": 19.0}}) is None
    assert layers._hopeless(large, competitor, {"auto": "im2col", "cost": cost}) is None       # auto's own choice
    assert layers._hopeless(large, competitor, {"auto": "direct", "cost": {"direct": 2.0}}) is None
    small = Geometry.of((1, 1, 9, 9), (1, 1, 3, 3))
    assert layers._hopeless(small, competitor, {"auto": "direct", "cost": cost}) is None
