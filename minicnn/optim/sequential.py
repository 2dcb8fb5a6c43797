"""Schedules one after the other, as for a warm-up."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from copy import copy
from typing import Any

from ..errors import InputError, InputTypeError
from .optimizer import Optimizer
from .plateau import ReduceLROnPlateau
from .scheduler import LRScheduler
from .schedules import steps


class SequentialLR(LRScheduler):
    """The first schedule for t < milestones[0], then the second, which begins at its own t = 0, and so on.

    A warm-up is a LinearLR, and another schedule after it (Goyal et al. 2017, section 2.2). Make the schedules one
    after the other, and then this one: the base_lrs of all are the optimiser's rates from before the first was made.

    Parameters
    ----------
    optimizer : Optimizer
    schedulers : list of LRScheduler
        Of this optimiser. Only this schedule steps them.
    milestones : list of int
        In increasing order; one less than there are schedules.

    Raises
    ------
    InputError
        The numbers of schedules and milestones do not fit, a milestone does not come after the one before, or a
        schedule is of another optimiser.
    InputTypeError
        One is not a schedule, or is a ReduceLROnPlateau, which needs a metric.

    Examples
    --------
    >>> from minicnn import Tensor
    >>> from minicnn.optim import SGD, CosineAnnealingLR, LinearLR
    >>> optimizer = SGD([Tensor([0.0], requires_grad=True)], lr=1.0)
    >>> warm_up = LinearLR(optimizer, start_factor=0.25, total_iters=3)
    >>> schedule = SequentialLR(optimizer, [warm_up, CosineAnnealingLR(optimizer, T_max=4)], milestones=[3])
    >>> [round(schedule.lr_at(t), 3) for t in range(8)]
    [0.25, 0.5, 0.75, 1.0, 0.854, 0.5, 0.146, 0.0]
    """

    def __init__(self, optimizer: Optimizer, schedulers: Sequence[LRScheduler], milestones: Sequence[int]) -> None:
        if not isinstance(schedulers, (list, tuple)) or not schedulers:
            raise InputTypeError(f"SequentialLR: schedulers must be a list of schedules, not {schedulers!r}")
        for i, schedule in enumerate(schedulers):
            if not isinstance(schedule, LRScheduler) or isinstance(schedule, ReduceLROnPlateau):
                raise InputTypeError(f"SequentialLR: schedulers[{i}] is a {type(schedule).__name__}; give schedules "
                                     "whose rate depends on the number of steps only")
            if schedule.optimizer is not optimizer:
                raise InputError(f"SequentialLR: schedulers[{i}] is of another optimiser: make it for the same one")
        self.milestones = steps("SequentialLR: milestones", milestones)
        if len(set(self.milestones)) != len(schedulers) - 1 or len(set(self.milestones)) != len(self.milestones):
            raise InputError(f"SequentialLR: {len(schedulers)} schedules need {len(schedulers) - 1} different "
                             f"milestones, not {self.milestones}")
        self.schedulers = list(schedulers)
        super().__init__(optimizer)
        self.base_lrs = list(self.schedulers[0].base_lrs)

    def lr_at(self, epoch: int) -> float:
        return self.lrs_at(epoch)[0]

    def lrs_at(self, epoch: int) -> list[float]:
        """The learning rate of each parameter group after `epoch` steps."""
        i, start = self._active(epoch)
        return self.schedulers[i].lrs_at(epoch - start)

    def state_dict(self) -> dict[str, Any]:
        """As of every schedule, with the states of the schedules as a list."""
        return {**super().state_dict(), "schedulers": [schedule.state_dict() for schedule in self.schedulers]}

    def _checked_value(self, name, value, ours):
        if name != "schedulers":
            return super()._checked_value(name, value, ours)
        if not isinstance(value, list) or len(value) != len(self.schedulers):
            raise InputError(f"load_state_dict: schedulers must be a list of {len(self.schedulers)} states, not "
                             f"{str(value)[:80]}")
        return value

    def _take(self, state):
        milestones = steps("load_state_dict: milestones", state["milestones"])
        if len(set(milestones)) != len(self.milestones):
            raise InputError(f"load_state_dict: {len(self.milestones)} milestones are needed, not {milestones}")
        others = [copy(schedule) for schedule in self.schedulers]
        for one, values in zip(others, state["schedulers"], strict=True):
            one.optimizer = self.optimizer
            one.load_state_dict(values)
        for one, loaded in zip(self.schedulers, others, strict=True):
            if self.optimizer is one.optimizer:   # otherwise this is a trial
                vars(one).update(vars(loaded))
        vars(self).update({**state, "milestones": milestones, "schedulers":
                           self.schedulers if self.optimizer is self.schedulers[0].optimizer else others})
        self._set(self.last_epoch)

    def _active(self, epoch):
        """The number of the schedule after `epoch` steps, and the step at which it begins."""
        i = bisect_right(self.milestones, epoch)
        return i, self.milestones[i - 1] if i else 0

    def _set(self, epoch):
        i, start = self._active(epoch)
        self.schedulers[i]._set(epoch - start)
        for j, schedule in enumerate(self.schedulers):
            if j != i:
                schedule.last_epoch = self.milestones[j] - self._active(self.milestones[j] - 1)[1] - 1 if j < i else 0
        self.last_epoch, self._rates = epoch, self.get_last_lr()
