"""The compiled kernels of `winograd`: a convolution F(m x m, r x r) and its adjoint, on tiles of n x n pixels.

Arrays lie in the order (C, H, W, N) and N is a multiple of the lanes of a vector: a vector holds one pixel of 16 images
(of 8 in float64). Writing AT, G, BT for the matrices of `cook_toom` and f for the n x n frequencies of a tile:

    forward         V = BT x BT^T     M[f] = U[f] V[f]                    y = AT M AT^T + bias
    backward        dM = AT^T dy AT   dU[f] = sum of dM[f] V[f]^T over images and tiles
                                      dV[f] = U[f]^T dM[f]                dx = the overlapping sum of BT^T dV BT

U = G weight G^T and dweight = G^T dU G are matrix products outside. V, M, dM and dV never leave the cache: a job of the
forward kernel is a few tiles in a row; the backward kernel goes from one row of tiles to the next and holds one row of
their frequencies at a time. Arrays come as addresses. `sizes` is C, H, W, N, K, OH, OW and the padding (top, left).
"""

from __future__ import annotations

import functools

from numba import njit, types
from numba.extending import intrinsic

from .cook_toom import cook_toom
from .simd import (INT, VECTOR, add, add_outer, add_rows, add_up, column, column_within, compiled, linear_map,
                   load_tile, loads, relu, splats, store_column, store_tile, store_within, transpose, where_positive,
                   zeros)

CHAIN = 64                      # products that are summed one by one; a longer sum is made of such sums
SIZES = types.int64[::1]


@intrinsic(prefer_literal=True)
def transform(typing, name, m, r, tile):
    """The matrix of F(m, r) called "AT", "G" or "BT", or its transpose "A", "GT" or "B", times the vectors of the tile."""
    AT, G, BT = cook_toom(m.literal_value, r.literal_value)
    turned = {name: list(zip(*matrix, strict=True)) for name, matrix in (("A", AT), ("GT", G), ("B", BT))}
    matrix = ({"AT": AT, "G": G, "BT": BT} | turned)[name.literal_value]
    result = types.UniTuple(tile.dtype, len(matrix))

    def generate(context, b, signature, arguments):
        vectors = [b.extract_value(arguments[-1], i) for i in range(tile.count)]
        return context.make_tuple(b, result, linear_map(b, tile.dtype, matrix, vectors))
    return result(name, m, r, tile), generate


# Parts of both kernels. They are inlined; `bits` and the numbers of rows and columns are constants of machine code.

@njit(inline="always")
def pixels(bits, n, image, at, step, row, height):
    """n pixels down a column of an image from `row` on, zeros above and below it."""
    if row >= 0 and row + n <= height:
        found = column(bits, n, image, at + row * step, step)
    else:
        found = column_within(bits, n, image, at, step, row, height)
    return found


@njit(inline="always")
def multiply(bits, rows, columns, u, at, scratch, v, v_step, count, to, to_step):
    """to[a, t] = sum over c of u[c, a] v[c, t] for a block of rows x columns vectors, held in registers."""
    for first in range(0, count, CHAIN):
        tile = zeros(bits, rows, columns)
        for c in range(first, min(first + CHAIN, count)):
            tile = add_outer(tile, splats(bits, rows, u, at + c * rows, 1),
                             loads(bits, columns, scratch, v + c * v_step, None))
        if first:
            tile = add(tile, load_tile(bits, rows, columns, scratch, to, to_step))
        store_tile(tile, columns, scratch, to, to_step, rows, None)


