"""A network of two linear layers, to compare the LeNets with."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import functional as F
from ..checks import integer, optional_generator, pair
from ..nn import Linear, Module
from ..tensor import Tensor


class MLP(Module):
    """784 -> hidden -> 10 with a ReLU between. This network does not know which pixels are neighbours.

    784 is the number of pixels, in_channels * height * width, and 10 is `num_classes`.

    >>> sum(p.size for p in MLP(84).parameters())
    66790
    """

    def __init__(self, hidden: int = 84, dtype: Any = np.float32, *, rng: np.random.Generator | None = None,
                 in_channels: int = 1, num_classes: int = 10, image_size: int | tuple[int, int] = 28) -> None:
        rng = optional_generator("MLP: rng", rng)
        self.in_channels = integer("MLP: in_channels", in_channels, 1)
        self.num_classes = integer("MLP: num_classes", num_classes, 1)
        self.image_size = pair("MLP: image_size", image_size, 1)
        pixels = self.in_channels * self.image_size[0] * self.image_size[1]
        self.fc1 = Linear(pixels, hidden, dtype=dtype, rng=rng)
        self.fc2 = Linear(hidden, num_classes, dtype=dtype, rng=rng)

    def forward(self, x: Tensor) -> Tensor:
        """Logits: (N, in_channels, *image_size) -> (N, num_classes)."""
        return self.fc2(F.relu(self.fc1(F.flatten(x, 1))))
