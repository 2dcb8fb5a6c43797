"""`minicnn export` as a user calls it."""

import builtins
import json
import re
import sys

import numpy as np
import pytest

from minicnn import Tensor
from minicnn.checkpoint import save
from minicnn.models import MLP, lenet

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from minicnn.interop import from_onnx  # noqa: E402

MINE = """
import numpy as np
from minicnn import nn, functional as F, record

class Net(nn.Module):
    def __init__(self, in_channels=1, num_classes=3, rng=None):
        self.conv, self.fc = nn.Conv2d(in_channels, 4, 3, rng=rng), nn.Linear(4, num_classes, rng=rng)
    def forward(self, x):
        return self.fc(F.relu(self.conv(x)).mean(axis=(2, 3)))

class Branch(Net):
    def forward(self, x):
        x = super().forward(x)
        return x * 2 if x.sum() > 0 else x          # line 14

class Own(Net):
    def forward(self, x):
        x = super().forward(x)
        return record(x.data ** 3, (x,), lambda grad: (grad,), "cube")

class Fails(Net):
    def forward(self, x):
        raise KeyError("boom")

net, branch, own, fails = Net(), Branch(), Own(), Fails()
double = nn.Sequential(nn.Conv2d(1, 2, 3, dtype=np.float64), nn.Tanh())
vectors = nn.Linear(4, 2)
"""


@pytest.fixture(autouse=True)
def mine(folder, monkeypatch):
    """my.py in the current directory; convolutions by an algorithm that needs no compiler."""
    monkeypatch.setenv("MINICNN_CONV_ALGO", "im2col")
    (folder / "my.py").write_text(MINE)


def exported(run, *arguments):
    status, out, err = run("export", *arguments, "--json", "--quiet")
    assert status == 0, err
    return json.loads(out), err


def test_the_weights_of_the_package(run):
    result, err = exported(run, "digits.onnx")
    assert err == "" and result["operators"] == {"Conv": 4, "Relu": 4, "MaxPool": 1, "Flatten": 1, "Gemm": 1}
    assert result["inputs"] == [{"name": "input", "dtype": "float32", "shape": ["N", 1, 28, 28]}]
    assert 0 <= result["difference"] < 1e-4 and result["not_compared"] is None
    model = lenet(pretrained=True)
    assert result["initializers"] == list(model.state_dict())
    x = np.random.default_rng(0).normal(size=(2, 1, 28, 28)).astype(np.float32)
    np.testing.assert_allclose(from_onnx("digits.onnx")(x).data, model.eval()(Tensor(x)).data, 1e-4, 1e-4)


def test_the_text_says_what_is_in_the_file(run):
    status, out, _ = run("export", "a.onnx")
    words = " ".join(out.split())
    assert status == 0 and words.startswith("a.onnx: lenet with the weights in the package, 0.27 MB, opset 17 inputs: ")
    assert "input (N, 1, 28, 28) float32 outputs: output (N, 10) float32 operators: 4 Conv, 4 Relu, MaxPool" in words
    assert "(pixel / 255 - mean) / std, with mean 0.1307 and std 0.3081" in words
    assert "largest difference to onnxruntime: " in words


def test_a_run_gives_its_network_rules_and_classes(run):
    rules = {"size": [8, 6], "channels": 1, "mean": [0.5], "std": [0.25], "resize": "crop"}
    model = MLP(num_classes=2, image_size=(8, 6), rng=np.random.default_rng(0))
    save("run.safetensors", model.state_dict(), meta={
        "model": "mlp", "model_options": {"in_channels": 1, "num_classes": 2, "image_size": [8, 6]}, "rules": rules,
        "class_names": ["cat", "Hündin"], "dataset": "mine"})
    result, _ = exported(run, "a.onnx", "--weights", "run.safetensors", "--opset", "21")
    assert result["inputs"][0]["shape"] == ["N", 1, 8, 6] and result["opset"] == 21
    entries = {one.key: one.value for one in onnx.load("a.onnx").metadata_props}
    assert json.loads(entries["minicnn.class_names"]) == ["cat", "Hündin"]
    assert json.loads(entries["minicnn.rules"]) == rules and entries["minicnn.model"] == "mlp"


