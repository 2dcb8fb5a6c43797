"""Pools as layers. Names, argument order and defaults are PyTorch's."""

from __future__ import annotations

from .. import functional as F
from ..checks import pair
from ..tensor import Tensor
from .module import Module, Window


class _WindowPool(Module):
    """A pool whose windows all have one size."""

    kernel_size: int | tuple[int, int]
    stride: int | tuple[int, int]
    dilation: int | tuple[int, int] = 1

    def window(self, in_shape: tuple[int, ...]) -> Window:
        """The kernel with its dilation, and the stride."""
        kernel, dilation = pair("kernel_size", self.kernel_size, 1), pair("dilation", self.dilation, 1)
        span = dilation[0] * (kernel[0] - 1) + 1, dilation[1] * (kernel[1] - 1) + 1
        return Window(span, pair("stride", self.stride, 1))

    def extra_repr(self) -> str:
        padding = f", padding={self.padding}" if hasattr(self, "padding") else ""
        return f"kernel_size={self.kernel_size}, stride={self.stride}{padding}"


class MaxPool2d(_WindowPool):
    """`functional.max_pool2d`."""

    def __init__(self, kernel_size: int | tuple[int, int], stride: int | tuple[int, int] | None = None,
                 padding: int | tuple[int, int] = 0, dilation: int | tuple[int, int] = 1,
                 ceil_mode: bool = False) -> None:
        self.kernel_size, self.stride, self.padding = kernel_size, kernel_size if stride is None else stride, padding
        self.dilation, self.ceil_mode = dilation, ceil_mode

    def forward(self, x: Tensor) -> Tensor:
        return F.max_pool2d(x, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode)


class AvgPool2d(_WindowPool):
    """`functional.avg_pool2d`."""

    def __init__(self, kernel_size: int | tuple[int, int], stride: int | tuple[int, int] | None = None,
                 padding: int | tuple[int, int] = 0, ceil_mode: bool = False, count_include_pad: bool = True,
                 divisor_override: int | None = None) -> None:
        self.kernel_size, self.stride, self.padding = kernel_size, kernel_size if stride is None else stride, padding
        self.ceil_mode, self.count_include_pad, self.divisor_override = ceil_mode, count_include_pad, divisor_override

    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(x, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad,
                            self.divisor_override)


class BlurPool2d(_WindowPool):
    """`functional.blur_pool2d`: an average with binomial weights. After `MaxPool2d(2, 1)` it makes a MaxBlurPool.

    >>> BlurPool2d(3)
    BlurPool2d(kernel_size=3, stride=2)
    """

    def __init__(self, kernel_size: int | tuple[int, int] = 4, stride: int | tuple[int, int] = 2) -> None:
        self.kernel_size, self.stride = kernel_size, stride

    def forward(self, x: Tensor) -> Tensor:
        return F.blur_pool2d(x, self.kernel_size, self.stride)


class AdaptiveAvgPool2d(Module):
    """`functional.adaptive_avg_pool2d`; output_size 1 is global average pooling."""

    def __init__(self, output_size: int | tuple[int, int]) -> None:
        self.output_size = output_size

    def forward(self, x: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(x, self.output_size)

    def window(self, in_shape: tuple[int, ...]) -> Window | None:
        """For output_size 1: None, the whole map. Else the largest window, and the stride rounded up.

        If output_size divides the size of the map, all windows have this size and the stride is exact.
        """
        counts = pair("output_size", self.output_size, 1)
        if counts == (1, 1):
            return None
        (rows, columns), (down, across) = in_shape[-2:], counts
        return Window((_largest_window(rows, down), _largest_window(columns, across)),
                      (-(-rows // down), -(-columns // across)))

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveMaxPool2d(AdaptiveAvgPool2d):
    """`functional.adaptive_max_pool2d`; output_size 1 is global max pooling."""

    def forward(self, x: Tensor) -> Tensor:
        return F.adaptive_max_pool2d(x, self.output_size)


def _largest_window(size: int, count: int) -> int:
    """The size of the largest window floor(i size / count) .. ceil((i + 1) size / count), i = 0 .. count - 1."""
    return max(-(-(i + 1) * size // count) - i * size // count for i in range(count))
