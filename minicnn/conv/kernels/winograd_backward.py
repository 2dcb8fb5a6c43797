"""The compiled kernel of `winograd`, backward: the adjoint of the forward steps on the same tiles, in reverse order.

    dM = A dy AT        dU[f] = sum of dM[f] V[f]^T over images and tiles        dweight = GT dU G
                        dV[f] = U[f]^T dM[f]                                     dx = the overlapping sum of B dV BT

The `__init__` of this folder has the notation. `winograd_weight` computes dweight from dU. The backward pass computes V
again: to keep V, the forward pass would write several times the input to memory.

The rows of tiles of a group of images are divided into `strips`, and a job is some strips. The four steps of
`winograd_backward_steps` handle one row of tiles at a time:

1. transform: BT x and A dy, down the columns of pixels. Then, for one row i of frequencies at a time, the transforms
   along the rows, which give V and dM.
2. products for the weight, for row i: dU[f] += dM[f] V[f]^T.
3. products for the input, for row i: dV[f] = U[f]^T dM[f], and the transform dV BT along the rows.
4. store, after all rows i: the transform B (dV BT) down the columns, added to dx where tiles overlap.

`gradients` takes arrays and calls the kernel.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ..runtime.memory import empty
from ..runtime.threads import parallel_for, parallel_kernel
from .compile import compiled_block, pack, unpack
from .cook_toom_transform import Filtering
from .winograd_backward_steps import (
    BackwardArrays,
    BackwardBlocks,
    BackwardSetup,
    BackwardTask,
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
from .winograd_forward import Sizes, product_blocks

JOBS = 4                        # the fewest jobs, if there are enough rows of tiles; each job has its own sum dU
PER_CALL = 100_000              # numbers added: less work is not worth a call on another thread


@functools.cache
def backward_kernel(F: Filtering) -> Any:
    """dx, dU and the gradient of the bias db, for the cotangent dy. `BackwardSetup` says if dx and dU are wanted."""
    def backward(start, stop, scratch, task):
        arrays, s, blocks, places, setup = unpack(BackwardTask, task)
        size = F.n * F.n * places.padded_c * places.padded_k
        group = blocks.group
        units = s.N // (group * F.lanes) * setup.strips
        clear(F.bits, F.lanes, scratch, places.V, places.D)         # the channels of V and M beyond C and K stay 0
        for job in range(start, stop):
            if setup.needs_w:
                clear(F.bits, F.lanes, arrays.du, job * size, (job + 1) * size)
            clear(F.bits, F.lanes, arrays.db, job * s.K * F.lanes, (job + 1) * s.K * F.lanes)
            for unit in range(job * units // setup.jobs, (job + 1) * units // setup.jobs):
                n0, strip = unit // setup.strips * group * F.lanes, unit % setup.strips
                top_row = strip * s.rows // setup.strips
                for ty in range(top_row, (strip + 1) * s.rows // setup.strips):
                    transform_columns(F, arrays, scratch, s, places, setup, group, job, n0, ty)
                    for i in range(F.n):
                        transform_cotangent_rows(F, scratch, s, places, group, i)
                        if setup.needs_w:
                            transform_image_rows(F, scratch, s, places, group, i)
                            add_weight_products(F, arrays, scratch, s, places, setup, job, i)
                        if setup.needs_x:
                            multiply_input(F, arrays, scratch, s, blocks, places, setup, i)
                            transform_input_rows(F, scratch, s, places, group, i)
                    if setup.needs_x:
                        store_input(F, arrays, scratch, s, places, group, unit, n0, strip, ty, top_row)

    return compiled_block(4, backward)


def gradients(x: np.ndarray, dy: np.ndarray, y: np.ndarray | None, u: np.ndarray | None, F: Filtering, s: Sizes,
              blocks: BackwardBlocks, needs_w: bool) -> tuple[np.ndarray | None, np.ndarray | None, np.ndarray]:
    """The gradients for a cotangent dy (K, OH, OW, N) of images x (C, H, W, N): `backward_kernel` on arrays.

    Parameters
    ----------
    y : array (K, OH, OW, N) or None
        The output, if the convolution ended with a ReLU.
    u : array (f, C / blocks.c, K, blocks.c) or None
        The transformed weight, from `winograd_weight.spectra`, if dx is wanted.
    needs_w : bool
        Whether du is wanted.

    Returns
    -------
    dx : array (C, H, W, N) or None
    du : array (jobs, f, C, K) or None
        C and K are padded. `winograd_weight.weight_gradient` sums over the jobs and transforms the sum.
    db : array (jobs, K, lanes)
        The sum over jobs and lanes is the gradient of the bias.
    """
    kernel, places = backward_kernel(F), backward_places(F, s, blocks)
    groups = s.N // (blocks.group * F.lanes)
    strips = min(s.rows, -(-JOBS // groups))
    jobs = min(groups * strips, 2 * JOBS)
    setup = BackwardSetup(strips, jobs, int(y is not None), int(u is not None), int(needs_w),
                *product_blocks(F, blocks.c, blocks.t, places.vectors), weight_block(F.bits, blocks.u, blocks.k))
    none = np.empty(0, x.dtype)
    dx = none if u is None else empty(x.shape, x.dtype)
    edges = none if u is None else empty((groups, strips, s.C, F.shared, s.W, blocks.group * F.lanes), x.dtype)
    du = empty((jobs, F.n * F.n, places.padded_c, places.padded_k), x.dtype) if needs_w else none
    db = empty((jobs, s.K, F.lanes), x.dtype)
    arrays = BackwardArrays(*((none if a is None else a).ctypes.data for a in (x, dy, y, u, dx, edges, du, db)))
    task = pack(BackwardTask(arrays, s, blocks, places, setup))
    parallel_kernel(jobs, kernel, task, places.end * x.itemsize)
    if u is not None and strips > 1:
        _add_edges(dx, edges, F, s)
    return None if u is None else dx, du if needs_w else None, db


def _add_edges(dx, edges, F, s):
    """Add `edges` to dx, on all threads."""
    images, strips = dx.reshape(s.C, s.H, s.W, -1, edges.shape[-1]), edges.shape[1]

    def work(start, stop):                              # channels
        for strip in range(1, strips):
            row = strip * s.rows // strips * F.m - s.top
            first, last = inside(row, F.shared, s.H)
            part = edges[:, strip, start:stop, first - row:last - row]
            images[start:stop, first:last] += part.transpose(1, 2, 3, 0, 4)

    parallel_for(s.C, work, 1 + PER_CALL * s.C // edges.size)


def inside(start: int, count: int, height: int) -> tuple[int, int]:
    """The range (first, last + 1) of the rows start..start + count - 1 that lie in the image.

    >>> inside(-1, 4, 10), inside(9, 4, 10), inside(12, 4, 10)
    ((0, 3), (9, 10), (10, 10))
    """
    first, last = (min(max(edge, 0), height) for edge in (start, start + count))
    return first, last
