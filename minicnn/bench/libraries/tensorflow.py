"""TensorFlow as a competitor in the benchmarks: one tf.function for the whole step, channels last."""

from __future__ import annotations

import numpy as np

from ..lenet_step import StepInputs, channels_first, channels_last
from . import LeNetCalls, Library


def start(threads: int) -> str:
    """Import TensorFlow and limit its threads. -> its version."""
    import tensorflow as tf
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    return tf.__version__


def lenet(variant: str, inputs: StepInputs) -> LeNetCalls:
    """The LeNet on this batch, from these weights."""
    import tensorflow as tf
    params = {name: tf.Variable(array) for name, array in channels_last(inputs.state).items()}
    images, labels = tf.constant(inputs.images.transpose(0, 2, 3, 1)), tf.constant(inputs.labels)

    @tf.function
    def logits():
        x = images
        for i in range(1, 5):
            x = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(x, params[f"conv{i}.weight"], 1, "VALID"),
                                          params[f"conv{i}.bias"]))
        x = tf.transpose(tf.nn.max_pool2d(x, 2, 2, "VALID"), (0, 3, 1, 2))      # flattened as (C, H, W)
        return tf.matmul(tf.reshape(x, (len(inputs.labels), -1)), params["fc1.weight"], transpose_b=True) \
            + params["fc1.bias"]

    @tf.function
    def descend():
        with tf.GradientTape() as tape:
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits())
            loss = tf.reduce_mean(losses)
        variables = list(params.values())
        for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
            variable.assign_sub(np.float32(inputs.lr) * gradient)
        return loss

    def weights():
        return channels_first({name: variable.numpy() for name, variable in params.items()})
    return LeNetCalls(lambda: float(descend().numpy()), lambda: logits().numpy(), weights)


LIBRARY = Library(__name__, "tensorflow", "tensorflow", start, lenet, variants={"function": "TensorFlow"})
