"""Layers: modules that own parameters. Names, argument order, defaults and initialisation are PyTorch's."""

from __future__ import annotations

import numpy as np

from .. import functional as F
from ..checks import pair
from ..errors import InputError
from . import init
from .module import Module, Parameter, Sequential

__all__ = [
    "AdaptiveAvgPool2d", "AdaptiveMaxPool2d", "AvgPool2d", "BatchNorm2d", "BlurPool2d", "Conv2d", "CrossEntropyLoss",
    "Dropout", "Flatten", "LeakyReLU", "Linear", "LogSoftmax", "MSELoss", "MaxPool2d", "Module", "Parameter", "ReLU",
    "Sequential", "Sigmoid", "Tanh",
]


class Conv2d(Module):
    """`functional.conv2d` with a learned weight (out, in // groups, kH, kW) and bias (out,).

    Both start uniform in +-1/sqrt(fan_in), fan_in = in // groups * kH * kW. In PyTorch this is written
    kaiming_uniform_(a=sqrt(5)), which is the same bound.

    Parameters
    ----------
    padding : int, (int, int), "same" or "valid"
    padding_mode : {"zeros", "circular"}
    algorithm : str
        How to compute it: "auto" or a name in `minicnn.conv.algorithms()`.
    rng : numpy.random.Generator
        Draws the weight, then the bias; a fresh, unseeded one by default.

    Examples
    --------
    >>> Conv2d(1, 20, 5)
    Conv2d(1, 20, kernel_size=(5, 5))
    """

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1, bias=True,
                 padding_mode="zeros", dtype=np.float32, *, algorithm="auto", rng=None):
        _positive("Conv2d", in_channels=in_channels, out_channels=out_channels, groups=groups)
        if in_channels % groups or out_channels % groups:
            raise InputError(f"Conv2d: groups={groups} must divide in_channels={in_channels} and "
                             f"out_channels={out_channels}")
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size, self.stride = pair("kernel_size", kernel_size, 1), pair("stride", stride, 1)
        self.padding, self.dilation = padding, pair("dilation", dilation, 1)
        self.padding_mode, self.algorithm = padding_mode, algorithm
        self.weight, self.bias = _weight_and_bias(
            (out_channels, in_channels // groups, *self.kernel_size), bias, dtype, rng)

    def forward(self, x, relu=False):
        """The convolution, or with `relu` its ReLU, in one pass where the algorithm can."""
        return F.conv2d(x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups,
                        padding_mode=self.padding_mode, algorithm=self.algorithm, relu=relu)

    def extra_repr(self):
        defaults = {"stride": (1, 1), "padding": 0, "dilation": (1, 1), "groups": 1, "padding_mode": "zeros",
                    "algorithm": "auto"}
        changed = [f"{name}={getattr(self, name)!r}" for name, default in defaults.items()
                   if getattr(self, name) != default]
        return ", ".join([f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}", *changed,
                          *["bias=False"] * (self.bias is None)])


class Linear(Module):
    """`functional.linear` with a learned weight (out_features, in_features) and bias; both start in +-1/sqrt(in).

    >>> Linear(180, 10)
    Linear(180, 10)
    """

    def __init__(self, in_features, out_features, bias=True, dtype=np.float32, *, rng=None):
        _positive("Linear", in_features=in_features, out_features=out_features)
        self.in_features, self.out_features = in_features, out_features
        self.weight, self.bias = _weight_and_bias((out_features, in_features), bias, dtype, rng)

    def forward(self, x):
        return F.linear(x, self.weight, self.bias)

    def extra_repr(self):
        return f"{self.in_features}, {self.out_features}" + ", bias=False" * (self.bias is None)


class BatchNorm2d(Module):
    """`functional.batch_norm` over images, with learned weight (1) and bias (0) and running mean and variance."""

    buffers = ("running_mean", "running_var")

    def __init__(self, num_features, eps=1e-5, momentum=0.1, dtype=np.float32):
        _positive("BatchNorm2d", num_features=num_features)
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight, self.bias = Parameter(np.ones(num_features, dtype)), Parameter(np.zeros(num_features, dtype))
        self.running_mean, self.running_var = np.zeros(num_features, dtype), np.ones(num_features, dtype)

    def forward(self, x):
        if x.ndim != 4 or x.shape[1] != self.num_features:
            raise InputError(f"BatchNorm2d: the input must have shape (N, {self.num_features}, H, W), not {x.shape}")
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, self.training,
                            self.momentum, self.eps)

    def extra_repr(self):
        return str(self.num_features)


class Dropout(Module):
    """`functional.dropout` while training. The generator `rng` belongs to the layer."""

    def __init__(self, p=0.5, *, rng=None):
        self.p, self.rng = p, rng or np.random.default_rng()

    def forward(self, x):
        return F.dropout(x, self.p, self.training, rng=self.rng)

    def extra_repr(self):
        return f"p={self.p}"


