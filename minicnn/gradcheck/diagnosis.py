"""Why a gradient is wrong: where it is, what backward and the differences say, and the likely cause."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .differences import central, one_sided, unit


@dataclass(frozen=True)
class Mismatch:
    """One wrong entry of a Jacobian and, where every entry was compared, the whole.

    Attributes
    ----------
    k, i, j : int
        The input, its flat element, the flat element of the output.
    value, expected : float
        What backward and the differences say of this entry.
    missing : bool
        Backward gave None for this input.
    analytic, numeric, wrong : ndarray, shape (outputs, inputs), or None
    """

    k: int
    i: int
    j: int
    value: float
    expected: float
    missing: bool = False
    analytic: np.ndarray | None = None
    numeric: np.ndarray | None = None
    wrong: np.ndarray | None = None


def explain(subject, eps, found):
    """The message of the error: where, both values, and a diagnosis."""
    shape = subject.points[found.k].shape
    element = tuple(int(n) for n in np.unravel_index(found.i, shape))
    output, output_element = subject.locate(found.j)
    error = abs(found.value - found.expected) / max(abs(found.value), abs(found.expected))
    lines = [f"gradcheck: the gradient of {subject.names[found.k]}, shape {shape}, is wrong at its element {element}: "
             f"d output {output} {output_element} is analytically {found.value:.10g}, numerically "
             f"{found.expected:.10g}, relative error {error:.1e}."]
    if found.wrong is not None:
        lines[0] += f" {found.wrong.sum()} of {found.wrong.size} entries of its Jacobian differ."
    for reason in (_not_finite, _small_dtype, _kink, _large_step, _missing, _factor, _reordered):
        if text := reason(subject, eps, found):
            return "\n".join([*lines, text])
    return lines[0]


def _not_finite(subject, eps, found):
    if not math.isfinite(found.value):
        return f"Backward gave {found.value}, though the function is finite around the sample."
    return None


def _small_dtype(subject, eps, found):
    dtype = subject.out_dtypes[subject.locate(found.j)[0]]
    if dtype != np.float64:
        return (f"The output is {dtype} though the input is float64: differences of {dtype} values are too coarse to "
                "judge by. Keep the function in the dtype of its input.")
    return None


def _kink(subject, eps, found):
    """At a kink two slopes stay however small the step; where the function is smooth their gap shrinks with the step;
    at a jump the slopes grow."""
    direction = unit(subject.points[found.k].size, found.i)
    left, right, _ = one_sided(subject, found.k, direction, found.j, 1e-6)
    gap, slope = abs(right - left), max(abs(left), abs(right))
    left, right, noise = one_sided(subject, found.k, direction, found.j, 1e-7)
    if max(abs(left), abs(right)) > 5 * slope + 10 * noise:
        return "The function jumps here, so it has no derivative: draw the sample elsewhere."
    if abs(right - left) > 0.5 * gap + 10 * noise:
        return (f"The function has a kink here (left slope {left:.4g}, right slope {right:.4g}), as ReLU has at 0 and "
                "max-pool at a tie: any slope between may be right, and the differences see their mean. Draw the "
                "sample with safe_inputs().")
    return None


def _large_step(subject, eps, found):
    small = 1e-6
    if eps <= small:
        return None
    slope, noise = central(subject, found.k, unit(subject.points[found.k].size, found.i), small)
    if abs(slope[found.j] - found.value) <= 1e-6 * abs(found.value) + noise:
        return (f"With a step of {small:g} the differences agree: the step eps={eps:g} is too large, for the function "
                "is not linear in this input.")
    return None


def _missing(subject, eps, found):
    if found.missing:
        return "Backward gave no gradient for this input (None), but the output depends on it."
    if found.analytic is not None and not found.analytic.any():
        return "Backward gave zeros for this input, but the output depends on it."
    return None


def _factor(subject, eps, found):
    """One number that takes the numeric Jacobian to the analytic one, if there is one."""
    if found.numeric is None or not found.numeric.any() or np.count_nonzero(found.numeric) < 2:
        return None
    factor = np.vdot(found.numeric, found.analytic) / np.vdot(found.numeric, found.numeric)
    if factor == 0 or not _close(found.analytic, factor * found.numeric):
        return None
    if math.isclose(factor, -1, rel_tol=1e-4):
        return "analytic = -1 x numeric everywhere: the sign is wrong."
    return f"analytic = {factor:.5g} x numeric everywhere: is a factor missing or one too many?"


def _reordered(subject, eps, found):
    """Does the gradient agree once axes are reversed (a kernel not flipped) or swapped?"""
    if found.numeric is None:
        return None
    output = subject.locate(found.j)[0]
    out_shape, in_shape = subject.out_shapes[output], subject.points[found.k].shape
    start = sum(math.prod(shape) for shape in subject.out_shapes[:output])
    full = out_shape + in_shape
    analytic, numeric = (a[start:start + math.prod(out_shape)].reshape(full) for a in (found.analytic, found.numeric))
    for count in (1, 2):                                    # a one- or two-dimensional convolution
        if min(len(out_shape), len(in_shape)) >= count:
            axes = [len(out_shape) - 1 - a for a in range(count)] + [len(full) - 1 - a for a in range(count)]
            if _close(analytic, np.flip(numeric, axes)):
                return (f"It agrees once the last {count} axes of input and output are reversed: a convolution's "
                        "gradient needs the flipped kernel.")
    for axis in range(len(in_shape)):
        if _close(analytic, np.flip(numeric, len(out_shape) + axis)):
            return f"It agrees once axis {axis} of the gradient is reversed."
    if len(in_shape) >= 2 and in_shape[-1] == in_shape[-2] and _close(analytic, numeric.swapaxes(-1, -2)):
        return "It agrees once the last two axes of the gradient are swapped: is a transpose missing?"
    return None


def _close(a, b):
    """Agreement far beyond chance, whatever tolerances the caller asked for."""
    return np.abs(a - b).max() <= 1e-5 * np.abs(b).max()
