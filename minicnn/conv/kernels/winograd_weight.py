"""The compiled kernels of `winograd` that transform the weight, and its gradient.

    U = G weight GT        dweight = GT dU G

Lanes run over pairs of channels. The r r weights of a pair lie one after the other, so they are transposed on the way.
`spectra` and `weight_gradient` take arrays and call the kernels.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from ..runtime.memory import address_of, empty
from ..runtime.threads import parallel_kernel
from .compile import compiled_block, pack, unpack
from .cook_toom_transform import Filtering, transform
from .numbers import set_entry
from .simd import column, gather, store_column, store_tile, transpose

PER_CALL = 10_000               # numbers of tiles: less work is not worth a call on another thread


class WeightTask(NamedTuple):
    """What `weight_kernel` gets besides its range of jobs and its scratch memory."""

    weight: int         # the address of the weights (a, b, q) of the pairs of channels, in any order
    u: int              # the address of u (f, a / block, b, a % block)
    a: int              # channels
    b: int
    a_step: int         # from the weights of one channel to those of the next
    b_step: int
    block: int


class GradientTask(NamedTuple):
    """What `weight_gradient_kernel` gets besides its range of jobs and its scratch memory."""

    du: int             # the address of du (unit, f, c, k), with padded channels
    out: int            # the address of the gradient (k, c, q)
    units: int
    padded_c: int
    padded_k: int
    c: int              # channels
    k: int


def padded_taps(F: Filtering) -> int:
    """The r r weights of a pair of channels, padded to whole vectors."""
    return -(-F.r * F.r // F.lanes) * F.lanes


@functools.cache
def weight_kernel(F: Filtering) -> int:
    """u[f, a / block, b, a % block] = (G weight[a, b] GT)[f]. After the last a, its weights are repeated.

    A job is one vector of the pairs (b, a % block) of a block. Its scratch memory holds the places of the weights of
    the pairs, int64; the weights, (r r, lane); and the first transform, (n, r) vectors.
    """
    taps, padded, lanes = F.r * F.r, padded_taps(F), F.lanes

    def transform_weight(start, stop, scratch, task):
        w = unpack(WeightTask, task)
        pairs, blocks, planes = w.b * w.block, -(-w.a // w.block), scratch + 8 * lanes
        vectors, half = -(-pairs // lanes), padded * lanes
        for job in range(start, stop):
            block, first = job // vectors, job % vectors * lanes
            for lane in range(lanes):
                pair = min(first + lane, pairs - 1)
                a = min(block * w.block + pair % w.block, w.a - 1)
                set_entry(scratch, lane, a * w.a_step + pair // w.block * w.b_step)
            for q in range(0, taps, lanes):
                tile = transpose(gather(F.bits, lanes, w.weight, q, scratch, taps - q))
                store_tile(tile, 1, planes, q * lanes, lanes, lanes, None)
            for j in range(F.r):
                tile = column(F.bits, F.r, planes, j * lanes, F.r * lanes)
                store_column(transform("G", F, tile), 0, planes, half + j * lanes, F.r * lanes)
            for i in range(F.n):
                tile = transform("G", F, column(F.bits, F.r, planes, half + i * F.r * lanes, lanes))
                to = (i * F.n * blocks + block) * pairs + first
                if first + lanes <= pairs:              # many processors store a part of a vector slowly
                    store_column(tile, 0, w.u, to, blocks * pairs)
                else:
                    store_tile(tile, 1, w.u, to, blocks * pairs, F.n, pairs - first)

    return compiled_block(4, transform_weight)


def spectra(weight: np.ndarray, swapped: bool, F: Filtering, block: int) -> np.ndarray:
    """U = G weight GT of every pair of channels (a, b) = (k, c), or (c, k) if `swapped`.

    Parameters
    ----------
    weight : array (K, C, r, r), in any memory order

    Returns
    -------
    u : array (f, a / block, b, block)
        After the last a, its numbers are repeated.
    """
    K, C, r, _ = weight.shape
    weight, steps = np.ascontiguousarray(weight), (C * r * r, r * r)
    (a, b), (a_step, b_step) = ((C, K), steps[::-1]) if swapped else ((K, C), steps)
    blocks = -(-a // block)
    u = empty((F.n * F.n, blocks, b, block), weight.dtype)
    task = pack(WeightTask(address_of(weight), address_of(u), a, b, a_step, b_step, block))
    scratch = 8 * F.lanes + (padded_taps(F) + F.n * r) * F.lanes * weight.itemsize
    parallel_kernel(blocks * -(-b * block // F.lanes), weight_kernel(F), task, scratch,
                    1 + PER_CALL // (F.n * F.n * F.lanes))
    return u


@functools.cache
def weight_gradient_kernel(F: Filtering) -> int:
    """out[k, c] = GT (sum over units of du[unit, f, c, k]) G. The sum is a tree.

    A job is one c and a vector of k. Its scratch memory holds one frequency of all units, (unit) vectors; their sum,
    (n, n) vectors; the first transform, (r, n) vectors; and the second one, (r r) vectors.
    """
    taps, lanes = F.r * F.r, F.lanes

    def transform_gradient(start, stop, scratch, task):
        g = unpack(GradientTask, task)
        spectrum, vectors = g.units * lanes, -(-g.k // lanes)
        half = spectrum + F.n * F.n * lanes
        result = half + F.r * F.n * lanes
        for job in range(start, stop):
            c, k = job // vectors, job % vectors * lanes
            for f in range(F.n * F.n):
                for unit in range(g.units):
                    at = ((unit * F.n * F.n + f) * g.padded_c + c) * g.padded_k + k
                    store_column(column(F.bits, 1, g.du, at, 0), 0, scratch, unit * lanes, 0)
                left = g.units
                while left > 1:
                    part = left // 2
                    for unit in range(part):
                        other = column(F.bits, 1, scratch, (left - part + unit) * lanes, 0)
                        store_column(other, 1, scratch, unit * lanes, 0)
                    left -= part
                store_column(column(F.bits, 1, scratch, 0, 0), 0, scratch, spectrum + f * lanes, 0)
            for j in range(F.n):
                tile = transform("GT", F, column(F.bits, F.n, scratch, spectrum + j * lanes, F.n * lanes))
                store_column(tile, 0, scratch, half + j * lanes, F.n * lanes)
            for i in range(F.r):
                tile = transform("GT", F, column(F.bits, F.n, scratch, half + i * F.n * lanes, lanes))
                store_column(tile, 0, scratch, result + i * F.r * lanes, lanes)
            for q in range(0, taps, lanes):
                tile = transpose(column(F.bits, lanes, scratch, result + q * lanes, lanes))
                store_tile(tile, 1, g.out, (k * g.c + c) * taps + q, g.c * taps, g.k - k, taps - q)

    return compiled_block(4, transform_gradient)


def weight_gradient(du: np.ndarray, shape: tuple[int, ...], F: Filtering) -> np.ndarray:
    """The gradient of a weight of `shape` (K, C, r, r) from du (units, f, padded C, padded K)."""
    K, C, r, _ = shape
    out = empty(shape, du.dtype)
    units, _, padded_c, padded_k = du.shape
    task = pack(GradientTask(address_of(du), address_of(out), units, padded_c, padded_k, C, K))
    scratch = (units + F.n * F.n + F.n * r + padded_taps(F)) * F.lanes * du.itemsize
    parallel_kernel(C * -(-K // F.lanes), weight_gradient_kernel(F), task, scratch,
                    1 + PER_CALL // (units * F.n * F.n * F.lanes))
    return out
