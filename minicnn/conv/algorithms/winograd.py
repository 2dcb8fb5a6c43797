"""Winograd's minimal filtering: products in the tile domain, fewer than a direct sum needs.

A tile of m x m outputs costs n x n products for each pair of channels, n = m + r - 1. The direct sum costs m^2 r^2. For
F(4 x 4, 5 x 5) these are 64 and 400. The kernels are in `kernels.winograd_*`, the transforms and their error in
`kernels.cook_toom`. `kernels` explains the notation.

Lanes run over images. If a batch does not fill the lanes, images of zeros are added. The images of a small batch are
cut into tiles instead, and the tiles are the images of a larger batch: `kernels.winograd_small_batch`.

A convolution of a larger stride is one of stride 1 with more channels: `phases`. For stride 2, 7 x 7 taps become 4 x 4
taps of 4 phases. F(4 x 4, 4 x 4) costs 49 products for 16 outputs and a phase: 12.25 for an output, and not 49.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache, lru_cache
from typing import Any, NamedTuple

import numba
import numpy as np

from ..algorithm import Algorithm, register
from ..geometry import Geometry
from ..kernels.cook_toom import predicted_error
from ..kernels.cook_toom_transform import Filtering
from ..kernels.winograd_backward import UNITS, gradients
from ..kernels.winograd_backward_steps import BackwardBlocks
from ..kernels.winograd_forward import JOBS, ForwardBlocks, Sizes, convolve_tiles, jobs_of
from ..kernels.winograd_small_batch import Filled, Grid
from ..kernels.winograd_weight import spectra, weight_gradient
from ..layout import pad, to_batch_first, to_batch_last, unpad
from ..phases import join_image, join_weight, of_phases, split_image, split_weight
from ..runtime.memory import LINE, BoundedCache
from ..runtime.target import target
from ..speeds import speeds

SCRATCH = 2**20 * 3 // 4        # bytes of transformed tiles that stay in the second-level cache
CHANNELS = 16                   # input channels of a job of the forward pass, at least
TABLES = 2**28                  # bytes of tables that are kept for later calls
FILLED = 1.6                    # a batch is filled up to at most so many times its images
MAX_ERROR = 12.0                # the largest predicted error that is accepted, in units of eps (|weight| * |input|)


@lru_cache(maxsize=4096)
def best_tile(geometry: Geometry) -> int:
    """The cheapest m of F(m x m, r x r) whose predicted error is at most MAX_ERROR.

    If there is none, the m with the least error; `unsupported` then refuses float32. The rule is the same for both
    dtypes and for all batch sizes.
    """
    geometry, errors = replace(geometry, batch=16), tile_errors(geometry)
    able = [m for m, error in errors.items() if error <= MAX_ERROR] or [min(errors, key=lambda m: errors[m])]
    return min(able, key=lambda m: predicted_seconds(geometry, m))


def tile_errors(geometry: Geometry) -> dict[int, float]:
    """The predicted error of each tile size m, in units of eps (|weight| * |input|)."""
    r, channels = geometry.kernel[0], min(geometry.in_channels, geometry.out_channels)
    return {m: predicted_error(m, r, channels) for m in range(2, 8) if m + r - 1 <= 8}


def filled_batch(batch: int, lanes: int) -> int:
    """The images of a batch that fills the lanes; 0 if so many images would be added that cutting is cheaper.

    >>> filled_batch(64, 16), filled_batch(100, 16), filled_batch(9, 16), filled_batch(1, 16)
    (64, 112, 0, 0)
    """
    filled = -(-batch // lanes) * lanes
    return filled if filled <= FILLED * batch else 0


def predicted_seconds(geometry: Geometry, m: int) -> float:
    """Predicted seconds of the three passes with F(m x m, r x r), on all cores.

    Products of tiles; transforms of tiles; transforms of the weight; copies of images, which are filled up or cut into
    tiles if the batch does not fill the lanes. The factors are measured.
    """
    g, s, n, lanes = geometry, speeds(), m + geometry.kernel[0] - 1, target().lanes(32)
    rows, columns = (-(-size // m) for size in g.out_size)
    channels, numbers = g.in_channels + g.out_channels, math.prod(g.in_shape) + math.prod(g.out_shape)
    filled = filled_batch(g.batch, lanes)
    tiles = rows * columns * filled if filled else -(-rows * columns * g.batch // lanes) * lanes
    products = 3 * tiles * n * n * g.in_channels * g.out_channels
    transforms = 29 * tiles * n * (n + m) * channels
    moved = 25 * s.copy(n * n * g.in_channels * g.out_channels) + 1.6 * s.copy(numbers)
    if not filled:
        moved += 40 * s.copy(tiles * (g.in_channels * n * n + g.out_channels * m * m))
    elif filled != g.batch:
        moved += 2 * s.copy(numbers)
    wide = 2 if g.dtype == "float64" else 1
    return s.call + wide * ((products + transforms) / s.products + moved)


def cycles(rows: int, columns: int) -> float:
    """Predicted cycles of a register block of rows x columns for one addition of products; 0 without columns.

    The processor adds two vectors of products in a cycle, but a sum can be added to only every fourth cycle. It loads
    two operands in a cycle. The last term counts the loads that wait for the second-level cache.

    >>> cycles(6, 2) / 12 < cycles(10, 1) / 10
    True
    """
    return max(rows * columns / 2, (rows + columns) / 2, 4) + (rows + columns) / 4 if columns else 0.0


@cache
def product_block_size(channels: int, columns: int) -> tuple[int, int]:
    """(channels, vectors) of the register blocks that multiply `columns` vectors in the fewest cycles.

    The columns that are left over are a smaller block.

    >>> product_block_size(1, 1)
    (1, 1)
    """
    work = lambda a, b: -(-channels // a) * (columns // b * cycles(a, b) + cycles(a, columns % b))
    return min(target().blocks(), key=lambda size: (work(*size), -size[0]))


@cache
def weight_block_size(channels: int, vectors: int) -> tuple[int, int]:
    """(input channels, vectors of output channels) of the register blocks of the weight's gradient."""
    sizes = [(a, b) for a, b in target().blocks() if vectors % b == 0]
    work = lambda a, b: -(-channels // a) * vectors // b * cycles(a, b)
    return min(sizes, key=lambda size: (work(*size), -size[0]))


def forward_blocks(tiling: Tiling, channels: int) -> ForwardBlocks:
    """How the forward pass divides its work, for so many output channels."""
    F, s, group = tiling.F, tiling.sizes, tiling.group
    vector = F.n * F.n * F.lanes * F.bits // 8          # bytes of the transforms of one channel of a vector of tiles
    parts = min(-(-JOBS // jobs_of(F, s, group)), s.C // CHANNELS, s.C // channels)
    parts = max(1, parts)                               # the sums of each part must be few beside the input
    tiles = min(s.columns, max(1, SCRATCH // (-(-s.C // parts) * group * vector)))
    tiles = -(-s.columns // -(-s.columns // tiles))     # of the same number as far as possible
    k, t = product_block_size(channels, tiles * group)
    panel = min(-(-channels // k), max(1, SCRATCH // 4 // (k * tiles * group * vector)))
    return ForwardBlocks(k, t, panel, tiles, group, parts)


class Tiling:
    """The tile for one geometry, and the sizes that the kernels see.

    Attributes
    ----------
    F : Filtering
        The tile.
    sizes : Sizes
        The sizes of the images after padding that is not of zeros, and after the batch was filled up or cut into tiles.
    group : int
        The vectors of images of a job: as many as a line of the cache holds, if the batch has as many.
    inputs, outputs : Filled, Grid or None
        Make the images and the outputs of the batch into those of `sizes`, and back. None if they are the same.
    """

    def __init__(self, geometry: Geometry):
        g = geometry if geometry.padding_mode == "zeros" else geometry.padded_form
        self.F = F = Filtering(8 * np.dtype(g.dtype).itemsize, best_tile(geometry), g.kernel[0])
        rows, columns = (-(-size // F.m) for size in g.out_size)
        origin = g.padding[0][0], g.padding[1][0]
        self.inputs: Filled | Grid | None = None
        self.outputs: Filled | Grid | None = None
        self.group = 1
        if filled := filled_batch(g.batch, F.lanes):
            if filled != g.batch:
                self.inputs = self.outputs = Filled(g.batch, filled)
            if filled % (line := LINE * 8 // F.bits) == 0:
                self.group = max(1, line // F.lanes)
            self.sizes = Sizes(C=g.in_channels, H=g.height, W=g.width, N=filled, K=g.out_channels, OH=g.out_size[0],
                               OW=g.out_size[1], top=origin[0], left=origin[1], pitch=F.m, rows=rows, columns=columns)
            return
        vectors = -(-rows * columns * g.batch // F.lanes)               # of tiles
        beside = min(columns, max(1, vectors // UNITS))         # tiles in an image of the new batch
        batch = -(-vectors // beside) * F.lanes
        grid, place = (rows, columns), (beside, batch)
        self.inputs = Grid((g.height, g.width, g.batch), F.n, F.m, origin, grid, place)
        self.outputs = Grid((*g.out_size, g.batch), F.m, F.m, (0, 0), grid, place)
        self.sizes = Sizes(C=g.in_channels, H=F.n, W=beside * F.n, N=batch, K=g.out_channels, OH=F.m, OW=beside * F.m,
                           top=0, left=0, pitch=F.n, rows=1, columns=beside)

    @property
    def bytes(self) -> int:
        """Bytes of the tables; at least those of an object."""
        return 4096 + sum(batch.bytes for batch in (self.inputs, self.outputs) if batch)

    def cut_input(self, x: np.ndarray) -> np.ndarray:
        return x if self.inputs is None else self.inputs.cut(x)

    def cut_output(self, y: np.ndarray) -> np.ndarray:
        return y if self.outputs is None else self.outputs.cut(y)

    def batch_last(self, x: np.ndarray) -> np.ndarray:
        """(N, C, H, W) -> (C, H, W, N), in C order if the kernels read this array: `cut` takes any order."""
        return to_batch_last(x) if self.inputs is None else x.transpose(1, 2, 3, 0)


# The tables of a cut are several times as large as one channel of the batch.
tiling_of = BoundedCache(Tiling, lambda tiling: tiling.bytes, TABLES)


class Strided(NamedTuple):
    """What `backward` needs for a stride of more than 1."""

    saved: Any                  # of the convolution of the phases
    padded: Geometry            # the geometry after padding that is not of zeros
    geometry: Geometry


@register
class Winograd(Algorithm):
    """F(m x m, r x r); the gradients are the adjoint on the same tiles. Square kernels of 2 to 7 pixels, or phases of
    that size.

    A nan or inf spreads to all outputs of its tile.

    `error_bound` holds for operands of both signs. It is relative to the largest |weight| * |input| of all outputs: the
    transforms mix the pixels of a tile, so an output with a small |weight| * |input| gets an error as large as its
    neighbours'. The last transform of the input's gradient cancels most. If all weights have one sign, and all
    cotangents too, the error of this gradient is up to ten times as large.
    """

    name = "winograd"
    reference = "Winograd 1980, chapter III; Lavin & Gray 2016, section 4"
    error_bound = 12.0
    error_norm = "largest"

    def unsupported(self, geometry: Geometry) -> str | None:
        g = geometry
        if numba.config.DISABLE_JIT:                    # type: ignore[attr-defined]
            return "numba's compiler is switched off (NUMBA_DISABLE_JIT)"
        if g.dilation != (1, 1) or g.groups != 1:
            return f"it needs dilation 1 and one group, not dilation {g.dilation}, groups {g.groups}"
        if g.stride != (1, 1):
            reason = self.unsupported(of_phases(g))
            return None if reason is None else f"stride {g.stride} makes phases for which {reason}"
        if g.kernel[0] != g.kernel[1] or not 2 <= g.kernel[0] <= 7:
            return f"the kernel must be square, 2 x 2 to 7 x 7, not {g.kernel[0]} x {g.kernel[1]}"
        least = min(tile_errors(g).values())
        if least > MAX_ERROR and g.dtype == "float32":
            return (f"with so few channels its error would be about {least:.0f} eps (|weight| * |input|), more than "
                    f"the {MAX_ERROR:.0f} that are accepted in float32")
        return None

    def cost(self, geometry: Geometry) -> float:
        if geometry.stride != (1, 1):
            inner = of_phases(geometry)
            return self.cost(inner) + 3 * speeds().copy(math.prod(inner.in_shape))
        return predicted_seconds(geometry, best_tile(geometry))

    def forward(self, x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, geometry: Geometry,
                relu: bool = False) -> tuple[np.ndarray, Any]:
        if geometry.stride != (1, 1):
            return self._strided(x, weight, bias, geometry, relu)
        tiling, g = tiling_of(geometry), geometry
        x = tiling.batch_last(x)
        padded = pad(x, g) if g.padding_mode != "zeros" else x
        blocks = forward_blocks(tiling, g.out_channels)
        u = spectra(weight, False, tiling.F, blocks.k)
        bias = np.zeros(g.out_channels, x.dtype) if bias is None else np.ascontiguousarray(bias)
        y = convolve_tiles(tiling.cut_input(padded), u, bias, tiling.F, tiling.sizes, blocks, relu)
        out = y if tiling.outputs is None else tiling.outputs.join(y)
        return to_batch_first(out), (padded, weight, out if relu else None, tiling, g)

    def backward(self, grad: np.ndarray, saved: Any, needs: tuple[bool, bool, bool]) -> tuple[np.ndarray | None, ...]:
        if isinstance(saved, Strided):
            return self._strided_gradients(grad, saved, needs)
        x, weight, out, tiling, g = saved
        blocks = BackwardBlocks(*product_block_size(g.in_channels, tiling.sizes.columns * tiling.group),
                                *weight_block_size(g.in_channels, -(-g.out_channels // tiling.F.lanes)), tiling.group)
        u = spectra(weight, True, tiling.F, blocks.c) if needs[0] else None
        y = None if out is None else tiling.cut_output(out)
        dy = tiling.cut_output(tiling.batch_last(grad))
        dx, du, db = gradients(tiling.cut_input(x), dy, y, u, tiling.F, tiling.sizes, blocks, needs[1])
        if dx is not None:
            dx = dx if tiling.inputs is None else tiling.inputs.join(dx)
            dx = to_batch_first(unpad(dx, g) if g.padding_mode != "zeros" else dx)
        grad_weight = None if du is None else weight_gradient(du, weight.shape, tiling.F)
        return dx, grad_weight, db.sum((0, 2)) if needs[2] else None

    def adjoint(self, grad: np.ndarray, weight: np.ndarray, geometry: Geometry) -> np.ndarray:
        found = self.backward(grad, self._of_weight(weight, geometry), (True, False, False))[0]
        assert found is not None
        return found

    def _of_weight(self, weight, geometry):
        """What `backward` needs for the gradient of the input alone."""
        g = geometry if geometry.padding_mode == "zeros" else geometry.padded_form
        if g.stride != (1, 1):
            return Strided(self._of_weight(split_weight(weight, g), of_phases(g)), g, geometry)
        x = np.zeros((g.in_channels, g.height, g.width, g.batch), g.dtype)                  # not read
        return x, weight, None, tiling_of(geometry), geometry

    def _strided(self, x, weight, bias, geometry, relu):
        image, g = x.transpose(1, 2, 3, 0), geometry
        if g.padding_mode != "zeros":
            image, g = pad(image, g), g.padded_form
        phases = to_batch_first(split_image(image, g))
        out, saved = self.forward(phases, split_weight(weight, g), bias, of_phases(g), relu)
        return out, Strided(saved, g, geometry)

    def _strided_gradients(self, grad, strided, needs):
        g, geometry = strided.padded, strided.geometry
        phases, taps, grad_bias = self.backward(grad, strided.saved, needs)
        grad_input = None
        if phases is not None:
            image = join_image(phases.transpose(1, 2, 3, 0), g)
            grad_input = to_batch_first(image if g == geometry else unpad(image, geometry))
        return grad_input, None if taps is None else join_weight(taps, g), grad_bias
