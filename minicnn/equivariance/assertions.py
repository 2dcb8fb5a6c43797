"""Assertions for unit tests: an operator is equivariant to shifts, or it is a convolution. A failure says what breaks.

Operators of other libraries are taken as they stand, as in `verify_convolution`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..adapters import as_operator
from ..checks import generator, is_integer, number, one_of
from ..errors import InputError, MinicnnError
from ..nn.unchanged import looking
from .domains import Pair, Rates, torus_rates
from .findings import Findings, start
from .lattice import find_rates
from .laws import Difference, Equivariance, compare_sides
from .layerwise import LayerReport, layer_reports
from .operator import TIME_LIMIT, Operator, has_layers, image_shape
from .report import Report
from .signals import DOMAINS, TrialImages
from .verifier import is_affine, repetitions, verify_convolution
from .witness import distinct, find_witness

TRIALS = 9                      # an impulse, and two images of each kind
SHIFTS = ((1, 0), (0, 1), (-1, 0), (0, -1), (2, 3), (-3, 2))


class EquivarianceError(MinicnnError, AssertionError):
    """An operator is not equivariant within the tolerance."""

    __module__ = "minicnn.equivariance"


class ConvolutionError(MinicnnError, AssertionError):
    """An operator is not a convolution. The attribute `report` has the whole Report."""

    __module__ = "minicnn.equivariance"

    def __init__(self, message: str, report: Report):
        super().__init__(message)
        self.report = report


@looking
def assert_convolution(op: Any, in_channels: int | None = None, size: int | Pair | None = None, domain: str = "torus",
                       dtype: Any = np.float64, *, output: int | str | None = None, layout: str | None = None,
                       **options: Any) -> Report:
    """Assert that `op` is a convolution, up to a constant for each channel, as a bias adds it.

    Parameters
    ----------
    op, in_channels, size, domain, dtype, output, layout, **options
        As in `verify_convolution`. `exhaustive=True` tries every basis vector.

    Returns
    -------
    Report
        It has the impulse response, for further assertions.

    Raises
    ------
    ConvolutionError
        `op` is no convolution. The message has the verdict, the smallest input found for each law that is broken, and
        the first layer of a Module that breaks it, with the reason and what would mend it.
    OperatorError, ValueError, TypeError
        As `verify_convolution`.

    Examples
    --------
    >>> assert_convolution(lambda f: f - np.roll(f, 1, 3)).impulse_response.kernel.ravel()
    array([ 1., -1.])
    >>> assert_convolution(abs)                         # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    minicnn.equivariance.ConvolutionError: not linear; equivariant to all shifts (on the torus, 16 x 16, float64, \
