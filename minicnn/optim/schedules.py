"""Schedules whose rate is a formula of the number of steps t and of the base rate."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence

from ..checks import integer, number
from ..errors import InputError
from .optimizer import Optimizer
from .scheduler import LRScheduler


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


class MultiStepLR(LRScheduler):
    """base_lr * gamma^(number of milestones that are at most t).

    The milestones are integers in increasing order. One that stands there twice counts twice.

    >>> from minicnn import Tensor
    >>> from minicnn.optim import SGD
    >>> schedule = MultiStepLR(SGD([Tensor([0.0], requires_grad=True)], lr=8.0), milestones=[1, 4], gamma=0.5)
    >>> [schedule.lr_at(t) for t in range(6)]
    [8.0, 4.0, 4.0, 4.0, 2.0, 2.0]
    """

    def __init__(self, optimizer: Optimizer, milestones: Sequence[int], gamma: float = 0.1) -> None:
        self.milestones = steps("MultiStepLR: milestones", milestones)
        self.gamma = number("MultiStepLR: gamma", gamma, least=0)
        super().__init__(optimizer)

    def lr_at(self, epoch: int) -> float:
        return self.base_lr * self.gamma ** bisect_right(self.milestones, epoch)


class ConstantLR(LRScheduler):
    """base_lr * factor for t < total_iters, then base_lr. `factor` is from 0 to 1.

    >>> from minicnn import Tensor
    >>> from minicnn.optim import SGD
    >>> schedule = ConstantLR(SGD([Tensor([0.0], requires_grad=True)], lr=8.0), factor=0.25, total_iters=2)
    >>> [schedule.lr_at(t) for t in range(4)]
    [2.0, 2.0, 8.0, 8.0]
    """

    def __init__(self, optimizer: Optimizer, factor: float = 1 / 3, total_iters: int = 5) -> None:
        self.factor = _factor("ConstantLR: factor", factor)
        self.total_iters = integer("ConstantLR: total_iters", total_iters, 1)
        super().__init__(optimizer)

    def lr_at(self, epoch: int) -> float:
        return self.base_lr * self.factor if epoch < self.total_iters else self.base_lr


class LinearLR(LRScheduler):
    """base_lr * (start_factor + (end_factor - start_factor) * min(t / total_iters, 1)).

    The factors are from 0 to 1; `start_factor` is above 0. With the defaults it is a warm-up: the rate rises to
    base_lr. `SequentialLR` lets another schedule follow.

    >>> from minicnn import Tensor
    >>> from minicnn.optim import SGD
    >>> schedule = LinearLR(SGD([Tensor([0.0], requires_grad=True)], lr=8.0), start_factor=0.25, total_iters=3)
    >>> [schedule.lr_at(t) for t in range(5)]
    [2.0, 4.0, 6.0, 8.0, 8.0]
    """

    def __init__(self, optimizer: Optimizer, start_factor: float = 1 / 3, end_factor: float = 1.0,
                 total_iters: int = 5) -> None:
        self.start_factor = _factor("LinearLR: start_factor", start_factor)
        if not self.start_factor:
            raise InputError("LinearLR: start_factor must be above 0, because a rate of 0 trains nothing")
        self.end_factor = _factor("LinearLR: end_factor", end_factor)
        self.total_iters = integer("LinearLR: total_iters", total_iters, 1)
        super().__init__(optimizer)

    def lr_at(self, epoch: int) -> float:
        part = min(epoch / self.total_iters, 1.0)
        return self.base_lr * (self.start_factor + (self.end_factor - self.start_factor) * part)


class ExponentialLR(LRScheduler):
    """base_lr * gamma^t.

    >>> from minicnn import Tensor
    >>> from minicnn.optim import SGD
    >>> schedule = ExponentialLR(SGD([Tensor([0.0], requires_grad=True)], lr=8.0), gamma=0.5)
    >>> [schedule.lr_at(t) for t in range(4)]
    [8.0, 4.0, 2.0, 1.0]
    """

    def __init__(self, optimizer: Optimizer, gamma: float) -> None:
        self.gamma = number("ExponentialLR: gamma", gamma, least=0)
        super().__init__(optimizer)

    def lr_at(self, epoch: int) -> float:
        try:
            return self.base_lr * self.gamma ** epoch
        except OverflowError:
            raise InputError(f"ExponentialLR: gamma^t is too large for gamma = {self.gamma}, t = {epoch}") from None


class PolynomialLR(LRScheduler):
    """base_lr * (1 - min(t / total_iters, 1))^power.

    >>> from minicnn import Tensor
    >>> from minicnn.optim import SGD
    >>> schedule = PolynomialLR(SGD([Tensor([0.0], requires_grad=True)], lr=16.0), total_iters=4, power=2)
    >>> [schedule.lr_at(t) for t in range(6)]
    [16.0, 9.0, 4.0, 1.0, 0.0, 0.0]
    """

    def __init__(self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0) -> None:
        self.total_iters = integer("PolynomialLR: total_iters", total_iters, 1)
        self.power = number("PolynomialLR: power", power, above=0)
        super().__init__(optimizer)

    def lr_at(self, epoch: int) -> float:
        return self.base_lr * (1 - min(epoch / self.total_iters, 1.0)) ** self.power


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
        return half_cosine(self.base_lr, self.eta_min, epoch / self.T_max)


def half_cosine(start: float, end: float, part: float) -> float:
    """Half a cosine from `start` (part = 0) to `end` (part = 1).

    >>> half_cosine(3.0, 1.0, 0.5)
    2.0
    """
    return end + (start - end) * (1 + math.cos(math.pi * part)) / 2


def steps(name: str, given: Sequence[int]) -> list[int]:
    """Return numbers of steps as a list of ints. They must be integers of at least 1, in increasing order.

    >>> steps("milestones", [30, 10])
    Traceback (most recent call last):
        ...
    minicnn.InputError: milestones must be in increasing order, not [30, 10]
    """
    if not isinstance(given, (list, tuple)):
        raise InputError(f"{name} must be a list of integers, not {given!r}")
    found = [integer(f"{name}[{i}]", value, 1) for i, value in enumerate(given)]
    if found != sorted(found):
        raise InputError(f"{name} must be in increasing order, not {list(given)}")
    return found


def _factor(name, value):
    value = number(name, value, least=0)
    if value > 1:
        raise InputError(f"{name} must be from 0 to 1, not {value:g}")
    return value
