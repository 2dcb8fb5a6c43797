"""The findings of the verifier about one operator: its rounding, the checks so far, and the witnesses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from .domains import Rates
from .impulse import ImpulseResponse, convolve, responses, rounding_error
from .laws import Context, Difference, Equivariance, Law, compare_sides
from .operator import LARGEST, Operator
from .report import Check
from .rounding import FLOOR, MOST, SAFETY, TERMS, Rounding, density_of, noise_of
from .signals import KINDS, TrialImages, aligned, combs
from .witness import Witness, find_witness

COMBS, COMB_PRODUCTS = 256, 1 << 28     # the most images of a comb, and the most products with h
FEW = 8                                 # images of an impulse, if h is not known
COMB_CALLS = 12                         # the number of times that the operator is called with all combs
MANY = 0.75                             # of the pixels: more than any small defect reaches
REPEATS = 4                             # heights and places of impulses, if the algorithm mixes pixels


class Findings:
    """The findings about one operator so far: the checks, and a witness for each kind of law that it breaks."""

    def __init__(self, context: Context, measured: tuple[np.ndarray, np.ndarray, np.ndarray]):
        self.context, self.explain = context, True      # explain: find witnesses
        self.checks: list[Check] = []
        self.witnesses: dict[str, Witness] = {}
        self.shift_failing: np.ndarray | None = None
        self.height = 1.0                               # of impulses
        self.smallest_defect: float | None = None
        self.smallest_weight: float | None = None
        self.measured = measured                        # images, the answers, and the noise in them

    def difference(self, law: Law, *inputs: np.ndarray, **more: Any) -> Difference:
        """Compare the two sides of the law on the inputs, rounded to the operator's dtype."""
        return compare_sides(law, self.context, self.rounded(inputs), **more)

    def try_law(self, law: Law, *inputs: np.ndarray, **more: Any) -> Difference:
        """As `difference`. When a law of this name is broken for the first time, also find a witness."""
        found = self.difference(law, *inputs, **more)
        if self.explain and not found.passed and law.name not in self.witnesses:
            self.witnesses[law.name] = find_witness(law, self.context, self.rounded(inputs), found, **more)
        return found

    def try_law_with(self, law: Law, *inputs: np.ndarray, **known: Any) -> Difference:
        """As `try_law`. `known` is about these inputs. It is not used in the search for a witness."""
        found = self.difference(law, *inputs, **known)
        return found if found.passed else self.try_law(law, *inputs)

    def add_check(self, name: str, says: str, *differences: Difference) -> bool:
        """Append the check of some batches to the list. Return whether all passed."""
        found = max(differences, key=lambda one: one.ratio.max())
        where, passed = found.worst(), all(one.passed for one in differences)
        self.checks.append(Check(name, passed, float(found.error[where]), float(found.tolerance[where]), says))
        return passed

    def rounded(self, inputs: Any) -> tuple[np.ndarray, ...]:
        """The inputs, rounded to the dtype of the operator."""
        return tuple(f.astype(self.context.operator.dtype).astype(np.float64) for f in inputs)

    def measure_response(self, rates: Rates) -> None:
        """Measure h with impulses so high that the rounding of a large op(0) does not matter."""
        context = replace(self.context, rates=rates)
        gain = float(context.gain.max()) or 1.0
        self.height = 2.0 ** np.clip(np.ceil(np.log2(np.abs(context.offset).max() / gain + 1e-9)), 0, 30)
        h = responses(context.operator, context.offset, context.axes, height=self.height)
        taps = np.count_nonzero(np.abs(h) > rounding_error(context.operator, h), (1, 2, 3)).max(initial=1)
        context, (f, answers, noise) = replace(context, h=h), self.measured
        bright = convolve(np.abs(f), np.abs(h), context.axes)
        rounding = replace(context.rounding, taps=float(taps)).measured(noise, context.largest((f,), answers, bright))
        self.context = replace(context, rounding=rounding)

    def combs(self, images: TrialImages, shape: tuple[int, int, int]) -> np.ndarray:
        """Images in which each output pixel has a single term. If h is not known, images of a single impulse."""
        if self.context.h is None:
            return combs(images.rng, shape, shape[1:], FEW, images.integers, self._periodic)
        kernel = self._kernel()
        spacing = [-(-n // axis.beta) for n, axis in zip(kernel.kernel.shape[2:], self.context.axes, strict=True)]
        return combs(images.rng, shape, (spacing[0], spacing[1]), self._most(shape), images.integers, self._periodic)

    def aligned(self, images: TrialImages, shape: tuple[int, int, int]) -> np.ndarray:
        """If the algorithm mixes pixels, images in which the terms of some output pixels have one sign."""
        context = self.context
        if not context.rounding.mixes or not context.affine or context.rates != ((1, 1), (1, 1)):
            return np.zeros((0, *shape))
        kernel = self._kernel()
        return aligned(images.rng, shape, kernel.kernel, kernel.origin, self._most(shape), self._periodic)

    @property
    def _periodic(self):
        return self.context.domain == "torus"

    def _kernel(self):
        context = self.context
        return ImpulseResponse(context.h, context.offset, context.axes, rounding_error(context.operator, context.h))

    def _most(self, shape):
        """The most images for one call: a slow operator gets few."""
        context, numbers = self.context, shape[0] * shape[1] * shape[2]
        products = np.count_nonzero(context.h.any((0, 1))) * context.h.shape[0] * numbers
        operator = context.operator
        slow = operator.time_limit / (5 * COMB_CALLS) / max(operator.seconds / max(1, operator.images), 1e-9)
        return max(4, min(COMBS, LARGEST // (8 * numbers), COMB_PRODUCTS // max(1, products), int(slow)))

    def measure_mixing(self, images: TrialImages, affine: bool) -> None:
        """Measure whether the algorithm mixes pixels. If it does, measure h again, as the median over all pixels.

        The terms of an operator that is not affine are not known; for it the largest noise counts everywhere.
        """
        self.context = replace(self.context, affine=affine)
        shape = self.context.operator.in_shape
        draws, single = self.rounded([images.draw(shape, KINDS), self.combs(images, shape)])
        self._measure(images, np.concatenate([draws, single]))
        self._measure_spread(images)
        if affine and self.context.rounding.mixes:
            self._measure(images, np.concatenate([draws, single, self.rounded([self.aligned(images, shape)])[0]]))
            self._clean_response()
            self._measure_spread(images)

    def _measure(self, images, f):
        context = self.context
        answers = context.operator(f)
        noise = noise_of(context.operator, f, answers, images.rng, context.operator.eps)
        largest = context.largest((f,), answers)
        noise = np.where(noise > np.sqrt(context.operator.eps) * largest, 0, noise)     # a jump, as of argmax
        rounding = context.rounding.measured(noise, largest, np.inf)
        if context.affine:
            terms = convolve(np.abs(f), np.abs(context.h), context.axes) + np.abs(context.offset)
            error = np.abs(answers - context.offset - convolve(f, np.asarray(context.h), context.axes))
            rounding = rounding.mixing(noise, error, terms, context.largest((f,), answers, terms), density_of(f))
        self.context = replace(context, rounding=rounding)

    def _measure_spread(self, images):
        """Some algorithms (winograd) round the weights, so that a response depends a little on its place in a tile.

        No change of the images shows this. It is measured as the difference of most pixels after a shift; a defect at
        one pixel, or at the border of a region, is at few of them.
        """
        context, spread = replace(self.context, affine=False), np.zeros(self.context.operator.out_shape[0])
        single, = self.rounded([self.combs(images, context.shape)])
        for axis, (alpha, beta) in enumerate(context.rates):
            law = Equivariance((alpha * (axis == 0), alpha * (axis == 1)), (beta * (axis == 0), beta * (axis == 1)))
            left, right, known, *_ = law.sides(context, (single,))
            largest = context.largest((single,), left, right)
            seen = (np.abs(right - context.offset) > FLOOR * largest) & known
            error = np.abs(left - right) / context.rounding.eps
            own = np.maximum(np.abs(right), np.abs(right - context.offset))
            many = _quantiles(error / np.where(seen, own, 1), seen) > TERMS / 4
            found = _quantiles(error / np.where(largest > 0, largest, 1), seen)
            spread = np.where(many, np.maximum(spread, found), spread)
        self.context = replace(self.context, rounding=context.rounding.spread(np.minimum(spread, MOST)))

    def _clean_response(self):
        """Measure h again with many impulses, and take the median. What rounding can explain counts as 0."""
        context = self.context
        size = min(context.operator.in_shape[1:])
        moves = range(-(min(size, REPEATS) // 2), min(size, REPEATS) // 2 + 1) if self._periodic else [0]
        heights = self.height * (1 + np.arange(REPEATS) / REPEATS)
        several = [responses(context.operator, context.offset, context.axes, moved, height=height)
                   for moved in moves for height in heights]
        h, raw = np.median(several, 0), np.asarray(context.h)
        mixed = SAFETY * context.rounding.eps * np.max(context.rounding.mixed, 0) * np.abs(h).max((1, 2, 3))
        mixed = mixed[:, None, None, None]
        h = h if (np.abs(h - raw) <= 4 * mixed).all() else raw              # else the operator is no convolution
        self.context = replace(context, h=np.where(np.abs(h) > mixed, h, 0))


def _quantiles(values, seen):
    """The quantile MANY of the seen values of each channel, (N, C, H, W) -> (C,); 0 for a channel without any."""
    flat = np.where(seen, values, np.inf).swapaxes(0, 1).reshape(values.shape[1], -1)
    count = np.broadcast_to(seen, values.shape).sum((0, 2, 3))
    flat.sort(1)
    place = MANY * np.maximum(count - 1, 0)
    low, high = (np.take_along_axis(flat, side(place).astype(int)[:, None], 1)[:, 0] for side in (np.floor, np.ceil))
    with np.errstate(invalid="ignore"):
        return np.where(count > 0, low + (high - low) * (place % 1), 0)


def start(operator: Operator, domain: str, images: TrialImages, bound: float | None) -> Findings:
    """Findings with the operator's context: op(0), the gain, and the precision of its arithmetic."""
    operator.batch = images.count
    f = images.draw(operator.in_shape).astype(operator.dtype).astype(np.float64)
    answers = operator(f)                                       # before op(0), which the operator may keep as an answer
    offset = operator(np.zeros((1, *operator.in_shape)))[0]
    with np.errstate(over="ignore"):
        single = answers.astype(np.float32)
    if not images.integers and answers.any() and np.array_equal(answers, single):
        operator.eps = float(np.finfo(np.float32).eps)          # it computes in float32 and returns float64
    brightest = np.maximum(np.abs(f).max((1, 2, 3)), np.finfo(np.float32).tiny)
    gain = np.abs(answers - offset).max((2, 3)) / brightest[:, None]
    context = Context(operator, domain, offset, gain.max(0), Rounding(operator.eps, bound))
    noise = noise_of(operator, f, answers, images.rng, operator.eps)
    context = replace(context, rounding=context.rounding.measured(noise, context.largest((f,), answers)))
    return Findings(context, (f, answers, noise))


def smallest_defect(difference: Difference, offset: np.ndarray) -> float | None:
    """The smallest change of L(f) at a single pixel, relative to L(f), that some image would have shown; or None.

    It is that of the pixel at which the images show least.
    """
    linear_part = np.abs(difference.right - offset)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        relative = np.where(linear_part > 0, difference.tolerance / linear_part, np.inf).min(0)
    seen = relative[np.isfinite(relative)]
    return float(seen.max()) if seen.size else None


def smallest_weight(tolerance: np.ndarray, h: np.ndarray) -> float | None:
    """The smallest change of a single weight that the combs would have shown, relative to the largest weight; or None.

    Their impulses are at least 1 high. Rounding may hide half of a change that is as large as the tolerance.
    """
    largest = np.abs(h).max((1, 2, 3))
    return float(1.5 * (tolerance.max((0, 2, 3))[largest > 0] / largest[largest > 0]).max()) if largest.any() else None
