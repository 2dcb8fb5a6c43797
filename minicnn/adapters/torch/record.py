"""The record of one forward pass of a module of PyTorch: its steps, which tensors they made, and what they wrote into.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Set
from typing import Any, NamedTuple

import numpy as np

from ..names import top
from ..steps import Enough, FunctionCall
from .calls import (
    EMPTY,
    ESCAPES,
    FILLED,
    FOREIGN,
    LIKE,
    MOVES,
    Layout,
    described,
    is_in_place,
    label_of,
    layout_after,
    memory_of,
    places_of,
    plain_name,
    tensors_in,
    versions_of,
    written_by,
)


class Step(NamedTuple):
    """A step: its name, its repr, the module or call, its output's shape (an image's as NCHW) and layout, and the
    numbers of the steps whose outputs it uses."""

    name: str
    kind: str
    layer: Any
    shape: tuple[int, ...]
    layout: Layout | None
    takes: Set[int]


class Record:
    """The steps of one pass. `arrays` gets the outputs of the wanted steps.

    A step that writes into a part of a tensor makes the whole tensor, and with it all tensors that share its memory.
    """

    def __init__(self, module: Any, count: int, size: tuple[int, ...], wanted: Set[int] | None):
        self.steps: list[Step] = []
        self.arrays: dict[int, np.ndarray] = {}
        self.count, self.sizes, self.wanted = count, {tuple(size)}, wanted
        self.path: list[str] = []                       # the modules that are running, without innermost ones
        self.inside = 0                                 # innermost modules that are running
        self.layouts: dict[int, tuple[Any, Any, Set[int]]] = {}     # id of a tensor: a weak reference, its layout,
                                                                    # the numbers of the steps that made it
        self._near: dict[Any, dict[int, Any]] = {}      # memory: weak references to the tensors there, by id
        self.constants: dict[int, Any] = {}
        self._add_constants([*module.parameters(), *module.buffers()])
        self.own = set(self.constants)
        self.writers: dict[int, set[int]] = {}          # of steps that made a view: the steps that write into it
        self._views: set[int] = set()
        self.returned: Any = None                       # by the module
        self._versions: list[int | None] = []           # of the inputs of the innermost module that is running

    def know(self, tensor: Any, layout: Layout | None, takes: Set[int] = frozenset()) -> None:
        """Note the layout of a tensor, and the steps that made it."""
        self.layouts[id(tensor)] = weakref.ref(tensor), layout, takes
        self._near.setdefault(memory_of(tensor), {})[id(tensor)] = weakref.ref(tensor)

    def knows(self, tensor: Any) -> bool:
        """Whether a step made the tensor, or it is the input."""
        return id(tensor) in self.layouts and self.layouts[id(tensor)][0]() is tensor

    def layout_of(self, tensor: Any) -> Layout | None:
        """The layout of a tensor; None if it is no image, or no step made it."""
        return self.layouts[id(tensor)][1] if self.knows(tensor) else None

    def takes(self, given: list[Any]) -> Set[int]:
        """The numbers of the steps that made these tensors."""
        return frozenset().union(*(self.layouts[id(one)][2] for one in given if self.knows(one)))

    def last(self) -> int | None:
        """The step that made what the module returned, if that is as it made it; else None."""
        made, = self.takes([self.returned]) or [None] if self.returned is not None else [None]
        return made if made is not None and self.steps[made].shape == tuple(self.returned.shape) else None

    def targets(self) -> set[int]:
        """The steps that made a view of a tensor which is used only to write into that tensor."""
        users: dict[int, set[int]] = {}
        for number, step in enumerate(self.steps):
            for taken in step.takes:
                users.setdefault(taken, set()).add(number)
        return {number for number, writers in self.writers.items() if users.get(number, set()) <= writers}

    def hooks(self, name: str, module: Any) -> tuple[Any, Any]:
        """The hooks before and after each call of a module."""
        innermost = is_innermost(module)

        def before(module, args, kwargs):
            if not innermost:
                self.path.append(name)
                return
            self.inside += 1
            if self.inside == 1:
                self._versions = versions_of(tensors_in((args, kwargs)))

        def after(module, args, kwargs, out):
            if not innermost:
                self.path.pop()
                self.inside += 1                        # what this hook calls is no step
            if self.inside == 1:
                self._after(name, module, list(tensors_in((args, kwargs))), list(tensors_in(out)), innermost)
            self.inside -= 1
            if not name:
                self.returned = next(tensors_in(out), None)
        return before, after

    def _after(self, name, module, given, outs, innermost):
        """Record an innermost module; another one if its output is of none of its steps."""
        written = written_by(given, self._versions, outs, bool(getattr(module, "inplace", 0))) if innermost else []
        if not innermost:                               # a constant counts only at the end of the network
            outs = [one for one in outs if not self.knows(one) and not (name and id(one) in self.constants)]
        made = self._whole(written[0]) if written else next(iter(outs), None)
        if made is None or id(made) in self.constants and not written and name:
            return
        kind = type(module).__name__
        layout = self._layout(None, kind, given, made, written)
        part = written and written[0].shape != made.shape
        layer = FunctionCall(kind, {"part": True}) if part else module
        self._add(name or kind, repr(module), layer, made, layout, given, written)
        for one in outs:
            if one is not made and not self.knows(one):
                self.know(one, layout_after(None, kind, given, one, self), frozenset((len(self.steps) - 1,)))

    def call(self, function: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
        """Call a function of PyTorch, and record it if it is a step."""
        if self.inside:
            return function(*args, **kwargs)
        given = list(tensors_in((args, kwargs)))
        versions = versions_of(given)
        out = function(*args, **kwargs)
        name, outs = plain_name(function), list(tensors_in(out))
        if name in EMPTY:                               # what it holds by chance would be judged until all is written
            out.zero_()
        given, versions = (given[:1], versions[:1]) if name in LIKE else (given, versions)
        written = written_by(given, versions, outs, is_in_place(function, kwargs))
        if name in ESCAPES:
            self._let_go(given)
        if name == "set" and len(given) == 2 and not written:           # x.data = y
            self._become(*given)
        made = self._whole(written[0]) if written else next(iter(outs), None)
        if made is None or not written and any(made is one for one in given) or name in FOREIGN and not given:
            return out
        if name in FILLED or all(id(one) in self.constants for one in given):
            self._add_constants(outs)
            return out
        self._step(function, args, kwargs, made, given, outs, written)
        return out

    def _step(self, function, args, kwargs, made, given, outs, written):
        """Record a call that depends on the image, if it is a step; else only what it made."""
        name = plain_name(function)
        moved = (lambda tensor: function(tensor, *args[1:], **kwargs)) if name in MOVES else None
        layout = self._layout(moved, name, given, made, written)
        label = label_of(function, args, self.count)
        if not label or not (made.is_floating_point() or made.is_complex() or made.is_quantized):
            takes = self.takes([*given, made])
            self.know(made, layout, takes)
            self._share(made, layout, takes, written)
            return
        path = self.path[-1] if self.path else ""
        part = bool(written) and written[0].shape != made.shape
        call, kind = described(function, label, args, kwargs, places_of(args, kwargs, layout, self.constants),
                               layout, part)
        self._add(f"{path} / {label}" if path else label, kind, call, made, layout, given, written)
        made_here = frozenset((len(self.steps) - 1,))
        for other in outs:
            if other is not made and not any(other is one for one in written):
                self.know(other, layout_after(moved, name, given, other, self), made_here)

    def _layout(self, moved, name, given, made, written):
        """The layout of a result, or of the whole of what was written into."""
        if not written:
            return layout_after(moved, name, given, made, self)
        return self.layout_of(made) or layout_after(moved, name, given, made, self) or \
            layout_after(None, "view", given, made, self)

    def _add(self, name, kind, layer, made, layout, given, written):
        """Record a step. Its output is copied at once: a later step may work in place."""
        index, shape = len(self.steps), tuple(made.shape)
        takes = self.takes([*given, made] if written else given)
        for one in written:
            self._note_target(one, index, [other for other in given if other is not one])
        if not written and memory_of(made) in map(memory_of, given):
            self._views.add(index)
        self.constants.pop(id(made), None)
        self.know(made, layout, frozenset((index,)))
        self._share(made, layout, frozenset((index,)), written)
        if layout is not None:
            shape = tuple(shape[axis] for axis in layout.value)
            self.sizes.add(shape[2:])
        self.steps.append(Step(name, kind, layer, shape, layout, takes))
        if self.wanted is not None:
            if index in self.wanted:
                self.inside += 1                        # the functions that copy are no steps
                self.arrays[index] = array_of(made, layout)
                self.inside -= 1
            if index >= max(self.wanted):
                raise Enough

    def _note_target(self, written, index, others):
        """Note that the step of that number writes into a view which another step made."""
        if self.knows(written) and len(sources := self.layouts[id(written)][2]) == 1:
            source, = sources
            if source in self._views and source not in self.takes(others):
                self.writers.setdefault(source, set()).add(index)

    def _add_constants(self, tensors):
        for one in tensors:
            self.constants[id(one)] = one
            self._near.setdefault(memory_of(one), {})[id(one)] = weakref.ref(one)

    def _sharing(self, memory):
        """The known tensors and the constants there."""
        there = [reference() for reference in self._near.get(memory, {}).values()]
        return [one for one in there if one is not None and memory_of(one) == memory]

    def _whole(self, written):
        """The largest tensor in whose memory a tensor lies that was written into."""
        memory, found = memory_of(written), [written if written._base is None else written._base]
        if not isinstance(memory, tuple):               # a sparse tensor has no strides, and nothing shares its memory
            found += [one for one in self._sharing(memory) if 0 not in one.stride()]
        return max(found, key=lambda one: (one.numel(), one.ndim))

    def _share(self, made, layout, takes, written):
        """All tensors that share the memory of what was written into come from the steps `takes` too."""
        for same in set(map(memory_of, written)):
            for one in self._sharing(same):
                if one is not made:
                    own = self.layout_of(one) or (layout if one.shape[:1] == (self.count,) and one.ndim == 4 else None)
                    self.constants.pop(id(one), None)
                    self.know(one, own, takes)

    def _let_go(self, given):
        """What NumPy, or code in C, can write into, is no constant any longer, nor are its views."""
        for same in [memory_of(one) for one in given if id(one) not in self.own]:
            for one in self._sharing(same):
                self.constants.pop(id(one), None)

    def _become(self, tensor, other):
        """The tensor has the numbers of another one."""
        self.constants.pop(id(tensor), None)
        self.layouts.pop(id(tensor), None)
        if self.knows(other):
            self.know(tensor, *self.layouts[id(other)][1:])
        elif id(other) in self.constants:
            self._add_constants([tensor])


def is_innermost(module: Any) -> bool:
    """Whether a module counts as one step: its `forward` is PyTorch's, and it is no container."""
    if isinstance(module, sys.modules["torch"].jit.ScriptModule):
        return True
    forward = vars(module).get("forward", type(module).forward)         # also one that somebody has set later
    return top(forward) == "torch" and type(module).__module__ != "torch.nn.modules.container"


def array_of(tensor: Any, layout: Layout | None) -> np.ndarray:
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
