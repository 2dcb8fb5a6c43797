"""Finite differences of a `Subject`, with the error that float64 leaves in them."""

from __future__ import annotations

import numpy as np

ROUNDING = 8 * np.finfo(np.float64).eps         # relative error to expect of a computed value


def unit(size, i):
    """The i-th unit vector."""
    vector = np.zeros(size)
    vector[i] = 1
    return vector


def step(subject, k, direction, eps):
    """eps times the largest coordinate that the direction moves, at least eps: a step that is not lost in rounding."""
    moved = subject.points[k].ravel()[direction != 0]
    return eps * max(1.0, np.abs(moved).max(initial=0))


def moved(subject, k, direction, h):
    """The value of the subject with input k moved by h along a direction (a flat vector)."""
    points = list(subject.points)
    points[k] = points[k] + h * direction.reshape(points[k].shape)
    return subject.value(points)


def central(subject, k, direction, eps):
    """(f(x + h v) - f(x - h v)) / 2h for the direction v in input k, and the rounding error to expect of it.

    The truncation error is h^2 / 6 times the third derivative: none for a function that is linear in input k.
    """
    h = step(subject, k, direction, eps)
    up, down = moved(subject, k, direction, h), moved(subject, k, direction, -h)
    noise = ROUNDING * max(np.abs(up).max(initial=0), np.abs(down).max(initial=0)) / h
    return (up - down) / (2 * h), noise


def one_sided(subject, k, direction, j, eps):
    """The slopes of output element j to the left and to the right, and the rounding error to expect of them."""
    h = step(subject, k, direction, eps)
    here = subject.value()
    left = (here - moved(subject, k, direction, -h))[j] / h
    right = (moved(subject, k, direction, h) - here)[j] / h
    return left, right, 2 * ROUNDING * np.abs(here).max() / h
