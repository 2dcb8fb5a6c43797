"""The geometry of one two-dimensional convolution: validated once, frozen, hashable.

Notation, used in every file of this folder: N images, C input channels, H x W pixels in; K output channels,
OH x OW pixels out; kernel kh x kw, stride sy, sx, dilation dy, dx; G groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from ..checks import integer, is_integer, one_of, pair, sides
from ..errors import InputError

PADDING_MODES = {"zeros": "constant", "circular": "circular", "reflect": "reflect", "replicate": "replicate"}
Padding = int | tuple[int, int] | tuple[tuple[int, int], tuple[int, int]] | str
LARGEST = 2**31 - 1             # rows or columns of a padded image; the kernels count in 64 bits


@dataclass(frozen=True)
class Geometry:
    """Everything that determines the shape and the cost of a convolution. `Geometry.of` makes and validates one.

    Attributes
    ----------
    batch, in_channels, height, width, out_channels : int
    kernel, stride, dilation : (int, int)
        Vertical, horizontal.
    padding : ((int, int), (int, int))
        Pixels added at (top, bottom) and (left, right).
    groups : int
    padding_mode : {"zeros", "circular", "reflect", "replicate"}
        Beyond the edge are zeros, the opposite side, the mirrored image without its edge, or the edge.
    dtype : {"float32", "float64"}
    """

    batch: int
    in_channels: int
    height: int
    width: int
    out_channels: int
    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0))
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    padding_mode: str = "zeros"
    dtype: str = "float32"

    @classmethod
    def of(cls, input_shape: Sequence[int], weight_shape: Sequence[int], stride: int | Sequence[int] = 1,
           padding: Any = 0, dilation: int | Sequence[int] = 1, groups: int = 1,
           padding_mode: str = "zeros", dtype: Any = "float32") -> Geometry:
        """The geometry of `conv2d` on an input (N, C, H, W) with a weight (K, C // groups, kh, kw).

        Parameters
        ----------
        stride, dilation : int or pair of int, at least 1
        padding : int, pair of int, ((top, bottom), (left, right)), "same" or "valid"
            "same" keeps the size and needs stride 1. An odd pixel goes to the bottom and the right, as in PyTorch.

        Raises
        ------
        InputError
            A shape or an option does not fit. The message says what was given and what would fit.

        Examples
        --------
        >>> Geometry.of((64, 1, 28, 28), (20, 1, 5, 5)).out_shape
        (64, 20, 24, 24)
        >>> Geometry.of((1, 3, 5, 5), (8, 3, 7, 7))
        Traceback (most recent call last):
            ...
        minicnn.InputError: the kernel spans 7 x 7 pixels but the padded image has only 5 x 5: use a larger image, more padding or a smaller kernel
        """  # noqa: E501
        numbers: list[Any] = [tuple(n) if isinstance(n, list) else n for n in (stride, padding, dilation, groups)]
        kinds = tuple(map(_kinds, numbers))
        options = *numbers, padding_mode, _name(dtype) if isinstance(dtype, np.dtype) else str(dtype)
        try:
            return _geometry(kinds, tuple(input_shape), tuple(weight_shape), *options)
        except TypeError:                               # an argument of a wrong type: `_of` says which
            return cls._of(input_shape, weight_shape, *options)

    @classmethod
    def _of(cls, input_shape, weight_shape, stride, padding, dilation, groups, padding_mode, dtype):
        if not _is_shape(input_shape):
            raise InputError(f"the input must have shape (N, C, H, W), not {input_shape}")
        if not _is_shape(weight_shape):
            raise InputError(f"the weight must have shape (C_out, C_in // groups, kH, kW), not {weight_shape}")
        groups = integer("groups", groups, 1)
        stride, dilation = pair("stride", stride, 1), pair("dilation", dilation, 1)
        kernel = tuple(weight_shape[2:])
        span = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))
        geometry = cls(*input_shape, weight_shape[0], kernel, stride, parse_padding(padding, span, stride), dilation,
                       groups, padding_mode, dtype)
        geometry._validate(weight_shape)
        return geometry

    def _validate(self, weight_shape):
        groups = self.groups
        if self.in_channels % groups or self.out_channels % groups:
            raise InputError(f"groups={groups} must divide both the {self.in_channels} input channels "
                             f"and the {self.out_channels} output channels")
        if weight_shape[1] != self.in_channels // groups:
            parts = f"{self.in_channels} channel{'s' * (self.in_channels != 1)}"
            parts += f" in {groups} groups" if groups != 1 else ""
            raise InputError(f"the input has {parts}, so the weight must have shape ({self.out_channels}, "
                             f"{self.in_channels // groups}, kH, kW), not {tuple(weight_shape)}")
        if min(self.batch, self.in_channels, self.out_channels, *self.kernel) < 1:
            raise InputError(f"a convolution needs at least one image, channel and kernel pixel: the input is "
                             f"{self.in_shape}, the weight {tuple(weight_shape)}")
        one_of("padding_mode", self.padding_mode, tuple(PADDING_MODES))
        if self.dtype not in ("float32", "float64"):
            raise InputError(f"a convolution computes in float32 or float64, not {self.dtype}")
        if any(s > p for s, p in zip(self.span, self.padded, strict=True)):
            raise InputError(f"the kernel spans {self.span[0]} x {self.span[1]} pixels but the padded image has only "
                             f"{self.padded[0]} x {self.padded[1]}: use a larger image, more padding or a smaller "
                             "kernel")
        if max(self.padded) > LARGEST:
            raise InputError(f"the padded image would have {self.padded[0]} x {self.padded[1]} pixels, more than "
                             f"{LARGEST} in a direction: use less padding")
        for size, both in zip((self.height, self.width), self.padding, strict=True):
            most = {"circular": size, "reflect": size - 1}.get(self.padding_mode, LARGEST)
            if max(both) > most:
                raise InputError(f"{self.padding_mode} padding {self.padding} would repeat the {self.height} x "
                                 f"{self.width} image more than once: pad by at most {most} pixels there")

    @cached_property
    def in_shape(self) -> tuple[int, int, int, int]:
        return self.batch, self.in_channels, self.height, self.width

    @cached_property
    def weight_shape(self) -> tuple[int, int, int, int]:
        return self.out_channels, self.in_channels // self.groups, *self.kernel

    @cached_property
    def span(self) -> tuple[int, int]:
        """Pixels from the first to the last tap of the kernel: d (k - 1) + 1 in each direction."""
        (kh, kw), (dy, dx) = self.kernel, self.dilation
        return dy * (kh - 1) + 1, dx * (kw - 1) + 1

    @cached_property
    def padded(self) -> tuple[int, int]:
        """Height and width of the padded image."""
        return self.height + sum(self.padding[0]), self.width + sum(self.padding[1])

    @cached_property
    def out_size(self) -> tuple[int, int]:
        """(OH, OW) = floor((padded - span) / stride) + 1. Pixels left over at the bottom and right are unused."""
        rows, columns = ((p - s) // step + 1 for p, s, step in zip(self.padded, self.span, self.stride, strict=True))
        return rows, columns

    @property
    def out_shape(self) -> tuple[int, int, int, int]:
        return self.batch, self.out_channels, *self.out_size

    @cached_property
    def padded_form(self) -> Geometry:
        """The geometry of the same convolution on the padded image, without padding.

        >>> Geometry.of((1, 1, 5, 5), (1, 1, 3, 3), padding=1).padded_form.in_shape
        (1, 1, 7, 7)
        """
        height, width = self.padded
        return replace(self, height=height, width=width, padding=((0, 0), (0, 0)), padding_mode="zeros")

    @cached_property
    def least_steps(self) -> Geometry:
        """The same convolution, with the least stride and dilation that have a meaning.

        A stride beyond the padded image is as good as its size. The dilation of one tap is 1.

        >>> Geometry.of((1, 1, 4, 4), (1, 1, 1, 3), stride=10**9, dilation=(10**9, 1)).least_steps.dilation
        (1, 1)
        """
        sy, sx = (min(step, size) for step, size in zip(self.stride, self.padded, strict=True))
        dy, dx = (1 if taps == 1 else step for taps, step in zip(self.kernel, self.dilation, strict=True))
        same = (sy, sx, dy, dx) == (*self.stride, *self.dilation)
        return self if same else replace(self, stride=(sy, sx), dilation=(dy, dx))

    @cached_property
    def input_rows(self) -> np.ndarray:
        """(OH, kh): the row oy sy + i dy - top of the image, which row i of the kernel meets for output row oy.

        -1 stands for a zero of the padding. Other padding names the row that it copies: if it is circular, modulo H.

        >>> Geometry.of((1, 1, 4, 4), (1, 1, 3, 3), padding=1).input_rows.tolist()
        [[-1, 0, 1], [0, 1, 2], [1, 2, 3], [2, 3, -1]]
        """
        return self._input_places(0, self.height)

    @cached_property
    def input_columns(self) -> np.ndarray:
        """(OW, kw): the same as `input_rows`, for columns.

        >>> Geometry.of((1, 1, 4, 4), (1, 1, 3, 3), padding=1, padding_mode="circular").input_columns.tolist()
        [[3, 0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 0]]
        """
        return self._input_places(1, self.width)

    def _input_places(self, axis, size):
        outputs, taps = np.arange(self.out_size[axis])[:, None], np.arange(self.kernel[axis])
        place = outputs * self.stride[axis] + taps * self.dilation[axis] - self.padding[axis][0]
        return {"circular": place % size, "replicate": np.clip(place, 0, size - 1),
                "reflect": size - 1 - np.abs(size - 1 - np.abs(place)),
                "zeros": np.where((place >= 0) & (place < size), place, -1)}[self.padding_mode]

    @cached_property
    def output_rows(self) -> np.ndarray:
        """(H, kh), for padding with zeros: the output row oy for which row i of the kernel meets row iy of the image.

        -1 if there is none. It is the inverse of `input_rows`: oy sy + i dy - top = iy.

        >>> Geometry.of((1, 1, 4, 4), (1, 1, 3, 3), padding=1).output_rows.tolist()
        [[1, 0, -1], [2, 1, 0], [3, 2, 1], [-1, 3, 2]]
        """
        spread = np.arange(self.height)[:, None] + self.padding[0][0] - np.arange(self.kernel[0]) * self.dilation[0]
        rows, rest = np.divmod(spread, self.stride[0])
        return np.where((rest == 0) & (rows >= 0) & (rows < self.out_size[0]), rows, -1)

    def taps_on_torus(self, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """(kh,) rows and (kw,) columns of the taps of output (0, 0) on a torus of L1 x L2 pixels.

        Row i is (i dy - top) mod L1, column j is (j dx - left) mod L2.

        >>> Geometry.of((1, 1, 4, 4), (1, 1, 3, 3), padding=1).taps_on_torus((6, 4))
        (array([5, 0, 1]), array([3, 0, 1]))
        """
        rows, columns = ((np.arange(k) * d - before) % length for k, d, (before, _), length in zip(
            self.kernel, self.dilation, self.padding, size, strict=True))
        return rows, columns

    @property
    def multiply_adds(self) -> int:
        """The number of products in the definition: N K OH OW (C / G) kh kw.

        >>> Geometry.of((1, 20, 24, 24), (40, 20, 5, 5)).multiply_adds
        8000000
        """
        out = self.out_size
        return (self.batch * self.out_channels * out[0] * out[1]
                * (self.in_channels // self.groups) * self.kernel[0] * self.kernel[1])


def _is_shape(shape):
    return isinstance(shape, (tuple, list)) and len(shape) == 4 and all(map(is_integer, shape))


_name = lru_cache(maxsize=16)(str)              # of a dtype: str(dtype) takes longer than all the rest of `of`


def _kinds(value):
    return tuple(map(_kinds, value)) if isinstance(value, tuple) else type(value)


@lru_cache(maxsize=4096)
def _geometry(kinds, *arguments):
    """`kinds` keeps equal arguments of different types apart, such as 1, 1.0 and True."""
    return Geometry._of(*arguments)


def parse_padding(padding: Any, span: tuple[int, int],
                  stride: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """((top, bottom), (left, right)) from an int, a pair, this form, "same" or "valid".

    >>> parse_padding("same", (4, 3), (1, 1))
    ((1, 2), (1, 1))
    """
    if isinstance(padding, str) and padding == "valid":
        return (0, 0), (0, 0)
    if isinstance(padding, str) and padding == "same":
        if stride != (1, 1):
            raise InputError(f"padding='same' needs stride 1, not {stride}: give the padding as numbers")
        rows, columns = (((s - 1) // 2, s - 1 - (s - 1) // 2) for s in span)
        return rows, columns
    if isinstance(padding, str):
        raise InputError("padding must be an integer, a pair of integers, ((top, bottom), (left, right)), 'same' or "
                         f"'valid', not {padding!r}")
    return sides("padding", padding)
