"""Convolutions as layers. Names, argument order, defaults and initialisation are PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import functional as F
from ...autograd import no_grad
from ...checks import along, integer, one_of, padding_along, pair
from ...conv import Geometry
from ...conv.geometry import PADDING_MODES, Padding, parse_padding
from ...errors import InputError
from ...tensor import Tensor
from ..activations import ReLU
from ..module import Module
from ..parameter import weight_and_bias


class Conv2d(Module):
    """`functional.conv2d` with a learned weight (out, in // groups, kH, kW) and bias (out,).

    Both are drawn uniformly from +-1/sqrt(fan_in), fan_in = in // groups * kH * kW: see `init.default_bound`.

    Parameters
    ----------
    in_channels, out_channels, groups : int
        `groups` divides both.
    kernel_size, stride, dilation : int or (int, int)
    padding : int, (int, int), ((top, bottom), (left, right)), "same" or "valid"
    bias : bool
    padding_mode : {"zeros", "circular", "reflect", "replicate"}
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
                 stride: int | tuple[int, int] = 1, padding: Padding = 0,
                 dilation: int | tuple[int, int] = 1, groups: int = 1, bias: bool = True, padding_mode: str = "zeros",
                 device: str | None = None, dtype: Any = None, *, algorithm: str = "auto",
                 rng: np.random.Generator | None = None) -> None:
        self.in_channels, self.out_channels, self.groups = checked_channels("Conv2d", in_channels, out_channels, groups)
        self.kernel_size, self.stride = pair("Conv2d: kernel_size", kernel_size, 1), pair("Conv2d: stride", stride, 1)
        self.padding, self.dilation = padding, pair("Conv2d: dilation", dilation, 1)
        self.padding_mode = one_of("Conv2d: padding_mode", padding_mode, tuple(PADDING_MODES))
        self.algorithm = algorithm
        parse_padding(padding, (1, 1), self.stride)             # raises what every call would raise
        self.weight, self.bias = weight_and_bias(
            "Conv2d", (self.out_channels, self.in_channels // self.groups, *self.kernel_size), bias, device, dtype, rng)

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
        return shown(self, {"stride": (1, 1), "padding": 0, "dilation": (1, 1), "groups": 1, "padding_mode": "zeros",
                             "algorithm": "auto"})


class Conv1d(Module):
    """`functional.conv1d` with a learned weight (out, in // groups, k) and bias (out,): see `Conv2d`.

    >>> Conv1d(2, 4, 5, padding=2)(Tensor(np.zeros((1, 2, 9)), dtype=np.float32)).shape
    (1, 4, 9)
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int | tuple[int], stride: int | tuple[int] = 1,
                 padding: Any = 0, dilation: int | tuple[int] = 1, groups: int = 1, bias: bool = True,
                 padding_mode: str = "zeros", device: str | None = None, dtype: Any = None, *, algorithm: str = "auto",
                 rng: np.random.Generator | None = None) -> None:
        self.in_channels, self.out_channels, self.groups = checked_channels("Conv1d", in_channels, out_channels, groups)
        (_, k), (_, step), (_, spread) = (along(f"Conv1d: {name}", value, 1) for name, value in (
            ("kernel_size", kernel_size), ("stride", stride), ("dilation", dilation)))
        self.kernel_size, self.stride, self.padding, self.dilation = (k,), (step,), padding, (spread,)
        parse_padding(padding_along("Conv1d: padding", padding), (1, 1), (1, step))
        self.padding_mode = one_of("Conv1d: padding_mode", padding_mode, tuple(PADDING_MODES))
        self.algorithm = algorithm
        self.weight, self.bias = weight_and_bias(
            "Conv1d", (self.out_channels, self.in_channels // self.groups, k), bias, device, dtype, rng)

    def forward(self, input: Tensor) -> Tensor:
        return F.conv1d(input, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups,
                        padding_mode=self.padding_mode, algorithm=self.algorithm)

    def geometry(self, in_shape: tuple[int, ...]) -> Geometry:
        """The geometry of the convolution of images with one row, for an input (N, C, L) or (C, L)."""
        n, c, length = (1, *in_shape) if len(in_shape) == 2 else in_shape
        out, channels, k = self.weight.shape
        return Geometry.of((n, c, 1, length), (out, channels, 1, k), (1, *self.stride),
                           padding_along("padding", self.padding), (1, *self.dilation), self.groups, self.padding_mode,
                           str(self.weight.dtype))

    def extra_repr(self) -> str:
        return shown(self, {"stride": (1,), "padding": 0, "dilation": (1,), "groups": 1, "padding_mode": "zeros",
                             "algorithm": "auto"})


def conv_relu(conv: Conv2d, relu: ReLU, x: Tensor) -> Tensor:
    """relu(conv(x)), in one pass. If one of the two layers has a forward hook, the layers are called separately.

    The maps are exactly the same in both cases. The gradients may round differently.

    >>> conv_relu(Conv2d(1, 2, 3), ReLU(), Tensor(np.zeros((1, 1, 5, 5)), dtype=np.float32)).shape
    (1, 2, 3, 3)
    """
    if conv.has_forward_hooks or relu.has_forward_hooks:
        return relu(conv(x))
    return conv(x, relu=True)


def checked_channels(layer: str, in_channels: Any, out_channels: Any, groups: Any) -> tuple[int, int, int]:
    """The three numbers as integers; the groups must divide the channels."""
    channels, outputs, groups = (integer(f"{layer}: {name}", value, 1) for name, value in (
        ("in_channels", in_channels), ("out_channels", out_channels), ("groups", groups)))
    if channels % groups or outputs % groups:
        raise InputError(f"{layer}: groups={groups} must divide in_channels={channels} and out_channels={outputs}")
    return channels, outputs, groups


def shown(layer: Any, defaults: dict[str, Any]) -> str:
    """The arguments of a convolution that differ from their defaults, for its repr."""
    changed = [f"{name}={getattr(layer, name)!r}" for name, default in defaults.items()
               if getattr(layer, name) != default]
    return ", ".join([f"{layer.in_channels}, {layer.out_channels}, kernel_size={layer.kernel_size}", *changed,
                      *["bias=False"] * (layer.bias is None)])
