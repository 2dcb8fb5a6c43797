"""JAX as a competitor in the benchmarks: the whole step jitted, channels last, the weights donated."""

from __future__ import annotations

import numpy as np

from ..lenet_step import StepInputs, channels_first, channels_last
from . import Library, NetworkCalls


def start(threads: int) -> str:
    """Import JAX, which reads its number of threads from the environment. -> its version."""
    import jax
    return jax.__version__


def network(variant: str, inputs: StepInputs) -> NetworkCalls:
    """The LeNet on this batch, from these weights."""
    import jax
    import jax.numpy as jnp
    params = {name: jnp.asarray(array) for name, array in channels_last(inputs.state).items()}
    images, labels = jnp.asarray(inputs.images.transpose(0, 2, 3, 1)), jnp.asarray(inputs.labels, jnp.int32)

    def logits(params, x):
        for i in range(1, 5):
            x = jax.lax.conv_general_dilated(x, params[f"conv{i}.weight"], (1, 1), "VALID",
                                             dimension_numbers=("NHWC", "HWIO", "NHWC"))
            x = jax.nn.relu(x + params[f"conv{i}.bias"])
        n, h, w, c = x.shape
        x = x.reshape(n, h // 2, 2, w // 2, 2, c).max((2, 4))                   # faster than reduce_window
        return x.transpose(0, 3, 1, 2).reshape(n, -1) @ params["fc1.weight"].T + params["fc1.bias"]

    def loss(params, x, labels):
        log_p = jax.nn.log_softmax(logits(params, x))
        return -jnp.take_along_axis(log_p, labels[:, None], 1).mean()

    def descend(params, x, labels):
        value, gradients = jax.value_and_grad(loss)(params, x, labels)
        return jax.tree.map(lambda p, g: p - inputs.lr * g, params, gradients), value
    jitted, infer = jax.jit(descend, donate_argnums=0), jax.jit(logits)

    def step():
        nonlocal params
        params, value = jitted(params, images, labels)
        jax.block_until_ready(params)
        return float(value)

    def weights():
        return channels_first({name: np.asarray(array) for name, array in params.items()})
    return NetworkCalls(step, lambda: np.asarray(infer(params, images)), weights)


LIBRARY = Library(__name__, "jax", "jax", start, network, variants={"jit": "JAX"})
