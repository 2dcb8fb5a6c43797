"""Layers with parameters, activations and losses. Names, argument order, defaults and initialisation are PyTorch's."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import functional as F
from ..autograd import no_grad
from ..checks import integer, optional_generator, pair
from ..conv import Geometry
from ..errors import InputError
from ..tensor import Tensor
from . import init
from .module import Module, Parameter


class Conv2d(Module):
    """`functional.conv2d` with a learned weight (out, in // groups, kH, kW) and bias (out,).

    Both are drawn uniformly from +-1/sqrt(fan_in), fan_in = in // groups * kH * kW: see `init.default_bound`.

    Parameters
    ----------
    in_channels, out_channels, groups : int
        `groups` divides both.
    kernel_size, stride, dilation : int or (int, int)
    padding : int, (int, int), "same" or "valid"
    bias : bool
    padding_mode : {"zeros", "circular"}
    dtype : float32 or float64
    algorithm : str
        "auto" or a name in `minicnn.conv.algorithms()`.
    rng : numpy.random.Generator
        Draws the weight, then the bias. By default a new generator without a seed.

    Raises
    ------
    InputError
        A size is below 1, or the groups do not divide the channels. A call raises the errors of `functional.conv2d`.

    Examples
    --------
    >>> Conv2d(1, 20, 5)
    Conv2d(1, 20, kernel_size=(5, 5))
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int | tuple[int, int],
                 stride: int | tuple[int, int] = 1, padding: int | tuple[int, int] | str = 0,
                 dilation: int | tuple[int, int] = 1, groups: int = 1, bias: bool = True, padding_mode: str = "zeros",
                 dtype: Any = np.float32, *, algorithm: str = "auto", rng: np.random.Generator | None = None) -> None:
        for name, value in (("in_channels", in_channels), ("out_channels", out_channels), ("groups", groups)):
            integer(f"Conv2d: {name}", value, 1)
        if in_channels % groups or out_channels % groups:
            raise InputError(f"Conv2d: groups={groups} must divide in_channels={in_channels} and "
                             f"out_channels={out_channels}")
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size, self.stride = pair("kernel_size", kernel_size, 1), pair("stride", stride, 1)
        self.padding, self.dilation = padding, pair("dilation", dilation, 1)
        self.padding_mode, self.algorithm = padding_mode, algorithm
        self.weight, self.bias = _weight_and_bias(
            (out_channels, in_channels // groups, *self.kernel_size), bias, dtype, rng)

    def forward(self, x: Tensor, relu: bool = False) -> Tensor:
        """The convolution; with `relu` the ReLU of the convolution, computed in one pass."""
        return F.conv2d(x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups,
                        padding_mode=self.padding_mode, algorithm=self.algorithm, relu=relu)

    def steps(self, inputs: tuple, options: dict[str, Any], output: Any) -> list[tuple[str, Module, tuple, Any]]:
        """A call with `relu` has two steps: the convolution, which is computed once more, and its ReLU."""
        def arguments(x, relu=False):                 # the arguments of `forward`
            return x, relu
        x, relu = arguments(*inputs, **options)
        if not relu:
            return super().steps(inputs, options, output)
        with no_grad():
            before = self.forward(x)
        return [("", self, (x,), before), (".relu", ReLU(), (before,), output)]

    def geometry(self, in_shape: tuple[int, ...]) -> Geometry:
        """The geometry of the convolution for an input (N, C, H, W) or (C, H, W)."""
        in_shape = (1, *in_shape) if len(in_shape) == 3 else in_shape
        return Geometry.of(in_shape, self.weight.shape, self.stride, self.padding, self.dilation, self.groups,
                           self.padding_mode, str(self.weight.dtype))

    def extra_repr(self) -> str:
        defaults = {"stride": (1, 1), "padding": 0, "dilation": (1, 1), "groups": 1, "padding_mode": "zeros",
                    "algorithm": "auto"}
        changed = [f"{name}={getattr(self, name)!r}" for name, default in defaults.items()
                   if getattr(self, name) != default]
        return ", ".join([f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}", *changed,
                          *["bias=False"] * (self.bias is None)])


def conv_relu(conv: Conv2d, relu: ReLU, x: Tensor) -> Tensor:
    """relu(conv(x)), in one pass. If one of the two layers has a forward hook, the layers are called separately.

    The maps are exactly the same in both cases. The gradients may round differently.

    >>> conv_relu(Conv2d(1, 2, 3), ReLU(), Tensor(np.zeros((1, 1, 5, 5)), dtype=np.float32)).shape
    (1, 2, 3, 3)
    """
    if conv.has_forward_hooks or relu.has_forward_hooks:
        return relu(conv(x))
    return conv(x, relu=True)


class Linear(Module):
    """`functional.linear` with a learned weight (out_features, in_features) and bias, drawn from +-1/sqrt(in_features).

    >>> Linear(180, 10)
    Linear(180, 10)
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True, dtype: Any = np.float32, *,
                 rng: np.random.Generator | None = None) -> None:
        integer("Linear: in_features", in_features, 1)
        integer("Linear: out_features", out_features, 1)
        self.in_features, self.out_features = in_features, out_features
        self.weight, self.bias = _weight_and_bias((out_features, in_features), bias, dtype, rng)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.bias)

    def window(self, in_shape: tuple[int, ...]) -> None:
        """None: every output sees the whole input."""

    def multiply_adds(self, in_shape: tuple[int, ...]) -> int:
        """in_features * out_features, times the number of rows of one image of an input (N, ..., in_features)."""
        return self.weight.size * math.prod(in_shape[1:-1])

    def extra_repr(self) -> str:
        return f"{self.in_features}, {self.out_features}" + ", bias=False" * (self.bias is None)


class BatchNorm2d(Module):
    """`functional.batch_norm` of images, with running mean and variance. The weight starts at 1, the bias at 0."""

    buffers = ("running_mean", "running_var")

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float = 0.1, dtype: Any = np.float32) -> None:
        integer("BatchNorm2d: num_features", num_features, 1)
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight, self.bias = Parameter(np.ones(num_features, dtype)), Parameter(np.zeros(num_features, dtype))
        self.running_mean, self.running_var = np.zeros(num_features, dtype), np.ones(num_features, dtype)

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim != 4 or x.shape[1] != self.num_features:
            raise InputError(f"BatchNorm2d: the input must have shape (N, {self.num_features}, H, W), not {x.shape}")
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, self.training,
                            self.momentum, self.eps)

    def extra_repr(self) -> str:
        return str(self.num_features)


class Dropout(Module):
    """`functional.dropout` while training. The generator `rng` belongs to the layer."""

    def __init__(self, p: float = 0.5, *, rng: np.random.Generator | None = None) -> None:
        self.p, self.rng = p, optional_generator("Dropout: rng", rng)

    def forward(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.p, self.training, rng=self.rng)

    def extra_repr(self) -> str:
        return f"p={self.p}"


class ReLU(Module):
    """`functional.relu`."""

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x)


class LeakyReLU(Module):
    """`functional.leaky_relu`."""

    def __init__(self, negative_slope: float = 0.01) -> None:
        self.negative_slope = negative_slope

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(x, self.negative_slope)

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope}"


class Tanh(Module):
    """`functional.tanh`."""

    def forward(self, x: Tensor) -> Tensor:
        return F.tanh(x)


class Sigmoid(Module):
    """`functional.sigmoid`."""

    def forward(self, x: Tensor) -> Tensor:
        return F.sigmoid(x)


class LogSoftmax(Module):
    """`functional.log_softmax`."""

    def __init__(self, dim: int = -1) -> None:
        self.dim = dim

    def forward(self, x: Tensor) -> Tensor:
        return F.log_softmax(x, self.dim)


class Flatten(Module):
    """`functional.flatten`, by default of all axes but the first."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, x: Tensor) -> Tensor:
        return F.flatten(x, self.start_dim, self.end_dim)


class CrossEntropyLoss(Module):
    """`functional.cross_entropy` of (logits, target)."""

    def __init__(self, weight: np.ndarray | Tensor | None = None, *, ignore_index: int = -100, reduction: str = "mean",
                 label_smoothing: float = 0.0) -> None:
        self.weight, self.ignore_index = weight, ignore_index
        self.reduction, self.label_smoothing = reduction, label_smoothing

    def forward(self, input: Tensor, target: np.ndarray | Tensor) -> Tensor:
        return F.cross_entropy(input, target, self.weight, ignore_index=self.ignore_index, reduction=self.reduction,
                               label_smoothing=self.label_smoothing)


class MSELoss(Module):
    """`functional.mse_loss` of (input, target)."""

    def __init__(self, reduction: str = "mean") -> None:
        self.reduction = reduction

    def forward(self, input: Tensor, target: np.ndarray | Tensor) -> Tensor:
        return F.mse_loss(input, target, self.reduction)


def _weight_and_bias(shape, bias, dtype, rng):
    """A weight (out, ...) and a bias (out,) or None, uniform in +-1/sqrt(fan_in); the weight is drawn first."""
    rng = optional_generator("rng", rng)
    bound = init.default_bound(int(np.prod(shape[1:])))
    draw = lambda shape: Parameter(rng.uniform(-bound, bound, shape).astype(dtype))
    return draw(shape), draw(shape[:1]) if bias else None
