"""Convolutions as layers. Names, argument order, defaults and initialisation are PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import functional as F
from ..autograd import no_grad
from ..checks import integer, one_of, pair
from ..conv import Geometry
from ..conv.geometry import PADDING_MODES, Padding, parse_padding
from ..errors import InputError
from ..tensor import Tensor
from .activations import ReLU
from .module import Module
from .parameter import weight_and_bias


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
        in_channels, out_channels, groups = (integer(f"Conv2d: {name}", value, 1) for name, value in (
            ("in_channels", in_channels), ("out_channels", out_channels), ("groups", groups)))
        if in_channels % groups or out_channels % groups:
            raise InputError(f"Conv2d: groups={groups} must divide in_channels={in_channels} and "
                             f"out_channels={out_channels}")
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size, self.stride = pair("Conv2d: kernel_size", kernel_size, 1), pair("Conv2d: stride", stride, 1)
        self.padding, self.dilation = padding, pair("Conv2d: dilation", dilation, 1)
        self.padding_mode = one_of("Conv2d: padding_mode", padding_mode, tuple(PADDING_MODES))
        self.algorithm = algorithm
        parse_padding(padding, (1, 1), self.stride)             # raises what every call would raise
        self.weight, self.bias = weight_and_bias(
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
