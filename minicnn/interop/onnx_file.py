"""Reading ONNX files: the model in memory, checked, or a sentence that says what is wrong with it."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from ..errors import FileError, InputError, InputTypeError
from ..files import as_path, open_to_read

OPSETS = (7, 28)                # of the operators; older ones broadcast by other rules
MOST_BYTES = 2**31 - 1          # of a file, by protobuf


def library() -> Any:
    """The package onnx, which is imported when a model is read or written."""
    try:
        import onnx
    except ImportError:
        raise InputError("ONNX needs the package onnx, which is not installed: pip install 'minicnn[onnx]'") from None
    return onnx


def read(source: Any) -> Any:
    """The checked ModelProto of a path or of a model in memory, without local functions."""
    onnx = library()
    if isinstance(source, onnx.ModelProto):
        model = onnx.ModelProto()
        model.CopyFrom(source)
        name = "the model"
    elif isinstance(source, (str, os.PathLike)):
        name, model = str(source), _loaded(onnx, source)
    else:
        raise InputTypeError(f"from_onnx takes the path of an ONNX file or an onnx.ModelProto, not a "
                             f"{type(source).__name__}")
    for output in model.graph.output:
        if output.type.HasField("tensor_type"):         # the checker wants a shape, but some exporters write none
            output.type.tensor_type.shape.SetInParent()
    try:
        onnx.checker.check_model(model)
        return onnx.inliner.inline_local_functions(model) if model.functions else model
    except Exception as error:                          # of several classes, some of them private
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise FileError(f"{name} is no valid ONNX model: {first}") from None


def _loaded(onnx, source):
    path = as_path(source)
    with open_to_read(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > MOST_BYTES:
            raise FileError(f"{path} has {size:,} bytes, but an ONNX file has at most 2 GB: it is no ONNX file")
        data = file.read()
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except Exception:                                   # protobuf has its own class of errors
        model.Clear()
    if not model.ir_version or not model.HasField("graph"):
        raise FileError(f"{path} is no ONNX file, or it is damaged: export the model again")
    try:
        onnx.external_data_helper.load_external_data_for_model(model, str(path.parent))
    except Exception as error:                          # missing, too short, or outside of the directory
        first = (str(error).strip().splitlines() or [""])[0]
        raise FileError(f"{path} keeps weights in other files, which cannot be read: {first} Put these files beside "
                        "it") from None
    return model


def opset_of(model: Any) -> int:
    """The version of the operators of the default domain. One that is too old or too new raises FileError."""
    versions = [one.version for one in model.opset_import if one.domain in ("", "ai.onnx")]
    version = versions[0] if versions else 0
    if not OPSETS[0] <= version <= OPSETS[1]:
        raise FileError(f"the model has opset {version}, but minicnn reads opsets {OPSETS[0]} to {OPSETS[1]}: export "
                        "it with opset_version=17, or convert it with onnx.version_converter")
    return version


def check_names(graph: Any) -> None:
    """Raise FileError if a name of the graph is no text, which protobuf gives as bytes."""
    names = [one.name for group in (graph.initializer, graph.input, graph.output) for one in group]
    for node in graph.node:
        names += [node.name, node.op_type, node.domain, *node.input, *node.output]
        names += [one.name for one in node.attribute]
    wrong = [name for name in names if not isinstance(name, str)]
    if wrong:
        raise FileError(f"the ONNX model has the name {wrong[0]!r}, which is no UTF-8 text: the file is damaged")


def array_from(tensor: Any, name: str) -> np.ndarray:
    """The array of a TensorProto. Types that minicnn does not have, and data that do not fit, raise FileError."""
    onnx = library()
    kind = onnx.TensorProto.DataType.Name(tensor.data_type) if tensor.data_type in (
        onnx.TensorProto.DataType.values()) else str(tensor.data_type)
    try:
        array = onnx.numpy_helper.to_array(tensor)
    except Exception as error:                          # the data do not have the size that the shape needs
        raise FileError(f"the array {name!r} of shape {list(tensor.dims)} cannot be read: {error}") from None
    if array.dtype.kind not in "iub" and array.dtype not in (np.float32, np.float64):
        raise FileError(f"the array {name!r} has type {kind}, but minicnn computes in float32 and float64: export the "
                        "model in float32")
    return array.copy()


def attributes_of(node: Any, name: str) -> dict[str, Any]:
    """The attributes of a node as numbers, strings, lists and arrays."""
    onnx = library()
    found: dict[str, Any] = {}
    for one in node.attribute:
        value = onnx.helper.get_attribute_value(one)
        if isinstance(value, onnx.TensorProto):
            value = array_from(value, f"{name}.{one.name}")
        elif isinstance(value, bytes):
            value = value.decode("utf-8", "replace")
        elif not isinstance(value, (int, float)):
            value = list(value) if one.type in (one.INTS, one.FLOATS) else None
        if value is None:
            raise FileError(f"node {name!r} ({node.op_type}) has the attribute {one.name!r} of a type that minicnn "
                            "cannot use")
        found[one.name] = value
    return found
