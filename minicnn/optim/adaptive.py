"""RMSprop and Adagrad: each coordinate has its own rate, from the squares of its gradients."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..checks import boolean, number
from ..tensor import Tensor
from .optimizer import Optimizer


class RMSprop(Optimizer):
    """RMSprop (Tieleman & Hinton 2012, lecture 6.5; centered: Graves 2013, equations 38 to 41).

        g <- g + weight_decay * p                         maximize: g <- -g before that
        v <- alpha v + (1 - alpha) g^2
        a <- alpha a + (1 - alpha) g                      only if centered; otherwise a = 0
        d <- g / (sqrt(v - a^2) + eps)
        p <- p - lr * d                                   with momentum: b <- momentum * b + d, p <- p - lr * b

    v - a^2 is 0 or more; where rounding makes it negative it counts as 0. (In PyTorch the parameter then becomes NaN.)
    A negative setting raises InputError. `params` may be groups: see `Optimizer`.

    >>> w = Tensor([1.0, -2.0], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> RMSprop([w], lr=0.01).step()              # the first step is lr / sqrt(1 - alpha) in each coordinate
    >>> w.data.round(3)
    array([ 0.9, -1.9], dtype=float32)
    """

    settings = ("lr", "alpha", "eps", "weight_decay", "momentum", "centered", "maximize")
    state_names = ("square_avg",)
    optional_state_names = ("momentum_buffer", "grad_avg")
    alpha: float
    eps: float
    momentum: float
    centered: bool
    maximize: bool

    def __init__(self, params: Iterable[Tensor] | Iterable[dict[str, Any]], lr: float = 1e-2, alpha: float = 0.99,
                 eps: float = 1e-8, weight_decay: float = 0, momentum: float = 0, centered: bool = False, *,
                 maximize: bool = False) -> None:
        super().__init__(params, lr, weight_decay)
        self.alpha, self.eps, self.momentum = alpha, eps, momentum
        self.centered, self.maximize = centered, maximize

    def checked(self, name: str, value: Any) -> Any:
        if name in ("centered", "maximize"):
            return boolean(f"RMSprop: {name}", value)
        if name in ("alpha", "eps", "momentum"):
            return number(f"RMSprop: {name}", value, least=0)
        return super().checked(name, value)

    def update(self, param: np.ndarray, grad: np.ndarray, state: dict[str, Any]) -> None:
        grad = self.decayed(param, grad)
        v = _kept(state, "square_avg", param)
        v *= self.alpha
        v += (1 - self.alpha) * grad * grad
        variance = v
        if self.centered:
            mean = _kept(state, "grad_avg", param)
            mean *= self.alpha
            mean += (1 - self.alpha) * grad
            variance = np.maximum(v - mean * mean, 0)
        direction = grad / (np.sqrt(variance) + self.eps)
        if self.momentum:
            buffer = _kept(state, "momentum_buffer", param)
            buffer *= self.momentum
            buffer += direction
            direction = buffer
        param -= self.lr * direction


class Adagrad(Optimizer):
    """Adagrad (Duchi, Hazan & Singer 2011, figure 1, the diagonal form).

        g <- g + weight_decay * p                         maximize: g <- -g before that
        s <- s + g^2                                      s begins with initial_accumulator_value
        p <- p - lr / (1 + (t - 1) lr_decay) * g / (sqrt(s) + eps)

    t counts the steps in which the parameter had a gradient. A negative setting raises InputError. `params` may be
    groups: see `Optimizer`.

    >>> w = Tensor([1.0, -2.0], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> Adagrad([w], lr=0.1).step()               # the first step is lr in each coordinate
    >>> w.data
    array([ 0.9, -1.9], dtype=float32)
    """

    settings = ("lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps", "maximize")
    state_names = ("step", "sum")
    lr_decay: float
    initial_accumulator_value: float
    eps: float
    maximize: bool

    def __init__(self, params: Iterable[Tensor] | Iterable[dict[str, Any]], lr: float = 1e-2, lr_decay: float = 0,
                 weight_decay: float = 0, initial_accumulator_value: float = 0, eps: float = 1e-10, *,
                 maximize: bool = False) -> None:
        super().__init__(params, lr, weight_decay)
        self.lr_decay, self.initial_accumulator_value = lr_decay, initial_accumulator_value
        self.eps, self.maximize = eps, maximize

    def checked(self, name: str, value: Any) -> Any:
        if name == "maximize":
            return boolean("Adagrad: maximize", value)
        if name in ("lr_decay", "initial_accumulator_value", "eps"):
            return number(f"Adagrad: {name}", value, least=0)
        return super().checked(name, value)

    def update(self, param: np.ndarray, grad: np.ndarray, state: dict[str, Any]) -> None:
        grad = self.decayed(param, grad)
        if not state:
            state.update(step=0, sum=np.full_like(param, self.initial_accumulator_value))
        state["step"] += 1
        total = state["sum"]
        total += grad * grad
        param -= self.lr / (1 + (state["step"] - 1) * self.lr_decay) * grad / (np.sqrt(total) + self.eps)


def _kept(state, name, param):
    """The array of that name in the state; zeros at first."""
    if name not in state:
        state[name] = np.zeros_like(param)
    return state[name]
