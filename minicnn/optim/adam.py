"""Adam and AdamW, also with amsgrad."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..checks import boolean, fraction, number
from ..errors import InputError
from ..tensor import Tensor
from .optimizer import Optimizer


class Adam(Optimizer):
    """Adam (Kingma & Ba 2015, algorithm 1). Weight decay is added to the gradient, so Adam rescales it.

        g <- g + weight_decay * p                         maximize: g <- -g before that
        m <- beta1 m + (1 - beta1) g
        v <- beta2 v + (1 - beta2) g^2
        p <- p - lr * m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps)

    t counts the steps in which the parameter had a gradient. A beta outside of 0 <= beta < 1 raises InputError. With
    amsgrad the largest v of all steps stands in the place of v (Reddi et al. 2018, algorithm 2, with Adam's correction
    of the bias, as in PyTorch). `params` may be groups: see `Optimizer`. A coordinate whose g^2 is too large for the
    dtype does not move.

    >>> w = Tensor([1.0, -2.0], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> Adam([w], lr=0.1).step()                  # the first step is lr in each coordinate
    >>> w.data
    array([ 0.9, -1.9], dtype=float32)
    """

    settings = ("lr", "betas", "eps", "weight_decay", "amsgrad", "maximize")
    state_names = ("step", "exp_avg", "exp_avg_sq")
    optional_state_names = ("max_exp_avg_sq",)
    later_settings = {"amsgrad": False, "maximize": False}
    betas: tuple[float, float]
    eps: float
    amsgrad: bool
    maximize: bool

    def __init__(self, params: Iterable[Tensor] | Iterable[dict[str, Any]], lr: float = 1e-3,
                 betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 0,
                 amsgrad: bool = False, *, maximize: bool = False) -> None:
        super().__init__(params, lr, weight_decay)
        self.betas, self.eps, self.amsgrad, self.maximize = betas, eps, amsgrad, maximize

    def checked(self, name: str, value: Any) -> Any:
        title = f"{type(self).__name__}: {name}"
        if name == "betas":
            return _betas(title, value)
        if name in ("amsgrad", "maximize"):
            return boolean(title, value)
        return number(title, value, least=0) if name == "eps" else super().checked(name, value)

    def update(self, param: np.ndarray, grad: np.ndarray, state: dict[str, Any]) -> None:
        self._adam(param, self.decayed(param, grad), state)

    def _adam(self, param, grad, state):
        if not state:
            state.update(step=0, exp_avg=np.zeros_like(param), exp_avg_sq=np.zeros_like(param))
        state["step"] += 1
        t, m, v = state["step"], state["exp_avg"], state["exp_avg_sq"]
        beta1, beta2 = self.betas
        m *= beta1
        m += (1 - beta1) * grad
        v *= beta2
        v += (1 - beta2) * (grad * grad)
        if self.amsgrad:
            if "max_exp_avg_sq" not in state:
                state["max_exp_avg_sq"] = np.zeros_like(param)
            v = np.maximum(state["max_exp_avg_sq"], v, out=state["max_exp_avg_sq"])
        param -= self.lr / (1 - beta1 ** t) * m / (np.sqrt(v / (1 - beta2 ** t)) + self.eps)


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019, algorithm 2, in PyTorch's form).

    p <- p - lr * weight_decay * p, then Adam's step without decay in the gradient. The paper multiplies the decay only
    by the factor of the schedule, not by the base learning rate: the paper's lambda is lr * weight_decay here.

    >>> w = Tensor([1.0], requires_grad=True)
    >>> w.grad = np.zeros(1, np.float32)
    >>> AdamW([w], lr=0.1, weight_decay=0.5).step()
    >>> w.data
    array([0.95], dtype=float32)
    """

    def __init__(self, params: Iterable[Tensor] | Iterable[dict[str, Any]], lr: float = 1e-3,
                 betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 1e-2,
                 amsgrad: bool = False, *, maximize: bool = False) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)

    def update(self, param: np.ndarray, grad: np.ndarray, state: dict[str, Any]) -> None:
        param *= 1 - self.lr * self.weight_decay
        self._adam(param, -grad if self.maximize else grad, state)


def _betas(name, betas):
    """The two betas as floats."""
    try:
        first, second = (fraction(name, beta) for beta in betas)
        if max(first, second) < 1:
            return first, second
    except (TypeError, ValueError):               # no two elements, or one that is no number from 0 to 1
        pass
    raise InputError(f"{name} must be two numbers from 0 to below 1, not {betas!r}")
