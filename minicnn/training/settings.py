"""The settings of `fit`, and the error of a training that cannot go on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..checks import integer, number
from ..data.augment import check_augment
from ..errors import StateError


class TrainingError(StateError):
    """Training cannot go on. The message says why and what to do."""


def _setting(default: Any, help: str) -> Any:
    return field(default=default, metadata={"help": help})


@dataclass(frozen=True)
class Settings:
    """The settings of `fit`. Its optimiser is AdamW with a one-cycle schedule.

    Every field has a default and, in its metadata, a help text. `minicnn train` makes an option from each field. The
    numbers may be NumPy's; they are kept as Python's.

    Raises
    ------
    InputError
        A value that training cannot use.

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
    lr: float = _setting(2e-3, "the highest learning rate of the one-cycle schedule")
    weight_decay: float = _setting(1e-2, "weight decay of AdamW")
    seed: int = _setting(1, "seed of all random numbers; the same seed gives the same weights on the same machine, bit "
                            "for bit")
    max_shift: int = _setting(0, "the most pixels by which each training image is moved, at random in each epoch")
    augment: tuple[str, ...] = _setting((), "further random changes of each training image: flip, rotate, crop")
    patience: int | None = _setting(None, "stop after N epochs without a smaller validation error")

    def __post_init__(self) -> None:
        for name, least in (("epochs", 1), ("batch_size", 1), ("seed", 0), ("max_shift", 0)):
            self._keep(name, integer(name, getattr(self, name), least))
        self._keep("augment", check_augment("augment", self.augment))
        if self.patience is not None:
            self._keep("patience", integer("patience", self.patience, 1))
        self._keep("lr", number("lr", self.lr, above=0))
        self._keep("weight_decay", number("weight_decay", self.weight_decay, least=0))

    def _keep(self, name, value):
        object.__setattr__(self, name, value)     # the class is frozen
