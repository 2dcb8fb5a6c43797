"""The four steps of `winograd_backward`, as functions that are inlined into its kernel, and their arguments.

A step handles one row of tiles of a group of vectors of images: the tiles (ty, t) of the images from n0 on. Row i of
the frequencies is f = (i, j) for all j. `winograd_backward` has the formulas, the `__init__` of this folder the
notation.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

from numba import njit

from .compile import call, compiled_block
from .cook_toom_transform import Filtering, transform
from .numbers import prefetch
from .simd import (
    add,
    add_products,
    add_up,
    column,
    load_tile,
    loads,
    store_column,
    store_tile,
    transpose,
    where_positive,
    zeros,
)
from .vector import VECTOR
from .winograd_forward import Products, Sizes, multiply_row, pixels, transform_down


class BackwardBlocks(NamedTuple):
    """The register blocks of the products of the backward pass."""

    c: int              # input channels of a block of dV
    t: int              # vectors of a block of dV: tiles side by side, each with `group` vectors of images
    u: int              # input channels of a block of dU
    k: int              # vectors of output channels of a block of dU
    group: int          # vectors of images of a job


class BackwardArrays(NamedTuple):
    """The addresses of the arrays of `backward_kernel`."""

    x: int              # (C, H, W, N)
    dy: int             # (K, OH, OW, N)
    y: int              # (K, OH, OW, N), read only if `rectify`
    u: int              # (f, C / c, K, c) for blocks of c channels
    dx: int             # (C, H, W, N)
    du: int             # (unit, f, C, K), C and K padded to whole blocks
    db: int             # (unit, K, lane)


class BackwardPlaces(NamedTuple):
    """The places of the arrays in the scratch memory of `backward_kernel`, in numbers.

    The memory before x_half holds n vectors: the pixels that `store_rows` stores.
    """

    x_half: int         # (C, n, width, group) vectors: BT x
    y_half: int         # (K, n, columns m, group) vectors: A dy
    d_half: int         # the same place: dV BT of a row of frequencies takes the place of BT x, which is used no more
    V: int              # (n, padded_c, columns, group) vectors: V of one row of frequencies
    M: int              # (n, padded_k, columns, group) vectors: dM of one row of frequencies
    D: int              # (n, C padded to whole blocks, columns, group) vectors: dV of one row of frequencies
    T: int              # (columns, group, lane, padded_k) numbers: dM of one frequency, transposed
    end: int
    v_step: int         # from one frequency of V to the next
    m_step: int         # from one frequency of M to the next
    d_step: int         # from one frequency of D to the next
    width: int          # pixel columns of a row of tiles
    vectors: int        # of a row of tiles: columns x group
    padded_c: int       # channels of V and dU, a multiple of the block u
    padded_k: int       # channels of dM and dU, a multiple of the block k


class BackwardSetup(NamedTuple):
    """How `backward_kernel` divides its work, which results it computes, and the blocks that it calls."""

    units: int          # of images
    parts: int          # of the work for a unit: jobs
    rectify: int        # whether to set dy to 0 where y is 0
    needs_x: int        # whether dx is wanted
    needs_w: int        # whether dU is wanted
    add_products: int   # the address of a `weight_block` of u x k vectors


class BackwardTask(NamedTuple):
    """Everything that `backward_kernel` gets besides its range of jobs and its scratch memory."""

    arrays: BackwardArrays
    sizes: Sizes
    blocks: BackwardBlocks
    places: BackwardPlaces
    setup: BackwardSetup
    products: Products  # of c x t vectors


@functools.lru_cache(maxsize=1024)
def backward_places(F: Filtering, s: Sizes, blocks: BackwardBlocks) -> BackwardPlaces:
    """The places in scratch memory, for the kernel and for its caller. The caller allocates `end` numbers."""
    up = lambda size, step: -(-size // step) * step
    width, vectors, pixel = (s.columns - 1) * s.pitch + F.n, s.columns * blocks.group, blocks.group * F.lanes
    padded_c, padded_k = up(s.C, blocks.u), up(s.K, blocks.k * F.lanes)
    v_step, m_step, d_step = ((size * vectors + 1) * F.lanes        # + 1: as in `forward_places`
                              for size in (padded_c, padded_k, up(s.C, blocks.c)))
    x_half = F.n * F.lanes
    y_half = x_half + s.C * F.n * width * pixel
    V = y_half + s.K * F.n * s.columns * F.m * pixel
    M = V + F.n * v_step
    D = M + F.n * m_step
    T = D + F.n * d_step
    end = T + vectors * F.lanes * padded_k
    return BackwardPlaces(x_half, y_half, x_half, V, M, D, T, end, v_step, m_step, d_step, width, vectors, padded_c,
                          padded_k)


@njit(inline="always")
def clear(bits: int, lanes: int, base: int, start: int, stop: int) -> None:
    """Zeros from base[start] to base[stop - 1]."""
    for at in range(start, stop, lanes):
        store_column(zeros(bits, 1, 1), 0, base, at, lanes)


@njit(inline="always")
def share(count: int, part: int, end: int, parts: int) -> tuple[int, int]:
    """The range of `count` things that belongs to the parts from `part` to `end` - 1 of `parts` parts.

    >>> share(40, 1, 3, 16)
    (2, 7)
    """
    return part * count // parts, end * count // parts


# Step 1, the transforms.

@njit(inline="always")
def transform_cotangent_down(F: Filtering, arrays: BackwardArrays, s: Sizes, rectify: int, at: int, row: int,
                             group: int, scratch: int, to: int) -> Any:
    """to[i, j] = A times m pixels of dy[at], from `row` on in column j. Returns the sum of these pixels.

    dy[at] is the first of `group` vectors of images, and to[i, j] has as many vectors.

    With `rectify`, pixels at which y is 0 are 0.
    """
    length, total = s.columns * F.m, zeros(F.bits, 1, 1)
    for j in range(length):
        after = at + (s.OH * s.OW + row * s.OW + j) * s.N          # the next channel
        prefetch(F.bits, F.m, arrays.dy, after, s.OW * s.N, 0)
        if rectify:
            prefetch(F.bits, F.m, arrays.y, after, s.OW * s.N, 0)
        for v in range(group):
            here = to + (j * group + v) * F.lanes
            if j < s.OW:
                place = at + j * s.N + v * F.lanes
                tile = pixels(F.bits, F.m, arrays.dy, place, s.OW * s.N, row, s.OH)
                if rectify:
                    tile = where_positive(pixels(F.bits, F.m, arrays.y, place, s.OW * s.N, row, s.OH), tile)
                total = add_up(total, tile)
                store_column(transform("A", F, tile), 0, scratch, here, length * group * F.lanes)
            else:
                store_column(zeros(F.bits, F.n, 1), 0, scratch, here, length * group * F.lanes)
    return total


@njit(inline="always")
def transform_columns(F: Filtering, arrays: BackwardArrays, scratch: int, s: Sizes, places: BackwardPlaces,
                      setup: BackwardSetup, group: int, unit: int, needs_b: bool, n0: int, ty: int) -> None:
    """A dy of row ty of tiles of the images from n0 on, and BT x if dU is wanted; if `needs_b`, db += the sum of dy."""
    if setup.needs_w:
        for c in range(s.C):
            transform_down(F, arrays.x, c * s.H * s.W * s.N + n0, s, ty * F.m - s.top, s.left, places.width, group,
                           scratch, places.x_half + c * F.n * places.width * group * F.lanes)
    for k in range(s.K):
        to = places.y_half + k * F.n * s.columns * F.m * group * F.lanes
        total = transform_cotangent_down(F, arrays, s, setup.rectify, k * s.OH * s.OW * s.N + n0, ty * F.m, group,
                                         scratch, to)
        if needs_b:
            store_column(total, 1, arrays.db, (unit * s.K + k) * F.lanes, F.lanes)


@njit(inline="always")
def transform_cotangent_rows(F: Filtering, scratch: int, s: Sizes, places: BackwardPlaces, group: int, i: int) -> None:
    """dM = (A dy) AT: row i of the frequencies of dM, for all channels and a row of tiles."""
    for k in range(s.K):
        for t in range(s.columns):
            for v in range(group):
                at = places.y_half + (((k * F.n + i) * s.columns + t) * F.m * group + v) * F.lanes
                tile = column(F.bits, F.m, scratch, at, group * F.lanes)
                store_column(transform("A", F, tile), 0,
                             scratch, places.M + (k * places.vectors + t * group + v) * F.lanes, places.m_step)


@njit(inline="always")
def transform_image_rows(F: Filtering, scratch: int, s: Sizes, places: BackwardPlaces, group: int, i: int) -> None:
    """V = (BT x) B: row i of the frequencies of V, for all channels and a row of tiles."""
    for c in range(s.C):
        for t in range(s.columns):
            for v in range(group):
                at = places.x_half + (((c * F.n + i) * places.width + t * s.pitch) * group + v) * F.lanes
                tile = column(F.bits, F.n, scratch, at, group * F.lanes)
                store_column(transform("BT", F, tile), 0,
                             scratch, places.V + (c * places.vectors + t * group + v) * F.lanes, places.v_step)


# Step 2, the products for the weight.

@functools.cache
def weight_block(bits: int, rows: int, columns: int) -> Any:
    """The address of a block: du[c, k] += sum over tiles and images of v[c] m[k], for one frequency and all channels.

    There are `vectors` vectors of tiles and images.

    The images lie in the lanes, and the sum runs over images. Therefore dM is transposed first, to T[tile, image, k]
    with the output channels in the lanes. C is a multiple of `rows`, and K a multiple of `columns` vectors.
    """
    lanes = VECTOR[bits].lanes

    def accumulate(C, K, vectors, du, to, scratch, v, m, T):
        for t in range(vectors):
            for k in range(0, K, lanes):
                tile = column(bits, lanes, scratch, m + (k * vectors + t) * lanes, vectors * lanes)
                store_column(transpose(tile), 0, scratch, T + t * lanes * K + k, K)
        for c in range(0, C, rows):
            for k in range(0, K, columns * lanes):
                tile = zeros(bits, rows, columns)
                for p in range(vectors * lanes):
                    tile = add_products(tile, rows, scratch, v + c * vectors * lanes + p, vectors * lanes,
                                        loads(bits, columns, scratch, T + p * K + k, None))
                tile = add(tile, load_tile(bits, rows, columns, du, to + c * K + k, K))
                store_tile(tile, columns, du, to + c * K + k, K, rows, None)

    return compiled_block(9, accumulate)


@njit(inline="always")
def add_weight_products(F: Filtering, arrays: BackwardArrays, scratch: int, places: BackwardPlaces,
                        setup: BackwardSetup, unit: int, i: int, first: int, last: int) -> None:
    """dU[f] += dM[f] V[f]^T for the frequencies f = (i, j), first <= j < last, summed over a row of tiles."""
    size = places.padded_c * places.padded_k
    for j in range(first, last):
        call(setup.add_products, (places.padded_c, places.padded_k, places.vectors,
                                 arrays.du, ((unit * F.n + i) * F.n + j) * size,
                                 scratch, places.V + j * places.v_step, places.M + j * places.m_step,
                                 places.T))


# Step 3, the products for the input.

@njit(inline="always")
def multiply_input(F: Filtering, arrays: BackwardArrays, scratch: int, s: Sizes, blocks: BackwardBlocks,
                   places: BackwardPlaces, products: Products, channels: tuple[int, int], i: int) -> None:
    """dV[f] = U[f]^T dM[f] of a row of tiles, for row i of the frequencies f and the blocks of some channels."""
    c_blocks = -(-s.C // blocks.c)
    for j in range(F.n):
        for b in range(channels[0] // blocks.c, -(-channels[1] // blocks.c)):
            multiply_row(F.lanes, products, places.vectors, arrays.u,
                         ((i * F.n + j) * c_blocks + b) * s.K * blocks.c, scratch, places.M + j * places.m_step, s.K,
                         places.D + j * places.d_step + b * blocks.c * places.vectors * F.lanes)


@njit(inline="always")
def transform_input_rows(F: Filtering, scratch: int, s: Sizes, places: BackwardPlaces, group: int,
                         channels: tuple[int, int], i: int) -> None:
    """dV BT for row i of the frequencies of dV. The results are added where neighbouring tiles overlap."""
    for c in range(*channels):
        for t in range(s.columns):
            for v in range(group):
                at = places.D + (c * places.vectors + t * group + v) * F.lanes
                tile = transform("B", F, column(F.bits, F.n, scratch, at, places.d_step))
                to = places.d_half + (((c * F.n + i) * places.width + t * s.pitch) * group + v) * F.lanes
                if t and s.pitch < F.n:
                    store_column(tile, F.shared, scratch, to, group * F.lanes)
                else:
                    store_column(tile, 0, scratch, to, group * F.lanes)


# Step 4, the store.

@njit(inline="always")
def store_rows(F: Filtering, dx: int, scratch: int, s: Sizes, row: int, at: int, is_first: bool) -> None:
    """Store the n pixels that lie at the start of scratch memory in dx, without the rows outside of the image.

    The first r - 1 rows are added to the rows of the tile above, unless this tile `is_first`.
    """
    for i in range(F.n):
        if 0 <= row + i < s.H:
            pixel = column(F.bits, 1, scratch, i * F.lanes, F.lanes)
            if i < F.shared and not is_first:
                store_column(pixel, 1, dx, at + (row + i) * s.W * s.N, F.lanes)
            else:
                store_column(pixel, 0, dx, at + (row + i) * s.W * s.N, F.lanes)


@njit(inline="always")
def store_input(F: Filtering, arrays: BackwardArrays, scratch: int, s: Sizes, places: BackwardPlaces, group: int,
                channels: tuple[int, int], n0: int, ty: int) -> None:
    """dx += B (dV BT), for row ty of tiles and some channels."""
    row = ty * F.m - s.top
    for c in range(*channels):
        for j in range(s.left, min(s.left + s.W, places.width)):
            after = ((c + 1) * s.H * s.W + row * s.W + j - s.left) * s.N + n0
            prefetch(F.bits, F.n, arrays.dx, after, s.W * s.N, 1)
            for v in range(group):
                half = places.d_half + ((c * F.n * places.width + j) * group + v) * F.lanes
                tile = transform("B", F, column(F.bits, F.n, scratch, half, places.width * group * F.lanes))
                at = (c * s.H * s.W + j - s.left) * s.N + n0 + v * F.lanes
                if row < 0 or row + F.n > s.H:
                    store_column(tile, 0, scratch, 0, F.lanes)
                    store_rows(F, arrays.dx, scratch, s, row, at, ty == 0)
                elif ty > 0:
                    store_column(tile, F.shared, arrays.dx, at + row * s.W * s.N, s.W * s.N)
                else:
                    store_column(tile, 0, arrays.dx, at + row * s.W * s.N, s.W * s.N)
