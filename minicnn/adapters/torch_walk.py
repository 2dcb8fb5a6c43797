"""The walk through a module of PyTorch: all its steps in one forward pass, innermost modules and functions."""

from __future__ import annotations

import contextlib
import sys
import weakref
from collections.abc import Iterable, Set
from typing import Any, NamedTuple

import numpy as np

from .given import AdapterError
from .names import top
from .steps import refuse_other_steps
from .torch_calls import (
    FILLED,
    FOREIGN,
    MOVES,
    Layout,
    described,
    is_in_place,
    label_of,
    layout_after,
    places_of,
    plain_name,
    tensors_in,
)


class _Enough(BaseException):
    """Raised to end a forward pass. No `except Exception` of the user's module stops it."""


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

    def steps(self, shape: tuple[int, ...]) -> list[Step]:
        """The steps of a first pass with zeros of that shape (N, C, H, W)."""
        found = self._pass(np.zeros(shape, self.dtype), None).steps
        self.names = [step.name for step in found]
        return found

    def outputs(self, images: np.ndarray, wanted: Iterable[int]) -> dict[int, np.ndarray]:
        """The outputs of the wanted steps, by number: images (N, C, H, W), other tensors (N, numbers).

        Raises AdapterError if the network took other steps than in the first pass.
        """
        wanted = set(wanted)
        found = self._pass(images.astype(self.dtype, copy=False), wanted)
        refuse_other_steps([step.name for step in found.steps], self.names[:max(wanted) + 1])
        return found.arrays

    def _pass(self, images, wanted):
        torch = sys.modules["torch"]
        record = _Record(self.module, len(images), images.shape[2:], wanted)
        with contextlib.ExitStack() as stack:
            stack.enter_context(torch.no_grad())
            for name, module in self.module.named_modules():
                before, after = record.hooks(name, module)
                stack.callback(module.register_forward_pre_hook(before).remove)
                stack.callback(module.register_forward_hook(after, always_call=True).remove)
            images = images.transpose(0, 2, 3, 1) if self.layout is Layout.NHWC else images
            given = torch.from_numpy(images.copy(order="C")).to(self.device)
            record.know(given, self.layout)
            stack.enter_context(_mode(torch, record))
            with contextlib.suppress(_Enough):
                self.module(given)
        if given._version:
            raise AdapterError("the network changed its input in place: let it work on a copy")
        return record


class Step(NamedTuple):
    """A step: its name, its repr, the module or call, its output's shape (an image's as NCHW) and layout, and the
    numbers of the steps whose outputs it uses."""

    name: str
    kind: str
    layer: Any
    shape: tuple[int, ...]
    layout: Layout | None
    takes: Set[int]


