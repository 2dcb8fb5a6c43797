"""TensorFlow as a competitor in the benchmarks: one tf.function for the whole step, channels last."""

from __future__ import annotations

import numpy as np

from ...conv import Geometry
from ..lenet_step import HWIO, KCHW, StepInputs, channels_first, channels_last
from . import LayerCalls, Library, NetworkCalls


def start(threads: int) -> str:
    """Import TensorFlow and limit its threads. -> its version."""
    import tensorflow as tf
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    return tf.__version__


def network(variant: str, inputs: StepInputs) -> NetworkCalls:
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
    return NetworkCalls(lambda: float(descend().numpy()), lambda: logits().numpy(), weights)


def layer(variant: str, geometry: Geometry, x: np.ndarray, weight: np.ndarray, grad: np.ndarray) -> LayerCalls:
    """The convolution of these operands, channels last. A layer with a group for each channel has an operation apart.

    The kernel of that operation is (kh, kw, C, K / C) instead of (kh, kw, C / groups, K).
    """
    import tensorflow as tf
    raw, g = tf.raw_ops, geometry
    depthwise = g.groups == g.in_channels > 1
    forms = (*g.kernel, g.in_channels, -1) if depthwise else (*g.kernel, g.in_channels // g.groups, -1)
    image, cotangent = (tf.constant(array.transpose(0, 2, 3, 1)) for array in (x, grad))
    kernel = tf.constant(weight.transpose(HWIO).reshape(forms))
    options = {"strides": [1, *g.stride, 1], "padding": "EXPLICIT", "dilations": [1, *g.dilation, 1],
               "explicit_paddings": [0, 0, *g.padding[0], *g.padding[1], 0, 0]}
    names = ("DepthwiseConv2dNative", "DepthwiseConv2dNativeBackprop") if depthwise else ("Conv2D", "Conv2DBackprop")
    convolve, to_input, to_kernel = (getattr(raw, name) for name in (names[0], f"{names[1]}Input", f"{names[1]}Filter"))

    @tf.function
    def forward():
        return convolve(input=image, filter=kernel, **options)

    @tf.function
    def grad_input():
        return to_input(input_sizes=image.shape, filter=kernel, out_backprop=cotangent, **options)

    @tf.function
    def grad_weight():
        return to_kernel(input=image, filter_sizes=kernel.shape, out_backprop=cotangent, **options)

    def array(result):
        order, tensor = result
        return (tensor.numpy().reshape(*g.kernel, -1, g.out_channels) if order == KCHW else tensor.numpy()) \
            .transpose(order)
    images = (0, 3, 1, 2)                         # (N, H, W, C) -> (N, C, H, W)
    return LayerCalls(lambda: ((images, forward()), None), lambda saved, needs: (
        (images, grad_input()) if needs[0] else None, (KCHW, grad_weight()) if needs[1] else None), array)


LIBRARY = Library(__name__, "tensorflow", "tensorflow", start, network, layer, variants={"function": "TensorFlow"},
                  layer_variants={"function": "TensorFlow"})
