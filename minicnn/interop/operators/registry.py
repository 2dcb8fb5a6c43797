"""The table of the ONNX operators that minicnn has: each is one function, which its file registers here."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple


class Operator(NamedTuple):
    """One ONNX operator.

    Attributes
    ----------
    function : callable
        function(node, *inputs) returns the output, or a tuple of outputs. An input that is left out is None.
    learned : tuple of int
        The inputs that are learned. An initializer at such a place becomes a Parameter.
    integers : bool
        Whether the first input may also be an array of integers or booleans, as in computations with shapes.
    geometry, window : callable or None
        function(node, in_shape), as the methods of a Module. Without them one output pixel sees the whole input.
    required, most : int
        How many inputs it needs, and how many it takes.
    """

    function: Callable[..., Any]
    learned: tuple[int, ...]
    integers: bool
    geometry: Callable[..., Any] | None
    window: Callable[..., Any] | None
    required: int
    most: int


OPERATORS: dict[str, Operator] = {}


def operator(*names: str, learned: tuple[int, ...] = (), integers: bool = False, geometry: Callable | None = None,
             window: Callable | None = None) -> Callable[[Callable], Callable]:
    """Decorator: register a function as the ONNX operators of these names."""
    def register(function: Callable) -> Callable:
        parameters = list(inspect.signature(function).parameters.values())[1:]
        many = any(one.kind is one.VAR_POSITIONAL for one in parameters)
        required = 1 if many else sum(one.default is one.empty for one in parameters)
        for name in names:
            OPERATORS[name] = Operator(function, learned, integers, geometry, window, required,
                                       1 << 31 if many else len(parameters))
        return function
    return register