def test_a_network_of_ones_own(run):
    result, _ = exported(run, "a.onnx", "--model", "my.py:net", "--shape", "1,9,7")
    assert result["model"] == "my.py:net" and result["weights"] is None and "minicnn.rules" not in result["metadata"]
    assert exported(run, "b.onnx", "--model", "my.py:vectors", "--shape", "4")[0]["outputs"][0]["shape"] == ["N", 2]
    state = from_onnx("a.onnx").state_dict()
    save("w.safetensors", state, meta={})
    again, _ = exported(run, "c.onnx", "--model", "my.py:Net", "--weights", "w.safetensors", "--shape", "1,9,7")
    assert all(np.array_equal(array, state[name]) for name, array in from_onnx("c.onnx").state_dict().items())
    assert again["weights"] == "w.safetensors"


def test_an_old_file_is_replaced_and_named(run, folder):
    (folder / "a.onnx").write_bytes(b"old")
    _, err = exported(run, "a.onnx")
    assert err == "a.onnx: replaced\n" and len(from_onnx("a.onnx").parameters()) == 10


def test_what_onnxruntime_lacks_is_said(run):
    result, _ = exported(run, "a.onnx", "--model", "my.py:double", "--shape", "1,5,5")
    assert result["difference"] is None and "onnxruntime cannot load the model" in result["not_compared"]
    out = run("export", "a.onnx", "--model", "my.py:double", "--shape", "1,5,5")[1]
    assert "not compared with onnxruntime: onnxruntime cannot load the model" in " ".join(out.split())


def without(monkeypatch, package):
    real = builtins.__import__

    def missing(name, *arguments, **options):
        if name.partition(".")[0] == package:
            raise ImportError(name)
        return real(name, *arguments, **options)
    monkeypatch.setattr(builtins, "__import__", missing)
    monkeypatch.delitem(sys.modules, package, raising=False)


def test_without_onnxruntime_the_model_is_written_and_the_text_says_so(run, monkeypatch):
    without(monkeypatch, "onnxruntime")
    result, _ = exported(run, "a.onnx", "--model", "my.py:vectors", "--shape", "4")
    assert result["difference"] is None and "pip install onnxruntime" in result["not_compared"]


def test_without_onnx_a_sentence_says_what_to_install(refused, monkeypatch, folder):
    without(monkeypatch, "onnx")
    assert "pip install onnx onnxruntime" in refused("export", "a.onnx")
    assert not (folder / "a.onnx").exists()


BAD = {
    "no directory": (["no/a.onnx"], "no/a.onnx could not be written: its directory does not exist"),
    "another ending": (["a.pt"], "a.pt: the name must end in .onnx"),
    "no file": ([], "the following arguments are required: MODEL.onnx"),
    "two files": (["a.onnx", "b.onnx"], "unknown argument: b.onnx"),
    "no run": (["a.onnx", "--weights", "gone"], "gone: there is no such file or directory"),
    "another network": (["a.onnx", "--model", "mlp"], "is of another model than this MLP"),
    "an untrained network": (["a.onnx", "--model", "my.py:Net"], "a network that is made now is not trained"),
    "no shape": (["a.onnx", "--model", "my.py:net"], "give --shape, as in --shape 3,32,32"),
    "a shape that does not fit": (["a.onnx", "--model", "my.py:net", "--shape", "3,9,9"],
                                  "the input has 3 channels.*my.py, line 9"),
    "no shape at all": (["a.onnx", "--shape", "1,0"], "each must be an integer of at least 1"),
    "a branch": (["a.onnx", "--model", "my.py:branch", "--shape", "1,9,9"],
                 r"the graph would depend on the numbers in the batch: Python gets numbers by '>' \(in my.py, line 14"),
    "an operation": (["a.onnx", "--model", "my.py:own", "--shape", "1,9,9"], "cannot be exported: 'cube'.*line 19"),
    "an error": (["a.onnx", "--model", "my.py:fails", "--shape", "1,9,9"], r"KeyError: 'boom' \(in my.py, line 23\)"),
    "an old opset": (["a.onnx", "--opset", "16"], "opset must be from 17 to"),
    "a new opset": (["a.onnx", "--opset", "99"], "opset must be from 17 to"),
    "no opset": (["a.onnx", "--opset", "new"], "must be an integer of at least 1, not 'new'"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_a_sentence_and_leaves_no_file(name, refused, folder):
    arguments, message = BAD[name]
    assert re.search(message, refused("export", *arguments))
    assert not list(folder.glob("*.onnx"))
