"""The walk through a module of PyTorch: all its steps in one forward pass, innermost modules and functions."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..given import AdapterError
from ..steps import Enough, refuse_other_steps
from .calls import Layout
from .record import Record, Step


class TorchWalk:
    """The steps of a module: calls of innermost modules of PyTorch, and calls of functions outside of those.

    A module whose `forward` is PyTorch's own is innermost, unless it is a container. The functions that another module
    calls are steps, such as F.relu, torch.cat and x + y. A module that returns a tensor which none of its steps made is
    a step itself; its functions are not PyTorch's.

    Parameters
    ----------
    module : torch.nn.Module
        It is called as it is. Hooks are registered during a pass, and removed after it.
    dtype : str
    device : torch.device
    layout : Layout
        How the module takes its images.
    """

    def __init__(self, module: Any, dtype: str, device: Any, layout: Layout = Layout.NCHW):
        self.module, self.dtype, self.device, self.layout = module, dtype, device, layout
        self.names: list[str] = []
        self.targets: set[int] = set()                  # the steps that only make a view into which others write
        self.guessed: dict[int, tuple[int, ...]] = {}   # a step whose output is an image by its number of axes only:
                                                        # the shape of its output for one image

    def steps(self, shape: tuple[int, ...]) -> list[Step]:
        """The steps of a first pass with zeros of that shape (N, C, H, W)."""
        record = self._pass(np.zeros(shape, self.dtype), None)
        self.names, self.targets = [step.name for step in record.steps], record.targets()
        last = record.last()
        if last is not None and record.steps[last].layout is None and not record.returned.is_complex():
            own = record.steps[last].shape
            self.guessed = {last: own[1:]} if len(own) == 4 and own[0] == shape[0] else {}
        return record.steps

    def outputs(self, images: np.ndarray, wanted: Iterable[int]) -> dict[int, np.ndarray]:
        """The outputs of the wanted steps, by number: images (N, C, H, W), other tensors (N, numbers).

        Raises AdapterError if the network took other steps than in the first pass.
        """
        wanted = set(wanted)
        found = self._pass(images.astype(self.dtype, copy=False), wanted)
        refuse_other_steps([step.name for step in found.steps], self.names[:max(wanted) + 1])
        for index in wanted & set(self.guessed):
            array = found.arrays[index].reshape(-1, *self.guessed[index])
            found.arrays[index] = array.transpose(self.layout.value)
        return found.arrays

    def _pass(self, images, wanted):
        torch = sys.modules["torch"]
        record = Record(self.module, len(images), images.shape[2:], wanted)
        with contextlib.ExitStack() as stack:
            stack.enter_context(torch.no_grad())
            for name, module in self.module.named_modules():
                before, after = record.hooks(name, module)
                stack.callback(module.register_forward_pre_hook(before, with_kwargs=True).remove)
                hook = module.register_forward_hook(after, with_kwargs=True, always_call=True)
                stack.callback(hook.remove)
            images = images.transpose(0, 2, 3, 1) if self.layout is Layout.NHWC else images
            given = torch.from_numpy(images.copy(order="C")).to(self.device)
            record.know(given, self.layout)
            stack.enter_context(_mode(torch, record))
            with contextlib.suppress(Enough):
                self.module(given)
        if given._version:
            raise AdapterError("the network changed its input in place: let it work on a copy")
        return record


def _mode(torch, record):
    class Seen(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            return record.call(func, args, kwargs or {})
    return Seen()

