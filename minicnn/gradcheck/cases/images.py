"""Operations that move the pixels of images: padding, columns, other sizes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ... import functional as F
from .operation import LINEAR


def images(rng: np.random.Generator) -> Iterator[tuple]:
    shape = (2, 2, 3, 4)
    yield "pad", "", lambda x: F.pad(x, (1, 2, 0, 3), value=5), (shape,), LINEAR
    for mode in ("reflect", "replicate", "circular"):
        yield "pad", mode, lambda x, mode=mode: F.pad(x, (2, 1, 1, 2), mode), (shape,), LINEAR
        yield "pad", f"{mode}, cropped", lambda x, mode=mode: F.pad(x, (-1, 2, 1, -2), mode), ((4, 5),), LINEAR
    patches: dict[str, Any] = {"kernel_size": (2, 3), "dilation": (1, 2), "padding": ((1, 0), (2, 1)), "stride": (2, 1)}
    yield "unfold", "", lambda x: F.unfold(x, 2), (shape,), LINEAR
    yield "unfold", "all at once, unbatched", lambda x: F.unfold(x, **patches), (shape[1:],), LINEAR
    yield "fold", "", lambda x: F.fold(x, (3, 4), 2), ((2, 8, 6),), LINEAR
    yield "fold", "all at once, unbatched", lambda x: F.fold(x, (3, 4), **patches), ((12, 6),), LINEAR
    for mode in ("nearest", "nearest-exact", "area", "bilinear", "bicubic"):
        for size in ((5, 3), (2, 4)):
            yield ("interpolate", f"{mode}, size={size}",
                   lambda x, mode=mode, size=size: F.interpolate(x, size, mode=mode), (shape,), LINEAR)
    for mode in ("bilinear", "bicubic"):
        yield ("interpolate", f"{mode}, align_corners", lambda x, mode=mode: F.interpolate(
            x, scale_factor=(2.3, 1.6), mode=mode, align_corners=True), (shape,), LINEAR)
    yield ("interpolate", "bilinear, scale_factor",
           lambda x: F.interpolate(x, scale_factor=(2.3, 0.6), mode="bilinear"), (shape,), LINEAR)
    for mode in ("nearest", "linear", "area"):
        yield ("interpolate", f"{mode}, signals",
               lambda x, mode=mode: F.interpolate(x, 7, mode=mode), ((2, 1, 4),), LINEAR)
    yield "pixel_shuffle", "", lambda x: F.pixel_shuffle(x, 2), ((2, 8, 2, 3),), LINEAR
    yield "pixel_unshuffle", "", lambda x: F.pixel_unshuffle(x, 2), ((2, 2, 4, 6),), LINEAR
