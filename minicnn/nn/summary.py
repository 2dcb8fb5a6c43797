"""A model's layers as a table: output shape, parameters, multiply-adds, receptive field, convolution algorithm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..autograd import no_grad
from ..checks import pair
from ..conv import Geometry, choose
from ..tensor import Tensor
from .layers import AvgPool2d, Conv2d, Linear, MaxPool2d
from .module import recorded_calls


@dataclass(frozen=True)
class Layer:
    """One layer as it is called in a forward pass.

    Attributes
    ----------
    name, kind : str
    out_shape : tuple of int
        Without the batch axis.
    parameters : int
    multiply_adds : int
        Products per image.
    receptive_field : int or None
        Width in input pixels of what one output pixel sees; None where it is the whole image.
    algorithm : str or None
        Of a convolution, at this batch size.
    """

    name: str
    kind: str
    out_shape: tuple[int, ...]
    parameters: int
    multiply_adds: int
    receptive_field: int | None
    algorithm: str | None


def summarize(model, input_shape) -> list[Layer]:
    """The layers of a model in the order in which they are called, for an input of shape (N, C, H, W).

    The receptive field is right for a chain of layers; it follows r -> r + (span - 1) j, j -> j stride.

    Examples
    --------
    >>> from minicnn.models import LeNet
    >>> layers = summarize(LeNet(), (1, 1, 28, 28))
    >>> [(layer.name, layer.receptive_field) for layer in layers]
    [('conv1', 5), ('conv2', 9), ('conv3', 13), ('conv4', 17), ('pool', 18), ('fc1', None)]
    """
    dtype = next((p.dtype for p in model.parameters()), np.dtype(np.float32))
    with recorded_calls(model) as calls, no_grad():
        model(Tensor(np.zeros(input_shape, dtype)))
    layers, field, jump = [], 1, 1
    for name, module, x, out in calls:
        span, stride = _window(module)
        field = None if isinstance(module, Linear) or field is None else field + (span - 1) * jump
        jump *= stride
        products, algorithm = _products(module, x.shape, str(dtype))
        parameters = sum(p.size for p in module.parameters())
        layers.append(Layer(name, repr(module), out.shape[1:], parameters, products, field, algorithm))
    return layers


def _window(module):
    """Vertical span and stride of what one output pixel of a layer sees."""
    if isinstance(module, Conv2d):
        return module.dilation[0] * (module.kernel_size[0] - 1) + 1, module.stride[0]
    if isinstance(module, (MaxPool2d, AvgPool2d)):
        dilation = pair("dilation", getattr(module, "dilation", 1), 1)[0]
        return dilation * (pair("kernel_size", module.kernel_size, 1)[0] - 1) + 1, pair("stride", module.stride, 1)[0]
    return 1, 1


def _products(module, in_shape, dtype):
    if isinstance(module, Conv2d):
        geometry = Geometry.of(in_shape, module.weight.shape, module.stride, module.padding, module.dilation,
                               module.groups, module.padding_mode, dtype)
        return geometry.multiply_adds // in_shape[0], choose(module.algorithm, geometry).name
    return (module.weight.size, None) if isinstance(module, Linear) else (0, None)
