"""What the tests of the export share: a checked model, and its outputs by onnxruntime or by ONNX's reference."""

import numpy as np
import pytest

from minicnn import nn
from minicnn.interop import to_onnx

onnx = pytest.importorskip("onnx")
from .graphs import runtime  # noqa: E402


class Function(nn.Module):
    """A function as a Module; arrays after the first are its parameters."""

    def __init__(self, function, *parameters):
        self.function = function
        self.parameters_ = [nn.Parameter(array) for array in parameters]

    def forward(self, *inputs):
        return self.function(*inputs, *self.parameters_)


def exported(model, inputs, **options):
    """The model, as ONNX's checker in its strictest mode accepts it."""
    proto = to_onnx(model, inputs=inputs, **options)
    onnx.checker.check_model(proto, full_check=True)
    onnx.shape_inference.infer_shapes(proto, check_type=True, strict_mode=True, data_prop=True)
    return proto


def outputs(proto, *inputs):
    """The outputs by onnxruntime. It lacks many operators in float64: there by ONNX's reference implementation."""
    onnxruntime = pytest.importorskip("onnxruntime")
    try:
        return runtime(proto, *inputs)
    except onnxruntime.capi.onnxruntime_pybind11_state.NotImplemented:
        assert inputs[0].dtype == np.float64
        from onnx.reference import ReferenceEvaluator
        names = [one.name for one in proto.graph.input]
        return ReferenceEvaluator(proto).run(None, dict(zip(names, inputs, strict=True)))


def drawn(*shape, seed=0, dtype=np.float32):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)
