"""An ONNX model in another floating-point type: its arrays, its attributes and its casts."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

RESIZES = {"Resize": (1, 2), "Upsample": (1,)}          # inputs that are float32 in every model: roi and scales


def in_dtype(model: Any, dtype: str) -> Any:
    """A copy of a ModelProto that computes in "float32" or "float64"; the model itself if it does already.

    Initializers, inputs, outputs, constants, and the targets of casts change from each other floating-point type. The
    scales of Resize stay float32, as the operator wants them.
    """
    onnx = sys.modules["onnx"]
    target = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    kinds = onnx.TensorProto
    others = {kinds.FLOAT, kinds.DOUBLE, kinds.FLOAT16, kinds.BFLOAT16} - {target}
    if not _has(model.graph, others):
        return model
    new = onnx.ModelProto()
    new.CopyFrom(model)
    _convert(onnx, new.graph, others, target)
    return new


def _graphs(node):
    return [one.g for one in node.attribute if one.HasField("g")] + [g for one in node.attribute for g in one.graphs]


def _has(graph, kinds):
    """Whether a graph has an array or an attribute of one of these types."""
    arrays = [one.data_type for one in graph.initializer]
    arrays += [one.type.tensor_type.elem_type for one in (*graph.input, *graph.output)]
    for node in graph.node:
        arrays += [one.t.data_type for one in node.attribute if one.HasField("t")]
        arrays += [one.i for one in node.attribute if one.name in ("to", "dtype")]
        arrays += [1] * any(one.name in ("value_float", "value_floats") for one in node.attribute)
    return bool(kinds & set(arrays)) or any(_has(one, kinds) for node in graph.node for one in _graphs(node))


def _convert(onnx, graph, others, target):
    numbers = onnx.numpy_helper
    convert = lambda tensor: tensor.CopyFrom(numbers.from_array(
        numbers.to_array(tensor).astype(onnx.helper.tensor_dtype_to_np_dtype(target)), tensor.name))
    for tensor in graph.initializer:
        if tensor.data_type in others:
            convert(tensor)
    for port in (*graph.input, *graph.output):
        if port.type.tensor_type.elem_type in others:
            port.type.tensor_type.elem_type = target
    del graph.value_info[:]
    nodes = list(graph.node)
    del graph.node[:]
    for node in nodes:
        for one in list(node.attribute):
            if one.HasField("t") and one.t.data_type in others:
                convert(one.t)
            elif one.name in ("to", "dtype") and one.i in others:
                one.i = target
            elif one.name in ("value_float", "value_floats"):
                values = np.array(one.f if one.name == "value_float" else list(one.floats), np.float32)
                node.attribute.remove(one)
                node.attribute.append(onnx.helper.make_attribute("value", numbers.from_array(values)))
                convert(node.attribute[-1].t)
        for inner in _graphs(node):
            _convert(onnx, inner, others, target)
        for place in RESIZES.get(node.op_type, ()):
            if place < len(node.input) and node.input[place]:
                name = f"{node.input[place]}_float32_for_{node.output[0]}"
                graph.node.append(onnx.helper.make_node("Cast", [node.input[place]], [name], to=onnx.TensorProto.FLOAT,
                                                        name=name))
                node.input[place] = name
        graph.node.append(node)
