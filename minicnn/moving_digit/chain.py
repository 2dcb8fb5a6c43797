"""A network that the page can show, whatever its class: convolutions with ReLUs, one max-pool, linear layers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .. import functional as F
from ..autograd import no_grad
from ..checks import pair
from ..errors import InputError
from ..models import LeNet
from ..nn import Conv2d, Dropout, Flatten, Identity, Linear, MaxPool2d, Module, ReLU
from ..nn.calls import evaluating, recorded_calls
from ..nn.unchanged import looking
from ..tensor import Tensor
from .canvas import DIGIT
from .network import modules_of

FORM = ("the page shows networks of this form: convolutions of stride 1 without padding, each with a ReLU; one 2x2 "
        "max-pool; linear layers with ReLUs between them")


class Chain:
    """The layers of a network, called one after the other.

    Attributes
    ----------
    convolutions : list of Conv2d
        A ReLU follows each. In the page they are conv1, conv2, ...
    reach : tuple of int
        A pixel of each convolution's map sees so many pixels of the picture, each way.
    pool : MaxPool2d
    head : list of Module
        Linear layers and ReLUs, on what the pool gives, flattened.
    in_channels : int
    """

    def __init__(self, modules: list[tuple[str, Any]]) -> None:
        """The chain of modules in the order of their calls. Raises InputError if it has another form: see `FORM`."""
        kinds = [type(module) for _, module in modules]
        count = kinds.index(MaxPool2d) // 2 if MaxPool2d in kinds else 0
        whole = f"the network is {', '.join(kind.__name__ for kind in kinds)}: {FORM}"
        if not count:
            raise InputError(whole)
        expected = [Conv2d, ReLU] * count + [MaxPool2d]
        for (name, module), kind in zip(modules, expected, strict=False):
            if not isinstance(module, kind):
                raise InputError(f"{name} is {module!r} where a {kind.__name__} is expected: {FORM}")
        rest = [(name, module) for name, module in modules[len(expected):] if not isinstance(module, Flatten)]
        for name, module in rest:
            if not isinstance(module, (Linear, ReLU)):
                raise InputError(f"{name} is {module!r}, after the pool: {FORM}. A map behind a pool does not move "
                                 "with every pixel")
        if not rest or not isinstance(rest[-1][1], Linear):
            raise InputError(whole)
        self.convolutions: list[Any] = [module for _, module in modules[:2 * count:2]]
        self.pool, self.head = modules[2 * count][1], [module for _, module in rest]
        self.in_channels = self.convolutions[0].in_channels
        for name, module in modules[:2 * count:2]:
            _check_convolution(name, module)
        self.reach = tuple(np.cumsum([conv.kernel_size[0] - 1 for conv in self.convolutions]) + 1)
        windows = [pair(modules[2 * count][0], size, 1) for size in (self.pool.kernel_size, self.pool.stride)]
        if windows != [(2, 2), (2, 2)] or self.reach[-1] > DIGIT - 1:
            sees = f"{self.reach[-1]}x{self.reach[-1]}"
            raise InputError(f"{modules[2 * count][0]} is {self.pool!r} after convolutions that see {sees} pixels: "
                             f"{FORM}; a pixel of the last map sees at most {DIGIT - 1}x{DIGIT - 1}")

    @property
    def names(self) -> list[str]:
        """conv1, conv2, ..."""
        return [f"conv{number + 1}" for number in range(len(self.convolutions))]

    def modules(self) -> list[tuple[str, Module]]:
        """All modules in order, for `network.layers_of`: conv1, conv2, ..., pool, fc1, fc2, ..."""
        found: list[tuple[str, Module]] = [("pool", self.pool)]
        for module in self.head:
            linear = sum(isinstance(one, Linear) for _, one in found) + isinstance(module, Linear)
            found.append((f"fc{linear}" if isinstance(module, Linear) else f"relu of fc{linear}", module))
        before = [(name, one) for name, conv in zip(self.names, self.convolutions, strict=True)
                  for one in (conv, ReLU())]
        return before + found

    def maps(self, x: Tensor) -> Iterator[tuple[str, Tensor]]:
        """The name and the map of each convolution, after its ReLU."""
        for name, conv in zip(self.names, self.convolutions, strict=True):
            x = conv(x, relu=True)
            yield name, x

    def __call__(self, x: Tensor) -> Tensor:
        """The class scores of pictures of the size of the linear layer."""
        for _, newest in self.maps(x):
            last = newest
        x = F.flatten(self.pool(last), 1)
        for module in self.head:
            x = module(x)
        return x


@looking
def chain_of(model: Module, channels: int) -> Chain:
    """The chain that a network is. One random picture of 28 x 28 pixels goes through it, and its calls are recorded.

    Raises
    ------
    InputError
        The network is not a chain, or one of another form. The message says where.

    Examples
    --------
    >>> from minicnn.nn import Sequential
    >>> net = Sequential(Conv2d(1, 2, 9), ReLU(), MaxPool2d(2), Flatten(), Linear(200, 3))
    >>> chain_of(net, 1).names
    ['conv1']
    """
    if isinstance(model, LeNet):
        return Chain(modules_of(model))
    x = Tensor(np.random.default_rng(0).normal(size=(2, channels, DIGIT, DIGIT)).astype(np.float32))
    with no_grad(), evaluating(model), recorded_calls(model) as calls:
        out = model(x)
    modules: list[tuple[str, Module]] = []
    before, last = x, "the picture"
    for name, module, inputs, output in calls:
        modules += _between(before, inputs[0], last, name)
        before, last = output, name
        if not isinstance(module, (Dropout, Identity)):
            modules.append((name, module))
    if _same(before, out):
        return Chain(modules)
    raise InputError(f"the network changes the output of {last} before it returns it: {FORM}")


def _between(before, after, last, name):
    """What was called as a function between two layers: nothing, a ReLU, a max-pool of 2x2, or both."""
    relu, pool = (f"the ReLU after {last}", ReLU()), (f"the pool after {last}", MaxPool2d(2))
    for found in ([], [relu], [pool], [relu, pool]):
        x = before
        if pool in found and (before.ndim != 4 or min(before.shape[2:]) < 2):
            continue
        for _, module in found:
            x = module(x)
        if _same(x, after):
            return found
    raise InputError(f"the input of {name} is not the output of {last}: {FORM}")


def _same(one, other):
    """Whether two tensors have the same numbers in the same order."""
    return np.array_equal(one.data.ravel(), other.data.ravel())


def _check_convolution(name, conv):
    """Refuse a convolution whose map does not move with every pixel, or is smaller than the kernel says."""
    square = conv.kernel_size[0] == conv.kernel_size[1]
    plain = conv.stride == (1, 1) and conv.dilation == (1, 1) and conv.groups == 1
    if not square or not plain or conv.padding not in (0, (0, 0), "valid"):
        raise InputError(f"{name} is {conv!r}: {FORM}; kernels are square, without dilation and groups")
