"""The verdicts on a network up to each of its layers, by the laws of `verify_convolution`, with shared passes.

A layer after a ReLU is not linear. Its response to an impulse means nothing, so it is not measured: the verdict says to
which shifts the network is equivariant up to this layer. A layer that is linear, or nearly, gets the whole of
`verify_convolution`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from dataclasses import replace as changed
from typing import Any

import numpy as np

from ...adapters.steps import Layer
from ...progress import Part, Progress
from ..domains import Pair, torus_rates
from ..findings import Findings, start
from ..lattice import find_lattice, find_rates
from ..laws import Additivity, Homogeneity
from ..operator import TIME_LIMIT, Operator, OperatorError
from ..report import Lattice, Report, not_linear
from ..signals import TrialImages
from ..verifier import (
    FACTORS,
    INTEGER_FACTORS,
    refuse_sizes,
    repetitions,
    verify_convolution,
)
from .passes import Passes, groups

PLAIN = 1e-3                    # an error beyond this part of the largest magnitude is no rounding


@dataclass(frozen=True)
class Options:
    """The settings of `verify_convolution` that hold for all layers. With `seed` each layer gets the same images."""

    in_channels: int
    size: Pair
    domain: str
    dtype: Any
    trials: int = 8
    exhaustive: bool = False
    integers: bool = False
    bound: float | None = None
    time_limit: float = TIME_LIMIT
    seed: int = 0

    def images(self) -> TrialImages:
        """Draws the images of the trials."""
        return TrialImages(np.random.default_rng(self.seed), self.trials + 1, self.integers)

    def whole(self, layer: Layer, progress: Progress) -> Report:
        """`verify_convolution` of the network up to the layer."""
        given = {name: value for name, value in vars(self).items() if name != "seed"}
        return verify_convolution(layer.up_to, rng=np.random.default_rng(self.seed), progress=progress, **given)


class Trial:
    """One layer and what is known about the network up to it."""

    def __init__(self, layer: Layer, passes: Passes, number: int, options: Options):
        self.layer, self.passes, self.options = layer, passes, options
        self.operator = Operator(passes.operator(number), options.in_channels, options.size, options.dtype,
                                 options.time_limit * len(passes))          # the first layer pays for all
        refuse_sizes(self.operator, options.domain, options.trials + 1)
        if layer.up_to and options.domain == "torus":
            torus_rates(self.operator.in_shape, self.operator.out_shape)
        self.images = options.images()
        self.verdict = ""
        self.lattice: Lattice = (None, None)
        self.findings: Findings = None                                      # type: ignore[assignment]
        self.linear = False

    def start(self) -> None:
        """Measure op(0), the gain and the precision."""
        self.findings = start(self.operator, self.options.domain, self.images, self.options.bound)
        self.findings.explain = False

    def repeat(self) -> None:
        """Whether the output depends on the image alone."""
        def again(f):
            with self.passes.second():
                return self.operator(f)
        for name, says, difference, meaning in repetitions(self.findings, self.images, again):
            self.findings.add_check(name, says, difference)
            self.verdict = self.verdict or ("" if difference.passed else meaning)

    def scale(self) -> None:
        """Whether the network is clearly not linear: then an error is so large that no rounding explains it."""
        shape, factors = self.operator.in_shape, INTEGER_FACTORS if self.images.integers else FACTORS
        f, g = self.images.draw(shape), self.images.draw(shape)
        answer = self.findings.context.linear_part(self.findings.rounded([f])[0])
        scaled = [self.findings.difference(Homogeneity(factor), f, answer=answer) for factor in factors]
        added = self.findings.difference(Additivity(), f, g)
        self.findings.add_check("homogeneity", "L(a f) = a L(f), a = -1, 1/2, ...", *scaled)
        self.findings.add_check("additivity", str(Additivity()), added)
        largest = max(one.ratio.max() for one in (*scaled, added))          # in units of at least 8 eps
        self.linear = bool(largest <= PLAIN / (8 * self.operator.eps))

    def rate(self) -> None:
        """The rates of both axes, and the noise of the algorithm."""
        rates = find_rates(self.findings, self.images)
        self.findings.context = changed(self.findings.context, rates=rates)
        self.findings.measure_mixing(self.images, affine=False)

    def report(self) -> Report:
        """The report on a network that is not linear, or not deterministic."""
        context, found = self.findings.context, self.findings
        facts: dict[str, Any] = {
            "domain": context.domain, "size": self.operator.in_shape[1:], "dtype": self.operator.dtype.name,
            "images": self.images.count, "checks": found.checks, "witnesses": found.witnesses}
        if self.verdict:
            return Report(self.verdict, deterministic=False, **facts)
        offset, last = context.offset, found.checks[-1]
        equivariant = self.lattice == (1, 1) and context.rates == ((1, 1), (1, 1))
        constant = np.ptp(offset, (1, 2)).max() == 0
        return Report(not_linear(self.lattice), equivariant=equivariant, lattice=self.lattice,
                      offset=offset[:, 0, 0] if constant else None, error=last.error, tolerance=last.tolerance,
                      shift_failing=found.shift_failing, **facts)


def judge(layers: Sequence[Layer], options: Options, progress: Progress) -> list[Report]:
    """The reports on the network up to each of the layers.

    Raises
    ------
    OperatorError
        As `verify_convolution`; the message begins with the layer.
    """
    found: list[Report] = []
    for group in groups(layers, np.dtype(options.dtype).itemsize):
        part = Part(progress, len(found) / len(layers), (len(found) + len(group)) / len(layers))
        found += _group(group, options, part)
    return found


def _group(layers, options, progress):
    """The reports on layers whose outputs come from the same passes."""
    if not hasattr(layers[0].up_to, "walk"):
        return [named(layer, options.whole, layer, progress) for layer in layers]
    passes, stages = Passes(layers), Part(progress, 0, 0.5)
    trials = [named(layer, Trial, layer, passes, number, options) for number, layer in enumerate(layers)]
    live = trials
    for n, stage in enumerate((Trial.start, Trial.repeat, Trial.scale, Trial.rate)):
        for m, trial in enumerate(live):
            stages.update(n * len(live) + m, 5 * len(live), f"{trial.layer.name}: ")
            named(trial.layer, stage, trial)
        live = [trial for trial in live if not trial.verdict and not trial.linear]
    _find_lattices(live)
    reports = []
    for m, trial in enumerate(trials):
        part = Part(progress, 0.5 + m / len(trials) / 2, 0.5 + (m + 1) / len(trials) / 2, f"{trial.layer.name}: ")
        reports.append(named(trial.layer, options.whole, trial.layer, part) if trial.linear else trial.report())
        part.update(1, 1)
    return reports


def _find_lattices(trials: Iterable[Trial]) -> None:
    """Find the lattices of all layers at once: each tries a shift in turn, so that the layers share the passes."""
    searching = [(trial, find_lattice(trial.findings, trial.images)) for trial in trials]
    while searching:
        still = []
        for trial, search in searching:
            try:
                named(trial.layer, next, search)
                still.append((trial, search))
            except StopIteration as end:
                trial.lattice = end.value
        searching = still


def named(layer: Layer, function: Callable, *arguments: Any) -> Any:
    """Call the function; its OperatorError gets the name of the layer."""
    try:
        return function(*arguments)
    except OperatorError as error:
        raise OperatorError(f"up to {layer.name}: {error}") from error
