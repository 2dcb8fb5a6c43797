"""Enough independent jobs for 64 cores at batch 64 in every pass, and few partial sums."""

import importlib
import sys

import numpy as np
import pytest

from minicnn.conv import Geometry, algorithms
from minicnn.conv.algorithms import winograd
from minicnn.conv.kernels import weight_plan

CORES = 64
LAYERS = {                                              # input (N, C, H, W), weight (K, C, kh, kw), algorithm
    "lenet conv1": ((64, 1, 28, 28), (20, 1, 5, 5), "direct"),
    "lenet conv2": ((64, 20, 24, 24), (40, 20, 5, 5), "winograd"),
    "lenet conv3": ((64, 40, 20, 20), (40, 40, 5, 5), "winograd"),
    "lenet conv4": ((64, 40, 16, 16), (5, 40, 5, 5), "winograd"),
    "64 channels": ((64, 64, 28, 28), (64, 64, 3, 3), "direct"),
}
PASSES = {"correlate", "gate", "weight_products", "convolve_tiles", "gradients"}


@pytest.fixture
def jobs(monkeypatch):
    """{function: the jobs that it gave to the threads}; the kernels themselves do not run."""
    found = {}

    def count(number, *arguments, **options):
        found.setdefault(sys._getframe(1).f_code.co_name, []).append(number)

    algorithms()
    for name in [name for name in sys.modules if name.startswith("minicnn.conv.")]:
        for loop in ("parallel_for", "parallel_kernel"):
            if hasattr(module := importlib.import_module(name), loop):
                monkeypatch.setattr(module, loop, count)
    return found


@pytest.mark.filterwarnings("ignore")                     # of sums of memory that no kernel has written
@pytest.mark.parametrize("layer", LAYERS)
def test_every_pass_has_jobs_for_64_cores(layer, jobs):
    shape, weight_shape, name = LAYERS[layer]
    g = Geometry.of(shape, weight_shape)
    x, weight, bias, grad = (np.zeros(s, "f4") for s in (g.in_shape, g.weight_shape, g.out_channels, g.out_shape))
    _, saved = algorithms()[name].forward(x, weight, bias, g, True)
    algorithms()[name].backward(grad, saved, (True, True, True))
    assert len(jobs.keys() & PASSES) >= 2
    assert {one: numbers for one, numbers in jobs.items() if one in PASSES and min(numbers) < CORES} == {}


@pytest.mark.parametrize("channels, taps, pixels", [(20, 25, 64 * 576), (64, 576, 64 * 784), (1, 9, 10**6)])
def test_the_sums_of_ranges_take_a_quarter_of_the_operands_at_most(channels, taps, pixels):
    s = weight_plan.Sizes(1, channels, taps, 1, pixels, taps * pixels, 0)
    plan = weight_plan.plan_of(s, 32)
    assert plan.ranges == 1 or 4 * plan.ranges * channels * taps <= channels * pixels + s.x_group


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("batch", [64, 512])
def test_the_partial_sums_of_winograd_are_few(batch, jobs, monkeypatch):
    sums = []
    monkeypatch.setattr(winograd, "weight_gradient", lambda du, *others: sums.append(len(du)))
    for shape, weight_shape, name in LAYERS.values():
        if name == "winograd":
            g = Geometry.of((batch, *shape[1:]), weight_shape)
            tiling = winograd.tiling_of(g)
            assert (winograd.forward_blocks(tiling, g.out_channels).parts - 1) * g.out_channels <= g.in_channels / 4
            _, saved = algorithms()[name].forward(np.zeros(g.in_shape, "f4"), np.zeros(g.weight_shape, "f4"), None, g)
            algorithms()[name].backward(np.zeros(g.out_shape, "f4"), saved, (False, True, False))
    assert len(sums) == 3 and max(sums) <= 8
