"""Pools as layers. Names, argument order and defaults are PyTorch's."""

from __future__ import annotations

from .. import functional as F
from ..checks import boolean, pair
from ..functional.pooling import OutputSize, adaptive_size, check_divisor, check_padding, refuse_indices
from ..tensor import Tensor
from .module import Module, Window


class _WindowPool(Module):
    """A pool whose windows all have one size."""

    kernel_size: int | tuple[int, int]
    stride: int | tuple[int, int]
    padding: int | tuple[int, int]
    dilation: int | tuple[int, int] = 1

    def window(self, in_shape: tuple[int, ...]) -> Window:
        """The kernel with its dilation, and the stride."""
        kernel, dilation = pair("kernel_size", self.kernel_size, 1), pair("dilation", self.dilation, 1)
        span = dilation[0] * (kernel[0] - 1) + 1, dilation[1] * (kernel[1] - 1) + 1
        return Window(span, pair("stride", self.stride, 1))

    def extra_repr(self) -> str:
        padding = "" if isinstance(self, BlurPool2d) else f", padding={self.padding}"
        return f"kernel_size={self.kernel_size}, stride={self.stride}{padding}"

    def _set_windows(self, kernel_size, stride, padding):
        """Keep the sizes as they were given, once they are checked: each call would refuse what is wrong."""
        name = type(self).__name__
        stride = kernel_size if stride is None else stride
        sizes = pair(f"{name}: kernel_size", kernel_size, 1), pair(f"{name}: padding", padding, 0)
        pair(f"{name}: stride", stride, 1)
        check_padding(name, *sizes)
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding


class MaxPool2d(_WindowPool):
    """`functional.max_pool2d`."""

    def __init__(self, kernel_size: int | tuple[int, int], stride: int | tuple[int, int] | None = None,
                 padding: int | tuple[int, int] = 0, dilation: int | tuple[int, int] = 1,
                 return_indices: bool = False, ceil_mode: bool = False) -> None:
        refuse_indices("MaxPool2d", return_indices)
        self._set_windows(kernel_size, stride, padding)
        pair("MaxPool2d: dilation", dilation, 1)
        self.dilation, self.ceil_mode = dilation, boolean("MaxPool2d: ceil_mode", ceil_mode)

    def forward(self, input: Tensor) -> Tensor:
        return F.max_pool2d(input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode)


class AvgPool2d(_WindowPool):
    """`functional.avg_pool2d`."""

    def __init__(self, kernel_size: int | tuple[int, int], stride: int | tuple[int, int] | None = None,
                 padding: int | tuple[int, int] = 0, ceil_mode: bool = False, count_include_pad: bool = True,
                 divisor_override: int | None = None) -> None:
        self._set_windows(kernel_size, stride, padding)
        self.ceil_mode = boolean("AvgPool2d: ceil_mode", ceil_mode)
        self.count_include_pad = boolean("AvgPool2d: count_include_pad", count_include_pad)
        self.divisor_override = check_divisor("AvgPool2d", divisor_override)

    def forward(self, input: Tensor) -> Tensor:
        return F.avg_pool2d(input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad,
                            self.divisor_override)


class BlurPool2d(_WindowPool):
    """`functional.blur_pool2d`: an average with binomial weights. After `MaxPool2d(2, 1)` it makes a MaxBlurPool.

    >>> BlurPool2d(3)
    BlurPool2d(kernel_size=3, stride=2)
    """

    def __init__(self, kernel_size: int | tuple[int, int] = 4, stride: int | tuple[int, int] = 2) -> None:
        self._set_windows(kernel_size, stride, 0)

    def forward(self, input: Tensor) -> Tensor:
        return F.blur_pool2d(input, self.kernel_size, self.stride)


class AdaptiveAvgPool2d(Module):
    """`functional.adaptive_avg_pool2d`; output_size 1 is global average pooling."""

    def __init__(self, output_size: OutputSize) -> None:
        adaptive_size(type(self).__name__, output_size, (1, 1))         # raises what every call would raise
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(input, self.output_size)

    def window(self, in_shape: tuple[int, ...]) -> Window | None:
        """For output_size 1: None, the whole map. Else the largest window, and the stride rounded up.

        If output_size divides the size of the map, all windows have this size and the stride is exact.
        """
        rows, columns = in_shape[-2:]
        counts = down, across = adaptive_size("window", self.output_size, (rows, columns))
        if counts == (1, 1):
            return None
        return Window((_largest_window(rows, down), _largest_window(columns, across)),
                      (-(-rows // down), -(-columns // across)))

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveMaxPool2d(AdaptiveAvgPool2d):
    """`functional.adaptive_max_pool2d`; output_size 1 is global max pooling."""

    def __init__(self, output_size: OutputSize, return_indices: bool = False) -> None:
        refuse_indices("AdaptiveMaxPool2d", return_indices)
        super().__init__(output_size)

    def forward(self, input: Tensor) -> Tensor:
        return F.adaptive_max_pool2d(input, self.output_size)


def _largest_window(size: int, count: int) -> int:
    """The size of the largest window floor(i size / count) .. ceil((i + 1) size / count), i = 0 .. count - 1."""
    return max(-(-(i + 1) * size // count) - i * size // count for i in range(count))
