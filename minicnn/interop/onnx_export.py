"""A Module as an ONNX model: its graph is traced, built, checked, computed once more, and written."""

from __future__ import annotations

import inspect
import math
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..adapters.onnx.model import session
from ..checks import integer, is_integer
from ..errors import InputError, InputTypeError
from ..files import check_destination, write_atomically
from ..grad_mode import no_grad
from ..nn import Module
from ..nn.calls import evaluating
from ..nn.summary import known_shapes
from ..nn.unchanged import unchanged
from ..progress import SILENT, Progress
from ..tensor import Tensor
from . import onnx_file
from .export import DependsOnBatch, Plan, Value, assemble, compare, free_name, named_outputs, trace
from .export.trace import Trace
from .onnx_graph import from_onnx

FIRST_OPSET = 17
BATCHES = ((2, 1.0), (2, -0.5), (3, 0.7))           # samples of the traced calls, and a factor of their inputs
AGAIN = (1, 5)                                      # samples of the calls that are compared with the graph
CALLS = len(BATCHES) + len(AGAIN)
MOST = 1 << 40                                      # numbers of a sample
TOLERANCE = {"float32": 1e-3, "float64": 1e-8}      # of the largest number of an output


def to_onnx(model: Module, path: str | os.PathLike | None = None, inputs: Any = None, *, opset: int = FIRST_OPSET,
            metadata: Mapping[str, str] | None = None, progress: Progress = SILENT) -> Any:
    """A Module as an ONNX model, in evaluation mode: batch norm uses its running statistics, dropout does nothing.

    The model may be any Module; `forward` is ordinary Python code. It is called with several batches, and its
    operations become nodes, which have the names of their layers. The number of samples stays open; the other lengths
    are those of `inputs`. Parameters and buffers are initializers with their names in `state_dict`; a tied weight is
    one initializer, and what the outputs do not depend on is left out. `from_onnx` makes the same parameters and
    buffers of them. The model itself is not changed.

    A value that Python computes from the numbers or the number of samples cannot be in a graph, as in
    `if x.sum() > 0` or `for sample in x`. Then numbers of a Tensor go to Python, or the calls differ, and the error
    says where. Only what Python does with the array `x.data` is not seen, unless it makes the calls differ.

    Parameters
    ----------
    model : Module
        Its inputs are Tensors whose first axis counts the samples. It returns a Tensor, or a tuple, list or dict of
        Tensors.
    path : path, optional
        The file to write, whole or not at all. An old file is replaced.
    inputs : optional
        The shape of the input, as in (1, 3, 32, 32), or an array or Tensor as an example; for several inputs a list of
        them. The number of samples plays no part. By default the shape for which the model was made, or that of its
        first call.
    opset : int
        The version of ONNX's operators, from 17 on.
    metadata : mapping of str to str, optional
        Further entries of the model, such as the names of the classes.
    progress : Progress, optional
        Gets the number of calls of the model that are done.

    Returns
    -------
    onnx.ModelProto

    Raises
    ------
    InputError
        The package onnx is not installed, or does not have the opset; the shape of the input is not known; an operation
        has no ONNX form; the graph depends on the batch. The message names the layers.
    InputTypeError
        An argument or an output has another type.
    FileError
        The file cannot be written, or the model would have more than 2 GB.

    Notes
    -----
    onnx.checker checks the model. Then `from_onnx` computes it for other batches, and the outputs are compared with
    those of the Module.

    Examples
    --------
    >>> from minicnn.nn import Flatten, Linear, ReLU, Sequential
    >>> model = Sequential(Flatten(), Linear(12, 4), ReLU())
    >>> proto = to_onnx(model, inputs=(1, 3, 2, 2))                     # doctest: +SKIP
    >>> [node.name for node in proto.graph.node], [one.name for one in proto.graph.initializer]     # doctest: +SKIP
    (['0/Flatten', '1/Gemm', '2/Relu'], ['1.weight', '1.bias'])
    """
    if not isinstance(model, Module):
        raise InputTypeError(f"to_onnx: the model must be a Module, not a {type(model).__name__}")
    onnx = onnx_file.library()
    opset = integer("to_onnx: opset", opset)
    most = min(onnx.defs.onnx_opset_version(), onnx_file.OPSETS[1])
    if not FIRST_OPSET <= opset <= most:
        raise InputError(f"to_onnx: opset must be from {FIRST_OPSET} to {most}, the newest of the installed package "
                         f"onnx that minicnn knows, not {opset}")
    if path is not None:
        check_destination(path)
    examples, entries = _examples(model, inputs), _entries(metadata)
    with unchanged(model), evaluating(model):
        traces: list[Trace] = []
        for count, factor in BATCHES:
            progress.update(len(traces), CALLS, "trace")
            traces.append(trace(model, _batch(examples, count, factor)))
        _check_same(traces)
        state, learned = dict(model._state()), {name for name, _ in model.named_parameters()}
        taken = list(state)
        values = [Value(free_name(name, taken), (None, *one.shape[1:]), one.dtype)
                  for name, one in zip(_input_names(model, len(examples)), examples, strict=True)]
        proto = assemble(Plan(type(model).__name__, traces, values, state, learned, entries, opset))
        onnx.checker.check_model(proto, full_check=True)
        _check_result(model, proto, examples, progress)
    progress.update(CALLS, CALLS)
    if path is not None:
        write_atomically(path, proto.SerializeToString())
    return proto


