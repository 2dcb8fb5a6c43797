"""What cannot be exported is named with its layer and a way out; nothing is exported wrongly, or half."""

import os
import subprocess
import sys

import numpy as np
import pytest

from minicnn import Tensor, nn, no_grad, record
from minicnn import functional as F
from minicnn.errors import FileError, InputError, InputTypeError, MinicnnError
from minicnn.progress import Progress

pytest.importorskip("onnx")
from minicnn.interop import to_onnx  # noqa: E402
from minicnn.interop.export import NOT_EXPORTED, assembly  # noqa: E402

from .exported import Function, drawn, outputs  # noqa: E402


def softsign(x):
    return record(x.data / (1 + abs(x.data)), (x,), lambda grad: (grad,))


def halves(x):
    return record(np.exp(x.data) / 2, (x,), lambda grad: (grad,))


def branch(x):
    return F.relu(x) if x.sum() > 0 else F.tanh(x)


def loop(x):
    return np.stack([sample * 2 for sample in x])


def changed_in_place(x):
    y = F.relu(x)
    with no_grad():
        y += 1
    return y


def drawing(x):
    return x + np.float32(np.random.default_rng().normal())


DEPENDS = {                     # a function of x (N, 3, 4), and a part of the message
    "a branch": (branch, r"on the numbers in the batch: Python gets numbers by '>' .*line \d+"),
    "a branch by x.data": (lambda x: F.relu(x) if x.data.sum() > 0 else F.tanh(x),
                           "on the numbers in the batch: which operations run: 'tanh' .*and 'relu'"),
    "a branch that all calls take": (lambda x: x * 2 if (x * x).sum() >= 0 else x, "Python gets numbers by '>='"),
    "all elements": (lambda x: x * 2 if (x > -1e9).all() else x, "Python gets numbers by '>'"),
    "truth": (lambda x: x * 2 if (x * x).max() else x, "Python gets numbers by '__bool__'"),
    "a number": (lambda x: x * float(x.mean()), "Python gets numbers by 'float or int'"),
    "an item": (lambda x: x * x.max().item(), "Python gets numbers by 'item'"),
    "a list": (lambda x: x * x[0, 0].tolist()[0], "Python gets numbers by 'tolist'"),
    "a class": (lambda x: x[:, int(x[0, :, 0].argmax())], "Python gets numbers by 'argmax'"),
    "a number of the batch": (lambda x: x * float(x.data.mean()), "the argument 'y' of 'mul'"),
    "the largest number": (lambda x: x / np.abs(x.data).max(), "on the numbers in the batch"),
    "the sorted array": (lambda x: x + np.sort(x.data), "the argument 'y' of 'add'"),
    "the class": (lambda x: x[:, int(np.argmax(x.data[0, :, 0]))], "'index' of 'getitem'"),
    "a loop over samples": (loop, "on the number of samples: which operations run"),
    "the number of samples": (lambda x: x.sum(0) / len(x), "on the number of samples: the argument 'y' of 'div'"),
    "zeros for each sample": (lambda x: np.concatenate([x, Tensor(np.zeros((len(x), 1, 4), np.float32))], 1),
                              "on the number of samples: the argument 'arrays' of 'concatenate'"),
    "half of the samples": (lambda x: x[:len(x) - 1], "on the number of samples: the argument 'index'"),
    "an output outside of Tensors": (lambda x: Tensor(x.data * 2), "the output 'output', which Python code computes"),
}


@pytest.mark.parametrize("name", DEPENDS)
def test_what_python_decides_by_the_batch_is_named(name):
    function, message = DEPENDS[name]
    with pytest.raises(InputError, match=f"to_onnx: the graph would depend .*{message}.*np.where instead of if"):
        to_onnx(nn.Sequential(Function(function)), inputs=(1, 3, 4))


