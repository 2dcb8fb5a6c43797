"""What every backward must do, whatever its function is: repeat itself, be linear in the cotangent, keep out of memory.
"""

from __future__ import annotations

import numpy as np

from .differences import Tolerances, rounding
from .projections import random_signs
from .target import GradcheckError, Target, UncheckableError


def check_repeatable(target: Target, rng: np.random.Generator, tolerance: float, check_dtypes: bool) -> None:
    """Raise GradcheckError if two runs of forward or backward differ, or a gradient is not float64."""
    first, second = target.value(), target.value()
    if first.shape != second.shape or np.abs(first - second).max(initial=0) > tolerance:
        advice = target.why_random() or "Make its random generator from a seed inside the function"
        raise UncheckableError("the function is not deterministic: two calls on the same inputs gave different "
                               f"outputs. {advice}", "or allow the difference with nondet_tol")
    cotangent = random_signs(rng, first.size)
    for name, a, b in zip(target.names, target.vjp(cotangent), target.vjp(cotangent), strict=True):
        if (a is None) != (b is None) or a is not None and np.abs(a - b).max(initial=0) > tolerance:
            advice = target.why_random() or "Fix its random numbers"
            raise UncheckableError(f"backward is not deterministic: two runs gave different gradients of {name}. "
                                   f"{advice}", "or allow the difference with nondet_tol")
        if check_dtypes and a is not None and a.dtype != np.float64:
            raise GradcheckError(f"gradcheck: the gradient of {name} is {a.dtype}, but the input is float64")
    target.freeze()


def check_zero_cotangent(target: Target) -> None:
    """Raise GradcheckError if a cotangent of zeros gives a gradient."""
    for name, gradient in zip(target.names, target.vjp(np.zeros(target.value().size)), strict=True):
        if gradient is not None and np.any(gradient):
            raise GradcheckError(f"gradcheck: a cotangent of zeros gave {name} a gradient that is not zero: backward "
                                 "must be linear in the cotangent")


def check_linear(target: Target, rng: np.random.Generator, tolerances: Tolerances, nondet_tol: float) -> None:
    """Compare backward at v - 1000 u with its values at u and v, then the other ways to call it."""
    value = target.value()
    u, v = random_signs(rng, value.size), random_signs(rng, value.size)
    noise = 1e3 * (rounding(target) * float(np.abs(value).sum()) / tolerances.eps + nondet_tol)
    at_u, at_v, both = (target.vjp(cotangent) for cotangent in (u, v, v - 1e3 * u))
    for name, a, b, c in zip(target.names, at_u, at_v, both, strict=True):
        a, b, c = (np.zeros(1) if one is None else one for one in (a, b, c))
        expected = b - 1e3 * a
        size = 1e3 * np.abs(a).max(initial=0) + np.abs(b).max(initial=0)
        wrong = np.abs(c - expected) > np.sqrt(np.finfo(target.dtype).eps) * size + noise
        if wrong.any():
            at = tuple(int(n) for n in np.argwhere(wrong)[0])
            raise GradcheckError(
                "gradcheck: backward is not linear in its cotangent: for the cotangent v - 1000 u the gradient of "
                f"{name} at its element {at} is {c[at]:.6g}, but from u and v it is {expected[at]:.6g}. Multiply by "
                "the cotangent once, and do not clip it, square it, or take its sign.")
    target.check_variants(rng, noise)
