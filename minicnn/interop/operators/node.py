"""Node: one node of an ONNX graph as a Module, so that hooks and reports see it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...conv import Geometry
from ...errors import InputError, MinicnnError
from ...nn import Module, Parameter
from ...nn.module import Window
from ...tensor import Tensor
from .registry import OPERATORS

FOREIGN = (ValueError, TypeError, IndexError, KeyError, OverflowError, ZeroDivisionError)


class Node(Module):
    """One node. Floating-point numbers are Tensors; integers and booleans, such as shapes, are arrays.

    Attributes
    ----------
    name, operator : str
    attributes : dict
        Numbers, strings, lists of them, and arrays.
    opset : int
        The version of the operators.
    inputs, outputs : tuple of str
        The names of the values. An input or output that is left out has the name "".
    rng : numpy.random.Generator or None
        For dropout in training.
    weights : dict of Parameter
        Those of its inputs that are learned. They are also parameters of the graph, with the names of the file.
    """

    def __init__(self, name: str, operator: str, attributes: dict[str, Any], opset: int, inputs: tuple[str, ...],
                 outputs: tuple[str, ...], rng: np.random.Generator | None) -> None:
        self.name, self.operator, self.attributes, self.opset = name, operator, attributes, opset
        self.inputs, self.outputs, self.rng = inputs, outputs, rng
        self.weights: dict[str, Parameter] = {}

    def attribute(self, name: str, default: Any = None) -> Any:
        """The value of an attribute, or the default that ONNX gives it."""
        return self.attributes.get(name, default)

    def forward(self, *inputs: Any) -> Any:
        """The outputs of the node: one, or a tuple."""
        rule = OPERATORS[self.operator]
        try:
            if inputs and isinstance(inputs[0], np.ndarray) and not rule.integers:
                raise InputError(f"the input must be floating-point numbers, not {inputs[0].dtype}")
            with np.errstate(all="ignore"):             # log(0) is -inf, without a word
                return rule.function(self, *inputs)
        except MinicnnError as error:
            raise type(error)(f"ONNX node {self.name!r} ({self.operator}): {error}") from None
        except FOREIGN as error:                        # inputs or attributes that ONNX does not allow
            shapes = [getattr(one, "shape", None) for one in inputs]
            raise InputError(f"ONNX node {self.name!r} ({self.operator}) cannot be computed for inputs of shapes "
                             f"{shapes}: {error}") from error

    def geometry(self, in_shape: tuple[int, ...]) -> Geometry | None:
        """That of a convolution of images."""
        rule = OPERATORS[self.operator].geometry
        return rule(self, in_shape) if rule else None

    def window(self, in_shape: tuple[int, ...]) -> Window | None:
        """The pixels that one output pixel sees; None for the whole input."""
        rule = OPERATORS[self.operator].window
        if self.geometry(in_shape) is not None:
            return super().window(in_shape)
        return rule(self, in_shape) if rule else None

    def extra_repr(self) -> str:
        """The operator and its attributes."""
        shown = [f"{name}={value}" for name, value in self.attributes.items() if not isinstance(value, np.ndarray)]
        return ", ".join([self.operator, *shown])


def pixel(node: Node, in_shape: tuple[int, ...]) -> Window:
    """The window of an operator that treats each element by itself."""
    return Window((1, 1), (1, 1))


def array_of(value: Any) -> np.ndarray:
    """The array of a Tensor, or the array itself."""
    return value.data if isinstance(value, Tensor) else np.asarray(value)


def integers_of(value: Any) -> list[int]:
    """The elements of an array of integers, such as a shape, as a list."""
    array = array_of(value)
    if array.dtype.kind not in "iu" or array.ndim > 1:
        raise InputError(f"a list of integers is expected, not an array of {array.dtype} with shape {array.shape}")
    return [int(one) for one in array.ravel()]


def number_of(value: Any) -> float:
    """The number in a Tensor or an array of one element."""
    array = array_of(value)
    if array.size != 1:
        raise InputError(f"one number is expected, not an array with shape {array.shape}")
    return float(array.ravel()[0])


def axes_of(node: Node, given: Any, since: int) -> list[int] | None:
    """The axes of a node: an input since an opset, an attribute before. None if they are left out."""
    if node.opset >= since:
        return None if given is None else integers_of(given)
    axes = node.attribute("axes")
    return None if axes is None else list(axes)


def counted(axes: list[int], ndim: int) -> tuple[int, ...]:
    """The axes, counted from 0, each once.

    >>> counted([-1, 0], 3)
    (2, 0)
    """
    out = tuple(axis + ndim if axis < 0 else axis for axis in axes)
    if len(set(out)) < len(out) or not all(0 <= axis < ndim for axis in out):
        raise InputError(f"the axes {axes} do not exist once each in an array of {ndim} axes")
    return out
