"""Optimisers, which change parameters in place, and schedulers, which change an optimiser's learning rate.

A training loop calls, for every batch, `optimizer.zero_grad()`, `loss.backward()`, `optimizer.step()` and
`scheduler.step()`. Names, defaults and results are PyTorch's; what is left out are parameter groups: make one optimiser
for each group.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable

import numpy as np

from ..errors import InputError, InputTypeError
from ..tensor import Tensor

__all__ = ["SGD", "Adam", "AdamW", "CosineAnnealingLR", "LRScheduler", "OneCycleLR", "Optimizer", "StepLR"]


class Optimizer:
    """What optimisers share. A new one needs `update` and, in `settings`, the names of its numbers.

    `params` are Tensors, as from `model.parameters()`; `step` leaves those without a gradient alone. The settings are
    attributes that may be changed at any time. No parameters, one given twice, one that is the result of an operation,
    a negative lr or weight_decay: ValueError.

    >>> class SignDescent(Optimizer):
    ...     def update(self, param, grad, state):
    ...         param -= self.lr * np.sign(grad)
    >>> w = Tensor([1.0, -2.0], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> SignDescent([w], lr=0.5).step()
    >>> w.data
    array([ 0.5, -1.5], dtype=float32)
    """

    settings = ("lr", "weight_decay")

    def __init__(self, params, lr, weight_decay=0.0):
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
        _not_negative(name, lr=lr, weight_decay=weight_decay)
        self.lr, self.weight_decay = lr, weight_decay
        self.state = [{} for _ in self.params]

    def __repr__(self):
        settings = ", ".join(f"{name}={getattr(self, name)}" for name in self.settings)
        return f"{type(self).__name__}({len(self.params)} parameters, {settings})"

    def zero_grad(self):
        """Forget the gradients: backward adds to those that are there."""
        for param in self.params:
            param.grad = None

    def step(self):
        """Change every parameter that has a gradient, in place."""
        for i, (param, state) in enumerate(zip(self.params, self.state, strict=True)):
            if param.grad is not None:
                if param.grad.shape != param.shape:
                    raise InputError(f"step: params[{i}] has shape {param.shape}, its gradient {param.grad.shape}")
                self.update(param.data, param.grad, state)

    def update(self, param, grad, state):
        """Change the array `param` in place, given its gradient and the dict that it keeps from step to step."""
        raise NotImplementedError

    def state_dict(self):
        """All that a run needs to go on to the same bits, as a flat dict of numbers, strings and (copied) arrays.

        The keys are the settings, and for what is kept for params[i] "i.name", as in "0.momentum_buffer".
        """
        numbers = {"optimizer": type(self).__name__, "params": len(self.params)}
        numbers |= {name: getattr(self, name) for name in self.settings}
        kept = {f"{i}.{name}": value for i, state in enumerate(self.state) for name, value in state.items()}
        return copy.deepcopy(numbers | kept)

    def load_state_dict(self, state_dict):
        """Take over what `state_dict` returned, settings included; copies, in each parameter's dtype.

        The state of another optimiser or of other parameters is a ValueError that changes nothing.
        """
        for name, ours in (("optimizer", type(self).__name__), ("params", len(self.params))):
            if state_dict.get(name) != ours:
                raise InputError(f"load_state_dict: this state has {name} = {state_dict.get(name)!r}, the optimiser "
                                 f"{ours!r}; make it as it was when the state was saved")
        missing = [name for name in self.settings if name not in state_dict]
        if missing:
            raise InputError(f"load_state_dict: the state lacks {', '.join(missing)}")
        loaded = [{} for _ in self.params]
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

    Without momentum b is g. The paper puts the learning rate into b, so that the two forms differ while lr changes.
    nesterov needs a momentum above 0 and no dampening, else ValueError.

    >>> w = Tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = SGD([w], lr=0.1, momentum=0.9)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.data
    array([ 0.8, -1.6], dtype=float32)
    """

    settings = ("lr", "momentum", "dampening", "weight_decay", "nesterov", "maximize")

    def __init__(self, params, lr=0.001, momentum=0, dampening=0, weight_decay=0, nesterov=False, *, maximize=False):
        super().__init__(params, lr, weight_decay)
        _not_negative("SGD", momentum=momentum)
        if nesterov and (momentum == 0 or dampening != 0):
            raise InputError("SGD: nesterov needs a momentum above 0 and a dampening of 0, not "
                             f"momentum={momentum}, dampening={dampening}")
        self.momentum, self.dampening, self.nesterov, self.maximize = momentum, dampening, nesterov, maximize

    def update(self, param, grad, state):
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
                buffer += (1 - self.dampening) * grad
            grad = grad + self.momentum * buffer if self.nesterov else buffer
        param -= self.lr * grad


class Adam(Optimizer):
    """Adam (Kingma & Ba 2015, algorithm 1); with weight decay added to the gradient, where Adam rescales it.

        g <- g + weight_decay * p
        m <- beta1 m + (1 - beta1) g
        v <- beta2 v + (1 - beta2) g^2
        p <- p - lr * m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps)

    t counts the steps in which the parameter had a gradient. A beta outside 0 <= beta < 1 is a ValueError.

    >>> w = Tensor([1.0, -2.0], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> Adam([w], lr=0.1).step()                  # the first step is lr in each coordinate, however large the gradient
    >>> w.data
    array([ 0.9, -1.9], dtype=float32)
    """

    settings = ("lr", "betas", "eps", "weight_decay")

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0):
        super().__init__(params, lr, weight_decay)
        _not_negative(type(self).__name__, eps=eps)
        if len(betas) != 2 or not all(0 <= beta < 1 for beta in betas):
            raise InputError(f"{type(self).__name__}: betas must be two numbers from 0 to below 1, not {betas}")
        self.betas, self.eps = tuple(betas), eps

    def update(self, param, grad, state):
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

    p <- p - lr * weight_decay * p, then Adam's step without any decay in the gradient. The paper multiplies the decay
    by the schedule's factor alone, not by the base learning rate: its lambda is lr * weight_decay here.

    >>> w = Tensor([1.0], requires_grad=True)
    >>> w.grad = np.zeros(1, np.float32)
    >>> AdamW([w], lr=0.1, weight_decay=0.5).step()
    >>> w.data
    array([0.95], dtype=float32)
    """

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2):
        super().__init__(params, lr, betas, eps, weight_decay)

    def update(self, param, grad, state):
        param *= 1 - self.lr * self.weight_decay
        self._adam(param, grad, state)


class LRScheduler:
    """Sets `optimizer.lr` from a formula: `lr_at(0)` when it is made, `lr_at(1)` at the first `step()`, and so on.

    The formula is closed, so the rate depends on the number of steps alone, not on how they were reached. A new
    schedule needs `lr_at`; its other attributes must be numbers or strings, since they are its state. `base_lr` is the
    optimiser's rate before the scheduler was made, `last_epoch` the number of steps so far: epochs or batches,
    whatever `step()` is called after.

    >>> class Inverse(LRScheduler):
    ...     def lr_at(self, epoch):
    ...         return self.base_lr / (1 + epoch)
    >>> optimizer = SGD([Tensor([0.0], requires_grad=True)], lr=0.6)
    >>> schedule = Inverse(optimizer)
    >>> schedule.step()
    >>> optimizer.lr, schedule.get_last_lr(), schedule.lr_at(2)
    (0.3, [0.3], 0.19999999999999998)
    """

    def __init__(self, optimizer):
        if not isinstance(optimizer, Optimizer):
            raise InputTypeError(f"{type(self).__name__}: {type(optimizer).__name__} is not an Optimizer")
        self.optimizer, self.base_lr = optimizer, optimizer.lr
        self._set(0)

    def lr_at(self, epoch):
        """The learning rate after `epoch` steps."""
        raise NotImplementedError

    def step(self):
        """Go on to the next learning rate; called after `optimizer.step()`."""
        self._set(self.last_epoch + 1)

    def get_last_lr(self):
        """The current learning rate in a list of one (in PyTorch there is one for each parameter group)."""
        return [self.optimizer.lr]

    def state_dict(self):
        """The name of the schedule and its numbers."""
        return {"scheduler": type(self).__name__} | {k: v for k, v in vars(self).items() if k != "optimizer"}

    def load_state_dict(self, state_dict):
        """Take over what `state_dict` returned, settings included, and set the optimiser's rate accordingly.

        The state of another schedule is a ValueError that changes nothing.
        """
        ours, theirs = self.state_dict(), dict(state_dict)
        if theirs.keys() != ours.keys() or theirs["scheduler"] != ours["scheduler"]:
            raise InputError(f"load_state_dict: this is no state of {ours['scheduler']} but of "
                             f"{theirs.get('scheduler')!r} with {', '.join(map(str, theirs))}")
        del theirs["scheduler"]
        vars(self).update(theirs)
        self._set(self.last_epoch)

    def _set(self, epoch):
        self.optimizer.lr = self.lr_at(epoch)
        self.last_epoch = epoch


class StepLR(LRScheduler):
    """base_lr * gamma^floor(t / step_size): multiplied by gamma every `step_size` steps.

    >>> schedule = StepLR(SGD([Tensor([0.0], requires_grad=True)], lr=8.0), step_size=2, gamma=0.5)
    >>> [schedule.lr_at(t) for t in range(5)]
    [8.0, 8.0, 4.0, 4.0, 2.0]
    """

    def __init__(self, optimizer, step_size, gamma=0.1):
        self.step_size, self.gamma = _positive_int("step_size", step_size), gamma
        super().__init__(optimizer)

    def lr_at(self, epoch):
        return self.base_lr * self.gamma ** (epoch // self.step_size)


class CosineAnnealingLR(LRScheduler):
    """eta_min + (base_lr - eta_min) (1 + cos(pi t / T_max)) / 2 (Loshchilov & Hutter 2017, SGDR, equation 5).

    Down to eta_min at t = T_max; as in PyTorch, further steps lead up again: there is no restart.

    >>> schedule = CosineAnnealingLR(SGD([Tensor([0.0], requires_grad=True)], lr=1.0), T_max=4)
    >>> [round(schedule.lr_at(t), 3) for t in range(6)]
    [1.0, 0.854, 0.5, 0.146, 0.0, 0.146]
    """

    def __init__(self, optimizer, T_max, eta_min=0.0):
        self.T_max, self.eta_min = _positive_int("T_max", T_max), eta_min
        super().__init__(optimizer)

    def lr_at(self, epoch):
        return _cosine(self.base_lr, self.eta_min, epoch / self.T_max)


class OneCycleLR(LRScheduler):
    """Up to max_lr and down to almost nothing, once (Smith & Topin 2019); momentum the other way (Smith 2018).

    The learning rate goes from max_lr / div_factor to max_lr at step pct_start * total_steps - 1, then to
    max_lr / (div_factor * final_div_factor) at step total_steps - 1, each along half a cosine (which is fast.ai's form
    and PyTorch's; the paper's is "linear"). With cycle_momentum, SGD's momentum or Adam's beta1 goes from max_momentum
    to base_momentum and back, whatever it was before: SGD(momentum=0) too gets momentum, as in PyTorch.

    `total_steps` is the number of batches in the whole run; `step()` is called after each. The call after the last one
    leaves the rate where it ended (PyTorch's goes beyond, for "linear" below 0); a further one is a ValueError, and so
    are arguments out of range and cycle_momentum with an optimiser that has no momentum.

    >>> optimizer = SGD([Tensor([0.0], requires_grad=True)])
    >>> schedule = OneCycleLR(optimizer, max_lr=1.0, total_steps=10)
    >>> [round(schedule.lr_at(t), 2) for t in range(10)]
    [0.04, 0.52, 1.0, 0.95, 0.81, 0.61, 0.39, 0.19, 0.05, 0.0]
    >>> optimizer.momentum
    0.95
    """

    def __init__(self, optimizer, max_lr, total_steps, *, pct_start=0.3, anneal_strategy="cos", cycle_momentum=True,
                 base_momentum=0.85, max_momentum=0.95, div_factor=25.0, final_div_factor=1e4):
        if not 0 <= pct_start <= 1:
            raise InputError(f"OneCycleLR: pct_start is a part of the run, from 0 to 1, not {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise InputError(f"OneCycleLR: anneal_strategy must be 'cos' or 'linear', not {anneal_strategy!r}")
        for name, value in (("max_lr", max_lr), ("div_factor", div_factor), ("final_div_factor", final_div_factor)):
            if not value > 0:
                raise InputError(f"OneCycleLR: {name} must be above 0, not {value}")
        if cycle_momentum and not hasattr(optimizer, "momentum") and not hasattr(optimizer, "betas"):
            raise InputError(f"OneCycleLR: {type(optimizer).__name__} has no momentum to cycle; give "
                             "cycle_momentum=False")
        self.max_lr, self.div_factor, self.final_div_factor = max_lr, div_factor, final_div_factor
        self.total_steps, self.pct_start = _positive_int("total_steps", total_steps), pct_start
        self.anneal_strategy = anneal_strategy
        self.cycle_momentum, self.base_momentum, self.max_momentum = cycle_momentum, base_momentum, max_momentum
        super().__init__(optimizer)

    def lr_at(self, epoch):
        initial = self.max_lr / self.div_factor
        return self._cycle(epoch, initial, self.max_lr, initial / self.final_div_factor)

    def _cycle(self, step, start, peak, end):
        if step > self.total_steps:
            raise InputError(f"OneCycleLR: step {step} of a cycle of total_steps = {self.total_steps}; make the "
                             "scheduler with the number of batches of the whole run")
        turn = self.pct_start * self.total_steps - 1
        if step <= turn:
            before, after, done, length = start, peak, step, turn
        else:
            before, after, done, length = peak, end, step - turn, self.total_steps - 1 - turn
        part = min(done / length, 1.0) if length else 1.0
        return _cosine(before, after, part) if self.anneal_strategy == "cos" else before + (after - before) * part

    def _set(self, epoch):
        super()._set(epoch)
        if self.cycle_momentum:
            momentum = self._cycle(epoch, self.max_momentum, self.base_momentum, self.max_momentum)
            if hasattr(self.optimizer, "betas"):
                self.optimizer.betas = (momentum, *self.optimizer.betas[1:])
            else:
                self.optimizer.momentum = momentum


def _cosine(start, end, part):
    """Half a cosine from `start` (part = 0) to `end` (part = 1)."""
    return end + (start - end) * (1 + math.cos(math.pi * part)) / 2


def _not_negative(who, **values):
    for name, value in values.items():
        if not value >= 0:                        # NaN too
            raise InputError(f"{who}: {name} must be 0 or more, not {value}")


def _positive_int(name, value):
    if not isinstance(value, (int, np.integer)) or value < 1:
        raise InputError(f"{name} must be a whole number, 1 or more, not {value!r}")
    return int(value)
