"""The walk through an ONNX graph: the outputs of its nodes, and which of them are images."""

from __future__ import annotations

import sys
from collections.abc import Iterable

import numpy as np

from ..steps import COUNT, NO_BATCH, Layer, layer_of, plain
from .model import OnnxModel, refuse_large, run_in_batches, session
from .reasons import Node

CHANNELS_FIRST = ("Conv", "ConvTranspose", "MaxPool", "AveragePool", "LpPool", "GlobalAveragePool", "GlobalMaxPool",
                  "BatchNormalization", "InstanceNormalization", "GroupNormalization", "LRN", "DepthToSpace",
                  "SpaceToDepth", "GridSample", "ConvInteger", "QLinearConv")
PRODUCTS = ("Gemm", "MatMul", "Einsum")
RESHAPES = ("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Expand")
TURNS = {"nchw": {(0, 1, 2, 3): "nchw", (0, 1, 3, 2): "nchw", (0, 2, 3, 1): "nhwc"},
         "nhwc": {(0, 1, 2, 3): "nhwc", (0, 2, 1, 3): "nhwc", (0, 3, 1, 2): "nchw"}}


class OnnxWalk:
    """The nodes of a model that depend on the image; a session returns their outputs, all in one pass.

    Parameters
    ----------
    op : OnnxModel
    dtype : str
    shape : (int, int, int)
        (C, H, W) of the images.
    """

    def __init__(self, op: OnnxModel, dtype: str, shape: tuple[int, ...]):
        self.op, self.dtype = op, dtype
        images = self._placed(np.zeros((op.batch or COUNT, *shape), dtype))
        op.check_shape(images.shape)
        model = op.in_dtype(dtype)
        refuse_large(model, op.input.name, images.shape)
        self.names = [name for node in model.graph.node for name in node.output if name]
        self._session = session(_with_outputs(model, self.names))
        self.depends = _dependent(model.graph, op.input.name)
        self._needed = _needed(model.graph, op.judged)
        self.values = self._values(model, images)
        self.axes = _image_axes(op, model.graph, self.depends, self.values)
        self.nodes = [(i, node) for i, node in enumerate(model.graph.node) if self._is_step(node)]
        self._takes = _takes(model.graph, [place for place, _ in self.nodes])

    def outputs(self, images: np.ndarray, wanted: Iterable[int]) -> dict[int, np.ndarray]:
        """The outputs of the wanted nodes, by number: images (N, C, H, W), other arrays (N, numbers)."""
        wanted = list(wanted)
        names = [_output(self.nodes[number][1]) for number in wanted]
        placed = self._placed(images.astype(self.dtype, copy=False))
        found = run_in_batches(self._session, self.op.input.name, placed, self.op.batch, names)
        return {number: self._plain(name, array) for number, name, array in zip(wanted, names, found, strict=True)}

    def layer(self, number: int) -> Layer:
        """The node of that number as a layer."""
        place, node = self.nodes[number]
        name = _output(node)
        own = Node.of(node, self.values, self.axes, self.depends)
        array, image, count = self.values[name], bool(self.axes[name]), len(self.values[self.op.input.name])
        batched = array.ndim > (count == 1) and len(array) == count
        shape = self._plain(name, array).shape[1:] if batched else ()
        return layer_of(self, number, shape, image, (node.name or f"{node.op_type}_{place}", repr(own), own),
                        self.axes[name] == "nhwc", self._takes[number], "" if batched else NO_BATCH)

    def _placed(self, images):
        return np.ascontiguousarray(np.moveaxis(images, 1, 3)) if self.op.layout == "nhwc" else images

    def _plain(self, name, array):
        if not self.axes[name]:
            return array.reshape(len(array), -1)
        return plain(array, self.axes[name] == "nhwc")

    def _is_step(self, node):
        name = _output(node)
        return bool(name) and name in self.depends and name in self._needed and self.values[name].dtype.kind == "f"

    def _values(self, model, images):
        """{name: array} of all values of the graph for some images, from a single run."""
        onnx = sys.modules["onnx"]
        found = run_in_batches(self._session, self.op.input.name, images, None, self.names)
        values = {one.name: onnx.numpy_helper.to_array(one) for one in model.graph.initializer}
        values.update(zip(self.names, map(_array, found), strict=True))
        return {**values, self.op.input.name: images, "": np.zeros(0)}


