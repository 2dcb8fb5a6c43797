"""The base class of all schedules: each `step` sets the learning rates of an optimiser from a formula."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping
from typing import Any

from ..checks import integer, number
from ..errors import InputError, InputTypeError, StateError
from .optimizer import Optimizer


class LRScheduler:
    """Sets `optimizer.lr` from a formula: `lr_at(0)` when it is made, `lr_at(1)` at the first `step()`, and so on.

    The rate depends only on the number of steps. A subclass defines `lr_at`. Its attributes must be numbers, strings or
    lists of numbers, because they are its state. With several parameter groups the formula holds for each: inside of
    `lr_at`, `self.base_lr` is the rate of the group.

    Parameters
    ----------
    optimizer : Optimizer

    Attributes
    ----------
    base_lrs : list of float
        The rate of each parameter group before the scheduler was made. If another schedule was just made and has made
        no step, its base_lrs. (In PyTorch these are always the rates before the very first schedule.)
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
        self.optimizer, rates = optimizer, _rates(optimizer)
        before: LRScheduler | None = vars(optimizer).get("_newest_schedule")
        unused = before is not None and before.last_epoch == 0 and before._rates == rates
        self.base_lrs: list[float] = list(before.base_lrs) if before is not None and unused else rates
        self._group = 0
        self._set(0)
        optimizer._newest_schedule = self         # type: ignore[attr-defined]

    @property
    def base_lr(self) -> float:
        """The base rate of the group whose rate is being computed; otherwise of the first group."""
        return self.base_lrs[self._group]

    def lr_at(self, epoch: int) -> float:
        """The learning rate after `epoch` steps; with several groups that of the first."""
        raise NotImplementedError

    def lrs_at(self, epoch: int) -> list[float]:
        """The learning rate of each parameter group after `epoch` steps."""
        try:
            rates = []
            for i in range(len(self.base_lrs)):
                self._group = i
                rates.append(self.lr_at(epoch))
            return rates
        finally:
            self._group = 0

    def step(self) -> None:
        """Go on to the next learning rate; called after `optimizer.step()`.

        A learning rate that another schedule or the user has set in between raises StateError: it would be overruled.
        So does a parameter group that was added after the schedule was made.
        """
        self._check_untouched()
        self._set(self.last_epoch + 1)

    def go_to(self, step: int) -> None:
        """Set the rates, and the momentum of a one-cycle, as after so many steps from the start."""
        self._set(integer(f"{type(self).__name__}.go_to: step", step, 0))

    def get_last_lr(self) -> list[float]:
        """The current learning rate of each parameter group."""
        return _rates(self.optimizer)

    def state_dict(self) -> dict[str, Any]:
        """The name of the schedule and its numbers. "base_lr" is a number; with several groups, a list."""
        own = {name: copy.copy(value) for name, value in vars(self).items()
               if name not in ("optimizer", "base_lrs", "_rates", "_group")}
        base = self.base_lrs[0] if len(self.base_lrs) == 1 else list(self.base_lrs)
        return {"scheduler": type(self).__name__, "base_lr": base, **own}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load a result of `state_dict` with its settings, and set the optimiser's rates.

        The state of another schedule or of other groups, and wrong values, raise InputError and change nothing.
        """
        theirs = self._checked_state(state_dict)
        trial = copy.copy(self)                         # wrong values change nothing
        trial.optimizer = copy.copy(self.optimizer)
        trial._take(theirs)
        self._take(theirs)

    def _checked_state(self, state_dict):
        """The values in a state by the names of the attributes, checked each by itself."""
        if not isinstance(state_dict, Mapping):
            raise InputTypeError(f"load_state_dict: the state must be a dict, not a {type(state_dict).__name__}")
        ours, theirs = self.state_dict(), dict(state_dict)
        if theirs.keys() != ours.keys() or theirs["scheduler"] != ours["scheduler"]:
            raise InputError(f"load_state_dict: this state is not of {ours['scheduler']!r} but of "
                             f"{theirs.get('scheduler')!r}, with the keys {', '.join(map(str, theirs))}")
        del theirs["scheduler"]
        base = theirs.pop("base_lr")
        theirs["base_lrs"] = [number("load_state_dict: base_lr", one) for one in (
            base if isinstance(base, (list, tuple)) else [base])]
        if len(theirs["base_lrs"]) != len(self.base_lrs):
            raise InputError(f"load_state_dict: this state has {len(theirs['base_lrs'])} parameter group(s), the "
                             f"optimiser {len(self.base_lrs)}: make the optimiser as it was when the state was saved")
        for name in theirs.keys() - {"base_lrs"}:
            theirs[name] = self._checked_value(name, theirs[name], ours[name])
        integer("load_state_dict: last_epoch", theirs["last_epoch"], 0)
        return theirs

    def _checked_value(self, name, value, ours):
        """A value of a state. `ours` is the present value of this attribute."""
        title = f"load_state_dict: {name}"
        if isinstance(value, (list, tuple)) and isinstance(ours, (list, float)):
            return [self._checked_value(f"{name}[{i}]", one, 0) for i, one in enumerate(value)]
        if not isinstance(ours, (str, bool)):
            number(title, value)
        elif type(value) is not type(ours):
            raise InputError(f"{title} must be of the kind of {ours!r}, not {value!r}")
        return value

    def _take(self, state):
        """Take over the values of a state. The constructor checks them as arguments, for a copy of the optimiser."""
        arguments = list(inspect.signature(type(self)).parameters.values())[1:]
        if all(a.name in state or a.default is not a.empty for a in arguments):
            type(self)(copy.copy(self.optimizer), **{a.name: state[a.name] for a in arguments if a.name in state})
        vars(self).update(state)
        self._set(self.last_epoch)

    def _set(self, epoch):
        rates = self.lrs_at(epoch)
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
        self.last_epoch, self._rates = epoch, _rates(self.optimizer)

    def _check_untouched(self):
        name, rates = type(self).__name__, _rates(self.optimizer)
        if len(rates) != len(self.base_lrs):
            raise StateError(f"{name}: a parameter group was added after the schedule was made: make a new schedule")
        for found, ours in zip(rates, self._rates, strict=True):
            if found != ours:
                raise StateError(f"{name}: the learning rate is {found}, but this schedule has set {ours}; it depends "
                                 "on the number of steps only, and would overrule what another schedule or you have "
                                 "set: make a new schedule from the new rate")


def _rates(optimizer):
    return [group["lr"] for group in optimizer.param_groups]
