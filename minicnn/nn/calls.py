"""Context managers that observe a model without changing it: record the calls of its layers; restore its modes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from ..tensor import Tensor  # noqa: F401 (for the example)
from .module import Module


class Call(NamedTuple):
    """One call of an innermost module: its dotted name, the module, its inputs and its output: see `Module.steps`."""

    name: str
    module: Module
    inputs: tuple
    output: Any


@contextlib.contextmanager
def recorded_calls(model: Module) -> Iterator[list[Call]]:
    """Context manager: a list that gets a `Call` whenever an innermost module of `model` is called.

    A call that computes two layers at once gives two Calls, "conv" and "conv.relu": see `Module.steps`.

    >>> from minicnn.nn import ReLU, Sequential
    >>> model = Sequential(ReLU())
    >>> with recorded_calls(model) as calls:
    ...     _ = model(Tensor([-1.0]))
    >>> [(call.name, call.output.data) for call in calls]
    [('0', array([0.], dtype=float32))]
    """
    calls: list[Call] = []

    def listener(name):
        return lambda module, inputs, options, output: calls.extend(
            Call(name + suffix, *step) for suffix, *step in module.steps(inputs, options, output))
    handles = [module.register_forward_hook(listener(name), with_kwargs=True)
               for name, module in model.named_modules() if not list(module._children())]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


def convolutions(model: Module) -> Iterator[tuple[str, Module]]:
    """(dotted name, module) of the layers that are convolutions, by an algorithm that their attribute names.

    >>> from minicnn.nn import Conv2d, ReLU, Sequential
    >>> [(name, module.algorithm) for name, module in convolutions(Sequential(ReLU(), Conv2d(1, 2, 3)))]
    [('1', 'auto')]
    """
    return ((name, module) for name, module in model.named_modules()
            if type(module).geometry is not Module.geometry and isinstance(getattr(module, "algorithm", None), str))


@contextlib.contextmanager
def evaluating(model: Module) -> Iterator[None]:
    """Context manager: evaluation mode for `model` and all its modules; afterwards each has its former mode again.

    >>> from minicnn.nn import Dropout, Sequential
    >>> model = Sequential(Dropout(), Dropout().eval())
    >>> with evaluating(model):
    ...     model[0].training
    False
    >>> model[0].training, model[1].training
    (True, False)
    """
    modes = [(module, module.training) for _, module in model.named_modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
