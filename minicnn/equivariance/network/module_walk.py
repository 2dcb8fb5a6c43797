"""The walk through a Module of minicnn: the steps of one forward pass."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

import numpy as np

from ...adapters.steps import Layer, UpTo
from ...autograd import no_grad
from ...nn.calls import Call, recorded_calls
from ...nn.module import Module
from ...tensor import Tensor


class ModuleWalk:
    """The steps of a Module: calls of innermost modules."""

    def __init__(self, module: Module, dtype: str, channels_last: bool):
        self.module, self.dtype, self.channels_last = in_dtype(module, np.dtype(dtype)), dtype, channels_last

    def steps(self, shape: tuple[int, ...]) -> list[Call]:
        """The calls of a pass with zeros of that shape (N, C, H, W)."""
        return self._calls(np.zeros(shape, self.dtype))

    def outputs(self, images: np.ndarray, wanted: Iterable[int]) -> dict[int, np.ndarray]:
        """The outputs of the wanted steps, by number."""
        calls = self._calls(images)
        return {index: self._plain(calls[index].output.data) for index in wanted}

    def _plain(self, array):
        if array.ndim != 4:
            return array.reshape(len(array), -1)
        return np.moveaxis(array, 3, 1) if self.channels_last else array

    def _calls(self, images):
        images = np.moveaxis(images, 1, 3) if self.channels_last else images
        with recorded_calls(self.module) as calls, no_grad():
            self.module(Tensor(images, dtype=self.dtype))
        return calls


def layer_operators(module: Module, dtype: str, shape: tuple[int, ...], channels_last: bool) -> list[Layer]:
    """The steps of a Module, for images of that shape (C, H, W)."""
    walk, layers = ModuleWalk(module, dtype, channels_last), []
    for index, call in enumerate(walk.steps((2, *shape))):
        if not isinstance(call.output, Tensor) or call.output.ndim < 2:
            layers.append(Layer(call.name, repr(call.module), call.module, None))
            continue
        image, (_, *shape_out) = call.output.ndim == 4, call.output.shape
        if image and channels_last:
            shape_out = [shape_out[2], *shape_out[:2]]
        up_to = UpTo(walk, index, tuple(shape_out))
        layers.append(Layer(call.name or type(call.module).__name__, repr(call.module), call.module,
                            up_to if image else None, None if image else up_to))
    return layers


def in_dtype(module: Module, dtype: Any) -> Module:
    """The module itself, or a copy with parameters and buffers of that dtype."""
    if all(parameter.data.dtype == dtype for parameter in module.parameters()):
        return module
    module = copy.deepcopy(module)
    for _, part in module.named_modules():
        for name in part.buffers:
            setattr(part, name, getattr(part, name).astype(dtype))
    for parameter in module.parameters():
        parameter.data = parameter.data.astype(dtype)
    return module
