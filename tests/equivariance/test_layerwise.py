"""Reports layer by layer."""

import numpy as np
import pytest

from minicnn import InputTypeError
from minicnn import functional as F
from minicnn.equivariance import OperatorError, layer_reports, verify_convolution
from minicnn.equivariance.layerwise import network_report
from minicnn.models import lenet
from minicnn.nn import Conv2d, Linear, MaxPool2d, Module, ReLU, Sequential
from tests.recorder import Recorder


def test_the_trained_lenet():
    model = lenet(pretrained=True)
    for name in ("conv1", "conv2", "conv3", "conv4"):
        conv = getattr(model, name)
        assert verify_convolution(conv, conv.in_channels, (10, 10), "window", np.float32, trials=2), name
    features = verify_convolution(model.features, 1, (22, 22), "window", np.float32, trials=3)
    assert (features.equivariant, features.linear, features.affine) == (True, False, False)
    reports = {layer.name: layer.report for layer in layer_reports(model, 1, (28, 28), trials=1)}
    assert list(reports) == ["conv1", "relu1", "conv2", "relu2", "conv3", "relu3", "conv4", "relu4", "pool"]
    assert [report.lattice for report in reports.values()] == 8 * [(1, 1)] + [(2, 2)]
    assert reports["conv1"].affine and not reports["relu1"].affine


def test_layers_of_another_dtype_and_what_is_no_module(rng):
    model = Sequential(Conv2d(1, 1, 3, stride=2, rng=rng))
    assert [layer.report.lattice for layer in layer_reports(model, 1, (9, 9), dtype=np.float64)] == [(2, 2)]
    with pytest.raises(InputTypeError, match="the network must be a Module or an ONNX model, not a function"):
        layer_reports(F.relu)


def test_a_network_that_raises():
    class Bad(Module):
        def forward(self, x):
            raise KeyError("lost")
    with pytest.raises(OperatorError, match=r"the operator raised KeyError .*: 'lost' \(in test_layerwise.py, line"):
        layer_reports(Bad())
    with pytest.raises(OperatorError, match="the operator raised InputError .*does it need a larger size, or other ch"):
        layer_reports(Conv2d(2, 1, 3))


def test_a_layer_alone_is_called_by_its_kind():
    layer, = layer_reports(MaxPool2d(2), 1, (8, 8))
    assert layer.name == "MaxPool2d"
    assert str(layer).startswith("MaxPool2d: not linear; ")
    assert "; after a shift by one pixel, " in str(layer)
    assert " of 16 pixels are wrong, rows 0 to 3, columns 0 to 3" in str(layer)


def test_layers_end_where_maps_end(rng):
    class Net(Module):
        def __init__(self):
            self.conv, self.fc = Conv2d(1, 2, 3, rng=rng), Linear(2 * 36, 3, rng=rng)

        def forward(self, x):
            return self.fc(F.flatten(self.conv(x), 1))
    assert [layer.name for layer in layer_reports(Net(), 1, (8, 8))] == ["conv"]
    flat, rest = network_report(Net(), 1, (8, 8)).after
    assert flat.name == "reshape" and flat.reason.startswith("it gives each position its own place")
    assert rest.name == "fc" and rest.kind.startswith("Linear(") and not rest.invariant
    assert network_report(MaxPool2d(2), 1, (8, 8)).after == []


def test_the_progress_of_layers_goes_on_to_the_end(rng):
    progress = Recorder()
    layer_reports(Sequential(Conv2d(1, 1, 3, rng=rng), ReLU()), 1, (6, 6), trials=1, progress=progress)
    parts = [done / total for done, total, _ in progress.updates]
    assert parts == sorted(parts)
    assert parts[-1] == 1
    assert list(dict.fromkeys(text.partition(":")[0] for _, _, text in progress.updates)) == ["0", "1"]