@functools.cache
def forward_kernel(bits, m, r, k_block, t_block):
    """y = conv(x, weight) + bias, then its ReLU if `rectify`. u: (f, K / k_block, C, k_block).

    A job is 16 images, t_block tiles in a row, and all channels. Scratch: `forward_scratch` vectors.
    """
    lanes, n, block = VECTOR[bits].lanes, m + r - 1, k_block * t_block
    width = t_block * m + r - 1

    def forward(start, stop, x, u, bias, y, scratch, rectify, sizes):
        C, H, W, N, K, OH, OW, top, left = sizes
        rows, columns = -(-OH // m), -(-OW // m)
        t_blocks, k_blocks = -(-columns // t_block), -(-K // k_block)
        v_step = (C * t_block + 1) * lanes              # one more: a power of two would fill few sets of the cache
        V = n * width * lanes                           # before it: a row of tiles, transformed in one direction
        M = V + n * n * v_step
        for job in range(start, stop):
            n0, ty, first = job // t_blocks // rows * lanes, job // t_blocks % rows, job % t_blocks * t_block
            for c in range(C):
                for j in range(width):
                    x_column = first * m + j - left
                    if 0 <= x_column < W:
                        tile = pixels(bits, n, x, (c * H * W + x_column) * N + n0, W * N, ty * m - top, H)
                        store_column(transform("BT", m, r, tile), 0, scratch, j * lanes, width * lanes)
                    else:
                        store_column(zeros(bits, n, 1), 0, scratch, j * lanes, width * lanes)
                for t in range(t_block):
                    for i in range(n):
                        tile = column(bits, n, scratch, (i * width + t * m) * lanes, lanes)
                        store_column(transform("BT", m, r, tile), 0,
                                     scratch, V + i * n * v_step + (c * t_block + t) * lanes, v_step)
            for b in range(k_blocks):
                for f in range(n * n):
                    multiply(bits, k_block, t_block, u, (f * k_blocks + b) * C * k_block, scratch, V + f * v_step,
                             t_block * lanes, C, M + f * block * lanes, t_block * lanes)
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

    return compiled(types.void(*[INT] * 7, types.boolean, SIZES), forward)


def forward_scratch(m, r, k_block, t_block, C):
    n = m + r - 1
    return n * (t_block * m + n) + n * n * (C * t_block + 1) + n * n * k_block * t_block


@functools.cache
def backward_kernel(bits, m, r, c_block, t_block, u_block, k_block):
    """dx, dU and the bias's gradient, for the cotangent `dy` (which counts where `y` is positive, if `rectify`).

    u: (f, C / c_block, K, c_block). du: (job, f, C, K), C padded to a multiple of u_block and K to one of k_block
    vectors; db: (job, K, lane).

    16 images are cut into strips of some rows of tiles, and a job is some strips. Where strips overlap in dx, the r - 1
    rows that a strip shares with the one above go to `edges` (16 images, strip, C, r - 1, W, lane). `needs_x` and
    `needs_w` say what is wanted.
    """
    lanes, n, shared = VECTOR[bits].lanes, m + r - 1, r - 1

    def backward(start, stop, x, dy, y, u, dx, edges, du, db, scratch, rectify, needs_x, needs_w, strips, jobs, sizes):
        C, H, W, N, K, OH, OW, top, left = sizes
        rows, columns = -(-OH // m), -(-OW // m)
        units = N // lanes * strips
        c_blocks, wide = -(-C // c_block), -(-columns // t_block) * t_block
        CP, KP = -(-C // u_block) * u_block, -(-K // (k_block * lanes)) * k_block * lanes
        CD = c_blocks * c_block
        width = columns * m + shared
        x_half = n * lanes                              # transformed in one direction: x, dy and dx; before it, a spare
        y_half = x_half + C * n * width * lanes
        d_half = y_half + K * n * columns * m * lanes
        V = d_half + C * n * width * lanes              # one row of frequencies: V, dM, dV
        M = V + n * CP * columns * lanes
        D = M + n * KP * wide * lanes
        T = D + n * CD * wide * lanes                   # dM of one frequency, output channels running over the lanes
        for at in range(V, D, lanes):                   # the channels beyond C and K stay 0
            store_column(zeros(bits, 1, 1), 0, scratch, at, lanes)
        for job in range(start, stop):
            if needs_w:
                for at in range(job * n * n * CP * KP, (job + 1) * n * n * CP * KP, lanes):
                    store_column(zeros(bits, 1, 1), 0, du, at, lanes)
            for at in range(job * K * lanes, (job + 1) * K * lanes, lanes):
                store_column(zeros(bits, 1, 1), 0, db, at, lanes)
            for unit in range(job * units // jobs, (job + 1) * units // jobs):
                n0, strip = unit // strips * lanes, unit % strips
                first = strip * rows // strips
                for ty in range(first, (strip + 1) * rows // strips):
                    if needs_w:
                        for c in range(C):
                            for j in range(width):
                                to = x_half + (c * n * width + j) * lanes
                                if 0 <= j - left < W:
                                    tile = pixels(bits, n, x, (c * H * W + j - left) * N + n0, W * N, ty * m - top, H)
                                    store_column(transform("BT", m, r, tile), 0, scratch, to, width * lanes)
                                else:
                                    store_column(zeros(bits, n, 1), 0, scratch, to, width * lanes)
                    for k in range(K):
                        total = column(bits, 1, db, (job * K + k) * lanes, lanes)
                        for j in range(columns * m):
                            to = y_half + (k * n * columns * m + j) * lanes
                            if j < OW:
                                at = (k * OH * OW + j) * N + n0
                                tile = pixels(bits, m, dy, at, OW * N, ty * m, OH)
                                if rectify:
                                    tile = where_positive(pixels(bits, m, y, at, OW * N, ty * m, OH), tile)
                                total = add_up(total, tile)
                                store_column(transform("A", m, r, tile), 0, scratch, to, columns * m * lanes)
                            else:
                                store_column(zeros(bits, n, 1), 0, scratch, to, columns * m * lanes)
                        store_column(total, 0, db, (job * K + k) * lanes, lanes)
                    for i in range(n):
                        for k in range(K):
                            for t in range(columns):
                                at = y_half + ((k * n + i) * columns + t) * m * lanes
                                store_column(transform("A", m, r, column(bits, m, scratch, at, lanes)), 0,
                                             scratch, M + (k * wide + t) * lanes, KP * wide * lanes)
                        if needs_w:
                            for c in range(C):
                                for t in range(columns):
                                    at = x_half + ((c * n + i) * width + t * m) * lanes
                                    store_column(transform("BT", m, r, column(bits, n, scratch, at, lanes)), 0,
                                                 scratch, V + (c * columns + t) * lanes, CP * columns * lanes)
                            for j in range(n):
                                for t in range(columns):
                                    for k in range(0, KP, lanes):
                                        at = M + ((j * KP + k) * wide + t) * lanes
                                        store_column(transpose(column(bits, lanes, scratch, at, wide * lanes)), 0,
                                                     scratch, T + t * lanes * KP + k, KP)
                                for c in range(0, C, u_block):
                                    for k in range(0, KP, k_block * lanes):
                                        tile = zeros(bits, u_block, k_block)
                                        at = V + (j * CP + c) * columns * lanes
                                        for p in range(columns * lanes):
                                            tile = add_outer(tile, splats(bits, u_block, scratch, at + p,
                                                                          columns * lanes),
                                                             loads(bits, k_block, scratch, T + p * KP + k, None))
                                        at = ((job * n * n + i * n + j) * CP + c) * KP + k
                                        tile = add(tile, load_tile(bits, u_block, k_block, du, at, KP))
                                        store_tile(tile, k_block, du, at, KP, u_block, None)
                        if needs_x:
                            for j in range(n):
                                for b in range(c_blocks):
                                    for t in range(0, columns, t_block):
                                        multiply(bits, c_block, t_block, u, ((i * n + j) * c_blocks + b) * K * c_block,
                                                 scratch, M + (j * KP * wide + t) * lanes, wide * lanes, K,
                                                 D + ((j * CD + b * c_block) * wide + t) * lanes, wide * lanes)
                            for c in range(C):
                                for t in range(columns):
                                    at = D + (c * wide + t) * lanes
                                    tile = transform("B", m, r, column(bits, n, scratch, at, CD * wide * lanes))
                                    to = d_half + ((c * n + i) * width + t * m) * lanes
                                    if t:
                                        store_column(tile, shared, scratch, to, lanes)
                                    else:
                                        store_column(tile, 0, scratch, to, lanes)
                    if needs_x:
                        row = ty * m - top
                        for c in range(C):
                            for j in range(max(left, 0), min(left + W, width)):
                                at = d_half + (c * n * width + j) * lanes
                                tile = transform("B", m, r, column(bits, n, scratch, at, width * lanes))
                                to = (c * H * W + j - left) * N + n0
                                if row < 0 or row + n > H or (strip and (ty - first) * m < shared):
                                    store_column(tile, 0, scratch, 0, lanes)
                                    for i in range(n):
                                        if 0 <= row + i < H:
                                            e = (ty - first) * m + i
                                            ours = strip == 0 or e >= shared
                                            pixel = column(bits, 1, scratch, i * lanes, lanes)
                                            if ours:
                                                target, at = dx, to + (row + i) * W * N
                                            else:
                                                target, at = edges, (((unit * C + c) * shared + e) * W + j - left) * lanes
                                            if ty > first and i < shared:
                                                store_column(pixel, 1, target, at, lanes)
                                            else:
                                                store_column(pixel, 0, target, at, lanes)
                                elif ty > first:
                                    store_column(tile, shared, dx, to + row * W * N, W * N)
                                else:
                                    store_column(tile, 0, dx, to + row * W * N, W * N)

    return compiled(types.void(*[INT] * 11, *[types.boolean] * 3, INT, INT, SIZES), backward)


def backward_scratch(m, r, c_block, t_block, u_block, k_block, lanes, C, K, columns):
    n = m + r - 1
    width, wide = columns * m + r - 1, -(-columns // t_block) * t_block
    CP, KP, CD = -(-C // u_block) * u_block, -(-K // (k_block * lanes)) * k_block * lanes, -(-C // c_block) * c_block
    return (n + C * n * width * 2 + K * n * columns * m + n * CP * columns + n * KP * wide + n * CD * wide
            + columns * KP)


@functools.cache
def weight_kernel(bits, m, r, block):
    """u[f, a / block, b, a % block] = (G w G^T)[f], w = weight[a, b], or weight[b, a] if `swapped`; zeros beyond the last a.

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


@functools.cache
def weight_gradient_kernel(bits, m, r):
    """out[k, c] = G^T (sum over jobs of du[job, f, c, k]) G. A job of this kernel is one c."""
    lanes, n, taps = VECTOR[bits].lanes, m + r - 1, r * r

    def transform_gradient(start, stop, du, jobs, padded_c, padded_k, out, spectrum, half, result):
        K, C = out.shape[:2]
        for c in range(start, stop):
            for k in range(0, K, lanes):
                for f in range(n * n):
                    tile = zeros(bits, 1, 1)
                    for job in range(jobs):
                        tile = add(tile, column(bits, 1, du, ((job * n * n + f) * padded_c + c) * padded_k + k, 0))
                    store_column(tile, 0, spectrum.ctypes.data, f * lanes, lanes)
                for j in range(n):
                    tile = transform("GT", m, r, column(bits, n, spectrum.ctypes.data, j * lanes, n * lanes))
                    store_column(tile, 0, half.ctypes.data, j * lanes, n * lanes)
                for i in range(r):
                    tile = transform("GT", m, r, column(bits, n, half.ctypes.data, i * n * lanes, lanes))
                    store_column(tile, 0, result.ctypes.data, i * r * lanes, lanes)
                for lane in range(min(lanes, K - k)):
                    for q in range(taps):
                        out[k + lane, c, q] = result[q * lanes + lane]

    element = types.Float(f"float{bits}")
    return compiled(types.void(*[INT] * 6, element[:, :, ::1], *[element[::1]] * 3), transform_gradient)
