"""Is an operator a convolution? A verdict with a proof or a counterexample."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

import numpy as np

from ..errors import InputError, InputTypeError
from ..progress import SILENT, Progress
from .impulse import ImpulseResponse, check_domain, dust, responses, torus_rates
from .laws import Additivity, Convolution, Equivariance, Homogeneity, Setting, check
from .operator import TIME_LIMIT, Operator
from .report import Check, Report
from .signals import dirac, modest_images
from .witness import find_witness

FACTORS = (-1.0, 0.5, -1.7, 2.0)
LARGE_FACTORS = (2.0 ** -10, 2.0 ** 10, 2.0 ** 20)      # for thresholds and saturation; powers of two round nothing
INTEGER_FACTORS = (-1.0, 2.0, -3.0)
BOUND = {np.dtype(np.float32): 1e3, np.dtype(np.float64): 1e4}
UNITS = ((1, 0), (0, 1))


def verify_convolution(op, in_channels=1, size=(16, 16), domain="torus", dtype=np.float64, trials=8, exhaustive=False,
                       rng=None, *, integers=False, bound=None, time_limit=TIME_LIMIT,
                       progress: Progress = SILENT):
    """Find out whether `op` is a convolution: linear, up to a constant, and equivariant to shifts.

    In this order: the same input gives the same result; L = op - op(0) is homogeneous, L(a f) = a L(f), and additive,
    L(f + g) = L(f) + L(g); op(S f) = S op(f) for the unit shifts, or for which larger ones; and with the response h
    to an impulse op(f) = op(0) + h * f. h * f is summed here, in float64, by no algorithm of `minicnn.conv`.

    A pass says that so many tries did not refute it. For a linear operator and Gaussian f a defect is missed with
    probability 0, as far as rounding lets it be seen; about a black box nothing can be proved. With `exhaustive` all
    basis vectors are tried, which is a proof for an operator that is linear.

    Parameters
    ----------
    op : callable
        (N, C_in, H, W) -> (N, C_out, H', W'); a minicnn Module or functional as it stands. The arrays are `dtype`.
    in_channels : int
    size : (int, int)
        H and W.
    domain : {"torus", "plane", "window"}
        What is beyond the border: the other side; zeros; or unknown pixels of a larger image, so that a shift brings in
        new ones and only the overlap is compared.
    dtype : {float32, float64}
    trials : int
        Images for each law, besides an impulse.
    exhaustive : bool
    rng : numpy.random.Generator, optional
        Draws the images; by default the same ones each time.
    integers : bool
        Images and factors are integers: an operator of integer weights then has no rounding error at all.
    bound : float, optional
        Rounding errors up to bound eps (|h| * |f|), the largest in a channel, pass; before h is known, up to
        bound eps |op(f)|. 1e4 in float64, 1e3 in float32.
    time_limit : float
        Seconds that calls of the operator may take in all.

    Returns
    -------
    Report

    Raises
    ------
    OperatorError
        The operator raised, changed its input, was too slow, or returned what is no finite floating image batch of one
        shape.

    References
    ----------
    Linear, shift-equivariant and so a convolution: Oppenheim & Schafer 2010, section 2.3.

    Examples
    --------
    >>> from minicnn import functional as F
    >>> verify_convolution(lambda f: np.roll(f, 1, 3) - 2 * f).verdict
    'a convolution'
    >>> report = verify_convolution(F.relu)
    >>> report.verdict, report.equivariant, str(report.witness.law)
    ('not linear; equivariant to all shifts', True, 'L(-1 f) = -1 L(f)')
    """
    check_domain(domain)
    if isinstance(trials, bool) or not isinstance(trials, (int, np.integer)) or trials < 1:
        raise InputError(f"trials must be a positive integer, not {trials!r}")
    if bound is not None and not bound > 0:
        raise InputError(f"bound must be a positive number, not {bound!r}")
    rng = np.random.default_rng(0) if rng is None else rng
    if not isinstance(rng, np.random.Generator):
        raise InputTypeError(f"rng must be a numpy.random.Generator, as numpy.random.default_rng(3) makes, not {rng!r}")
    operator = Operator(op, in_channels, size, dtype, time_limit)
    return _Examination(operator, domain, trials, rng, integers, bound).report(exhaustive)


class _Examination:
    """The checks of one operator, each after those that it stands on, and what they found so far."""

    def __init__(self, operator, domain, trials, rng, integers, bound):
        self.operator, self.domain, self.rng, self.integers = operator, domain, rng, integers
        self.count, self.checks, self.witnesses, self.shift_failing = trials + 1, [], {}, None
        offset, images = operator(np.zeros((1, *operator.in_shape)))[0], self.images(self.count)
        answers = operator(images)
        if not integers and answers.any() and np.array_equal(answers, answers.astype(np.float32)):
            operator.eps = float(np.finfo(np.float32).eps)          # it computes in float32, whatever it returns
        self.bound = bound or BOUND[np.dtype(np.float32 if operator.eps > 1e-10 else np.float64)]
        largest = np.maximum(np.abs(images).max((1, 2, 3)), np.finfo(np.float32).tiny)
        gain = np.abs(answers - offset).max((2, 3)) / largest[:, None]
        self.setting = Setting(operator, domain, offset, gain.max(0))

    def report(self, exhaustive):
        facts = {"domain": self.domain, "size": self.operator.in_shape[1:], "dtype": self.operator.dtype.name,
                 "images": self.count}
        changing = self.nondeterministic()
        if changing:
            return Report(changing, **facts, deterministic=False, checks=self.checks)
        affine = self.is_affine()
        lattice, rates = self.find_lattice()
        self.setting = replace(self.setting, rates=rates)
        equivariant = lattice == (1, 1) and rates == ((1, 1), (1, 1))
        found, failing, h = self.is_response(affine, exhaustive)
        matches = all(check.passed for check in self.checks if check.name in ("convolution", "basis"))
        offset, constant = self.setting.offset, np.ptp(self.setting.offset, (1, 2)).max() == 0
        h, halo = ImpulseResponse(h, offset, self.setting.axes, dust(self.operator, h)), self.halo(failing)
        return Report(
            _verdict(affine, lattice, self.setting, matches, halo, h), **facts, affine=affine,
            linear=affine and not offset.any(), equivariant=equivariant,
            convolution=affine and equivariant and matches, lattice=lattice, impulse_response=h,
            offset=offset[:, 0, 0] if constant else None, error=found[0], tolerance=found[1],
            witnesses=self.witnesses, halo=halo, failing=failing, shift_failing=self.shift_failing,
            checks=self.checks, proof=exhaustive and affine)

    # The laws, one after the other.

    def images(self, count, shape=None):
        shape = shape or self.operator.in_shape
        channels, height, width = shape
        at = (height // 2, width // 2)
        impulse = dirac((height, width), at, channels=channels, channel=int(self.rng.integers(channels)))
        return np.concatenate([impulse, modest_images(self.rng, count - 1, shape, np.float64, self.integers)])

    def try_law(self, law, *inputs, **more):
        """The Difference; where a law of this name is broken for the first time, a witness."""
        inputs = tuple(f.astype(self.operator.dtype).astype(np.float64) for f in inputs)
        found = check(law, self.setting, inputs, self.bound, **more)
        if not found.passed and law.name not in self.witnesses:
            self.witnesses[law.name] = find_witness(law, self.setting, inputs, found, self.bound, **more)
        return found

    def note(self, name, says, found):
        n, channel, *_ = where = found.worst()
        error, tolerance = float(found.error[where]), float(found.tolerance[n, channel, 0, 0])
        self.checks.append(Check(name, found.passed, error, tolerance, says))
        return found.passed

    def nondeterministic(self):
        """In words why results are not the operator's own, or None."""
        f = self.images(min(self.count, 4))
        once, twice = self.operator(f), self.operator(f)
        alone = np.concatenate([self.operator(image[None]) for image in f])
        scale = self.bound * self.operator.eps * np.abs(once).max()
        for name, other, why in (("determinism", twice, "op(f) = op(f), twice"),
                                 ("independence", alone, "op(f) = op(f), alone and in a batch")):
            error = float(np.abs(once - other).max())
            self.checks.append(Check(name, bool(error <= scale), error, float(scale), why))
        if not self.checks[0].passed:
            return "not deterministic: the same input gives different results"
        if not self.checks[1].passed:
            return "not an operator on single images: the result depends on the others in the batch"
        return None

    def is_affine(self):
        f, g = self.images(self.count), self.images(self.count)
        passed = [self.is_homogeneous(INTEGER_FACTORS if self.integers else FACTORS, f, "a = -1, 1/2, ..."),
                  self.note("additivity", str(Additivity()), self.try_law(Additivity(), f, g))]
        if all(passed) and not self.integers:           # last: what is not linear may well overflow here
            passed.append(self.is_homogeneous(LARGE_FACTORS, f, "a = 2^-10, 2^10, 2^20"))
        return all(passed)

    def is_homogeneous(self, factors, f, says):
        found = [self.try_law(Homogeneity(factor), f) for factor in factors]
        worst = max(found, key=lambda one: one.ratio.max())
        return self.note("homogeneity", f"L(a f) = a L(f), {says}", worst)

    def find_lattice(self):
        """((s_y, s_x), the rates of both axes)."""
        fields = self.images(self.count, self.setting.shape)
        fields = np.concatenate([fields, dirac(fields.shape[2:], tuple((n // 2 + 1) % n for n in fields.shape[2:]),
                                               channels=fields.shape[1])])
        fields = np.concatenate([fields, -3 * fields])  # a kink may lie beyond what the first ones reach
        steps, rates = [], []
        rate_of = lambda a, b: (a // math.gcd(a, b), b // math.gcd(a, b))
        for axis in (0, 1):
            candidates, default = self.candidates(axis)
            along = lambda n: tuple(n if i == axis else 0 for i in (0, 1))              # noqa: B023
            step, rate, inside = None, default, None
            for n, (a, b) in enumerate(candidates):
                law = Equivariance(along(a), along(b))
                found = self.try_law(law, fields) if n == 0 else check(law, self.setting, (fields,), self.bound)
                if n == 0 and not found.passed:
                    before = False if self.shift_failing is None else self.shift_failing
                    self.shift_failing = before | found.failing
                if default is None and inside is None and self.halo(found.failing | ~found.known):
                    inside = rate_of(a, b)              # it holds but for a border
                if n == 0 or found.passed:
                    self.note("equivariance", str(law), found)
                if found.passed:
                    step = a
                    if b and default is None:
                        rate = rate_of(a, b)
                    break
            steps.append(step)
            rates.append(rate or inside or (1, 1))
        return tuple(steps), tuple(rates)

    def candidates(self, axis):
        """Pairs (shift of the input, of the output) to try, the smallest first; and the rate, where sizes say it."""
        size, out = self.operator.in_shape[1 + axis], self.operator.out_shape[1 + axis]
        if self.domain == "torus":
            alpha, beta = torus_rates(self.operator)[axis]
            found = [(a, a * beta // alpha) for a in range(1, size) if size % a == 0 and a * beta % alpha == 0]
            unit = [] if found and found[0][0] == 1 else [(1, beta // alpha)]
            return unit + found or [(1, 1)], (alpha, beta)
        near = size / out
        strides = sorted(range(2, int(near) + 2) if near > 1 else (), key=lambda s: abs(s - near))
        slopes = [(1, 1), *((s, 1) for s in strides), *((1, s) for s in range(2, int(1 / near) + 2) if near < 1)]
        most = max(1, size // 3)                        # more would leave little to compare
        found = [(m * a, m * b) for m in range(1, size) for a, b in slopes if m * a <= most and m * b < out]
        return sorted(found, key=lambda pair: pair != (1, 1)) or [(1, 1)], None

    def is_response(self, affine, exhaustive):
        """op(f) = op(0) + h * f: (the largest error, its tolerance); where it is broken, if affine; and h."""
        respond = partial(responses, self.operator, self.setting.offset, self.setting.axes)
        h, fields = respond(), self.images(self.count, self.setting.shape)
        difference = self.try_law(Convolution(), fields, h=h)
        self.note("convolution", str(Convolution()), difference)
        failing = difference.failing
        if exhaustive and affine:
            failing = failing | self.basis_failing(h)
        if affine and failing.any():
            blamed = lambda other: check(Convolution(), self.setting, (fields,), self.bound, h=other).failing
            h, least = min(((other, blamed(other)) for other in self.other_responses(h, respond)),
                           key=lambda pair: pair[1].sum())
            failing = least if least.any() else failing
        last = self.checks[-1]
        return (last.error, last.tolerance), failing if affine and failing.any() else None, h

    def other_responses(self, h, respond):
        """h, and what impulses elsewhere say: one pixel that is off, or a border, must not spoil all others."""
        yield h
        centre = min(self.operator.in_shape[1:]) // 2 if self.domain == "torus" else 0
        several = np.stack([respond(moved=moved) for moved in (centre, centre + 1, centre - 1)])
        yield np.where(np.isnan(several).any(0), h, np.median(np.nan_to_num(several), 0))
        yield np.nan_to_num(respond(moved=centre, one=True))

    def basis_failing(self, h):
        """Try every basis vector, in a window those around it too; the pixels that do not answer with h moved there."""
        setting, (channels, height, width) = self.setting, self.setting.shape
        failing, count = np.zeros(setting.operator.out_shape[1:], bool), channels * height * width
        tolerance = self.bound * self.operator.eps * np.maximum(np.abs(h).max((1, 2, 3)),
                                                                np.abs(setting.offset).max((1, 2)))
        tolerance = np.maximum(tolerance, np.finfo(float).tiny)
        worst = 0.0, float(tolerance.max())
        for channel, y in np.ndindex(channels, height):
            basis = np.zeros((width, *setting.shape))
            basis[np.arange(width), channel, y, np.arange(width)] = 1
            answers = self.operator(setting.moves(basis).crop())
            error = np.abs(answers - setting.offset - self.moved_response(h, channel, y))
            ratio = error / tolerance[:, None, None]
            failing |= (ratio > 1).any((0, 1))
            if ratio.max() > worst[0] / worst[1]:
                n, k, *_ = where = np.unravel_index(np.argmax(ratio), ratio.shape)
                worst = float(error[where]), float(tolerance[k])
                if ratio.max() > 1:
                    self.try_law(Convolution(), basis[n:n + 1], h=h)
        self.checks.append(Check("basis", bool(worst[0] <= worst[1]), *worst, f"op(e) = op(0) + h * e, all {count} e"))
        return failing

    def moved_response(self, h, channel, y):
        """h * e for the basis vectors e of one row of a channel, (W, C', H', W')."""
        indices, known = [], []
        for axis, margin, size in zip(self.setting.axes, self.setting.margin, self.setting.shape[1:], strict=True):
            d = np.stack([axis.displacements(p - margin) for p in range(size)])         # (size, out)
            known.append((d >= 0) & (d < axis.count))
            indices.append(np.clip(d, 0, axis.count - 1))
        answer = h[:, channel][:, indices[0][y]][:, :, indices[1]]                      # (C', H', W, W')
        return np.where(known[0][y][:, None, None] & known[1], answer, 0).transpose(2, 0, 1, 3)

    def halo(self, failing):
        """(top, bottom, left, right) of the border that holds all failing pixels, or None."""
        if failing is None or not failing.any():
            return None
        rows, columns = failing.all(1), failing.all(0)
        leading = lambda flags: int(np.argmin(flags)) if not flags.all() else len(flags)
        top, bottom, left, right = (leading(f) for f in (rows, rows[::-1], columns, columns[::-1]))
        height, width = failing.shape
        inside = failing[top:height - bottom, left:width - right]
        is_border = top + bottom < height / 2 and left + right < width / 2 and not inside.any()
        return (top, bottom, left, right) if is_border else None


def _verdict(affine, lattice, setting, matches, halo, h):
    """In words what was found."""
    if not affine:
        return f"not linear; {_shifts(lattice)}"
    (ay, by), (ax, bx) = setting.rates
    constant = " plus a constant" if setting.offset.any() else ""
    if (by, bx) != (1, 1):
        kind = f"one after {by} x {bx} upsampling with zeros{constant}"
    elif (ay, ax) != (1, 1):
        kind = f"every {ay} x {ax}-th pixel of one{constant}"
    else:
        kind = f"one{constant}"
    if kind == f"one{constant}" and lattice == (1, 1):
        return f"a convolution{constant}{_wide(h)}" if matches else "linear and equivariant, but not h * f"
    if matches and kind == f"one{constant}":
        return f"not a convolution, but one plus an image that is not constant; {_shifts(lattice)}"
    if setting.operator.out_shape[1:] == (1, 1):
        return f"not a convolution: one number for an image; {_shifts(lattice)}"
    if matches:
        return f"not a convolution, but {kind}; {_shifts(lattice)}"
    if halo:
        return f"not a convolution at the border, {halo} pixels (top, bottom, left, right), but {kind} inside"
    return f"linear{constant}; {_shifts(lattice)}"


def _shifts(lattice):
    if lattice == (1, 1):
        return "equivariant to all shifts"
    if lattice == (None, None):
        return "equivariant to no shift down or across"
    down, across = ("no shift" if s is None else "all shifts" if s == 1 else f"multiples of {s}" for s in lattice)
    return f"equivariant to {down} down, {across} across"


def _wide(h):
    """A warning for plane and window, where a kernel as wide as the image may be a border that was taken for one."""
    (y, x), (height, width) = h.axes, h.kernel.shape[2:]
    reaches = any(not axis.periodic and axis.count > 3 and n > 0.5 * axis.count
                  for axis, n in ((y, height), (x, width)))
    return ", with a kernel that reaches across the image: another size may tell more" if reaches else ""
