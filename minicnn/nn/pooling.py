"""Pools as layers. Names, argument order and defaults are PyTorch's."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from .. import functional as F
from ..checks import along, boolean, padding_along, pair
from ..functional.pooling import OutputSize, Padding, adaptive_size, check_divisor, pool_padding
from ..tensor import Tensor
from .module import Module, Window


def _steps_of_maxima(layer, inputs, options, output):
    """One step, as of any layer: reports show the maxima without their indices."""
    return Module.steps(layer, inputs, options, output[0] if layer.return_indices else output)


class _WindowPool(Module):
    """A pool whose windows all have one size."""

    kernel_size: Any
    stride: Any
    padding: Any
    dilation: Any = 1
    size_of = staticmethod(pair)                        # (name, size, least) -> rows and columns

    @staticmethod
    def sides_of(name: str, padding: Any) -> Any:
        """The padding as that of images."""
        return padding

    def window(self, in_shape: tuple[int, ...]) -> Window:
        """The kernel with its dilation, and the stride."""
        kernel, dilation = (self.size_of(type(self).__name__, value, 1) for value in (self.kernel_size, self.dilation))
        span = dilation[0] * (kernel[0] - 1) + 1, dilation[1] * (kernel[1] - 1) + 1
        return Window(span, self.size_of(type(self).__name__, self.stride, 1))

    def extra_repr(self) -> str:
        padding = "" if isinstance(self, BlurPool2d) else f", padding={self.padding}"
        return f"kernel_size={self.kernel_size}, stride={self.stride}{padding}"

    def _set_windows(self, kernel_size, stride, padding, dilation=1):
        """Keep the sizes as they were given, once they are checked: each call would refuse what is wrong."""
        name = type(self).__name__
        stride = kernel_size if stride is None else stride
        kernel = self.size_of(f"{name}: kernel_size", kernel_size, 1)
        self.size_of(f"{name}: stride", stride, 1)
        pool_padding(name, self.sides_of(f"{name}: padding", padding), kernel,
                     self.size_of(f"{name}: dilation", dilation, 1))
        self.kernel_size, self.stride, self.padding, self.dilation = kernel_size, stride, padding, dilation


class MaxPool2d(_WindowPool):
    """`functional.max_pool2d`. With `return_indices` a call returns a pair; `MaxUnpool2d` takes both."""

    def __init__(self, kernel_size: int | tuple[int, int], stride: int | tuple[int, int] | None = None,
                 padding: Padding = 0, dilation: int | tuple[int, int] = 1,
                 return_indices: bool = False, ceil_mode: bool = False) -> None:
        self._set_windows(kernel_size, stride, padding, dilation)
        self.return_indices = boolean("MaxPool2d: return_indices", return_indices)
        self.ceil_mode = boolean("MaxPool2d: ceil_mode", ceil_mode)

    def forward(self, input: Tensor) -> Any:
        return F.max_pool2d(input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode,
                            self.return_indices)

    steps = _steps_of_maxima


class MaxUnpool2d(Module):
    """`functional.max_unpool2d`: each maximum goes back to where it came from; the other pixels are 0.

    >>> pool, unpool = MaxPool2d(2, return_indices=True), MaxUnpool2d(2)
    >>> unpool(*pool(Tensor([[[1.0, 2.0], [4.0, 3.0]]])))
    Tensor([[[0., 0.],
             [4., 0.]]])
    """

    def __init__(self, kernel_size: int | tuple[int, int], stride: int | tuple[int, int] | None = None,
                 padding: int | tuple[int, int] = 0) -> None:
        self.stride = kernel_size if stride is None else stride
        pair("MaxUnpool2d: kernel_size", kernel_size, 1)
        pair("MaxUnpool2d: stride", self.stride, 1)
        pair("MaxUnpool2d: padding", padding, 0)
        self.kernel_size, self.padding = kernel_size, padding

    def forward(self, input: Tensor, indices: np.ndarray, output_size: Sequence[int] | None = None) -> Tensor:
        return F.max_unpool2d(input, indices, self.kernel_size, self.stride, self.padding, output_size)

    def window(self, in_shape: tuple[int, ...]) -> Window:
        """One pixel; the stride is a fraction. The indices, which come from elsewhere, are not counted."""
        down, across = pair("stride", self.stride, 1)
        return Window((1, 1), (Fraction(1, down), Fraction(1, across)))

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(_WindowPool):
    """`functional.avg_pool2d`."""

    def __init__(self, kernel_size: int | tuple[int, int], stride: int | tuple[int, int] | None = None,
                 padding: Padding = 0, ceil_mode: bool = False, count_include_pad: bool = True,
                 divisor_override: int | None = None, *, dilation: int | tuple[int, int] = 1) -> None:
        self._set_windows(kernel_size, stride, padding, dilation)
        self.ceil_mode = boolean("AvgPool2d: ceil_mode", ceil_mode)
        self.count_include_pad = boolean("AvgPool2d: count_include_pad", count_include_pad)
        self.divisor_override = check_divisor("AvgPool2d", divisor_override)

    def forward(self, input: Tensor) -> Tensor:
        return F.avg_pool2d(input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad,
                            self.divisor_override, dilation=self.dilation)


class MaxPool1d(_WindowPool):
    """`functional.max_pool1d`, of signals (N, C, L) or (C, L).

    >>> MaxPool1d(2)(Tensor([[1.0, 3.0, 2.0, 0.0]]))
    Tensor([[3., 2.]])
    """

    size_of, sides_of = staticmethod(along), staticmethod(padding_along)

    def __init__(self, kernel_size: int | tuple[int], stride: int | tuple[int] | None = None, padding: Any = 0,
                 dilation: int | tuple[int] = 1, return_indices: bool = False, ceil_mode: bool = False) -> None:
        self._set_windows(kernel_size, stride, padding, dilation)
        self.return_indices = boolean("MaxPool1d: return_indices", return_indices)
        self.ceil_mode = boolean("MaxPool1d: ceil_mode", ceil_mode)

    def forward(self, input: Tensor) -> Any:
        return F.max_pool1d(input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode,
                            self.return_indices)

    steps = _steps_of_maxima


class AvgPool1d(_WindowPool):
    """`functional.avg_pool1d`, of signals (N, C, L) or (C, L)."""

    size_of, sides_of = staticmethod(along), staticmethod(padding_along)

    def __init__(self, kernel_size: int | tuple[int], stride: int | tuple[int] | None = None, padding: Any = 0,
                 ceil_mode: bool = False, count_include_pad: bool = True) -> None:
        self._set_windows(kernel_size, stride, padding)
        self.ceil_mode = boolean("AvgPool1d: ceil_mode", ceil_mode)
        self.count_include_pad = boolean("AvgPool1d: count_include_pad", count_include_pad)

    def forward(self, input: Tensor) -> Tensor:
        return F.avg_pool1d(input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)


class BlurPool2d(_WindowPool):
    """`functional.blur_pool2d`: an average with binomial weights. After `MaxPool2d(2, 1)` it makes a MaxBlurPool.

    >>> BlurPool2d(3)
    BlurPool2d(kernel_size=3, stride=2)
    """

    def __init__(self, kernel_size: int | tuple[int, int] = 4, stride: int | tuple[int, int] = 2) -> None:
        pair("BlurPool2d: stride", stride, 1)
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
        super().__init__(output_size)
        self.return_indices = boolean("AdaptiveMaxPool2d: return_indices", return_indices)

    def forward(self, input: Tensor) -> Any:
        return F.adaptive_max_pool2d(input, self.output_size, self.return_indices)

    steps = _steps_of_maxima


def _largest_window(size: int, count: int) -> int:
    """The size of the largest window floor(i size / count) .. ceil((i + 1) size / count), i = 0 .. count - 1."""
    return max(-(-(i + 1) * size // count) - i * size // count for i in range(count))
