"""PyTorch as a competitor in the benchmarks: eager with channels first or channels last, and compiled."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np

from ...conv import Geometry
from ..lenet_step import StepInputs
from . import LayerCalls, Library, NetworkCalls


def start(threads: int) -> str:
    """Import PyTorch and limit its threads. -> its version."""
    import torch
    torch.set_num_threads(threads)
    torch.set_num_interop_threads(1)              # the step is one chain of operations
    return torch.__version__


def network(variant: str, inputs: StepInputs) -> NetworkCalls:
    """The network on this batch, from these weights. `compiled` is channels last too."""
    import torch
    from torch import nn
    model: Any = MODULES[inputs.model]()
    model.load_state_dict({name: torch.from_numpy(array) for name, array in inputs.state.items()}, strict=False)
    order = torch.contiguous_format if variant == "nchw" else torch.channels_last
    model = model.to(memory_format=order)
    images = torch.from_numpy(inputs.images).to(memory_format=order, copy=True)    # in torch's own, aligned memory
    labels = torch.from_numpy(inputs.labels)
    optimizer = torch.optim.SGD(model.parameters(), inputs.lr)
    made = torch.compile(model) if variant == "compiled" else model

    def step():
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(made(images), labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    def forward():
        with torch.no_grad():
            model.eval() if model.training else None
            return made(images).numpy()

    def weights():
        return {name: tensor.numpy() for name, tensor in model.state_dict().items() if name in inputs.state}
    return NetworkCalls(step, forward, weights)


def _lenet():
    from torch import nn
    return nn.Sequential(OrderedDict(
        conv1=nn.Conv2d(1, 20, 5), relu1=nn.ReLU(), conv2=nn.Conv2d(20, 40, 5), relu2=nn.ReLU(),
        conv3=nn.Conv2d(40, 40, 5), relu3=nn.ReLU(), conv4=nn.Conv2d(40, 5, 5), relu4=nn.ReLU(),
        pool=nn.MaxPool2d(2), flatten=nn.Flatten(), fc1=nn.Linear(180, 10)))


def _small_resnet():
    """The network of `minicnn.models.small_resnet`, with the same names in its state."""
    from torch import nn

    class Block(nn.Module):
        def __init__(self, before, width, stride=1):
            super().__init__()
            self.conv1, self.bn1 = nn.Conv2d(before, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
            self.relu = nn.ReLU(inplace=True)
            self.conv2, self.bn2 = nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)
            self.downsample = None if before == width else nn.Sequential(
                nn.Conv2d(before, width, 1, stride, bias=False), nn.BatchNorm2d(width))

        def forward(self, x):
            out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
            return self.relu(out + (x if self.downsample is None else self.downsample(x)))
    return nn.Sequential(OrderedDict(
        conv1=nn.Conv2d(1, 32, 5, 2, 2, bias=False), bn1=nn.BatchNorm2d(32), relu=nn.ReLU(inplace=True),
        layer1=nn.Sequential(Block(32, 32), Block(32, 32), Block(32, 32)),
        layer2=nn.Sequential(Block(32, 64, 2), Block(64, 64), Block(64, 64)),
        avgpool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten(), fc=nn.Linear(64, 10)))


def layer(variant: str, geometry: Geometry, x: np.ndarray, weight: np.ndarray, grad: np.ndarray) -> LayerCalls:
    """The convolution of these operands. They lie in memory in the order of the variant; `compiled` is channels last.

    Only the forward pass is compiled. The compiled backward pass of a convolution calls the same kernel as the eager
    one, or for depthwise layers a slower one that takes seconds to compile.
    """
    import torch
    order = torch.contiguous_format if variant == "nchw" else torch.channels_last
    operands = (torch.from_numpy(array).to(memory_format=order, copy=True) for array in (x, weight, grad))
    image, kernel, cotangent = operands
    stride, dilation, groups = list(geometry.stride), list(geometry.dilation), geometry.groups
    padding = [before for before, _ in geometry.padding]

    def convolve(image, kernel):
        return torch.nn.functional.conv2d(image, kernel, None, stride, padding, dilation, groups)
    if variant == "compiled":
        torch._dynamo.reset()                     # forgets the last layer, so this one is compiled for its own shapes
        convolve = torch.compile(convolve, dynamic=False)

    def forward():
        with torch.no_grad():
            return convolve(image, kernel), None

    def backward(saved, needs):
        return torch.ops.aten.convolution_backward(cotangent, image, kernel, None, stride, padding, dilation, False,
                                                   [0, 0], groups, [*needs, False])[:2]
    return LayerCalls(forward, backward, lambda tensor: tensor.numpy(), compiles=variant == "compiled")


def product(side: int) -> Callable[[], Any]:
    """-> a function that multiplies two square matrices by `torch.mm`."""
    import torch
    a, b = torch.randn(side, side), torch.randn(side, side)
    return lambda: torch.mm(a, b)


def instructions() -> str:
    """-> the instruction set of PyTorch's own kernels. oneDNN, which computes the convolutions, has the same limit."""
    import torch
    return torch.backends.cpu.get_cpu_capability()


MODULES = {"lenet": _lenet, "small-resnet": _small_resnet}            # functions that make the networks
LIBRARY = Library(__name__, "torch", "torch", start, network, layer,
                  variants={"nchw": "PyTorch", "channels_last": "PyTorch channels_last",
                            "compiled": "PyTorch compiled"},
                  layer_variants={"nchw": "PyTorch", "channels_last": "PyTorch channels_last",
                                  "compiled": "PyTorch compiled"},
                  models=tuple(MODULES), instructions=instructions, product=product)
