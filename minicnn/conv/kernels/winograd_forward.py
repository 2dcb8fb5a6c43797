"""The compiled kernels of `winograd`, forward: a convolution F(m x m, r x r) on tiles of n x n pixels.

Writing AT, G, BT for the matrices of `cook_toom` and f for the n x n frequencies of a tile:

    U = G weight G^T        V = BT x B        M[f] = U[f] V[f]        y = AT M A + bias

Arrays lie in the order (C, H, W, N) and N is a multiple of the lanes of a vector: a vector holds one pixel of 16 images
(of 8 in float64). V and M never leave the cache. Arrays come as addresses; `sizes` is C, H, W, N, K, OH, OW, the
padding at the top and left, and the pitch: how many pixels of x a tile lies from the one before, m or, where tiles do
not overlap, n.
"""

from __future__ import annotations

import functools

from numba import njit, types

from .cook_toom_transform import transform
from .simd import (
    INT,
    VECTOR,
    add,
    add_outer,
    add_rows,
    call,
    column,
    column_within,
    compiled,
    compiled_block,
    load_tile,
    loads,
    relu,
    splats,
    store_column,
    store_tile,
    store_within,
    zeros,
)

CHAIN = 64                      # products that are summed one by one; a longer sum is made of such sums
SIZES = types.int64[::1]


# Parts of the kernels, inlined. `bits`, `m`, `r` and the numbers of rows and columns are constants of the machine code.

@njit(inline="always")
def pixels(bits, n, image, at, step, row, height):
    """n pixels down a column of an image from `row` on, zeros above and below it."""
    if row >= 0 and row + n <= height:
        found = column(bits, n, image, at + row * step, step)
    else:
        found = column_within(bits, n, image, at, step, row, height)
    return found


@njit(inline="always")
def half_transform(bits, lanes, n, m, r, x, at, size, step, row, left, width, scratch, to):
    """to[i, j] = BT times the n pixels from `row` on of column j - left of the image, for all frequencies i."""
    height, length = size
    for j in range(width):
        if 0 <= j - left < length:
            tile = pixels(bits, n, x, at + (j - left) * step[1], step[0], row, height)
            store_column(transform("BT", m, r, tile), 0, scratch, to + j * lanes, width * lanes)
        else:
            store_column(zeros(bits, n, 1), 0, scratch, to + j * lanes, width * lanes)


@functools.cache
def product_block(bits, rows, columns):
    """Address of: to[a, t] = sum over c of u[c, a] v[c, t] for a block of rows x columns vectors, held in registers."""
    def multiply(u, at, scratch, v, v_step, count, to, to_step):
        for first in range(0, count, CHAIN):
            tile = zeros(bits, rows, columns)
            for c in range(first, min(first + CHAIN, count)):
                tile = add_outer(tile, splats(bits, rows, u, at + c * rows, 1),
                                 loads(bits, columns, scratch, v + c * v_step, None))
            if first:
                tile = add(tile, load_tile(bits, rows, columns, scratch, to, to_step))
            store_tile(tile, columns, scratch, to, to_step, rows, None)

    return compiled_block(8, multiply)


