"""The networks that have a name on the command line and in checkpoints, and how they are made for given data."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ..errors import InputError
from ..nn import Module
from .lenets import GlobalLeNet, LeNet
from .mlp import MLP
from .resnet import small_resnet

MODELS: dict[str, Callable[..., Module]] = {
    "lenet": LeNet, "lenet-average": partial(LeNet, pool="average"), "lenet-blur": partial(LeNet, pool="blur"),
    "lenet-global": GlobalLeNet, "mlp": MLP, "small-resnet": small_resnet}
SIZES = ("in_channels", "num_classes", "image_size")    # arguments that the data determine; image_size is (H, W)


def made_for(factory: Callable[..., Any], **arguments: Any) -> Any:
    """Call a class or function with those of the arguments that its signature names.

    Thus a network that takes pictures of any size needs no argument `image_size`.

    Examples
    --------
    >>> made_for(MODELS["small-resnet"], in_channels=3, num_classes=2, image_size=(30, 40)).fc
    Linear(64, 2)
    >>> made_for(lambda: "no arguments", in_channels=3)
    'no arguments'
    """
    try:
        named = inspect.signature(factory).parameters
    except ValueError:                                  # of a class in C
        return factory()
    taken = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return factory(**{name: value for name, value in arguments.items()
                      if name in named and named[name].kind in taken})


def sizes_of(model: Module) -> dict[str, Any]:
    """The arguments in `SIZES` with which a network of this package was made. Those that it does not have are left out.

    For every other network this is {}.

    >>> sizes_of(LeNet(num_classes=3)), sizes_of(small_resnet(2))
    ({'in_channels': 1, 'num_classes': 3, 'image_size': (28, 28)}, {'in_channels': 2, 'num_classes': 10})
    """
    own = type(model).__module__.startswith(f"{__package__}.")
    return {name: value for name in SIZES if own and (value := getattr(model, name, None)) is not None}


def name_of(model: Module) -> str:
    """The name in `MODELS` of a network with these layers and sizes; for every other model the name of its class.

    >>> name_of(LeNet(pool="blur")), name_of(small_resnet(3, 2)), name_of(MLP(32)), name_of(MLP(image_size=6))
    ('lenet-blur', 'small-resnet', 'MLP', 'mlp')
    """
    def layers(network):
        shapes = {name: array.shape for name, array in network.state_dict().items()}
        return [(name, type(module)) for name, module in network.named_modules()], shapes
    found, sizes = layers(model), sizes_of(model)
    for name, make in MODELS.items() if sizes else ():
        with contextlib.suppress(InputError):               # a network that cannot be made for these sizes
            if layers(made_for(make, rng=np.random.default_rng(0), **sizes)) == found:
                return name
    return type(model).__name__
