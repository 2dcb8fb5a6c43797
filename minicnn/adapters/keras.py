"""Layers and models of Keras: a copy in float64 is called where the configuration allows it, else one in float32."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from . import jax
from .calls import BETWEEN, CallRecord, CallWalk, Described, call_kind, replaced
from .given import AdapterError
from .names import top
from .protocol import no_hint
from .steps import FunctionCall, Layer

BY_NAMES = True
OWN_ONLY = True                         # a function around a layer gets arrays of NumPy, which Keras takes
hint = no_hint
FLOATS = ("float16", "bfloat16", "float32", "float64", "mixed_float16", "mixed_bfloat16")
SHOWN = ("filters", "units", "kernel_size", "pool_size", "strides", "padding", "size", "interpolation")
NAMES = {                               # Keras: PyTorch, whose names the reasons have
    "Conv2D": "Conv2d", "DepthwiseConv2D": "Conv2d", "SeparableConv2D": "Conv2d", "Conv2DTranspose": "ConvTranspose2d",
    "MaxPooling2D": "MaxPool2d", "AveragePooling2D": "AvgPool2d", "ZeroPadding2D": "ConstantPad2d",
    "UpSampling2D": "Upsample", "Dense": "Linear", "GlobalAveragePooling2D": "AdaptiveAvgPool2d",
    "GlobalMaxPooling2D": "AdaptiveMaxPool2d", "Resizing": "AdaptiveAvgPool2d", "Reshape": "reshape",
    "Permute": "permute"}


def owns(value: Any) -> bool:
    """Whether a value is a layer or a model of Keras."""
    layer = getattr(sys.modules["keras"], "Layer", None)
    return layer is not None and isinstance(value, layer)


def says(op: Any) -> str:
    """How a layer is called."""
    return "called by Keras"


def layout(op: Any) -> str:
    """The order of the axes of a layer, or of the first layer inside of a model that has one: "nhwc" or "nchw"."""
    parts = [op, *getattr(op, "_flatten_layers", list)()]
    word = next((part.data_format for part in parts if getattr(part, "data_format", None)),
                sys.modules["keras"].config.image_data_format())
    return "nchw" if word == "channels_first" else "nhwc"


def image_shape(op: Any) -> tuple[int | None, int | None, int | None]:
    """(C, H, W) of a layer that is built; None for an axis without a fixed size."""
    shape = getattr(op, "input_shape", None)
    if shape is None and op.built:
        shape = (op.get_build_config() or {}).get("input_shape")
    if not isinstance(shape, (tuple, list)) or len(shape) != 4 or isinstance(shape[0], (tuple, list)):
        return None, None, None
    _, a, b, c = shape
    return (a, b, c) if layout(op) == "nchw" else (c, a, b)


def is_module(value: Any) -> bool:
    """Whether a value is a layer or a model."""
    return owns(value)


def narrow_dtype(op: Any) -> str:
    """The dtype in which a layer computes, if that has fewer bits than float32; else ""."""
    kind = str(getattr(op, "compute_dtype", "")) if owns(op) else ""
    return kind if kind in ("float16", "bfloat16") else ""


def as_function(op: Any, dtype: str) -> Callable:
    """A copy of the layer or model in that dtype, as a function of an array."""
    def call(images: np.ndarray) -> Any:
        if not op.built and op.weights:
            raise AdapterError(f"the Keras layer {op.name!r} is not built: call it once with an image")
        if len(getattr(op, "inputs", None) or [0]) != 1:
            raise AdapterError(f"the Keras model {op.name!r} needs {len(op.inputs)} inputs: write a function of one "
                               "image that fixes the others")
        with _precision(dtype):
            if not copies:
                copies.append(in_dtype(op, dtype))
            own = copies[0]
            out = own(images)
        if own.weights and not op.weights:
            raise AdapterError(f"the Keras layer {op.name!r} has no weights yet: call it once with an image")
        return out
    copies: list[Any] = []
    return call


def is_array(value: Any) -> bool:
    """Whether a value is a tensor of Keras's backend."""
    ops = getattr(sys.modules["keras"], "ops", None)
    return ops is not None and not isinstance(value, np.ndarray) and bool(ops.is_tensor(value))


