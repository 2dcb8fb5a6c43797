"""The lattice of an operator, the smallest shifts to which it is equivariant; and its rates, how far the output moves.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

import numpy as np

from .domains import Rates, border, reduced, shift_candidates, torus_rates
from .findings import Findings
from .laws import Equivariance, compare_sides
from .report import Lattice
from .rounding import MOST
from .signals import KINDS, TrialImages, dirac


def find_rates(findings: Findings, images: TrialImages) -> Rates:
    """The rates of both axes. Sizes that do not fit a torus do not determine them.

    Then they come from the first shift of each axis for which the law of equivariance holds, possibly only inside of a
    border.
    """
    context = findings.context
    if context.domain == "torus":
        return torus_rates(context.operator.in_shape, context.operator.out_shape)
    fields, = findings.rounded([images.draw(context.shape, KINDS)])
    coarse = replace(context, rounding=replace(context.rounding, everywhere=2 * MOST))

    def rate_of(axis):
        inside = None
        for law, (a, b) in _shifts(context, axis):
            found = compare_sides(law, coarse, (fields,))
            if found.passed:
                return reduced(a, b) if b else inside or (1, 1)
            if inside is None and border(found.failing | ~found.known, most=1):
                inside = reduced(a, b)
        return inside or (1, 1)
    return rate_of(0), rate_of(1)


def find_lattice(findings: Findings, images: TrialImages) -> Generator[None, None, Lattice]:
    """Find the smallest shift of each axis to which the operator is equivariant. It pauses after each trial."""
    context = findings.context
    fields, single = _fields(context, images), findings.combs(images, context.shape)
    fields = np.concatenate([fields, findings.aligned(images, context.shape)])
    down = yield from _find_step(findings, fields, single, 0)
    across = yield from _find_step(findings, fields, single, 1)
    return down, across


def result_of(trials: Generator[None, None, Lattice]) -> Lattice:
    """The result of a generator such as `find_lattice`, run to its end."""
    while True:
        try:
            next(trials)
        except StopIteration as end:
            return end.value


def _find_step(findings, fields, single, axis):
    plain = replace(findings.context, affine=False)         # after the first shift, |h| * |f| means nothing
    for n, (law, (a, _)) in enumerate(_shifts(findings.context, axis)):
        if n == 0:
            found = [findings.try_law(law, fields), findings.try_law(law, single)]
        else:
            found = [compare_sides(law, plain, findings.rounded([one])) for one in (fields, single)]
        passed = all(one.passed for one in found)
        if n == 0 and not passed:
            before = False if findings.shift_failing is None else findings.shift_failing
            findings.shift_failing = before | found[0].failing | found[1].failing
        if n == 0 or passed:
            findings.add_check("equivariance", str(law), *found)
        if passed:
            return a
        yield
    return None


def _shifts(context, axis):
    """The shifts along an axis to try, as laws, and as (shift of the input, shift of the output) in pixels."""
    along = lambda n: (n, 0) if axis == 0 else (0, n)
    sizes = context.operator.in_shape[1 + axis], context.operator.out_shape[1 + axis]
    return [(Equivariance(along(a), along(b)), (a, b)) for a, b in shift_candidates(*sizes, context.domain)]


def _fields(context, images):
    fields = images.draw(context.shape)
    beside_centre = tuple((n // 2 + 1) % n for n in fields.shape[2:])
    fields = np.concatenate([fields, dirac(fields.shape[2:], beside_centre, channels=fields.shape[1])])
    if context.affine:
        return fields
    return np.concatenate([fields, -3 * fields])        # other values may show the kink of a nonlinear operator
