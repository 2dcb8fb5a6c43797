"""The assertion check_equivariance, and reports layer by layer."""

import numpy as np
import pytest

from minicnn import InputError, InputTypeError, MinicnnError
from minicnn import functional as F
from minicnn.equivariance import (
    EquivarianceError,
    OperatorError,
    check_equivariance,
    layer_reports,
    verify_convolution,
)
from minicnn.equivariance.layerwise import unjudged_layers
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


def test_check_equivariance(rng):
    conv = Conv2d(2, 3, 3, rng=rng)
    for dtype in (np.float32, np.float64):
        found = check_equivariance(conv, 2, (9, 9), "window", dtype=dtype)
        assert len(found) == 6
        assert all(error < 1e-4 for _, error in found)
    with pytest.raises(EquivarianceError, match=r"shift \(1, 0\): at the output pixel .* is 1 \(MaxPool2d"):
        check_equivariance(Sequential(ReLU(), MaxPool2d(2)), 1, (8, 8), "window")
    with pytest.raises(MinicnnError, match="the first layer that is not equivariant is 0"):
        check_equivariance(Sequential(Conv2d(1, 1, 3, stride=2, rng=rng)), 1, (9, 9), "window")
    with pytest.raises(AssertionError, match="the first layer that is not equivariant is MaxPool2d"):
        check_equivariance(MaxPool2d(2), 1, (8, 8), "window")


@pytest.mark.parametrize(("op", "message"), [
    (lambda f: f[..., ::2], r"as large as the input, \(16, 16\), not \(16, 8\); verify_convolution finds the shifts"),
    (lambda f: f.repeat(2, 3), r"not equivariant to every shift: on the torus .* not \(16, 32\)"),
    (MaxPool2d(2), r"not \(8, 8\); the first layer that is not equivariant is MaxPool2d .*; verify_convolution finds"),
])
def test_an_operator_that_subsamples_fails_the_assertion(op, message):
    with pytest.raises(EquivarianceError, match=message):
        check_equivariance(op)
    with pytest.raises(AssertionError):
        check_equivariance(op)


def test_a_small_difference_is_visible():
    with pytest.raises(EquivarianceError, match=r"op\(S f\) is (\S+), S op\(f\) is (?!\1,)"):
        check_equivariance(lambda f: f * np.where(np.arange(16) == 3, 1 + 1e-7, 1), atol=0, rtol=1e-9)


def test_the_tolerance_of_check_equivariance():
    gain = np.ones((8, 8))
    gain[2, 3] += 1e-3
    with pytest.raises(EquivarianceError, match=r"shift \(1, 0\): .* error .\.\de-03, allowed .\.\de-1[45]"):
        check_equivariance(lambda f: gain * f, size=8)
    assert check_equivariance(lambda f: gain * f, size=8, atol=0.02, rtol=0)[0][1] > 1e-3
    assert check_equivariance(lambda f: gain * f, size=8, atol=0, rtol=0.002)[0][1] > 1e-3


@pytest.mark.parametrize(("op", "message"), [
    (lambda f: f + np.random.default_rng().standard_normal(f.shape), "not deterministic: .* by up to .*e"),
    (lambda f, calls=[]: f + len(calls.append(0) or calls), "not deterministic"),               # noqa: B006
    (lambda f: f - f.mean(0), "not an operator on single images: the result depends on the others in the batch"),
    (lambda f: f[::-1], "not an operator on single images")])
def test_more_than_the_image_decides_the_result(op, message):
    """The noise of such an operator must not count as its rounding."""
    with pytest.raises(EquivarianceError, match=message):
        check_equivariance(op, size=(6, 7))
    assert check_equivariance(op, size=(6, 7), atol=1e3)


@pytest.mark.parametrize(("arguments", "error", "message"), [
    ({"op": lambda f: f[..., 1:]}, InputError, r"as large as the input, .*, not \(16, 15\); .* domain='window'"),
    ({"shifts": [(100, 0)]}, InputError, r"two integers smaller than the image, \(16, 16\), not \(100, 0\)"),
    ({"shifts": [(0.5, 0)]}, InputError, r"two integers smaller than the image, \(16, 16\), not \(0\.5, 0\)"),
    ({"shifts": []}, InputError, r"shifts must be a list of at least one pair of integers, as in \[\(1, 0\)\], not"),
    ({"shifts": [(1,)]}, InputError, r"a shift must be two integers smaller than the image, \(16, 16\), not \(1,\)"),
    ({"atol": np.nan}, InputError, "atol must be a number of at least 0, not nan"),
    ({"domain": "sphere"}, InputError, "domain must be one of 'torus', 'plane', 'window', not 'sphere'"),
])
def test_misuse_of_check_equivariance(arguments, error, message):
    with pytest.raises(error, match=message):
        check_equivariance(**{"op": F.relu} | arguments)


def test_layers_of_another_dtype_and_what_is_no_module(rng):
    model = Sequential(Conv2d(1, 1, 3, stride=2, rng=rng))
    assert [layer.report.lattice for layer in layer_reports(model, 1, (9, 9), dtype=np.float64)] == [(2, 2)]
    with pytest.raises(InputTypeError, match="the network must be a Module, not a function"):
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
    (name, kind), = unjudged_layers(Net(), 1, (8, 8))
    assert name == "fc" and kind.startswith("Linear(")
    assert unjudged_layers(MaxPool2d(2), 1, (8, 8)) == []


def test_the_progress_of_layers_goes_on_to_the_end(rng):
    progress = Recorder()
    layer_reports(Sequential(Conv2d(1, 1, 3, rng=rng), ReLU()), 1, (6, 6), trials=1, progress=progress)
    parts = [done / total for done, total, _ in progress.updates]
    assert parts == sorted(parts)
    assert parts[-1] == 1
    assert list(dict.fromkeys(text.partition(":")[0] for _, _, text in progress.updates)) == ["0", "1"]
