"""The message about a wrong gradient: the entry, its analytic and numeric value, and the likely cause."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .differences import central, one_sided, step, unit, value_at
from .target import Target


@dataclass(frozen=True)
class Mismatch:
    """One wrong entry of a Jacobian. If every entry was compared, also the whole Jacobian.

    Attributes
    ----------
    k, i, j : int
        The number of the input, the flat index of the element in it, and the flat index of the output's element.
    value, expected : float
        The entry as backward computes it, and as finite differences compute it.
    missing : bool
        Backward gave None for this input.
    analytic, numeric, wrong : ndarray, shape (outputs, inputs), or None
        The Jacobian from backward, the Jacobian from finite differences, and a mask of the entries that differ.
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


def explain(target: Target, eps: float, found: Mismatch) -> str:
    """The message of the error: the place, both values, and a diagnosis."""
    shape = target.points[found.k].shape
    element = tuple(int(n) for n in np.unravel_index(found.i, shape))
    output, output_element = target.locate(found.j)
    error = abs(found.value - found.expected) / max(abs(found.value), abs(found.expected), np.finfo(float).tiny)
    lines = [f"gradcheck: the gradient of {target.names[found.k]}, shape {shape}, is wrong at its element {element}: "
             f"d output {output} {output_element} is analytically {found.value:.10g}, numerically "
             f"{found.expected:.10g}, relative error {error:.1e}."]
    if found.wrong is not None:
        lines[0] += f" {found.wrong.sum()} of {found.wrong.size} entries of its Jacobian differ."
    for reason in (_small_dtype, _rounded_inside, _kink, _large_step, _constant_output, _missing, _factor, _reordered,
                   _forgotten_path):
        if text := reason(target, eps, found):
            return "\n".join([*lines, text])
    return lines[0]


def _small_dtype(target, eps, found):
    dtype = target.out_dtypes[target.locate(found.j)[0]]
    if dtype != target.dtype:
        return (f"The output is {dtype} though the input is {target.dtype}, and {dtype} is too coarse for finite "
                "differences. Keep the function in the dtype of its input.")
    return None


def _rounded_inside(target, eps, found):
    """A step that float64 resolves, but float32 does not, changes no output."""
    direction = unit(target.points[found.k].size, found.i)
    h, here = step(target, found.k, direction, 1e-9), target.value()
    change = 1e3 * np.finfo(float).eps * np.abs(here).max()
    if target.dtype == np.float64 and min(abs(found.value), abs(found.expected)) * h > change and all(
            np.array_equal(value_at(target, found.k, direction, part), here) for part in (h, -h)):
        return (f"A step of {h:.0e} changes no output, so the function computes in float32 or less inside, though the "
                "input is float64. That is too coarse for finite differences: keep the dtype of the input.")
    return None


def _kink(target, eps, found):
    """A kink or a jump: with a step ten times smaller, the gap between the left and the right slope stays or grows.

    For a smooth function the gap shrinks with the step.
    """
    if target.dtype != np.float64:                          # its rounding is larger than such a step
        return None
    direction = unit(target.points[found.k].size, found.i)
    left, right, _ = one_sided(target, found.k, direction, found.j, 1e-6)
    gap, slope = abs(right - left), max(abs(left), abs(right))
    left, right, noise = one_sided(target, found.k, direction, found.j, 1e-7)
    if max(abs(left), abs(right)) > 5 * slope + 10 * noise:
        return "The function jumps here, so it has no derivative: choose another input."
    if abs(right - left) > 0.5 * gap + 10 * noise:
        return (f"The function has a kink here (left slope {left:.4g}, right slope {right:.4g}), as ReLU has at 0 and "
                "max-pool at a tie. Backward may give any slope between them, and the differences give their mean. "
                "Draw the inputs with safe_inputs().")
    return None


def _large_step(target, eps, found):
    small = 1e-6
    if eps <= small or target.dtype != np.float64:
        return None
    direction = unit(target.points[found.k].size, found.i)
    slope, noise = central(target, found.k, direction, step(target, found.k, direction, small))
    if abs(slope[found.j] - found.value) <= 1e-6 * abs(found.value) + noise[found.j]:
        return (f"With a step of {small:g} the differences agree with backward: the step eps={eps:g} is too large, "
                "because the function is not linear in this input.")
    return None


def _constant_output(target, eps, found):
    output = target.locate(found.j)[0]
    if output in target.constant_outputs and not found.missing:
        return (f"Output {output} carries no gradient (it was detached, computed under no_grad, or marked by "
                "mark_non_differentiable), but it depends on this input. If this is meant, check a function that "
                "returns only the other outputs.")
    return None


def _missing(target, eps, found):
    if found.missing:
        return "Backward gave no gradient for this input (None), but the output depends on it."
    if found.analytic is not None and not found.analytic.any():
        return "Backward gave zeros for this input, but the output depends on it."
    return None


def _factor(target, eps, found):
    """analytic = factor x numeric, with the same factor for all entries."""
    if found.numeric is None or not found.numeric.any() or np.count_nonzero(found.numeric) < 2:
        return None
    unit_size = np.abs(found.numeric).max()             # the squares of tiny numbers would be 0
    numeric, analytic = found.numeric / unit_size, found.analytic / unit_size
    factor = np.vdot(numeric, analytic) / np.vdot(numeric, numeric)
    if factor == 0 or not _close(found.analytic, factor * found.numeric):
        return None
    if math.isclose(factor, -1, rel_tol=1e-4):
        return "analytic = -1 x numeric everywhere: the sign is wrong."
    digits = 8 if abs(factor - 1) < 1e-3 else 5
    return f"analytic = {factor:.{digits}g} x numeric everywhere: " + (
        _mean(target, found, factor) or "is a factor missing or one too many" +
        (", or one of two uses of the input?" if math.isclose(factor, 0.5, rel_tol=1e-4) else "?"))


def _mean(target, found, factor):
    """A factor 1 / n or n, where n is a length of the input or the output."""
    shapes = target.points[found.k].shape, *target.out_shapes
    for n in sorted({n for shape in shapes for n in (*shape, math.prod(shape)) if n > 2}):
        if math.isclose(factor, 1 / n, rel_tol=1e-4):
            return f"a mean over {n} elements in place of their sum?"
        if math.isclose(factor, n, rel_tol=1e-4):
            return f"a sum over {n} elements in place of their mean?"
    return ""


def _reordered(target, eps, found):
    """The analytic Jacobian is the numeric one with axes reversed (a kernel that was not flipped) or swapped."""
    if found.numeric is None:
        return None
    output = target.locate(found.j)[0]
    out_shape, in_shape = target.out_shapes[output], target.points[found.k].shape
    start = sum(math.prod(shape) for shape in target.out_shapes[:output])
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


def _forgotten_path(target, eps, found):
    """Wrong entries are 0, and others are right: terms of the product or chain rule are missing."""
    if found.wrong is None:
        return None
    zeros = found.wrong & (found.analytic == 0)
    if zeros.any() and found.analytic.any() and 2 * zeros.sum() >= found.wrong.sum():
        return (f"Backward gives 0 for {zeros.sum()} of the {found.wrong.sum()} wrong entries: a way from the input to "
                "the output is forgotten. Is the input used once more, or is something that was computed from it (a "
                "mean, a norm, a maximum) taken for a constant?")
    return None


def _close(a, b):
    """Whether both are equal to 5 digits. The caller's tolerances are not used, so they cannot cause a wrong hint."""
    return np.abs(a - b).max() <= 1e-5 * np.abs(b).max()
