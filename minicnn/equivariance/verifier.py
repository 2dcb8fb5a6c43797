"""`verify_convolution`: decides whether an operator is a convolution, with a proof or a counterexample."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from ..checks import generator, integer, number, one_of
from ..progress import SILENT, Part, Progress
from .convolution import convolve_basis_row
from .domains import Pair, Rates, border, reduced, shift_candidates, torus_rates
from .impulse import ImpulseResponse, responses, rounding_error
from .laws import Additivity, Context, Convolution, Difference, Equivariance, Homogeneity, Law, compare_sides
from .operator import LARGEST, TIME_LIMIT, Operator, refuse_size
from .report import Check, Lattice, Report, verdict
from .signals import DOMAINS, dirac, sample_images
from .witness import Witness, find_witness

FACTORS = (-1.0, 0.5, -1.7, 2.0)
LARGE_FACTORS = (2.0 ** -10, 2.0 ** 10, 2.0 ** 20)      # find thresholds and saturation; powers of 2 are not rounded
INTEGER_FACTORS = (-1.0, 2.0, -3.0)
BOUND = {np.dtype(np.float32): 1e3, np.dtype(np.float64): 1e4}
STAGES = ("the same result twice", "L(a f) = a L(f), L(f + g) = L(f) + L(g)", "op(S f) = S op(f)", "op(f) = h * f")


def verify_convolution(op: Callable, in_channels: int = 1, size: int | Pair = (16, 16), domain: str = "torus",
                       dtype: Any = np.float64, trials: int = 8, exhaustive: bool = False,
                       rng: np.random.Generator | None = None, *, integers: bool = False, bound: float | None = None,
                       time_limit: float = TIME_LIMIT, progress: Progress = SILENT) -> Report:
    """Decide whether `op` is a convolution: linear, up to a constant, and equivariant to shifts.

    The laws are tried in this order:

    1. The same input gives the same result.
    2. L = op - op(0) is homogeneous, L(a f) = a L(f), and additive, L(f + g) = L(f) + L(g).
    3. op(S f) = S op(f) for the unit shifts S, or for larger ones.
    4. op(f) = op(0) + h * f for the response h to an impulse. h * f is a plain float64 sum, without `minicnn.conv`.

    A pass means that the tried images did not refute the operator. For a linear operator, random Gaussian images find
    every defect that is larger than rounding. For a nonlinear operator, a pass is no proof. With `exhaustive`, all
    basis vectors are tried. That is a proof if the operator is linear; whether it is linear is only tried.

    Parameters
    ----------
    op : callable
        (N, C_in, H, W) -> (N, C_out, H', W'), arrays of `dtype`; a minicnn Module or functional works too.
    in_channels : int
    size : int or (int, int)
        H and W.
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
        The tolerance is bound * eps * max(|h| * |f|), with the maximum over the pixels of a channel. For laws without h
        it is bound * eps * max|op(f)|. By default 1e4 in float64, 1e3 in float32.
    time_limit : float
        Seconds that all calls of the operator may take.
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
    count = integer("trials", trials, 1) + 1
    bound = None if bound is None else number("bound", bound, above=0)
    images = _TrialImages(generator("rng", rng, 0), count, integers)
    operator = Operator(op, in_channels, size, dtype, time_limit)
    _refuse_sizes(operator, domain, count)
    stages = Part(progress, 0, 0.3 if exhaustive else 1)
    stages.update(0, len(STAGES), STAGES[0])
    findings = _start(operator, domain, images, bound)
    facts: dict[str, Any] = {"domain": domain, "size": operator.in_shape[1:], "dtype": operator.dtype.name,
                             "images": count, "checks": findings.checks}
    unrepeatable = _unrepeatable(findings, images)
    if unrepeatable:
        return Report(unrepeatable, **facts, deterministic=False)
    stages.update(1, len(STAGES), STAGES[1])
    affine = _is_affine(findings, images)
    stages.update(2, len(STAGES), STAGES[2])
    lattice, rates = _find_lattice(findings, images)
    findings.context = replace(findings.context, rates=rates)
    stages.update(3, len(STAGES), STAGES[3])
    h, failing = _find_response(findings, images, affine, Part(progress, 0.3, 1) if exhaustive and affine else None)
    progress.update(1, 1)
    return _report(findings, facts, affine, lattice, h, failing, proof=exhaustive and affine)


