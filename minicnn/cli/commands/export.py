"""`minicnn export`: a trained network as an ONNX model."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from dataclasses import asdict
from typing import Any

from ...errors import InputError, MinicnnError
from ..options import add_command, add_json, add_quiet, destination, given_path, shape, to_integer
from ..output import print_result, print_text

EXAMPLE = """minicnn export digits.onnx --weights runs/mnist-seed1

The number of samples stays open. Parameters keep their names, and the metadata of the file have the rules by which
pictures become inputs, and the names of the classes. The network computes as in evaluation: batch norm uses its running
statistics, dropout does nothing."""


def add_parser(commands: Any) -> None:
    """Add `export` to the commands."""
    from ..networks import network
    command = add_command(
        commands, "export", run, "write a trained network as an ONNX model",
        "Write a trained network as an ONNX model, for onnxruntime and other programs. Check the model, and compare it "
        "with the network, and with onnxruntime if it is installed.", EXAMPLE)
    option = command.add_argument
    option("out", type=destination(".onnx"), metavar="MODEL.onnx", help="the file to write; an old file is replaced")
    option("--weights", type=given_path, metavar="RUN",
           help="the directory of a run, or a .safetensors, .pt or .pth file (default: the weights in the package)")
    option("--model", type=network, metavar="NAME",
           help="the network that has these weights, or FILE.py:NAME; a run remembers its own. Without --weights it "
                "may be a Module of yours that exists already")
    option("--shape", type=shape, metavar="C,H,W",
           help="the shape of one input, without samples (default: that of the run, or for which the network was made)")
    option("--opset", type=to_integer(1), default=17, metavar="N", help="the version of ONNX's operators, from 17 on")
    add_quiet(command)
    add_json(command)


def run(arguments: argparse.Namespace) -> None:
    """minicnn export."""
    from ...interop import runtime_difference, to_onnx
    from ...progress import on_stderr
    from ..foreign import ForeignNetwork
    from ..networks import measured_network
    from ..user_code import user_errors
    try:
        path, name, model, meta = measured_network(arguments.weights, arguments.model)
    except ForeignNetwork as error:
        if error.library == "PyTorch":
            raise InputError(f"{error}. PyTorch writes ONNX itself: torch.onnx.export") from error
        raise
    inputs, entries = _inputs(arguments.shape, model, meta, path), _entries(name, meta, path)
    with user_errors(name, f"inputs of shape {inputs}"), on_stderr("export", arguments.quiet) as progress:
        proto = to_onnx(model, arguments.out, inputs, opset=arguments.opset, metadata=entries, progress=progress)
        try:
            compared, reason = runtime_difference(model, proto, inputs), None
        except MinicnnError as error:                   # onnxruntime is not installed, or lacks an operator
            compared, reason = None, str(error)
    result = {"out": str(arguments.out), "bytes": arguments.out.stat().st_size, "model": name,
              "weights": None if path is None else str(path), "opset": arguments.opset, "ir_version": proto.ir_version,
              "inputs": _ports(proto.graph.input), "outputs": _ports(proto.graph.output),
              "operators": dict(Counter(node.op_type for node in proto.graph.node)),
              "initializers": [one.name for one in proto.graph.initializer], "metadata": entries,
              "difference": compared, "not_compared": reason}
    print_result(arguments, result, lambda: _print(result))


def _inputs(given, model, meta, path):
    """The shape of the input with one sample."""
    from ...nn.summary import known_shapes
    from ..networks import remembered_sizes
    if given is not None:
        return (1, *given)
    sizes = remembered_sizes(meta, path)
    if "in_channels" in sizes and "image_size" in sizes:
        return (1, sizes["in_channels"], *sizes["image_size"])
    if found := known_shapes(model)[0]:
        return found[0] if len(found) == 1 else found
    raise InputError("the shape of the input is not known: give --shape, as in --shape 3,32,32")


def _entries(name, meta, path):
    """What the checkpoint knows of pictures and classes, for the metadata of the model."""
    from ..data_choice import classes_of, rules_of
    entries = {"minicnn.model": name}
    if "rules" in meta or "dataset" in meta:
        entries["minicnn.rules"] = json.dumps(asdict(rules_of(meta, path)))
    if (names := classes_of(meta, path)) is not None:
        entries["minicnn.class_names"] = json.dumps(names)
    return entries


def _ports(values):
    """The names, types and shapes of inputs or outputs."""
    kinds = {1: "float32", 11: "float64"}
    return [{"name": one.name, "dtype": kinds[one.type.tensor_type.elem_type],
             "shape": [axis.dim_param or axis.dim_value for axis in one.type.tensor_type.shape.dim]} for one in values]


def _print(result):
    from ...training import weights_file
    weights = f"the weights {result['weights']}" if result["weights"] else "its own weights"
    if result["weights"] == str(weights_file()):
        weights = "the weights in the package"
    print_text(f"{result['out']}: {result['model']} with {weights}, {result['bytes'] / 1e6:.2f} MB, opset "
               f"{result['opset']}")
    for kind in ("inputs", "outputs"):
        ports = [f"{one['name']} ({', '.join(map(str, one['shape']))}) {one['dtype']}" for one in result[kind]]
        print_text(f"{kind}: {', '.join(ports)}")
    operators = [f"{count} {operator}" if count > 1 else operator for operator, count in result["operators"].items()]
    print_text(f"operators: {', '.join(operators)}; parameters and buffers: {len(result['initializers'])}")
    if (rules := result["metadata"].get("minicnn.rules")) is not None:
        found = json.loads(rules)
        shown = [", ".join(f"{value:.4g}" for value in found[name]) for name in ("mean", "std")]
        print_text(f"inputs are (pixel / 255 - mean) / std, with mean {shown[0]} and std {shown[1]} for each channel")
    if result["difference"] is None:
        print_text(f"not compared with onnxruntime: {result['not_compared']}")
    else:
        print_text(f"largest difference to onnxruntime: {result['difference']:.1e} of the largest output")
