"""Winograd's minimal filtering: products in the tile domain, fewer than a direct sum needs.

A tile of m x m outputs costs n x n products for each pair of channels, n = m + r - 1, instead of m^2 r^2: 64 instead of
400 for F(4 x 4, 5 x 5). The kernels are in `kernels.winograd_*`, the transforms and their error in `kernels.cook_toom`.

Lanes run over images. A batch that does not fill the lanes is cut into tiles, which then are the images of a larger
batch: `kernels.winograd_small_batch`.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache, lru_cache
from typing import Any

import numba
import numpy as np

from ..algorithm import Algorithm, register
from ..geometry import Geometry
from ..kernels.cook_toom import predicted_error
from ..kernels.cook_toom_transform import Filtering
from ..kernels.simd import VECTOR
from ..kernels.winograd_backward import JOBS, gradients
from ..kernels.winograd_backward_steps import BackwardBlocks
from ..kernels.winograd_forward import ForwardBlocks, Sizes, convolve
from ..kernels.winograd_small_batch import Grid
from ..kernels.winograd_weight import spectra, weight_gradient
from ..layout import pad, to_batch_first, to_batch_last, unpad

LIMIT = 12.0                    # the largest predicted error, in units of eps (|weight| * |input|), that is accepted
REGISTERS = 25                  # vectors that a block of sums may fill of the 32 registers of AVX-512


@lru_cache(maxsize=4096)
def best_tile(geometry: Geometry) -> int:
    """The m of F(m x m, r x r) with the least predicted cost among those whose predicted error is at most LIMIT.

    It does not depend on the batch size. If no error is that small (only float64 gets here), the m with the least
    error.
    """
    geometry, errors = replace(geometry, batch=16), tile_errors(geometry)
    able = [m for m, error in errors.items() if error <= LIMIT] or [min(errors, key=lambda m: errors[m])]
    return min(able, key=lambda m: predicted_seconds(geometry, m))


def tile_errors(geometry: Geometry) -> dict[int, float]:
    """The predicted error of each tile size m, in units of eps (|weight| * |input|)."""
    r, channels = geometry.kernel[0], min(geometry.in_channels, geometry.out_channels)
    return {m: predicted_error(m, r, channels) for m in range(2, 8) if m + r - 1 <= 8}


def predicted_seconds(geometry: Geometry, m: int) -> float:
    """Predicted seconds of a forward pass with F(m x m, r x r), on one core."""
    g, n, lanes = geometry, m + geometry.kernel[0] - 1, VECTOR[8 * np.dtype(geometry.dtype).itemsize].lanes
    rows, columns = (-(-size // m) for size in g.out_size)
    tiles = -(-rows * columns * g.batch // lanes)
    products = n * n * g.in_channels * (g.out_channels + 2)
    transforms = 7 * n * (n + m) * (g.in_channels + g.out_channels)     # measured: memory, not arithmetic, limits them
    moved = lambda numbers: numbers / (3e9 if numbers < 250_000 else 0.7e9)         # in the cache, or not
    cut = 0 if g.batch % lanes == 0 else 10e-6 + moved(
        tiles * lanes * (g.in_channels * n * n + g.out_channels * m * m))
    return 30e-6 + cut + tiles * (products + transforms) / 3.5e9 + moved(n * n * g.in_channels * g.out_channels)


@cache
def block_size(channels: int, columns: int) -> tuple[int, int]:
    """(channels, tiles) of a register block: those that cover all with least work; a load counts as half a product.

    >>> block_size(40, 5), block_size(40, 4), block_size(64, 14)
    ((5, 5), (5, 4), (3, 7))
    """
    sizes = [(a, b) for a in range(1, 9) for b in range(1, 8) if a * b <= REGISTERS]
    work = lambda a, b: -(-channels // a) * -(-columns // b) * (a * b + (a + b) / 2)
    return min(sizes, key=lambda size: (work(*size), -size[0]))


@cache
def sum_block_size(channels: int, vectors: int) -> tuple[int, int]:
    """(input channels, vectors of output channels) of a register block of the weight's gradient."""
    sizes = [(a, b) for a in range(1, 9) for b in (1, 2, 3, 4) if a * b <= REGISTERS and vectors % b == 0]
    return min(sizes, key=lambda size: (-(-channels // size[0]) * vectors // size[1]
                                        * (size[0] * size[1] + (size[0] + size[1]) / 2), -size[0]))


class Plan:
    """How one geometry is computed: the tile, and the sizes that the kernels see.

    Attributes
    ----------
    F : Filtering
        The tile.
    sizes : Sizes
        Those of the padded images if the padding is circular; those of the cut images if the batch does not fill the
        lanes of the vectors.
    inputs, outputs : Grid or None
        How images and outputs are cut, if they are.
    """

    def __init__(self, geometry: Geometry):
        g = geometry if geometry.padding_mode == "zeros" else geometry.padded_form
        self.F = F = Filtering(8 * np.dtype(g.dtype).itemsize, best_tile(geometry), g.kernel[0])
        rows, columns = (-(-size // F.m) for size in g.out_size)
        origin = g.padding[0][0], g.padding[1][0]
        self.inputs, self.outputs = None, None
        if g.batch % F.lanes == 0:
            self.sizes = Sizes(C=g.in_channels, H=g.height, W=g.width, N=g.batch, K=g.out_channels, OH=g.out_size[0],
                               OW=g.out_size[1], top=origin[0], left=origin[1], pitch=F.m, rows=rows, columns=columns)
            return
        vectors = -(-rows * columns * g.batch // F.lanes)               # of tiles
        beside = min(columns, max(1, vectors // (2 * JOBS)))            # tiles in a cut image, but enough jobs
        batch = -(-vectors // beside) * F.lanes
        grid, place = (rows, columns), (beside, batch)
        self.inputs = Grid((g.height, g.width, g.batch), F.n, F.m, origin, grid, place)
        self.outputs = Grid((*g.out_size, g.batch), F.m, F.m, (0, 0), grid, place)
        self.sizes = Sizes(C=g.in_channels, H=F.n, W=beside * F.n, N=batch, K=g.out_channels, OH=F.m, OW=beside * F.m,
                           top=0, left=0, pitch=F.n, rows=1, columns=beside)

    def cut_input(self, x: np.ndarray) -> np.ndarray:
        return x if self.inputs is None else self.inputs.cut(x)

    def cut_output(self, y: np.ndarray) -> np.ndarray:
        return y if self.outputs is None else self.outputs.cut(y)


plan_of = lru_cache(maxsize=128)(Plan)       # a plan that cuts has tables of the size of an image batch


@register
class Winograd(Algorithm):
    """F(m x m, r x r) with the gradients as its adjoint, on the same tiles. Square kernels of 2 to 7, stride 1.

    A nan or inf reaches all outputs of its tile. `error_bound` is relative to the largest |weight| * |input| of all
    outputs, for operands of both signs: the transforms mix the pixels of a tile, and an output with small
    |weight| * |input| gets the error of its neighbours. The gradient of the input ends with the transform that cancels
    most. If neither weight nor cotangent changes its sign, the error of this gradient is up to ten times as large.
    """

    name = "winograd"
    reference = "Winograd 1980, chapter III; Lavin & Gray 2016, section 4"
    error_bound = 12.0
    error_norm = "largest"

    def unsupported(self, geometry: Geometry) -> str | None:
        g = geometry
        if numba.config.DISABLE_JIT:                    # type: ignore[attr-defined]
            return "numba's compiler is switched off (NUMBA_DISABLE_JIT)"
        if g.kernel[0] != g.kernel[1] or not 2 <= g.kernel[0] <= 7:
            return f"the kernel must be square, 2 x 2 to 7 x 7, not {g.kernel[0]} x {g.kernel[1]}"
        if g.stride != (1, 1) or g.dilation != (1, 1) or g.groups != 1:
            return (f"it needs stride 1, dilation 1 and one group, not stride {g.stride}, dilation {g.dilation}, "
                    f"groups {g.groups}")
        least = min(tile_errors(g).values())
        if least > LIMIT and g.dtype == "float32":
            return (f"with so few channels its error would be about {least:.0f} eps (|weight| * |input|), more than "
                    f"the {LIMIT:.0f} that are accepted in float32")
        return None

    def cost(self, geometry: Geometry) -> float:
        return predicted_seconds(geometry, best_tile(geometry))

    def forward(self, x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, geometry: Geometry,
                relu: bool = False) -> tuple[np.ndarray, Any]:
        p, g = plan_of(geometry), geometry
        x = to_batch_last(x)
        padded = pad(x, g) if g.padding_mode == "circular" else x
        blocks = ForwardBlocks(*block_size(g.out_channels, p.sizes.columns))
        u = spectra(weight, False, p.F, blocks.k)
        bias = np.zeros(g.out_channels, x.dtype) if bias is None else np.ascontiguousarray(bias)
        y = convolve(p.cut_input(padded), u, bias, p.F, p.sizes, blocks, relu)
        out = y if p.outputs is None else p.outputs.join(y)
        return to_batch_first(out), (padded, weight, out if relu else None, p, g)

    def backward(self, grad: np.ndarray, saved: Any, needs: tuple[bool, bool, bool]) -> tuple[np.ndarray | None, ...]:
        x, weight, out, p, g = saved
        blocks = BackwardBlocks(*block_size(g.in_channels, p.sizes.columns),
                                *sum_block_size(g.in_channels, -(-g.out_channels // p.F.lanes)))
        u = spectra(weight, True, p.F, blocks.c) if needs[0] else None
        y = None if out is None else p.cut_output(out)
        dx, du, db = gradients(p.cut_input(x), p.cut_output(to_batch_last(grad)), y, u, p.F, p.sizes, blocks, needs[1])
        if dx is not None:
            dx = dx if p.inputs is None else p.inputs.join(dx)
            dx = to_batch_first(unpad(dx, g) if g.padding_mode == "circular" else dx)
        grad_weight = None if du is None else weight_gradient(du, weight.shape, p.F)
        return dx, grad_weight, db.sum((0, 2)) if needs[2] else None
