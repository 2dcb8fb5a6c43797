"""Unfold and Fold as layers."""

from __future__ import annotations

from typing import Any

from ... import functional as F
from ...checks import pair, sides
from ...tensor import Tensor
from ..module import Module, Window


class _Patches(Module):
    """What the two classes share: the sizes as they were given."""

    def __init__(self, kernel_size: int | tuple[int, int], dilation: int | tuple[int, int], padding: Any,
                 stride: int | tuple[int, int]) -> None:
        name = type(self).__name__
        pair(f"{name}: kernel_size", kernel_size, 1)
        pair(f"{name}: dilation", dilation, 1)
        pair(f"{name}: stride", stride, 1)
        sides(f"{name}: padding", padding)
        self.kernel_size, self.dilation, self.padding, self.stride = kernel_size, dilation, padding, stride

    def extra_repr(self) -> str:
        return (f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, "
                f"stride={self.stride}")


class Unfold(_Patches):
    """`functional.unfold`: the patches of an image as columns.

    >>> Unfold(3, padding=1)
    Unfold(kernel_size=3, dilation=1, padding=1, stride=1)
    """

    def __init__(self, kernel_size: int | tuple[int, int], dilation: int | tuple[int, int] = 1, padding: Any = 0,
                 stride: int | tuple[int, int] = 1) -> None:
        super().__init__(kernel_size, dilation, padding, stride)

    def forward(self, input: Tensor) -> Tensor:
        return F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)

    def window(self, in_shape: tuple[int, ...]) -> Window:
        """The patch of a column."""
        kernel, dilation = pair("kernel_size", self.kernel_size, 1), pair("dilation", self.dilation, 1)
        span = dilation[0] * (kernel[0] - 1) + 1, dilation[1] * (kernel[1] - 1) + 1
        return Window(span, pair("stride", self.stride, 1))


class Fold(_Patches):
    """`functional.fold`: columns are added to an image. It is the adjoint of `Unfold`."""

    def __init__(self, output_size: int | tuple[int, int], kernel_size: int | tuple[int, int],
                 dilation: int | tuple[int, int] = 1, padding: Any = 0, stride: int | tuple[int, int] = 1) -> None:
        pair("Fold: output_size", output_size, 1)
        self.output_size = output_size
        super().__init__(kernel_size, dilation, padding, stride)

    def forward(self, input: Tensor) -> Tensor:
        return F.fold(input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride)

    def window(self, in_shape: tuple[int, ...]) -> None:
        """None: the columns have no places."""

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}, {super().extra_repr()}"
