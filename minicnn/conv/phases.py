"""A strided convolution as a convolution of stride 1 with more channels: the polyphase decomposition.

Tap i of the kernel belongs to phase a = i mod sy and is tap i // sy of this phase. A stride of sy sends it to the row
(y + i // sy) sy + a of the image: row y + i // sy of the image of phase a, which holds each sy-th row. The same holds
for columns. So a strided convolution of C channels is a convolution of stride 1 of C sy sx channels of that size, with
a kernel of ceil(kh / sy) x ceil(kw / sx) pixels. Taps beyond the kernel are 0. Vaidyanathan 1990, section II.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache

import numpy as np

from .geometry import Geometry
from .runtime.memory import empty
from .runtime.threads import PER_COPY, parallel_for


@lru_cache(maxsize=1024)
def of_phases(geometry: Geometry) -> Geometry:
    """The geometry of the convolution of the phases.

    >>> of_phases(Geometry.of((1, 3, 9, 9), (8, 3, 3, 3), stride=2)).weight_shape
    (8, 12, 2, 2)
    """
    g = geometry
    rows, columns = (-(-taps // step) for taps, step in zip(g.kernel, g.stride, strict=True))
    return replace(g, in_channels=g.in_channels * math.prod(g.stride), height=g.out_size[0] + rows - 1,
                   width=g.out_size[1] + columns - 1, kernel=(rows, columns), stride=(1, 1),
                   padding=((0, 0), (0, 0)), padding_mode="zeros")


def places(geometry: Geometry, axis: int) -> list[tuple[slice, slice]]:
    """For each phase of an axis: the pixels of its image that the kernel meets, and where they lie in the input.

    >>> places(Geometry.of((1, 1, 8, 8), (1, 1, 3, 3), stride=2, padding=1), 0)
    [(slice(1, 5, None), slice(1, 8, 2)), (slice(0, 4, None), slice(0, 7, 2))]
    """
    g = geometry
    step, before, size = g.stride[axis], g.padding[axis][0], (g.height, g.width)[axis]
    end = min(size, (g.out_size[axis] - 1) * step + g.kernel[axis] - before)        # the kernel meets no pixel beyond
    found = []
    for phase in range(step):
        first = max(0, -((phase - before) // step))
        start = first * step + phase - before
        count = max(0, -((start - end) // step))
        found.append((slice(first, first + count), slice(start, start + (count - 1) * step + 1 if count else start,
                                                         step)))
    return found


@lru_cache(maxsize=1024)
def pieces(geometry: Geometry) -> list[tuple[tuple, tuple]]:
    """For each phase of both axes: the index of its pixels in (C, sy, sx, H', W', N), and in the image (C, H, W, N)."""
    return [((slice(None), a, b, rows, columns), (slice(None), image_rows, image_columns))
            for a, (rows, image_rows) in enumerate(places(geometry, 0))
            for b, (columns, image_columns) in enumerate(places(geometry, 1))]


def split_weight(weight: np.ndarray, geometry: Geometry) -> np.ndarray:
    """(K, C, kh, kw) -> (K, C sy sx, ceil(kh / sy), ceil(kw / sx))."""
    (sy, sx), inner = geometry.stride, of_phases(geometry)
    taps = np.zeros((*weight.shape[:2], sy, sx, *inner.kernel), weight.dtype)
    for a in range(sy):
        for b in range(sx):
            part = weight[:, :, a::sy, b::sx]
            taps[:, :, a, b, :part.shape[2], :part.shape[3]] = part
    return taps.reshape(inner.weight_shape)


def join_weight(taps: np.ndarray, geometry: Geometry) -> np.ndarray:
    """The adjoint of `split_weight`."""
    (sy, sx), inner = geometry.stride, of_phases(geometry)
    taps = taps.reshape(*geometry.weight_shape[:2], sy, sx, *inner.kernel)
    weight: np.ndarray = np.empty(geometry.weight_shape, taps.dtype)
    for a in range(sy):
        for b in range(sx):
            part = weight[:, :, a::sy, b::sx]
            part[...] = taps[:, :, a, b, :part.shape[2], :part.shape[3]]
    return weight


def split_image(x: np.ndarray, geometry: Geometry) -> np.ndarray:
    """(C, H, W, N) in any memory order -> the images of the phases (C sy sx, H', W', N). Padding is 0."""
    g, inner = geometry, of_phases(geometry)
    phases = empty((g.in_channels, *g.stride, inner.height, inner.width, g.batch), x.dtype)

    def work(start, stop):
        phases[start:stop] = 0
        for there, here in pieces(g):
            phases[start:stop][there] = x[start:stop][here]

    parallel_for(g.in_channels, work, 1 + PER_COPY // phases[0].size)
    return phases.reshape(inner.in_channels, *phases.shape[3:])


def join_image(phases: np.ndarray, geometry: Geometry) -> np.ndarray:
    """The adjoint of `split_image`. A pixel belongs to one phase; what the kernel never meets is 0."""
    g, inner = geometry, of_phases(geometry)
    phases = phases.reshape(g.in_channels, *g.stride, inner.height, inner.width, g.batch)
    image = empty((g.in_channels, g.height, g.width, g.batch), phases.dtype)

    def work(start, stop):
        image[start:stop] = 0
        for there, here in pieces(g):
            image[start:stop][here] = phases[start:stop][there]

    parallel_for(g.in_channels, work, 1 + PER_COPY // image[0].size)
    return image
