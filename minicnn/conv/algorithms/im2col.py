"""Matrix products: the pixels that an output pixel sees become a column.

The columns are made for some output rows at a time, so that they stay in the cache. The gradient of the weight makes
the columns again: keeping them would take kh kw times the memory of the input and would hardly save time. One thread
copies: after a product the threads of the BLAS library wait awake for the next one, and copying on more threads would
take two to five times as long on two cores.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from ..algorithm import Algorithm, before_relu, register
from ..geometry import Geometry
from ..layout import pad, to_batch_first, to_batch_last, unpad
from ..runtime.memory import empty
from ..speeds import speeds

BLOCK = 1 << 20                 # elements of the columns that are made at once, unless one row has more
PIECE = 32                      # the fewest products in a piece of a sum


def is_its_own_columns(geometry: Geometry) -> bool:
    """Whether the columns are the image: a 1x1 kernel meets every pixel once."""
    g = geometry
    return g.kernel == g.stride == (1, 1) and not any(map(any, g.padding))


def blocks(geometry: Geometry) -> list[tuple[int, int]]:
    """The output rows in ranges (start, stop); the columns of a range are made at once.

    >>> from minicnn.conv import Geometry
    >>> blocks(Geometry.of((64, 20, 24, 24), (40, 20, 5, 5)))[-2:]
    [(18, 19), (19, 20)]
    >>> blocks(Geometry.of((64, 20, 24, 24), (40, 20, 1, 1)))           # the columns are the image
    [(0, 24)]
    """
    g = geometry
    rows = g.out_size[0]
    step = max(1, BLOCK // (g.in_channels * g.kernel[0] * g.kernel[1] * g.out_size[1] * g.batch))
    step = rows if is_its_own_columns(g) else step
    return [(start, min(start + step, rows)) for start in range(0, rows, step)]


def overlap(geometry: Geometry, axis: int, tap: int, start: int, stop: int) -> tuple[slice, slice]:
    """The output rows of start..stop (axis 0; axis 1: columns) in which `tap` of the kernel meets the image.

    Returns two slices: the output rows o, counted from start, and the rows o s + tap d - padding of the image. Rows
    in which the tap meets padding are left out.
    """
    g = geometry
    stride, shift = g.stride[axis], tap * g.dilation[axis] - g.padding[axis][0]
    first = min(max(start, -(shift // stride)), stop)                   # -(a // b) is ceil(-a / b)
    last = max(first, min(stop, ((g.height, g.width)[axis] - 1 - shift) // stride + 1))
    return slice(first - start, last - start), slice(first * stride + shift, last * stride + shift, stride)


@lru_cache(maxsize=256)
def places(geometry: Geometry, start: int, stop: int) -> list[tuple[slice, slice, list[tuple[slice, slice]]]]:
    """`overlap` of every row of the kernel, with the list of `overlap` of every column of the kernel."""
    g = geometry
    columns = [overlap(g, 1, j, 0, g.out_size[1]) for j in range(g.kernel[1])]
    return [(*overlap(g, 0, i, start, stop), columns) for i in range(g.kernel[0])]


def unfold(x: np.ndarray, geometry: Geometry, start: int, stop: int) -> np.ndarray:
    """(C, H, W, N) -> (G, C / G kh kw, pixels of the output rows start..stop): the input pixel that each tap meets."""
    g = geometry
    if is_its_own_columns(g):
        return x.reshape(g.groups, -1, g.height * g.width * g.batch)
    shape = g.in_channels, *g.kernel, stop - start, g.out_size[1], g.batch
    out = (np.zeros if any(map(any, g.padding)) else np.empty)(shape, x.dtype)
    for i, (rows, image_rows, taps) in enumerate(places(g, start, stop)):
        for j, (pixels, image_pixels) in enumerate(taps):
            out[:, i, j, rows, pixels] = x[:, image_rows, image_pixels]
    return out.reshape(g.groups, -1, (stop - start) * g.out_size[1] * g.batch)


def fold(columns: np.ndarray, geometry: Geometry, start: int, stop: int, image: np.ndarray) -> None:
    """Add the adjoint of `unfold` to `image` (C, H, W, N). It sums along rows first: the error grows with kh + kw."""
    g = geometry
    columns = columns.reshape(g.in_channels, *g.kernel, stop - start, g.out_size[1], g.batch)
    line = np.empty((g.in_channels, stop - start, g.width, g.batch), columns.dtype)
    for i, (rows, image_rows, taps) in enumerate(places(g, start, stop)):
        line[...] = 0
        for j, (pixels, image_pixels) in enumerate(taps):
            line[:, rows, image_pixels] += columns[:, i, j, rows, pixels]
        image[:, image_rows] += line[:, rows]


def piece_of(terms: int) -> int:
    """How many terms of a sum are added in one piece."""
    return max(PIECE, int(4 * terms ** 0.5))


def product(a: np.ndarray, b: np.ndarray, out: np.ndarray | None = None, piece: int | None = None) -> np.ndarray:
    """a (..., M, T) @ b (..., T, P). The sum is cut into pieces of about 4 sqrt(T), added in pairs as in np.sum.

    One chain of T additions, all of one sign, has an error of about sqrt(T) / 3 units in the last place. The pairwise
    sum has an error of 2 or 3 units.
    """
    terms = a.shape[-1]
    piece = piece or piece_of(terms)
    if terms <= piece:
        return np.matmul(a, b, out=out)
    half = -(-terms // piece) // 2 * piece
    out = product(a[..., :half], b[..., :half, :], out, piece)
    out += product(a[..., half:], b[..., half:, :], None, piece)
    return out


@register
class Im2col(Algorithm):
    """out = weight (K, C kh kw) @ columns (C kh kw, OH OW N), group by group. The gradients are two more products.

    `error_bound` holds for operands of any sign, because `product` cuts the sums into pieces.
    """

    name = "im2col"
    reference = "Chellapilla, Puri & Simard 2006, section 3"
    error_bound = 3.0

    def cost(self, geometry: Geometry) -> float:
        """Products, which the BLAS library computes slowly if a side of the matrices is short; copies; sums of pieces.

        NumPy copies the numbers of a run, which lie one after the other, at once. The factors are measured.
        """
        g, s, taps = geometry, speeds(), geometry.kernel[0] * geometry.kernel[1]
        outputs = g.out_channels // g.groups
        terms = g.in_channels // g.groups * taps
        pixels = g.out_size[0] * g.out_size[1] * g.batch
        columns = 0 if is_its_own_columns(g) else g.in_channels * taps * pixels
        run = g.batch * (g.out_size[1] if g.stride[1] == 1 else 1)
        sums = lambda length: -(-length // piece_of(length)) - 1       # of pieces
        added = pixels * (g.out_channels * sums(terms) + g.in_channels * taps * sums(outputs))
        calls = 0.5 + 0.04 * len(blocks(g)) * taps + 8e-5 * columns / run
        wide = 2 if g.dtype == "float64" else 1
        return s.call * calls + wide * (
            3 * g.multiply_adds / s.matrix * (1.1 + 56 / min(outputs, terms)) + (6.3 * columns + 7 * added) / s.near
            + s.copy(math.prod(g.in_shape)))

    def forward(self, x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, geometry: Geometry,
                relu: bool = False) -> tuple[np.ndarray, Any]:
        x, g = to_batch_last(x), geometry
        if g.padding_mode == "circular":
            x, g = pad(x, g), g.padded_form
        matrix, row = weight.reshape(g.groups, g.out_channels // g.groups, -1), g.out_size[1] * g.batch
        out = empty((*matrix.shape[:2], g.out_size[0] * row), x.dtype)                  # (G, K / G, OH OW N)
        bias = None if bias is None else bias.reshape(g.groups, -1, 1)
        for start, stop in blocks(g):
            part = product(matrix, unfold(x, g, start, stop), out[..., start * row:stop * row])
            if bias is not None:
                part += bias
            if relu:
                np.maximum(part, 0, out=part)
        return (to_batch_first(out.reshape(g.out_channels, *g.out_size, g.batch)),
                (x, matrix, out if relu else None, g, geometry))

    def backward(self, grad: np.ndarray, saved: Any, needs: tuple[bool, bool, bool]) -> tuple[np.ndarray | None, ...]:
        x, matrix, out, g, geometry = saved
        grad, row = to_batch_last(grad).reshape(*matrix.shape[:2], -1), g.out_size[1] * g.batch
        grad, across = before_relu(grad, out), matrix.swapaxes(1, 2)
        image: Any = None
        taps: Any = None
        if needs[0]:
            image = product(across, grad).reshape(x.shape) if is_its_own_columns(g) else np.zeros(x.shape, x.dtype)
        for start, stop in blocks(g):
            part = grad[..., start * row:stop * row]
            if needs[0] and not is_its_own_columns(g):
                fold(product(across, part), g, start, stop, image)
            if needs[1]:
                sums = product(part, unfold(x, g, start, stop).swapaxes(1, 2))
                taps = sums if taps is None else np.add(taps, sums, dtype=np.float64)
        if needs[0]:
            image = to_batch_first(image if g == geometry else unpad(image, geometry))
        return (image, taps.astype(x.dtype, copy=False).reshape(g.weight_shape) if needs[1] else None,
                grad.sum(2).reshape(-1) if needs[2] else None)
