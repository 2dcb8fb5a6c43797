"""The definition in machine code: a sum over the taps of the kernel, held in registers, for a whole row of pixels.

In the memory order (C, H, W, N) the pixels of an output row lie one after the other for all images, p = ox N + n, and
so do the pixels that one tap of the kernel meets:

    out[k, oy, p] = bias[k] + sum over i, q of weight[k, i, q] x[row(oy, i) + tap(q) + p],      q = (c, j)

Lanes run over p, so any batch size fills them. `row` knows the vertical geometry: rows of the padding do not exist and
are left out. `tap` knows the horizontal one: the input is copied once, with its horizontal padding, its columns sorted
by their remainder modulo the stride (`split_columns`). No padding and stride 1 needs no copy.

The gradient with respect to the input is such a sum too, over the cotangent (`spread_columns`). The gradient with
respect to the weight sums over the same pairs of an output pixel and an input pixel, the lanes again running over p.
"""

from __future__ import annotations

import functools
import math

import numba
import numpy as np
from numba import types

from ..algorithm import Algorithm, register
from ..kernels.relu_gradient import gate
from ..kernels.simd import (
    INT,
    VECTOR,
    add,
    add_outer,
    add_rows,
    compiled,
    gather,
    loads,
    relu,
    splats,
    store_tile,
    zeros,
)
from ..layout import pad, to_batch_first, to_batch_last, unpad
from ..runtime.memory import empty
from ..runtime.threads import parallel_for

WIDTH = {1: 8, 4: 5, 5: 4}      # channels in a register tile -> its vectors a channel: the operands need 9 more of 32
PER_CALL = 2_000_000            # products that pay for handing work to a thread
COPIED = 200_000                # and numbers that are copied
FLUSH = 64                      # vectors, or one row, that grad_weight sums before it goes on in float64


