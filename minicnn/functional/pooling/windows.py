"""The windows of pools, and the checks of their arguments."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from ...arithmetic import padding as paddings
from ...checks import boolean, image_shape, integer, pair, sides
from ...errors import InputError

MOST_TAPS = 2**24               # of a window; each is one slice

Sides = tuple[tuple[int, int], tuple[int, int]]


def windows_of(name: str, x: np.ndarray, kernel_size: Any, stride: Any, padding: Any, dilation: Any,
               ceil_mode: bool) -> Windows:
    """The `Windows` of an array, with checked arguments."""
    image_shape(name, x.shape)
    kernel, dilation = pair(f"{name}: kernel_size", kernel_size, 1), pair(f"{name}: dilation", dilation, 1)
    stride = kernel if stride is None else pair(f"{name}: stride", stride, 1)
    return _windows(name, x.shape[-2:], kernel, stride, pool_padding(name, padding, kernel, dilation), dilation,
                    boolean(f"{name}: ceil_mode", ceil_mode))


class Windows:
    """The windows of a pool over the last two axes: each tap of the kernel as one strided slice of the padded image.

    Attributes
    ----------
    size, declared, padded : (int, int)
        Of the image; with its padding; up to the end of the last window, which may lie further out in `ceil_mode`.
    shape : (int, int)
        (OH, OW), the number of windows.
    disjoint : bool
        Whether no two windows overlap.
    slices : list of index
    """

    def __init__(self, name: str, size: tuple[int, int], kernel: tuple[int, int], stride: tuple[int, int],
                 padding: Sides, dilation: tuple[int, int], ceil_mode: bool) -> None:
        (sy, sx), (dy, dx), self.size, self.padding = stride, dilation, size, padding
        span = dy * (kernel[0] - 1) + 1, dx * (kernel[1] - 1) + 1
        self.declared = size[0] + sum(padding[0]), size[1] + sum(padding[1])
        if kernel[0] * kernel[1] > MOST_TAPS:
            raise InputError(f"{name}: a window of {kernel[0]} x {kernel[1]} pixels has more than {MOST_TAPS} taps: "
                             "use a smaller kernel")
        oh, ow = (_length(*a, ceil_mode) for a in zip(self.declared, span, stride, padding, size, strict=True))
        self.padded = tuple(max(n, (o - 1) * s + w) for n, o, s, w in zip(self.declared, (oh, ow), stride, span,
                                                                         strict=True))
        if min(oh, ow) < 1 or math.prod(self.padded) > paddings.MOST:
            raise InputError(f"{name}: the window spans {span} pixels but the padded image has only {self.declared}")
        self.shape = oh, ow
        self.disjoint = sy >= span[0] and sx >= span[1]
        rows = [slice(i * dy, i * dy + (oh - 1) * sy + 1, sy) for i in range(kernel[0])]
        columns = [slice(j * dx, j * dx + (ow - 1) * sx + 1, sx) for j in range(kernel[1])]
        self.slices = [(..., row, column) for row in rows for column in columns]

    def pad(self, image: np.ndarray, value: float) -> np.ndarray:
        """Add the padding at the top and left; at the bottom and right, pad to the end of the last window."""
        if self.padded == image.shape[-2:]:
            return image
        before = [first for first, _ in self.padding] if image.shape[-2:] == self.size else [0, 0]
        widths = [(first, n - m - first) for n, m, first in zip(self.padded, image.shape[-2:], before, strict=True)]
        return paddings.pad(image, [(0, 0)] * (image.ndim - 2) + widths, value=value)

    def total(self, padded: np.ndarray) -> np.ndarray:
        """The sum of each window, in float64."""
        total = padded[self.slices[0]].astype(np.float64)
        for view in self.slices[1:]:
            total += padded[view]
        return total

    def add(self, full: np.ndarray, view: tuple, part: np.ndarray) -> None:
        """full[view] += part, where `full` began as zeros and gets each view once."""
        if self.disjoint:
            full[view] = part
        else:
            with np.errstate(over="ignore", invalid="ignore"):
                full[view] += part

    def sums(self, dtype: np.dtype) -> np.dtype:
        """The dtype in which the parts of `add` are summed: float64, unless there are no sums."""
        return dtype if self.disjoint else np.dtype(np.float64)

    def crop(self, padded: np.ndarray, dtype: np.dtype) -> np.ndarray:
        """The image itself as `dtype`, without its padding."""
        (top, _), (left, _) = self.padding
        with np.errstate(over="ignore"):
            return padded[..., top:top + self.size[0], left:left + self.size[1]].astype(dtype, copy=False)

    def pixels(self, view: tuple) -> np.ndarray:
        """(OH, OW): the number y W + x of the pixel in the image that the tap of this slice meets in each window."""
        rows, columns = (np.clip(np.arange(part.start, part.stop, part.step) - first, 0, n - 1)
                         for part, (first, _), n in zip(view[1:], self.padding, self.size, strict=True))
        return rows[:, None] * self.size[1] + columns


_windows = functools.lru_cache(maxsize=1024)(Windows)


def _length(padded, span, stride, padding, size, ceil_mode):
    """The number of windows. One that begins after the image and the padding before it does not count.

    With `ceil_mode` the only window may be larger than the padded image, by less than the stride.
    """
    length = (padded - span) // stride + 1
    extra = ceil_mode and (padded - span) % stride and length * stride < size + padding[0]
    return length + bool(extra)


def check_divisor(name: str, divisor: int | None) -> int | None:
    """Return the `divisor_override` of an average pool. It must be an integer but not 0, or None."""
    if divisor is not None and (divisor := integer(f"{name}: divisor_override", divisor)) == 0:
        raise InputError(f"{name}: divisor_override must not be 0: every sum is divided by it")
    return divisor


def pool_padding(name: str, padding: Any, kernel: tuple[int, int], dilation: tuple[int, int] = (1, 1)) -> Sides:
    """The padding of a pool as ((top, bottom), (left, right)).

    An integer or a pair of integers is at most half the kernel, as in PyTorch. In the form of two pairs each number is
    less than the span of the window, as in ONNX. Else InputError.

    >>> pool_padding("max_pool2d", 1, (3, 2)), pool_padding("max_pool2d", ((2, 0), (0, 1)), (3, 2))
    (((1, 1), (1, 1)), ((2, 0), (0, 1)))
    """
    both = sides(f"{name}: padding", padding)
    if isinstance(padding, (tuple, list)) and isinstance(padding[0], (tuple, list)):
        if any(max(p) > d * (k - 1) for p, k, d in zip(both, kernel, dilation, strict=True)):
            raise InputError(f"{name}: each number of padding {padding} must be less than the span of the window, "
                             f"kernel {kernel} with dilation {dilation}: a window could see nothing else")
    elif any(2 * p > k for (p, _), k in zip(both, kernel, strict=True)):
        raise InputError(f"{name}: padding {padding} must be at most half the kernel {kernel}; padding of any size "
                         "below the kernel is written ((top, bottom), (left, right))")
    return both
