"""Linear, Dropout and Flatten. Names, argument order, defaults and initialisation are PyTorch's."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import functional as F
from ..checks import fraction, integer, optional_generator
from ..tensor import Tensor
from .module import Module
from .parameter import weight_and_bias


class Linear(Module):
    """`functional.linear` with a learned weight (out_features, in_features) and bias, drawn from +-1/sqrt(in_features).

    Arguments are those of `Conv2d`.

    >>> Linear(180, 10)
    Linear(180, 10)
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True, device: str | None = None,
                 dtype: Any = None, *, rng: np.random.Generator | None = None) -> None:
        self.in_features = integer("Linear: in_features", in_features, 1)
        self.out_features = integer("Linear: out_features", out_features, 1)
        self.weight, self.bias = weight_and_bias("Linear", (self.out_features, self.in_features), bias, device, dtype,
                                                  rng)

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.weight, self.bias)

    def window(self, in_shape: tuple[int, ...]) -> None:
        """None: every output sees the whole input."""

    def multiply_adds(self, in_shape: tuple[int, ...]) -> int:
        """in_features * out_features, times the number of rows of one image of an input (N, ..., in_features)."""
        return self.weight.size * math.prod(in_shape[1:-1])

    def extra_repr(self) -> str:
        return f"{self.in_features}, {self.out_features}" + ", bias=False" * (self.bias is None)


class Dropout(Module):
    """`functional.dropout` while training. The generator `rng` belongs to the layer."""

    def __init__(self, p: float = 0.5, *, rng: np.random.Generator | None = None) -> None:
        self.p, self.rng = fraction("Dropout: p", p), optional_generator("Dropout: rng", rng)

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout(input, self.p, self.training, rng=self.rng)

    def extra_repr(self) -> str:
        return f"p={self.p}"


class Flatten(Module):
    """`functional.flatten`, by default of all axes but the first."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        self.start_dim = integer("Flatten: start_dim", start_dim)
        self.end_dim = integer("Flatten: end_dim", end_dim)

    def forward(self, input: Tensor) -> Tensor:
        return F.flatten(input, self.start_dim, self.end_dim)