def layer_operators(op: OnnxModel, dtype: str, shape: tuple[int, ...], channels_last: bool) -> list[Layer]:
    """The nodes of a graph that depend on the image and return numbers in floating point, for images (C, H, W)."""
    walk = OnnxWalk(OnnxModel(op, layout="nhwc" if channels_last else "nchw"), dtype, shape)
    return [walk.layer(number) for number in range(len(walk.nodes))]


def _with_outputs(model, names):
    """A copy of a ModelProto that returns all of these values."""
    onnx = sys.modules["onnx"]
    every = onnx.ModelProto()
    every.CopyFrom(model)
    del every.graph.output[:]
    every.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    return every


def _output(node):
    """The name of the first output of a node, or ""."""
    return next(filter(None, node.output), "")


def _array(value):
    """An output as an array; of a sequence, which is no step, an empty array of objects."""
    return value if isinstance(value, np.ndarray) else np.zeros(0, object)


def _inputs(node):
    """The names that a node reads, also in its subgraphs."""
    names = set(node.input) - {""}
    for one in node.attribute:
        for graph in (*one.graphs, *([one.g] if one.HasField("g") else [])):
            for inner in graph.node:
                names |= _inputs(inner)
            names |= {port.name for port in graph.output}
    return names


def _dependent(graph, name):
    """The names of the values that depend on the image."""
    found = {name}
    for node in graph.node:
        if found & _inputs(node):
            found |= set(node.output) - {""}
    return found


def _needed(graph, outputs):
    """The names of the values that the outputs need, and their own."""
    found = set(outputs)
    for node in reversed(graph.node):
        if found & set(node.output):
            found |= _inputs(node)
    return found


def _takes(graph, places):
    """For each node at one of these places: the numbers of the nodes there whose outputs it uses."""
    numbers = {place: number for number, place in enumerate(places)}
    sources: dict[str, set[int]] = {}
    found = []
    for place, node in enumerate(graph.node):
        taken = set().union(*(sources.get(name, ()) for name in _inputs(node)))
        if place in numbers:
            found.append(taken)
        sources.update(dict.fromkeys(node.output, {numbers[place]} if place in numbers else taken))
    return found


def _image_axes(op, graph, depends, values):
    """{name: "nchw", "nhwc", or None for what is no image} of all values that depend on the image."""
    axes: dict[str, str | None] = {op.input.name: op.layout}
    sizes = {_pixels(values[op.input.name].shape, op.layout)}
    for node in graph.node:
        main = next(filter(None, (axes.get(name) for name in node.input)), None)
        for name in set(node.output) & depends:
            axes[name] = own = _axes_after(node, main, values[name], sizes, depends, len(values[op.input.name]))
            if own:
                sizes.add(_pixels(values[name].shape, own))
    return axes


def _axes_after(node, main, value, sizes, depends, count):
    """The axes of an output of a node whose first input that is an image has the axes `main`."""
    if value.dtype.kind != "f" or value.ndim != 4 or len(value) != count:
        return None
    if node.op_type in CHANNELS_FIRST:
        return "nchw"
    if node.op_type == "Transpose":
        perm = next((tuple(one.ints) for one in node.attribute if one.name == "perm"), (3, 2, 1, 0))
        return TURNS[main].get(perm) if main else None
    if node.op_type in RESHAPES:
        return next((own for own in (main or "nchw", "nchw", "nhwc") if _pixels(value.shape, own) in sizes), None)
    if node.op_type in PRODUCTS and all(name in depends for name in node.input if name):
        return None                                     # of an attention: both factors depend on the image
    return main


def _pixels(shape, axes):
    """(H, W)."""
    return shape[2:] if axes == "nchw" else shape[1:3]
