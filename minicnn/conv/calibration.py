"""Measures the speeds of the machine, in less than a second: `minicnn bench --calibrate`. `speeds` tells their use."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np
from scipy import fft

from .algorithm import algorithms
from .geometry import Geometry
from .runtime.memory import empty
from .runtime.threads import get_num_threads
from .speeds import Speeds

ROUNDS, SECONDS = 4, 0.03       # each speed is measured in each round, for so many seconds
CACHED = Geometry.of((16, 64, 12, 12), (64, 64, 3, 3))      # its operands fit into the second-level cache
SMALLEST = Geometry.of((1, 1, 4, 4), (1, 1, 3, 3))
SQUARE, NEAR, FAR = 768, 2**15, 2**24                       # the side of a matrix; numbers that are copied
IMAGES = 32, 32, 32, 16                                     # (C, H, W, N) that are transformed


def measure_speeds() -> Speeds:
    """Measure this machine, with the threads that a convolution would use now.

    The speed of products is that of `direct`, on one layer. If it was never compiled, it is compiled first.

    >>> measure_speeds().products > 1e8                     # doctest: +SKIP
    True
    """
    tasks = _tasks(np.random.default_rng(0))
    for work, _ in tasks.values():
        work()                                          # compiles
    best = dict.fromkeys(tasks, math.inf)
    for _ in range(ROUNDS):
        for name, (work, _) in tasks.items():
            best[name] = min(best[name], seconds(work))
    rates = {name: best[name] if count is None else count / best[name] for name, (_, count) in tasks.items()}
    return Speeds(**{name: float(f"{rate:.2e}") for name, rate in rates.items()})


def seconds(work: Callable[[], object]) -> float:
    """The least seconds of a call of `work` that are seen in SECONDS."""
    best, now = math.inf, time.perf_counter()
    end = now + SECONDS
    while now < end:
        work()
        before, now = now, time.perf_counter()
        best = min(best, now - before)
    return best


def _tasks(rng):
    """{a field of Speeds: (a function, what it does; None: the field is the seconds themselves)}"""
    square, near, far, images = (rng.random(shape, np.float32) for shape in ((SQUARE, SQUARE), NEAR, FAR, IMAGES))
    result, near_copy, far_copy = empty(square.shape, np.float32), near.copy(), far.copy()
    # The product of matrices comes last: afterwards the threads of the BLAS library stay awake for a while.
    return {
        "near": (lambda: np.copyto(near_copy, near), NEAR),
        "far": (lambda: np.copyto(far_copy, far), FAR),
        "call": (_both_passes("im2col", SMALLEST, rng), None),
        "butterflies": (lambda: fft.rfft2(images, axes=(1, 2), workers=get_num_threads()),
                        images.size * math.log2(math.prod(IMAGES[1:3]))),
        "products": (_forward("direct", CACHED, rng), CACHED.multiply_adds),
        "matrix": (lambda: np.matmul(square, square, out=result), SQUARE**3),
    }


def _operands(geometry, rng):
    return [rng.random(shape, np.float32) for shape in (geometry.in_shape, geometry.weight_shape,
                                                        geometry.out_channels)]


def _forward(name, geometry, rng):
    algorithm = algorithms()[name]
    x, weight, bias = _operands(geometry, rng)
    x = np.ascontiguousarray(x.transpose(1, 2, 3, 0)).transpose(3, 0, 1, 2)
    return lambda: algorithm.forward(x, weight, bias, geometry)


def _both_passes(name, geometry, rng):
    algorithm, operands, grad = algorithms()[name], _operands(geometry, rng), rng.random(geometry.out_shape, np.float32)

    def work():
        _, saved = algorithm.forward(*operands, geometry)
        algorithm.backward(grad, saved, (True, True, True))
    return work