def _entries(metadata):
    entries = dict(metadata or {})
    if not all(isinstance(one, str) for pair in entries.items() for one in pair):
        raise InputTypeError("to_onnx: metadata must be a mapping of strings to strings")
    return entries


def _examples(model, inputs):
    """One array for each input, with at least one sample."""
    if inputs is None and not (inputs := known_shapes(model)[0]):
        raise InputError("to_onnx: the shape of the input is not known: give inputs=(1, C, H, W), or an example")
    several = isinstance(inputs, list) or isinstance(inputs, tuple) and not all(map(is_integer, inputs))
    dtype, rng = next((one.dtype for one in model.parameters()), np.dtype(np.float32)), np.random.default_rng(0)
    examples = [_example(one, dtype, rng) for one in (inputs if several else [inputs])]
    if not examples:
        raise InputError("to_onnx: the list of inputs is empty: give a shape or an example for each input")
    return examples


def _example(one, dtype, rng):
    if isinstance(one, (tuple, list)) and one and all(is_integer(n) and n >= 0 for n in one):
        if math.prod(one[1:]) > MOST:
            raise InputError(f"to_onnx: an input of shape {tuple(one)} has too many numbers")
        return rng.standard_normal((max(AGAIN), *one[1:])).astype(dtype)
    array = one.data if isinstance(one, Tensor) else one
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "iufb":
        raise InputTypeError(f"to_onnx: inputs must be a shape as in (1, 3, 32, 32), an array of numbers, or a list of "
                             f"them, not {one!r}")
    if not array.ndim or not len(array):
        raise InputError(f"to_onnx: an input needs an axis of samples, and an example needs a sample, but the shape is "
                         f"{array.shape}")
    return array if array.dtype in (np.float32, np.float64) else array.astype(dtype)


def _batch(examples, count, factor=1.0):
    """So many samples for each input, multiplied by a factor."""
    return tuple(np.ascontiguousarray(one[np.arange(count) % len(one)] * one.dtype.type(factor)) for one in examples)


def _input_names(model, count):
    """"input", or the names of the arguments of `forward`."""
    if count == 1:
        return ["input"]
    named = [name for name, one in inspect.signature(model.forward).parameters.items()
             if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    return named[:count] if len(named) >= count else [f"input_{i}" for i in range(count)]


def _check_same(traces):
    """Raise InputError if the calls differ. The first two have other numbers, the first and the third other sizes."""
    for other, what in ((traces[1], "the numbers in the batch"), (traces[2], "the number of samples")):
        try:
            compare(traces[0], other)
        except DependsOnBatch as difference:
            raise InputError(f"to_onnx: the graph would depend on {what}: {difference}. A graph has no Python: compute "
                             "with operations of Tensors (np.where instead of if, x.mean(0) instead of a loop over "
                             "samples), without x.data") from None


def _check_result(model, proto, examples, progress):
    """Raise InputError if the graph, computed by minicnn, does not give the outputs of the model for other batches."""
    graph = from_onnx(proto)
    for done, count in enumerate(AGAIN, len(BATCHES)):
        progress.update(done, CALLS, "compare")
        batch = _batch(examples, count)
        with no_grad():
            wanted, found = model(*map(Tensor, batch)), graph(*batch)
        pairs = zip(named_outputs(wanted).items(), named_outputs(found).values(), strict=True)
        for (name, one), other in pairs:
            if one.shape != other.shape or one.dtype != other.dtype or not _near(one.data, other.data):
                raise InputError(f"to_onnx: for {count} samples the exported graph does not give the output {name!r} "
                                 "of the model. Does forward depend on the number of samples or their values, or does "
                                 "it draw numbers? If it does not, please report this")


def runtime_difference(model: Module, proto: Any, inputs: Any = None) -> float:
    """The largest difference between the outputs of a Module and of its ONNX model, computed by onnxruntime.

    Parameters
    ----------
    model, inputs
        As for `to_onnx`.
    proto : onnx.ModelProto
        From `to_onnx`.

    Returns
    -------
    float
        For batches of 1 and 5 samples, relative to the largest output of the batch; inf if an output is finite and the
        other is not.

    Raises
    ------
    InputError
        The package onnxruntime is not installed, or lacks an operator for the dtype.
    """
    own, examples, largest = session(proto), _examples(model, inputs), 0.0
    with unchanged(model), evaluating(model), no_grad():
        for count in AGAIN:
            batch = _batch(examples, count)
            found = own.run(None, dict(zip([one.name for one in own.get_inputs()], batch, strict=True)))
            for one, other in zip(named_outputs(model(*map(Tensor, batch))).values(), found, strict=True):
                largest = max(largest, _difference(one.data, other))
    return largest


def _difference(one, other):
    if not np.array_equal(np.isfinite(one), np.isfinite(other)):
        return math.inf
    usual = np.isfinite(one)
    scale = np.abs(one[usual]).max(initial=0)
    return float(np.abs(one[usual] - other[usual]).max(initial=0) / (scale or 1))


def _near(one, other):
    finite = np.abs(one[np.isfinite(one)]).max(initial=0)
    return np.allclose(one, other, TOLERANCE[str(one.dtype)], TOLERANCE[str(one.dtype)] * finite, equal_nan=True)
