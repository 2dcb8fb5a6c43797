"""The table of the operations that can be exported: each is one function, which its file registers here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

EMITTERS: dict[Callable, Callable[..., Any]] = {}


class Refused(Exception):
    """An operation has no ONNX form with these arguments. The text says why, and what to do."""


def emits(*operations: Callable) -> Callable[[Callable], Callable]:
    """Decorator: register a function for operations of minicnn.functional or minicnn.arithmetic.

    The function is called as emitter(builder, **arguments), with the arguments of the operation. Arrays and Tensors
    among them are `Value`s. It adds nodes to the builder, and returns the name of the first result.
    """
    def register(emitter: Callable) -> Callable:
        for operation in operations:
            EMITTERS[operation] = emitter
        return emitter
    return register
