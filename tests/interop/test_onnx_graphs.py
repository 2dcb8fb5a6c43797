"""ONNX graphs: names, training, opsets, attributes against onnxruntime, gradients."""

import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest

from minicnn import Tensor, nn, optim
from minicnn import functional as F
from minicnn.equivariance import layer_reports
from minicnn.gradcheck import gradcheck
from minicnn.interop import from_onnx
from minicnn.nn.summary import summarize

pytest.importorskip("onnx")
from .graphs import model_of, one, runtime, small_network  # noqa: E402

I64, F32 = np.int64, np.float32


def drawn(*shape, seed=0, dtype=F32):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def test_parameters_and_buffers_have_the_names_of_the_file():
    model = from_onnx(small_network(np.random.default_rng(0)))
    assert [name for name, _ in model.named_parameters()] == [
        "conv1.weight", "conv1.bias", "bn.weight", "bn.bias", "fc.weight", "fc.bias"]
    assert sorted(set(model.state_dict()) - dict(model.named_parameters()).keys()) == [
        "bn.running_mean", "bn.running_var"]
    assert [name for name, module in model.named_modules()][1:] == [
        "conv", "batchnormalization", "relu", "maxpool", "mul", "flatten", "gemm"]
    assert (model.input_names, model.output_names, model.training) == (("x",), ("y",), False)


def test_the_table_of_layers_is_that_of_the_layers_of_nn():
    rng = np.random.default_rng(0)
    own = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1, rng=rng), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2))
    tables = [[(row[2], row[3], row[4], row[5]) for row in summarize(model, (2, 1, 8, 8)).rows()]
              for model in (from_onnx(small_network(rng)), own)]
    assert tables[0][:4] == tables[1][:4] and tables[0][-1][1] == f"{40 + 8 + 3 * 65}"


def test_the_first_layer_that_breaks_equivariance_is_found():
    nodes = [one("Conv", "x", "w", outputs=["a"], pads=[1, 1, 1, 1]), one("Relu", "a", outputs=["b"]),
             one("MaxPool", "b", kernel_shape=[2, 2], strides=[2, 2])]
    reports = layer_reports(from_onnx(model_of(nodes, {"x": ["N", 1, "H", "W"]}, {"w": drawn(2, 1, 3, 3)})))
    assert [report.name for report in reports] == ["conv", "relu", "maxpool"]
    assert "at the border" in str(reports[0])


@pytest.mark.parametrize("batch", [1, 5])
def test_a_network_computes_what_onnxruntime_computes(batch):
    proto, x = small_network(np.random.default_rng(1)), drawn(batch, 1, 8, 8)
    np.testing.assert_allclose(from_onnx(proto)(x).data, runtime(proto, x)[0], 1e-5, 1e-6)


def test_a_path_is_read_as_the_model_in_memory(tmp_path):
    import onnx
    proto, x = small_network(np.random.default_rng(1)), drawn(2, 1, 8, 8)
    onnx.save(proto, tmp_path / "a.onnx")
    onnx.save(copy.deepcopy(proto), tmp_path / "b.onnx", save_as_external_data=True, location="b.bin", size_threshold=0)
    assert (tmp_path / "b.bin").exists()
    for name in ("a.onnx", "b.onnx"):
        np.testing.assert_array_equal(from_onnx(tmp_path / name)(x).data, from_onnx(proto)(x).data)


def test_a_model_can_be_trained_and_the_file_stays_as_it_is():
    proto = small_network(np.random.default_rng(2))
    before, model = proto.SerializeToString(), from_onnx(proto).train()
    x, target = drawn(12, 1, 8, 8), np.arange(12) % 3
    old, optimizer = model.state_dict(), optim.AdamW(model.parameters(), lr=0.02)
    losses = []
    for _ in range(30):
        loss = F.cross_entropy(model(x), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.data.item())
    assert losses[-1] < losses[0] / 3
    assert all(not np.array_equal(old[name], array) for name, array in model.state_dict().items())
    assert proto.SerializeToString() == before


