"""A network as a list of layers and one vector of weights: what the page needs to compute maps itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..checks import pair
from ..errors import InputError
from ..models import LeNet
from ..nn import AvgPool2d, Conv2d, Flatten, Linear, MaxPool2d, Module, ReLU

REFUSED = "the page computes convolutions, ReLUs, max- and average-pools, one flatten, and linear layers"


def layers_of(modules: Sequence[tuple[str, Module]]) -> tuple[list[dict[str, Any]], np.ndarray]:
    """Write down modules that are called one after the other.

    Parameters
    ----------
    modules : sequence of (name, Module)
        Conv2d, ReLU, MaxPool2d, AvgPool2d, Flatten and Linear.

    Returns
    -------
    layers : list of dict
        The layers for `page/engine.js`, which describes them. A ReLU is a mark of the layer before it.
    weights : ndarray of float32, shape (n,)
        All weights and biases, one after the other, each in C order.

    Raises
    ------
    InputError
        A module or one of its options is not among those that the page computes. The message says which.

    Examples
    --------
    >>> layers, weights = layers_of(modules_of(LeNet()))
    >>> [layer["name"] for layer in layers], weights.shape
    (['conv1', 'conv2', 'conv3', 'conv4', 'pool', 'fc1'], (67415,))
    """
    layers: list[dict[str, Any]] = []
    parts: list[np.ndarray] = []
    for name, module in modules:
        if isinstance(module, ReLU):
            if not layers:
                raise InputError(f"{name}: a ReLU before the first layer: {REFUSED}, and a ReLU only after another "
                                 "layer")
            layers[-1]["relu"] = True
        elif not isinstance(module, Flatten):
            layers.append({"name": name, "relu": False, **_layer(name, module, parts)})
    return layers, np.concatenate(parts) if parts else np.zeros(0, np.float32)


def modules_of(model: LeNet) -> list[tuple[str, Module]]:
    """The modules of a LeNet in the order in which it calls them."""
    return [(name, getattr(model, name)) for name in ("conv1", "relu1", "conv2", "relu2", "conv3", "relu3", "conv4",
                                                      "relu4", "pool", "fc1")]


def _layer(name, module, parts):
    """The kind and the numbers of one layer. Its parameters are appended to `parts`."""
    if isinstance(module, Conv2d):
        if module.groups != 1 or module.padding_mode != "zeros" or isinstance(module.padding, str):
            raise InputError(f"{name}: {module!r}: {REFUSED}, and a convolution only with groups 1 and a number as "
                             "padding")
        return {"kind": "conv2d", "in": module.in_channels, "out": module.out_channels,
                "kernel": list(module.kernel_size), "stride": list(module.stride),
                "padding": list(pair(name, module.padding, 0)), "dilation": list(module.dilation),
                **_parameters(module, parts)}
    if isinstance(module, Linear):
        return {"kind": "linear", "in": module.in_features, "out": module.out_features, **_parameters(module, parts)}
    if isinstance(module, (MaxPool2d, AvgPool2d)):
        return {"kind": "max_pool2d" if isinstance(module, MaxPool2d) else "avg_pool2d", **_window(name, module)}
    raise InputError(f"{name}: {module!r}: {REFUSED}")


def _parameters(module, parts):
    """Where the weight and the bias begin, once they stand at the end of `parts`."""
    at = {}
    for name in ("weight", "bias"):
        parameter = getattr(module, name)
        at[name] = None if parameter is None else sum(map(np.size, parts))
        if parameter is not None:
            parts.append(np.asarray(parameter.data, np.float32).ravel())
    return at


def _window(name, module):
    """The kernel and the stride of a pool."""
    plain = pair(name, module.padding, 0) == (0, 0) and pair(name, module.dilation, 1) == (1, 1)
    if not plain or module.ceil_mode or getattr(module, "return_indices", False) or getattr(
            module, "divisor_override", None):
        raise InputError(f"{name}: {module!r}: {REFUSED}, and a pool only with a kernel and a stride")
    return {"kernel": list(pair(name, module.kernel_size, 1)), "stride": list(pair(name, module.stride, 1))}