9 images tried)
    L(-1 f) = -1 L(f) is broken at output pixel (0, 8, 8): 1 against -1 (error 2.0e+00), for f = 1 at (0, 8, 8)
    L(f + g) = L(f) + L(g) is broken at output pixel ...
    """
    op = as_operator(op, output, layout)
    report = verify_convolution(op, in_channels, size, domain, dtype, **options)
    if report:
        return report
    lines = [report.headline, *map(str, report.witnesses.values())]
    lines += _first_layers(op, image_shape(op, in_channels)[0], report.size, domain, dtype, report=report)
    raise ConvolutionError("\n".join(lines), report)


@looking
def assert_equivariant(op: Any, in_channels: int | None = None, size: int | Pair | None = None, domain: str = "torus",
                       shifts: Sequence[Pair] = SHIFTS, *, atol: float | None = None, rtol: float | None = None,
                       dtype: Any = np.float64, rng: np.random.Generator | None = None,
                       time_limit: float = TIME_LIMIT, output: int | str | None = None,
                       layout: str | None = None) -> list[tuple[Pair, float]]:
    """Assert op(S f) = S op(f) on random images f, for some shifts S by whole pixels.

    Parameters
    ----------
    op, in_channels, size, dtype, time_limit, output, layout
        As in `verify_convolution`.
    domain : {"torus", "plane", "window"}
        On plane and window only the overlap is compared.
    shifts : sequence of (int, int)
        (dy, dx), each smaller than the image. An operator with stride s may be equivariant to multiples of s alone:
        name such shifts, as in [(2, 0), (0, 2)]. Its output then moves by (dy / s, dx / s).
    atol, rtol : float, optional
        Errors up to atol + rtol max |op(f)| pass. If only one of the two is given, the other is 0. By default the
        operator's own rounding passes, as in `verify_convolution`.
    rng : numpy.random.Generator, optional
        Draws the images; by default np.random.default_rng(0).

    Returns
    -------
    list of ((dy, dx), float)
        Each shift with the largest error.

    Raises
    ------
    EquivarianceError
        An error is larger, or on the torus the output has another size that does not fit the shifts. The message names
        the shift, the pixel, a small input, and the first layer of a Module that is not equivariant, with the reason
        and what would mend it. Also if the result depends on more than the image: on chance, on earlier calls, or on
        the other images of a batch.
    OperatorError
        The operator cannot be called.
    ValueError
        The shifts do not fit, or on the torus another size of the output.

    References
    ----------
    The return value is that of `check_equivariance` of escnn's modules (Weiler & Cesa 2019); here the group is
    translation.

    Examples
    --------
    >>> assert_equivariant(lambda f: np.roll(f, 2, 3), shifts=[(1, 0), (0, 3)])
    [((1, 0), 0.0), ((0, 3), 0.0)]
    >>> assert_equivariant(lambda f: f[..., ::2, ::2], shifts=[(2, 0), (4, 6)])
    [((2, 0), 0.0), ((4, 6), 0.0)]
    >>> assert_equivariant(lambda f: f[..., ::-1])
    Traceback (most recent call last):
        ...
    minicnn.equivariance.EquivarianceError: not equivariant to the shift (0, 1): at the output pixel (0, 0, 14) \
