"""The compiled kernel of `winograd`, backward: the adjoint of the forward steps on the same tiles, in reverse order.

    dM = A dy AT        dU[f] = sum of dM[f] V[f]^T over images and tiles        dweight = GT dU G
                        dV[f] = U[f]^T dM[f]                                     dx = the overlapping sum of B dV BT

The `__init__` of this folder has the notation. `winograd_weight` computes dweight from dU. The backward pass computes V
again: to keep V, the forward pass would write several times the input to memory.

The images are divided into units, and each unit has its own sum dU. The work for a unit is divided among jobs: each
computes dx for some input channels, and dU for some frequencies, over all images of the unit. Both need dM, which every
job computes for itself. But a thread that has neighbouring jobs does their work together, so two threads compute dM
once. The sums are the same.

The four steps of `winograd_backward_steps` handle one row of tiles at a time:

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

from ..runtime.memory import address_of, empty
from ..runtime.threads import parallel_kernel
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
    share,
    store_input,
    transform_columns,
    transform_cotangent_rows,
    transform_image_rows,
    transform_input_rows,
    weight_block,
)
from .winograd_forward import JOBS, PER_CALL, Sizes, jobs_of, products_of

UNITS = 8                       # of images, at most


@functools.cache
def backward_kernel(F: Filtering) -> Any:
    """dx, dU and the gradient of the bias db, for the cotangent dy. `BackwardSetup` says if dx and dU are wanted."""
    def backward(start, stop, scratch, task):
        arrays, s, blocks, places, setup, products = unpack(BackwardTask, task)
        size, group, parts = F.n * F.n * places.padded_c * places.padded_k, blocks.group, setup.parts
        groups = s.N // (group * F.lanes)
        clear(F.bits, F.lanes, scratch, places.V, places.D)         # the channels of V and M beyond C and K stay 0
        job = start
        while job < stop:
            unit, part = job // parts, job % parts
            end = min(part + stop - job, parts)
            channels, frequencies = share(s.C, part, end, parts), share(F.n * F.n, part, end, parts)
            if setup.needs_w:
                step = places.padded_c * places.padded_k
                clear(F.bits, F.lanes, arrays.du, unit * size + frequencies[0] * step,
                      unit * size + frequencies[1] * step)
            if part == 0:
                clear(F.bits, F.lanes, arrays.db, unit * s.K * F.lanes, (unit + 1) * s.K * F.lanes)
            for n in range(unit * groups // setup.units, (unit + 1) * groups // setup.units):
                n0 = n * group * F.lanes
                for ty in range(s.rows):
                    transform_columns(F, arrays, scratch, s, places, setup, group, unit, part == 0, n0, ty)
                    for i in range(F.n):
                        first, last = max(frequencies[0] - i * F.n, 0), min(frequencies[1] - i * F.n, F.n)
                        if setup.needs_x or first < last:
                            transform_cotangent_rows(F, scratch, s, places, group, i)
                        if setup.needs_w and first < last:
                            transform_image_rows(F, scratch, s, places, group, i)
                            add_weight_products(F, arrays, scratch, places, setup, unit, i, first, last)
                        if setup.needs_x:
                            multiply_input(F, arrays, scratch, s, blocks, places, products, channels, i)
                            transform_input_rows(F, scratch, s, places, group, channels, i)
                    if setup.needs_x:
                        store_input(F, arrays, scratch, s, places, group, channels, n0, ty)
            job += end - part

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
    du : array (units, f, C, K) or None
        C and K are padded. `winograd_weight.weight_gradient` sums over the units and transforms the sum.
    db : array (units, K, lanes)
        The sum over units and lanes is the gradient of the bias.
    """
    kernel, places = backward_kernel(F), backward_places(F, s, blocks)
    units = min(s.N // (blocks.group * F.lanes), UNITS)
    parts = -(-JOBS // units)
    setup = BackwardSetup(units, parts, int(y is not None), int(u is not None), int(needs_w),
                          weight_block(F.bits, blocks.u, blocks.k))
    none = np.empty(0, x.dtype)
    dx = none if u is None else empty(x.shape, x.dtype)
    du = empty((units, F.n * F.n, places.padded_c, places.padded_k), x.dtype) if needs_w else none
    db = empty((units, s.K, F.lanes), x.dtype)
    arrays = BackwardArrays(*(address_of(none if a is None else a) for a in (x, dy, y, u, dx, du, db)))
    task = pack(BackwardTask(arrays, s, blocks, places, setup, products_of(F, blocks.c, blocks.t, places.vectors)))
    jobs, products = units * parts, F.n * F.n * s.C * s.K * jobs_of(F, s, 1) * F.lanes
    parallel_kernel(jobs, kernel, task, places.end * x.itemsize, 1 + PER_CALL * jobs // products, parts)
    return None if u is None else dx, du if needs_w else None, db
