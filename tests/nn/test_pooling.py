"""Pools as layers: each computes the function of its name with its arguments. test_summary has their windows."""

import pytest

from minicnn import functional as F
from minicnn import nn
from minicnn.nn.module import Window
from tests.reference import assert_same_function


@pytest.mark.parametrize(("layer", "function"), [
    (nn.MaxPool2d(3, 2, 1, 2, False, True), lambda x: F.max_pool2d(x, 3, 2, 1, 2, True)),
    (nn.MaxPool2d(2), lambda x: F.max_pool2d(x, 2)),
    (nn.AvgPool2d(3, 2, 1, True, False), lambda x: F.avg_pool2d(x, 3, 2, 1, True, False)),
    (nn.AvgPool2d(2, divisor_override=3), lambda x: F.avg_pool2d(x, 2, divisor_override=3)),
    (nn.AdaptiveAvgPool2d((2, 3)), lambda x: F.adaptive_avg_pool2d(x, (2, 3))),
    (nn.AdaptiveMaxPool2d(1), lambda x: F.adaptive_max_pool2d(x, 1)),
    (nn.BlurPool2d(3), lambda x: F.blur_pool2d(x, 3)),
], ids=lambda value: type(value).__name__)
def test_a_pool_is_the_function_of_its_name_with_its_arguments(layer, function, rng):
    assert_same_function(layer, function, rng.standard_normal((3, 2, 7, 8)), rng)


@pytest.mark.parametrize(("layer", "function"), [
    (nn.MaxPool1d(3, 2, 1, 2, False, True), lambda x: F.max_pool1d(x, 3, 2, 1, 2, True)),
    (nn.AvgPool1d((3,), 2, 1, True, False), lambda x: F.avg_pool1d(x, 3, 2, 1, True, False)),
], ids=lambda value: type(value).__name__)
def test_pools_of_signals(layer, function, rng):
    assert_same_function(layer, function, rng.standard_normal((3, 2, 9)), rng)
    assert layer.window((3, 2, 9)) == Window((1, 5 if isinstance(layer, nn.MaxPool1d) else 3), (1, 2))


@pytest.mark.parametrize(("module", "text"), [
    (nn.AvgPool1d(2), "AvgPool1d(kernel_size=2, stride=2, padding=0)"),
    (nn.MaxPool2d(2), "MaxPool2d(kernel_size=2, stride=2, padding=0)"),
    (nn.AdaptiveMaxPool2d(1), "AdaptiveMaxPool2d(output_size=1)"),
])
def test_repr(module, text):
    assert repr(module) == text
