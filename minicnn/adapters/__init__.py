"""Operators of other libraries as functions of NumPy arrays: those of PyTorch, JAX, Flax, Keras, ONNX, SciPy, OpenCV.

An adapter is one file. It is chosen by the type of the operator, or for a function by what its code names. No library
is imported here: an object of a library can only be met after somebody has imported that library.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from ..errors import InputError, InputTypeError
from . import flax, jax, keras, onnx, planes, torch
from .given import LAYOUTS, AdapterError, Given, outputs_of, required_inputs
from .names import named_by
from .protocol import Adapter
from .reasons import training_hint

__all__ = ["AdapterError", "Given", "Way", "adapter_of", "as_array", "as_operator", "hint_at", "known_shape",
           "outputs_of", "required_inputs", "snapshots", "training_hint", "ways"]

ADAPTERS: tuple[Adapter, ...] = (onnx, keras, flax, torch, jax, planes)


class Way(NamedTuple):
    """A way to call an operator: a function of arrays (N, C, H, W) of a dtype, and what the operator itself gets."""

    call: Callable
    dtype: str
    says: str


def as_operator(op: Any, output: int | str | None = None, layout: str | None = None) -> Given:
    """An operator with what a caller says about it. All functions that take an operator take this object too.

    Parameters
    ----------
    op : callable, path, onnx.ModelProto or onnxruntime.InferenceSession
        A function or a module of any library that has an adapter, or an ONNX model. A path ends with .onnx.
    output : int or str, optional
        Which one of several outputs is judged: its place or its name. By default the operator returns one array.
    layout : {"nchw", "nhwc"}, optional
        The order of the axes of images and output: channels first, or channels last. By default channels come first,
        but not in Keras, where a layer says it, in Flax, and in an ONNX model that begins by moving the last axis.

    Raises
    ------
    InputTypeError
        `op` is not callable, or `output` is neither a number nor a name.
    InputError
        There is no such layout.

    Examples
    --------
    >>> import numpy as np
    >>> from minicnn.equivariance import verify_convolution
    >>> across = lambda images: (np.roll(images, 1, axis=2), images.shape)              # axes (N, H, W, C)
    >>> verify_convolution(as_operator(across, output=0, layout="nhwc")).impulse_response.origin
    (0, -1)
    """
    if output is not None and (isinstance(output, bool) or not isinstance(output, (int, str))):
        raise InputTypeError(f"output must be the place or the name of an output, as in output=0, not {output!r}")
    if layout is not None and layout not in LAYOUTS:
        raise InputError(f"layout must be 'nchw' (channels first) or 'nhwc' (channels last), not {layout!r}")
    if isinstance(op, Given):
        output, layout, op = op.output if output is None else output, layout or op.layout, op.func
    if onnx.is_source(op) or onnx.owns(op):
        op = onnx.OnnxModel(op, output, layout)
        layout = op.layout
    if not callable(op):
        raise InputTypeError(f"the operator must be callable, not a {type(op).__name__}")
    adapter = adapter_of(op)
    return Given(op, output, layout or (adapter.layout(op) if adapter else None))


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
        own = adapter.owns(op)
        if adapter.OWN_ONLY and not own:
            continue
        owned = own or adapter.BY_NAMES and any(map(adapter.owns, named_by(op)))
        says, narrow = adapter.says(op), adapter.narrow_dtype(op)
        for wanted in dict.fromkeys((dtype, "float32")):
            copied = f", a {wanted} copy of the {narrow} module" * bool(narrow)
            (first if owned else later).append(Way(adapter.as_function(op, wanted), wanted, says + copied))
        if adapter.OWN_ONLY:
            break
    return first, later


def adapter_of(op: Any) -> Adapter | None:
    """The adapter to whose library an object belongs by its own type, or None."""
    return next((one for one in ADAPTERS if _is_there(one) and one.owns(op)), None)


def known_shape(op: Any) -> tuple[int | None, int | None, int | None]:
    """(C, H, W) of the images that an operator takes, as far as the operator itself says it."""
    op = op.func if isinstance(op, Given) else op
    adapter = adapter_of(op)
    return adapter.image_shape(op) if adapter else (None, None, None)


def as_array(value: Any) -> Any:
    """An array of another library as one of NumPy; any other value as it is."""
    for adapter in filter(_is_there, ADAPTERS):
        if adapter.is_array(value):
            return adapter.to_array(value)
    return value


def hint_at(error: BaseException) -> str:
    """What an exception of an operator means, and what to do, as far as the libraries that are there know it."""
    return next(filter(None, (one.hint(error) for one in filter(_is_there, ADAPTERS))), "")


def snapshots(objects: Iterable[Any]) -> list[Callable[[], None]]:
    """Functions that put back what calls could change: modes, parameters, buffers, gradients, generators."""
    there = [one for one in ADAPTERS if _is_there(one) and one.BY_NAMES]
    if not there:
        return []
    found = [one for given in objects if callable(given) for one in (given, *named_by(given))]
    return [undo for adapter in there for undo in adapter.snapshots(found)]


def _is_there(adapter):
    return not adapter.BY_NAMES or adapter.__name__.rpartition(".")[2] in sys.modules
