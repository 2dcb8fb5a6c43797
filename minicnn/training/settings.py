"""The settings of `fit`, and the error of a training that cannot go on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..checks import fraction, integer, number, one_of
from ..data.augment import check_augment
from ..errors import InputError, StateError

OPTIMIZERS = {"adamw": (2e-3, 1e-2), "adam": (2e-3, 0.0), "sgd": (2e-2, 5e-4), "rmsprop": (3e-4, 0.0),
              "adagrad": (3e-3, 0.0)}             # the default lr and weight_decay of each
SCHEDULES = ("one-cycle", "cosine", "linear", "step", "constant", "plateau")
WITH_MOMENTUM = ("sgd", "rmsprop")                # optimisers that take a momentum
WARMED = ("cosine", "linear", "step", "constant")     # schedules that a warm-up may come before


class TrainingError(StateError):
    """Training cannot go on. The message says why and what to do."""


def _setting(default: Any, help: str, **more: Any) -> Any:
    """A field. `choices` are its possible values; `fits` are other settings without which it is refused."""
    return field(default=default, metadata={"help": help, **more})


def _defaults(index):
    return "default: " + ", ".join(f"{values[index]:g} with {name}" for name, values in OPTIMIZERS.items())


@dataclass(frozen=True)
class Settings:
    """The settings of `fit`. By default its optimiser is AdamW with a one-cycle schedule.

    Every field has a default and, in its metadata, a help text. `minicnn train` makes an option from each field. The
    numbers may be NumPy's; they are kept as Python's. `lr` and `weight_decay` have a default for each optimiser.

    The schedules, after each step: "one-cycle" rises to `lr` and falls almost to 0 (`optim.OneCycleLR`). "cosine" and
    "linear" fall from `lr` to 0 over the run. "step" falls to a tenth after one and after two thirds of the run.
    "constant" stays. "plateau" falls to a tenth, after an epoch, if the validation loss has not improved in more than
    two epochs.

    Raises
    ------
    InputError
        A value that training cannot use, or one that would be ignored: a momentum of an optimiser that has none, a
        warm-up before a schedule that has its own or follows the validation loss.

    Examples
    --------
    >>> Settings(epochs=3).lr
    0.002
    >>> Settings(epochs=0)
    Traceback (most recent call last):
        ...
    minicnn.InputError: epochs must be an integer of at least 1, not 0
    """

    epochs: int = _setting(10, "how many times the training goes through all images")
    batch_size: int = _setting(64, "images in a step")
    lr: float = _setting(None, f"the highest learning rate; {_defaults(0)}")
    weight_decay: float = _setting(None, f"weight decay; {_defaults(1)}")
    seed: int = _setting(1, "seed of all random numbers; the same seed gives the same weights on the same machine, bit "
                            "for bit")
    max_shift: int = _setting(0, "the most pixels by which each training image is moved, at random in each epoch")
    augment: tuple[str, ...] = _setting((), "further random changes of each training image: flip, rotate, crop")
    patience: int | None = _setting(None, "stop after N epochs without a smaller validation error")

    optimizer: str = _setting("adamw", "the optimiser; rmsprop and adagrad bear a higher learning rate after a warm-up",
                              choices=tuple(OPTIMIZERS))
    schedule: str = _setting("one-cycle", "how the learning rate changes", choices=SCHEDULES)
    warmup: float = _setting(0.0, "epochs in which the learning rate first rises to its highest value; not with "
                                  "one-cycle and plateau", fits={"schedule": "constant", "epochs": 1 << 40})
    momentum: float | None = _setting(None, "momentum of sgd and rmsprop; default: 0 with rmsprop; with sgd 0.9, and "
                                            "0.95 to 0.85 and back in one-cycle", fits={"optimizer": "sgd"})
    clip: float | None = _setting(None, "scale the gradients of a step down to this norm; default: never")
    ema: float | None = _setting(None, "measure and keep an average of the weights in which those of n steps ago count "
                                       "X^n, as 0.99; default: the weights themselves")

    def __post_init__(self) -> None:
        for name, least in (("epochs", 1), ("batch_size", 1), ("seed", 0), ("max_shift", 0)):
            self._keep(name, integer(name, getattr(self, name), least))
        self._keep("augment", check_augment("augment", self.augment))
        if self.patience is not None:
            self._keep("patience", integer("patience", self.patience, 1))
        lr, weight_decay = OPTIMIZERS[one_of("optimizer", self.optimizer, tuple(OPTIMIZERS))]
        self._keep("lr", lr if self.lr is None else number("lr", self.lr, above=0))
        self._keep("weight_decay", weight_decay if self.weight_decay is None else
                   number("weight_decay", self.weight_decay, least=0))
        one_of("schedule", self.schedule, SCHEDULES)
        self._check_warmup()
        if self.momentum is not None:
            self._keep("momentum", fraction("momentum", self.momentum))
            if self.optimizer not in WITH_MOMENTUM:
                raise InputError(f"momentum has no effect with the optimiser {self.optimizer}: leave it out, or take "
                                 f"{' or '.join(WITH_MOMENTUM)}")
        if self.clip is not None:
            self._keep("clip", number("clip", self.clip, above=0))
        if self.ema is not None:
            self._keep("ema", fraction("ema", self.ema))
            if self.ema == 1:
                raise InputError("ema must be below 1, so that the average follows the weights, not 1")

    def _check_warmup(self):
        self._keep("warmup", number("warmup", self.warmup, least=0))
        if self.warmup and self.schedule not in WARMED:
            why = "begins with a warm-up of its own" if self.schedule == "one-cycle" else "follows the validation loss"
            raise InputError(f"warmup has no effect with the schedule {self.schedule}, which {why}: leave it out, or "
                             f"take {', '.join(WARMED)}")
        if self.warmup >= self.epochs:
            raise InputError(f"warmup must be less than the {self.epochs} epoch{'s' * (self.epochs != 1)} of the run, "
                             f"not {self.warmup:g}")

    def _keep(self, name, value):
        object.__setattr__(self, name, value)     # the class is frozen
