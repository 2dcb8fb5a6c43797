"""Layers with parameters, Dropout and Flatten. Names, argument order, defaults and initialisation are PyTorch's."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import functional as F
from ..autograd import no_grad
from ..checks import boolean, cpu, float_dtype, fraction, integer, number, one_of, optional_generator, pair
from ..conv import Geometry
from ..conv.geometry import parse_padding
from ..errors import InputError
from ..tensor import Tensor
from . import init
from .activations import ReLU
from .module import Module
from .parameter import Parameter


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
    device : None or "cpu"
        Has its place in PyTorch's order of arguments.
    dtype : float32 or float64, optional
        By default float32.
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
                 device: str | None = None, dtype: Any = None, *, algorithm: str = "auto",
                 rng: np.random.Generator | None = None) -> None:
        in_channels, out_channels, groups = (integer(f"Conv2d: {name}", value, 1) for name, value in (
            ("in_channels", in_channels), ("out_channels", out_channels), ("groups", groups)))
        if in_channels % groups or out_channels % groups:
            raise InputError(f"Conv2d: groups={groups} must divide in_channels={in_channels} and "
                             f"out_channels={out_channels}")
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size, self.stride = pair("Conv2d: kernel_size", kernel_size, 1), pair("Conv2d: stride", stride, 1)
        self.padding, self.dilation = padding, pair("Conv2d: dilation", dilation, 1)
        self.padding_mode = one_of("Conv2d: padding_mode", padding_mode, ("zeros", "circular"))
        self.algorithm = algorithm
        parse_padding(padding, (1, 1), self.stride)             # raises what every call would raise
        self.weight, self.bias = _weight_and_bias(
            "Conv2d", (out_channels, in_channels // groups, *self.kernel_size), bias, device, dtype, rng)

    def forward(self, input: Tensor, relu: bool = False) -> Tensor:
        """The convolution; with `relu` the ReLU of the convolution, computed in one pass."""
        return F.conv2d(input, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups,
                        padding_mode=self.padding_mode, algorithm=self.algorithm, relu=relu)

    def steps(self, inputs: tuple, options: dict[str, Any], output: Any) -> list[tuple[str, Module, tuple, Any]]:
        """A call with `relu` has two steps: the convolution, which is computed once more, and its ReLU."""
        def arguments(input, relu=False):             # the arguments of `forward`
            return input, relu
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

    Arguments are those of `Conv2d`.

    >>> Linear(180, 10)
    Linear(180, 10)
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True, device: str | None = None,
                 dtype: Any = None, *, rng: np.random.Generator | None = None) -> None:
        self.in_features = integer("Linear: in_features", in_features, 1)
        self.out_features = integer("Linear: out_features", out_features, 1)
        self.weight, self.bias = _weight_and_bias("Linear", (self.out_features, self.in_features), bias, device, dtype,
                                                  rng)

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.weight, self.bias)

    def window(self, in_shape: tuple[int, ...]) -> None:
        """None: every output sees the whole input."""

    def multiply_adds(self, in_shape: tuple[int, ...]) -> int:
        """in_features * out_features, times the number of rows of one image of an input (N, ..., in_features)."""
        return self.weight.size * math.prod(in_shape[1:-1])

    def extra_repr(self) -> str:
        return f"{self.in_features}, {self.out_features}" + ", bias=False" * (self.bias is None)


class BatchNorm2d(Module):
    """`functional.batch_norm` of images, with running mean and variance. The weight starts at 1, the bias at 0.

    Parameters
    ----------
    num_features : int
    eps : float
        Above 0.
    momentum : float or None
        None: the running statistics are the mean of the statistics of all batches so far. The buffer
        `num_batches_tracked` counts them.
    affine : bool
        Without it there are no weight and bias.
    bias : bool
        Whether there is a bias beside the weight.
    track_running_stats : bool
        Without it evaluation uses the statistics of the batch too.
    device, dtype
        As in `Conv2d`.

    Notes
    -----
    A PyTorch state always has "num_batches_tracked". With a number as momentum, `load_state_dict` ignores this entry.

    Examples
    --------
    >>> norm = BatchNorm2d(1, momentum=None)
    >>> for value in 1.0, 2.0, 6.0:
    ...     _ = norm(Tensor(np.full((2, 1, 1, 1), value)))
    >>> norm.running_mean
    array([3.], dtype=float32)
    """

    buffers: tuple[str, ...] = ("running_mean", "running_var")
    ignored_state = ("num_batches_tracked",)

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = True,
                 track_running_stats: bool = True, device: str | None = None, dtype: Any = None, *,
                 bias: bool = True) -> None:
        n = self.num_features = integer("BatchNorm2d: num_features", num_features, 1)
        self.eps = number("BatchNorm2d: eps", eps, above=0)
        self.momentum = None if momentum is None else number("BatchNorm2d: momentum", momentum)
        self.affine = boolean("BatchNorm2d: affine", affine)
        self.track_running_stats = boolean("BatchNorm2d: track_running_stats", track_running_stats)
        cpu("BatchNorm2d: device", device)
        dtype = float_dtype("BatchNorm2d: dtype", dtype)
        self.weight = Parameter(np.ones(n, dtype)) if affine else None
        self.bias = Parameter(np.zeros(n, dtype)) if affine and boolean("BatchNorm2d: bias", bias) else None
        self.running_mean: np.ndarray | None = None
        self.running_var: np.ndarray | None = None
        if not track_running_stats:
            self.buffers = ()
            return
        self.running_mean, self.running_var = np.zeros(n, dtype), np.ones(n, dtype)
        if momentum is None:
            self.buffers = (*self.buffers, "num_batches_tracked")
            self.num_batches_tracked = np.zeros((), np.int64)

    def forward(self, input: Tensor) -> Tensor:
        shape = np.shape(input)
        if len(shape) != 4 or shape[1] != self.num_features:
            raise InputError(f"BatchNorm2d: the input must have shape (N, {self.num_features}, H, W), not {shape}")
        momentum, training = self.momentum, self.training
        if self.track_running_stats and training and momentum is None:
            momentum = 1 / (float(self.num_batches_tracked) + 1)
        mean, var = self.running_mean, self.running_var
        if training and not self.track_running_stats:           # it may be switched off at any time
            mean = var = None
        out = F.batch_norm(input, mean, var, self.weight, self.bias, training or mean is None,
                           0.0 if momentum is None else momentum, self.eps)
        if "num_batches_tracked" in self.buffers and training and self.track_running_stats and out.size:
            self.num_batches_tracked += 1
        return out

    def extra_repr(self) -> str:
        defaults = {"eps": 1e-5, "momentum": 0.1, "affine": True, "track_running_stats": True}
        return ", ".join([str(self.num_features), *(f"{name}={value}" for name, default in defaults.items()
                                                    if (value := getattr(self, name)) != default)])


class Dropout(Module):
    """`functional.dropout` while training. The generator `rng` belongs to the layer."""

    def __init__(self, p: float = 0.5, *, rng: np.random.Generator | None = None) -> None:
        self.p, self.rng = fraction("Dropout: p", p), optional_generator("Dropout: rng", rng)

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout(input, self.p, self.training, rng=self.rng)

    def extra_repr(self) -> str:
        return f"p={self.p}"


class Flatten(Module):
    """`functional.flatten`, by default of all axes but the first."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input: Tensor) -> Tensor:
        return F.flatten(input, self.start_dim, self.end_dim)


def _weight_and_bias(layer, shape, bias, device, dtype, rng):
    """A weight (out, ...) and a bias (out,) or None, uniform in +-1/sqrt(fan_in); the weight is drawn first."""
    cpu(f"{layer}: device", device)
    bias, dtype = boolean(f"{layer}: bias", bias), float_dtype(f"{layer}: dtype", dtype)
    rng = optional_generator(f"{layer}: rng", rng)
    bound = init.default_bound(int(np.prod(shape[1:])))
    draw = lambda shape: Parameter(rng.uniform(-bound, bound, shape).astype(dtype))
    return draw(shape), draw(shape[:1]) if bias else None
