"""minicnn as a competitor in the benchmarks. The variant is the convolution algorithm."""

from __future__ import annotations

import numpy as np

from ... import Tensor, __version__, no_grad
from ... import functional as F
from ...conv import Geometry, algorithms, choose
from ...conv.layout import to_batch_first
from ...conv.runtime.memory import empty
from ...conv.runtime.threads import set_num_threads
from ...models import MODELS
from ...optim import SGD
from ..lenet_step import NETWORKS, StepInputs
from . import LayerCalls, Library, NetworkCalls


def start(threads: int) -> str:
    """Import minicnn and limit its threads. -> its version."""
    algorithms()                                  # imports numba
    set_num_threads(threads)
    return __version__


def network(variant: str, inputs: StepInputs) -> NetworkCalls:
    """The network on this batch, from these weights."""
    model = MODELS[inputs.model](algorithm=variant)
    model.load_state_dict(inputs.state)
    optimizer = SGD(model.parameters(), inputs.lr)

    def step():
        optimizer.zero_grad()
        loss = F.cross_entropy(model(Tensor(inputs.images)), inputs.labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    def forward():
        with no_grad():
            return (model.eval() if model.training else model)(Tensor(inputs.images)).data
    return NetworkCalls(step, forward, model.state_dict)


def layer(variant: str, geometry: Geometry, x: np.ndarray, weight: np.ndarray, grad: np.ndarray) -> LayerCalls:
    """The convolution of these operands. They lie in memory as between two layers of a network: (C, H, W, N)."""
    algorithm = choose(variant, geometry)
    x, grad = _batch_last(x), _batch_last(grad)

    def backward(saved, needs):
        return algorithm.backward(grad, saved, (*needs, False))[:2]
    return LayerCalls(lambda: algorithm.forward(x, weight, None, geometry), backward, lambda result: result)


def _batch_last(array):
    """The same array (N, C, H, W), in memory (C, H, W, N) from the start of a cache line."""
    n, *image = array.shape
    copy = empty((*image, n), array.dtype)
    copy[...] = array.transpose(1, 2, 3, 0)
    return to_batch_first(copy)


def instructions() -> str:
    """-> the instruction set that the kernels are compiled for."""
    from ...conv.runtime.target import target  # imports numba
    return target().name


LIBRARY = Library(__name__, "minicnn", "minicnn", start, network, layer,       # its variants are its algorithms
                  models=tuple(NETWORKS), instructions=instructions)
