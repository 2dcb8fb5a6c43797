"""Pools."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ... import functional as F
from .operation import LINEAR, SMOOTH


def pools(rng: np.random.Generator) -> Iterator[tuple]:
    shape = (2, 2, 5, 6)
    yield "max_pool2d", "", lambda x: F.max_pool2d(x, 2), (shape,), SMOOTH
    yield "max_pool2d", "overlap, padding", lambda x: F.max_pool2d(x, (3, 2), 1, (1, 0)), (shape,), SMOOTH
    yield "max_pool2d", "dilation, ceil_mode", lambda x: F.max_pool2d(x, 2, 2, 0, 2, True), (shape,), SMOOTH
    yield "max_pool2d", "unbatched", lambda x: F.max_pool2d(x, 2), (shape[1:],), SMOOTH
    four = (1, 2), (0, 1)
    yield "max_pool2d", "padding of four sizes", lambda x: F.max_pool2d(x, (3, 2), 1, four), (shape,), SMOOTH
    yield "max_pool2d", "return_indices", lambda x: F.max_pool2d(x, 2, 1, return_indices=True)[0], (shape,), SMOOTH
    yield "avg_pool2d", "", lambda x: F.avg_pool2d(x, 2), (shape,), LINEAR
    yield "avg_pool2d", "overlap, padding", lambda x: F.avg_pool2d(x, (3, 2), 1, (1, 0)), (shape,), LINEAR
    yield ("avg_pool2d", "padding not counted, ceil_mode",
           lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True, count_include_pad=False), (shape,), LINEAR)
    yield "avg_pool2d", "divisor_override", lambda x: F.avg_pool2d(x, 2, divisor_override=3), (shape,), LINEAR
    yield ("avg_pool2d", "dilation, padding of four sizes, not counted",
           lambda x: F.avg_pool2d(x, (3, 2), 1, four, False, False, dilation=(1, 2)), (shape,), LINEAR)
    yield "max_pool1d", "", lambda x: F.max_pool1d(x, 3, 2, 1), ((2, 2, 7),), SMOOTH
    yield "avg_pool1d", "", lambda x: F.avg_pool1d(x, 3, 2, 1), ((2, 7),), LINEAR
    places = np.array([[0, 2, 7], [9, 11, 4]])[rng.permutation(2)].reshape(1, 2, 3)
    yield "max_unpool2d", "", lambda x: F.max_unpool2d(x, places, (2, 1), output_size=(4, 3)), ((1, 2, 3),), LINEAR
    yield "max_unpool2d", "an index twice", lambda x: F.max_unpool2d(x, places % 4, 2), ((1, 2, 3),), LINEAR
    for size, stride in ((4, 2), (3, 2), (1, 2), ((2, 5), (1, 3))):
        variant = "" if size == 4 else f"kernel_size={size}, stride={stride}"
        yield "blur_pool2d", variant, lambda x, k=size, s=stride: F.blur_pool2d(x, k, s), (shape,), LINEAR
    yield "blur_pool2d", "unbatched", F.blur_pool2d, (shape[1:],), LINEAR
    for size in (1, (2, 4)):
        variant = f"output_size={size}"
        yield "adaptive_avg_pool2d", variant, lambda x, s=size: F.adaptive_avg_pool2d(x, s), (shape,), LINEAR
        yield "adaptive_max_pool2d", variant, lambda x, s=size: F.adaptive_max_pool2d(x, s), (shape,), SMOOTH
