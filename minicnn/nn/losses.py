"""Losses as layers. Names, argument order and defaults are PyTorch's."""

from __future__ import annotations

import numpy as np

from .. import functional as F
from ..checks import fraction, integer, one_of
from ..functional.losses import REDUCTIONS
from ..tensor import Tensor
from .module import Module


class CrossEntropyLoss(Module):
    """`functional.cross_entropy` of (logits, target)."""

    def __init__(self, weight: np.ndarray | Tensor | None = None, *, ignore_index: int = -100, reduction: str = "mean",
                 label_smoothing: float = 0.0) -> None:
        self.weight, self.ignore_index = weight, integer("CrossEntropyLoss: ignore_index", ignore_index)
        self.reduction = one_of("CrossEntropyLoss: reduction", reduction, REDUCTIONS)
        self.label_smoothing = fraction("CrossEntropyLoss: label_smoothing", label_smoothing)

    def forward(self, input: Tensor, target: np.ndarray | Tensor) -> Tensor:
        return F.cross_entropy(input, target, self.weight, ignore_index=self.ignore_index, reduction=self.reduction,
                               label_smoothing=self.label_smoothing)


class MSELoss(Module):
    """`functional.mse_loss` of (input, target)."""

    def __init__(self, reduction: str = "mean") -> None:
        self.reduction = one_of("MSELoss: reduction", reduction, REDUCTIONS)

    def forward(self, input: Tensor, target: np.ndarray | Tensor) -> Tensor:
        return F.mse_loss(input, target, self.reduction)
