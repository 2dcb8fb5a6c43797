"""An operation with inputs for `gradcheck`, and the options for operations that are linear or smooth."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

LINEAR = {"eps": 1.0, "rtol": 1e-10, "atol": 1e-12}      # linear in each input: no truncation error
SMOOTH = {"eps": 1e-5, "rtol": 1e-6, "atol": 1e-9}


@dataclass(frozen=True)
class Operation:
    """A function, and the inputs for the check of its gradient.

    Attributes
    ----------
    kind : str
        The name in `minicnn.functional`, or of the Tensor's operator or method.
    variant : str
        The difference between this entry and the others of its kind; "" for the plain one.
    func : callable, or (forward, backward)
        As for `gradcheck`.
    inputs : tuple of Tensor or ndarray
    options : dict
        Options of `gradcheck`.
    """

    kind: str
    variant: str
    func: Any
    inputs: tuple
    options: dict = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Kind and variant."""
        return f"{self.kind} {self.variant}".rstrip()