class ReLU(Module):
    """`functional.relu`."""

    def forward(self, x):
        return F.relu(x)


class LeakyReLU(Module):
    """`functional.leaky_relu`."""

    def __init__(self, negative_slope=0.01):
        self.negative_slope = negative_slope

    def forward(self, x):
        return F.leaky_relu(x, self.negative_slope)

    def extra_repr(self):
        return f"negative_slope={self.negative_slope}"


class Tanh(Module):
    """`functional.tanh`."""

    def forward(self, x):
        return F.tanh(x)


class Sigmoid(Module):
    """`functional.sigmoid`."""

    def forward(self, x):
        return F.sigmoid(x)


class LogSoftmax(Module):
    """`functional.log_softmax`."""

    def __init__(self, dim=-1):
        self.dim = dim

    def forward(self, x):
        return F.log_softmax(x, self.dim)


class MaxPool2d(Module):
    """`functional.max_pool2d`."""

    def __init__(self, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False):
        self.kernel_size, self.stride, self.padding = kernel_size, kernel_size if stride is None else stride, padding
        self.dilation, self.ceil_mode = dilation, ceil_mode

    def forward(self, x):
        return F.max_pool2d(x, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode)

    def extra_repr(self):
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(Module):
    """`functional.avg_pool2d`."""

    def __init__(self, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True,
                 divisor_override=None):
        self.kernel_size, self.stride, self.padding = kernel_size, kernel_size if stride is None else stride, padding
        self.ceil_mode, self.count_include_pad, self.divisor_override = ceil_mode, count_include_pad, divisor_override

    def forward(self, x):
        return F.avg_pool2d(x, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad,
                            self.divisor_override)

    extra_repr = MaxPool2d.extra_repr


class BlurPool2d(AvgPool2d):
    """`functional.blur_pool2d`: an average with binomial weights. `MaxPool2d(2, 1)` and then this one is MaxBlurPool.

    >>> Sequential(MaxPool2d(2, 1), BlurPool2d(3))[1]
    BlurPool2d(kernel_size=3, stride=2)
    """

    def __init__(self, kernel_size=4, stride=2):
        self.kernel_size, self.stride = kernel_size, stride

    def forward(self, x):
        return F.blur_pool2d(x, self.kernel_size, self.stride)

    def extra_repr(self):
        return f"kernel_size={self.kernel_size}, stride={self.stride}"


class AdaptiveAvgPool2d(Module):
    """`functional.adaptive_avg_pool2d`; output_size 1 is global average pooling."""

    def __init__(self, output_size):
        self.output_size = output_size

    def forward(self, x):
        return F.adaptive_avg_pool2d(x, self.output_size)

    def extra_repr(self):
        return f"output_size={self.output_size}"


class AdaptiveMaxPool2d(AdaptiveAvgPool2d):
    """`functional.adaptive_max_pool2d`; output_size 1 is global max pooling."""

    def forward(self, x):
        return F.adaptive_max_pool2d(x, self.output_size)


class Flatten(Module):
    """`functional.flatten`, by default of all axes but the first."""

    def __init__(self, start_dim=1, end_dim=-1):
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, x):
        return F.flatten(x, self.start_dim, self.end_dim)


class CrossEntropyLoss(Module):
    """`functional.cross_entropy` of (logits, target)."""

    def __init__(self, weight=None, *, ignore_index=-100, reduction="mean", label_smoothing=0.0):
        self.weight, self.ignore_index = weight, ignore_index
        self.reduction, self.label_smoothing = reduction, label_smoothing

    def forward(self, input, target):
        return F.cross_entropy(input, target, self.weight, ignore_index=self.ignore_index, reduction=self.reduction,
                               label_smoothing=self.label_smoothing)


class MSELoss(Module):
    """`functional.mse_loss` of (input, target)."""

    def __init__(self, reduction="mean"):
        self.reduction = reduction

    def forward(self, input, target):
        return F.mse_loss(input, target, self.reduction)


def _weight_and_bias(shape, bias, dtype, rng):
    """A weight (out, ...) and a bias (out,) or None, uniform in +-1/sqrt(fan_in); the weight is drawn first."""
    rng = rng or np.random.default_rng()
    bound = init.default_bound(int(np.prod(shape[1:])))
    draw = lambda shape: Parameter(rng.uniform(-bound, bound, shape).astype(dtype))
    return draw(shape), draw(shape[:1]) if bias else None


def _positive(layer, **values):
    for name, value in values.items():
        if not isinstance(value, (int, np.integer)) or value < 1:
            raise InputError(f"{layer}: {name} must be an integer of at least 1, not {value!r}")
