"""Operators of other libraries as functions of NumPy arrays: PyTorch, JAX, SciPy and scikit-image.

An adapter is one file. It is chosen by the type of the operator, or for a function by what its code names. No library
is imported here: an object of a library can only be met after somebody has imported that library.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from . import jax, planes, torch
from .names import named_by

ADAPTERS: tuple[Any, ...] = (torch, jax, planes)


class Way(NamedTuple):
    """A way to call an operator: a function of arrays (N, C, H, W) of a dtype, and what the operator itself gets."""

    call: Callable
    dtype: str
    says: str


def ways(op: Callable, dtype: str) -> tuple[list[Way], list[Way]]:
    """The ways to try before a call with an array of NumPy, and those to try after it has failed.

    Parameters
    ----------
    op : callable
    dtype : str
        The dtype that is wanted, "float64" or "float32". float32 is also tried after float64.

    Examples
    --------
    >>> ways(abs, "float32")[0]
    []
    """
    first: list[Way] = []
    later: list[Way] = []
    for adapter in filter(_is_there, ADAPTERS):
        owned = adapter.owns(op) or adapter.BY_NAMES and any(map(adapter.owns, named_by(op)))
        for wanted in dict.fromkeys((dtype, "float32")) if adapter.BY_NAMES else (dtype,):
            (first if owned else later).append(Way(adapter.as_function(op, wanted), wanted, adapter.SAYS))
    return first, later


def adapter_of(op: Any) -> Any | None:
    """The adapter to whose library an object belongs by its own type, or None."""
    return next((one for one in ADAPTERS if _is_there(one) and one.owns(op)), None)


def as_array(value: Any) -> Any:
    """An array of another library as one of NumPy; any other value as it is."""
    for adapter in filter(_is_there, ADAPTERS):
        if adapter.is_array(value):
            return adapter.to_array(value)
    return value


def snapshots(objects: Iterable[Any]) -> list[Callable[[], None]]:
    """Functions that put back what calls could change: modes, parameters, buffers, gradients, generators."""
    there = [one for one in ADAPTERS if _is_there(one) and one.BY_NAMES]
    if not there:
        return []
    found = [one for given in objects if callable(given) for one in (given, *named_by(given))]
    return [undo for adapter in there for undo in adapter.snapshots(found)]


def _is_there(adapter):
    return not adapter.BY_NAMES or adapter.__name__.rpartition(".")[2] in sys.modules
