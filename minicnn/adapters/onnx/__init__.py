"""ONNX files, models and sessions of onnxruntime: they get float64 where onnxruntime has the kernels, else float32."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..protocol import no_array, no_hint, no_narrow_dtype, no_snapshots, same
from .model import OnnxModel, is_source
from .nodes import layer_operators

__all__ = ["BY_NAMES", "OWN_ONLY", "OnnxModel", "as_function", "image_shape", "is_array", "is_module", "is_source",
           "layer_operators", "layout", "narrow_dtype", "hint", "owns", "says", "snapshots", "to_array"]

BY_NAMES = False                        # an OnnxModel is minicnn's own, whatever has been imported
OWN_ONLY = True                         # a function that uses a session gets arrays of NumPy, as the session does
is_array, to_array, hint, narrow_dtype = no_array, same, no_hint, no_narrow_dtype       # of NumPy
snapshots = no_snapshots                # the model is copied when it is read


def owns(value: Any) -> bool:
    """Whether a value is an OnnxModel; `as_operator` makes one of each file, model and session."""
    return isinstance(value, OnnxModel)


def is_module(value: Any) -> bool:
    """Whether the nodes of the graph are known: not those of a session."""
    return owns(value) and value.proto is not None


def layout(op: OnnxModel) -> str:
    """The order of the axes of the model's images."""
    return op.layout


def says(op: OnnxModel) -> str:
    """How the model is called."""
    one_by_one = "" if op.batch is None else ", image by image" if op.batch == 1 else f", {op.batch} images at a time"
    return f"called by onnxruntime{one_by_one}"


def as_function(op: OnnxModel, dtype: str) -> Callable:
    """The model as a function of arrays of that dtype."""
    return lambda images: op.run(images.astype(dtype, copy=False))


def image_shape(op: OnnxModel) -> tuple[int | None, int | None, int | None]:
    """(C, H, W) in the shape of the model's input; None for an axis without a fixed size."""
    return op.image_shape
