"""Optimisers: each `step` changes the parameters in place, given their gradients."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Set
from typing import Any

import numpy as np

from ..checks import boolean, fraction, number, unmasked, why_not_stored
from ..errors import InputError, InputTypeError, StateError
from ..tensor import Tensor


class Optimizer:
    """The base class of all optimisers. A subclass defines `update`, and `settings`: the names of its numbers.

    The settings are attributes and may be changed at any time; `checked` then checks them. `state_names` are the keys
    of the state of a parameter; None stands for any keys.

    Parameters
    ----------
    params : iterable of Tensor
        For example `model.parameters()`. `step` does not change a parameter without a gradient.
    lr, weight_decay : float
        0 or more.

    Raises
    ------
    InputError
        There are no parameters, one is given twice, two share memory, one is the result of an operation, or a number is
        negative.
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
    state_names: tuple[str, ...] | None = None

    def __init__(self, params: Iterable[Tensor], lr: float, weight_decay: float = 0.0) -> None:
        name = type(self).__name__
        if isinstance(params, (Tensor, np.ndarray, Set)) or not isinstance(params, Iterable):
            raise InputTypeError(f"{name}: params must be a list of Tensors such as model.parameters(), not a "
                                 f"{type(params).__name__}" + ", whose order changes from run to run" * isinstance(
                                     params, Set))
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
        _refuse_shared_memory(name, self.params)
        self.lr, self.weight_decay = lr, weight_decay
        self.state: list[dict[str, Any]] = [{} for _ in self.params]

    def checked(self, name: str, value: Any) -> Any:
        """The value of a setting, checked. A number becomes one of Python, which changes the dtype of no array."""
        if name in ("lr", "weight_decay"):
            return number(f"{type(self).__name__}: {name}", value, least=0)
        return value.item() if isinstance(value, np.generic) else value

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, self.checked(name, value) if name in self.settings else value)

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
                self.update(param.data, _gradient(i, param), state)

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

        The state of another optimiser or of other parameters raises InputError and changes nothing. So do values that
        are wrong, such as a complex number, or one that is too large for the dtype.
        """
        if not isinstance(state_dict, Mapping):
            raise InputTypeError(f"load_state_dict: the state must be a dict, not a {type(state_dict).__name__}")
        for name, ours in (("optimizer", type(self).__name__), ("params", len(self.params))):
            if state_dict.get(name) != ours:
                raise InputError(f"load_state_dict: this state has {name} = {state_dict.get(name)!r}, the optimiser "
                                 f"has {ours!r}: make the optimiser as it was when the state was saved")
        missing = [name for name in self.settings if name not in state_dict]
        if missing:
            raise InputError(f"load_state_dict: the state lacks {', '.join(missing)}")
        settings = {name: self.checked(name, tuple(value) if isinstance(value, list) else value)    # JSON has no tuples
                    for name in self.settings for value in (state_dict[name],)}
        loaded: list[dict[str, Any]] = [{} for _ in self.params]
        for key in (key for key in state_dict if "." in key):
            index, name = key.split(".", 1)
            if not index.isdecimal() or int(index) >= len(self.params):
                raise InputError(f"load_state_dict: {key} belongs to none of the {len(self.params)} parameters")
            loaded[int(index)][name] = _kept(key, state_dict[key], self.params[int(index)].data)
        for i, state in enumerate(loaded):
            if state and self.state_names is not None and state.keys() != set(self.state_names):
                raise InputError(f"load_state_dict: the state of params[{i}] has {', '.join(sorted(state))} instead of "
                                 f"{', '.join(self.state_names)}")
        for name, value in settings.items():
            setattr(self, name, value)
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
    state_names = ("momentum_buffer",)

    def __init__(self, params: Iterable[Tensor], lr: float = 0.001, momentum: float = 0, dampening: float = 0,
                 weight_decay: float = 0, nesterov: bool = False, *, maximize: bool = False) -> None:
        super().__init__(params, lr, weight_decay)
        self.momentum, self.dampening, self.nesterov, self.maximize = momentum, dampening, nesterov, maximize
        if nesterov and (momentum == 0 or dampening != 0):
            raise InputError("SGD: nesterov needs a momentum above 0 and a dampening of 0, not "
                             f"momentum={momentum}, dampening={dampening}")

    def checked(self, name: str, value: Any) -> Any:
        if name in ("nesterov", "maximize"):
            return boolean(f"SGD: {name}", value)
        if name in ("momentum", "dampening"):
            return number(f"SGD: {name}", value, least=0)
        return super().checked(name, value)

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
    >>> Adam([w], lr=0.1).step()                  # the first step is lr in each coordinate
    >>> w.data
    array([ 0.9, -1.9], dtype=float32)
    """

    settings = ("lr", "betas", "eps", "weight_decay")
    state_names = ("step", "exp_avg", "exp_avg_sq")

    def __init__(self, params: Iterable[Tensor], lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999),
                 eps: float = 1e-8, weight_decay: float = 0) -> None:
        super().__init__(params, lr, weight_decay)
        self.betas, self.eps = betas, eps

    def checked(self, name: str, value: Any) -> Any:
        title = f"{type(self).__name__}: {name}"
        if name == "betas":
            return _betas(title, value)
        return number(title, value, least=0) if name == "eps" else super().checked(name, value)

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


def _betas(name, betas):
    """The two betas as floats."""
    try:
        first, second = (fraction(name, beta) for beta in betas)
        if max(first, second) < 1:
            return first, second
    except (TypeError, ValueError):               # no two elements, or one that is no number from 0 to 1
        pass
    raise InputError(f"{name} must be two numbers from 0 to below 1, not {betas!r}")


def _refuse_shared_memory(name, params):
    for i, first in enumerate(params):
        for j, second in enumerate(params[:i]):
            if _share_elements(first.data, second.data):
                raise InputError(f"{name}: params[{j}] and params[{i}] share memory, which would be moved twice in "
                                 "each step: make one of them of a copy, or give one parameter")


def _share_elements(first, second):
    try:
        return np.shares_memory(first, second, max_work=10**5)
    except np.exceptions.TooHardError:
        return False


def _gradient(i, param):
    """The gradient of params[i], in the dtype of the parameter."""
    grad = unmasked(param.grad)
    if type(grad) is not np.ndarray or grad.dtype != param.dtype:
        reason = why_not_stored(np.asarray(grad), param.dtype) if isinstance(grad, (np.ndarray, np.generic)) else (
            f"is a {type(grad).__name__}")
        if reason:
            raise InputTypeError(f"step: the gradient of params[{i}] {reason}: it must be an array of {param.dtype}")
        grad = np.asarray(grad, param.dtype)
    if not param.data.flags.writeable:
        raise StateError(f"step: the array of params[{i}] is read-only: make the parameter of a copy")
    if grad.shape != param.shape:
        raise InputError(f"step: params[{i}] has shape {param.shape}, its gradient {grad.shape}")
    return grad


def _kept(key, value, param):
    """A number or array of a state that is loaded, checked; an array in the dtype and memory order of the parameter."""
    if isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool):
        return value.item() if isinstance(value, np.generic) else value
    if not isinstance(value, np.ndarray):
        raise InputError(f"load_state_dict: {key} must be a number or an array, not {value!r}")
    if value.shape != param.shape:
        raise InputError(f"load_state_dict: {key} has shape {value.shape}, the parameter {param.shape}")
    if reason := why_not_stored(value, param.dtype):
        raise InputError(f"load_state_dict: {key} {reason}")
    copied = np.empty_like(param)
    copied[...] = value
    return copied
