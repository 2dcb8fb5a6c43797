"""A model's layers as a table: output shape, parameters, multiply-adds, receptive field, convolution algorithm."""

from __future__ import annotations

import contextlib
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..checks import is_integer
from ..conv import choose
from ..errors import InputError, InputTypeError
from ..functional.convolution import shapes_only
from ..notebook import paragraph, table
from ..tensor import Tensor
from .calls import evaluating, recorded_calls
from .module import Module
from .receptive_field import Field, Fields
from .unchanged import looking

MOST = 1 << 40                                    # numbers of an input
TITLES = ("layer", "kind", "output", "parameters", "products", "sees", "algorithm")
LEFT = (0, 1, 2, 6)                               # the columns that are aligned at the left
FEW = 64                                          # the most images for the table that a notebook shows


@dataclass(frozen=True)
class LayerSummary:
    """One call of a layer in a forward pass.

    Attributes
    ----------
    name, kind : str
    out_shape : tuple of int
        Without the batch axis. Of an output that is a tuple, list or dict, the shape of its first Tensor.
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


class Summary(list[LayerSummary]):
    """The list of the layers. A notebook shows it as a table."""

    def rows(self) -> list[list[str]]:
        """The texts of the table, a list for each layer, and the sums: see `TITLES`."""
        rows = [[layer.name, layer.kind.partition("(")[0], "x".join(map(str, layer.out_shape)),
                 f"{layer.parameters:,}", f"{layer.multiply_adds:,}", _pixels(layer.receptive_field),
                 layer.algorithm or ""] for layer in self]
        totals = (f"{sum(getattr(layer, name) for layer in self):,}" for name in ("parameters", "multiply_adds"))
        return [*rows, ["total", "", "", *totals, "", ""]]

    def _repr_html_(self) -> str:
        return table(TITLES, self.rows(), LEFT, bold=[len(self)])


@looking
def summarize(model: Module, input_shape: tuple[int, ...] | Sequence[tuple[int, ...]]) -> Summary:
    """The layers of a model in the order in which they are called, for an input of shape (N, C, H, W).

    The model runs on zeros in evaluation mode, but for convolutions only the shapes are computed. The model is not
    changed. A layer that is called twice has two entries. The receptive field r grows with each layer,
    r -> r + (span - 1) j, j -> j stride, from r = j = 1 at the input. Where branches meet, as in a residual block, the
    largest field counts. An operation that is no layer counts as one pixel.

    Parameters
    ----------
    model : Module
    input_shape : tuple of int, or sequence of tuples
        Several shapes for a model with several inputs, as in [(1, 3, 8, 8), (1, 10)].

    Returns
    -------
    Summary
        A list of LayerSummary.

    Raises
    ------
    InputError
        There is no such shape, or a layer takes or returns no Tensor. The model may raise its own errors for the shape.
    InputTypeError
        The model is not a Module.

    Examples
    --------
    >>> from minicnn.nn import Conv2d, Linear, MaxPool2d, ReLU, Flatten, Sequential
    >>> model = Sequential(Conv2d(1, 2, 5), ReLU(), MaxPool2d(2), Flatten(), Linear(32, 10))
    >>> [(layer.name, layer.receptive_field, layer.multiply_adds) for layer in summarize(model, (1, 1, 12, 12))]
    [('0', 5, 3200), ('1', 5, 0), ('2', 6, 0), ('3', 6, 0), ('4', None, 320)]
    """
    if not isinstance(model, Module):
        raise InputTypeError(f"summarize: the model must be a Module, not {model!r}")
    dtype = next((p.dtype for p in model.parameters()), np.dtype(np.float32))
    given = [Tensor(np.zeros(shape, dtype), requires_grad=True) for shape in _shapes(input_shape)]
    with evaluating(model), recorded_calls(model) as calls, shapes_only():
        model(*given)
    layers, field, fields = Summary(), Field(), Fields(given)
    counted: set[int] = set()
    for name, module, inputs, out in calls:
        in_shape = _shape(name, "takes", inputs)
        field = (fields.of(_tensors(inputs)) or field).through(module.window(in_shape))
        for tensor in _tensors(out):
            fields.set(tensor, field)
        new = {id(parameter): parameter.size for parameter in module.parameters() if id(parameter) not in counted}
        counted |= new.keys()
        geometry = module.geometry(in_shape)
        algorithm = None if geometry is None else choose(getattr(module, "algorithm", "auto"), geometry).name
        layers.append(LayerSummary(name, repr(module), _shape(name, "returns", out)[1:], sum(new.values()),
                                   module.multiply_adds(in_shape), field.size, algorithm))
    return layers


def module_html(model: Module) -> str:
    """A model as HTML: its `Summary` if the input's shape is known, else its modules as a tree."""
    shapes, origin = known_shapes(model)
    if shapes:
        try:
            with contextlib.redirect_stdout(io.StringIO()):         # the model may print
                layers = summarize(model, shapes)
            if layers and not (len(layers) == 1 and layers[0].name == ""):
                sizes = " and ".join(map(str, shapes))
                return (paragraph(type(model).__name__, bold=True) + layers._repr_html_()
                        + paragraph(f"for an input of shape {sizes}, {origin}"))
        except Exception:
            vars(model).pop("_first_shapes", None)                  # the first call failed; the next one counts
    rows = [[text + ")" * (text.count("(") - text.count(")")), f"{count:,}" if count else ""]
            for text, count in model._lines("") if text.strip() != ")"]
    return table(["", "parameters"] if any(count for _, count in rows) else [], rows, left=[0])