def _refuse_sizes(operator, domain, count):
    """Refuse what would not fit into memory: the images and outputs of all trials, and the impulse responses."""
    margin = 9 if domain == "window" else 1             # in a window the images are three times as high and as wide
    refuse_size("the images of all trials", (count, margin, *operator.in_shape))
    refuse_size("the outputs of all trials", (count, *operator.out_shape))
    places = 1 if domain == "torus" else 9
    refuse_size("the responses to impulses", (places, operator.in_shape[0], *operator.out_shape), 4 * LARGEST)


class _TrialImages:
    """Draws the images on which a law is tried: an impulse, then images of several kinds."""

    def __init__(self, rng, count, integers):
        self.rng, self.count, self.integers = rng, count, integers

    def draw(self, shape, count=None):
        channels, height, width = shape
        impulse = dirac((height, width), (height // 2, width // 2), channels=channels,
                        channel=int(self.rng.integers(channels)))
        count = self.count if count is None else count
        return np.concatenate([impulse, sample_images(self.rng, count - 1, shape, np.float64, self.integers)])


class _Findings:
    """The findings about one operator so far: the checks, and a witness for each kind of law that it breaks."""

    def __init__(self, context: Context, bound: float):
        self.context, self.bound = context, bound
        self.checks: list[Check] = []
        self.witnesses: dict[str, Witness] = {}
        self.shift_failing: np.ndarray | None = None

    def difference(self, law: Law, *inputs, **more) -> Difference:
        """Compare the two sides of the law on the inputs, rounded to the operator's dtype."""
        return compare_sides(law, self.context, self._rounded(inputs), self.bound, **more)

    def try_law(self, law: Law, *inputs, **more) -> Difference:
        """As `difference`. When a law of this name is broken for the first time, also find a witness."""
        found = self.difference(law, *inputs, **more)
        if not found.passed and law.name not in self.witnesses:
            self.witnesses[law.name] = find_witness(law, self.context, self._rounded(inputs), found, self.bound, **more)
        return found

    def add_check(self, name: str, says: str, found: Difference) -> bool:
        """Append the check to the list. Return whether it passed."""
        where = found.worst()
        error, tolerance = float(found.error[where]), float(found.tolerance[where[0], where[1], 0, 0])
        self.checks.append(Check(name, found.passed, error, tolerance, says))
        return found.passed

    def _rounded(self, inputs):
        return tuple(f.astype(self.context.operator.dtype).astype(np.float64) for f in inputs)


def _start(operator, domain, images, bound):
    """Findings with the operator's context: op(0), the gain, and the precision of its arithmetic."""
    offset, f = operator(np.zeros((1, *operator.in_shape)))[0], images.draw(operator.in_shape)
    answers = operator(f)
    if not images.integers and answers.any() and np.array_equal(answers, answers.astype(np.float32)):
        operator.eps = float(np.finfo(np.float32).eps)          # it computes in float32 and returns float64
    largest = np.maximum(np.abs(f).max((1, 2, 3)), np.finfo(np.float32).tiny)
    gain = np.abs(answers - offset).max((2, 3)) / largest[:, None]
    bound = bound or BOUND[np.dtype(np.float32 if operator.eps > 1e-10 else np.float64)]
    return _Findings(Context(operator, domain, offset, gain.max(0)), bound)


def _unrepeatable(findings, images):
    """The verdict if the result depends on more than the image, else None."""
    operator = findings.context.operator
    f = images.draw(operator.in_shape, min(images.count, 4))
    once, twice = operator(f), operator(f)
    alone = np.concatenate([operator(image[None]) for image in f])
    scale = float(findings.bound * operator.eps * np.abs(once).max())
    for name, other, says in (("determinism", twice, "op(f) = op(f), twice"),
                              ("independence", alone, "op(f) = op(f), alone and in a batch")):
        error = float(np.abs(once - other).max())
        findings.checks.append(Check(name, error <= scale, error, scale, says))
    determinism, independence = findings.checks
    if not determinism.passed:
        return "not deterministic: the same input gives different results"
    if not independence.passed:
        return "not an operator on single images: the result depends on the others in the batch"
    return None


def _is_affine(findings, images):
    """Whether L is homogeneous and additive."""
    shape = findings.context.operator.in_shape
    f, g = images.draw(shape), images.draw(shape)
    passed = [_is_homogeneous(findings, INTEGER_FACTORS if images.integers else FACTORS, f, "a = -1, 1/2, ..."),
              findings.add_check("additivity", str(Additivity()), findings.try_law(Additivity(), f, g))]
    if all(passed) and not images.integers:             # last, because a nonlinear operator may overflow here
        passed.append(_is_homogeneous(findings, LARGE_FACTORS, f, "a = 2^-10, 2^10, 2^20"))
    return all(passed)


def _is_homogeneous(findings, factors, f, says):
    found = [findings.try_law(Homogeneity(factor), f) for factor in factors]
    worst = max(found, key=lambda one: one.ratio.max())
    return findings.add_check("homogeneity", f"L(a f) = a L(f), {says}", worst)


def _find_lattice(findings, images) -> tuple[Lattice, Rates]:
    """The smallest shift of each axis to which the operator is equivariant, and the rates of both axes."""
    context = findings.context
    fields = images.draw(context.shape)
    beside_centre = tuple((n // 2 + 1) % n for n in fields.shape[2:])
    fields = np.concatenate([fields, dirac(fields.shape[2:], beside_centre, channels=fields.shape[1])])
    fields = np.concatenate([fields, -3 * fields])      # other values may show the kink of a nonlinear operator
    known = (torus_rates(context.operator.in_shape, context.operator.out_shape) if context.domain == "torus"
             else (None, None))
    (down, down_rate), (across, across_rate) = (_find_step(findings, fields, axis, known[axis]) for axis in (0, 1))
    return (down, across), (down_rate, across_rate)


def _find_step(findings, fields, axis, known_rate):
    """(the smallest shift along the axis to which the operator is equivariant, or None; the rates of the axis).

    If the sizes do not determine the rates, the rates come from the first shift for which the law holds, possibly only
    inside of a border.
    """
    operator, rate, inside = findings.context.operator, known_rate, None
    along = lambda n: (n, 0) if axis == 0 else (0, n)
    sizes = operator.in_shape[1 + axis], operator.out_shape[1 + axis]
    for n, (a, b) in enumerate(shift_candidates(*sizes, findings.context.domain)):
        law = Equivariance(along(a), along(b))
        found = findings.try_law(law, fields) if n == 0 else findings.difference(law, fields)
        if n == 0 and not found.passed:
            before = False if findings.shift_failing is None else findings.shift_failing
            findings.shift_failing = before | found.failing
        if rate is None and inside is None and border(found.failing | ~found.known):
            inside = reduced(a, b)
        if n == 0 or found.passed:
            findings.add_check("equivariance", str(law), found)
        if found.passed:
            return a, rate or (reduced(a, b) if b else inside or (1, 1))
    return None, rate or inside or (1, 1)


def _find_response(findings, images, affine, basis_progress):
    """(h, the pixels at which op(f) = op(0) + h * f is broken, if the operator is affine).

    With `basis_progress` all basis vectors are tried as well.
    """
    context = findings.context
    h, fields = responses(context.operator, context.offset, context.axes), images.draw(context.shape)
    difference = findings.try_law(Convolution(), fields, h=h)
    findings.add_check("convolution", str(Convolution()), difference)
    failing = difference.failing
    if basis_progress is not None:
        failing = failing | _check_basis(findings, h, basis_progress)
    if not (affine and failing.any()):
        return h, None
    failing_with = lambda other: compare_sides(Convolution(), context, (fields,), findings.bound, h=other).failing
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
    size = np.maximum(np.abs(h).max((1, 2, 3)), np.abs(offset).max((1, 2)))             # (C',)
    tolerance = np.maximum(findings.bound * operator.eps * size, np.finfo(float).tiny)
    worst = 0.0, float(tolerance.max())
    for channel, y in np.ndindex(channels, height):
        progress.update(channel * height + y, channels * height, "all basis vectors")
        basis = np.zeros((width, *context.shape))
        basis[np.arange(width), channel, y, np.arange(width)] = 1
        expected = convolve_basis_row(h, context.axes, context.margin, (height, width), channel, y)
        error = np.abs(operator(context.visible(basis)) - offset - expected)
        with np.errstate(over="ignore"):                # the tolerance of a channel of zeros is tiny
            ratio = error / tolerance[:, None, None]
        failing |= (ratio > 1).any((0, 1))
        if ratio.max() > worst[0] / worst[1]:
            n, k, *_ = where = np.unravel_index(np.argmax(ratio), ratio.shape)
            worst = float(error[where]), float(tolerance[k])
            if ratio.max() > 1:
                findings.try_law(Convolution(), basis[n:n + 1], h=h)
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
        shift_failing=findings.shift_failing, proof=proof)
