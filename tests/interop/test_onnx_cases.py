"""ONNX's own cases of its operators: all that are floating and have at most two spatial axes pass."""

import collections
import warnings

import numpy as np
import pytest

from minicnn.interop import from_onnx
from minicnn.interop.operators import OPERATORS
from minicnn.tensor import Tensor

onnx = pytest.importorskip("onnx")
numbers = onnx.TensorProto
FLOATS = (numbers.FLOAT, numbers.DOUBLE)
SPATIAL = {"Conv", "ConvTranspose", "MaxPool", "AveragePool"}


def cases():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from onnx.backend.test.case.node import collect_testcases
        return [case for case in collect_testcases(None)
                if {n.op_type for n in case.model.graph.node} <= {*OPERATORS, "Constant"}]


def array(value):
    """The array of what a case holds: an array or a TensorProto."""
    return onnx.numpy_helper.to_array(value) if isinstance(value, numbers) else np.asarray(value)


def why_left_out(case):
    """Why minicnn does not run a case, or None."""
    graph = case.model.graph
    types = [one.type.tensor_type.elem_type for one in graph.input]
    outputs = [one.type.tensor_type.elem_type for one in graph.output]
    nodes = {n.op_type for n in graph.node}
    if not all(one.type.HasField("tensor_type") for one in [*graph.input, *graph.output]):
        return "no array"
    if set(types + outputs) & {numbers.FLOAT16, numbers.BFLOAT16}:
        return "float16"
    if any(kind > numbers.BFLOAT16 for kind in types + outputs) or numbers.STRING in types + outputs:
        return "types of 8 bits, and strings"
    if not any(kind in FLOATS for kind in types + outputs) or nodes == {"Pow"} and types[0] not in FLOATS:
        return "integers"
    if nodes & SPATIAL and len(graph.input[0].type.tensor_type.shape.dim) > 4:
        return "three spatial axes"
    if "training_dropout" in case.name and "zero_ratio" not in case.name:
        return "random numbers"
    return None


CASES = cases()
RUN = [case for case in CASES if why_left_out(case) is None]


@pytest.mark.parametrize("case", RUN, ids=lambda case: case.name)
def test_case(case):
    model = from_onnx(case.model)
    for inputs, outputs in case.data_sets:
        found = model(*map(array, inputs))
        found = found if isinstance(found, tuple) else (found,)
        assert len(found) == len(outputs)
        for one, expected in zip(found, outputs, strict=True):
            expected = array(expected)
            result = one.data if isinstance(one, Tensor) else one
            assert result.dtype == expected.dtype and result.shape == expected.shape
            np.testing.assert_allclose(result, expected, case.rtol, 1e-6)


def test_every_operator_has_cases():
    run = {node.op_type for case in RUN for node in case.model.graph.node}
    assert {*OPERATORS} - run == {"And", "Not"}         # whose inputs are never floating


def test_what_is_left_out_is_counted():
    assert len(RUN) >= 540
    left_out = collections.Counter(reason for case in CASES if (reason := why_left_out(case)))
    assert left_out.pop("random numbers") == 4
    assert left_out.pop("three spatial axes") <= 12
    assert set(left_out) == {"integers", "float16", "types of 8 bits, and strings", "no array"}
