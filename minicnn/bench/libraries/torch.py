"""PyTorch as a competitor in the benchmarks: eager with channels first or channels last, and compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...conv import Geometry
from ..lenet_step import StepInputs
from . import LayerCalls, LeNetCalls, Library


def start(threads: int) -> str:
    """Import PyTorch and limit its threads. -> its version."""
    import torch
    torch.set_num_threads(threads)
    torch.set_num_interop_threads(1)              # the step is one chain of operations
    return torch.__version__


def lenet(variant: str, inputs: StepInputs) -> LeNetCalls:
    """The LeNet on this batch, from these weights. `compiled` is channels last too."""
    import torch
    from torch import nn
    model: Any = nn.Sequential(
        nn.Conv2d(1, 20, 5), nn.ReLU(), nn.Conv2d(20, 40, 5), nn.ReLU(), nn.Conv2d(40, 40, 5), nn.ReLU(),
        nn.Conv2d(40, 5, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(180, 10))
    model.load_state_dict({theirs: torch.from_numpy(array) for theirs, array in zip(
        model.state_dict(), inputs.state.values(), strict=True)})
    order = torch.contiguous_format if variant == "nchw" else torch.channels_last
    model = model.to(memory_format=order)
    images = torch.from_numpy(inputs.images).to(memory_format=order, copy=True)    # in torch's own, aligned memory
    labels = torch.from_numpy(inputs.labels)
    optimizer = torch.optim.SGD(model.parameters(), inputs.lr)
    network = torch.compile(model) if variant == "compiled" else model

    def step():
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(network(images), labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    def forward():
        with torch.no_grad():
            return network(images).numpy()

    def weights():
        arrays = (tensor.numpy() for tensor in model.state_dict().values())
        return dict(zip(inputs.state, arrays, strict=True))
    return LeNetCalls(step, forward, weights)


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


LIBRARY = Library(__name__, "torch", "torch", start, lenet, layer,
                  variants={"nchw": "PyTorch", "channels_last": "PyTorch channels_last",
                            "compiled": "PyTorch compiled"},
                  layer_variants={"nchw": "PyTorch", "channels_last": "PyTorch channels_last",
                                  "compiled": "PyTorch compiled"},
                  instructions=instructions, product=product)
