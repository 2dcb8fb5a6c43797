"""A schedule that follows a metric: the rate falls when the metric no longer improves."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np

from ..checks import integer, number, one_of
from ..errors import InputError, InputTypeError, StateError
from ..tensor import Tensor
from .one_cycle import of_groups
from .optimizer import Optimizer
from .scheduler import LRScheduler


class ReduceLROnPlateau(LRScheduler):
    """Multiplies the rate by `factor` when a metric has not improved in more than `patience` steps.

    Call `step(metric)` after each epoch, for example with the validation loss. After a reduction the steps without an
    improvement do not count for `cooldown` steps. Other schedules, and you, may change the rate too.

    Parameters
    ----------
    optimizer : Optimizer
    mode : {"min", "max"}
        Whether a smaller or a larger metric is better.
    factor : float
        From 0 to below 1.
    patience, cooldown : int
        0 or more.
    threshold : float
        How much better the metric must be than the best so far: with threshold_mode="rel" by this part of |best|,
        with "abs" by this amount. (With "rel" PyTorch counts a negative metric that is a little worse as better.)
    threshold_mode : {"rel", "abs"}
    min_lr : float or list of float
        The least rate; a list has one for each parameter group.
    eps : float
        A reduction by at most eps is not made.

    Attributes
    ----------
    best : float
        The best metric so far.
    num_bad_epochs, cooldown_counter : int

    Raises
    ------
    InputError
        A number is out of range.

    Examples
    --------
    >>> from minicnn.optim import SGD
    >>> optimizer = SGD([Tensor([0.0], requires_grad=True)], lr=1.0)
    >>> schedule, rates = ReduceLROnPlateau(optimizer, factor=0.5, patience=1), []
    >>> for loss in 3.0, 2.0, 2.5, 2.4, 1.0:
    ...     schedule.step(loss)
    ...     rates.append(optimizer.lr)
    >>> rates
    [1.0, 1.0, 1.0, 0.5, 0.5]
    """

    def __init__(self, optimizer: Optimizer, mode: str = "min", factor: float = 0.1, patience: int = 10,
                 threshold: float = 1e-4, threshold_mode: str = "rel", cooldown: int = 0,
                 min_lr: float | list[float] = 0.0, eps: float = 1e-8) -> None:
        self.mode = one_of("ReduceLROnPlateau: mode", mode, ("min", "max"))
        self.factor = number("ReduceLROnPlateau: factor", factor, least=0)
        if self.factor >= 1:
            raise InputError(f"ReduceLROnPlateau: factor must be below 1, so that the rate falls, not {factor}")
        self.patience = integer("ReduceLROnPlateau: patience", patience, 0)
        self.threshold = number("ReduceLROnPlateau: threshold", threshold, least=0)
        self.threshold_mode = one_of("ReduceLROnPlateau: threshold_mode", threshold_mode, ("rel", "abs"))
        self.cooldown = integer("ReduceLROnPlateau: cooldown", cooldown, 0)
        self.min_lr = of_groups("ReduceLROnPlateau: min_lr", optimizer, min_lr, least=0)
        self.eps = number("ReduceLROnPlateau: eps", eps, least=0)
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = self.cooldown_counter = 0
        super().__init__(optimizer)

    def lr_at(self, epoch: int) -> float:
        """Raises StateError: the rate depends on the metric, not on the number of steps."""
        raise StateError("ReduceLROnPlateau: the rate depends on the metric, so that it is not known before: read "
                         "get_last_lr()")

    def step(self, metrics: Any = None) -> None:  # type: ignore[override]
        """Take the metric of an epoch, a number or an array or Tensor with one number. NaN is no improvement."""
        value = metrics.item() if isinstance(metrics, (Tensor, np.ndarray, np.generic)) and metrics.size == 1 else \
            metrics
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise InputTypeError(f"ReduceLROnPlateau: step needs the metric as a number, as in step(val_loss), not "
                                 f"{metrics!r}")
        if len(self.optimizer.param_groups) != len(self.base_lrs):
            self._check_untouched()
        self.last_epoch += 1
        if self._is_better(value):
            self.best, self.num_bad_epochs = float(value), 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._reduce()
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0

    def go_to(self, step: int) -> None:
        """Raises StateError, as `lr_at`."""
        self.lr_at(step)

    def state_dict(self) -> dict[str, Any]:
        """The name, the numbers, and "lr": the present rate of each parameter group."""
        return {**super().state_dict(), "lr": self.get_last_lr()}

    def _is_better(self, value):
        better, best = (value, self.best) if self.mode == "min" else (-value, -self.best)
        if math.isinf(best):
            return better < best
        return better < best - self.threshold * (abs(best) if self.threshold_mode == "rel" else 1)

    def _reduce(self):
        least = self.min_lr if isinstance(self.min_lr, list) else [self.min_lr] * len(self.base_lrs)
        for group, lowest in zip(self.optimizer.param_groups, least, strict=True):
            rate = max(group["lr"] * self.factor, lowest)
            if group["lr"] - rate > self.eps:
                group["lr"] = rate

    def _checked_value(self, name, value, ours):
        if name == "best" and isinstance(value, float) and not math.isnan(value):       # it may be infinite
            return value
        if name == "lr" and (not isinstance(value, list) or len(value) != len(self.base_lrs)):
            raise InputError(f"load_state_dict: lr must be a list of {len(self.base_lrs)} rate(s), not {value!r}")
        if name in ("num_bad_epochs", "cooldown_counter"):
            return integer(f"load_state_dict: {name}", value, 0)
        return super()._checked_value(name, value, ours)

    def _take(self, state):
        state = copy.copy(state)
        rates = state.pop("lr")
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
        super()._take(state)

    def _set(self, epoch):
        self.last_epoch, self._rates = epoch, self.get_last_lr()
