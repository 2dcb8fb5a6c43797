"""Losses as layers. Names, argument order and defaults are PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import functional as F
from ..arithmetic import as_float_array
from ..checks import boolean, fraction, integer, number, one_of
from ..errors import InputTypeError
from ..functional.losses import DIVERGENCE_REDUCTIONS, REDUCTIONS
from ..tensor import Tensor
from .module import Module


class _Loss(Module):
    """A loss with the options that `defaults` names. A weight belongs to the state, as in PyTorch."""

    defaults: dict[str, Any] = {"reduction": "mean"}            # the options that the repr shows if they differ

    def __init__(self, reduction: str) -> None:
        self.reduction = one_of(f"{type(self).__name__}: reduction", reduction, REDUCTIONS)

    def _set_weight(self, name: str, weight: Any) -> None:
        title = f"{type(self).__name__}: {name}"
        if isinstance(weight, Tensor):
            if weight.requires_grad:
                raise InputTypeError(f"{title} requires a gradient, but has none: give {name}.detach()")
            weight = weight.data
        if weight is not None:
            weight = as_float_array(weight, None if hasattr(weight, "dtype") else np.float64).copy()
            self.buffers = (*self.buffers, name)
        setattr(self, name, weight)

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={value!r}" for name, default in self.defaults.items()
                         if (value := getattr(self, name)) != default)


class CrossEntropyLoss(_Loss):
    """`functional.cross_entropy` of (logits, target)."""

    defaults = {"ignore_index": -100, "reduction": "mean", "label_smoothing": 0.0}
    weight: np.ndarray | None

    def __init__(self, weight: np.ndarray | Tensor | None = None, *, ignore_index: int = -100, reduction: str = "mean",
                 label_smoothing: float = 0.0) -> None:
        super().__init__(reduction)
        self._set_weight("weight", weight)
        self.ignore_index = integer("CrossEntropyLoss: ignore_index", ignore_index)
        self.label_smoothing = fraction("CrossEntropyLoss: label_smoothing", label_smoothing)

    def forward(self, input: Tensor, target: np.ndarray | Tensor) -> Tensor:
        return F.cross_entropy(input, target, self.weight, ignore_index=self.ignore_index, reduction=self.reduction,
                               label_smoothing=self.label_smoothing)


class NLLLoss(_Loss):
    """`functional.nll_loss` of (log-probabilities, target)."""

    defaults = {"ignore_index": -100, "reduction": "mean"}
    weight: np.ndarray | None

    def __init__(self, weight: np.ndarray | Tensor | None = None, *, ignore_index: int = -100,
                 reduction: str = "mean") -> None:
        super().__init__(reduction)
        self._set_weight("weight", weight)
        self.ignore_index = integer("NLLLoss: ignore_index", ignore_index)

    def forward(self, input: Tensor, target: np.ndarray) -> Tensor:
        return F.nll_loss(input, target, self.weight, ignore_index=self.ignore_index, reduction=self.reduction)


class BCELoss(_Loss):
    """`functional.binary_cross_entropy` of (probabilities, target)."""

    weight: np.ndarray | None

    def __init__(self, weight: np.ndarray | Tensor | None = None, *, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self._set_weight("weight", weight)

    def forward(self, input: Tensor, target: np.ndarray | Tensor) -> Tensor:
        return F.binary_cross_entropy(input, target, self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(_Loss):
    """`functional.binary_cross_entropy_with_logits` of (logits, target).

    >>> loss = BCEWithLogitsLoss(pos_weight=np.array([3.0]))
    >>> round(loss(Tensor([0.0, 0.0]), Tensor([0.0, 1.0])).item(), 4), list(loss.state_dict())
    (1.3863, ['pos_weight'])
    """

    weight: np.ndarray | None
    pos_weight: np.ndarray | None

    def __init__(self, weight: np.ndarray | Tensor | None = None, *, reduction: str = "mean",
                 pos_weight: np.ndarray | Tensor | None = None) -> None:
        super().__init__(reduction)
        self._set_weight("weight", weight)
        self._set_weight("pos_weight", pos_weight)

    def forward(self, input: Tensor, target: np.ndarray | Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(input, target, self.weight, reduction=self.reduction,
                                                  pos_weight=self.pos_weight)


class MSELoss(_Loss):
    """`functional.mse_loss` of (input, target)."""

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__(reduction)

    def forward(self, input: Tensor, target: np.ndarray | Tensor) -> Tensor:
        return F.mse_loss(input, target, self.reduction)


class L1Loss(_Loss):
    """`functional.l1_loss` of (input, target)."""

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__(reduction)

    def forward(self, input: Tensor, target: np.ndarray | Tensor) -> Tensor:
        return F.l1_loss(input, target, reduction=self.reduction)


class HuberLoss(_Loss):
    """`functional.huber_loss` of (input, target)."""

    defaults = {"reduction": "mean", "delta": 1.0}

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction)
        self.delta = number("HuberLoss: delta", delta, above=0)

    def forward(self, input: Tensor, target: np.ndarray | Tensor) -> Tensor:
        return F.huber_loss(input, target, self.reduction, self.delta)


class SmoothL1Loss(_Loss):
    """`functional.smooth_l1_loss` of (input, target).

    >>> SmoothL1Loss(beta=2)
    SmoothL1Loss(beta=2.0)
    """

    defaults = {"reduction": "mean", "beta": 1.0}

    def __init__(self, *, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction)
        self.beta = number("SmoothL1Loss: beta", beta, least=0)

    def forward(self, input: Tensor, target: np.ndarray | Tensor) -> Tensor:
        return F.smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class KLDivLoss(_Loss):
    """`functional.kl_div` of (log-probabilities, target)."""

    defaults = {"reduction": "mean", "log_target": False}

    def __init__(self, *, reduction: str = "mean", log_target: bool = False) -> None:
        self.reduction = one_of("KLDivLoss: reduction", reduction, DIVERGENCE_REDUCTIONS)
        self.log_target = boolean("KLDivLoss: log_target", log_target)

    def forward(self, input: Tensor, target: np.ndarray | Tensor) -> Tensor:
        return F.kl_div(input, target, reduction=self.reduction, log_target=self.log_target)
