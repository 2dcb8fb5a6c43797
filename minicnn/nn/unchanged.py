"""Looking changes nothing: what a function that only looks at a model could change is put back, also after an error."""

from __future__ import annotations

import contextlib
import functools
import inspect
import random
import warnings
from collections.abc import Callable, Iterator
from typing import Any, ParamSpec, TypeVar

import numpy as np

from ..adapters import snapshots
from .module import Module
from .parameter import Parameter

P = ParamSpec("P")
R = TypeVar("R")


@contextlib.contextmanager
def unchanged(*objects: Any) -> Iterator[None]:
    """Context manager: at the end, the models among the objects and in them are as they were at the start.

    Put back are the mode of each sub-module, all parameters and buffers with their gradients and `requires_grad`, the
    state of each generator, what a module of PyTorch has of all this, and the global states of `random`, of NumPy (its
    legacy generator, how arrays are printed, how floating-point errors are handled), of PyTorch (its generators, grad
    mode and default dtype), and the filters of warnings. An object may also be a function: then the modules and
    generators that it uses (in its closure, among its globals, or as its `self`) count.

    >>> from minicnn.nn import Dropout
    >>> layer = Dropout()
    >>> with unchanged(layer):
    ...     _ = layer.eval()
    >>> layer.training
    True
    """
    modules, generators = _found_in(objects)
    undo = [_of_module(module) for module in modules] + [_of_generator(one) for one in generators]
    undo += snapshots(objects)
    legacy, printing, floats = np.random.get_state(), np.get_printoptions(), np.geterr()    # noqa: NPY002
    filters, drawn = list(warnings.filters), random.getstate()
    try:
        yield
    finally:
        for put_back in undo:
            put_back()
        np.random.set_state(legacy)                                                         # noqa: NPY002
        random.setstate(drawn)
        np.set_printoptions(**printing)
        np.seterr(**floats)
        if warnings.filters != filters:
            warnings.filters[:] = filters           # type: ignore[index]
            warnings._filters_mutated()             # type: ignore[attr-defined]


def looking(function: Callable[P, R]) -> Callable[P, R]:
    """Decorator: the function changes none of its arguments; see `unchanged`."""
    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        given = [value for name, value in kwargs.items() if name not in ("rng", "progress")]
        with unchanged(*args, *given):
            return function(*args, **kwargs)
    return wrapped


def _found_in(objects):
    """The modules and generators in the objects, each once. A generator that is an object itself may advance."""
    modules: dict[int, Module] = {}
    generators: dict[int, np.random.Generator] = {}
    queue, seen = [one for one in objects if not isinstance(one, np.random.Generator)], set()
    while queue:
        one = queue.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, Module):
            for _, module in one.named_modules():
                modules[id(module)] = module
                queue += [value for value in vars(module).values()
                          if isinstance(value, (np.random.Generator, list, tuple, dict))]
        elif isinstance(one, np.random.Generator):
            generators[id(one)] = one
        elif isinstance(one, (list, tuple)):
            queue += [value for value in one if isinstance(value, (Module, np.random.Generator, list, tuple))]
        elif isinstance(one, dict):
            queue += [value for value in one.values() if isinstance(value, (Module, np.random.Generator))]
        elif callable(one):
            queue += _used_by(one)
    return list(modules.values()), list(generators.values())


def _used_by(function):
    """The modules, generators and functions in the closure, the defaults and the named globals of a function."""
    found = [*(getattr(function, name, None) for name in ("__self__", "__wrapped__", "func")),
             *(getattr(function, "args", None) or ()), *(getattr(function, "__defaults__", None) or ())]
    if inspect.isfunction(function):
        for cell in function.__closure__ or ():
            with contextlib.suppress(ValueError):   # a cell that is still empty
                found.append(cell.cell_contents)
        found += [function.__globals__.get(name) for name in function.__code__.co_names]
    elif not inspect.isbuiltin(function) and not inspect.ismethod(function):
        found += list(vars(function).values()) if hasattr(function, "__dict__") else []
    return [one for one in found if isinstance(one, (Module, np.random.Generator)) or inspect.isfunction(one)
            or inspect.ismethod(one)]


def _of_module(module):
    """A function that gives a module its mode, parameters and buffers back."""
    own_attributes = {name: vars(module)[name] for name in ("training", "_first_shapes") if name in vars(module)}
    own = [value for _, value in module._members() if isinstance(value, Parameter)]
    parameters = [(one, one.data, one.data.copy(), one.grad, None if one.grad is None else one.grad.copy(),
                   one.requires_grad) for one in own]
    buffers = [(name, array, array.copy() if isinstance(array, np.ndarray) else array)
               for name in module.buffers for array in [getattr(module, name)]]

    def put_back():
        for name in ("training", "_first_shapes"):
            vars(module).pop(name, None)
        vars(module).update(own_attributes)
        for one, data, values, grad, slopes, requires_grad in parameters:
            one.data, one.grad, one.requires_grad = data, grad, requires_grad
            _refill(data, values)
            if grad is not None:
                _refill(grad, slopes)
        for name, array, values in buffers:
            setattr(module, name, array)
            if isinstance(array, np.ndarray):
                _refill(array, values)
    return put_back


def _refill(array, values):
    if array.tobytes() != values.tobytes():         # the bytes: NaN is equal to itself
        array[...] = values


def _of_generator(generator):
    state = generator.bit_generator.state
    return lambda: setattr(generator.bit_generator, "state", state)