class _Record:
    """The steps of one pass. `arrays` gets the outputs of the wanted steps."""

    def __init__(self, module, count, size, wanted):
        self.steps: list[Step] = []
        self.arrays: dict[int, np.ndarray] = {}
        self.count, self.sizes, self.wanted = count, {tuple(size)}, wanted
        self.path: list[str] = []                       # the modules that are running, without innermost ones
        self.inside = 0                                 # innermost modules that are running
        self.layouts: dict[int, tuple[Any, Any, Set[int]]] = {}     # id of a tensor: a weak reference, its layout,
                                                                    # the numbers of the steps that made it
        self.constants = {id(one): one for one in (*module.parameters(), *module.buffers())}

    def know(self, tensor, layout, takes=frozenset()):
        self.layouts[id(tensor)] = weakref.ref(tensor), layout, takes

    def knows(self, tensor):
        """Whether a step made the tensor, or it is the input."""
        return id(tensor) in self.layouts and self.layouts[id(tensor)][0]() is tensor

    def layout_of(self, tensor):
        """The layout of a tensor; None if it is no image, or no step made it."""
        return self.layouts[id(tensor)][1] if self.knows(tensor) else None

    def takes(self, given):
        """The numbers of the steps that made these tensors."""
        return frozenset().union(*(self.layouts[id(one)][2] for one in given if self.knows(one)))

    def hooks(self, name, module):
        """The hooks before and after each call of a module."""
        innermost = is_innermost(module)

        def before(module, inputs):
            if innermost:
                self.inside += 1
            else:
                self.path.append(name)

        def after(module, inputs, out):
            if innermost:
                self.inside -= 1
            else:
                self.path.pop()
            made = next(iter(tensors_in(out)), None)
            if made is None or self.inside or not innermost and self.knows(made) or id(made) in self.constants:
                return
            kind, given = type(module).__name__, list(tensors_in(inputs))
            self.add(name or kind, repr(module), module, made, layout_after(None, kind, given, made, self), given)
        return before, after

    def call(self, function, args, kwargs):
        """Call a function of PyTorch, and record it if it is a step."""
        out = function(*args, **kwargs)
        if self.inside:
            return out
        name = plain_name(function)
        made = args[0] if name == "setitem" else next(iter(tensors_in(out)), None)
        given = list(tensors_in((args, kwargs)))
        in_place = name == "setitem" or is_in_place(function, kwargs)
        if made is None or any(made is one for one in given) and not in_place:
            return out
        if name in FOREIGN and not given:
            return out
        if name in FILLED or all(id(one) in self.constants for one in given):
            self.constants.update((id(one), one) for one in tensors_in(out))
            return out
        moved = (lambda tensor: function(tensor, *args[1:], **kwargs)) if name in MOVES else None
        layout = layout_after(moved, name, given, made, self)
        label = label_of(function, args)
        if not label or not (made.is_floating_point() or made.is_complex() or made.is_quantized):
            self.know(made, layout, self.takes(given))
            return out
        path = self.path[-1] if self.path else ""
        call, kind = described(function, label, args, kwargs, places_of(args, kwargs, layout, self.constants))
        self.add(f"{path} / {label}" if path else label, kind, call, made, layout, given)
        made_here = frozenset((len(self.steps) - 1,))
        for other in tensors_in(out):
            if other is not made:
                self.know(other, layout_after(moved, name, given, other, self), made_here)
        return out

    def add(self, name, kind, layer, made, layout, given):
        """Record a step. Its output is copied at once: a later step may work in place."""
        index, shape, takes = len(self.steps), tuple(made.shape), self.takes(given)
        self.know(made, layout, frozenset((index,)))
        self.constants.pop(id(made), None)              # zeros into which pixels were written
        if layout is not None:
            shape = tuple(shape[axis] for axis in layout.value)
            self.sizes.add(shape[2:])
        self.steps.append(Step(name, kind, layer, shape, layout, takes))
        if self.wanted is not None:
            if index in self.wanted:
                self.inside += 1                        # the functions that copy are no steps
                self.arrays[index] = _array(made, layout)
                self.inside -= 1
            if index >= max(self.wanted):
                raise _Enough


def is_innermost(module: Any) -> bool:
    """Whether a module counts as one step: its `forward` is PyTorch's, and it is no container."""
    if isinstance(module, sys.modules["torch"].jit.ScriptModule):
        return True
    return top(type(module).forward) == "torch" and type(module).__module__ != "torch.nn.modules.container"


def _array(tensor, layout):
    """A copy of the tensor: an image as (N, C, H, W), another as (N, numbers)."""
    tensor = tensor.detach()
    tensor = tensor.reshape(len(tensor) if tensor.ndim else 1, -1) if layout is None else layout.image(tensor)
    if tensor.is_complex():
        tensor = sys.modules["torch"].view_as_real(tensor.resolve_conj()).flatten(-2)
    if tensor.is_quantized:
        tensor = tensor.dequantize()
    if tensor.dtype.itemsize < 4:                       # of autocast
        tensor = tensor.float()
    return np.array(tensor.cpu().resolve_neg().numpy())


def _mode(torch, record):
    class Seen(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            return record.call(func, args, kwargs or {})
    return Seen()

