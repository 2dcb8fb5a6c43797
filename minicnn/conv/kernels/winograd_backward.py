"""The compiled kernel of `winograd`, backward: the adjoint of the forward steps on the same tiles, in reverse order.

    dM = A dy AT        dU[f] = sum of dM[f] V[f]^T over images and tiles        dweight = G^T dU G
                        dV[f] = U[f]^T dM[f]                                     dx = the overlapping sum of B dV BT

Notation and memory order as in `winograd_forward`; `winograd_weight` has the last step of the weight. V is computed
again: to keep it, the forward pass would write several times the input to memory.

The tiles of a vector of images are cut into `strips` of rows of tiles, and a job is some strips. One row of tiles at a
time passes through the four steps of `winograd_backward_steps`:

1. transform: V = BT x B and dM = A dy AT, both first down the columns of pixels. Then, for one row i of frequencies at
   a time, along the rows:
2. products for the weight: dU[f] += dM[f] V[f]^T.
3. products for the input: dV[f] = U[f]^T dM[f], and the transform dV BT along the rows.
4. store: the transform B (dV BT) down the columns, added to dx where tiles overlap.

`gradients` takes arrays and calls the kernel.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numba import types

from ..runtime.memory import empty, scratch
from ..runtime.threads import parallel_for
from .compile import NUMBERS, compiled, pack, unpack
from .cook_toom_transform import Filtering
from .simd import INT
from .winograd_backward_steps import (
    BackwardArrays,
    BackwardBlocks,
    BackwardTask,
    Work,
    add_weight_products,
    backward_places,
    clear,
    multiply_input,
    store_input,
    transform_columns,
    transform_cotangent_rows,
    transform_image_rows,
    transform_input_rows,
    weight_block,
)
from .winograd_forward import Sizes, product_block

JOBS = 4                        # at least; each sums a gradient of the weight of its own
PER_CALL = 100_000              # numbers added that pay for handing work to a thread


@functools.cache
def backward_kernel(F: Filtering) -> Any:
    """dx, dU and the gradient of the bias db, for the cotangent dy. `work` says which of dx and dU are wanted."""
    def backward(start, stop, scratch, task):
        arrays, s, blocks, places, work = unpack(BackwardTask, task)
        size = F.n * F.n * places.padded_c * places.padded_k
        units = s.N // F.lanes * work.strips
        clear(F.bits, F.lanes, scratch, places.V, places.D)         # the channels beyond C and K stay 0
        for job in range(start, stop):
            if work.needs_w:
                clear(F.bits, F.lanes, arrays.du, job * size, (job + 1) * size)
            clear(F.bits, F.lanes, arrays.db, job * s.K * F.lanes, (job + 1) * s.K * F.lanes)
            for unit in range(job * units // work.jobs, (job + 1) * units // work.jobs):
                n0, strip = unit // work.strips * F.lanes, unit % work.strips
                top_row = strip * s.rows // work.strips
                for ty in range(top_row, (strip + 1) * s.rows // work.strips):
                    transform_columns(F, arrays, scratch, s, places, work, job, n0, ty)
                    for i in range(F.n):
                        transform_cotangent_rows(F, scratch, s, places, i)
                        if work.needs_w:
                            transform_image_rows(F, scratch, s, places, i)
                            add_weight_products(F, arrays, scratch, s, places, work, job, i)
                        if work.needs_x:
                            multiply_input(F, arrays, scratch, s, blocks, places, work, i)
                            transform_input_rows(F, scratch, s, places, i)
                    if work.needs_x:
                        store_input(F, arrays, scratch, s, places, unit, n0, strip, ty, top_row)

    return compiled(types.void(INT, INT, INT, NUMBERS), backward)


def gradients(x: np.ndarray, dy: np.ndarray, y: np.ndarray | None, u: np.ndarray | None, F: Filtering, s: Sizes,
              blocks: BackwardBlocks, needs_w: bool) -> tuple[np.ndarray | None, np.ndarray | None, np.ndarray]:
    """The gradients for a cotangent dy (K, OH, OW, N) of images x (C, H, W, N): `backward_kernel` on arrays.

    Parameters
    ----------
    y : array (K, OH, OW, N) or None
        The output, if a ReLU ended it.
    u : array (f, C / c_block, K, c_block) or None
        The transformed weight, from `winograd_weight.spectra`, if dx is wanted.
    needs_w : bool
        Whether du is wanted.

    Returns
    -------
    dx : array (C, H, W, N) or None
    du : array (jobs, f, C, K) or None
        C and K padded: what `winograd_weight.weight_gradient` sums and transforms.
    db : array (jobs, K, lanes)
        The gradient of the bias is the sum over jobs and lanes.
    """
    kernel, places, vectors = backward_kernel(F), backward_places(F, s, blocks), s.N // F.lanes
    strips = min(s.rows, -(-JOBS // vectors))
    jobs = min(vectors * strips, 2 * JOBS)
    work = Work(strips, jobs, int(y is not None), int(u is not None), int(needs_w),
                product_block(F.bits, blocks.c, blocks.t), weight_block(F.bits, blocks.u, blocks.k))
    none = np.empty(0, x.dtype)
    dx = none if u is None else empty(x.shape, x.dtype)
    edges = none if u is None else empty((vectors, strips, s.C, F.shared, s.W, F.lanes), x.dtype)
    du = empty((jobs, F.n * F.n, places.padded_c, places.padded_k), x.dtype) if needs_w else none
    db = empty((jobs, s.K, F.lanes), x.dtype)
    arrays = BackwardArrays(*((none if a is None else a).ctypes.data for a in (x, dy, y, u, dx, edges, du, db)))
    task = pack(BackwardTask(arrays, s, blocks, places, work))
    parallel_for(jobs, lambda start, stop: kernel(start, stop, scratch(places.end * x.itemsize), task))
    if u is not None and strips > 1:
        _add_edges(dx, edges, F, s)
    return None if u is None else dx, du if needs_w else None, db


def _add_edges(dx, edges, F, s):
    """Add the rows that two strips share to dx, on all threads."""
    images, strips = dx.reshape(s.C, s.H, s.W, -1, F.lanes), edges.shape[1]

    def work(start, stop):                              # on channels
        for strip in range(1, strips):
            row = strip * s.rows // strips * F.m - s.top
            first, last = inside(row, F.shared, s.H)
            part = edges[:, strip, start:stop, first - row:last - row]
            images[start:stop, first:last] += part.transpose(1, 2, 3, 0, 4)

    parallel_for(s.C, work, 1 + PER_CALL * s.C // edges.size)


def inside(start: int, count: int, height: int) -> tuple[int, int]:
    """The rows from `start` on, `count` of them, that lie in the image: the first, and the last + 1.

    >>> inside(-1, 4, 10), inside(9, 4, 10), inside(12, 4, 10)
    ((0, 3), (9, 10), (10, 10))
    """
    first, last = (min(max(edge, 0), height) for edge in (start, start + count))
    return first, last
