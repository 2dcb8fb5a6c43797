"""Modules of Flax as they stand; `test_jax.py` runs these tests in a process of their own."""

import numpy as np
import pytest

from minicnn.equivariance import OperatorError, verify_convolution
from minicnn.equivariance.layerwise import network_report

jax = pytest.importorskip("jax")
pytest.importorskip("flax")
from flax import linen, nnx  # noqa: E402

ALL, TWO, NONE = (1, 1), (2, 2), (None, None)


class Block(nnx.Module):
    def __init__(self, padding="CIRCULAR"):
        rngs = nnx.Rngs(0)
        self.conv, self.norm = nnx.Conv(2, 3, (3, 3), padding=padding, rngs=rngs), nnx.BatchNorm(3, rngs=rngs)
        self.drop = nnx.Dropout(0.5, rngs=rngs)

    def __call__(self, x):
        return self.drop(self.norm(nnx.relu(self.conv(x))))


def evaluating(module):
    module.eval()
    return module


CONV = linen.Conv(3, (3, 3), padding="CIRCULAR")
VARIABLES = CONV.init(jax.random.key(0), np.zeros((1, 8, 8, 2), np.float32))
KNOWN = {               # module, start of the verdict, lattice
    "conv": (lambda: nnx.Conv(2, 3, (3, 3), padding="CIRCULAR", rngs=nnx.Rngs(0)), "a convolution", ALL),
    "same": (lambda: nnx.Conv(2, 3, (3, 3), rngs=nnx.Rngs(0)), "not a convolution at the border, (1, 1, 1, 1)", NONE),
    "block": (lambda: evaluating(Block()), "not linear; equivariant to all shifts", ALL),
    "block with zeros": (lambda: evaluating(Block("SAME")), "not linear; equivariant to no shift", NONE),
    "linen, bound": (lambda: CONV.bind(VARIABLES), "a convolution", ALL),
}


def bits(module):
    if not isinstance(module, nnx.Module):
        return []
    return [np.asarray(jax.random.key_data(one) if jax.dtypes.issubdtype(one.dtype, jax.dtypes.prng_key) else
                       one).tobytes() for one in jax.tree.leaves(nnx.state(module))]


@pytest.mark.parametrize("name", KNOWN)
def test_the_verdict_and_nothing_is_changed(name):
    make, verdict, lattice = KNOWN[name]
    module = make()
    before = bits(module)
    report = verify_convolution(module, 2, (8, 8), trials=2)
    assert report.verdict.startswith(verdict) and report.lattice == lattice, report
    assert report.dtype == "float64" and report.called == "called with arrays of JAX, axes (N, H, W, C)"
    assert bits(module) == before


@pytest.mark.filterwarnings("ignore:scatter inputs")
def test_training_changes_only_copies():
    module = Block()
    before = bits(module)
    assert verify_convolution(module, 2, (8, 8), trials=2).verdict.startswith("not deterministic")
    assert verify_convolution(lambda x: module(x), 2, (8, 8), trials=2, layout="nhwc").verdict.startswith("not determ")
    assert bits(module) == before


def test_a_module_of_linen_needs_its_parameters():
    apply = lambda images: CONV.apply(VARIABLES, images)
    assert verify_convolution(apply, 2, (8, 8), trials=2, layout="nhwc").convolution
    with pytest.raises(OperatorError, match=r"flax.linen has no parameters .*: give module.bind\(variables\), or"):
        verify_convolution(CONV, 2, (8, 8))
    with pytest.raises(OperatorError, match="but it takes an array of shape .*choose layout='nhwc'"):
        verify_convolution(apply, 2, (8, 8))


class LinenNet(linen.Module):
    """Functions between the modules: relu, a pool, the mean."""

    @linen.compact
    def __call__(self, x):
        x = linen.Conv(4, (3, 3), padding="CIRCULAR", name="first")(x)
        x = linen.BatchNorm(use_running_average=True, name="norm")(x)
        x = linen.Conv(4, (1, 1), name="second")(linen.max_pool(linen.relu(x), (2, 2), (2, 2)))
        x = linen.Conv(4, (3, 3), name="third")(x)
        return linen.Dense(3, name="head")(x.mean((1, 2)))


def test_the_layers_of_a_module_of_linen():
    variables = LinenNet().init(jax.random.key(0), np.zeros((1, 8, 8, 2), np.float32))
    found = network_report(LinenNet().bind(variables), 2, (8, 8), "torus", trials=1)
    assert [(one.name, one.report.lattice) for one in found.steps] == [
        ("first", ALL), ("norm", ALL), ("functions before second", TWO), ("second", TWO), ("third", NONE)]
    assert found.first.title == "functions before second"
    assert found.first.reason.startswith("functions outside of the library's layers")
    assert found.layers[-1].reason == ("its zero padding 'SAME' makes pixels at the border: use padding='CIRCULAR' on "
                                       "the torus, or judge it on the plane or in a window")
    assert [one.name for one in found.after] == ["functions before head", "head"]
    with pytest.raises(OperatorError, match=r"flax.linen has no parameters"):
        network_report(LinenNet(), 2, (8, 8))


class Deep(nnx.Module):
    def __init__(self, rngs):
        self.blocks = nnx.List([Block(), Block("REFLECT")])
        self.down, self.head = nnx.Conv(3, 2, (2, 2), 2, padding=0, rngs=rngs), nnx.Linear(2, 3, rngs=rngs)
        self.blocks[1].conv = nnx.Conv(3, 3, (3, 3), padding="REFLECT", rngs=rngs)

    def __call__(self, x):
        for block in self.blocks:
            x = x.mean(3, keepdims=True) + block(x)
        return self.head(self.down(x))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_layers_of_a_module_of_nnx(dtype):
    module = evaluating(Deep(nnx.Rngs(0)))
    before, kinds = bits(module), [type(one) for _, one in nnx.iter_modules(module)]
    found = network_report(module, 2, (8, 8), "torus", dtype, trials=1)
    named = [one.name for one in found.steps]
    assert named[:4] == ["blocks.0.conv", "functions before blocks.0.norm", "blocks.0.norm", "blocks.0.drop"]
    assert named[-2:] == ["down", "head"] and {one.report.dtype for one in found.layers} == {dtype}
    assert found.first.title == "blocks.1.conv Conv" and found.first.reason.startswith("its reflect padding 'REFLECT'")
    assert found.layers[-2].reason.startswith("its stride (2, 2) keeps only shifts")
    assert bits(module) == before and [type(one) for _, one in nnx.iter_modules(module)] == kinds