def test_batch_norm_in_training_is_that_of_nn():
    model, layer = from_onnx(small_network(np.random.default_rng(2))).train(), nn.BatchNorm2d(4)
    layer.load_state_dict({name[3:]: array for name, array in model.state_dict().items() if name.startswith("bn.")},
                          strict=False)
    seen = {}
    dict(model.named_modules())["batchnormalization"].register_forward_hook(
        lambda module, args, out: seen.update(x=args[0].data, y=out.data))
    model(drawn(3, 1, 8, 8))
    np.testing.assert_allclose(seen["y"], layer(seen["x"]).data, 1e-5, 1e-6)
    np.testing.assert_allclose(model.state_dict()["bn.running_var"], layer.running_var, 1e-6)


def test_a_copy_and_a_pickle_compute_the_same_and_share_nothing():
    model, x = from_onnx(small_network(np.random.default_rng(3))), drawn(2, 1, 8, 8)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(other(x).data, model(x).data)
        other.parameters()[0].data[...] = 0
        assert model.parameters()[0].data.any()


def test_an_initializer_that_two_nodes_use_is_one_parameter():
    nodes = [one("MatMul", "x", "w", outputs=["a"]), one("MatMul", "a", "w")]
    model = from_onnx(model_of(nodes, {"x": [2, 3]}, {"w": drawn(3, 3)}))
    x = drawn(2, 3)
    model(x).sum().backward()
    w = Tensor(model.parameters()[0].data, requires_grad=True)
    (x @ w @ w).sum().backward()
    assert len(model.parameters()) == 1
    np.testing.assert_allclose(model.parameters()[0].grad, w.grad, 1e-5)


def test_names_that_a_module_has_already_are_made_longer():
    model = from_onnx(model_of([one("Add", "x", "forward", outputs=["y"])], {"x": [3]}, {"forward": drawn(3)}))
    assert [name for name, _ in model.named_parameters()] == ["forward_"]
    model(drawn(3))


