"""The compiled kernel of `winograd`, forward: a convolution F(m x m, r x r) on tiles of n x n pixels.

    U = G weight GT        V = BT x B        M[f] = U[f] V[f]        y = AT M A + bias

The `__init__` of this folder has the notation. Arrays lie in the order (C, H, W, N), and N is a multiple of the number
of lanes: a vector holds the same pixel of several images. V and M never leave the cache.

Kernels get arrays as addresses. `convolve_tiles` takes arrays and calls the kernel.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from ..runtime.memory import address_of, empty
from ..runtime.threads import parallel_kernel
from .compile import call, compiled_block, pack, unpack
from .cook_toom_transform import Filtering, transform
from .numbers import prefetch
from .simd import (
    add,
    add_products,
    add_rows,
    column,
    column_within,
    load_tile,
    loads,
    relu,
    splats,
    store_column,
    store_tile,
    store_within,
    zeros,
)

JOBS = 64                       # enough for as many cores
CHAIN = 64                      # products in a chain of additions; a longer sum consists of several chains
PER_CALL = 600_000              # products: less work is not worth a call on another thread


class Sizes(NamedTuple):
    """The sizes of images (C, H, W, N), of outputs (K, OH, OW, N), and of the grid of tiles.

    The first pixel of tile (ty, tx) is at row m ty - top and column pitch tx - left of an image.
    """

    C: int
    H: int
    W: int
    N: int              # a multiple of the lanes
    K: int
    OH: int
    OW: int
    top: int            # zeros above the image and
    left: int           # left of it
    pitch: int          # pixel columns from one tile to the next: m, or n if tiles do not overlap
    rows: int           # of tiles: OH / m, rounded up
    columns: int        # of tiles: OW / m, rounded up


class ForwardBlocks(NamedTuple):
    """The register blocks of the products of the forward pass."""

    k: int              # output channels of a register block
    t: int              # vectors of a register block: tiles side by side, each with `group` vectors of images
    panel: int          # register blocks of channels whose products wait in scratch memory for the last transform
    tiles: int          # neighbouring tiles that are computed together, at most
    group: int          # vectors of images of a job
    parts: int          # of the input channels; each part has sums of its own


class ForwardArrays(NamedTuple):
    """The addresses of the arrays of `forward_kernel`."""

    x: int              # (C, H, W, N)
    u: int              # (f, K / k, C, k) for blocks of k channels
    bias: int           # (K,)
    y: int              # (K, OH, OW, N): the sums of the first part of the input channels
    others: int         # (parts - 1, K, OH, OW, N): those of the other parts


class ForwardPlaces(NamedTuple):
    """The places of the arrays in the scratch memory of `forward_kernel`, in numbers.

    The memory before V is used twice. First: some tiles after the first transform, (n, width, group) vectors.
    Later: an output tile after its first transform, (n, m) vectors.
    """

    V: int              # (f, C of a part, tiles, group) vectors
    M: int              # (f, channels of a panel, tiles, group) vectors
    end: int
    v_step: int         # from one frequency of V to the next
    m_step: int         # from one frequency of M to the next
    width: int          # pixel columns of `tiles` tiles


class Products(NamedTuple):
    """The `product_block`s of one number of rows that together multiply a row of tiles."""

    many: int           # the address of the block with `columns` vectors
    rest: int           # with the vectors of a whole row of tiles that are left over
    one: int            # with one vector, for a part of a row
    columns: int
    vectors: int        # of a whole row of tiles


class ForwardTask(NamedTuple):
    """Everything that `forward_kernel` gets besides its range of jobs and its scratch memory."""

    arrays: ForwardArrays
    sizes: Sizes
    blocks: ForwardBlocks
    places: ForwardPlaces
    products: Products
    rectify: int        # whether the output is that of a ReLU


@functools.lru_cache(maxsize=1024)
def forward_places(F: Filtering, s: Sizes, blocks: ForwardBlocks) -> ForwardPlaces:
    """The places in scratch memory, for the kernel and for its caller. The caller allocates `end` numbers."""
    width, vectors = (blocks.tiles - 1) * s.pitch + F.n, blocks.tiles * blocks.group
    # + 1: with a power of two, few sets of the cache are used
    v_step = (-(-s.C // blocks.parts) * vectors + 1) * F.lanes
    m_step = (blocks.panel * blocks.k * vectors + 1) * F.lanes
    V = F.n * width * blocks.group * F.lanes
    M = V + F.n * F.n * v_step
    return ForwardPlaces(V, M, M + F.n * F.n * m_step - F.lanes, v_step, m_step, width)


# Steps, inlined into the kernels.

@njit(inline="always")
def pixels(bits: int, n: int, image: int, at: int, step: int, row: int, height: int) -> Any:
    """n pixels down a column of an image from `row` on, zeros above and below it."""
    if row >= 0 and row + n <= height:
        found = column(bits, n, image, at + row * step, step)
    else:
        found = column_within(bits, n, image, at, step, row, height)
    return found


@njit(inline="always")
def transform_down(F: Filtering, x: int, at: int, s: Sizes, row: int, left: int, width: int, group: int, scratch: int,
                   to: int) -> None:
    """to[i, j] = BT times the n pixels from `row` on of column j - left of the image x[at], for j < width.

    x[at] is the first of `group` vectors of images, and to[i, j] has as many vectors. The same pixels of the
    next channel are fetched into the cache for the next call.
    """
    for j in range(width):
        prefetch(F.bits, F.n, x, at + (s.H * s.W + row * s.W + j - left) * s.N, s.W * s.N, 0)
        for v in range(group):
            here = to + (j * group + v) * F.lanes
            if 0 <= j - left < s.W:
                tile = pixels(F.bits, F.n, x, at + (j - left) * s.N + v * F.lanes, s.W * s.N, row, s.H)
                store_column(transform("BT", F, tile), 0, scratch, here, width * group * F.lanes)
            else:
                store_column(zeros(F.bits, F.n, 1), 0, scratch, here, width * group * F.lanes)


@njit(inline="always")
def transform_input(F: Filtering, arrays: ForwardArrays, scratch: int, s: Sizes, blocks: ForwardBlocks,
                    places: ForwardPlaces, channels: tuple[int, int], n0: int, ty: int, first: int,
                    tiles: int) -> None:
    """V = BT x B for a range of channels of some tiles, from tile (ty, first) on, of the images from n0 on."""
    width = (tiles - 1) * s.pitch + F.n
    for c in range(*channels):
        transform_down(F, arrays.x, c * s.H * s.W * s.N + n0, s, ty * F.m - s.top, s.left - first * s.pitch, width,
                       blocks.group, scratch, 0)
        for t in range(tiles):
            for v in range(blocks.group):
                at = places.V + (((c - channels[0]) * blocks.tiles + t) * blocks.group + v) * F.lanes
                for i in range(F.n):
                    half = ((i * width + t * s.pitch) * blocks.group + v) * F.lanes
                    tile = column(F.bits, F.n, scratch, half, blocks.group * F.lanes)
                    store_column(transform("BT", F, tile), 0, scratch, at + i * F.n * places.v_step, places.v_step)


@njit(inline="always")
def multiply_row(lanes: int, products: Products, vectors: int, u: int, at: int, scratch: int, source: int, count: int,
                 to: int) -> None:
    """Multiply a block of the transformed weight by `vectors` vectors of a row of tiles."""
    row, left = products.vectors * lanes, vectors % products.columns
    start = (vectors - left) * lanes
    for first in range(0, start, products.columns * lanes):
        call(products.many, (u, at, scratch, source + first, row, count, to + first, row))
    if left and vectors == products.vectors:
        call(products.rest, (u, at, scratch, source + start, row, count, to + start, row))
    elif left:
        for first in range(start, vectors * lanes, lanes):
            call(products.one, (u, at, scratch, source + first, row, count, to + first, row))


@njit(inline="always")
def multiply_frequencies(F: Filtering, arrays: ForwardArrays, scratch: int, s: Sizes, blocks: ForwardBlocks,
                         places: ForwardPlaces, products: Products, channels: tuple[int, int], first: int,
                         vectors: int) -> None:
    """M[f] = U[f] V[f] for a panel, from the block `first` of output channels on, and all frequencies f."""
    k_blocks = -(-s.K // blocks.k)
    for f in range(F.n * F.n):
        for b in range(first, min(first + blocks.panel, k_blocks)):
            multiply_row(F.lanes, products, vectors, arrays.u, ((f * k_blocks + b) * s.C + channels[0]) * blocks.k,
                         scratch, places.V + f * places.v_step, channels[1] - channels[0],
                         places.M + f * places.m_step + (b - first) * blocks.k * products.vectors * F.lanes)


@njit(inline="always")
def transform_output(F: Filtering, y: int, bias: int, scratch: int, s: Sizes, at: int, m_step: int, k: int, n0: int,
                     ty: int, tx: int, rectify: int) -> None:
    """y = AT M A + bias, with `rectify` its ReLU, for channel k of tile (ty, tx). M of this tile begins at `at`."""
    for i in range(F.n):
        tile = column(F.bits, F.n, scratch, at + i * F.n * m_step, m_step)
        store_column(transform("AT", F, tile), 0, scratch, i * F.m * F.lanes, F.lanes)
    for j in range(min(F.m, s.OW - tx * F.m)):
        out = transform("AT", F, column(F.bits, F.n, scratch, j * F.lanes, F.m * F.lanes))
        out = add_rows(out, splats(F.bits, 1, bias, k, 1))
        if rectify:
            out = relu(out)
        to = (k * s.OH * s.OW + tx * F.m + j) * s.N + n0
        if ty * F.m + F.m <= s.OH:
            store_column(out, 0, y, to + ty * F.m * s.OW * s.N, s.OW * s.N)
        else:
            store_within(out, y, to, s.OW * s.N, ty * F.m, s.OH)


# The kernels.

@functools.cache
def product_block(bits: int, rows: int, columns: int) -> Any:
    """The address of a block: to[a, t] = sum over c of u[c, a] v[c, t] for rows x columns vectors in registers."""
    def multiply(u, at, scratch, v, v_step, count, to, to_step):
        for first in range(0, count, CHAIN):
            tile = zeros(bits, rows, columns)
            for c in range(first, min(first + CHAIN, count)):
                pixels = loads(bits, columns, scratch, v + c * v_step, None)
                tile = add_products(tile, rows, u, at + c * rows, 1, pixels)
            if first:
                tile = add(tile, load_tile(bits, rows, columns, scratch, to, to_step))
            store_tile(tile, columns, scratch, to, to_step, rows, None)

    return compiled_block(8, multiply)


@functools.cache
def forward_kernel(F: Filtering) -> Any:
    """y = conv(x, weight) + bias, with `rectify` its ReLU.

    A job is one tile of a group of vectors of images, for a part of the input channels and all output channels.
    Neighbouring tiles of a row are computed together if the thread has their jobs: then a weight that was loaded serves
    several tiles. The sums are the same.
    """
    def forward(start, stop, scratch, task):
        arrays, s, blocks, places, products, rectify = unpack(ForwardTask, task)
        k_blocks, group = -(-s.K // blocks.k), blocks.group
        rows = s.N // (group * F.lanes) * s.rows        # of tiles, of all images
        job = start
        while job < stop:
            row, first = job // s.columns, job % s.columns
            part, n0, ty = row // rows, row % rows // s.rows * group * F.lanes, row % s.rows
            tiles = min(min(stop - job, s.columns - first), blocks.tiles)
            channels = part * s.C // blocks.parts, (part + 1) * s.C // blocks.parts
            y = arrays.y if part == 0 else arrays.others + (part - 1) * s.K * s.OH * s.OW * s.N * F.bits // 8
            transform_input(F, arrays, scratch, s, blocks, places, channels, n0, ty, first, tiles)
            for b in range(0, k_blocks, blocks.panel):
                multiply_frequencies(F, arrays, scratch, s, blocks, places, products, channels, b, tiles * group)
                for k in range(b * blocks.k, min((b + blocks.panel) * blocks.k, s.K)):
                    for t in range(tiles):
                        for v in range(group):
                            at = places.M + (((k - b * blocks.k) * blocks.tiles + t) * group + v) * F.lanes
                            transform_output(F, y, arrays.bias, scratch, s, at, places.m_step, k, n0 + v * F.lanes, ty,
                                             first + t, rectify)
            job += tiles

    return compiled_block(4, forward)


def convolve_tiles(x: np.ndarray, u: np.ndarray, bias: np.ndarray, F: Filtering, s: Sizes, blocks: ForwardBlocks,
             rectify: bool) -> np.ndarray:
    """The output (K, OH, OW, N) of images x (C, H, W, N): `forward_kernel` on arrays.

    Parameters
    ----------
    u : array (f, K / blocks.k, C, blocks.k)
        The transformed weight, from `winograd_weight.spectra`.
    bias : array (K,)
    rectify : bool
        Whether to return the ReLU of the convolution.
    """
    kernel, places, whole = forward_kernel(F), forward_places(F, s, blocks), blocks.parts == 1
    y = empty((s.K, s.OH, s.OW, s.N), x.dtype)
    others = empty((blocks.parts - 1, *y.shape), x.dtype)
    first = bias if whole else np.zeros(bias.shape, bias.dtype)
    arrays = ForwardArrays(*(address_of(a) for a in (x, u, first, y, others)))
    task = pack(ForwardTask(arrays, s, blocks, places,
                            products_of(F, blocks.k, blocks.t, blocks.tiles * blocks.group), rectify and whole))
    jobs = blocks.parts * jobs_of(F, s, blocks.group)
    products = F.n * F.n * s.C * s.K * blocks.group * F.lanes // blocks.parts       # of one job
    parallel_kernel(jobs, kernel, task, places.end * x.itemsize, 1 + PER_CALL // products, s.columns)
    if not whole:
        for part in others:
            y += part
        y += bias[:, None, None, None]
        if rectify:
            np.maximum(y, 0, out=y)
    return y


def jobs_of(F: Filtering, s: Sizes, group: int) -> int:
    """The number of tiles of all images, in units of `group` vectors."""
    return s.N // (group * F.lanes) * s.rows * s.columns


def products_of(F: Filtering, rows: int, columns: int, vectors: int) -> Products:
    """The blocks of `multiply_row` with so many rows and columns, for rows of tiles of so many vectors."""
    block = functools.partial(product_block, F.bits, rows)
    return Products(block(columns), block(vectors % columns or columns), block(1), columns, vectors)
