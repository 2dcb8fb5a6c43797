"""Which library differentiates a function: PyTorch or JAX, by the type of the function or of its inputs."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Sequence
from typing import Any

from ..names import named_by, top, without_partial
from ..protocol import Differentiator
from . import jax, torch

DIFFERENTIATORS: tuple[Differentiator, ...] = (torch, jax)


def differentiator(func: Any, inputs: Sequence[Any] = ()) -> Differentiator | None:
    """The adapter to whose library a function belongs, or its inputs; None if minicnn differentiates it.

    >>> differentiator(abs) is None
    True
    """
    tops = set(_tops(func))
    if "minicnn" in tops:
        return None
    found = next((one for one in _there() if tops & one.LIBRARIES), None)
    leaves = list(_leaves(inputs))
    return found or next((one for one in _there() if any(map(one.is_array, leaves))), None)


def named_differentiators(func: Any, library: str | None = None) -> list[Differentiator]:
    """The adapters of `library`, of what the code of a function names, and of what its module imports, in this order.
    """
    around = getattr(func, "__globals__", {}).values()
    said = {library}, {top(value) for value in named_by(func)}, {
        top(value) for value in around if inspect.ismodule(value) or callable(value)}
    return list(dict.fromkeys(one for tops in said for one in _there() if one.LIBRARIES & tops))


def _there():
    return [one for one in DIFFERENTIATORS if one.NAME in sys.modules]


def _leaves(value, depth=4):
    """The objects in tuples, lists and dicts."""
    if isinstance(value, (tuple, list, dict)) and depth:
        for one in value.values() if isinstance(value, dict) else value:
            yield from _leaves(one, depth - 1)
    else:
        yield value


def _tops(func):
    """The libraries of a function, of the object that it is bound to with all its bases, and of its code."""
    yield from (top(base) for base in type(func).__mro__)
    func = without_partial(func)
    owner = getattr(func, "__self__", func)
    if inspect.ismodule(owner):
        owner = func
    for base in (owner if isinstance(owner, type) else type(owner)).__mro__:
        yield top(base)
    yield top(func)
    yield str(getattr(func, "__globals__", {}).get("__name__", "")).partition(".")[0]