ATTRIBUTES = {                  # node, shape of x, arrays, opset
    "conv with 4 pads": (one("Conv", "x", "w", "b", pads=[2, 0, 1, 3], strides=[2, 1], dilations=[1, 2], group=2),
                         (2, 4, 7, 9), {"w": drawn(6, 2, 3, 2), "b": drawn(6)}, 17),
    "conv of signals": (one("Conv", "x", "w", pads=[0, 2], strides=[2]), (2, 3, 9), {"w": drawn(4, 3, 3)}, 11),
    "conv same lower": (one("Conv", "x", "w", auto_pad="SAME_LOWER", strides=[2, 3]), (1, 2, 7, 8),
                        {"w": drawn(2, 2, 4, 2)}, 17),
    "conv valid": (one("Conv", "x", "w", auto_pad="VALID"), (1, 2, 7, 8), {"w": drawn(2, 2, 4, 2)}, 17),
    "transposed, 4 pads": (one("ConvTranspose", "x", "w", "b", pads=[1, 0, 2, 1], strides=[2, 3], group=2,
                               output_padding=[1, 0], dilations=[2, 1]),
                           (2, 4, 5, 6), {"w": drawn(4, 3, 3, 3), "b": drawn(6)}, 17),
    "transposed signals": (one("ConvTranspose", "x", "w", "b", pads=[1, 0], strides=[3]), (2, 3, 5),
                           {"w": drawn(3, 2, 4), "b": drawn(2)}, 17),
    "transposed to a shape": (one("ConvTranspose", "x", "w", "b", strides=[2, 2], output_shape=[9, 10]), (1, 2, 5, 5),
                              {"w": drawn(2, 1, 3, 3), "b": drawn(1)}, 17),
    "max pool ceil": (one("MaxPool", "x", kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 0, 1], ceil_mode=1),
                      (2, 3, 8, 7), {}, 17),
    "max pool signals": (one("MaxPool", "x", kernel_shape=[3], strides=[2], pads=[1, 2]), (2, 3, 8), {}, 12),
    "average ceil": (one("AveragePool", "x", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 0, 0, 1], ceil_mode=1),
                     (2, 3, 8, 8), {}, 19),
    "average counts pads": (one("AveragePool", "x", kernel_shape=[3, 2], pads=[2, 1, 1, 0], count_include_pad=1),
                            (2, 3, 5, 5), {}, 11),
    "average signals": (one("AveragePool", "x", kernel_shape=[4], strides=[2], auto_pad="SAME_UPPER"), (2, 3, 9),
                        {}, 17),
    "clip 6": (one("Clip", "x", min=-0.5, max=0.25), (3, 4), {}, 9),
    "clip one bound": (one("Clip", "x", "", "high"), (3, 4), {"high": F32(0.1)}, 13),
    "softmax 11": (one("Softmax", "x", axis=1), (2, 3, 4), {}, 11),
    "log softmax 11": (one("LogSoftmax", "x", axis=-2), (2, 3, 4), {}, 11),
    "softmax 13": (one("Softmax", "x", axis=1), (2, 3, 4), {}, 13),
    "squeeze 11": (one("Squeeze", "x", axes=[1]), (2, 1, 4, 1), {}, 11),
    "squeeze all": (one("Squeeze", "x"), (2, 1, 4, 1), {}, 13),
    "unsqueeze 11": (one("Unsqueeze", "x", axes=[0, 3]), (2, 3), {}, 11),
    "pad 10": (one("Pad", "x", pads=[0, 0, 1, -1, 0, 0, 2, 3], mode="reflect"), (1, 2, 5, 5), {}, 10),
    "pad 10 with a value": (one("Pad", "x", pads=[0, 1, 0, 2], value=3.5), (2, 3), {}, 10),
    "pad cuts": (one("Pad", "x", "p"), (2, 5), {"p": np.array([0, -1, 1, 2], I64)}, 17),
    "sum 11": (one("ReduceSum", "x", axes=[-1, 0], keepdims=0), (2, 3, 4), {}, 11),
    "sum 13": (one("ReduceSum", "x", "a"), (2, 3, 4), {"a": np.array([1], I64)}, 13),
    "mean 13": (one("ReduceMean", "x", axes=[2, 3]), (2, 3, 4, 5), {}, 13),
    "mean 18": (one("ReduceMean", "x", "a", keepdims=0), (2, 3, 4), {"a": np.array([-1], I64)}, 18),
    "dropout 10": (one("Dropout", "x", ratio=0.3), (3, 4), {}, 10),
    "batch norm 9": (one("BatchNormalization", "x", "s", "b", "m", "v", epsilon=0.1, momentum=0.8), (2, 3, 4, 4),
                     {"s": drawn(3), "b": drawn(3), "m": drawn(3), "v": np.abs(drawn(3)) + 1}, 9),
    "gemm 9": (one("Gemm", "x", "w", "c", alpha=0.5, beta=2.0, transA=1), (4, 3),
               {"w": drawn(4, 2), "c": drawn(3, 1)}, 9),
    "resize 10": (one("Resize", "x", "s", mode="linear"), (1, 2, 4, 5), {"s": np.array([1, 1, 1.5, 2], F32)}, 10),
    "resize as PyTorch": (one("Resize", "x", "", "s", mode="linear",
                              coordinate_transformation_mode="pytorch_half_pixel"),
                          (1, 2, 4, 5), {"s": np.array([1, 1, 2, 2], F32)}, 17),
    "nearest as PyTorch": (one("Resize", "x", "", "", "s", mode="nearest", nearest_mode="floor",
                               coordinate_transformation_mode="asymmetric"),
                           (1, 2, 4, 5), {"s": np.array([1, 2, 7, 9], I64)}, 13),
    "upsample 9": (one("Upsample", "x", "s", mode="nearest"), (1, 2, 3, 3), {"s": np.array([1, 1, 2, 3], F32)}, 9),
    "slice 9": (one("Slice", "x", starts=[1, -3], ends=[9, -1], axes=[0, 1]), (3, 5), {}, 9),
    "slice backwards": (one("Slice", "x", "a", "e", "d", "s"), (3, 5),
                        {"a": np.array([-1], I64), "e": np.array([-(1 << 40)], I64), "d": np.array([1], I64),
                         "s": np.array([-2], I64)}, 17),
    "prelu of channels": (one("PRelu", "x", "s"), (2, 3, 4, 4), {"s": drawn(3, 1, 1)}, 16),
    "layer norm": (one("LayerNormalization", "x", "s", "b", axis=-1, epsilon=1e-3), (2, 3, 4),
                   {"s": drawn(4), "b": drawn(4)}, 17),
    "gather": (one("Gather", "x", "i", axis=1), (2, 5), {"i": np.array([[0, -1], [2, 2]], I64)}, 17),
}


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_attributes_mean_what_they_mean_in_onnxruntime(name):
    node, shape, arrays, opset = ATTRIBUTES[name]
    proto, x = model_of([node], {"x": list(shape)}, arrays, opset=opset), drawn(*shape, seed=1)
    before = x.copy()
    found, expected = from_onnx(proto)(x).data, runtime(proto, x)[0]
    assert found.shape == expected.shape and found.dtype == expected.dtype and np.array_equal(x, before)
    np.testing.assert_allclose(found, expected, 1e-5, 1e-5)


