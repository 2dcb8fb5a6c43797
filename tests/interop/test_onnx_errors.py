"""Files that are no ONNX, and models that minicnn cannot run: each a sentence that says what to do."""

import contextlib

import numpy as np
import pytest

from minicnn import FileError, InputError, InputTypeError
from minicnn.interop import from_onnx

onnx = pytest.importorskip("onnx")
from .graphs import helper, model_of, numbers, one, small_network  # noqa: E402


def test_files_that_are_no_onnx(tmp_path):
    with pytest.raises(FileError, match="missing.onnx: cannot be read: No such file"):
        from_onnx(tmp_path / "missing.onnx")
    with pytest.raises(FileError, match="cannot be read: it is a directory"):
        from_onnx(tmp_path)
    good = small_network(np.random.default_rng(0)).SerializeToString()
    for name, data in {"empty": b"", "text": b"hello " * 99, "zip": b"PK\x03\x04" + bytes(99), "cut": good[:-100],
                       "zeros": bytes(1000)}.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(FileError, match="is no ONNX file, or it is damaged|is no valid ONNX model"):
            from_onnx(tmp_path / name)
    with pytest.raises(InputTypeError, match="given as the path of a file or as an onnx.ModelProto, not as a int"):
        from_onnx(3)


def test_a_file_with_a_byte_changed_never_raises_a_foreign_error(tmp_path):
    data = bytearray(small_network(np.random.default_rng(0)).SerializeToString())
    rng = np.random.default_rng(0)
    for _ in range(100):
        place = int(rng.integers(len(data) - 400, len(data))) if rng.random() < 0.5 else int(rng.integers(400))
        other = bytearray(data)
        other[place] ^= int(rng.integers(1, 256))
        (tmp_path / "a.onnx").write_bytes(other)
        with contextlib.suppress(FileError, InputError):
            from_onnx(tmp_path / "a.onnx")


def test_external_data_that_are_missing_or_elsewhere(tmp_path):
    proto = small_network(np.random.default_rng(0))
    onnx.save(proto, tmp_path / "a.onnx", save_as_external_data=True, location="a.bin", size_threshold=0)
    (tmp_path / "a.bin").write_bytes(b"short")
    with pytest.raises(FileError, match=r"keeps weights in other files|cannot be read|no valid ONNX"):
        from_onnx(tmp_path / "a.onnx")
    (tmp_path / "a.bin").unlink()
    with pytest.raises(FileError, match="keeps weights in other files, which cannot be read.*beside it"):
        from_onnx(tmp_path / "a.onnx")


def test_all_operators_that_are_not_there_are_named_before_anything_runs():
    nodes = [one("Relu", "x", outputs=["a"]), one("Det", "a", outputs=["b"]),
             helper.make_node("FusedConv", ["b"], ["y"], name="fast", domain="com.microsoft")]
    proto = model_of(nodes, {"x": [2, 2]})
    proto.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    with pytest.raises(InputError, match=r"does not have these ONNX operators: Det \(node 'det'\), "
                                         r"com.microsoft.FusedConv \(node 'fast'\). It has Abs, Add"):
        from_onnx(proto)


@pytest.mark.parametrize("opset", [6, 99])
def test_opsets_that_are_too_old_or_too_new(opset):
    with pytest.raises(FileError, match=f"opset {opset}, but minicnn reads opsets 7 to|no valid ONNX model"):
        from_onnx(model_of([one("Relu", "x")], {"x": [2]}, opset=opset))


def test_types_that_minicnn_does_not_have():
    proto = model_of([one("Add", "x", "half")], {"x": [2]}, {"half": np.ones(2, np.float16)}, dtype=np.float16)
    with pytest.raises(FileError, match="'half' has type FLOAT16, but minicnn computes in float32 and float64"):
        from_onnx(proto)
    with pytest.raises(InputError, match=r"node 'cast' \(Cast\): minicnn has no numbers of ONNX's type 10"):
        from_onnx(model_of([one("Cast", "x", to=numbers.FLOAT16)], {"x": [2]}))(np.ones(2, np.float32))


def test_hostile_sizes():
    proto = model_of([one("Add", "x", "w")], {"x": [2]}, {"w": np.ones(2, np.float32)})
    proto.graph.initializer[0].dims[0] = 1 << 50
    with pytest.raises(FileError, match="no valid ONNX model|the array 'w' of shape .* cannot be read"):
        from_onnx(proto)
    huge = {"s": np.array([1 << 40, 1 << 40], np.int64)}
    x = np.ones((1, 1), np.float32)
    for node, text in ((one("ConstantOfShape", "s"), "is not possible"), (one("Expand", "x", "s"), "is not possible"),
                       (one("Reshape", "x", "s"), "cannot become one of shape"),
                       (one("Resize", "x", "", "", "s"), "the output would have the lengths")):
        with pytest.raises(InputError, match=text):
            from_onnx(model_of([node], {"x": [1, 1]}, huge))(x)


def test_inputs_that_do_not_fit():
    model = from_onnx(small_network(np.random.default_rng(0)))
    x = np.ones((1, 1, 8, 8), np.float32)
    with pytest.raises(InputError, match=r"has 1 inputs \(x\), but 2 are given"):
        model(x, x)
    with pytest.raises(InputError, match=r"'x' of the ONNX graph has 4 axes, but .* shape \(1, 8, 8\) is given"):
        model(x[0])
    with pytest.raises(InputError, match=r"ONNX node 'conv' \(Conv\): .* must be floating-point numbers, not int64"):
        model(x.astype(np.int64))
    with pytest.raises(InputError, match=r"ONNX node 'add' \(Add\): add: shapes \(2, 3\) and \(4,\) do not broadcast"):
        from_onnx(model_of([one("Add", "x", "w")], {"x": [2, 3]}, {"w": np.ones(4, np.float32)}))(x[0, 0, :2, :3])
    with pytest.raises(InputError, match=r"node 'pad' \(Pad\) .* inputs of shapes \[\(8,\)\]: 'other'"):
        from_onnx(model_of([one("Pad", "x", mode="other", pads=[1, 1])], {"x": [8]}, opset=10))(x[0, 0, 0])
    with pytest.raises(InputError, match=r"ONNX node 'gemm' \(Gemm\)"):
        model(np.ones((1, 1, 6, 6), np.float32))


def test_a_batch_that_is_written_into_the_model():
    shape = {"s": np.array([1, 4], np.int64)}
    model = from_onnx(model_of([one("Reshape", "x", "s")], {"x": ["N", 2, 2]}, shape))
    assert model(np.ones((1, 2, 2), np.float32)).shape == (1, 4)
    with pytest.raises(InputError, match=r"\(3, 2, 2\) cannot become one of shape \[1, 4\]: if the batch is written"):
        model(np.ones((3, 2, 2), np.float32))


def test_dropout_in_training_needs_a_generator():
    proto = model_of([one("Dropout", "x")], {"x": [3]})
    with pytest.raises(InputError, match=r"from_onnx\(..., rng=numpy.random.default_rng\(0\)\)"):
        from_onnx(proto).train()(np.ones(3, np.float32))
    with pytest.raises(InputTypeError, match="from_onnx: rng"):
        from_onnx(proto, rng=3)


def test_without_the_package_onnx(monkeypatch):
    import sys
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(InputError, match=r"onnx, which is not installed: pip install onnx onnxruntime"):
        from_onnx("a.onnx")
