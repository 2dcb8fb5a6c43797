"""The walk through a Module of minicnn: the steps of one forward pass, innermost modules and functions between them."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Set
from types import FrameType
from typing import Any, NamedTuple

import numpy as np

from ...adapters.names import top
from ...adapters.steps import (
    COUNT,
    NO_BATCH,
    Layer,
    call_text,
    function_call,
    index_text,
    layer_of,
    plain,
    refuse_other_steps,
)
from ...autograd import no_grad
from ...nn.calls import recorded_calls
from ...nn.module import Module
from ...tensor import Tensor
from ...tensor.tensor import recorded

NEAR = 4                        # frames from `record` to the function that a user calls


class Step(NamedTuple):
    """A step: its name, its repr, the module or call, its output, and the numbers of the steps whose outputs it uses.
    """

    name: str
    kind: str
    layer: Any
    output: Tensor
    takes: Set[int]


class ModuleWalk:
    """The steps of a Module: calls of minicnn's innermost modules, and operations (`record`) outside of those.

    A module of a user's that returns a Tensor which none of its steps made is a step itself.
    """

    def __init__(self, module: Module, dtype: str, channels_last: bool):
        self.module, self.dtype, self.channels_last = in_dtype(module, np.dtype(dtype)), dtype, channels_last
        self.names: list[str] = []

    def steps(self, shape: tuple[int, ...]) -> list[Step]:
        """The steps of a first pass with zeros of that shape (N, C, H, W)."""
        found = self._pass(np.zeros(shape, self.dtype))
        self.names = [step.name for step in found]
        return found

    def outputs(self, images: np.ndarray, wanted: Iterable[int]) -> dict[int, np.ndarray]:
        """The outputs of the wanted steps, by number. Raises AdapterError if the network took other steps."""
        steps = self._pass(images)
        refuse_other_steps([step.name for step in steps], self.names)
        return {index: plain(steps[index].output.data, self.channels_last) for index in wanted}

    def _pass(self, images):
        images = np.moveaxis(images, 1, 3) if self.channels_last else images
        given = Tensor(np.array(images, self.dtype, order="C"))
        record = _Record(self.module, given)
        with recorded_calls(self.module) as calls, recorded(record), no_grad():
            record.calls = calls
            self.module(given)
        record.take_calls()
        return record.steps


class _Record:
    """The steps of one pass. `calls` gets the calls of innermost modules, in which operations do not count."""

    def __init__(self, module, given):
        self.steps: list[Step] = []
        self.calls: list = []
        self.taken, self.count = 0, len(given)
        self.names = {id(one): name for name, one in module.named_modules()}
        self.known: dict[int, tuple[Tensor, Set[int]]] = {id(given): (given, frozenset())}
        # The input and what depends on it, and the numbers of the steps that made it.

    def __call__(self, name: str | None, inputs: tuple[Tensor, ...], result: Tensor, frame: FrameType) -> None:
        """`record` was called."""
        path = next((module for module in _running(frame) if id(module) in self.names), None)
        if path is not None and is_innermost(path):
            return
        self.take_calls()
        if not any(id(one) in self.known for one in inputs):
            return                                      # computed from constants
        label, call, kind = _described(name or frame.f_code.co_name, inputs, self.known, frame,
                                        self.count)
        place = self.names.get(id(path), "")
        self._add(f"{place} / {label}" if place else label, kind, call, inputs, result)

    def take_calls(self) -> None:
        """Note the innermost modules that were called since the last operation."""
        for call in self.calls[self.taken:]:
            if is_innermost(call.module) or id(call.output) not in self.known:
                self._add(call.name or type(call.module).__name__, repr(call.module), call.module, call.inputs,
                          call.output)
        self.taken = len(self.calls)

    def _add(self, name, kind, layer, inputs, output):
        takes = frozenset().union(*(self.known[id(one)][1] for one in inputs if id(one) in self.known))
        self.known[id(output)] = output, frozenset((len(self.steps),))
        self.steps.append(Step(name, kind, layer, output, takes))


def is_innermost(module: Module) -> bool:
    """Whether a module counts as one step: minicnn has made its `forward`, and it has no modules."""
    return top(type(module).forward) == "minicnn" and not list(module._children())


def layer_operators(module: Module, dtype: str, shape: tuple[int, ...], channels_last: bool) -> list[Layer]:
    """The steps of a Module, for images of that shape (C, H, W)."""
    walk, layers = ModuleWalk(module, dtype, channels_last), []
    for index, (name, kind, layer, output, takes) in enumerate(walk.steps((COUNT, *shape))):
        own: tuple[int, ...] = getattr(output, "shape", ())
        why = "" if isinstance(output, Tensor) and own[:1] == (COUNT,) else NO_BATCH
        image = len(own) == 4
        if image and channels_last:
            own = (own[0], own[3], *own[1:3])
        layers.append(layer_of(walk, index, own[1:], image, (name, kind, layer), channels_last, takes, why))
    return layers


def _running(frame: FrameType | None) -> Iterator[Module]:
    """The modules that are running, the innermost first."""
    while frame is not None:
        if frame.f_code is Module.__call__.__code__:
            yield frame.f_locals["self"]
        frame = frame.f_back


def _described(name, inputs, known, frame, count):
    """The label of an operation, the call with its settings, and its text."""
    settings = _settings(name, frame)
    label = index_text(settings["index"], count) if name == "getitem" and "index" in settings else name
    text = label if name == "getitem" else call_text(label, settings)
    constants = (one.shape for one in inputs if id(one) not in known)
    settings["places"] = next((shape for shape in constants if max(shape[-2:], default=1) > 1), None)
    return label, function_call(name, settings), text


def _settings(name, frame):
    """The arguments of the function of that name that called `record`, without arrays."""
    for _ in range(NEAR):
        if frame is None:
            break
        code = frame.f_code
        if code.co_name.strip("_") == name:
            names = code.co_varnames[:code.co_argcount + code.co_kwonlyargcount]
            return {key: frame.f_locals[key] for key in names if isinstance(
                frame.f_locals.get(key), (int, float, str, tuple, list, slice, type(None), type(...)))}
        frame = frame.f_back
    return {}


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
