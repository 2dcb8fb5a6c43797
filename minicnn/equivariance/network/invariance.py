"""After the last image of a network: in how far its outputs are invariant to shifts of the input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...adapters.reasons import reason
from ...adapters.steps import Layer
from ...progress import Part, Progress
from ..domains import Pair
from ..laws import Equivariance
from ..report import Lattice
from .judge import Options, Trial, named
from .passes import Passes, groups, title

BEFORE = ("it uses all pixels, also those that a shift changes at the border or on a coarser grid: mend the first "
          "layer that breaks equivariance")
MULTIPLES = ((1, 0), (0, 1), (1, 1), (-1, 2), (2, -1))          # of the lattice


@dataclass(frozen=True)
class Invariance:
    """Whether a step after the last image is invariant: out(S f) = out(f) for shifts S of the lattice of that image.

    Attributes
    ----------
    name, kind : str
        The step's name in the network, and its repr.
    verdict : str
        The result in words.
    invariant : bool
    lattice : (int or None, int or None)
        The smallest shifts down and across to which the network is equivariant up to its last image. Without such a
        shift, shifts by one pixel are tried.
    shifts : list of (int, int)
        The shifts that were tried.
    shift : (int, int)
        The one with the largest change.
    change, largest : float
        The largest |out(S f) - out(f)|, and the largest |out(f)| and |out(S f)|.
    reason : str
        For the first step that is not invariant: what in its settings breaks invariance, and what would mend it.
    """

    name: str
    kind: str
    verdict: str
    invariant: bool
    lattice: Lattice
    shifts: list[Pair]
    shift: Pair
    change: float
    largest: float
    reason: str = ""

    @property
    def title(self) -> str:
        """The step's name and class."""
        return title(self.name, self.kind)

    def __str__(self):
        return f"{self.title}: {self.verdict}"

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"layer": self.name, **{name: value for name, value in vars(self).items() if name != "name"}}


def invariances(layers: Sequence[Layer], lattice: Lattice, options: Options, progress: Progress) -> list[Invariance]:
    """The invariance of each layer after the last image, whose lattice is given."""
    found: list[Invariance] = []
    for group in groups(layers, np.dtype(options.dtype).itemsize):
        passes = Passes(group)
        for number, layer in enumerate(group):
            Part(progress, len(found) / len(layers), (len(found) + 1) / len(layers), f"{layer.name}: ").update(0, 1)
            one = named(layer, _judged, layer, passes, number, lattice, options)
            first = not one.invariant and all(before.invariant for before in found)
            why = BEFORE if None in lattice else reason(layer.layer, options.domain)
            found.append(replace(one, reason=why) if first else one)
    return found


def _judged(layer, passes, number, lattice, options):
    trial = Trial(layer, passes, number, options)
    trial.start()
    trial.repeat()
    context = trial.findings.context
    f = trial.images.draw(context.shape)
    steps = [1 if step is None else step for step in lattice]
    shifts = [(a * steps[0], b * steps[1]) for a, b in MULTIPLES]
    shifts = [by for by in shifts if all(abs(d) < n for d, n in zip(by, options.size, strict=True))]
    tried = [trial.findings.difference(Equivariance(by, (0, 0)), f) for by in shifts]
    invariant = all(one.passed for one in tried)
    worst = max(range(len(tried)), key=lambda n: tried[n].error.max())
    change, largest = float(tried[worst].error.max()), float(np.abs([tried[worst].left, tried[worst].right]).max())
    verdict = trial.verdict or _verdict(invariant, lattice, shifts[worst], change, largest)
    return Invariance(layer.name, layer.kind, verdict, invariant and not trial.verdict, lattice, shifts, shifts[worst],
                      change, largest)


def _verdict(invariant, lattice, shift, change, largest):
    """The verdict in words.

    >>> _verdict(False, (2, 2), (2, 0), 0.5, 2.0)
    'not invariant to shifts by multiples of 2 down, 2 across: the shift (2, 0) changes a number by 0.5, 25 % of the \
largest'
    """
    if lattice == (1, 1):
        to = "to all shifts"
    elif None in lattice:
        to = "to shifts by a few pixels (up to its last image the network is equivariant to no shift)"
        if lattice != (None, None):
            axis, step = ("down", lattice[0]) if lattice[1] is None else ("across", lattice[1])
            to = f"to shifts by multiples of {step} {axis}, and by a few pixels in the other direction"
    else:
        to = f"to shifts by multiples of {lattice[0]} down, {lattice[1]} across"
    if invariant:
        return f"invariant {to}" + (f": largest change {change:.1e}" if change else ", exactly")
    part = f", {100 * change / largest:.3g} % of the largest" if largest else ""
    return f"not invariant {to}: the shift {shift} changes a number by {change:.3g}{part}"
