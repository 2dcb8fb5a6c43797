"""The kernels of passes: machine functions f(start, stop, scratch, task) for `conv.runtime.threads.parallel_kernel`.

`task` is the address of a plan, int64 numbers: channels, blocks, channel_step, block_step, length, last and size of the
`Layout`, and then the addresses of the inputs and of the output of `Layout.run`. Job c * blocks + b is block b of
channel c. A slice tells the compiler that indices are not negative.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numba import carray, extending, njit, types
from numba.core import cgutils

from ..conv.runtime.kernel_cache import compile_or_load

intrinsic: Any = extending.intrinsic   # Any: type checkers would count the typing context among its parameters
MOST = 16                       # numbers of a plan
INPUTS = {"moments": "fd", "affine": "fddff", "gradient_sums": "ff", "input_gradient": "ffddd", "relu": "f",
          "gate": "ff"}         # dtypes
_kept: list[Any] = []           # keeps the machine code alive


@cache
def address(kernel: Callable) -> int:
    """The address of the machine code of a kernel of this file.

    Sums may be added in any order within a block, so that vectors can add them. The order does not depend on the number
    of threads.
    """
    signature = types.void(types.int64, types.int64, types.int64, types.int64)
    _kept.append(compile_or_load(signature, kernel, block=True, fastmath={"reassoc"}))
    return _kept[-1].address


@intrinsic
def pointer(typing: Any, place: Any) -> Any:
    """The pointer to an address."""
    def generate(context, builder, signature, arguments):
        return builder.inttoptr(arguments[0], cgutils.voidptr_t)
    return types.voidptr(place), generate


@njit(inline="always")
def block(plan: Any, job: int) -> tuple[int, int, int]:
    """The channel of a job, and the first element of its block and the one after the last."""
    c, b = job // plan[1], job % plan[1]
    first = c * plan[2] + b * plan[3]
    return c, first, first + (plan[5] if b == plan[1] - 1 else plan[4])


def moments(start: int, stop: int, scratch: int, task: int) -> None:
    """sums[job] = the sums of x - shift[c] and of its square."""
    plan = carray(pointer(task), MOST, np.int64)
    x, shift = carray(pointer(plan[7]), plan[6], np.float32), carray(pointer(plan[8]), plan[0], np.float64)
    sums = carray(pointer(plan[9]), 2 * plan[0] * plan[1], np.float64)
    for job in range(start, stop):
        c, first, last = block(plan, job)
        row = x[first:last]
        s, total, squares = shift[c], 0.0, 0.0
        for i in range(row.size):
            d = row[i] - s
            total += d
            squares += d * d
        sums[2 * job], sums[2 * job + 1] = total, squares


def affine(start: int, stop: int, scratch: int, task: int) -> None:
    """out = float32((x - mean[c]) * factor[c]) * weight[c] + bias[c]."""
    plan = carray(pointer(task), MOST, np.int64)
    x, mean = carray(pointer(plan[7]), plan[6], np.float32), carray(pointer(plan[8]), plan[0], np.float64)
    factor = carray(pointer(plan[9]), plan[0], np.float64)
    weight, bias = carray(pointer(plan[10]), plan[0], np.float32), carray(pointer(plan[11]), plan[0], np.float32)
    out = carray(pointer(plan[12]), plan[6], np.float32)
    for job in range(start, stop):
        c, first, last = block(plan, job)
        row, result = x[first:last], out[first:last]
        m, f, w, shift = mean[c], factor[c], weight[c], bias[c]
        for i in range(row.size):
            result[i] = np.float32((row[i] - m) * f) * w + shift


def gradient_sums(start: int, stop: int, scratch: int, task: int) -> None:
    """sums[job] = the sums of grad and of grad * normal."""
    plan = carray(pointer(task), MOST, np.int64)
    grad, normal = carray(pointer(plan[7]), plan[6], np.float32), carray(pointer(plan[8]), plan[6], np.float32)
    sums = carray(pointer(plan[9]), 2 * plan[0] * plan[1], np.float64)
    for job in range(start, stop):
        c, first, last = block(plan, job)
        g, n, total, products = grad[first:last], normal[first:last], 0.0, 0.0
        for i in range(g.size):
            total += g[i]
            products += np.float64(g[i]) * n[i]
        sums[2 * job], sums[2 * job + 1] = total, products


def input_gradient(start: int, stop: int, scratch: int, task: int) -> None:
    """out = (grad - less[c] - normal * slope[c]) * factor[c]."""
    plan = carray(pointer(task), MOST, np.int64)
    grad, normal = carray(pointer(plan[7]), plan[6], np.float32), carray(pointer(plan[8]), plan[6], np.float32)
    less, slope = carray(pointer(plan[9]), plan[0], np.float64), carray(pointer(plan[10]), plan[0], np.float64)
    factor, out = carray(pointer(plan[11]), plan[0], np.float64), carray(pointer(plan[12]), plan[6], np.float32)
    for job in range(start, stop):
        c, first, last = block(plan, job)
        g, n, result = grad[first:last], normal[first:last], out[first:last]
        a, s, f = less[c], slope[c], factor[c]
        for i in range(g.size):
            result[i] = (g[i] - a - n[i] * s) * f


def relu(start: int, stop: int, scratch: int, task: int) -> None:
    """out = max(x, 0). NaN stays NaN."""
    plan = carray(pointer(task), MOST, np.int64)
    x, out = carray(pointer(plan[7]), plan[6], np.float32), carray(pointer(plan[8]), plan[6], np.float32)
    for job in range(start, stop):
        c, first, last = block(plan, job)
        row, result = x[first:last], out[first:last]
        for i in range(row.size):
            result[i] = np.float32(0) if row[i] <= 0 else row[i]


def gate(start: int, stop: int, scratch: int, task: int) -> None:
    """out = grad where y is not 0, and 0 elsewhere."""
    plan = carray(pointer(task), MOST, np.int64)
    grad, y = carray(pointer(plan[7]), plan[6], np.float32), carray(pointer(plan[8]), plan[6], np.float32)
    out = carray(pointer(plan[9]), plan[6], np.float32)
    for job in range(start, stop):
        c, first, last = block(plan, job)
        g, gates, result = grad[first:last], y[first:last], out[first:last]
        for i in range(g.size):
            result[i] = np.float32(0) if gates[i] == 0 else g[i]
