"""The ReLU and its gradient in passes are those of NumPy, bit for bit."""

import numpy as np
import pytest

from minicnn import Tensor
from minicnn import functional as F
from minicnn.passes import channels, rectifier
from minicnn.passes.rectifier import gate, relu

ODD = np.array([0.0, -0.0, 1.5, -1.5, np.inf, -np.inf, np.nan, 1e-45, -1e-45, 3e38], np.float32)
ORDERS = [lambda x: x, lambda x: np.moveaxis(np.moveaxis(x, 0, -1).copy(), -1, 0), lambda x: x[::-1],
          lambda x: np.asfortranarray(x)]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("shape", [(3, 2, 5, 7), (4, 3), (2, 3, 40), (0, 2, 3)])
@pytest.mark.parametrize("block", [7, 8192])
def test_bit_for_bit(shape, order, block, rng, monkeypatch):
    monkeypatch.setattr(channels, "BLOCK", block)
    x, grad = (order(rng.choice(ODD, shape).astype(np.float32)) for _ in range(2))
    x.flags.writeable = grad.flags.writeable = False
    y = relu(x)
    np.testing.assert_array_equal(y, np.maximum(x, 0))
    np.testing.assert_array_equal(gate(grad, y), np.where(y != 0, grad, 0))
    assert y.dtype == gate(grad, y).dtype == np.float32


def test_large_arrays_take_the_passes_and_give_the_same(rng, monkeypatch):
    x, cotangent = rng.standard_normal((2, 40, 50, 60)).astype(np.float32)
    found = []
    for least in rectifier.LEAST, np.inf:
        monkeypatch.setattr(rectifier, "LEAST", least)
        leaf = Tensor(x, requires_grad=True)
        out = F.relu(leaf)
        out.backward(cotangent)
        found.append((out.data.tobytes(), leaf.grad.tobytes()))
    assert found[0] == found[1] and x.size >= 100_000
