"""The fast mode of `gradcheck`: random projections u^T J v of each Jacobian in place of all its entries."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .diagnosis import Mismatch, explain
from .differences import BLIND, Tolerances, central, first_difference, other_steps, relative_error, step, unit, unmoved
from .target import GradcheckError, Target, UncheckableError

DIRECTIONS = 16                 # the number of random projections of each input


def compare_projections(target: Target, tolerances: Tolerances, rng: np.random.Generator) -> float:
    """Compare u^T J v for random u and v. Return the largest relative error, or raise GradcheckError."""
    m, worst = target.value().size, 0.0
    for _ in range(DIRECTIONS):
        u = random_signs(rng, m)
        gradients = target.vjp(u)
        largest = max((np.abs(one).max(initial=0) for one in gradients if one is not None), default=0)
        for k, gradient in enumerate(gradients):
            gradient = np.zeros(target.points[k].size) if gradient is None else gradient.ravel()
            v = random_signs(rng, gradient.size)
            analytic = gradient @ v
            hidden = True
            for h in (step(target, k, v, tolerances.eps), *other_steps(target, k, v, tolerances.eps)):
                try:
                    slope, rounding = central(target, k, v, h)
                except UncheckableError:
                    continue
                numeric, noise = u @ slope, rounding @ np.abs(u)
                blind = noise > BLIND * max(abs(analytic), abs(numeric)) and (analytic or numeric)
                hidden &= bool(blind)
                if not blind and abs(analytic - numeric) <= tolerances.allowed(numeric, noise, abs(numeric)):
                    break
            else:
                if hidden and abs(analytic) <= 64 * np.finfo(float).eps * largest and unmoved(target, k, v).all():
                    continue                            # 0 to the last digits, as of a bias before a normalization
                if hidden:
                    raise UncheckableError(f"cannot judge the gradient of {target.names[k]}: rounding hides its "
                                           "random projections", "or give a larger eps")
                mismatch = _locate(target, k, u, v, gradient, tolerances.eps)
                raise GradcheckError(explain(target, tolerances.eps, mismatch))
            worst = max(worst, relative_error(analytic, numeric))
    return worst


def _locate(target, k, u, v, gradient, eps):
    """Find the wrong entry of the Jacobian of input k: bisect the elements of the input, then those of the outputs."""
    def input_error(indices):
        part = _only(v, indices)
        return abs(gradient @ part - u @ first_difference(target, k, part, eps)[0])

    i = _bisect(input_error, v.size)
    slope = first_difference(target, k, unit(v.size, i), eps)[0]

    def entry(cotangent):
        row = target.vjp(cotangent)[k]
        return None if row is None else row.ravel()[i]

    def output_error(indices):
        part = _only(u, indices)
        return abs((entry(part) or 0) - part @ slope)

    j = _bisect(output_error, u.size)
    analytic = entry(unit(u.size, j))
    return Mismatch(k, i, j, float(analytic or 0), float(slope[j]), analytic is None)


def _only(vector, indices):
    """The vector with zeros at all other indices."""
    part = np.zeros_like(vector)
    part[indices] = vector[indices]
    return part


def _bisect(error: Callable, size: int) -> int:
    """Find an index in range(size) with a large error: in each round, keep the half with the larger error."""
    indices = np.arange(size)
    while indices.size > 1:
        indices = max(np.array_split(indices, 2), key=lambda half: np.nan_to_num(error(half), nan=np.inf))
    return int(indices[0])


def random_signs(rng: np.random.Generator, size: int) -> np.ndarray:
    """Random numbers of both signs with magnitudes from 1/2 to 3/2. A smaller number could hide a wrong entry."""
    return rng.choice([-1.0, 1.0], size) * rng.uniform(0.5, 1.5, size)
