"""Optimisers: each `step` changes the parameters in place, given their gradients."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..checks import number
from ..errors import InputError, InputTypeError
from ..tensor import Tensor


class Optimizer:
    """The base class of all optimisers. A subclass defines `update`, and `settings`: the names of its numbers.

    The settings are attributes and may be changed at any time.

    Parameters
    ----------
    params : iterable of Tensor
        For example `model.parameters()`. `step` does not change a parameter without a gradient.
    lr, weight_decay : float
        0 or more.

    Raises
    ------
    InputError
        There are no parameters, one is given twice, one is the result of an operation, or a number is negative.
    InputTypeError
        `params` is not an iterable of Tensors.

    Examples
    --------
    >>> class SignDescent(Optimizer):
    ...     def update(self, param: np.ndarray, grad: np.ndarray, state: dict[str, Any]) -> None:
    ...         param -= self.lr * np.sign(grad)
    >>> w = Tensor([1.0, -2.0], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> SignDescent([w], lr=0.5).step()
    >>> w.data
    array([ 0.5, -1.5], dtype=float32)
    """

    settings: tuple[str, ...] = ("lr", "weight_decay")

    def __init__(self, params: Iterable[Tensor], lr: float, weight_decay: float = 0.0) -> None:
        name = type(self).__name__
        if isinstance(params, Tensor) or not isinstance(params, Iterable):
            raise InputTypeError(f"{name}: params must be a list of Tensors such as model.parameters(), not a "
                                 f"{type(params).__name__}")
        self.params = list(params)
        if not self.params:
            raise InputError(f"{name}: there are no parameters to optimise")
        for i, param in enumerate(self.params):
            if not isinstance(param, Tensor):
                raise InputTypeError(
                    f"{name}: params[{i}] is a {type(param).__name__}, not a Tensor (for parameter groups, "
                    "make one optimiser for each)")
            if not param.is_leaf:
                raise InputError(f"{name}: params[{i}] is the result of an operation; only leaves can be optimised")
        if len({id(param) for param in self.params}) != len(self.params):
            raise InputError(f"{name}: a parameter was given twice; it would be moved twice in each step")
        number(f"{name}: lr", lr, least=0)
        number(f"{name}: weight_decay", weight_decay, least=0)
        self.lr, self.weight_decay = lr, weight_decay
        self.state: list[dict[str, Any]] = [{} for _ in self.params]

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={getattr(self, name)}" for name in self.settings)
        return f"{type(self).__name__}({len(self.params)} parameters, {settings})"

    def zero_grad(self) -> None:
        """Set all gradients to None. Without it, backward adds to the old gradients."""
        for param in self.params:
            param.grad = None

    def step(self) -> None:
        """Change every parameter that has a gradient, in place."""
        for i, (param, state) in enumerate(zip(self.params, self.state, strict=True)):
            if param.grad is not None:
                if param.grad.shape != param.shape:
                    raise InputError(f"step: params[{i}] has shape {param.shape}, its gradient {param.grad.shape}")
                self.update(param.data, param.grad, state)

    def update(self, param: np.ndarray, grad: np.ndarray, state: dict[str, Any]) -> None:
        """Change the array `param` in place. `state` is a dict of this parameter, kept for all steps."""
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        """All that a resumed run needs to compute the same bits: a flat dict of numbers, strings and copied arrays.

        The keys are "optimizer", "params", the settings, and "i.name" for the state of params[i], as in
        "0.momentum_buffer".
        """
        numbers = {"optimizer": type(self).__name__, "params": len(self.params)}
        numbers |= {name: getattr(self, name) for name in self.settings}
        kept = {f"{i}.{name}": value for i, state in enumerate(self.state) for name, value in state.items()}
        return copy.deepcopy(numbers | kept)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load a result of `state_dict` with its settings. Arrays are copied in their parameter's dtype.

        The state of another optimiser or of other parameters raises InputError and changes nothing.
        """
        for name, ours in (("optimizer", type(self).__name__), ("params", len(self.params))):
            if state_dict.get(name) != ours:
                raise InputError(f"load_state_dict: this state has {name} = {state_dict.get(name)!r}, the optimiser "
                                 f"has {ours!r}: make the optimiser as it was when the state was saved")
        missing = [name for name in self.settings if name not in state_dict]
        if missing:
            raise InputError(f"load_state_dict: the state lacks {', '.join(missing)}")
        loaded: list[dict[str, Any]] = [{} for _ in self.params]
        for key in (key for key in state_dict if "." in key):
            value, (index, name) = state_dict[key], key.split(".", 1)
            if not index.isdecimal() or int(index) >= len(self.params):
                raise InputError(f"load_state_dict: {key} belongs to none of the {len(self.params)} parameters")
            param = self.params[int(index)]
            if isinstance(value, np.ndarray):
                if value.shape != param.shape:
                    raise InputError(f"load_state_dict: {key} has shape {value.shape}, the parameter {param.shape}")
                array, value = value, np.empty_like(param.data)           # the parameter's dtype and memory order
                value[...] = array
            loaded[int(index)][name] = value
        for name in self.settings:
            value = state_dict[name]
            setattr(self, name, tuple(value) if isinstance(value, list) else value)        # JSON knows no tuples
        self.state = loaded


class SGD(Optimizer):
    """Stochastic gradient descent with momentum (Sutskever et al. 2013, equations 1 to 4, in PyTorch's form).

        g <- g + weight_decay * p
        b <- momentum * b + (1 - dampening) * g           (b <- g in the first step)
        p <- p - lr * b                                   nesterov: p - lr * (g + momentum * b)

    Without momentum b is g. The paper puts the learning rate into b; the two forms differ only while lr changes.
    nesterov without momentum, or with dampening, raises InputError.

    >>> w = Tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = SGD([w], lr=0.1, momentum=0.9)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.data
    array([ 0.8, -1.6], dtype=float32)
    """

    settings = ("lr", "momentum", "dampening", "weight_decay", "nesterov", "maximize")

    def __init__(self, params: Iterable[Tensor], lr: float = 0.001, momentum: float = 0, dampening: float = 0,
                 weight_decay: float = 0, nesterov: bool = False, *, maximize: bool = False) -> None:
        super().__init__(params, lr, weight_decay)
        number("SGD: momentum", momentum, least=0)
        if nesterov and (momentum == 0 or dampening != 0):
            raise InputError("SGD: nesterov needs a momentum above 0 and a dampening of 0, not "
                             f"momentum={momentum}, dampening={dampening}")
        self.momentum, self.dampening, self.nesterov, self.maximize = momentum, dampening, nesterov, maximize

    def update(self, param: np.ndarray, grad: np.ndarray, state: dict[str, Any]) -> None:
        if self.maximize:
            grad = -grad
        if self.weight_decay:
            grad = grad + self.weight_decay * param
        if self.momentum:
            if not state:
                state["momentum_buffer"] = buffer = np.array(grad)        # a copy
            else:
                buffer = state["momentum_buffer"]
                buffer *= self.momentum
                buffer += (1 - self.dampening) * grad if self.dampening else grad
            grad = grad + self.momentum * buffer if self.nesterov else buffer
        param -= self.lr * grad


class Adam(Optimizer):
    """Adam (Kingma & Ba 2015, algorithm 1). Weight decay is added to the gradient, so Adam rescales it.

        g <- g + weight_decay * p
        m <- beta1 m + (1 - beta1) g
        v <- beta2 v + (1 - beta2) g^2
        p <- p - lr * m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps)

    t counts the steps in which the parameter had a gradient. A beta outside of 0 <= beta < 1 raises InputError.

    >>> w = Tensor([1.0, -2.0], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> Adam([w], lr=0.1).step()                  # the first step is lr in each coordinate, however large the gradient
    >>> w.data
    array([ 0.9, -1.9], dtype=float32)
    """

    settings = ("lr", "betas", "eps", "weight_decay")

    def __init__(self, params: Iterable[Tensor], lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999),
                 eps: float = 1e-8, weight_decay: float = 0) -> None:
        super().__init__(params, lr, weight_decay)
        number(f"{type(self).__name__}: eps", eps, least=0)
        if len(betas) != 2 or not all(0 <= beta < 1 for beta in betas):
            raise InputError(f"{type(self).__name__}: betas must be two numbers from 0 to below 1, not {betas}")
        self.betas, self.eps = tuple(betas), eps

    def update(self, param: np.ndarray, grad: np.ndarray, state: dict[str, Any]) -> None:
        self._adam(param, grad + self.weight_decay * param if self.weight_decay else grad, state)

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

    def __init__(self, params: Iterable[Tensor], lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999),
                 eps: float = 1e-8, weight_decay: float = 1e-2) -> None:
        super().__init__(params, lr, betas, eps, weight_decay)

    def update(self, param: np.ndarray, grad: np.ndarray, state: dict[str, Any]) -> None:
        param *= 1 - self.lr * self.weight_decay
        self._adam(param, grad, state)
