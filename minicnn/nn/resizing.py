"""Layers that change the size of images: Upsample, PixelShuffle, PixelUnshuffle."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from .. import functional as F
from ..checks import integer
from ..functional.resizing import check_options, output_sizes, weights
from ..tensor import Tensor
from .module import Module, Window
from .pooling import AdaptiveAvgPool2d


class Upsample(Module):
    """`functional.interpolate` to a size, or by a factor, which may also be below 1.

    >>> Upsample(scale_factor=2, mode="bilinear")(Tensor(np.ones((1, 3, 4, 5)))).shape
    (1, 3, 8, 10)
    """

    def __init__(self, size: int | Sequence[int] | None = None, scale_factor: float | Sequence[float] | None = None,
                 mode: str = "nearest", align_corners: bool | None = None,
                 recompute_scale_factor: bool | None = None) -> None:
        check_options("Upsample", size, scale_factor, mode, align_corners, recompute_scale_factor)
        self.size, self.scale_factor, self.mode = size, scale_factor, mode
        self.align_corners, self.recompute_scale_factor = align_corners, recompute_scale_factor

    def forward(self, input: Tensor) -> Tensor:
        return F.interpolate(input, self.size, self.scale_factor, self.mode, self.align_corners,
                             self.recompute_scale_factor)

    def window(self, in_shape: tuple[int, ...]) -> Window | None:
        """The pixels with a weight, of the output pixel that has the most of them. The stride may be a fraction."""
        sizes, steps = output_sizes(in_shape, self.size, self.scale_factor, self.mode, self.align_corners,
                                    self.recompute_scale_factor)
        if self.mode == "area":
            return AdaptiveAvgPool2d(tuple((1, *sizes)[-2:])).window((*in_shape[:2], 1, *in_shape[2:])[-4:])
        spans, strides = [1] * (2 - len(sizes)), [Fraction(1)] * (2 - len(sizes))
        for n, out, step in zip(in_shape[2:], sizes, steps, strict=True):
            rows, columns = weights(n, out, step, self.mode, bool(self.align_corners)).nonzero()
            first, last = np.full(out, n), np.zeros(out, int)
            np.minimum.at(first, rows, columns)
            np.maximum.at(last, rows, columns)
            spans.append(int((last - first).max()) + 1)
            corners = self.align_corners and out > 1
            strides.append(Fraction(n - 1, out - 1) if corners else Fraction(n, out))
        return Window((spans[0], spans[1]), (strides[0], strides[1]))

    def extra_repr(self) -> str:
        given = {"size": None, "scale_factor": None, "mode": "", "align_corners": None, "recompute_scale_factor": None}
        return ", ".join(f"{name}={getattr(self, name)!r}" for name, default in given.items()
                         if getattr(self, name) != default)


class PixelShuffle(Module):
    """`functional.pixel_shuffle`: channels become pixels."""

    def __init__(self, upscale_factor: int) -> None:
        self.upscale_factor = integer("PixelShuffle: upscale_factor", upscale_factor, 1)

    def forward(self, input: Tensor) -> Tensor:
        return F.pixel_shuffle(input, self.upscale_factor)

    def window(self, in_shape: tuple[int, ...]) -> Window:
        """One pixel; the stride is a fraction."""
        return Window((1, 1), (Fraction(1, self.upscale_factor),) * 2)

    def extra_repr(self) -> str:
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """`functional.pixel_unshuffle`: the inverse of `PixelShuffle`."""

    def __init__(self, downscale_factor: int) -> None:
        self.downscale_factor = integer("PixelUnshuffle: downscale_factor", downscale_factor, 1)

    def forward(self, input: Tensor) -> Tensor:
        return F.pixel_unshuffle(input, self.downscale_factor)

    def window(self, in_shape: tuple[int, ...]) -> Window:
        """The pixels that become the channels of one pixel."""
        return Window((self.downscale_factor, self.downscale_factor), (self.downscale_factor, self.downscale_factor))

    def extra_repr(self) -> str:
        return f"downscale_factor={self.downscale_factor}"