def block_size(n):
    """Of the sizes of register blocks, the one that covers n with least work; a block also costs about one load.

    >>> [block_size(n) for n in (1, 2, 3, 5, 8, 40)]
    [1, 1, 4, 5, 4, 5]
    """
    return min(WIDTH, key=lambda size: (-(-n // size) * (size + 1), -size))


# The two kernels. `bits` and the sizes of blocks are constants of the machine code. Arrays that may be the caller's
# come as addresses: numba would compile a kernel again for every mix of writeable, read-only and unaligned ones.

@numba.njit(inline="always")
def sum_taps(bits, block, width, x, x_row, at, count, weight, w, source, row, taps, chain):
    """A block x width tile: the sum over the taps (i, q), at pixels from `at` on.

    It is made of sums of about `chain` taps, as the error of a chain of additions grows with its length.
    """
    total, tile, length = zeros(bits, block, width), zeros(bits, block, width), 0
    for i in range(source.shape[1]):
        if source[row, i] >= 0:
            for begin in range(0, taps.size, chain):
                end = min(begin + chain, taps.size)
                for q in range(begin, end):
                    tile = add_outer(tile, splats(bits, block, weight, w + (i * taps.size + q) * block, 1),
                                     loads(bits, width, x, at + source[row, i] * x_row + taps[q], count))
                length += end - begin
                if length >= chain:
                    total, tile, length = add(total, tile), zeros(bits, block, width), 0
    return add(total, tile)


@functools.cache
def correlation_kernel(bits, block):
    """out[group, k, row, p] = bias[group, k]
    + sum over i, q of weight[group, k, i, q] x[group, source[row, i], taps[q] + p], where source[row, i] is not -1.

    Then its ReLU, if `rectify`. A job is one register tile of pixels in one row of one group, for all channels k: what
    it reads of x stays in the cache. The weights are packed (group, k / block, i, q, k % block), the biases likewise.
    Every pixel of the image has the same order of summation, so a shifted image gives the shifted map to the bit.
    """
    width = WIDTH[block]
    lanes = VECTOR[bits].lanes
    reach = width * lanes                               # pixels of a tile

    def correlate(start, stop, out, channels, pixels, x, x_group, x_row, weight, bias, source, taps, chain, rectify):
        rows, kernel_rows = source.shape
        tiles, blocks = -(-pixels // reach), -(-channels // block)
        for job in range(start, stop):
            group, row, first = job // tiles // rows, job // tiles % rows, job % tiles * reach
            for b in range(blocks):
                packed = (group * blocks + b) * block
                w, at = packed * kernel_rows * taps.size, group * x_group + first
                shift = splats(bits, block, bias, packed, 1)
                target = ((group * channels + b * block) * rows + row) * pixels
                if first + reach <= pixels:
                    tile = sum_taps(bits, block, width, x, x_row, at, None, weight, w, source, row, taps, chain)
                    tile = add_rows(tile, shift)
                    if rectify:
                        tile = relu(tile)
                    store_tile(tile, width, out, target + first, rows * pixels, channels - b * block, None)
                    continue
                for p in range(first, pixels, lanes):   # the end of the row: the same, a vector at a time
                    column = sum_taps(bits, block, 1, x, x_row, at + p - first, pixels - p, weight, w, source, row,
                                      taps, chain)
                    column = add_rows(column, shift)
                    if rectify:
                        column = relu(column)
                    store_tile(column, 1, out, target + p, rows * pixels, channels - b * block, pixels - p)

    return compiled(types.void(*[INT] * 10, types.int64[:, ::1], types.int64[::1], INT, types.boolean), correlate)


@functools.cache
def product_kernel(bits, k_block, q_block):
    """out[group, k, i, q] = sum over row, p of grad[group, k, row, p] x[group, source[row, i], taps[q] + p].

    A job is one k_block x q_block block of one group's k and q, for all i, which read the same rows of x. It sums a few
    rows in registers, in the dtype of the input, and adds that to `totals` (i, k, q, lane), in float64. No two jobs
    write to the same place, so the order of summation, and the result, do not depend on the number of threads.
    """
    lanes, size = VECTOR[bits].lanes, k_block * q_block

    def multiply(start, stop, out, grad, pixels, x, x_group, x_row, source, taps, sums, totals):
        rows, kernel_rows = source.shape
        groups, channels = out.shape[:2]
        k_blocks, q_blocks = -(-channels // k_block), -(-taps.size // q_block)
        k_table, q_table = np.empty(k_block, np.int64), np.empty(q_block, np.int64)
        whole = pixels // lanes * lanes
        some = max(1, FLUSH * lanes // pixels)          # rows
        for job in range(start, stop):
            group, k, q = job // q_blocks // k_blocks, job // q_blocks % k_blocks * k_block, job % q_blocks * q_block
            for n in range(k_block):                    # beyond the last one: the last one again, not stored
                k_table[n] = (group * channels + min(k + n, channels - 1)) * rows * pixels
            for n in range(q_block):
                q_table[n] = group * x_group + taps[min(q + n, taps.size - 1)]
            for n in range(totals.size):
                totals[n] = 0
            for first in range(0, rows, some):
                for i in range(kernel_rows):
                    tile = zeros(bits, k_block, q_block)
                    for row in range(first, min(first + some, rows)):
                        if source[row, i] >= 0:
                            at, there = row * pixels, source[row, i] * x_row
                            for p in range(0, whole, lanes):
                                tile = add_outer(tile, gather(bits, k_block, grad, at + p, k_table.ctypes.data, None),
                                                 gather(bits, q_block, x, there + p, q_table.ctypes.data, None))
                            if whole < pixels:
                                left, at, there = pixels - whole, at + whole, there + whole
                                tile = add_outer(tile, gather(bits, k_block, grad, at, k_table.ctypes.data, left),
                                                 gather(bits, q_block, x, there, q_table.ctypes.data, left))
                    store_tile(tile, size, sums.ctypes.data, 0, 0, 1, None)
                    for n in range(sums.size):
                        totals[i * sums.size + n] += sums[n]
            for i in range(kernel_rows):
                for n in range(min(k_block, channels - k)):
                    for m in range(min(q_block, taps.size - q)):
                        total, slot = 0.0, (i * size + n * q_block + m) * lanes
                        for lane in range(slot, slot + lanes):
                            total += totals[lane]
                        out[group, k + n, i, q + m] = total

    element = types.Float(f"float{bits}")
    return compiled(types.void(INT, INT, element[:, :, :, ::1], *[INT] * 5, types.int64[:, ::1], types.int64[::1],
                               element[::1], types.float64[::1]), multiply)


# The operands of the kernels.

def split_columns(x, geometry):
    """(C, H, W, N) -> (C, H, phases, W', N), padded horizontally; column t of a phase is column phase + t sx of x.

    Only the phases that some tap of the kernel meets. A view where there is nothing to do.
    """
    g = geometry
    (left, right), stride = g.padding[1], g.stride[1]
    if left == right == 0 and stride == 1:
        return x[:, :, None]
    phases = sorted({j * g.dilation[1] % stride for j in range(g.kernel[1])})
    width = g.out_size[1] + (g.span[1] - 1) // stride
    out = np.zeros((*x.shape[:2], len(phases), width, g.batch), x.dtype)
    for n, phase in enumerate(phases):
        first = max(0, -((phase - left) // stride))     # the first t with a column of x: phase + t sx - left >= 0
        columns = x[:, :, phase + first * stride - left::stride][:, :, :max(width - first, 0)]
        copy(out[:, :, n, first:first + columns.shape[2]], columns)
    return out


def spread_columns(grad, geometry):
    """(K, OH, OW, N) -> (K, OH, 1, W + (kw - 1) dx, N): column ox at ox sx + (kw - 1) dx - left, zeros between.

    So that tap j of input column ix meets column ix + (kw - 1 - j) dx: the output pixel with ix = ox sx + j dx - left.
    """
    g = geometry
    stride, lead = g.stride[1], g.span[1] - 1 - g.padding[1][0]
    width = g.width + g.span[1] - 1
    if lead == 0 and stride == 1 and width == g.out_size[1]:
        return grad[:, :, None]
    first = max(0, -(lead // stride))                   # the first ox that is not left of the image
    out = np.zeros((*grad.shape[:2], 1, width, g.batch), grad.dtype)
    place = out[:, :, 0, lead + first * stride::stride]
    columns = grad[:, :, first:first + place.shape[2]]
    copy(place[:, :, :columns.shape[2]], columns)
    return out


def copy(target, values):
    """target[...] = values, on all threads."""
    def work(start, stop):
        target[start:stop] = values[start:stop]
    parallel_for(len(target), work, -(-len(target) * COPIED // max(target.size, 1)))


@functools.lru_cache(maxsize=1024)
def offsets(shape, channels, places):
    """Where in a row of an array (C, H, phases, W', N) tap q = (c, j) begins; places[j] is its phase and column."""
    channel, phase, column = (math.prod(shape[n:]) for n in (1, 3, 4))
    row = np.array([p * phase + t * column for p, t in places], np.int64)
    return (np.arange(channels)[:, None] * channel + row).reshape(-1)


def split_taps(x, geometry):
    """The offsets of the taps (c, j) in what `split_columns` returned."""
    g = geometry
    columns = [divmod(j * g.dilation[1], g.stride[1]) for j in range(g.kernel[1])]
    phases = sorted({phase for _, phase in columns})
    return offsets(x.shape, g.in_channels // g.groups, tuple((phases.index(phase), t) for t, phase in columns))


def spread_taps(x, geometry):
    """The offsets of the taps (k, j) in what `spread_columns` returned."""
    g = geometry
    places = tuple((0, g.span[1] - 1 - j * g.dilation[1]) for j in range(g.kernel[1]))
    return offsets(x.shape, g.out_channels // g.groups, places)


def pack(weight, block):
    """(G, K, C, kh, kw) -> (G, K / block, kh, C, kw, block), zeros beyond the last channel."""
    groups, channels = weight.shape[:2]
    blocks = -(-channels // block)
    packed = np.zeros((groups, blocks * block, *weight.shape[2:]), weight.dtype)
    packed[:, :channels] = weight
    return np.ascontiguousarray(packed.reshape(groups, blocks, block, *weight.shape[2:]).transpose(0, 1, 4, 3, 5, 2))


def correlate(x, weight, bias, rows, taps, pixels, rectify=False):
    """x (G C, H, phases, W', N), weight (G, K, C, kh, kw) -> (G K, rows, pixels), as `correlation_kernel` says."""
    groups, channels = weight.shape[:2]
    block, bits = block_size(channels), 8 * x.itemsize
    kernel = correlation_kernel(bits, block)
    packed, packed_bias = pack(weight, block), pack(bias.reshape(groups, channels, 1, 1, 1), block)
    out = empty((groups * channels, len(rows), pixels), x.dtype)
    chain = max(16, round((rows.shape[1] * taps.size) ** (2 / 3)))      # least error: L^(2/3) of L terms

    def work(start, stop):
        kernel(start, stop, out.ctypes.data, channels, pixels, x.ctypes.data, x.size // groups, math.prod(x.shape[2:]),
               packed.ctypes.data, packed_bias.ctypes.data, rows, taps, chain, rectify)

    tile = WIDTH[block] * VECTOR[bits].lanes
    jobs = groups * len(rows) * -(-pixels // tile)
    parallel_for(jobs, work, 1 + PER_CALL // (min(tile, pixels) * packed.size // groups))
    return out


def multiply(grad, x, geometry, rows, taps):
    """grad (K, OH, OW, N), x (C, H, phases, W', N) -> grad_weight, as `product_kernel` says."""
    g = geometry
    channels, bits = g.out_channels // g.groups, 8 * x.itemsize
    k_block, q_block = block_size(channels), block_size(taps.size)
    kernel = product_kernel(bits, k_block, q_block)
    out = np.empty((g.groups, channels, g.kernel[0], taps.size), x.dtype)

    def work(start, stop):
        sums = np.empty(k_block * q_block * VECTOR[bits].lanes, x.dtype)
        kernel(start, stop, out, grad.ctypes.data, g.out_size[1] * g.batch, x.ctypes.data, x.size // g.groups,
               math.prod(x.shape[2:]), rows, taps, sums, np.empty(g.kernel[0] * sums.size))

    jobs = g.groups * -(-channels // k_block) * -(-taps.size // q_block)
    parallel_for(jobs, work, 1 + PER_CALL // (grad[0].size * g.kernel[0] * k_block * q_block))
    out = out.reshape(g.groups, channels, g.kernel[0], g.in_channels // g.groups, g.kernel[1])
    return np.ascontiguousarray(out.swapaxes(2, 3)).reshape(g.weight_shape)


@register
class Direct(Algorithm):
    """The sum over taps, in registers; the gradients are two more sums of the same kind.

    A nan or inf in the input or in the cotangent reaches what it reaches by the definition. So does one in the weight
    in the forward pass; grad_input multiplies it by the zeros beside and between the columns of the cotangent as well,
    so some more of its pixels become nan. grad_weight leaves out the rows of the padding.
    """

    name = "direct"
    reference = "Georganas et al. 2018, section II (the register blocks; the memory order is this package's own)"
    error_bound = 3.0

    def unsupported(self, geometry):
        if numba.config.DISABLE_JIT:
            return "numba's compiler is switched off (NUMBA_DISABLE_JIT)"
        return None

    def cost(self, geometry):
        g, channels = geometry, geometry.out_channels // geometry.groups
        block, lanes = block_size(channels), 64 // np.dtype(g.dtype).itemsize
        vectors = g.out_size[0] * -(-g.out_size[1] * g.batch // lanes)
        taps = g.in_channels // g.groups * g.kernel[0] * g.kernel[1]
        products = g.groups * -(-channels // block) * (block + 1) * vectors * taps          # as in `block_size`
        copied = 0 if g.stride[1] == 1 and g.padding[1] == (0, 0) else math.prod(g.in_shape)
        weights = math.prod(g.weight_shape)
        packed = weights / (1e9 if weights < 100_000 else 3e8)          # in the cache, or not
        return 40e-6 + products / 3.7e9 + copied / 2e9 + packed + math.prod(g.out_shape) / 4e9

    def forward(self, x, weight, bias, geometry, relu=False):
        x, g = to_batch_last(x), geometry
        if g.padding_mode == "circular" or not np.isfinite(weight).all():
            x, g = pad(x, g), g.padded_form        # the definition multiplies inf by the zeros of the padding too
        x, rows = split_columns(x, g), g.input_rows
        taps = split_taps(x, g)
        grouped = weight.reshape(g.groups, -1, *weight.shape[1:])       # (G, K / G, C / G, kh, kw)
        bias = np.zeros(g.out_channels, x.dtype) if bias is None else bias
        out = correlate(x, grouped, bias, rows, taps, g.out_size[1] * g.batch, relu)
        out = out.reshape(g.out_channels, *g.out_size, g.batch)
        return to_batch_first(out), (x, rows, taps, grouped, out if relu else None, g, geometry)

    def backward(self, grad, saved, needs):
        x, rows, taps, grouped, out, g, geometry = saved
        grad = to_batch_last(grad)
        grad_input = grad_weight = grad_bias = None
        if out is not None:
            grad, grad_bias = gate(grad, out)
        if needs[0]:
            spread, zero = spread_columns(grad, g), np.zeros(g.in_channels, x.dtype)
            grad_input = correlate(spread, grouped.swapaxes(1, 2), zero, g.output_rows, spread_taps(spread, g),
                                   g.width * g.batch).reshape(g.in_channels, g.height, g.width, g.batch)
            if g != geometry:
                grad_input = unpad(grad_input, geometry)
            grad_input = to_batch_first(grad_input)
        if needs[1]:
            grad_weight = multiply(grad, x, g, rows, taps)
        if needs[2] and out is None:
            grad_bias = grad.sum((1, 2, 3))
        return grad_input, grad_weight, grad_bias if needs[2] else None
