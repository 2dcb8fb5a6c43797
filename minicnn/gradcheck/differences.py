"""Finite differences of a `Target`, each with its rounding error in float64."""

from __future__ import annotations

import numpy as np

from .target import Target

ROUNDING = 8 * np.finfo(np.float64).eps         # relative rounding error of a computed output


def unit(size: int, i: int) -> np.ndarray:
    """The i-th unit vector of length `size`."""
    vector = np.zeros(size)
    vector[i] = 1
    return vector


def step(target: Target, k: int, direction: np.ndarray, eps: float) -> float:
    """The step: eps times the largest coordinate of input k that the direction changes, but at least eps."""
    changed = target.points[k].ravel()[direction != 0]
    return eps * max(1.0, np.abs(changed).max(initial=0))


def value_at(target: Target, k: int, direction: np.ndarray, h: float) -> np.ndarray:
    """The outputs after a step: `h` times `direction` (a flat vector) is added to input k."""
    points = list(target.points)
    points[k] = points[k] + h * direction.reshape(points[k].shape)
    return target.value(points)


def central(target: Target, k: int, direction: np.ndarray, eps: float) -> tuple[np.ndarray, float]:
    """(f(x + h v) - f(x - h v)) / 2h for the direction v in input k, and the rounding error of that difference.

    The truncation error is h^2 / 6 times the third derivative; it is 0 for a function that is linear in input k.
    """
    h = step(target, k, direction, eps)
    up, down = value_at(target, k, direction, h), value_at(target, k, direction, -h)
    noise = ROUNDING * max(np.abs(up).max(initial=0), np.abs(down).max(initial=0)) / h
    return (up - down) / (2 * h), noise


def one_sided(target: Target, k: int, direction: np.ndarray, j: int, eps: float) -> tuple[float, float, float]:
    """The slopes of output element j to the left and to the right, and the rounding error of each."""
    h = step(target, k, direction, eps)
    here = target.value()
    left = (here - value_at(target, k, direction, -h))[j] / h
    right = (value_at(target, k, direction, h) - here)[j] / h
    return left, right, 2 * ROUNDING * np.abs(here).max() / h
