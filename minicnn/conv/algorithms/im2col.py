"""Matrix products: the pixels that an output pixel sees become a column.

The columns are made for some output rows at a time, so that they stay in the cache. The gradient of the weight makes
the columns again: keeping them would take kh kw times the memory of the input and would hardly save time.

Threads share the work in jobs: the forward pass by output rows, the backward pass by input channels, so no two jobs
write to the same place. The geometry alone decides on the jobs, so no result depends on the number of threads.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ..algorithm import Algorithm, before_relu, register
from ..geometry import Geometry
from ..layout import pad, to_batch_first, to_batch_last, unpad
from ..runtime.blas import parallel_products
from ..runtime.memory import empty
from ..speeds import speeds

BLOCK = 1 << 20                 # elements of the columns that are made at once, unless one row has more
JOBS = 64                       # the most jobs into which a pass is cut. Each job has, if possible, at least
WORTH = 1 << 23                 # so many multiply-adds,
PIXELS, CHANNELS = 128, 64      # output pixels and output channels (forward),
ROWS = 32                       # rows of the columns (backward)
PIECE = 32                      # the fewest products in a piece of a sum


def is_its_own_columns(geometry: Geometry) -> bool:
    """Whether the columns are the image: a 1x1 kernel meets every pixel once."""
    g = geometry
    return g.kernel == g.stride == (1, 1) and not any(map(any, g.padding))


def blocks(geometry: Geometry, jobs: int = 1) -> list[tuple[int, int]]:
    """The output rows in ranges (start, stop); the columns of a range are made at once. If possible at least `jobs`.

    >>> from minicnn.conv import Geometry
    >>> blocks(Geometry.of((64, 20, 24, 24), (40, 20, 5, 5)))[-2:]
    [(18, 19), (19, 20)]
    >>> blocks(Geometry.of((64, 20, 24, 24), (40, 20, 1, 1)))           # the columns are the image
    [(0, 24)]
    >>> blocks(Geometry.of((64, 20, 24, 24), (40, 20, 1, 1)), 4)
    [(0, 6), (6, 12), (12, 18), (18, 24)]
    """
    g = geometry
    rows = g.out_size[0]
    step = max(1, BLOCK // (g.in_channels * g.kernel[0] * g.kernel[1] * g.out_size[1] * g.batch))
    step = min(rows if is_its_own_columns(g) else step, -(-rows // jobs))
    return [(start, min(start + step, rows)) for start in range(0, rows, step)]


def ranges(length: int, count: int) -> list[slice]:
    """At most `count` slices of about equal length, at least one, that together are range(length).

    >>> ranges(5, 2)
    [slice(0, 3, None), slice(3, 5, None)]
    """
    step = -(-length // max(1, min(count, length)))
    return [slice(start, min(start + step, length)) for start in range(0, length, step)]


def jobs_worth(geometry: Geometry) -> int:
    """How many jobs are worth their cost: 1 for a small convolution."""
    return max(1, min(JOBS, geometry.multiply_adds // WORTH))


@lru_cache(maxsize=256)
def forward_jobs(geometry: Geometry) -> list[tuple[tuple[int, int], slice]]:
    """The jobs of a forward pass: (output rows, output channels of each group)."""
    g = geometry
    jobs, channels, pixels = jobs_worth(g), g.out_channels // g.groups, math.prod(g.out_size) * g.batch
    rows = blocks(g, max(1, min(jobs, pixels // PIXELS)))
    parts = ranges(channels, min(-(-jobs // len(rows)), channels // CHANNELS))
    return [(block, part) for block in rows for part in parts]


class Part(NamedTuple):
    """A job of a backward pass: some input channels, which write to no place of another job."""

    geometry: Geometry                  # of this part alone
    groups: slice
    channels: slice                     # of the image
    rows: slice                         # of each group's columns


@lru_cache(maxsize=256)
def backward_jobs(geometry: Geometry) -> list[Part]:
    """The jobs of a backward pass: some groups each, or if there are few groups, some input channels of a group."""
    g, taps = geometry, geometry.kernel[0] * geometry.kernel[1]
    jobs, size = jobs_worth(g), g.in_channels // g.groups
    found = []
    for groups in ranges(g.groups, jobs):
        count = groups.stop - groups.start
        for some in ranges(size, 1 if count > 1 else min(-(-jobs // g.groups), size * taps // ROWS)):
            channels, first = some.stop - some.start, groups.start * size
            found.append(Part(
                replace(g, in_channels=count * channels, out_channels=g.out_channels // g.groups * count, groups=count),
                groups, slice(first + some.start, first + some.start + count * channels),
                slice(some.start * taps, some.stop * taps)))
    return found


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
        return x.reshape(g.groups, -1, g.height * g.width * g.batch)[..., start * g.width * g.batch:
                                                                      stop * g.width * g.batch]
    first, sizes = start * g.stride[0], (g.in_channels, *g.kernel, stop - start, g.out_size[1], g.batch)
    if any(map(any, g.padding)):                        # only the rows that these output rows see are padded
        x, first = padded_rows(x, g, first, (stop - start - 1) * g.stride[0] + g.span[0]), 0
    channel, down, across, image = x.strides
    windows = np.ndarray(sizes, x.dtype, x, first * down, (
        channel, g.dilation[0] * down, g.dilation[1] * across, g.stride[0] * down, g.stride[1] * across, image))
    return windows.copy().reshape(g.groups, -1, (stop - start) * g.out_size[1] * g.batch)


def padded_rows(x: np.ndarray, geometry: Geometry, first: int, count: int) -> np.ndarray:
    """`count` rows of the image x (C, H, W, N) with its padding of zeros, from row `first` of the padded image on."""
    (top, _), (left, _) = geometry.padding
    out = np.zeros((x.shape[0], count, geometry.padded[1], x.shape[3]), x.dtype)
    start, stop = max(first - top, 0), min(first - top + count, x.shape[1])
    if start < stop:
        out[:, start + top - first:stop + top - first, left:left + x.shape[2]] = x[:, start:stop]
    return out


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
        if g.padding_mode != "zeros":
            x, g = pad(x, g), g.padded_form
        matrix, row = weight.reshape(g.groups, g.out_channels // g.groups, -1), g.out_size[1] * g.batch
        out = empty((*matrix.shape[:2], g.out_size[0] * row), x.dtype)                  # (G, K / G, OH OW N)
        bias, jobs = None if bias is None else bias.reshape(g.groups, -1, 1), forward_jobs(g)

        def work(job: int) -> None:
            (start, stop), channels = jobs[job]
            part = product(matrix[:, channels], unfold(x, g, start, stop), out[:, channels, start * row:stop * row])
            if bias is not None:
                part += bias[:, channels]
            if relu:
                np.maximum(part, 0, out=part)
        parallel_products(len(jobs), work)
        return (to_batch_first(out.reshape(g.out_channels, *g.out_size, g.batch)),
                (x, matrix, out if relu else None, g, geometry))

    def backward(self, grad: np.ndarray, saved: Any, needs: tuple[bool, bool, bool]) -> tuple[np.ndarray | None, ...]:
        x, matrix, out, g, geometry = saved
        grad = before_relu(to_batch_last(grad).reshape(*matrix.shape[:2], -1), out)
        image: Any = np.zeros(x.shape, x.dtype) if needs[0] else None
        taps: Any = np.empty(matrix.shape, x.dtype) if needs[1] else None
        jobs = backward_jobs(g)
        if needs[0] or needs[1]:
            parallel_products(len(jobs), lambda job: _part_backward(jobs[job], x, matrix, grad, image, taps))
        if needs[0]:
            image = to_batch_first(image if g == geometry else unpad(image, geometry))
        return (image, taps.reshape(g.weight_shape) if needs[1] else None,
                grad.sum(2).reshape(-1) if needs[2] else None)

    def adjoint(self, grad: np.ndarray, weight: np.ndarray, geometry: Geometry) -> np.ndarray:
        g = geometry if geometry.padding_mode == "zeros" else geometry.padded_form
        matrix = weight.reshape(g.groups, g.out_channels // g.groups, -1)
        x = np.broadcast_to(np.zeros((), grad.dtype), (g.in_channels, g.height, g.width, g.batch))     # only its shape
        found = self.backward(grad, (x, matrix, None, g, geometry), (True, False, False))[0]
        assert found is not None
        return found


def _part_backward(job, x, matrix, grad, image, taps):
    """Write the gradients of a part into `image` (C, H, W, N) and `taps` (G, K / G, C / G kh kw), if these are given.

    `matrix` is the weight, as `taps`, and `grad` (G, K / G, OH OW N) the cotangent.
    """
    g, x, grad, sums = job.geometry, x[job.channels], grad[job.groups], None
    across, row = matrix[job.groups, :, job.rows].swapaxes(1, 2), g.out_size[1] * g.batch
    for start, stop in blocks(g):
        part = grad[..., start * row:stop * row]
        if image is not None and is_its_own_columns(g):
            image[job.channels] = product(across, part).reshape(x.shape)
        elif image is not None:
            fold(product(across, part), g, start, stop, image[job.channels])
        if taps is not None:
            new = product(part, unfold(x, g, start, stop).swapaxes(1, 2))
            sums = new if sums is None else np.add(sums, new, dtype=np.float64)
    if taps is not None:
        taps[job.groups, :, job.rows] = sums
