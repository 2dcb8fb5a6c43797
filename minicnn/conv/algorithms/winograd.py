"""Winograd's minimal filtering: products in the tile domain, fewer than a direct sum needs.

A tile of m x m outputs costs n x n products for each pair of channels, n = m + r - 1, instead of m^2 r^2: 64 instead of
400 for F(4 x 4, 5 x 5). The kernels are in `winograd_kernels`, the transforms and their error in `cook_toom`.

Lanes run over images. A batch that does not fill the lanes is cut into tiles, which then are the images of a larger
batch: `tiles`.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache, lru_cache

import numba
import numpy as np

from ..algorithm import Algorithm, register
from ..kernels.cook_toom import predicted_error
from ..kernels.simd import VECTOR
from ..kernels.winograd_backward import backward_kernel, backward_scratch, weight_block, weight_gradient_kernel
from ..kernels.winograd_forward import forward_kernel, forward_scratch, product_block, weight_kernel
from ..kernels.winograd_small_batch import Grid
from ..layout import pad, readonly, to_batch_first, to_batch_last, unpad
from ..runtime.memory import empty, scratch
from ..runtime.threads import parallel_for

LIMIT = 12.0                    # the largest predicted error, in units of eps (|weight| * |input|), that is accepted
JOBS = 4                        # of the backward pass, at least; each sums a gradient of the weight of its own
PER_CALL = 100_000              # numbers written that pay for handing work to a thread
PRODUCTS = 2_000_000            # and products
REGISTERS = 25                  # vectors that a block of sums may fill of the 32 registers of AVX-512


@lru_cache(maxsize=4096)
def best_tile(geometry):
    """The m of F(m x m, r x r) with the least predicted cost among those of bearable error: one for all batch sizes.

    In float64 every error is bearable, but none is taken that float32 would not bear where there is another.
    """
    geometry, errors = replace(geometry, batch=16), tile_errors(geometry)
    able = [m for m, error in errors.items() if error <= LIMIT] or [min(errors, key=errors.get)]
    return min(able, key=lambda m: predicted_seconds(geometry, m))


def tile_errors(geometry):
    """The predicted error of each tile size m, in units of eps (|weight| * |input|)."""
    r, channels = geometry.kernel[0], min(geometry.in_channels, geometry.out_channels)
    return {m: predicted_error(m, r, channels) for m in range(2, 8) if m + r - 1 <= 8}


def predicted_seconds(geometry, m):
    """Of a forward pass with F(m x m, r x r), on one core."""
    g, n, lanes = geometry, m + geometry.kernel[0] - 1, 64 // np.dtype(geometry.dtype).itemsize
    rows, columns = (-(-size // m) for size in g.out_size)
    tiles = -(-rows * columns * g.batch // lanes)
    products = n * n * g.in_channels * (g.out_channels + 2)
    transforms = 7 * n * (n + m) * (g.in_channels + g.out_channels)     # measured: memory, not arithmetic, limits them
    moved = lambda numbers: numbers / (3e9 if numbers < 250_000 else 0.7e9)         # in the cache, or not
    cut = 0 if g.batch % lanes == 0 else 10e-6 + moved(
        tiles * lanes * (g.in_channels * n * n + g.out_channels * m * m))
    return 30e-6 + cut + tiles * (products + transforms) / 3.5e9 + moved(n * n * g.in_channels * g.out_channels)


@cache
def block_size(channels, columns):
    """(channels, tiles) of a register block: what covers all with least work, a load counting as half a product.

    >>> block_size(40, 5), block_size(40, 4), block_size(64, 14)
    ((5, 5), (5, 4), (3, 7))
    """
    sizes = [(a, b) for a in range(1, 9) for b in range(1, 8) if a * b <= REGISTERS]
    work = lambda a, b: -(-channels // a) * -(-columns // b) * (a * b + (a + b) / 2)
    return min(sizes, key=lambda size: (work(*size), -size[0]))


@cache
def sum_block_size(channels, vectors):
    """(input channels, vectors of output channels) of a register block of the weight's gradient."""
    sizes = [(a, b) for a in range(1, 9) for b in (1, 2, 3, 4) if a * b <= REGISTERS and vectors % b == 0]
    return min(sizes, key=lambda size: (-(-channels // size[0]) * vectors // size[1]
                                        * (size[0] * size[1] + (size[0] + size[1]) / 2), -size[0]))


def spectra(weight, swapped, block, m):
    """U = G weight G^T of every pair of channels (a, b) = (k, c), or (c, k) if `swapped`: (f, a / block, b, block)."""
    K, C, r, _ = weight.shape
    a, b = (C, K) if swapped else (K, C)
    bits, n, lanes = 8 * weight.itemsize, m + r - 1, 64 // weight.itemsize
    kernel, blocks = weight_kernel(bits, m, r, block), -(-a // block)
    taps = readonly(np.ascontiguousarray(weight).reshape(K, C, r * r))
    u = empty((n * n, blocks, b, block), weight.dtype)

    def work(start, stop):
        planes = np.empty((r * r, -(-b * block // lanes) * lanes), weight.dtype)
        kernel(start, stop, taps, u.ctypes.data, swapped, planes, np.empty(n * r * lanes, weight.dtype))

    parallel_for(blocks, work, 1 + PER_CALL // (b * block * n * n))
    return u


def weight_gradient(du, shape, m):
    """(jobs, f, C, K), the latter two padded, -> the gradient of the weight (K, C, r, r)."""
    K, C, r, _ = shape
    lanes, n = 64 // du.itemsize, m + r - 1
    kernel, out = weight_gradient_kernel(8 * du.itemsize, m, r), np.empty((K, C, r * r), du.dtype)

    def work(start, stop):
        buffers = (np.empty(size * lanes, du.dtype) for size in (n * n, n * r, r * r))
        kernel(start, stop, du.ctypes.data, len(du), *du.shape[2:], out, *buffers)

    parallel_for(C, work, 1 + PER_CALL // (du[0, :, 0].size * len(du)))
    return out.reshape(shape)


def inside(start, count, height):
    """The rows from `start` on, `count` of them, that lie in the image: first and last + 1.

    >>> inside(-1, 4, 10), inside(9, 4, 10), inside(12, 4, 10)
    ((0, 3), (9, 10), (10, 10))
    """
    return tuple(min(max(edge, 0), height) for edge in (start, start + count))


class Plan:
    """How one geometry is computed: the tile, the geometry that the kernels see, the sizes of register blocks."""

    def __init__(self, geometry):
        g = self.geometry = geometry if geometry.padding_mode == "zeros" else geometry.padded_form
        self.m, self.r = best_tile(geometry), g.kernel[0]
        self.bits = 8 * np.dtype(g.dtype).itemsize
        self.lanes = VECTOR[self.bits].lanes
        self.n = self.m + self.r - 1
        self.rows, self.columns = (-(-size // self.m) for size in g.out_size)
        self.batch, self.size, self.out_size, self.pitch = g.batch, (g.height, g.width), g.out_size, self.m
        self.origin = tuple(before for before, _ in g.padding)
        self.is_cut = g.batch % self.lanes != 0
        if self.is_cut:
            self._cut(self.rows * self.columns * g.batch)
        self.sizes = np.array([g.in_channels, *self.size, self.batch, g.out_channels, *self.out_size, *self.origin,
                               self.pitch])

    def _cut(self, tiles):
        groups = -(-tiles // self.lanes)                # that fill the lanes: some side by side, but enough jobs
        columns = min(self.columns, max(1, groups // (2 * JOBS)))
        self.batch, self.pitch = -(-groups // columns) * self.lanes, self.n
        grid, place = (self.rows, self.columns), (columns, self.batch)
        N = self.geometry.batch
        self.inputs = Grid((*self.size, N), self.n, self.m, self.origin, grid, place)
        self.outputs = Grid((*self.out_size, N), self.m, self.m, (0, 0), grid, place)
        self.rows, self.columns, self.origin = 1, columns, (0, 0)
        self.size, self.out_size = (self.n, columns * self.n), (self.m, columns * self.m)

    def cut_input(self, x):
        return self.inputs.cut(x) if self.is_cut else x

    def cut_output(self, y):
        return self.outputs.cut(y) if self.is_cut else y


plan_of = lru_cache(maxsize=128)(Plan)       # a plan that cuts has tables of the size of an image batch


@register
class Winograd(Algorithm):
    """F(m x m, r x r) with the gradients as its adjoint, on the same tiles. Square kernels of 2 to 7, stride 1.

    A nan or inf reaches all outputs of its tile. `error_bound` is relative to the largest |weight| * |input| of all
    outputs, for operands of both signs: transforms mix the pixels of a tile, so an output where that is small has the
    error of its neighbours. The gradient of the input ends with the transform that cancels most; where neither weight
    nor cotangent changes its sign its error is up to ten times as large.
    """

    name = "winograd"
    reference = "Winograd 1980, chapter III; Lavin & Gray 2016, section 4"
    error_bound = 12.0
    error_norm = "largest"

    def unsupported(self, geometry):
        g = geometry
        if numba.config.DISABLE_JIT:
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

    def cost(self, geometry):
        return predicted_seconds(geometry, best_tile(geometry))

    def forward(self, x, weight, bias, geometry, relu=False):
        p, g = plan_of(geometry), geometry
        x = to_batch_last(x)
        padded = pad(x, g) if g.padding_mode == "circular" else x
        image = p.cut_input(padded)
        k_block, t_block = block_size(g.out_channels, p.columns)
        kernel, multiply = forward_kernel(p.bits, p.m, p.r), product_block(p.bits, k_block, t_block)
        u = spectra(weight, False, k_block, p.m)
        bias = np.zeros(g.out_channels, x.dtype) if bias is None else np.ascontiguousarray(bias)
        y = empty((g.out_channels, *p.out_size, p.batch), x.dtype)
        vectors = forward_scratch(p.m, p.r, k_block, t_block, g.in_channels)

        def work(start, stop):
            kernel(start, stop, image.ctypes.data, u.ctypes.data, bias.ctypes.data, y.ctypes.data,
                   scratch(vectors * 64), relu, multiply, k_block, t_block, p.sizes)

        products = (p.n * p.n) * g.in_channels * g.out_channels * t_block * p.lanes        # of a job
        parallel_for(p.batch // p.lanes * p.rows * -(-p.columns // t_block), work, 1 + PRODUCTS // products)
        out = p.outputs.join(y) if p.is_cut else y
        return to_batch_first(out), (padded, weight, out if relu else None, p, g)

    def backward(self, grad, saved, needs):
        x, weight, out, p, g = saved
        image, dy = p.cut_input(x), p.cut_output(to_batch_last(grad))
        y = p.cut_output(out) if out is not None else dy
        C, K, lanes = g.in_channels, g.out_channels, p.lanes
        c_block, t_block = block_size(C, p.columns)
        u_block, k_block = sum_block_size(C, -(-K // lanes))
        kernel = backward_kernel(p.bits, p.m, p.r)
        multiply, add_products = product_block(p.bits, c_block, t_block), weight_block(p.bits, u_block, k_block)
        groups = p.batch // lanes
        strips = min(p.rows, -(-JOBS // groups))
        jobs = min(groups * strips, 2 * JOBS)
        CP, KP = -(-C // u_block) * u_block, -(-K // lanes) * lanes
        u = spectra(weight, True, c_block, p.m) if needs[0] else dy
        dx = empty(image.shape, x.dtype) if needs[0] else dy
        edges = empty((groups, strips, C, p.r - 1, image.shape[2], lanes), x.dtype)
        du = empty((jobs, p.n * p.n, CP, KP) if needs[1] else (1,), x.dtype)
        db = empty((jobs, K, lanes), x.dtype)
        vectors = backward_scratch(p.m, p.r, p.pitch, c_block, t_block, u_block, k_block, lanes, C, K, p.columns)

        def work(start, stop):
            kernel(start, stop, image.ctypes.data, dy.ctypes.data, y.ctypes.data, u.ctypes.data, dx.ctypes.data,
                   edges.ctypes.data, du.ctypes.data, db.ctypes.data, scratch(vectors * 64), out is not None,
                   bool(needs[0]), bool(needs[1]), multiply, c_block, t_block, add_products, u_block, k_block, strips,
                   jobs, p.sizes)

        parallel_for(jobs, work)
        grad_input = grad_weight = grad_bias = None
        if needs[0]:
            grad_input = to_batch_first(self._joined(dx, edges, x, p, strips, g))
        if needs[1]:
            grad_weight = weight_gradient(du, weight.shape, p.m)
        if needs[2]:
            grad_bias = db.sum((0, 2))
        return grad_input, grad_weight, grad_bias

    def _joined(self, dx, edges, x, p, strips, g):
        C, H, W, _ = dx.shape
        groups = dx.reshape(C, H, W, -1, p.lanes)

        def work(start, stop):                          # on channels: add the rows that two strips share
            for strip in range(1, strips):
                row = strip * p.rows // strips * p.m - p.origin[0]
                first, last = inside(row, p.r - 1, H)
                part = edges[:, strip, start:stop, first - row:last - row]
                groups[start:stop, first:last] += part.transpose(1, 2, 3, 0, 4)

        if strips > 1:
            parallel_for(C, work, 1 + PER_CALL * C // edges.size)
        if p.is_cut:
            dx = p.inputs.join(dx)
        return unpad(dx, g) if g.padding_mode == "circular" else dx
