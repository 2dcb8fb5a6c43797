"""Finite differences of a `Target`, each with its rounding error in float64."""

from __future__ import annotations

import contextlib
from typing import Any, NamedTuple

import numpy as np

from .target import Target, UncheckableError

SMALL = 1e-3                    # an entry that is smaller than this part of the gradient may be less exact
TINY = np.finfo(float).tiny
BLIND = 0.03                    # rounding that is larger than this part of an entry hides the entry


class Tolerances(NamedTuple):
    """The step of the differences, and the absolute and relative tolerance."""

    eps: float
    atol: float | None
    rtol: float

    def allowed(self, numeric: Any, noise: Any, scale: Any) -> Any:
        """The largest |analytic - numeric| that passes. `scale` is the size of the gradient of the same output."""
        atol = SMALL * self.rtol * scale if self.atol is None else self.atol
        return atol + self.rtol * np.abs(numeric) + noise


def rounding(target: Target) -> float:
    """The relative rounding error of a computed output: 8 eps of the dtype of the arithmetic."""
    return 8 * float(np.finfo(target.dtype).eps)


def unit(size: int, i: int) -> np.ndarray:
    """The i-th unit vector of length `size`."""
    vector = np.zeros(size)
    vector[i] = 1
    return vector


def magnitude(target: Target, k: int, direction: np.ndarray) -> float:
    """The largest coordinate of input k that the direction changes."""
    return float(np.abs(target.points[k].ravel()[direction != 0]).max(initial=0))


def step(target: Target, k: int, direction: np.ndarray, eps: float) -> float:
    """The step: eps times the largest coordinate of input k that the direction changes, but at least eps."""
    return eps * max(1.0, magnitude(target, k, direction))


def other_steps(target: Target, k: int, direction: np.ndarray, eps: float) -> list[float]:
    """Steps to try if the first does not agree: smaller and larger ones, and steps for large and tiny arguments.

    For a large argument, such as sin at 1e8, the function may turn within the first step. For a tiny one, such as the
    logarithm at 1e-9, the first step may leave the domain.
    """
    first, size = step(target, k, direction, eps), magnitude(target, k, direction)
    steps = [factor * first for factor in (0.1, 10, 100)]
    if size > 10:
        steps += [h for h in (1e-2, 1e-3, 1e-4, 1e-5, 1e-6) if 1e3 * np.spacing(size) < h < first / 20]
    if 0 < size < 0.1:
        steps += [size * factor for factor in (1e-3, 1e-4, 1e-5)]
    return steps


def value_at(target: Target, k: int, direction: np.ndarray, h: float) -> np.ndarray:
    """The outputs after a step: `h` times `direction` (a flat vector) is added to input k."""
    points = list(target.points)
    points[k] = points[k] + h * direction.reshape(points[k].shape)
    return target.value(points)


def central(target: Target, k: int, direction: np.ndarray, h: float) -> tuple[np.ndarray, np.ndarray]:
    """(f(x + h v) - f(x - h v)) / 2h for the direction v in input k, and the rounding error of that difference.

    Both have one number for each output. The truncation error is h^2 / 6 times the third derivative; it is 0 for a
    function that is linear in input k. The divisor is the distance of the rounded points.
    """
    up, down = value_at(target, k, direction, h), value_at(target, k, direction, -h)
    noise = rounding(target) * np.maximum(np.abs(up), np.abs(down)) / h
    changed = np.flatnonzero(direction)
    if len(changed) == 1:
        x, part = target.points[k].ravel()[changed[0]], h * direction[changed[0]]
        h = ((x + part) - (x - part)) / 2 / direction[changed[0]] or h
    return (up - down) / (2 * h), noise


def one_sided(target: Target, k: int, direction: np.ndarray, j: int, eps: float) -> tuple[float, float, float]:
    """The slopes of output element j to the left and to the right, and the rounding error of each."""
    h = step(target, k, direction, eps)
    here = target.value()
    left = (here - value_at(target, k, direction, -h))[j] / h
    right = (value_at(target, k, direction, h) - here)[j] / h
    return left, right, 2 * rounding(target) * np.abs(here).max() / h


def is_blind(analytic: np.ndarray, numeric: np.ndarray, noise: np.ndarray, scale: Any) -> np.ndarray:
    """Whether rounding hides an entry. An entry that is exactly 0 both ways is not hidden."""
    size = np.maximum(np.maximum(np.abs(analytic), np.abs(numeric)), SMALL * scale)
    return (noise > BLIND * size) & ((analytic != 0) | (numeric != 0))


def unmoved(target: Target, k: int, direction: np.ndarray) -> np.ndarray:
    """Whether each output stays where it is, up to rounding, when input k makes a large step in a direction."""
    h = step(target, k, direction, 0.1)
    try:
        up, down = value_at(target, k, direction, h), value_at(target, k, direction, -h)
    except UncheckableError:
        return np.zeros(target.value().size, bool)
    return np.abs(up - down) <= 16 * rounding(target) * max(np.abs(up).max(initial=0), np.abs(down).max(initial=0))


def first_difference(target: Target, k: int, direction: np.ndarray, eps: float) -> tuple[np.ndarray, np.ndarray]:
    """The difference with the first step, or with the first of the other steps at which the function is finite."""
    try:
        return central(target, k, direction, step(target, k, direction, eps))
    except UncheckableError:
        for h in other_steps(target, k, direction, eps):
            with contextlib.suppress(UncheckableError):
                return central(target, k, direction, h)
        raise


def relative_error(analytic: Any, numeric: Any) -> float:
    """max |analytic - numeric| / max |numeric|."""
    difference = np.abs(analytic - numeric).max(initial=0)
    return float(difference / max(np.abs(numeric).max(initial=0), TINY)) if difference else 0.0