op(S f) is 1, S op(f) is 0, error 1.0e+00, allowed 1.8e-14, for f = 1 at (0, 0, 0)
    """
    one_of("domain", domain, DOMAINS)
    atol, rtol = (None if value is None else number(name, value, least=0)
                  for name, value in (("atol", atol), ("rtol", rtol)))
    op = as_operator(op, output, layout)
    operator = Operator(op, in_channels, size, dtype, time_limit)
    shifts, pixels = _whole_shifts(shifts, operator.in_shape[1:]), operator.in_shape[1:]
    blame = lambda by: "".join(f"; {line}"
                               for line in _first_layers(op, operator.in_shape[0], pixels, domain, dtype, by))
    if domain == "torus":
        _refuse_other_size(shifts, operator, blame)
    allowed = lambda one: one if atol is None and rtol is None else _with_tolerance(one, atol or 0.0, rtol or 0.0)
    trials = TrialImages(generator("rng", rng, 0), TRIALS, integers=False)
    findings = start(operator, domain, trials, None)
    findings.explain = False
    for _, _, difference, meaning in repetitions(findings, TrialImages(np.random.default_rng(0), TRIALS, False)):
        if not allowed(difference).passed:
            raise EquivarianceError(f"{meaning} (by up to {difference.error.max():.1e})")
    findings.measure_response(find_rates(findings, trials))
    findings.measure_mixing(trials, is_affine(findings, trials))
    shape = findings.context.shape
    images = (findings.rounded([np.concatenate([trials.draw(shape), findings.aligned(trials, shape)])]),
              findings.rounded([findings.combs(trials, shape)]))
    found = []
    for by in shifts:
        law, largest = Equivariance(by, _moved(by, findings.context.rates)), 0.0
        for inputs in images:
            difference = allowed(compare_sides(law, findings.context, inputs))
            if not difference.passed:
                own = atol is None and rtol is None
                raise EquivarianceError(_failure(findings, law, inputs, difference, own) + blame(by))
            largest = max(largest, float(difference.error.max()))
        found.append((by, largest))
    return found


def _whole_shifts(shifts, pixels):
    """The shifts as pairs of int; InputError for anything else."""
    if not isinstance(shifts, (list, tuple, np.ndarray)) or not len(shifts):
        raise InputError(f"shifts must be a list of at least one pair of integers, as in [(1, 0)], not {shifts!r}")
    for by in shifts:
        if np.shape(by) != (2,) or not all(is_integer(d) and abs(d) < n for d, n in zip(by, pixels, strict=True)):
            raise InputError(f"a shift must be two integers smaller than the image, {pixels}, not {by}")
    return [(int(dy), int(dx)) for dy, dx in shifts]


def _with_tolerance(difference: Difference, atol: float, rtol: float) -> Difference:
    allowed = atol + rtol * np.abs(difference.right).max()
    return replace(difference, tolerance=np.full_like(difference.error, allowed))


def _moved(by: Pair, rates: Rates) -> Pair:
    """The shift of the output that belongs to a shift of the input: a fraction of it for an operator with strides."""
    (down, _), (across, _) = rates
    return (by[0] // down, by[1] // across) if by[0] % down == by[1] % across == 0 else by


def _refuse_other_size(shifts, operator, blame):
    """On the torus an operator with strides is equivariant to their multiples at most. Other sizes do not fit it."""
    size, out = operator.in_shape[1:], operator.out_shape[1:]
    if any(n % m and m % n for n, m in zip(size, out, strict=True)):
        raise InputError(f"on the torus the output must be as large as the input, {size}, not {out}; for a "
                         "convolution without padding choose domain='window'")
    rates = torus_rates(operator.in_shape, operator.out_shape)
    larger = any(beta > 1 for _, beta in rates)
    if larger or any(d % alpha for by in shifts for d, (alpha, _) in zip(by, rates, strict=True)):
        raise EquivarianceError(f"not equivariant to every shift: on the torus the output must be as large as the "
                                f"input, {size}, not {out}{blame((1, 1))}; verify_convolution finds the shifts that a "
                                "stride allows")


def _failure(findings: Findings, law: Equivariance, inputs: Any, difference: Difference, own: bool) -> str:
    """The message about a shift. With the operator's own rounding as tolerance (`own`), a small input is searched."""
    witness = find_witness(law, findings.context, inputs, difference) if own else None
    where = difference.worst()
    pixel: tuple[int, ...] = where[1:]
    values = float(difference.left[where]), float(difference.right[where])
    error, tolerance = float(difference.error[where]), float(difference.tolerance[where])
    if witness:
        pixel, values = witness.pixel, (witness.left, witness.right)
        error, tolerance = witness.error, witness.tolerance
    left, right = distinct(*values, 3)
    moved = "" if law.out == law.by else f" (of the output: {law.out})"
    return (f"not equivariant to the shift {law.by}{moved}: at the output pixel {pixel} op(S f) is {left}, S op(f) is "
            f"{right}, error {error:.1e}, allowed {tolerance:.1e}" + (f", for {witness.given}" if witness else ""))


def _first_layers(op: Any, in_channels: int, size: Pair, domain: str, dtype: Any, by: Pair = (1, 1),
                  report: Report | None = None) -> list[str]:
    """The first layer of a Module that breaks the shift `by`; for a `report`, also the first one that is not linear."""
    if not has_layers(op):
        return []
    layers, lines = layer_reports(op, in_channels, size, domain, dtype), []
    wrong: LayerReport | None = next((one for one in layers if not one.mended and not _keeps(one.report, by)), None)
    if wrong and (report is None or not report.equivariant):
        lines.append(f"the first layer that is not equivariant is {wrong.name} ({wrong.kind})" +
                     (f": {wrong.reason}" if wrong.reason else ""))
    curved = next((one for one in layers if not one.report.affine), None)
    if curved and report is not None and not report.affine:
        lines.append(f"the first layer that is not linear is {curved.name} ({curved.kind})")
    return lines


def _keeps(report: Report, by: Pair) -> bool:
    """Whether the lattice of a report has the shift."""
    return report.lattice is not None and all(
        d == 0 or step is not None and d % step == 0 for d, step in zip(by, report.lattice, strict=True))
