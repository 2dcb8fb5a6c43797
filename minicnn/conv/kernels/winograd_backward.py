"""The compiled kernels of `winograd`, backward: the adjoint of the forward steps on the same tiles, in reverse order.

    dM = A dy AT        dU[f] = sum of dM[f] V[f]^T over images and tiles        dweight = G^T dU G
                        dV[f] = U[f]^T dM[f]                                     dx = the overlapping sum of B dV BT

Notation, memory order and `sizes` as in `winograd_kernels`. V is computed again: to keep it, the forward pass would
write several times the input to memory.
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
    add_up,
    call,
    column,
    compiled,
    compiled_block,
    load_tile,
    loads,
    splats,
    store_column,
    store_tile,
    transpose,
    where_positive,
    zeros,
)
from .winograd_forward import SIZES, half_transform, pixels

# Parts of the backward kernel, inlined; each ends with where it reads from and writes to in the scratch memory.

@njit(inline="always")
def half_transform_gradient(bits, lanes, m, r, n, dy, y, rectify, at, size, step, row, columns, total, scratch, to):
    """to[i, j] = A times the m pixels of dy from `row` on of column j; returns total + the sum of these pixels.

    Pixels count where y is positive, if `rectify`.
    """
    height, length = size
    for j in range(columns * m):
        if j < length:
            tile = pixels(bits, m, dy, at + j * step[1], step[0], row, height)
            if rectify:
                tile = where_positive(pixels(bits, m, y, at + j * step[1], step[0], row, height), tile)
            total = add_up(total, tile)
            store_column(transform("A", m, r, tile), 0, scratch, to + j * lanes, columns * m * lanes)
        else:
            store_column(zeros(bits, n, 1), 0, scratch, to + j * lanes, columns * m * lanes)
    return total


@functools.cache
def weight_block(bits, rows, columns):
    """Address of: du[c, k] += sum over tiles and images of v[c] m[k], for one frequency, all channels, in blocks.

    The sum runs over lanes, so dM is transposed first: T[tile, image, k], with output channels in the lanes. The input
    channels C are a multiple of `rows` and the output channels K one of `columns` vectors.
    """
    lanes = VECTOR[bits].lanes

    def add_products(C, K, tiles, du, to, scratch, v, m, wide, T):
        for t in range(tiles):
            for k in range(0, K, lanes):
                tile = column(bits, lanes, scratch, m + (k * wide + t) * lanes, wide * lanes)
                store_column(transpose(tile), 0, scratch, T + t * lanes * K + k, K)
        for c in range(0, C, rows):
            for k in range(0, K, columns * lanes):
                tile = zeros(bits, rows, columns)
                for p in range(tiles * lanes):
                    tile = add_outer(tile, splats(bits, rows, scratch, v + c * tiles * lanes + p, tiles * lanes),
                                     loads(bits, columns, scratch, T + p * K + k, None))
                tile = add(tile, load_tile(bits, rows, columns, du, to + c * K + k, K))
                store_tile(tile, columns, du, to + c * K + k, K, rows, None)

    return compiled_block(10, add_products)


@njit(inline="always")
def store_rows(bits, lanes, n, shared, scratch, spare, row, height, is_first, dx, at, step, edge, edge_at, edge_step,
               edge_rows):
    """The n pixels at `spare`, stored one by one: rows outside of the image are left out, the first `edge_rows` go to
    `edge`, and the `shared` ones that the tile above has written, unless this `is_first`, are added to."""
    for i in range(n):
        if 0 <= row + i < height:
            pixel = column(bits, 1, scratch, spare + i * lanes, lanes)
            target, place = dx, at + (row + i) * step
            if i < edge_rows:
                target, place = edge, edge_at + i * edge_step
            if i < shared and not is_first:
                store_column(pixel, 1, target, place, lanes)
            else:
                store_column(pixel, 0, target, place, lanes)


@functools.cache
def backward_kernel(bits, m, r):
    """dx, dU and the gradient of the bias, for the cotangent `dy` (which counts where `y` is positive, if `rectify`).

    u: (f, C / c_block, K, c_block). du: (job, f, C, K), C padded to a multiple of u_block, and K to one of k_block
    vectors. db: (job, K, lane). `needs_x` and `needs_w` say what is wanted besides db. `multiply` is a `product_block`
    of c_block x t_block, `add_products` a `weight_block` of u_block x k_block.

    The tiles of 16 images are cut into `strips` of rows, and a job is some strips. A strip overlaps the one above in
    dx: the r - 1 rows that they share go to `edges` (16 images, strip, C, r - 1, W, lane). One row of tiles at a time
    is transformed in one direction; then one row of their frequencies at a time is held: V, dM, dV, dM transposed.
    """
    lanes, n, shared = VECTOR[bits].lanes, m + r - 1, r - 1

    def backward(start, stop, x, dy, y, u, dx, edges, du, db, scratch, rectify, needs_x, needs_w, multiply, c_block,
                 t_block, add_products, u_block, k_block, strips, jobs, sizes):
        C, H, W, N, K, OH, OW, top, left, pitch = sizes
        rows, columns = -(-OH // m), -(-OW // m)
        width, wide, c_blocks = (columns - 1) * pitch + n, -(-columns // t_block) * t_block, -(-C // c_block)
        padded_c, padded_k = -(-C // u_block) * u_block, -(-K // (k_block * lanes)) * k_block * lanes
        x_half = n * lanes                              # before it, one column of a tile
        y_half = x_half + C * n * width * lanes
        d_half = y_half + K * n * columns * m * lanes
        V = d_half + C * n * width * lanes
        M = V + n * padded_c * columns * lanes
        D = M + n * padded_k * wide * lanes
        T = D + n * c_blocks * c_block * wide * lanes
        v_step, m_step, d_step = padded_c * columns * lanes, padded_k * wide * lanes, c_blocks * c_block * wide * lanes
        x_size, x_step, y_size, y_step = (H, W), (W * N, N), (OH, OW), (OW * N, N)
        for at in range(V, D, lanes):                   # the channels beyond C and K stay 0
            store_column(zeros(bits, 1, 1), 0, scratch, at, lanes)
        for job in range(start, stop):
            if needs_w:
                for at in range(job * n * n * padded_c * padded_k, (job + 1) * n * n * padded_c * padded_k, lanes):
                    store_column(zeros(bits, 1, 1), 0, du, at, lanes)
            for at in range(job * K * lanes, (job + 1) * K * lanes, lanes):
                store_column(zeros(bits, 1, 1), 0, db, at, lanes)
            units = N // lanes * strips
            for unit in range(job * units // jobs, (job + 1) * units // jobs):
                n0, strip = unit // strips * lanes, unit % strips
                top_row = strip * rows // strips
                for ty in range(top_row, (strip + 1) * rows // strips):
                    if needs_w:
                        for c in range(C):
                            half_transform(bits, lanes, n, m, r, x, c * H * W * N + n0, x_size, x_step, ty * m - top,
                                           left, width, scratch, x_half + c * n * width * lanes)
                    for k in range(K):
                        total = column(bits, 1, db, (job * K + k) * lanes, lanes)
                        total = half_transform_gradient(
                            bits, lanes, m, r, n, dy, y, rectify, k * OH * OW * N + n0, y_size, y_step, ty * m, columns,
                            total, scratch, y_half + k * n * columns * m * lanes)
                        store_column(total, 0, db, (job * K + k) * lanes, lanes)
                    for i in range(n):
                        for k in range(K):
                            for t in range(columns):
                                tile = column(bits, m, scratch, y_half + ((k * n + i) * columns + t) * m * lanes, lanes)
                                store_column(transform("A", m, r, tile), 0, scratch, M + (k * wide + t) * lanes, m_step)
                        if needs_w:
                            for c in range(C):
                                for t in range(columns):
                                    at = x_half + ((c * n + i) * width + t * pitch) * lanes
                                    tile = column(bits, n, scratch, at, lanes)
                                    store_column(transform("BT", m, r, tile), 0,
                                                 scratch, V + (c * columns + t) * lanes, v_step)
                            for j in range(n):
                                call(add_products, (padded_c, padded_k, columns, du,
                                                    (job * n * n + i * n + j) * padded_c * padded_k,
                                                    scratch, V + j * v_step, M + j * m_step, wide, T))
                        if needs_x:
                            for j in range(n):
                                for b in range(c_blocks):
                                    for t in range(0, columns, t_block):
                                        to = D + j * d_step + (b * c_block * wide + t) * lanes
                                        call(multiply, (u, ((i * n + j) * c_blocks + b) * K * c_block, scratch,
                                                        M + j * m_step + t * lanes, wide * lanes, K, to, wide * lanes))
                            for c in range(C):
                                for t in range(columns):
                                    tile = column(bits, n, scratch, D + (c * wide + t) * lanes, d_step)
                                    tile = transform("B", m, r, tile)
                                    to = d_half + ((c * n + i) * width + t * pitch) * lanes
                                    if t and pitch < n:
                                        store_column(tile, shared, scratch, to, lanes)
                                    else:
                                        store_column(tile, 0, scratch, to, lanes)
                    if needs_x:
                        row, below = ty * m - top, (ty - top_row) * m
                        edge_rows = max(shared - below, 0) if strip else 0
                        for c in range(C):
                            for j in range(left, min(left + W, width)):
                                tile = column(bits, n, scratch, d_half + (c * n * width + j) * lanes, width * lanes)
                                tile = transform("B", m, r, tile)
                                at = (c * H * W + j - left) * N + n0
                                if row < 0 or row + n > H or edge_rows:
                                    store_column(tile, 0, scratch, 0, lanes)
                                    store_rows(bits, lanes, n, shared, scratch, 0, row, H, ty == top_row, dx, at, W * N,
                                               edges, (((unit * C + c) * shared + below) * W + j - left) * lanes,
                                               W * lanes, edge_rows)
                                elif ty > top_row:
                                    store_column(tile, shared, dx, at + row * W * N, W * N)
                                else:
                                    store_column(tile, 0, dx, at + row * W * N, W * N)

    return compiled(types.void(*[INT] * 11, *[types.boolean] * 3, *[INT] * 8, SIZES), backward)


def backward_scratch(m, r, pitch, c_block, t_block, u_block, k_block, lanes, C, K, columns):
    """Vectors of scratch memory that a thread of the backward kernel needs."""
    n, wide = m + r - 1, -(-columns // t_block) * t_block
    width = (columns - 1) * pitch + n
    c_padded, u_padded = -(-C // c_block) * c_block, -(-C // u_block) * u_block
    padded_k = -(-K // (k_block * lanes)) * k_block * lanes
    return (n + C * n * width * 2 + K * n * columns * m + n * (u_padded * columns + padded_k * wide + c_padded * wide)
            + columns * padded_k)


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
