"""The parts of an ONNX model as arrays and numbers, or a sentence that says what is wrong with them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from ..adapters.onnx.file import library, read
from ..errors import FileError

__all__ = ["BUFFERS", "PARAMETERS", "array_from", "attributes_of", "check_names", "library", "opset_of", "read",
           "state_of"]
OPSETS = (7, 28)                # of the operators; older ones broadcast by other rules
PARAMETERS, BUFFERS = "minicnn.parameters", "minicnn.buffers"       # entries of the metadata: names of initializers


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


def state_of(model: Any) -> dict[str, list[str]]:
    """The names of the parameters and of the buffers, if `to_onnx` wrote the model; else an empty dict."""
    entries = {one.key: one.value for one in model.metadata_props}
    floats = library().TensorProto.FLOAT, library().TensorProto.DOUBLE
    known = {one.name for one in model.graph.initializer if one.data_type in floats}
    try:
        found = {kind: json.loads(entries[kind]) for kind in (PARAMETERS, BUFFERS)}
    except (KeyError, ValueError):
        return {}
    if not all(isinstance(names, list) for names in found.values()):
        return {}
    names = [name for kind in found.values() for name in kind]
    whole = all(isinstance(name, str) and name in known for name in names) and len(set(names)) == len(names)
    return found if whole else {}


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
