"""The networks that have a name on the command line and in checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from ..nn import Module
from .lenets import GlobalLeNet, LeNet
from .mlp import MLP
from .resnet import small_resnet

MODELS: dict[str, Callable[..., Module]] = {
    "lenet": LeNet, "lenet-average": partial(LeNet, pool="average"), "lenet-blur": partial(LeNet, pool="blur"),
    "lenet-global": GlobalLeNet, "mlp": MLP, "small-resnet": small_resnet}


def name_of(model: Module) -> str:
    """The name in `MODELS` of a network with these layers and sizes; for every other model the name of its class.

    >>> name_of(LeNet(pool="blur")), name_of(MLP(32))
    ('lenet-blur', 'MLP')
    """
    def layers(network):
        shapes = {name: array.shape for name, array in network.state_dict().items()}
        return [(name, type(module)) for name, module in network.named_modules()], shapes
    found = layers(model)
    return next((name for name, make in MODELS.items() if layers(make(rng=np.random.default_rng(0))) == found),
                type(model).__name__)
