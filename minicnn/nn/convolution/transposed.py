"""Transposed convolutions as layers. Names, argument order, defaults and initialisation are PyTorch's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from ... import functional as F
from ...checks import along, integer, one_of, padding_along, pair, sides
from ...conv import Geometry
from ...errors import InputError
from ...functional.convolution.transposed import transposed_geometry
from ...tensor import Tensor
from ..module import Module, Window
from ..parameter import weight_and_bias
from .convolve import checked_channels, shown


class _Transposed(Module):
    """What the two classes share. Sizes are tuples with one number for each spatial axis."""

    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    output_padding: tuple[int, ...]
    padding: Any

    def _build(self, in_channels, out_channels, groups, padding_mode, kernel_size, algorithm, *drawn):
        name = type(self).__name__
        self.in_channels, self.out_channels, self.groups = checked_channels(name, in_channels, out_channels, groups)
        self.padding_mode = one_of(f"{name}: padding_mode", padding_mode, ("zeros",))
        self.kernel_size, self.algorithm = kernel_size, algorithm
        self.weight, self.bias = weight_and_bias(
            name, (self.in_channels, self.out_channels // self.groups, *kernel_size), *drawn, self.out_channels)

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """The transposed convolution. `output_size` is the size of the result, or its whole shape.

        With a stride several sizes are possible; output_padding is chosen for the given one. Any other size raises
        InputError.
        """
        function: Any = F.conv_transpose1d if len(self.kernel_size) == 1 else F.conv_transpose2d
        padding = self.output_padding if output_size is None else self._output_padding(np.shape(input), output_size)
        return function(input, self.weight, self.bias, self.stride, self.padding, padding, self.groups, self.dilation,
                        algorithm=self.algorithm)

    def _output_padding(self, shape, output_size):
        name, axes = type(self).__name__, len(self.kernel_size)
        size = tuple(output_size) if isinstance(output_size, (tuple, list)) else (output_size,)
        if len(size) not in (axes, len(shape)):
            raise InputError(f"{name}: output_size must have {axes} numbers, or be the whole shape of the output, not "
                             f"{output_size!r}")
        size = tuple(integer(f"{name}: output_size", n) for n in size[-axes:])
        least = tuple((n - 1) * s - sum(p) + d * (k - 1) + 1 for n, s, p, d, k in zip(
            shape[-axes:], self.stride, self._sides()[-axes:], self.dilation, self.kernel_size, strict=True))
        if any(not low <= n < low + s for n, low, s in zip(size, least, self.stride, strict=True)):
            most = tuple(low + s - 1 for low, s in zip(least, self.stride, strict=True))
            raise InputError(f"{name}: output_size {size} must be from {least} to {most} for an input of shape {shape}")
        return tuple(n - low for n, low in zip(size, least, strict=True))

    def _sides(self):
        """The padding as ((top, bottom), (left, right))."""
        return sides("padding", self.padding if len(self.kernel_size) == 2 else padding_along("padding", self.padding))

    def geometry(self, in_shape: tuple[int, ...]) -> Geometry:
        """The geometry of the convolution whose adjoint this layer is, for (N, C, ...) or one image (C, ...)."""
        axes = len(self.kernel_size)
        n, c, *size = (1, *in_shape) if len(in_shape) == axes + 1 else in_shape
        one, none = (1,) * (2 - axes), (0,) * (2 - axes)                    # of the rows, in one dimension
        weight = self.weight.shape[:2] + one + self.weight.shape[2:]
        return transposed_geometry(type(self).__name__, (n, c, *one, *size), weight, (*one, *self.stride),
                                   self._sides(), (*none, *self.output_padding), self.groups, (*one, *self.dilation),
                                   str(self.weight.dtype))[0]

    def window(self, in_shape: tuple[int, ...]) -> Window:
        """The input pixels that the output pixel with the most of them sees. The stride is a fraction.

        An output pixel meets every (s / g)-th element of the kernel, g = gcd(s, d). The input pixels that these meet
        are d / g pixels apart.
        """
        spans, strides = [1] * (2 - len(self.stride)), [Fraction(1)] * (2 - len(self.stride))
        for k, s, d in zip(self.kernel_size, self.stride, self.dilation, strict=True):
            common = math.gcd(s, d)
            spans.append((k - 1) // (s // common) * (d // common) + 1)
            strides.append(Fraction(1, s))
        return Window((spans[0], spans[1]), (strides[0], strides[1]))

    def extra_repr(self) -> str:
        one = (1,) * len(self.kernel_size)
        return shown(self, {"stride": one, "padding": 0, "output_padding": (0,) * len(one), "groups": 1,
                            "dilation": one, "algorithm": "auto"})


class ConvTranspose2d(_Transposed):
    """`functional.conv_transpose2d` with a learned weight (in, out // groups, kH, kW) and bias (out,).

    Both are drawn uniformly from +-1/sqrt(fan_in), fan_in = out // groups * kH * kW, as in PyTorch. (This is the fan-in
    of the convolution whose adjoint the layer is, not that of the layer.)

    Parameters
    ----------
    in_channels, out_channels, groups : int
        `groups` divides both.
    kernel_size, stride, output_padding, dilation : int or (int, int)
    padding : int, (int, int) or ((top, bottom), (left, right))
    bias : bool
    padding_mode : "zeros"
    device, dtype, algorithm, rng
        As in `Conv2d`.

    Raises
    ------
    InputError
        A size is below 1, or the groups do not divide the channels. A call raises the errors of
        `functional.conv_transpose2d`.

    Examples
    --------
    >>> up = ConvTranspose2d(8, 4, 3, stride=2, padding=1)
    >>> up
    ConvTranspose2d(8, 4, kernel_size=(3, 3), stride=(2, 2), padding=1)
    >>> x = Tensor(np.zeros((1, 8, 7, 7)), dtype=np.float32)
    >>> up(x).shape, up(x, output_size=(14, 14)).shape
    ((1, 4, 13, 13), (1, 4, 14, 14))
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int | tuple[int, int],
                 stride: int | tuple[int, int] = 1, padding: Any = 0, output_padding: int | tuple[int, int] = 0,
                 groups: int = 1, bias: bool = True, dilation: int | tuple[int, int] = 1, padding_mode: str = "zeros",
                 device: str | None = None, dtype: Any = None, *, algorithm: str = "auto",
                 rng: np.random.Generator | None = None) -> None:
        kernel, self.stride, self.dilation, self.output_padding = (
            pair(f"ConvTranspose2d: {name}", value, least) for name, value, least in (
                ("kernel_size", kernel_size, 1), ("stride", stride, 1), ("dilation", dilation, 1),
                ("output_padding", output_padding, 0)))
        sides("ConvTranspose2d: padding", padding)
        self.padding = padding
        self._build(in_channels, out_channels, groups, padding_mode, kernel, algorithm, bias, device, dtype, rng)


class ConvTranspose1d(_Transposed):
    """`functional.conv_transpose1d` with a weight (in, out // groups, k) and a bias (out,): see `ConvTranspose2d`.

    >>> ConvTranspose1d(2, 3, 4, stride=2)(Tensor(np.zeros((2, 5)), dtype=np.float32)).shape
    (3, 12)
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int | tuple[int], stride: int | tuple[int] = 1,
                 padding: Any = 0, output_padding: int | tuple[int] = 0, groups: int = 1, bias: bool = True,
                 dilation: int | tuple[int] = 1, padding_mode: str = "zeros", device: str | None = None,
                 dtype: Any = None, *, algorithm: str = "auto", rng: np.random.Generator | None = None) -> None:
        kernel, self.stride, self.dilation, self.output_padding = (
            along(f"ConvTranspose1d: {name}", value, least)[1:] for name, value, least in (
                ("kernel_size", kernel_size, 1), ("stride", stride, 1), ("dilation", dilation, 1),
                ("output_padding", output_padding, 0)))
        sides("ConvTranspose1d: padding", padding_along("ConvTranspose1d: padding", padding))
        self.padding = padding
        self._build(in_channels, out_channels, groups, padding_mode, kernel, algorithm, bias, device, dtype, rng)
