"""Operations that move the pixels of images: padding, columns, other sizes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ... import functional as F
from .operation import LINEAR


def images(rng: np.random.Generator) -> Iterator[tuple]:
    shape = (2, 2, 3, 4)
    yield "pad", "", lambda x: F.pad(x, (1, 2, 0, 3), value=5), (shape,), LINEAR
    for mode in ("reflect", "replicate", "circular"):
        yield "pad", mode, lambda x, mode=mode: F.pad(x, (2, 1, 1, 2), mode), (shape,), LINEAR
        yield "pad", f"{mode}, cropped", lambda x, mode=mode: F.pad(x, (-1, 2, 1, -2), mode), ((4, 5),), LINEAR
