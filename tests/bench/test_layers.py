"""Single layers: their shapes, their reference in float64, and their competitors."""

import math
from dataclasses import asdict

import numpy as np
import pytest

from minicnn import InputError
from minicnn.bench import layers, libraries, network_layers, reference
from minicnn.bench.worker_process import Worker
from minicnn.conv import Geometry, algorithms, choose
from tests.bench.strangers import HANGING_LAYERS


@pytest.mark.parametrize("arguments", [((3, 4, 9, 8), (6, 4, 3, 2), (2, 1), (1, 2)),
                                       ((2, 8, 7, 7), (8, 1, 3, 3), 1, 1, 2, 8),
                                       ((2, 6, 9, 9), (4, 3, 3, 3), 2, 1, 1, 2), ((2, 8, 7, 7), (8, 8, 1, 1), 2)])
def test_the_reference_is_exact_and_notices_one_wrong_element(arguments):
    geometry = Geometry.of(*arguments)
    x, weight, grad = reference.operands(geometry, 0)
    wide = [array.astype(np.float64) for array in (x, weight, grad)]
    out, saved = choose("im2col", geometry).forward(wide[0], wide[1], None, geometry)
    results = [out, *choose("im2col", geometry).backward(wide[2], saved, (True, True, False))[:2]]
    assert max(max(error) for error in reference.errors(geometry, x, weight, grad, *results).values()) < 1e-6
    results[1][-1, -1, -1, -1] += 1
    error = reference.errors(geometry, x, weight, grad, *results)["grad_input"]
    assert error.element > 1e4 and error.largest <= error.element and 0.01 < error.relative < 1


def test_an_error_is_compared_with_the_bound_in_the_norm_of_the_bound():
    row = {"errors": {"forward": 50.0}, "largest_errors": {"forward": 2.0}, "error_bound": 4.0}
    assert layers.exceeds_bound({**row, "error_norm": "element"})
    assert not layers.exceeds_bound({**row, "error_norm": "largest"})
    assert not layers.exceeds_bound({**row, "error_norm": None, "error_bound": None})


def test_the_named_layers_have_the_shapes_of_their_papers():
    sizes = {str(layer): layer.geometry(1).out_shape[1:] for layer in network_layers.NAMED_LAYERS}
    assert len(sizes) == len(network_layers.NAMED_LAYERS) == 27
    assert sizes["lenet conv4"] == (5, 12, 12) and sizes["alexnet conv1"] == (64, 55, 55)
    assert sizes["alexnet conv2"] == (192, 27, 27) and sizes["alexnet conv5"] == (256, 13, 13)
    assert sizes["vgg conv5_2"] == (512, 14, 14) and sizes["resnet18 conv1"] == (64, 112, 112)
    assert sizes["resnet18 conv3_1"] == sizes["resnet18 conv3_1 shortcut"] == (128, 28, 28)
    assert sizes["mobilenet depthwise 64/2"] == (64, 56, 56) and sizes["mobilenet pointwise 512"] == (512, 14, 14)
    assert all(layer.geometry(1).out_size[0] == layer.size for layer in network_layers.layers_of(["vgg"]))


def test_layers_of_an_unknown_network():
    with pytest.raises(InputError, match="network must be one of 'lenet', .*, not 'resnet9000'"):
        network_layers.layers_of(["lenet", "resnet9000"])


def test_all_stands_for_the_algorithms_that_auto_chooses_among():
    others = libraries.competitors(["textbook"])
    present, chosen = layers.layer_competitors(["all"], "direct", others)
    assert chosen == "direct" and present[-1] == others[0]
    names = {competitor.variant for competitor in present[:-1]}
    assert names == {name for name, known in algorithms().items() if known.cost(layers.ORDINARY) < math.inf}
    present, chosen = layers.layer_competitors(["im2col"], "direct", [])
    assert [c.name for c in present] == ["minicnn im2col"] and chosen is None


def test_the_worker_makes_the_choice_of_auto_because_it_has_the_instructions(monkeypatch):
    layer = network_layers.NAMED_LAYERS[3]
    geometry = layer.geometry(1)
    with layers.Crew(1) as crew:
        predicted = crew.predict(geometry)
        assert predicted["auto"] == choose("auto", geometry).name == min(predicted["cost"], key=predicted["cost"].get)
        assert predicted["cost"] == {name: known.cost(geometry) for name, known in algorithms().items()
                                     if known.cost(geometry) < math.inf}
        monkeypatch.setattr(crew, "predict", lambda geometry: {"auto": "im2col", "cost": {"im2col": 1.0}})
        assert layers.run(layer, 1, crew, ["auto"], [], 1)["auto"]["algorithm"] == "im2col"
        assert layers.find_records(layer, 1, crew, ["im2col"], 1)["auto"] == "im2col"
        monkeypatch.setenv("MINICNN_CONV_ALGO", "magic")
    with layers.Crew(1) as crew, pytest.raises(InputError, match="variable MINICNN_CONV_ALGO: no convolution"):
        crew.predict(geometry)


@pytest.mark.parametrize(("library", "variant"), [
    ("torch", "nchw"), ("torch", "channels_last"), ("torch", "compiled"), ("tensorflow", "function")])
def test_other_libraries_compute_the_same_layers(library, variant):
    pytest.importorskip(library)
    competitor = next(c for c in libraries.competitors([library], layers=True) if c.variant == variant)
    shortcuts = [layer for layer in network_layers.NAMED_LAYERS if "shortcut" in layer.name or "512" in layer.name]
    with Worker(competitor, 1) as worker:
        for layer in network_layers.layers_of(["lenet"]) + shortcuts:
            answer = worker.ask("open_layer", variant=variant, geometry=asdict(layer.geometry(1)), seed=0)
            assert max(error[0] for error in answer["errors"].values()) < 10
        assert set(worker.ask("passes", seconds=0.001)) == set(layers.PASSES)


def test_a_competitor_that_hangs_in_its_turn_is_ended(add_library, monkeypatch):
    add_library("hanging", HANGING_LAYERS)
    monkeypatch.setattr(layers, "PATIENCE", 1.5)
    monkeypatch.setattr(layers, "_turn", lambda seconds: 0.0)
    layer, other = network_layers.NAMED_LAYERS[3], libraries.competitors(["hanging"], layers=True)
    with layers.Crew(1) as crew:
        ours, theirs = layers.run(layer, 1, crew, ["auto", "im2col"], other, 1)["rows"][-2:]
        assert ours["status"] == "ok" and (theirs["status"], theirs["reason"]) == ("failed", "no answer in 2 s")
        assert crew.worker(other[0]).ask("memory")["peak_mb"] > 0           # a new process, for the next layer
