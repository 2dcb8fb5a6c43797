"""Reading ONNX files: the model in memory, checked, or a sentence that says what is wrong with it."""

from __future__ import annotations

import os
from typing import Any

from ...errors import FileError, InputError, InputTypeError
from ...files import as_path, open_to_read

MOST_BYTES = 2**31 - 1          # of a file, by protobuf


def library() -> Any:
    """The package onnx, which is imported when a model is read or written."""
    try:
        import onnx
    except ImportError:
        raise InputError("ONNX needs the package onnx, which is not installed: pip install onnx onnxruntime") from None
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
        raise InputTypeError(f"an ONNX model is given as the path of a file or as an onnx.ModelProto, not as a "
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
