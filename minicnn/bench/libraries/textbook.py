"""The textbook's LeNet in float32 as a competitor in the benchmarks. NumPy's matrix products use BLAS threads."""

from __future__ import annotations

import numpy as np

from ..lenet_step import StepInputs
from ..textbook_lenet import TextbookLeNet
from . import Library, NetworkCalls


def start(threads: int) -> str:
    """-> NumPy's version. The worker limits the threads of BLAS."""
    return np.__version__


def network(variant: str, inputs: StepInputs) -> NetworkCalls:
    """The LeNet on this batch, from these weights."""
    model, lr = TextbookLeNet(inputs.state), np.float32(inputs.lr)

    def step():
        loss, gradients = model.gradients(inputs.images, inputs.labels)
        model.descend(gradients, lr)
        return float(loss)
    return NetworkCalls(step, lambda: model.forward(inputs.images), lambda: model.state)


LIBRARY = Library(__name__, "numpy", "numpy", start, network, variants={"im2col": "textbook NumPy"})