REFUSED = {
    "an operation of the user's": (softsign, "'softsign' in the layer '1'.*it is not one of minicnn's operations"),
    "a function of NumPy in it": (halves, "'halves' in the layer '1'.*it is not one of minicnn's operations"),
    "several arrays of indices": (lambda x: x[:, np.array([0, 1]), np.array([1, 2])], "an index has several arrays"),
    "a roll of the batch": (lambda x: np.roll(x, 1, 0), "'roll' in the layer '1'.*axis 0 is the number of samples"),
    "a variance of the batch": (lambda x: x.std(axis=0, ddof=1), "ddof=1 needs the number of elements"),
    "dropout": (lambda x: F.dropout(x, 0.5, rng=np.random.default_rng(0)), NOT_EXPORTED["dropout"][:30]),
    "statistics of the batch": (lambda x: F.batch_norm(x, None, None, training=True), "use track_running_stats=True"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_operation_without_an_onnx_form_is_named_with_its_layer(name):
    function, message = REFUSED[name]
    with pytest.raises(InputError, match=message):
        to_onnx(nn.Sequential(nn.ReLU(), Function(function)), inputs=(1, 3, 4))


def test_python_may_look_at_parameters():
    class Scaled(nn.Module):
        def __init__(self):
            self.factor = nn.Parameter(np.float32(0.5))

        def forward(self, x):
            return x * self.factor.item() if self.factor > 0 else x
    proto, x = to_onnx(Scaled(), inputs=(1, 3)), drawn(2, 3)
    np.testing.assert_array_equal(outputs(proto, x)[0], x * np.float32(0.5))


def test_all_operations_are_named_at_once_with_their_line():
    model = nn.Sequential(*(Function(softsign) for _ in range(7)))
    with pytest.raises(InputError, match=r"layer '0' \(in test_export_errors.py, line \d+\).*layer '4'.*and 2 more"):
        to_onnx(model, inputs=(1, 3))


def test_a_branch_that_no_call_takes_is_found_where_the_outputs_differ():
    def switched(x):
        return x * 2 if len(x) < 4 else x * 3
    with pytest.raises(InputError, match="for 5 samples the exported graph does not give the output 'output'"):
        to_onnx(Function(switched), inputs=(1, 3))


def test_a_model_that_draws_numbers_is_refused():
    with pytest.raises(InputError, match="on the numbers in the batch: the argument 'y' of 'add'"):
        to_onnx(Function(drawing), inputs=(1, 3))


def test_a_change_in_place_outside_of_the_tape_is_refused():
    with pytest.raises(MinicnnError, match="read-only"):
        to_onnx(Function(changed_in_place), inputs=(1, 3))


def test_a_profiler_and_the_model_are_as_before_after_an_error():
    seen, model = [], nn.Sequential(nn.Linear(3, 2), nn.Dropout())

    def profiler(frame, event, value):
        seen.append(event)
    before = sys.getprofile()
    sys.setprofile(profiler)
    try:
        with pytest.raises(InputError, match="the input has shape"):
            to_onnx(model, inputs=(1, 4))
        assert sys.getprofile() is profiler
    finally:
        sys.setprofile(before)
    assert model.training and model[1].training


BAD = {                         # arguments, and the message
    "no module": (lambda x: x, {}, InputTypeError, "the model must be a Module, not a function"),
    "no shape": (nn.ReLU(), {}, InputError, r"the shape of the input is not known: give inputs=\(1, C, H, W\)"),
    "an old opset": (nn.ReLU(), {"opset": 16}, InputError, "opset must be from 17 to 2"),
    "an opset of the future": (nn.ReLU(), {"opset": 999}, InputError, "opset must be from 17 to 2.*not 999"),
    "an opset that is no number": (nn.ReLU(), {"opset": "17"}, InputError, "to_onnx: opset"),
    "a text as the input": (nn.ReLU(), {"inputs": ["1,2"]}, InputTypeError, "inputs must be a shape as in"),
    "no inputs": (nn.ReLU(), {"inputs": [np.zeros((0, 3))]}, InputError, "an example needs a sample"),
    "an empty list": (nn.ReLU(), {"inputs": []}, InputError, "the list of inputs is empty"),
    "a hostile size": (nn.ReLU(), {"inputs": (1, 10**9, 10**9)}, InputError, "has too many numbers"),
    "a number": (nn.ReLU(), {"inputs": np.float32(3)}, InputTypeError, "inputs must be a shape"),
    "a single number": (nn.ReLU(), {"inputs": np.zeros((), np.float32)}, InputError, "needs an axis of samples"),
    "metadata": (nn.ReLU(), {"inputs": (1, 2), "metadata": {"a": 1}}, InputTypeError, "a mapping of strings"),
    "a list as output": (Function(lambda x: [x, 3]), {"inputs": (1, 2)}, InputTypeError,
                         "the output_1 of the model is a int"),
    "an array as output": (Function(lambda x: x.data), {"inputs": (1, 2)}, InputTypeError,
                           "the output of the model is a ndarray"),
    "an empty dict": (Function(lambda x: {}), {"inputs": (1, 2)}, InputTypeError, "returns an empty dict"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_a_sentence(name):
    model, options, kind, message = BAD[name]
    with pytest.raises(kind, match=message):
        to_onnx(model, **options)


def test_progress_counts_the_calls():
    seen = []

    class Counting(Progress):
        def update(self, done, total, text=""):
            seen.append((done, total, text))
    calls = []
    to_onnx(Function(lambda x: calls.append(len(x)) or F.relu(x)), inputs=(1, 2), progress=Counting())
    assert calls == [2, 2, 3, 1, 5]
    assert seen == [(0, 5, "trace"), (1, 5, "trace"), (2, 5, "trace"), (3, 5, "compare"), (4, 5, "compare"), (5, 5, "")]


def test_a_file_that_cannot_be_written_is_an_error_before_any_work(tmp_path):
    calls = []
    model = Function(lambda x: calls.append(1) or x)
    with pytest.raises(FileError, match="its directory does not exist"):
        to_onnx(model, tmp_path / "missing" / "a.onnx", (1, 2))
    assert calls == []


def test_a_refusal_leaves_an_old_file_as_it_is(tmp_path):
    path = tmp_path / "a.onnx"
    path.write_bytes(b"old")
    with pytest.raises(InputError, match="softsign"):
        to_onnx(Function(softsign), path, (1, 2))
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["a.onnx"]


def test_parameters_of_more_than_2_gb_are_refused(monkeypatch):
    monkeypatch.setattr(assembly, "MOST_BYTES", (1 << 20) + 50)
    with pytest.raises(FileError, match="the parameters have 60 bytes, but an ONNX file has at most 2 GB"):
        to_onnx(nn.Linear(4, 3), inputs=(1, 4))


def test_without_onnx_a_sentence_says_what_to_install():
    code = ("import sys; sys.modules['onnx'] = None\nfrom minicnn import nn\nfrom minicnn.interop import to_onnx\n"
            "try:\n    to_onnx(nn.ReLU(), inputs=(1, 2))\nexcept Exception as error:\n    print(error)")
    text = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
    assert "pip install onnx onnxruntime" in text


def test_an_example_of_any_memory_order_is_only_looked_at():
    x = np.asfortranarray(drawn(4, 3, 5))
    x.flags.writeable = False
    to_onnx(nn.ReLU(), inputs=x[::-1])
