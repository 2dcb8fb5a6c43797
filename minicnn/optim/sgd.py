"""Stochastic gradient descent with momentum."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..checks import boolean, number
from ..errors import InputError
from ..tensor import Tensor
from .optimizer import Optimizer


class SGD(Optimizer):
    """Stochastic gradient descent with momentum (Sutskever et al. 2013, equations 1 to 4, in PyTorch's form).

        g <- g + weight_decay * p                         maximize: g <- -g before that
        b <- momentum * b + (1 - dampening) * g           (b <- g in the first step)
        p <- p - lr * b                                   nesterov: p - lr * (g + momentum * b)

    Without momentum b is g. The paper puts the learning rate into b; the two forms differ only while lr changes.
    nesterov without momentum, or with dampening, raises InputError. `params` may be groups: see `Optimizer`.

    >>> w = Tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = SGD([w], lr=0.1, momentum=0.9)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.data
    array([ 0.8, -1.6], dtype=float32)
    """

    settings = ("lr", "momentum", "dampening", "weight_decay", "nesterov", "maximize")
    state_names = ("momentum_buffer",)
    momentum: float
    dampening: float
    nesterov: bool
    maximize: bool

    def __init__(self, params: Iterable[Tensor] | Iterable[dict[str, Any]], lr: float = 0.001, momentum: float = 0,
                 dampening: float = 0, weight_decay: float = 0, nesterov: bool = False, *,
                 maximize: bool = False) -> None:
        super().__init__(params, lr, weight_decay)
        self.momentum, self.dampening, self.nesterov, self.maximize = momentum, dampening, nesterov, maximize
        for group in self.param_groups:
            self.check_group(group)

    def check_group(self, group: Mapping[str, Any]) -> None:
        """Raise InputError if nesterov is set without momentum, or with dampening."""
        if group["nesterov"] and (group["momentum"] == 0 or group["dampening"] != 0):
            raise InputError("SGD: nesterov needs a momentum above 0 and a dampening of 0, not "
                             f"momentum={group['momentum']:g}, dampening={group['dampening']:g}")

    def checked(self, name: str, value: Any) -> Any:
        if name in ("nesterov", "maximize"):
            return boolean(f"SGD: {name}", value)
        if name in ("momentum", "dampening"):
            return number(f"SGD: {name}", value, least=0)
        return super().checked(name, value)

    def update(self, param: np.ndarray, grad: np.ndarray, state: dict[str, Any]) -> None:
        grad = self.decayed(param, grad)
        if self.momentum:
            if not state:
                state["momentum_buffer"] = buffer = np.array(grad)        # a copy
            else:
                buffer = state["momentum_buffer"]
                buffer *= self.momentum
                buffer += (1 - self.dampening) * grad if self.dampening else grad
            grad = grad + self.momentum * buffer if self.nesterov else buffer
        param -= self.lr * grad
