"""The one-cycle schedule."""

from __future__ import annotations

from typing import Any

from ..checks import boolean, fraction, integer, number, one_of
from ..errors import InputError
from .optimizer import Optimizer
from .scheduler import LRScheduler
from .schedules import half_cosine


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
    momentum. For several parameter groups, `max_lr` may be a list with a rate for each.

    >>> from minicnn import Tensor
    >>> from minicnn.optim import SGD
    >>> optimizer = SGD([Tensor([0.0], requires_grad=True)])
    >>> schedule = OneCycleLR(optimizer, max_lr=1.0, total_steps=10)
    >>> [round(schedule.lr_at(t), 2) for t in range(10)]
    [0.04, 0.52, 1.0, 0.95, 0.81, 0.61, 0.39, 0.19, 0.05, 0.0]
    >>> optimizer.momentum
    0.95
    """

    def __init__(self, optimizer: Optimizer, max_lr: float | list[float], total_steps: int, *, pct_start: float = 0.3,
                 anneal_strategy: str = "cos", cycle_momentum: bool = True, base_momentum: float = 0.85,
                 max_momentum: float = 0.95, div_factor: float = 25.0, final_div_factor: float = 1e4) -> None:
        if not 0 <= number("OneCycleLR: pct_start", pct_start) <= 1:
            raise InputError(f"OneCycleLR: pct_start is a part of the run, from 0 to 1, not {pct_start}")
        self.max_lr = of_groups("OneCycleLR: max_lr", optimizer, max_lr, above=0)
        self.div_factor, self.final_div_factor = (number(f"OneCycleLR: {name}", value, above=0) for name, value in (
            ("div_factor", div_factor), ("final_div_factor", final_div_factor)))
        self.total_steps, self.pct_start = integer("OneCycleLR: total_steps", total_steps, 1), float(pct_start)
        self.anneal_strategy = one_of("OneCycleLR: anneal_strategy", anneal_strategy, ("cos", "linear"))
        self.cycle_momentum = boolean("OneCycleLR: cycle_momentum", cycle_momentum)
        self.base_momentum = fraction("OneCycleLR: base_momentum", base_momentum)
        self.max_momentum = fraction("OneCycleLR: max_momentum", max_momentum)
        if cycle_momentum and not {"momentum", "betas"} & set(getattr(optimizer, "settings", ("momentum",))):
            raise InputError(f"OneCycleLR: {type(optimizer).__name__} has no momentum to cycle; give "
                             "cycle_momentum=False")
        super().__init__(optimizer)

    def lr_at(self, epoch: int) -> float:
        peak = self.max_lr[self._group] if isinstance(self.max_lr, list) else self.max_lr
        initial = peak / self.div_factor
        return self._cycle(epoch, initial, peak, initial / self.final_div_factor)

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
        return half_cosine(before, after, part) if self.anneal_strategy == "cos" else before + (after - before) * part

    def _set(self, epoch):
        super()._set(epoch)
        if self.cycle_momentum:
            momentum = self._cycle(epoch, self.max_momentum, self.base_momentum, self.max_momentum)
            for group in self.optimizer.param_groups:
                if "betas" in group:
                    group["betas"] = (momentum, *group["betas"][1:])
                else:
                    group["momentum"] = momentum


def of_groups(name: str, optimizer: Any, value: Any, **bounds: float) -> float | list[float]:
    """Return `value` as a float, or as a list of floats with one for each parameter group of the optimiser."""
    if not isinstance(value, (list, tuple)):
        return number(name, value, **bounds)
    groups = len(getattr(optimizer, "param_groups", value))
    if len(value) != groups:
        raise InputError(f"{name} has {len(value)} numbers, but the optimiser has {groups} parameter "
                         f"group{'s' * (groups != 1)}: give one number for each, or one for all")
    return [number(f"{name}[{i}]", one, **bounds) for i, one in enumerate(value)]
