"""An ONNX graph as a Module, which can be trained."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..checks import generator
from ..errors import FileError, InputError
from ..nn import Module, Parameter
from ..tensor import Tensor, as_tensor
from . import onnx_file
from .operators import OPERATORS, Node

RUNNING = {"BatchNormalization": (3, 4)}        # inputs that are buffers


class Graph(Module):
    """The nodes of an ONNX graph, in their order. Parameters and buffers have the names of the initializers.

    `forward` takes the inputs of the graph in their order, and returns its output, or a tuple of outputs. `from_onnx`
    makes it.

    Attributes
    ----------
    input_names, output_names : tuple of str
    """

    def __init__(self, model: Any, rng: np.random.Generator | None = None) -> None:
        graph, opset = model.graph, onnx_file.opset_of(model)
        onnx_file.check_names(graph)
        _check_operators(graph.node)
        if graph.sparse_initializer:
            raise FileError("the model has sparse initializers, which minicnn does not read: export it without them")
        arrays = {one.name: onnx_file.array_from(one, one.name) for one in graph.initializer}
        inputs = [one for one in graph.input if one.name not in arrays]
        self.input_names = tuple(one.name for one in inputs)
        self.output_names = tuple(one.name for one in graph.output)
        self._ranks = [_rank(one) for one in inputs]
        self._constants: dict[str, Any] = {}
        self._stored: dict[str, str] = {}               # name of the value: name of the attribute
        self._steps: list[str] = []
        self.buffers = ()
        nodes = []
        for i, proto in enumerate(graph.node):
            name = proto.name or f"{proto.op_type}_{i}"
            attributes = onnx_file.attributes_of(proto, name)
            if proto.op_type == "Constant":
                self._constants[proto.output[0]] = _constant(name, attributes)
            else:
                nodes.append(Node(name, proto.op_type, attributes, opset, tuple(proto.input), tuple(proto.output), rng))
        told = onnx_file.state_of(model)
        for name in told.get(onnx_file.PARAMETERS, ()):
            self._keep(name, Parameter(arrays[name]))
        for name in told.get(onnx_file.BUFFERS, ()):
            self._keep(name, arrays[name])
        for node in nodes:
            _check_inputs(node)
            for place, name in enumerate(node.inputs):
                if name in arrays:
                    self._own(node, place, name, arrays[name])
        for name, array in arrays.items():
            if name not in self._stored:
                self._constants[name] = _value(array)
        for node in nodes:
            self._steps.append(self._free(node.name))
            setattr(self, self._steps[-1], node)
        self._last = _last_uses(nodes, self.output_names)

    def _own(self, node, place, name, array):
        """Make the initializer a parameter or a buffer, if the node uses it as one."""
        if array.dtype.kind != "f":
            return
        if place in OPERATORS[node.operator].learned and array.ndim:
            if name not in self._stored:
                self._keep(name, Parameter(array))
            if isinstance(value := getattr(self, self._stored[name]), Parameter):
                node.weights[name] = value
        elif name not in self._stored and place in RUNNING.get(node.operator, ()):
            self._keep(name, array)

    def _keep(self, name, value):
        """Make a Parameter, or an array as a buffer, an attribute."""
        self._stored[name] = self._free(name)
        setattr(self, self._stored[name], value)
        if not isinstance(value, Parameter):
            self.buffers = (*self.buffers, self._stored[name])

    def _free(self, name):
        """The name, or a longer one, that no attribute has yet."""
        while hasattr(self, name):
            name += "_"
        return name

    def forward(self, *inputs: Any) -> Any:
        """The outputs of the graph for its inputs, which are Tensors or arrays."""
        if len(inputs) != len(self.input_names):
            raise InputError(f"the ONNX graph has {len(self.input_names)} inputs ({', '.join(self.input_names)}), but "
                             f"{len(inputs)} are given")
        values: dict[str, Any] = {"": None, **self._constants}
        values.update((name, getattr(self, own)) for name, own in self._stored.items())
        for name, rank, given in zip(self.input_names, self._ranks, inputs, strict=True):
            value = given if isinstance(given, Tensor) else _value(np.asarray(given))
            if rank is not None and value.ndim != rank:
                raise InputError(f"the input {name!r} of the ONNX graph has {rank} axes, but an array of shape "
                                 f"{value.shape} is given")
            values[name] = value
        for step in self._steps:
            node = getattr(self, step)
            out = node(*(values[name] for name in node.inputs))
            for name, value in zip(node.outputs, out if isinstance(out, tuple) else (out,), strict=False):
                values[name] = value
            for name in self._last.get(node.outputs, ()):
                del values[name]
        missing = [name for name in self.output_names if name not in values]
        if missing:
            raise InputError(f"the outputs {', '.join(missing)} of the ONNX graph are not computed by minicnn")
        results = tuple(values[name] for name in self.output_names)
        return results if len(results) > 1 else results[0]

    def extra_repr(self) -> str:
        """The names of inputs and outputs."""
        return f"{', '.join(self.input_names)} -> {', '.join(self.output_names)}"


def from_onnx(source: Any, *, rng: np.random.Generator | None = None) -> Graph:
    """A model of an ONNX file as a Module in evaluation mode, which can be trained.

    The initializers that a layer learns are Parameters with their names: the weights and biases of convolutions,
    `Gemm`, `MatMul` and normalizations, and arrays that are added or multiplied. Numbers without an axis, and the
    outputs of `Constant`, stay constants. The running statistics of `BatchNormalization` are buffers. After
    `model.train()` it uses the statistics of the batch, and `Dropout` drops. A file of `to_onnx` says in its metadata
    which initializers are Parameters, and which are buffers.

    Parameters
    ----------
    source : str, path or onnx.ModelProto
        Of opset 7 to 28, in float32 or float64, with at most two spatial axes. External data lie beside the file.
    rng : numpy.random.Generator, optional
        For `Dropout` in training.

    Returns
    -------
    Graph
        A Module. Each node is a sub-module, with the name of the node.

    Raises
    ------
    FileError
        The file is no valid ONNX model, or lacks its external data; the opset or a type of numbers is not supported.
    InputError
        The package onnx is not installed; minicnn does not have an operator. The message names all of these nodes.
    InputTypeError
        The source or `rng` is something else.

    Examples
    --------
    >>> from minicnn.interop import from_onnx
    >>> from_onnx("missing.onnx")                                       # doctest: +SKIP
    Traceback (most recent call last):
        ...
    minicnn.FileError: missing.onnx: cannot be read: No such file or directory. Check the path and its permissions.
    """
    if rng is not None:
        generator("from_onnx: rng", rng)
    return Graph(onnx_file.read(source), rng).eval()


def _check_operators(nodes):
    """Raise InputError that names all nodes whose operator is not there."""
    missing = []
    for i, node in enumerate(nodes):
        if node.domain not in ("", "ai.onnx") or node.op_type not in (*OPERATORS, "Constant"):
            operator = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
            missing.append(f"{operator} (node {node.name or f'{node.op_type}_{i}'!r})")
    if missing:
        rest = f", and {len(missing) - 10} more" if len(missing) > 10 else ""
        raise InputError(f"minicnn does not have these ONNX operators: {', '.join(missing[:10])}{rest}. It has "
                         f"{', '.join(sorted(OPERATORS))}")


def _check_inputs(node):
    rule = OPERATORS[node.operator]
    if not rule.required <= len(node.inputs) <= rule.most or "" in node.inputs[:rule.required]:
        raise FileError(f"ONNX node {node.name!r} ({node.operator}) has {len(node.inputs)} inputs, but needs "
                        f"{rule.required} at least and {rule.most} at most")


def _rank(value):
    """The number of axes of an input, or None if the file does not say it."""
    kind = value.type.tensor_type
    if not value.type.HasField("tensor_type"):
        raise FileError(f"the input {value.name!r} of the ONNX graph is no array")
    return len(kind.shape.dim) if kind.HasField("shape") else None


def _constant(name, attributes):
    """The value of a Constant node."""
    if len(attributes) != 1 or (kind := next(iter(attributes))) not in (
            "value", "value_float", "value_floats", "value_int", "value_ints"):
        raise FileError(f"ONNX node {name!r} (Constant) has no value of numbers")
    value = attributes[kind]
    return _value(value if kind == "value" else np.array(value, np.float32 if "float" in kind else np.int64))


def _value(array):
    """Floating-point numbers as a Tensor, integers and booleans as an array."""
    return as_tensor(array) if array.dtype.kind not in "iub" else array


def _last_uses(nodes, outputs):
    """{outputs of a node: names of the results that no later node uses}, which are forgotten then."""
    made = {name for node in nodes for name in node.outputs if name}
    last = {name: node.outputs for node in nodes for name in (*node.outputs, *node.inputs) if name in made}
    uses: dict[tuple[str, ...], list[str]] = {}
    for name, node_outputs in last.items():
        if name not in outputs:
            uses.setdefault(node_outputs, []).append(name)
    return uses
