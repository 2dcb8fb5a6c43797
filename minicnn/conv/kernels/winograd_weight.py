"""The compiled kernels of `winograd` that transform the weight, and its gradient.

    U = G weight GT        dweight = GT dU G

Lanes run over output channels. `spectra` and `weight_gradient` take arrays and call the kernels.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numba import types

from ..layout import readonly
from ..runtime.memory import empty
from ..runtime.threads import parallel_for
from .compile import compiled
from .cook_toom_transform import Filtering, transform
from .simd import column, store_column, store_tile
from .vector import INT

PER_CALL = 100_000              # numbers written: less work is not worth a call on another thread


@functools.cache
def weight_kernel(F: Filtering, block: int) -> Any:
    """u[f, a / block, b, a % block] = (G w GT)[f] for w = weight[a, b], or for w = weight[b, a] if `swapped`.

    After the last a there are zeros. A job is one block of a. `planes` holds the weights of a block,
    (r r, b, a % block). `half` holds the first transform, (n, r) vectors.
    """
    def transform_weight(start, stop, weight, u, swapped, planes, half):
        a_size, b_size = (weight.shape[1], weight.shape[0]) if swapped else weight.shape[:2]
        blocks, plane, row = -(-a_size // block), b_size * block, planes.shape[1]
        for job in range(start, stop):
            for b in range(b_size):
                for k in range(block):
                    a = job * block + k
                    for q in range(F.r * F.r):
                        value = weight.dtype.type(0)
                        if a < a_size:
                            value = weight[b, a, q] if swapped else weight[a, b, q]
                        planes[q, b * block + k] = value
            for p in range(0, plane, F.lanes):
                for j in range(F.r):
                    tile = column(F.bits, F.r, planes.ctypes.data, j * row + p, F.r * row)
                    store_column(transform("G", F, tile), 0, half.ctypes.data, j * F.lanes, F.r * F.lanes)
                for i in range(F.n):
                    tile = transform("G", F, column(F.bits, F.r, half.ctypes.data, i * F.r * F.lanes, F.lanes))
                    store_tile(tile, 1, u, (i * F.n * blocks + job) * plane + p, blocks * plane, F.n, plane - p)

    element = types.Float(f"float{F.bits}")
    return compiled(types.void(INT, INT, types.Array(element, 3, "C", readonly=True), INT, types.boolean,
                               element[:, ::1], element[::1]), transform_weight)


def spectra(weight: np.ndarray, swapped: bool, F: Filtering, block: int) -> np.ndarray:
    """U = G weight GT of every pair of channels (a, b) = (k, c), or (c, k) if `swapped`.

    Parameters
    ----------
    weight : array (K, C, r, r), in any memory order

    Returns
    -------
    u : array (f, a / block, b, block)
        Zeros after the last a.
    """
    K, C, r, _ = weight.shape
    a, b = (C, K) if swapped else (K, C)
    kernel, blocks = weight_kernel(F, block), -(-a // block)
    taps = readonly(np.ascontiguousarray(weight).reshape(K, C, r * r))
    u = empty((F.n * F.n, blocks, b, block), weight.dtype)

    def work(start, stop):
        planes = np.empty((r * r, -(-b * block // F.lanes) * F.lanes), weight.dtype)
        kernel(start, stop, taps, u.ctypes.data, swapped, planes, np.empty(F.n * r * F.lanes, weight.dtype))

    parallel_for(blocks, work, 1 + PER_CALL // (b * block * F.n * F.n))
    return u


@functools.cache
def weight_gradient_kernel(F: Filtering) -> Any:
    """out[k, c] = GT (sum over units of du[unit, f, c, k]) G. The sum is a tree: du is overwritten.

    A job is one c. `spectrum` holds the sum, (n, n) vectors. `half` holds the first transform, (r, n)
    vectors. `result` holds the second transform, (r, r) vectors.
    """
    def transform_gradient(start, stop, du, units, padded_c, padded_k, out, spectrum, half, result):
        size = F.n * F.n * padded_c * padded_k          # of a unit
        for c in range(start, stop):
            for k in range(0, out.shape[0], F.lanes):
                for f in range(F.n * F.n):
                    at, left = (f * padded_c + c) * padded_k + k, units
                    while left > 1:
                        part = left // 2
                        for unit in range(part):
                            store_column(column(F.bits, 1, du, at + (left - part + unit) * size, 0), 1, du,
                                         at + unit * size, 0)
                        left -= part
                    store_column(column(F.bits, 1, du, at, 0), 0, spectrum.ctypes.data, f * F.lanes, F.lanes)
                for j in range(F.n):
                    tile = transform("GT", F, column(F.bits, F.n, spectrum.ctypes.data, j * F.lanes, F.n * F.lanes))
                    store_column(tile, 0, half.ctypes.data, j * F.lanes, F.n * F.lanes)
                for i in range(F.r):
                    tile = transform("GT", F, column(F.bits, F.n, half.ctypes.data, i * F.n * F.lanes, F.lanes))
                    store_column(tile, 0, result.ctypes.data, i * F.r * F.lanes, F.lanes)
                for lane in range(min(F.lanes, out.shape[0] - k)):
                    for q in range(F.r * F.r):
                        out[k + lane, c, q] = result[q * F.lanes + lane]

    element = types.Float(f"float{F.bits}")
    return compiled(types.void(*[INT] * 6, element[:, :, ::1], *[element[::1]] * 3),
                    transform_gradient)


def weight_gradient(du: np.ndarray, shape: tuple[int, ...], F: Filtering) -> np.ndarray:
    """The gradient of a weight of `shape` (K, C, r, r) from du (units, f, padded C, padded K), which is overwritten."""
    K, C, r, _ = shape
    kernel, out = weight_gradient_kernel(F), np.empty((K, C, r * r), du.dtype)

    def work(start, stop):
        buffers = (np.empty(size * F.lanes, du.dtype) for size in (F.n * F.n, F.n * r, r * r))
        kernel(start, stop, du.ctypes.data, len(du), *du.shape[2:], out, *buffers)

    parallel_for(C, work, 1 + PER_CALL // (du[0, :, 0].size * len(du)))
    return out.reshape(shape)
