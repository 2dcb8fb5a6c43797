"""A model's layers as a table: output shape, parameters, multiply-adds, receptive field, convolution algorithm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..autograd import no_grad
from ..conv import choose
from ..errors import InputError
from ..functional.convolution import shapes_only
from ..tensor import Tensor
from .calls import evaluating, recorded_calls
from .module import Module
from .unchanged import looking


@dataclass(frozen=True)
class LayerSummary:
    """One call of a layer in a forward pass.

    Attributes
    ----------
    name, kind : str
    out_shape : tuple of int
        Without the batch axis.
    parameters : int
        Parameters that an earlier call has used are not counted again, so the sum is the number of all parameters.
    multiply_adds : int
        Products per image.
    receptive_field : int or (int, int) or None
        The pixels of the model's input that one output pixel sees, each way; (down, across) if the two differ. None
        stands for the whole image.
    algorithm : str or None
        The algorithm of a convolution, at this batch size.
    """

    name: str
    kind: str
    out_shape: tuple[int, ...]
    parameters: int
    multiply_adds: int
    receptive_field: int | tuple[int, int] | None
    algorithm: str | None


@looking
def summarize(model: Module, input_shape: tuple[int, ...]) -> list[LayerSummary]:
    """The layers of a model in the order in which they are called, for an input of shape (N, C, H, W).

    The model runs on zeros in evaluation mode, but for convolutions only the shapes are computed. The model is not
    changed. A layer that is called twice has two entries. The receptive field r is that of a chain of layers:
    r -> r + (span - 1) j, j -> j stride, from r = j = 1 at the input.

    Parameters
    ----------
    model : Module
    input_shape : tuple of int

    Returns
    -------
    list of LayerSummary

    Raises
    ------
    InputError
        A layer takes or returns an object that is not a Tensor. The model may raise its own errors for this shape.

    Examples
    --------
    >>> from minicnn.nn import Conv2d, Linear, MaxPool2d, ReLU, Flatten, Sequential
    >>> model = Sequential(Conv2d(1, 2, 5), ReLU(), MaxPool2d(2), Flatten(), Linear(32, 10))
    >>> [(layer.name, layer.receptive_field, layer.multiply_adds) for layer in summarize(model, (1, 1, 12, 12))]
    [('0', 5, 3200), ('1', 5, 0), ('2', 6, 0), ('3', 6, 0), ('4', None, 320)]
    """
    dtype = next((p.dtype for p in model.parameters()), np.dtype(np.float32))
    with evaluating(model), recorded_calls(model) as calls, shapes_only(), no_grad():
        model(Tensor(np.zeros(input_shape, dtype)))
    layers, field = [], _Field((1, 1), (1, 1))
    counted: set[int] = set()
    for name, module, inputs, out in calls:
        in_shape = _shape(name, inputs[0] if inputs else None)
        field = field.through(module.window(in_shape))
        new = {id(parameter): parameter.size for parameter in module.parameters() if id(parameter) not in counted}
        counted |= new.keys()
        geometry = module.geometry(in_shape)
        algorithm = None if geometry is None else choose(getattr(module, "algorithm", "auto"), geometry).name
        layers.append(LayerSummary(name, repr(module), _shape(name, out)[1:], sum(new.values()),
                                   module.multiply_adds(in_shape), field.size, algorithm))
    return layers


@dataclass(frozen=True)
class _Field:
    """The receptive field after some layers, and the distance of neighbouring fields, in pixels of the input."""

    span: tuple[int, int] | None
    jump: tuple[int, int]

    @property
    def size(self):
        return self.span if self.span is None or self.span[0] != self.span[1] else self.span[0]

    def through(self, window):
        """The field after one more layer."""
        if window is None or self.span is None:
            return _Field(None, self.jump)
        return _Field(tuple(r + (w - 1) * j for r, w, j in zip(self.span, window.span, self.jump, strict=True)),
                      tuple(j * s for j, s in zip(self.jump, window.stride, strict=True)))


def _shape(name: str, value: Any) -> tuple[int, ...]:
    if not isinstance(value, Tensor):
        raise InputError(f"summarize: the layer {name!r} takes or returns a {type(value).__name__}, not a Tensor; give "
                         "it sub-modules that take and return Tensors")
    return value.shape
