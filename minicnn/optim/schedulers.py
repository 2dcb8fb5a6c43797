"""Schedulers: each `step` sets an optimiser's learning rate from a formula."""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Mapping
from typing import Any

from ..checks import boolean, fraction, integer, number, one_of
from ..errors import InputError, InputTypeError, StateError
from .optimizer import Optimizer


class LRScheduler:
    """Sets `optimizer.lr` from a formula: `lr_at(0)` when it is made, `lr_at(1)` at the first `step()`, and so on.

    The rate depends only on the number of steps. A subclass defines `lr_at`. Its attributes must be numbers or strings,
    because they are its state.

    Parameters
    ----------
    optimizer : Optimizer

    Attributes
    ----------
    base_lr : float
        The optimiser's rate before the scheduler was made.
    last_epoch : int
        The number of steps so far. The caller decides if a step is an epoch or a batch.

    Raises
    ------
    InputTypeError
        `optimizer` is not an Optimizer.

    Examples
    --------
    >>> from minicnn import Tensor
    >>> from minicnn.optim import SGD
    >>> class Inverse(LRScheduler):
    ...     def lr_at(self, epoch: int) -> float:
    ...         return self.base_lr / (1 + epoch)
    >>> optimizer = SGD([Tensor([0.0], requires_grad=True)], lr=0.6)
    >>> schedule = Inverse(optimizer)
    >>> schedule.step()
    >>> optimizer.lr, schedule.get_last_lr(), schedule.lr_at(2)
    (0.3, [0.3], 0.19999999999999998)
    """

    def __init__(self, optimizer: Optimizer) -> None:
        if not isinstance(optimizer, Optimizer):
            raise InputTypeError(f"{type(self).__name__}: {type(optimizer).__name__} is not an Optimizer")
        self.optimizer, self.base_lr = optimizer, optimizer.lr
        self._set(0)

    def lr_at(self, epoch: int) -> float:
        """The learning rate after `epoch` steps."""
        raise NotImplementedError

    def step(self) -> None:
        """Go on to the next learning rate; called after `optimizer.step()`.

        A learning rate that another schedule or the user has set in between raises StateError: it would be overruled.
        """
        if self.optimizer.lr != self._rate:
            raise StateError(f"{type(self).__name__}: the learning rate is {self.optimizer.lr}, but this schedule has "
                             f"set {self._rate}; it depends on the number of steps only, and would overrule what "
                             "another schedule or you have set: make a new schedule from the new rate")
        self._set(self.last_epoch + 1)

    def get_last_lr(self) -> list[float]:
        """The current learning rate in a list of one (in PyTorch there is one for each parameter group)."""
        return [self.optimizer.lr]

    def state_dict(self) -> dict[str, Any]:
        """The name of the schedule and its numbers."""
        return {"scheduler": type(self).__name__} | {
            name: value for name, value in vars(self).items() if name not in ("optimizer", "_rate")}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load a result of `state_dict` with its settings, and set the optimiser's rate.

        The state of another schedule, and wrong values, raise InputError and change nothing.
        """
        if not isinstance(state_dict, Mapping):
            raise InputTypeError(f"load_state_dict: the state must be a dict, not a {type(state_dict).__name__}")
        ours, theirs = self.state_dict(), dict(state_dict)
        if theirs.keys() != ours.keys() or theirs["scheduler"] != ours["scheduler"]:
            raise InputError(f"load_state_dict: this state is not of {ours['scheduler']!r} but of "
                             f"{theirs.get('scheduler')!r}, with the keys {', '.join(map(str, theirs))}")
        del theirs["scheduler"]
        for name, value in theirs.items():
            if not isinstance(ours[name], (str, bool)):
                number(f"load_state_dict: {name}", value)
            elif type(value) is not type(ours[name]):
                raise InputError(f"load_state_dict: {name} must be of the kind of {ours[name]!r}, not {value!r}")
        integer("load_state_dict: last_epoch", theirs["last_epoch"], 0)
        optimizer = copy.copy(self.optimizer)           # a copy: wrong values change nothing
        arguments = list(inspect.signature(type(self)).parameters.values())[1:]
        if all(a.name in theirs or a.default is not a.empty for a in arguments):
            type(self)(optimizer, **{a.name: theirs[a.name] for a in arguments if a.name in theirs})     # checks them
        trial = copy.copy(self)
        vars(trial).update(theirs, optimizer=optimizer)
        trial._set(theirs["last_epoch"])
        vars(self).update(theirs)
        self._set(self.last_epoch)

    def _set(self, epoch):
        self.optimizer.lr = self.lr_at(epoch)
        self.last_epoch, self._rate = epoch, self.optimizer.lr


class StepLR(LRScheduler):
    """base_lr * gamma^floor(t / step_size): the rate is multiplied by gamma every `step_size` steps.

    >>> from minicnn import Tensor
    >>> from minicnn.optim import SGD
    >>> schedule = StepLR(SGD([Tensor([0.0], requires_grad=True)], lr=8.0), step_size=2, gamma=0.5)
    >>> [schedule.lr_at(t) for t in range(5)]
    [8.0, 8.0, 4.0, 4.0, 2.0]
    """

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1) -> None:
        self.step_size = integer("StepLR: step_size", step_size, 1)
        self.gamma = number("StepLR: gamma", gamma, least=0)
        super().__init__(optimizer)

    def lr_at(self, epoch: int) -> float:
        return self.base_lr * self.gamma ** (epoch // self.step_size)


class CosineAnnealingLR(LRScheduler):
    """eta_min + (base_lr - eta_min) (1 + cos(pi t / T_max)) / 2 (Loshchilov & Hutter 2017, SGDR, equation 5).

    The rate reaches eta_min at t = T_max. As in PyTorch, it rises again after that; there is no restart.

    >>> from minicnn import Tensor
    >>> from minicnn.optim import SGD
    >>> schedule = CosineAnnealingLR(SGD([Tensor([0.0], requires_grad=True)], lr=1.0), T_max=4)
    >>> [round(schedule.lr_at(t), 3) for t in range(6)]
    [1.0, 0.854, 0.5, 0.146, 0.0, 0.146]
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0) -> None:
        self.T_max = integer("CosineAnnealingLR: T_max", T_max, 1)
        self.eta_min = number("CosineAnnealingLR: eta_min", eta_min, least=0)
        super().__init__(optimizer)

    def lr_at(self, epoch: int) -> float:
        return _cosine(self.base_lr, self.eta_min, epoch / self.T_max)