def known_shapes(model: Module) -> tuple[list[tuple[int, ...]], str]:
    """The shapes of the model's inputs, or [], and how they are known."""
    seen = model._first_shapes
    channels, size = getattr(model, "in_channels", None), getattr(model, "image_size", None)
    if seen and all(shape and len(shape) in (2, 4) for shape in seen):
        few = [(min(shape[0], FEW), *shape[1:]) for shape in seen]
        return few, "as in its first call" + f", which had {seen[0][0]:,} images" * (seen[0][0] > FEW)
    if not seen and is_integer(channels) and isinstance(size, tuple):
        return [(1, channels, *size)], "for which it was made"
    return [], ""


def _pixels(field):
    """The receptive field as text. It is an int, a pair (down, across), or None for the whole image."""
    if field is None:
        return "all"
    return "x".join(map(str, field)) + " px" if isinstance(field, tuple) else f"{field} px"


def _shapes(given):
    """The shape, or the shapes, as a list of tuples."""
    shapes = [given] if isinstance(given, (tuple, list)) and all(map(is_integer, given)) else given
    if not isinstance(shapes, (tuple, list)) or not all(
            isinstance(one, (tuple, list)) and all(is_integer(n) and n >= 0 for n in one) for one in shapes):
        raise InputError(f"summarize: input_shape must be as in (1, 3, 8, 8), or for several inputs as in "
                         f"[(1, 3, 8, 8), (1, 10)], not {given!r}")
    for one in shapes:
        if math.prod(one) > MOST:
            raise InputError(f"summarize: an input of shape {tuple(one)} has too many numbers: give fewer images")
    return [tuple(one) for one in shapes]


def _shape(name: str, what: str, value: Any) -> tuple[int, ...]:
    """The shape of the first Tensor in the inputs or the output of a layer."""
    found = next(_tensors(value), None)
    if found is None:
        raise InputError(f"summarize: the layer {name!r} {what} {_kind(value)} and no Tensor: let it take and return "
                         "Tensors, or tuples, lists or dicts of Tensors")
    return found.shape


def _tensors(value):
    """The Tensors and arrays in a value: itself, or those in a tuple, list or dict."""
    if isinstance(value, (Tensor, np.ndarray)):
        yield value
    elif isinstance(value, (dict, tuple, list)):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _tensors(one)


def _kind(value):
    """The type of an object in words, or the types in a tuple."""
    return f"({', '.join(map(_kind, value))})" if isinstance(value, tuple) else f"a {type(value).__name__}"
