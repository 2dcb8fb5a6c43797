"""An ONNX model as a function of an image: its input and outputs, checked, and sessions of onnxruntime for it."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ...errors import InputError
from ..given import AdapterError
from .dtypes import in_dtype
from .file import library, read

FLOATING = ("float", "double", "float16", "bfloat16")
MOST = 1 << 28                          # numbers in one array of a graph
UNARY = ("Identity", "Cast", "Sub", "Add", "Mul", "Div", "Relu", "Clip")       # may come before the first Transpose


class Port(NamedTuple):
    """An input or output: its name, its type in words such as "float", and its sizes, None where they are free."""

    name: str
    kind: str
    sizes: tuple[int | None, ...] | None

    def __str__(self):
        shape = "" if self.sizes is None else f" {[one or '?' for one in self.sizes]}".replace("'", "")
        return f"{self.name!r}: {self.kind}{shape}"


def is_source(value: Any) -> bool:
    """Whether a value is a path that ends with .onnx, a ModelProto, or a session of onnxruntime.

    >>> is_source("net.onnx"), is_source("net.py:net")
    (True, False)
    """
    if isinstance(value, (str, os.PathLike)):
        return str(value).lower().endswith(".onnx")
    kind = type(value)
    return (kind.__module__.split(".")[0], kind.__name__) in (("onnx", "ModelProto"), ("onnxruntime",
                                                                                         "InferenceSession"))


class OnnxModel:
    """A model of one image as input.

    Parameters
    ----------
    source : path, onnx.ModelProto, onnxruntime.InferenceSession or OnnxModel
    output : int or str, optional
        The place or name of the output whose nodes count in a walk; by default the nodes of all outputs.
    layout : {"nchw", "nhwc"}, optional
        By default it is "nhwc" if the graph begins by moving the last axis to the place of the channels.

    Raises
    ------
    FileError
        The file is no ONNX model, or lacks its external data.
    AdapterError
        The model has another number of inputs than one, or its input is no image in floating point.
    InputError
        onnx or onnxruntime is not installed.
    """

    def __init__(self, source: Any, output: int | str | None = None, layout: str | None = None):
        if isinstance(source, OnnxModel):
            vars(self).update(vars(source))
            self.layout: str = layout or source.layout
            self.output: int | str | None = source.output if output is None else output
            return
        self.output = output
        _runtime()
        self.proto, self.session = None, None
        if hasattr(source, "get_inputs"):
            self.session = source
            inputs, self.outputs = ([_port_of_session(one) for one in ports]
                                    for ports in (source.get_inputs(), source.get_outputs()))
        else:
            self.proto = read(source)
            constants = {one.name for one in self.proto.graph.initializer}
            inputs = [_port(one) for one in self.proto.graph.input if one.name not in constants]
            self.outputs = [_port(one) for one in self.proto.graph.output]
        self.input = _only_input(inputs)
        self.layout = layout or ("nhwc" if self.proto is not None and self._moves_channels() else "nchw")
        self.batch = self.input.sizes[0] if self.input.sizes else None
        _check_outputs(self.outputs)

    @property
    def image_shape(self) -> tuple[int | None, int | None, int | None]:
        """(C, H, W)."""
        if self.input.sizes is None:
            return None, None, None
        _, a, b, c = self.input.sizes
        return (c, a, b) if self.layout == "nhwc" else (a, b, c)

    def __call__(self, images: np.ndarray) -> Any:
        return self.run(images)

    def run(self, images: np.ndarray) -> Any:
        """The output, or {name: output} of several. The images lie as the model wants them, float32 or float64."""
        self.check_shape(images.shape)
        names = [port.name for port in self.outputs]
        if self.session is not None:
            if self.input.kind != {"float32": "float", "float64": "double"}[images.dtype.name]:
                raise AdapterError(f"the session takes {self.input.kind}: give the ONNX file or the ModelProto instead")
            found = run_in_batches(self.session, self.input.name, images, self.batch, names)
        else:
            found = run_in_batches(self._sessions(images.dtype.name, images.shape), self.input.name, images,
                                   self.batch, names)
        return found[0] if len(names) == 1 else dict(zip(names, found, strict=True))

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Raise AdapterError if the model takes images of another size."""
        wanted = self.input.sizes
        if (self.batch or 1) * math.prod(shape[1:]) > MOST:
            raise AdapterError(f"the ONNX model takes {self.batch or 1:,} images of shape {shape[1:]} at a time, which "
                               "is too much: export it with a free first axis")
        if wanted is None or all(a in (None, b) for a, b in zip(wanted[1:], shape[1:], strict=True)):
            return
        words = "(H, W, C)" if self.layout == "nhwc" else "(C, H, W)"
        text = ", ".join(str(one or "any") for one in wanted[1:])
        other = shape[3:] + shape[1:3] if self.layout == "nhwc" else shape[2:] + shape[1:2]
        turned = all(a in (None, b) for a, b in zip(wanted[1:], other, strict=True))
        turn = f"; or choose layout='{'nchw' if self.layout == 'nhwc' else 'nhwc'}'" if turned else ""
        raise AdapterError(f"the ONNX model takes images of shape {words} = ({text}), not {shape[1:]}: leave out size "
                           f"and in_channels to take its own{turn}")

    @property
    def judged(self) -> set[str]:
        """The names of the outputs whose nodes count in a walk."""
        names = [port.name for port in self.outputs]
        if isinstance(self.output, int) and -len(names) <= self.output < len(names):
            return {names[self.output]}
        if isinstance(self.output, str) and self.output in names:
            return {self.output}
        if self.output is not None:
            raise AdapterError(f"the ONNX model has no output {self.output!r}. Choose one of "
                               f"{', '.join(map(repr, names))}, or of 0 to {len(names) - 1}")
        return set(names)

    def in_dtype(self, dtype: str) -> Any:
        """A ModelProto that computes in that dtype; the model itself if it does already."""
        return in_dtype(self.proto, dtype)

    @cached_property
    def _known(self):
        return {}

    def _sessions(self, dtype, shape):
        """The session for a dtype, made once."""
        if dtype not in self._known:
            model = self.in_dtype(dtype)
            refuse_large(model, self.input.name, (self.batch or 1, *shape[1:]))
            self._known[dtype] = session(model)
        return self._known[dtype]

    def _moves_channels(self):
        """Whether the first thing that happens to the image is (N, H, W, C) -> (N, C, H, W)."""
        name = self.input.name
        for node in self.proto.graph.node:
            if name in node.input[:1]:
                if node.op_type == "Transpose":
                    return [list(one.ints) for one in node.attribute if one.name == "perm"] == [[0, 3, 1, 2]]
                if node.op_type not in UNARY:
                    return False
                name = node.output[0]
        return False


