"""The optimiser, the schedule and the average of the weights that the settings of a training ask for."""

from __future__ import annotations

from typing import Any

from ..nn import Module
from ..optim import (
    SGD,
    Adagrad,
    Adam,
    AdamW,
    ConstantLR,
    CosineAnnealingLR,
    LinearLR,
    LRScheduler,
    MultiStepLR,
    OneCycleLR,
    Optimizer,
    PolynomialLR,
    ReduceLROnPlateau,
    RMSprop,
    SequentialLR,
)
from ..optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from .settings import WITH_MOMENTUM, Settings

KINDS: dict[str, type[Optimizer]] = {"adamw": AdamW, "adam": Adam, "sgd": SGD, "rmsprop": RMSprop, "adagrad": Adagrad}
CYCLED = ("adamw", "adam", "sgd")                 # one-cycle also changes the momentum of these
FIRST = 0.01                                      # the part of the rate at which a warm-up begins
EMA = "ema."                                      # prefix of the average's arrays in the state of the optimiser


def make_optimizer(settings: Settings, model: Module) -> Optimizer:
    """The optimiser of the model's parameters."""
    options: dict[str, Any] = {}
    if settings.optimizer in WITH_MOMENTUM:
        usual = 0.9 if settings.optimizer == "sgd" else 0.0
        options["momentum"] = usual if settings.momentum is None else settings.momentum
    kind: Any = KINDS[settings.optimizer]
    return kind(model.parameters(), lr=settings.lr, weight_decay=settings.weight_decay, **options)


def make_schedule(settings: Settings, optimizer: Optimizer, batches: int) -> LRScheduler:
    """The schedule of a run with so many batches in an epoch.

    A `ReduceLROnPlateau` makes a step at the end of each epoch, with the validation loss; any other schedule after each
    batch.
    """
    total, warm = settings.epochs * batches, 0
    if settings.schedule == "one-cycle":
        cycled = settings.optimizer in CYCLED and settings.momentum is None
        return OneCycleLR(optimizer, settings.lr, total_steps=total, cycle_momentum=cycled)
    if settings.schedule == "plateau":
        return ReduceLROnPlateau(optimizer, factor=0.1, patience=2)
    if settings.warmup:
        warm = min(max(1, round(settings.warmup * batches)), total - 1)
    if not warm:
        return _after_warmup(settings, optimizer, total, 0)
    rising = LinearLR(optimizer, start_factor=FIRST, total_iters=warm)
    return SequentialLR(optimizer, [rising, _after_warmup(settings, optimizer, total, warm)], [warm])


def _after_warmup(settings, optimizer, total, warm):
    """The schedule for the steps from `warm` to `total`. It counts its own steps from 0."""
    if settings.schedule == "cosine":
        return CosineAnnealingLR(optimizer, T_max=total - warm)
    if settings.schedule == "linear":
        return PolynomialLR(optimizer, total_iters=total - warm)
    if settings.schedule == "step":
        return MultiStepLR(optimizer, [max(1, part * total // 3 - warm) for part in (1, 2)], gamma=0.1)
    return ConstantLR(optimizer, factor=1.0, total_iters=1)


def make_average(settings: Settings, model: Module) -> AveragedModel | None:
    """The average of the model's weights; None if the settings ask for none."""
    if settings.ema is None:
        return None
    return AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(settings.ema))


def joint_state(optimizer: Optimizer, average: AveragedModel | None) -> dict[str, Any]:
    """The state of the optimiser and of the average in one dict."""
    own = {} if average is None else average.state_dict()
    return {**optimizer.state_dict(), **{EMA + name: array for name, array in own.items()}}


def separate_states(state: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The state of the optimiser and that of the average; the second is empty if there is none."""
    average = {name.removeprefix(EMA): value for name, value in state.items() if name.startswith(EMA)}
    return {name: value for name, value in state.items() if not name.startswith(EMA)}, average
