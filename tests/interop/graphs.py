"""Small ONNX models for the tests."""

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
helper, numbers = onnx.helper, onnx.TensorProto


def model_of(nodes, inputs, arrays=None, outputs=("y",), opset=17, dtype=np.float32):
    """A model of nodes, with {name: shape} inputs and {name: array} initializers."""
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    graph = helper.make_graph(
        nodes, "graph", [helper.make_tensor_value_info(name, kind, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, kind, None) for name in outputs],
        [onnx.numpy_helper.from_array(np.asarray(array), name) for name, array in (arrays or {}).items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def one(operator, *inputs, outputs=("y",), **attributes):
    """A node, named as its operator."""
    return helper.make_node(operator, list(inputs), list(outputs), name=operator.lower(), **attributes)


def runtime(model, *inputs):
    """The outputs that onnxruntime computes."""
    onnxruntime = pytest.importorskip("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, dict(zip([one.name for one in session.get_inputs()], inputs, strict=True)))


def small_network(rng, opset=17):
    """conv -> batch norm -> relu -> pool -> flatten -> gemm, with PyTorch's names of parameters."""
    def draw(*shape):
        return rng.normal(0, 0.3, shape).astype(np.float32)
    arrays = {"conv1.weight": draw(4, 1, 3, 3), "conv1.bias": draw(4), "bn.weight": draw(4), "bn.bias": draw(4),
              "bn.running_mean": draw(4), "bn.running_var": np.abs(draw(4)) + 0.5, "fc.weight": draw(3, 4 * 4 * 4),
              "fc.bias": draw(3), "half": np.float32(0.5)}
    nodes = [one("Conv", "x", "conv1.weight", "conv1.bias", outputs=["a"], pads=[1, 1, 1, 1]),
             one("BatchNormalization", "a", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var", outputs=["b"]),
             one("Relu", "b", outputs=["c"]), one("MaxPool", "c", outputs=["d"], kernel_shape=[2, 2], strides=[2, 2]),
             one("Mul", "d", "half", outputs=["e"]), one("Flatten", "e", outputs=["f"]),
             one("Gemm", "f", "fc.weight", "fc.bias", transB=1)]
    return model_of(nodes, {"x": ["N", 1, 8, 8]}, arrays, opset=opset)
