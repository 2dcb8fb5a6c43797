"""Graphs of less usual kinds: the first node that breaks, its reason, and the lattice, as derived by hand."""

import numpy as np
import pytest

from minicnn.equivariance.layerwise import network_report

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
node, FLOAT = onnx.helper.make_node, onnx.TensorProto.FLOAT
ALL, TWO, NONE = (1, 1), (2, 2), (None, None)
PARITY = np.indices((8, 8)).sum(0) % 2 == 1
TOKENS = {"rows": np.array([0, 4, 64]), "image": np.array([0, 4, 8, 8])}


def drawn(*shape):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def graph(nodes, opset=18, **arrays):
    """A model x (N, 4, 8, 8) -> y."""
    ports = [onnx.helper.make_tensor_value_info(name, FLOAT, shape)
             for name, shape in (("x", ("N", 4, 8, 8)), ("y", ("N", "C", "H", "W")))]
    constants = [onnx.numpy_helper.from_array(np.asarray(array), name) for name, array in arrays.items()]
    return onnx.helper.make_model(onnx.helper.make_graph(nodes, "graph", ports[:1], ports[1:], constants), ir_version=8,
                                  opset_imports=[onnx.helper.make_opsetid("", opset)])


def attention(first, **arrays):
    """Each position compared with each; `first` is a node from "t", or none."""
    nodes = [node("Reshape", ["x", "rows"], ["t"]), *first, node("Transpose", ["u"], ["q"], perm=[0, 2, 1]),
             node("MatMul", ["q", "u"], ["s"]), node("Softmax", ["s"], ["a"]), node("MatMul", ["a", "q"], ["o"]),
             node("Transpose", ["o"], ["back"], perm=[0, 2, 1]), node("Reshape", ["back", "image"], ["y"])]
    return graph(nodes, **TOKENS, **arrays)


KNOWN = {               # model, the first node that breaks, the start of its reason, the lattice at the end
    "wrapped, grouped, dilated": (graph([
        node("Pad", ["x", "p"], ["a"], mode="wrap"), node("Conv", ["a", "w"], ["y"], group=2, dilations=[2, 2])], 19,
        p=np.array([0, 0, 2, 2] * 2), w=drawn(4, 2, 3, 3)), None, "", ALL),
    "mirrored": (graph([node("Pad", ["x", "p"], ["a"], mode="reflect"), node("Conv", ["a", "w"], ["y"])],
                       p=np.array([0, 0, 1, 1] * 2), w=drawn(4, 4, 3, 3)), "Conv_1",
                 "Pad_0 Pad: it pads with mirrored pixels (mode reflect)", NONE),
    "transposed": (graph([
        node("ConvTranspose", ["x", "w"], ["y"], strides=[2, 2], pads=4 * [1], output_padding=[1, 1])],
        w=drawn(4, 2, 3, 3)), "ConvTranspose_0", "at the border of its output the pixels of the opposite side are "
                   "missing: pad with mode='wrap' before it", NONE),
    "parity": (graph([node("Neg", ["x"], ["m"]), node("Where", ["c", "x", "m"], ["y"])], c=PARITY), "Where_1",
               "it uses a constant of shape [8, 8] with a value for each position", TWO),
    "a value for each channel": (graph([node("Mul", ["x", "c"], ["y"])], c=drawn(4, 1, 1)), None, "", ALL),
    "every second column": (graph([node("Slice", ["x", "start", "end", "axis", "step"], ["y"])], start=[0], end=[99],
                                  axis=[3], step=[2]), "Slice_0", "its stride (1, 2) keeps only", (1, 2)),
    "running sum": (graph([node("CumSum", ["x", "axis"], ["y"])], axis=np.array(3)), "CumSum_0",
                    "it goes through the positions from one side", (1, None)),
    "attention": (attention([node("Identity", ["t"], ["u"])]), None, "", ALL),
    "attention with positions": (attention([node("Add", ["t", "table"], ["u"])], table=drawn(1, 4, 64)), "Reshape_7",
                                 "Add_1 Add: it adds a constant of shape [1, 4, 64] with a value for each position",
                                 NONE),
    "attention with a gain": (attention([node("Mul", ["t", "gain"], ["u"])], gain=drawn(1, 4, 1)), None, "", ALL),
}


@pytest.mark.parametrize("name", KNOWN)
def test_the_first_node_that_breaks_equivariance(name):
    model, first, why, lattice = KNOWN[name]
    found = network_report(model, domain="torus", trials=1)
    assert (found.first and found.first.name) == first and found.layers[-1].report.lattice == lattice, found
    assert not first or found.first.reason.startswith(why)
