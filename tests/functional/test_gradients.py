"""Every operation's gradients against central differences; its dtype; its inputs."""

import numpy as np
import pytest

from minicnn import Tensor
from minicnn import functional as F
from tests.reference import assert_gradients, distinct


def with_options(function, *args, **kwargs):
    return lambda x: function(x, *args, **kwargs)


LABELS = np.array([2, 0, 1, 2])
GRADIENTS = {
    "relu": (F.relu, [(3, 4)]),
    "leaky_relu": (with_options(F.leaky_relu, 0.2), [(3, 4)]),
    "tanh": (F.tanh, [(3,)]),
    "sigmoid": (F.sigmoid, [(3,)]),
    "prelu": (F.prelu, [(3, 4), (4,)]),
    "hardtanh": (with_options(F.hardtanh, -0.21, 0.32), [(3, 4)]),
    "relu6": (F.relu6, [(3, 4)]),
    "elu": (with_options(F.elu, 0.7), [(3, 4)]),
    "silu": (F.silu, [(3, 4)]),
    "gelu": (F.gelu, [(3, 4)]),
    "gelu tanh": (with_options(F.gelu, "tanh"), [(3, 4)]),
    "softplus": (with_options(F.softplus, 3), [(3, 4)]),
    "softmax": (with_options(F.softmax, 0), [(3, 4)]),
    "linear": (F.linear, [(2, 3), (4, 3), (4,)]),
    "linear without bias": (F.linear, [(2, 3), (4, 3)]),
    "linear, more axes": (F.linear, [(2, 5, 3), (4, 3), (4,)]),
    "linear, one sample": (F.linear, [(3,), (4, 3), (4,)]),
    "flatten": (with_options(F.flatten, 1), [(2, 3, 4)]),
    "max_pool2d": (with_options(F.max_pool2d, 2), [(2, 3, 6, 6)]),
    "max_pool2d overlapping": (with_options(F.max_pool2d, 3, 1, 1), [(1, 2, 4, 5)]),
    "max_pool2d dilated": (with_options(F.max_pool2d, 2, 1, 0, 2), [(1, 1, 5, 5)]),
    "max_pool2d ceil": (with_options(F.max_pool2d, 2, ceil_mode=True), [(1, 1, 5, 3)]),
    "max_pool2d single": (with_options(F.max_pool2d, (1, 2)), [(2, 3, 4)]),
    "avg_pool2d": (with_options(F.avg_pool2d, 2), [(2, 3, 5, 4)]),
    "avg_pool2d padded": (with_options(F.avg_pool2d, 3, 2, 1), [(1, 2, 5, 5)]),
    "avg_pool2d without padding": (with_options(F.avg_pool2d, 3, 2, 1, count_include_pad=False), [(1, 2, 5, 5)]),
    "avg_pool2d ceil": (with_options(F.avg_pool2d, 2, 2, 1, True), [(1, 1, 6, 5)]),
    "avg_pool2d divisor": (with_options(F.avg_pool2d, 2, divisor_override=3), [(1, 1, 4, 4)]),
    "adaptive_avg_pool2d": (with_options(F.adaptive_avg_pool2d, (2, 3)), [(1, 2, 5, 7)]),
    "adaptive_max_pool2d": (with_options(F.adaptive_max_pool2d, (2, 3)), [(1, 2, 5, 7)]),
    "global average": (with_options(F.adaptive_avg_pool2d, 1), [(2, 2, 3, 3)]),
    "log_softmax": (F.log_softmax, [(3, 4)]),
    "log_softmax over rows": (with_options(F.log_softmax, 0), [(3, 4)]),
    "cross_entropy": (with_options(F.cross_entropy, LABELS), [(4, 3)]),
    "cross_entropy everything": (with_options(F.cross_entropy, LABELS, np.array([0.5, 2, 1.0]), ignore_index=0,
                                         label_smoothing=0.1), [(4, 3)]),
    "cross_entropy sum": (with_options(F.cross_entropy, LABELS, reduction="sum"), [(4, 3)]),
    "cross_entropy none": (with_options(F.cross_entropy, LABELS, reduction="none"), [(4, 3)]),
    "cross_entropy images": (with_options(F.cross_entropy, np.array([[[0, 2], [1, 1]]])), [(1, 3, 2, 2)]),
    "cross_entropy one": (with_options(F.cross_entropy, np.array(2)), [(3,)]),
    "cross_entropy probabilities": (with_options(F.cross_entropy, np.full((4, 3), 1 / 3), label_smoothing=0.2),
                                    [(4, 3)]),
    "nll_loss": (with_options(F.nll_loss, LABELS, np.array([0.5, 2, 1.0]), ignore_index=0), [(4, 3)]),
    "layer_norm": (lambda x, w, b: F.layer_norm(x, (3, 2), w, b), [(4, 3, 2), (3, 2), (3, 2)]),
    "group_norm": (lambda x, w, b: F.group_norm(x, 2, w, b), [(2, 4, 3), (4,), (4,)]),
    "instance_norm": (lambda x, w, b: F.instance_norm(x, None, None, w, b), [(2, 2, 3, 3), (2,), (2,)]),
    "mse_loss": (F.mse_loss, [(3, 2), (3, 2)]),
    "mse_loss none": (lambda x, y: F.mse_loss(x, y, "none"), [(3,), (3,)]),
    "batch_norm train": (lambda x, w, b: F.batch_norm(x, None, None, w, b, True), [(4, 3, 2, 2), (3,), (3,)]),
    "batch_norm eval": (lambda x, w, b: F.batch_norm(x, np.full(3, 0.5), np.full(3, 2.0), w, b),
                        [(4, 3, 2, 2), (3,), (3,)]),
}


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradient(name, rng):
    operation, shapes = GRADIENTS[name]
    assert_gradients(operation, [distinct(rng, *shape) for shape in shapes], rng)


@pytest.mark.parametrize("name", GRADIENTS)
def test_dtype_is_kept_and_inputs_are_not_changed(name, rng):
    operation, shapes = GRADIENTS[name]
    arrays = [distinct(rng, *shape).astype(np.float32) for shape in shapes]
    tensors = [Tensor(a.copy(), requires_grad=True) for a in arrays]
    out = operation(*tensors)
    out.backward(rng.standard_normal(out.shape))
    for tensor, array in zip(tensors, arrays, strict=True):
        assert out.dtype == tensor.grad.dtype == np.float32
        np.testing.assert_array_equal(tensor.data, array)
