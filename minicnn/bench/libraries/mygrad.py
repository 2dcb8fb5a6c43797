"""MyGrad as a competitor in the benchmarks, with memory guarding off, as its documentation advises for speed."""

from __future__ import annotations

from ..lenet_step import StepInputs
from . import Library, NetworkCalls


def start(threads: int) -> str:
    """Import MyGrad, which has no threads of its own. -> its version."""
    import mygrad
    mygrad.turn_memory_guarding_off()
    return mygrad.__version__


def network(variant: str, inputs: StepInputs) -> NetworkCalls:
    """The LeNet on this batch, from these weights."""
    import mygrad as mg
    import numpy as np
    from mygrad.nnet.activations import relu
    from mygrad.nnet.layers import conv_nd, max_pool
    from mygrad.nnet.losses import softmax_crossentropy
    params = {name: mg.tensor(array.copy()) for name, array in inputs.state.items()}
    lr = np.float32(inputs.lr)

    def logits():
        x = inputs.images
        for i in range(1, 5):
            x = relu(conv_nd(x, params[f"conv{i}.weight"], stride=1) + params[f"conv{i}.bias"].reshape(1, -1, 1, 1))
        return max_pool(x, (2, 2), 2).reshape(len(x), -1) @ params["fc1.weight"].T + params["fc1.bias"]

    def step():
        loss = softmax_crossentropy(logits(), inputs.labels)
        loss.backward()
        for param in params.values():
            param.data -= lr * param.grad
        return loss.item()

    def forward():
        with mg.no_autodiff:
            return np.asarray(logits())
    return NetworkCalls(step, forward, lambda: {name: param.data for name, param in params.items()})


LIBRARY = Library(__name__, "mygrad", "mygrad", start, network, variants={"eager": "MyGrad"})
