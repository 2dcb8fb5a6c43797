"""Traces of a Module become an ONNX model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ...adapters.onnx.file import MOST_BYTES
from ...errors import FileError, InputError
from .. import onnx_file
from .absent import NOT_EXPORTED
from .builder import Builder, Shape, Value
from .registry import EMITTERS, Refused
from .same_graph import described
from .trace import Ref, Step, Trace, refs_in, replaced

SHOWN = 5                                           # operations that an error lists


class Plan(NamedTuple):
    """What becomes a model.

    Attributes
    ----------
    traces : sequence of Trace
        The first and the last have different numbers of samples.
    inputs : list of Value
    state : dict of ndarray
        All parameters and buffers.
    learned : set of str
        The names of the parameters.
    entries : dict of str
        For the metadata of the model.
    """

    name: str
    traces: Sequence[Trace]
    inputs: list[Value]
    state: dict[str, np.ndarray]
    learned: set[str]
    entries: dict[str, str]
    opset: int


def assemble(plan: Plan) -> Any:
    """The ModelProto. InputError names all operations that have no ONNX form."""
    onnx = onnx_file.library()
    taken = [*plan.state, *(one.name for one in plan.inputs)]
    ends = {name: free_name(name or "output", taken) for name in plan.traces[0].outputs}
    builder, values = Builder(plan.opset, taken, plan.inputs[0].name), _Values(plan)
    _write_steps(builder, plan, values)
    outputs = [_output(builder, plan, values, *pair) for pair in ends.items()]
    names = [name for name in plan.state if name in values.used]
    size = sum(plan.state[name].nbytes for name in names)
    if size > MOST_BYTES - (1 << 20):
        raise FileError(f"to_onnx: the parameters have {size:,} bytes, but an ONNX file has at most 2 GB")
    graph = onnx.helper.make_graph(
        builder.nodes, plan.name, [_described(onnx, one, ["N"] * one.ndim) for one in plan.inputs],
        [_described(onnx, one, _open_lengths(plan, name)) for name, one in zip(ends, outputs, strict=True)],
        [onnx.numpy_helper.from_array(np.ascontiguousarray(plan.state[name]).reshape(plan.state[name].shape), name)
         for name in names])
    opsets = [onnx.helper.make_opsetid("", plan.opset)]
    model = onnx.helper.make_model(graph, opset_imports=opsets, producer_name="minicnn",
                                   ir_version=onnx.helper.find_min_ir_version_for(opsets))
    kinds = {kind: json.dumps([name for name in names if (name in plan.learned) == learned])
             for kind, learned in ((onnx_file.PARAMETERS, True), (onnx_file.BUFFERS, False))}
    onnx.helper.set_model_props(model, plan.entries | kinds)
    return model


class _Values:
    """The values that exist: inputs, parameters and buffers, and the results of the steps so far."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.used = plan, set()              # type: Plan, set[str]
        self.results: dict[tuple[int, int], Value] = {}

    def of(self, one: Any) -> Any:
        """The Value of a Ref or of an array of floating-point numbers; an array of integers as it is."""
        if isinstance(one, np.ndarray):
            return Value("", one.shape, one.dtype, one) if one.dtype.kind == "f" else one
        if one.kind == "input":
            return self.plan.inputs[one.key]
        if one.kind == "step":
            return self.results[one.key]
        self.used.add(one.key)
        array = self.plan.state[one.key]
        return Value(one.key, array.shape, array.dtype)


def _write_steps(builder, plan, values):
    refused, last = [], plan.traces[-1].steps
    for number, (step, other) in enumerate(zip(plan.traces[0].steps, last, strict=True)):
        spec = [Value("", _shape(a.shape, b.shape), a.dtype) for a, b in zip(step.results, other.results, strict=True)]
        builder.layer, builder.out = step.layer, spec[0]
        try:
            names = _emitted(builder, step, values)
        except Refused as reason:
            refused.append(f"{described(step)}: {reason}")
            names = [""] * len(spec)
        for i, (one, name) in enumerate(zip(spec, names, strict=False)):
            values.results[number, i] = one._replace(name=name)
    if refused:
        more = f"; and {len(refused) - SHOWN} more" if len(refused) > SHOWN else ""
        raise InputError(f"to_onnx: these operations cannot be exported: {'; '.join(refused[:SHOWN])}{more}")


def _emitted(builder, step: Step, values: _Values) -> list[str]:
    emitter = None if step.operation is None else EMITTERS.get(step.operation)
    if emitter is None:
        raise Refused(NOT_EXPORTED.get(step.name) or "it is not one of minicnn's operations, or record did not get the "
                      "array that the operation returned. Write it with operations of minicnn.functional and of "
                      "Tensors")
    if any(ref.kind == "step" and not values.of(ref).name for ref in refs_in(step.arguments)):
        return [""] * len(step.results)                 # an operation before it was refused
    return [emitter(builder, **replaced(step.arguments, values.of))]


def free_name(name: str, taken: list[str]) -> str:
    """The name, or a longer one that is not taken; it is then taken.

    >>> free_name("input", ["input", "weight"])
    'input_'
    """
    while name in taken:
        name += "_"
    taken.append(name)
    return name


def _output(builder, plan, values, name, end):
    """The Value of an output, under the name `end`."""
    first, last = plan.traces[0], plan.traces[-1]
    ref, shape = first.outputs[name], _shape(first.shapes[name], last.shapes[name])
    value = values.of(ref)
    value = Value(builder.name_of(value), shape, value.dtype, None)
    made = isinstance(ref, Ref) and ref.kind == "step" and list(first.outputs.values()).count(ref) == 1
    if made:
        builder.rename(value.name, end)
        values.results[ref.key] = value._replace(name=end)
    else:                                               # an input, a parameter, a constant, or one value twice
        builder.layer = ""
        builder.rename(builder.node("Identity", value), end)
    return value._replace(name=end)


def _shape(first: tuple[int, ...], last: tuple[int, ...]) -> Shape:
    """The lengths, and None for those that follow the batch."""
    if len(first) != len(last):
        raise InputError(f"to_onnx: a result has shape {first} or {last}, which depends on the number of samples")
    return tuple(a if a == b else None for a, b in zip(first, last, strict=True))


def _described(onnx, value, names):
    """The input or output of a graph, with a name for each length that follows the batch."""
    kind = onnx.helper.np_dtype_to_tensor_dtype(value.dtype)
    dims = [name if n is None else n for name, n in zip(names, value.shape, strict=True)]
    return onnx.helper.make_tensor_value_info(value.name, kind, dims)


def _open_lengths(plan, name):
    """N for a length that is the number of samples, and another name for one that follows it otherwise."""
    first, last = plan.traces[0], plan.traces[-1]
    return ["N" if (a, b) == (first.samples, last.samples) else f"{name}_{axis}"
            for axis, (a, b) in enumerate(zip(first.shapes[name], last.shapes[name], strict=True))]
