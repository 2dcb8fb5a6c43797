"""Modules of Flax as they stand; `test_jax.py` runs these tests in a process of their own."""

import numpy as np
import pytest

from minicnn.equivariance import OperatorError, verify_convolution

jax = pytest.importorskip("jax")
pytest.importorskip("flax")
from flax import linen, nnx  # noqa: E402

ALL, NONE = (1, 1), (None, None)


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
