"""`verify_convolution`: decides whether an operator is a convolution, with a proof or a counterexample."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..adapters import as_operator, training_hint
from ..checks import boolean, generator, integer, number, one_of
from ..nn.unchanged import looking
from ..progress import SILENT, Part, Progress
from .domains import Pair, border
from .findings import Findings, smallest_defect, smallest_weight, start
from .impulse import ImpulseResponse, convolve_basis_row, responses, rounding_error
from .lattice import find_lattice, find_rates, result_of
from .laws import Additivity, Convolution, Difference, Homogeneity
from .operator import LARGEST, TIME_LIMIT, Operator, refuse_size
from .report import Check, Report, verdict
from .rounding import density_of, noise_of
from .signals import DOMAINS, TrialImages

FACTORS = (-1.0, 0.5, -1.7, 2.0)
LARGE_FACTORS = (2.0 ** -10, 2.0 ** 10, 2.0 ** 20)      # find thresholds and saturation; powers of 2 are not rounded
INTEGER_FACTORS = (-1.0, 2.0, -3.0)
STAGES = ("the same result twice", "L(a f) = a L(f), L(f + g) = L(f) + L(g)", "op(S f) = S op(f)", "op(f) = h * f")


@looking
def verify_convolution(op: Any, in_channels: int | None = None, size: int | Pair | None = None, domain: str = "torus",
                       dtype: Any = np.float64, trials: int = 8, exhaustive: bool = False,
                       rng: np.random.Generator | None = None, *, integers: bool = False, bound: float | None = None,
                       time_limit: float = TIME_LIMIT, output: int | str | None = None, layout: str | None = None,
                       progress: Progress = SILENT) -> Report:
    """Decide whether `op` is a convolution: linear, up to a constant, and equivariant to shifts.

    The laws are tried in this order:

    1. The same input gives the same result.
    2. L = op - op(0) is homogeneous, L(a f) = a L(f), and additive, L(f + g) = L(f) + L(g).
    3. op(S f) = S op(f) for the unit shifts S, or for larger ones.
    4. op(f) = op(0) + h * f for the response h to an impulse. h * f is a plain float64 sum, without `minicnn.conv`.

    A pass means that the tried images did not refute the operator. `smallest_defect` of the report is the smallest
    defect at a single pixel that they would have shown, `smallest_weight` that of a single weight. For a nonlinear
    operator, a pass is no proof. With `exhaustive`, all basis vectors are tried. That is a proof if the operator is
    linear; whether it is linear is only tried.

    The tolerance is the operator's own rounding. An output pixel with n terms may differ by (8 + sqrt(n)) eps times the
    sum of the magnitudes of its terms, |h| * |f|. If the algorithm mixes pixels (fft, winograd), 5 times its measured
    noise is added: the largest change of the result if the images change in their last bit.

    Parameters
    ----------
    op : callable
        (N, C_in, H, W) -> (N, C_out, H', W'), arrays of `dtype`; a minicnn Module or functional works too, and what
        `minicnn.adapters` knows of other libraries.
    in_channels : int, optional
    size : int or (int, int), optional
        H and W. By default channels and size are those that the operator itself says, else 1 and 16 x 16.
    domain : {"torus", "plane", "window"}
        The pixels beyond the border: the opposite side; zeros; or unknown pixels of a larger image. In a window a shift
        moves unknown pixels in, and only the overlap is compared.
    dtype : {float32, float64}
    trials : int
        The number of images for each law, besides an impulse.
    exhaustive : bool
        Try all basis vectors.
    rng : numpy.random.Generator, optional
        Draws the images; by default np.random.default_rng(0).
    integers : bool
        Images and factors are integers. Then an operator with integer weights has no rounding error.
    bound : float, optional
        The multiple of eps that passes, instead of 8 + sqrt(n). Give a larger one for an operator that rounds more than
        its terms explain. For laws without h it multiplies the largest magnitude in the channel.
    time_limit : float
        Seconds that all calls of the operator may take.
    output, layout
        Which of several outputs is judged, and the order of the axes; see `as_operator`.
    progress : Progress

    Returns
    -------
    Report

    Raises
    ------
    OperatorError
        The operator raised, changed its input, was too slow, or returned something else than a batch of finite images
        in floating point, always of the same shape.
    ValueError, TypeError
        Another argument is not of the kind above.

    References
    ----------
    A linear and shift-invariant system is a convolution: Oppenheim & Schafer 2010, section 2.3.

    Examples
    --------
    >>> from minicnn import functional as F
    >>> verify_convolution(lambda f: np.roll(f, 1, 3) - 2 * f).verdict
    'a convolution'
    >>> report = verify_convolution(F.relu)
    >>> report.verdict, report.equivariant, str(report.witness.law)
    ('not linear; equivariant to all shifts', True, 'L(-1 f) = -1 L(f)')
    """
    one_of("domain", domain, DOMAINS)
    exhaustive, integers = boolean("exhaustive", exhaustive), boolean("integers", integers)
    count = integer("trials", trials, 1) + 1
    bound = None if bound is None else number("bound", bound, above=0)
    images = TrialImages(generator("rng", rng, 0), count, integers)
    operator = Operator(as_operator(op, output, layout), in_channels, size, dtype, time_limit)
    refuse_sizes(operator, domain, count)
    stages = Part(progress, 0, 0.3 if exhaustive else 1)
    stages.update(0, len(STAGES), STAGES[0])
    findings = start(operator, domain, images, bound)
    facts: dict[str, Any] = {"domain": domain, "size": operator.in_shape[1:], "dtype": operator.dtype.name,
                             "images": count, "checks": findings.checks, "called": operator.says}
    unrepeatable = ""
    for name, says, difference, meaning in repetitions(findings, images):
        findings.add_check(name, says, difference)
        unrepeatable = unrepeatable or ("" if difference.passed else meaning)
    if unrepeatable:
        return Report(unrepeatable, **facts, deterministic=False)
    stages.update(1, len(STAGES), STAGES[1])
    findings.measure_response(find_rates(findings, images))
    affine = is_affine(findings, images)
    findings.measure_mixing(images, affine)
    stages.update(2, len(STAGES), STAGES[2])
    lattice = result_of(find_lattice(findings, images))
    stages.update(3, len(STAGES), STAGES[3])
    h, failing = _find_response(findings, images, affine, Part(progress, 0.3, 1) if exhaustive and affine else None)
    progress.update(1, 1)
    return _report(findings, facts, affine, lattice, h, failing, proof=exhaustive and affine)


def refuse_sizes(operator: Operator, domain: str, count: int) -> None:
    """Refuse what would not fit into memory: the images and outputs of all trials, and the impulse responses."""
    margin = 9 if domain == "window" else 1             # in a window the images are three times as high and as wide
    refuse_size("the images of all trials", (count, margin, *operator.in_shape))
    refuse_size("the outputs of all trials", (count, *operator.out_shape))
    places = 1 if domain == "torus" else 9
    refuse_size("the responses to impulses", (places, operator.in_shape[0], *operator.out_shape), 4 * LARGEST)


def repetitions(findings: Findings, images: TrialImages,
                again: Callable | None = None) -> list[tuple[str, str, Difference, str]]:
    """Two checks whether the result depends on the image alone: the name, the law, the difference, and the verdict.

    `again` makes sure that a second call of the operator is one: by default it is the operator.
    """
    context, operator = findings.context, findings.context.operator
    f = images.draw(operator.in_shape, min(images.count, 4))
    once, twice = operator(f), (again or operator)(f)
    alone = operator.alone(f)
    noise = np.maximum(noise_of(operator, f, once, images.rng, operator.eps),
                       noise_of(operator.alone, f, alone, images.rng, operator.eps))
    noise = np.broadcast_to(noise.max(1, keepdims=True), noise.shape)       # a ReLU leaves little of some channels, but
                                                                            # the whole of their rounding
    known, largest = np.ones(once.shape[2:], bool), context.largest((f,), once)
    other_algorithm = context.rounding.measured(noise, largest, np.inf)     # alone, a layer may choose another one
    hint = "".join(f"; {one}" for one in [training_hint(operator.given.func)] if one)
    difference = lambda other, rounding: Difference(
        once, other, np.abs(once - other), np.broadcast_to(rounding.of_largest(largest), once.shape), known)
    return [("determinism", "op(f) = op(f), twice", difference(twice, context.rounding),
             f"not deterministic: the same input gives different results{hint}"),
            ("independence", "op(f) = op(f), alone and in a batch", difference(alone, other_algorithm),
             f"not an operator on single images: the result depends on the others in the batch{hint}")]


def is_affine(findings: Findings, images: TrialImages) -> bool:
    """Whether L is homogeneous and additive."""
    shape = findings.context.operator.in_shape
    f, g = images.draw(shape), images.draw(shape)
    factors = INTEGER_FACTORS if images.integers else FACTORS
    passed = [_is_homogeneous(findings, factors, f, "a = -1, 1/2, ...", findings.combs(images, shape)),
              findings.add_check("additivity", str(Additivity()), findings.try_law(Additivity(), f, g))]
    if all(passed) and not images.integers:             # last, because a nonlinear operator may overflow here
        passed.append(_is_homogeneous(findings, LARGE_FACTORS, f, "a = 2^-10, 2^10, 2^20"))
    return all(passed)


def _is_homogeneous(findings, factors, f, says, single=None):
    """Whether L(a f) = a L(f). The images with single terms are tried with the factor that is no power of 2."""
    answer = findings.context.linear_part(findings.rounded([f])[0])         # once for all factors
    found = [findings.try_law_with(Homogeneity(factor), f, answer=answer) for factor in factors]
    if single is not None:
        found.append(findings.try_law(Homogeneity(min(factors, key=lambda a: np.frexp(a)[0])), single))
    return findings.add_check("homogeneity", f"L(a f) = a L(f), {says}", *found)


def _find_response(findings, images, affine, basis_progress):
    """(h, the pixels at which op(f) = op(0) + h * f is broken, if the operator is affine).

    With `basis_progress` all basis vectors are tried as well.
    """
    context = findings.context
    h, shape = context.h, context.shape
    draws, combs = images.draw(shape), findings.combs(images, shape)
    fields = np.concatenate([draws, combs, findings.aligned(images, shape)])
    difference = findings.try_law(Convolution(), fields)
    findings.add_check("convolution", str(Convolution()), difference)
    findings.smallest_defect = smallest_defect(difference, context.offset)
    alone = difference.tolerance[len(draws):len(draws) + len(combs)]
    findings.smallest_weight = smallest_weight(alone, h) if affine else None
    failing = difference.failing
    if basis_progress is not None:
        failing = failing | _check_basis(findings, h, basis_progress)
    if not (affine and failing.any()):
        return h, None
    failing_with = lambda other: findings.difference(Convolution(), fields, h=other).failing
    h, least = min(((other, failing_with(other)) for other in _other_responses(context, h)),
                   key=lambda pair: pair[1].sum())
    return h, least if least.any() else failing


def _other_responses(context, h) -> Iterator[np.ndarray]:
    """h, and responses to impulses at other places, in case that the first impulse lies on a wrong pixel or border."""
    yield h
    respond = lambda moved, one=False: responses(context.operator, context.offset, context.axes, moved, one)
    centre = min(context.operator.in_shape[1:]) // 2 if context.domain == "torus" else 0
    several = np.stack([respond(moved) for moved in (centre, centre + 1, centre - 1)])
    yield np.where(np.isnan(several).any(0), h, np.median(np.nan_to_num(several), 0))
    yield np.nan_to_num(respond(centre, one=True))


def _check_basis(findings, h, progress):
    """Compare op(e) with op(0) + h * e for all basis vectors e; the pixels at which they differ, (H', W').

    In a window the basis vectors in the margin are tried too.
    """
    context = findings.context
    operator, offset, (channels, height, width) = context.operator, context.offset, context.shape
    failing = np.zeros(operator.out_shape[1:], bool)
    largest = np.maximum(np.abs(h).max((1, 2, 3)), np.abs(offset).max((1, 2)) / findings.height)[:, None, None]
    smallest = np.finfo(float).tiny
    worst = 0.0, float(context.rounding.eps)
    for channel, y in np.ndindex(channels, height):
        progress.update(channel * height + y, channels * height, "all basis vectors")
        basis = np.zeros((width, *context.shape))
        basis[np.arange(width), channel, y, np.arange(width)] = 1
        expected = convolve_basis_row(h, context.axes, context.margin, (height, width), channel, y)
        error = np.abs((operator(context.visible(findings.height * basis)) - offset) / findings.height - expected)
        own = np.abs(expected) + np.abs(offset) / findings.height
        tolerance = np.maximum(context.rounding.of_terms(own, largest[None], density_of(basis)), smallest)
        with np.errstate(over="ignore"):                # the tolerance of a channel of zeros is tiny
            ratio = error / tolerance
        failing |= (ratio > 1).any((0, 1))
        if ratio.max() > worst[0] / worst[1]:
            where = np.unravel_index(np.argmax(ratio), ratio.shape)
            worst = float(error[where]), float(tolerance[where])
            if ratio.max() > 1:
                findings.try_law(Convolution(), findings.height * basis[where[0]:where[0] + 1], h=h)
    findings.checks.append(Check("basis", worst[0] <= worst[1], *worst,
                                 f"op(e) = op(0) + h * e, all {channels * height * width} e"))
    return failing


def _report(findings, facts, affine, lattice, h, failing, proof):
    context, last = findings.context, findings.checks[-1]
    equivariant = lattice == (1, 1) and context.rates == ((1, 1), (1, 1))
    matches = all(check.passed for check in findings.checks if check.name in ("convolution", "basis"))
    offset, constant = context.offset, np.ptp(context.offset, (1, 2)).max() == 0
    response = ImpulseResponse(h, offset, context.axes, rounding_error(context.operator, h))
    halo = None if failing is None else border(failing)
    return Report(
        verdict(affine, lattice, matches, halo, response), **facts, affine=affine,
        linear=affine and not offset.any(), equivariant=equivariant, convolution=affine and equivariant and matches,
        lattice=lattice, impulse_response=response, offset=offset[:, 0, 0] if constant else None, error=last.error,
        tolerance=last.tolerance, witnesses=findings.witnesses, halo=halo, failing=failing,
        shift_failing=findings.shift_failing, proof=proof, smallest_defect=findings.smallest_defect,
        smallest_weight=findings.smallest_weight)
