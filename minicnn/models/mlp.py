"""A network of two linear layers, to compare the LeNets with."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import functional as F
from ..checks import optional_generator
from ..nn import Linear, Module
from ..tensor import Tensor


class MLP(Module):
    """784 -> hidden -> 10 with a ReLU between. This network does not know which pixels are neighbours.

    >>> sum(p.size for p in MLP(84).parameters())
    66790
    """

    image_size = 28

    def __init__(self, hidden: int = 84, dtype: Any = np.float32, *, rng: np.random.Generator | None = None) -> None:
        rng = optional_generator("MLP: rng", rng)
        self.fc1, self.fc2 = Linear(784, hidden, dtype=dtype, rng=rng), Linear(hidden, 10, dtype=dtype, rng=rng)

    def forward(self, x: Tensor) -> Tensor:
        """Logits: (N, 1, 28, 28) -> (N, 10)."""
        return self.fc2(F.relu(self.fc1(F.flatten(x, 1))))