@functools.cache
def forward_kernel(bits, m, r):
    """y = conv(x, weight) + bias, then its ReLU if `rectify`. u: (f, K / k_block, C, k_block).

    A job is 16 images, t_block tiles in a row, and all channels. `multiply` is a `product_block` of k_block x t_block.
    Scratch: `forward_scratch` vectors.
    """
    lanes, n = VECTOR[bits].lanes, m + r - 1

    def forward(start, stop, x, u, bias, y, scratch, rectify, multiply, k_block, t_block, sizes):
        C, H, W, N, K, OH, OW, top, left, pitch = sizes
        block, width = k_block * t_block, (t_block - 1) * pitch + n
        rows, columns = -(-OH // m), -(-OW // m)
        t_blocks, k_blocks = -(-columns // t_block), -(-K // k_block)
        v_step = (C * t_block + 1) * lanes              # one more: a power of two would fill few sets of the cache
        V = n * width * lanes                           # before it: a row of tiles, transformed in one direction
        M = V + n * n * v_step
        for job in range(start, stop):
            n0, ty, first = job // t_blocks // rows * lanes, job // t_blocks % rows, job % t_blocks * t_block
            for c in range(C):
                half_transform(bits, lanes, n, m, r, x, c * H * W * N + n0, (H, W), (W * N, N), ty * m - top,
                               left - first * pitch, width, scratch, 0)
                for t in range(t_block):
                    for i in range(n):
                        tile = column(bits, n, scratch, (i * width + t * pitch) * lanes, lanes)
                        store_column(transform("BT", m, r, tile), 0,
                                     scratch, V + i * n * v_step + (c * t_block + t) * lanes, v_step)
            for b in range(k_blocks):
                for f in range(n * n):
                    call(multiply, (u, (f * k_blocks + b) * C * k_block, scratch, V + f * v_step, t_block * lanes, C,
                                    M + f * block * lanes, t_block * lanes))
                for k in range(b * k_block, min((b + 1) * k_block, K)):
                    for t in range(min(t_block, columns - first)):
                        at = M + ((k - b * k_block) * t_block + t) * lanes
                        for i in range(n):
                            tile = column(bits, n, scratch, at + i * n * block * lanes, block * lanes)
                            store_column(transform("AT", m, r, tile), 0, scratch, i * m * lanes, lanes)
                        y_column = (first + t) * m
                        for j in range(min(m, OW - y_column)):
                            out = transform("AT", m, r, column(bits, n, scratch, j * lanes, m * lanes))
                            out = add_rows(out, splats(bits, 1, bias, k, 1))
                            if rectify:
                                out = relu(out)
                            to = (k * OH * OW + y_column + j) * N + n0
                            if ty * m + m <= OH:
                                store_column(out, 0, y, to + ty * m * OW * N, OW * N)
                            else:
                                store_within(out, y, to, OW * N, ty * m, OH)

    return compiled(types.void(*[INT] * 7, types.boolean, INT, INT, INT, SIZES), forward)


def forward_scratch(m, r, k_block, t_block, C):
    """Vectors of scratch memory that a thread of the forward kernel needs."""
    n = m + r - 1
    return n * (t_block * n + 1) + n * n * (C * t_block + 1) + n * n * k_block * t_block


@functools.cache
def weight_kernel(bits, m, r, block):
    """u[f, a / block, b, a % block] = (G w G^T)[f] for w = weight[a, b], or weight[b, a] if `swapped`; then zeros.

    A job is one block of a. `planes`: the weights of a block, (r r, b, a % block).
    """
    lanes, n, taps = VECTOR[bits].lanes, m + r - 1, r * r

    def transform_weight(start, stop, weight, u, swapped, planes, half):
        a_size, b_size = (weight.shape[1], weight.shape[0]) if swapped else weight.shape[:2]
        blocks, plane = -(-a_size // block), b_size * block
        for job in range(start, stop):
            for b in range(b_size):
                for k in range(block):
                    a = job * block + k
                    for q in range(taps):
                        value = weight.dtype.type(0)
                        if a < a_size:
                            value = weight[b, a, q] if swapped else weight[a, b, q]
                        planes[q, b * block + k] = value
            for p in range(0, plane, lanes):
                for j in range(r):
                    tile = column(bits, r, planes.ctypes.data, j * planes.shape[1] + p, r * planes.shape[1])
                    store_column(transform("G", m, r, tile), 0, half.ctypes.data, j * lanes, r * lanes)
                for i in range(n):
                    tile = transform("G", m, r, column(bits, r, half.ctypes.data, i * r * lanes, lanes))
                    store_tile(tile, 1, u, (i * n * blocks + job) * plane + p, blocks * plane, n, plane - p)

    element = types.Float(f"float{bits}")
    return compiled(types.void(INT, INT, types.Array(element, 3, "C", readonly=True), INT, types.boolean,
                               element[:, ::1], element[::1]), transform_weight)