def session(model: Any) -> Any:
    """A session of onnxruntime on the processor, on one thread. What it refuses raises AdapterError."""
    onnxruntime = _runtime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    return _told("load the model", lambda: onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"], enable_fallback=0))


def run_in_batches(own: Any, name: str, images: np.ndarray, batch: int | None, outputs: list[str]) -> list[Any]:
    """The outputs for all images; in calls of `batch` images, the last one filled with zeros, if that is a number."""
    if batch is None:
        return _told("run the model", lambda: own.run(outputs, {name: images}))
    parts = []
    for i in range(0, len(images), batch):
        part = images[i:i + batch]
        full = np.concatenate([part, np.zeros((batch - len(part), *images.shape[1:]), images.dtype)])
        parts.append([one[:len(part)] if isinstance(one, np.ndarray) and one.ndim and len(one) == batch else one
                      for one in _told("run the model", lambda full=full: own.run(outputs, {name: full}))])
    return [np.concatenate(found) if isinstance(found[0], np.ndarray) and found[0].ndim else found[0]
            for found in zip(*parts, strict=True)]


def refuse_large(model: Any, name: str, shape: tuple[int, ...]) -> None:
    """Raise AdapterError if onnx infers that an array of the graph would be larger than `MOST` numbers."""
    onnx = library()
    known = onnx.ModelProto()
    known.CopyFrom(model)
    for one in known.graph.output:
        one.type.tensor_type.ClearField("shape")
    for one in known.graph.input:
        if one.name == name:
            one.type.tensor_type.shape.CopyFrom(onnx.helper.make_tensor_type_proto(1, shape).tensor_type.shape)
    try:
        known = onnx.shape_inference.infer_shapes(known, data_prop=True)
    except Exception:                   # a model that onnxruntime may still run
        return
    for one in (*known.graph.value_info, *known.graph.output):
        sizes = [axis.dim_value for axis in one.type.tensor_type.shape.dim]
        if math.prod(sizes) > MOST:
            raise AdapterError(f"the array {one.name!r} of the ONNX model would have the shape {sizes}, more than "
                               f"{MOST:,} numbers: give a smaller size, or a smaller model")


def _told(doing: str, call: Callable) -> Any:
    try:
        return call()
    except Exception as error:          # onnxruntime has a class for each of its statuses
        text = " ".join(str(error).split())
        raise AdapterError(f"onnxruntime cannot {doing}: {text.rpartition('[ONNXRuntimeError] : ')[2]}") from None


def _runtime():
    """The package onnxruntime, which is imported when a model is called."""
    try:
        import onnxruntime
    except ImportError:
        raise InputError("to call an ONNX model, minicnn needs the package onnxruntime, which is not installed: "
                         "pip install onnxruntime") from None
    return onnxruntime


def _port(value):
    onnx = sys.modules["onnx"]
    which = value.type.WhichOneof("value")
    if which != "tensor_type":
        return Port(value.name, (which or "unknown type").replace("_type", ""), None)
    kind = value.type.tensor_type
    names = onnx.TensorProto.DataType
    word = names.Name(kind.elem_type).lower() if kind.elem_type in names.values() else str(kind.elem_type)
    if not kind.HasField("shape"):
        return Port(value.name, word, None)
    return Port(value.name, word, tuple(_size(value.name, axis.dim_value) for axis in kind.shape.dim))


def _port_of_session(port):
    word = port.type.removeprefix("tensor(").removesuffix(")")
    return Port(port.name, word, tuple(_size(port.name, one) if isinstance(one, int) else None for one in port.shape))


def _size(name, value):
    """A size, or None: exporters write 0 or -1 for a free one."""
    if value < -1:
        raise AdapterError(f"the array {name!r} of the ONNX model has an axis of size {value}: the file is damaged")
    return value if value > 0 else None


def _only_input(inputs):
    if len(inputs) != 1:
        named = f"{len(inputs)} inputs ({', '.join(map(str, inputs))})" if inputs else "no input"
        raise AdapterError(f"the ONNX model has {named}, but minicnn gives one image: write a function of one image "
                           "that calls a session with the other inputs fixed, as in lambda f: session.run(None, "
                           "{'image': f, 'mask': mask})[0]")
    port, = inputs
    if port.kind not in FLOATING:
        raise AdapterError(f"the input {port} of the ONNX model is no image in floating point: write a function that "
                           "converts the image and calls a session")
    if port.sizes is not None and len(port.sizes) != 4:
        raise AdapterError(f"the input {port} of the ONNX model has {len(port.sizes)} axes, but images (N, C, H, W) "
                           "have four: write a function that reshapes the image and calls a session")
    return port


def _check_outputs(outputs):
    if len(outputs) == 1 and outputs[0].kind not in FLOATING:
        raise AdapterError(f"the ONNX model returns {outputs[0]}, which is no image in floating point: cut the model "
                           "before it, as with onnx.utils.extract_model")
