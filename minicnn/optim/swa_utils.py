"""Averages of the weights during training: an exponential moving average (EMA), or the plain mean."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ..checks import boolean, cpu, fraction
from ..errors import InputError, InputTypeError
from ..nn import Module

Average = Callable[[list[np.ndarray], list[np.ndarray], int], None]


def get_ema_multi_avg_fn(decay: float = 0.999) -> Average:
    """The function that makes an `AveragedModel` an exponential moving average: a <- decay a + (1 - decay) p.

    A weight of n steps ago counts decay^n: the average reaches back about 1 / (1 - decay) steps (Polyak & Juditsky 1992
    take the plain mean instead, which is the default of `AveragedModel`).

    >>> averaged = [np.zeros(2)]
    >>> get_ema_multi_avg_fn(0.9)(averaged, [np.ones(2)], 1)
    >>> averaged[0].round(6)
    array([0.1, 0.1])
    """
    return partial(_move, 1 - fraction("get_ema_multi_avg_fn: decay", decay))


def get_swa_multi_avg_fn() -> Average:
    """The function that makes an `AveragedModel` the plain mean (Izmailov et al. 2018): a <- a + (p - a) / (n + 1).

    >>> averaged = [np.zeros(2)]
    >>> get_swa_multi_avg_fn()(averaged, [np.ones(2)], 3)
    >>> averaged[0]
    array([0.25, 0.25])
    """
    return _plain_mean


class AveragedModel(Module):
    """A copy of a model whose weights are an average of the model's weights over the training steps.

    Call `update_parameters(model)` after each `optimizer.step()`. The first call copies the weights.

    Parameters
    ----------
    model : Module
        It is copied, with its buffers and random generators.
    device : None or "cpu"
        Has its place in PyTorch's order of arguments.
    avg_fn : callable, optional
        (averaged, current, number of updates before) -> new average, for the array of one parameter.
    multi_avg_fn : callable, optional
        (averaged, current, number of updates before) -> None, for the lists of all arrays; it changes `averaged` in
        place. As from `get_ema_multi_avg_fn` and `get_swa_multi_avg_fn`. By default the plain mean. Either this or
        `avg_fn` may be given.
    use_buffers : bool
        Whether the buffers of floating-point numbers (running means) are averaged too. By default they are copied from
        the model.

    Attributes
    ----------
    module : Module
        The averaged model.
    n_averaged : ndarray of int64, shape ()
        The number of updates. It is a buffer: `state_dict` has it beside "module.NAME" for each array, as in PyTorch.

    Raises
    ------
    InputError
        Both functions are given, or the model of an update has other parameters.
    InputTypeError
        `model` is not a Module, or a function cannot be called.

    Examples
    --------
    >>> from minicnn.nn import Linear
    >>> model = Linear(1, 1, bias=False)
    >>> ema = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.5))
    >>> for value in 4.0, 8.0:
    ...     model.weight.data[...] = value
    ...     ema.update_parameters(model)
    >>> ema.module.weight.data
    array([[6.]], dtype=float32)
    """

    buffers = ("n_averaged",)

    def __init__(self, model: Module, device: str | None = None, avg_fn: Callable | None = None,
                 multi_avg_fn: Average | None = None, use_buffers: bool = False) -> None:
        if not isinstance(model, Module):
            raise InputTypeError(f"AveragedModel: the model must be a Module, not a {type(model).__name__}")
        cpu("AveragedModel: device", device)
        if avg_fn is not None and multi_avg_fn is not None:
            raise InputError("AveragedModel: give avg_fn or multi_avg_fn, not both")
        for name, function in ("avg_fn", avg_fn), ("multi_avg_fn", multi_avg_fn):
            if function is not None and not callable(function):
                raise InputTypeError(f"AveragedModel: {name} must be a function such as get_ema_multi_avg_fn(0.999), "
                                     f"not {function!r}")
        self.module = copy.deepcopy(model)
        self.module.zero_grad()
        self.n_averaged = np.zeros((), np.int64)
        self.use_buffers = boolean("AveragedModel: use_buffers", use_buffers)
        self._average = multi_avg_fn or (partial(_each, avg_fn) if avg_fn else get_swa_multi_avg_fn())

    def forward(self, *inputs: Any, **options: Any) -> Any:
        return self.module(*inputs, **options)

    def update_parameters(self, model: Module) -> None:
        """Take the present weights of `model` into the average."""
        if not isinstance(model, Module):
            raise InputTypeError(f"update_parameters: the model must be a Module, not a {type(model).__name__}")
        ours, theirs = dict(self.module._state()), dict(model._state())
        if {name: array.shape for name, array in ours.items()} != {name: a.shape for name, a in theirs.items()}:
            raise InputError(f"update_parameters: this {type(model).__name__} has other parameters than the averaged "
                             f"{type(self.module).__name__}")
        learned = {name for name, _ in self.module.named_parameters()}
        averaged = [name for name, array in ours.items()
                    if name in learned or self.use_buffers and array.dtype.kind == "f"]
        if self.n_averaged:
            with np.errstate(over="ignore", invalid="ignore"):
                self._average([ours[name] for name in averaged], [theirs[name] for name in averaged],
                              int(self.n_averaged))
        for name, array in ours.items():
            if not self.n_averaged or name not in averaged:
                array[...] = theirs[name]
        self.n_averaged += 1


# Functions of the module can be pickled, and so can a model that has one of them.

def _move(part, averaged, current, num_averaged):
    for mean, array in zip(averaged, current, strict=True):
        mean += part * (array - mean)


def _plain_mean(averaged, current, num_averaged):
    for mean, array in zip(averaged, current, strict=True):
        mean += (array - mean) / (num_averaged + 1)


def _each(avg_fn, averaged, current, num_averaged):
    """The function of one parameter as a function of all."""
    for mean, array in zip(averaged, current, strict=True):
        mean[...] = avg_fn(mean, array, num_averaged)