@pytest.mark.parametrize("name", [name for name in ATTRIBUTES if not name.startswith("dropout")])
def test_gradients_are_right(name):
    node, shape, arrays, opset = ATTRIBUTES[name]
    wide = {name: array.astype(np.float64) if name != "s" or node.op_type not in ("Resize", "Upsample") else array
            for name, array in arrays.items()}
    wide = {name: array if arrays[name].dtype == F32 else arrays[name] for name, array in wide.items()}
    model = from_onnx(model_of([node], {"x": list(shape)}, wide, opset=opset, dtype=np.float64))
    x = Tensor(drawn(*shape, dtype=np.float64), requires_grad=True)
    assert gradcheck(lambda x, *parameters: model(x), (x, *model.parameters()))


@pytest.mark.parametrize("value", [1e30, 1e-30, 0.0])
def test_a_norm_neither_overflows_nor_vanishes(value):
    model = from_onnx(model_of([one("ReduceL2", "x", axes=[1], keepdims=0)], {"x": [2, 2]}))
    x = Tensor(np.array([[3, 4], [0, 2]], F32) * F32(value), requires_grad=True)
    out = model(x)
    np.testing.assert_allclose(out.data, [5 * value, 2 * value], 1e-6)
    out.sum().backward()
    np.testing.assert_allclose(x.grad, [[0.6, 0.8], [0, 1]] if value else np.zeros((2, 2)), 1e-6)


@pytest.mark.parametrize("name", ["conv with 4 pads", "transposed, 4 pads", "max pool ceil", "average ceil",
                                  "resize as PyTorch", "softmax 13", "mean 13", "upsample 9"])
def test_an_empty_batch_stays_empty(name):
    node, shape, arrays, opset = ATTRIBUTES[name]
    model = from_onnx(model_of([node], {"x": ["N", *shape[1:]]}, arrays, opset=opset))
    assert model(drawn(0, *shape[1:])).shape == (0, *model(drawn(*shape)).shape[1:])


def test_a_batch_that_is_read_from_the_shape_may_have_any_size():
    """The flatten of older exporters: Shape, Gather, Unsqueeze, Concat, Reshape."""
    arrays = {"zero": np.array(0, I64), "rest": np.array([-1], I64), "axes": np.array([0], I64)}
    nodes = [one("Shape", "x", outputs=["s"]), one("Gather", "s", "zero", outputs=["n"]),
             one("Unsqueeze", "n", "axes", outputs=["m"]), one("Concat", "m", "rest", outputs=["shape"], axis=0),
             one("Reshape", "x", "shape")]
    model = from_onnx(model_of(nodes, {"x": ["N", 2, 3]}, arrays))
    assert [model(drawn(n, 2, 3)).shape for n in (1, 4)] == [(1, 6), (4, 6)] and model.parameters() == []


def test_dropout_drops_after_train():
    proto = model_of([one("Dropout", "x", "r")], {"x": [1000]}, {"r": F32(0.25)})
    model, x = from_onnx(proto, rng=np.random.default_rng(0)), np.ones(1000, F32)
    assert np.array_equal(model(x).data, x)
    out = model.train()(x).data
    assert set(out.tolist()) == {0.0, float(F32(1 / 0.75))} and 200 < (out == 0).sum() < 300


def test_several_outputs_come_as_a_tuple():
    nodes = [one("Split", "x", outputs=["a", "b"], axis=1), one("Relu", "a", outputs=["c"])]
    out = from_onnx(model_of(nodes, {"x": [2, 4]}, outputs=("c", "b", "a")))(drawn(2, 4))
    assert [part.shape for part in out] == [(2, 2)] * 3


def test_nothing_imports_onnx_before_it_is_needed():
    code = "import sys, minicnn.interop, minicnn.cli.main; print({'onnx', 'onnxruntime', 'torch'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"