def to_array(value: Any) -> Any:
    """A tensor as an array of NumPy; another value as it is."""
    return np.array(sys.modules["keras"].ops.convert_to_numpy(value)) if is_array(value) else value


def snapshots(objects: list[Any]) -> list[Callable[[], None]]:
    """Functions that put back the variables of layers: a layer that has no configuration is called itself."""
    def of(layer):
        saved = [(one, to_array(one.value)) for one in layer.variables]

        def put_back():
            for variable, value in saved:
                if not np.array_equal(to_array(variable.value), value, equal_nan=value.dtype.kind == "f"):
                    variable.assign(value)
        return put_back
    return [of(one) for one in objects if owns(one)]


def layer_operators(model: Any, dtype: str, shape: tuple[int, ...], channels_last: bool) -> list[Layer]:
    """The layers of a model, also of one whose class is the user's, for images of that shape (C, H, W)."""
    own, keras = in_dtype(model, dtype), sys.modules["keras"]

    def run(images, record):
        path: list[str] = []

        def called(layer, *args, **kwargs):
            described = _described(layer, ".".join([*path, layer.name] if layer is not own else []))
            path.extend([layer.name] * (layer is not own))
            try:
                return record.called(described, lambda *a, **k: original(layer, *a, **k), args, kwargs)
            finally:
                del path[len(path) - (layer is not own):]
        original = keras.Operation.__call__
        with _precision(dtype), replaced(keras.Operation, "__call__", called):
            own(images)
    return CallWalk(run, lambda wanted: CallRecord(_arrays, to_array, wanted), dtype, channels_last).layers(shape)


def in_dtype(op: Any, dtype: str) -> Any:
    """A copy with weights of that dtype. If it cannot be copied, the layer itself for "float32", else AdapterError."""
    try:
        new = type(op).from_config(_converted(op.get_config(), dtype))
        if op.built and not new.built:
            new.build_from_config(op.get_build_config())
        if op.built:
            new.set_weights(op.get_weights())
        return new
    except Exception as error:                          # a class of a user's without a configuration
        if dtype == "float32":
            return op
        raise AdapterError(f"the Keras layer {op.name!r} cannot be copied in {dtype}: {error}") from error


def _converted(config, dtype):
    """The configuration with that dtype in all layers."""
    if isinstance(config, dict):
        if config.get("class_name") == "DTypePolicy":
            return {**config, "config": {"name": dtype}}
        return {key: dtype if key == "dtype" and value in FLOATS else _converted(value, dtype)
                for key, value in config.items()}
    return type(config)(_converted(one, dtype) for one in config) if isinstance(config, (list, tuple)) else config


@contextlib.contextmanager
def _precision(dtype):
    """Context manager: no gradients of PyTorch, and 64 bits in JAX, if one of them is Keras's backend."""
    backend = sys.modules["keras"].backend.backend()
    with contextlib.ExitStack() as stack:
        if backend == "torch":
            stack.enter_context(sys.modules["torch"].no_grad())
        if backend == "jax" and dtype == "float64":
            stack.enter_context(jax.with_64_bits(sys.modules["jax"]))
        yield


def _arrays(value):
    """The tensors in a value; none of those that jax.jit traces."""
    found = [one for one in sys.modules["keras"].tree.flatten(value) if is_array(one)]
    return [one for one in found if not jax.is_traced(one)]


def _described(layer, name):
    """A layer in the words of PyTorch."""
    keras, kind = sys.modules["keras"], type(layer)
    innermost = top(kind) == "keras" and not isinstance(layer, keras.Model)
    if not innermost:
        return Described(name, f"{kind.__name__}()", FunctionCall(BETWEEN, {}), False)
    try:
        config = layer.get_config()
    except Exception:                                   # an operation without a configuration
        config = {}
    kernel = np.max(config.get("kernel_size") or config.get("pool_size") or 1)
    same = config.get("padding") == "same" and kernel > 1
    settings = {"stride": config.get("strides") or 1, "padding": "same" if same else 0, "mode":
                config.get("interpolation", ""), "circular": "pad circularly before it", "kernel_size": kernel,
                "output_size": config.get("height", 1)}
    if "Conv" in kind.__name__:
        settings["padding_mode"] = "zeros"
    return Described(name, call_kind(kind, SHOWN, config), FunctionCall(NAMES.get(kind.__name__, kind.__name__),
                                                                         settings), True)