class OneCycleLR(LRScheduler):
    """The rate rises to max_lr and falls almost to 0, once (Smith & Topin 2019); momentum falls and rises (Smith 2018).

    The learning rate starts at max_lr / div_factor. It reaches max_lr at step pct_start * total_steps - 1, and
    max_lr / (div_factor * final_div_factor) at step total_steps - 1. Each part is half a cosine, as in fast.ai and
    PyTorch, or "linear", as in the paper. With cycle_momentum, SGD's momentum or Adam's beta1 goes from max_momentum to
    base_momentum and back. The optimiser's own value is replaced: even SGD(momentum=0) gets momentum, as in PyTorch.

    A cycle of one step has the rate max_lr. (In PyTorch it has the last and least one, which trains nothing.)

    `total_steps` is the number of batches in the whole run, and `step()` is called after each batch. The call after the
    last batch does not change the rate. (In PyTorch it does, and "linear" then falls below 0.) One more call raises
    InputError. Arguments out of range raise InputError too, and so does cycle_momentum with an optimiser without
    momentum.

    >>> from minicnn import Tensor
    >>> from minicnn.optim import SGD
    >>> optimizer = SGD([Tensor([0.0], requires_grad=True)])
    >>> schedule = OneCycleLR(optimizer, max_lr=1.0, total_steps=10)
    >>> [round(schedule.lr_at(t), 2) for t in range(10)]
    [0.04, 0.52, 1.0, 0.95, 0.81, 0.61, 0.39, 0.19, 0.05, 0.0]
    >>> optimizer.momentum
    0.95
    """

    def __init__(self, optimizer: Optimizer, max_lr: float, total_steps: int, *, pct_start: float = 0.3,
                 anneal_strategy: str = "cos", cycle_momentum: bool = True, base_momentum: float = 0.85,
                 max_momentum: float = 0.95, div_factor: float = 25.0, final_div_factor: float = 1e4) -> None:
        if not 0 <= number("OneCycleLR: pct_start", pct_start) <= 1:
            raise InputError(f"OneCycleLR: pct_start is a part of the run, from 0 to 1, not {pct_start}")
        self.max_lr, self.div_factor, self.final_div_factor = (
            number(f"OneCycleLR: {name}", value, above=0) for name, value in (
                ("max_lr", max_lr), ("div_factor", div_factor), ("final_div_factor", final_div_factor)))
        self.total_steps, self.pct_start = integer("OneCycleLR: total_steps", total_steps, 1), float(pct_start)
        self.anneal_strategy = one_of("OneCycleLR: anneal_strategy", anneal_strategy, ("cos", "linear"))
        self.cycle_momentum = boolean("OneCycleLR: cycle_momentum", cycle_momentum)
        self.base_momentum = fraction("OneCycleLR: base_momentum", base_momentum)
        self.max_momentum = fraction("OneCycleLR: max_momentum", max_momentum)
        if cycle_momentum and not hasattr(optimizer, "momentum") and not hasattr(optimizer, "betas"):
            raise InputError(f"OneCycleLR: {type(optimizer).__name__} has no momentum to cycle; give "
                             "cycle_momentum=False")
        super().__init__(optimizer)

    def lr_at(self, epoch: int) -> float:
        initial = self.max_lr / self.div_factor
        return self._cycle(epoch, initial, self.max_lr, initial / self.final_div_factor)

    def _cycle(self, step, start, peak, end):
        if step > self.total_steps:
            raise InputError(f"OneCycleLR: step {step} of a cycle of total_steps = {self.total_steps}; make the "
                             "scheduler with the number of batches of the whole run")
        if self.total_steps == 1:
            return peak
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
