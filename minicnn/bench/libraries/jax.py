"""JAX: the whole step jitted, channels last, the weights donated."""

from __future__ import annotations

import numpy as np

from .. import libraries

HWIO = (2, 3, 1, 0)                               # (K, C, kh, kw) -> (kh, kw, C, K)
KCHW = (3, 2, 0, 1)


def load(threads):                                # the parent has set XLA's flags and this process's cores
    import jax
    return jax.__version__


def lenet(variant, problem):
    import jax
    import jax.numpy as jnp
    params = {name: jnp.asarray(array.transpose(HWIO) if array.ndim == 4 else array)
              for name, array in problem.state.items()}
    images, labels = jnp.asarray(problem.images.transpose(0, 2, 3, 1)), jnp.asarray(problem.labels, jnp.int32)

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
        return jax.tree.map(lambda p, g: p - problem.lr * g, params, gradients), value
    jitted, infer = jax.jit(descend, donate_argnums=0), jax.jit(logits)

    def step():
        nonlocal params
        params, value = jitted(params, images, labels)
        jax.block_until_ready(params)
        return float(value)

    def weights():
        arrays = {name: np.asarray(array) for name, array in params.items()}
        return {name: array.transpose(KCHW) if array.ndim == 4 else array for name, array in arrays.items()}
    return libraries.LeNet(step, lambda: np.asarray(infer(params, images)), weights)
