"""`gradcheck`: compare the Jacobian that backward gives with the one that finite differences give."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..adapters.gradients import differentiator, named_differentiators
from ..checks import generator
from ..errors import InputError
from ..nn.module import Module
from ..nn.unchanged import unchanged
from ..progress import SILENT, Progress
from ..tensor import Tensor
from .backward_rules import check_linear, check_repeatable, check_zero_cotangent
from .diagnosis import Mismatch, explain
from .differences import Tolerances, central, first_difference, is_blind, other_steps, relative_error, unit, unmoved
from .foreign_function import ForeignFunction
from .projections import compare_projections
from .target import ArrayPair, GradcheckError, GradcheckWarning, Target, TensorFunction, UncheckableError, is_pair

TINY = np.finfo(float).tiny
COARSE = Tolerances(4e-3, None, 1e-2)       # in float32: the least step and relative tolerance
LARGEST = 10_000_000            # entries of all Jacobians together; five arrays of this size are in memory at once


def gradcheck(func: Any, inputs: Any, *, eps: float = 1e-6, atol: float | None = None, rtol: float = 1e-5,
              raise_exception: bool = True, nondet_tol: float = 0.0, check_undefined_grad: bool = True,
              check_grad_dtypes: bool = False, fast_mode: bool = False,
              rng: np.random.Generator | None = None, progress: Progress = SILENT) -> bool:
    """Check the gradient of a function against central differences, and say where and why it is wrong.

    For every element i of an input and j of the output, backward's J[j, i] = d out_j / d x_i must satisfy

        |analytic - numeric| <= atol + rtol |numeric| + rounding,    numeric = (out_j(x_i + h) - out_j(x_i - h)) / 2h

    with h = eps max(1, |x_i|) and rounding = 8 2^-52 |out_j| / h, the rounding error of the difference in float64. The
    default atol is rtol / 1000 times the largest entry of the gradient of the same output, so a tiny gradient is
    checked as strictly as a large one. An entry that differs is tried again with smaller and larger steps before it
    counts as wrong. Where rounding hides an entry with every step, the check cannot judge, and fails.

    The signature is PyTorch's; the tolerances are narrower. PyTorch's atol=1e-5 and rtol=1e-3 let an error of 1e-4 pass,
    while a correct gradient agrees in float64 to about 1e-9. All arithmetic is in float64. Central differences of a
    function that is linear in each input have no truncation error: check such a function with eps=1 and rtol=1e-10.

    Parameters
    ----------
    func : callable, Module, or (forward, backward)
        From Tensors to a Tensor or a tuple of Tensors. For a Module, its parameters are checked too. A pair works on
        arrays: forward(*arrays) -> array, backward(cotangent, *arrays) -> tuple with the gradient of each array, or the
        gradient itself if there is only one array.
        A Module, a torch.autograd.Function or a function of PyTorch, and a function of JAX, are differentiated by their
        own library: in float64, or in float32 if they work in nothing else. Of a Module a copy is called.
    inputs : Tensor, array or tuple
        `safe_inputs` draws good ones. Tensors without requires_grad, integer arrays and other objects are passed on but
        not checked. func gets copies, and the inputs never change. A function of another library takes its tensors or
        arrays, of JAX also pytrees, as well as arrays of NumPy and Tensors.
    eps, rtol : float
    atol : float, optional
    raise_exception : bool
        Return False instead of raising GradcheckError.
    nondet_tol : float
        The largest difference allowed between two runs of forward, or of backward, on the same inputs.
    check_undefined_grad : bool
        Also check that a cotangent of zeros gives gradients that are zero (or None).
    check_grad_dtypes : bool
        Also check that the gradients are float64, like the inputs that func gets.
    fast_mode : bool
        Compare 16 random projections u^T J v for each input instead of every entry. The number of evaluations then
        does not depend on the sizes. The elements of u and v have random signs and magnitudes from 1/2 to 3/2. If a
        projection differs, bisection finds the entry. An entry whose error is above 4 times the tolerance of a
        projection, about 4 rtol |u^T J v|, is missed with a probability of at most (3/4)^16 = 1 %, whatever the other
        entries are. If it is the only wrong entry, it is never missed. Smaller errors are not seen; |u^T J v| grows as
        the square root of the number of entries.
    rng : numpy.random.Generator, optional
        Draws cotangents and projections. By default np.random.default_rng(0), so every run gives the same result.
    progress : Progress

    Returns
    -------
    bool
        True if the gradient is right. Without raise_exception, False if it is wrong.

    Raises
    ------
    GradcheckError
        The gradient is wrong. The message has the input, the element, both values, and a diagnosis: a kink or a tie at
        the input, arithmetic in float32, a missing gradient, a constant factor, a forgotten use, a flipped kernel, a
        transposed array. Also raised if inputs overlap in memory, if func changes them in place, if two runs differ, if
        backward is not linear in the cotangent, or if the backward of a function of PyTorch gives another gradient in
        another way to call it (see adapters/gradients/torch_variants.py).
    ValueError
        There is nothing to check, an input is not finite, or the Jacobian has more than 10,000,000 entries. For larger
        inputs use fast_mode.
    TypeError
        func returns an object that is not a Tensor.

    Warns
    -----
    GradcheckWarning
        An input or a parameter is float32.

    Examples
    --------
    >>> from minicnn.functional import relu
    >>> from minicnn.gradcheck import safe_inputs
    >>> from minicnn.tensor import Tensor, record
    >>> gradcheck(relu, safe_inputs((3, 4), rng=np.random.default_rng(0)))
    True
    >>> def square(x):
    ...     a = x.data
    ...     return record(a * a, (x,), lambda grad: (grad * a,))
    >>> gradcheck(square, Tensor(np.array([1.0, 3.0]), requires_grad=True))
    Traceback (most recent call last):
        ...
    minicnn.gradcheck.GradcheckError: gradcheck: the gradient of input 0, shape (2,), is wrong at its element (0,): d output 0 (0,) is analytically 1, numerically 2, relative error 5.0e-01. 2 of 4 entries of its Jacobian differ.
    analytic = 0.5 x numeric everywhere: is a factor missing or one too many, or one of two uses of the input?
    >>> gradcheck((np.tanh, lambda grad, x: grad * (1 - np.tanh(x) ** 2)), np.array([0.5, -1.0]))
    True
    """  # noqa: E501
    try:
        largest_error(func, inputs, eps=eps, atol=atol, rtol=rtol, nondet_tol=nondet_tol, fast_mode=fast_mode,
                      check_undefined_grad=check_undefined_grad, check_grad_dtypes=check_grad_dtypes, rng=rng,
                      progress=progress)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def largest_error(func: Any, inputs: Any, *, eps: float, atol: float | None, rtol: float, nondet_tol: float = 0.0,
                  check_undefined_grad: bool = True, check_grad_dtypes: bool = False, fast_mode: bool = False,
                  rng: np.random.Generator | None = None, progress: Progress = SILENT) -> float:
    """`gradcheck` that returns the error: max |analytic - numeric| / max |numeric| of the worst input.

    The values are entries of the Jacobian, or in fast mode its projections. Parameters and errors as for `gradcheck`.
    """
    inputs = inputs if isinstance(inputs, (tuple, list)) else (inputs,)
    rng = generator("rng", rng, 0)
    with unchanged(*(func if is_pair(func) else (func,))):
        target = target_of(func, inputs)
        if note := target.float32_note():
            warnings.warn(note, GradcheckWarning, stacklevel=3)         # points at the caller of gradcheck
        check_repeatable(target, rng, nondet_tol, check_grad_dtypes)
        if not target.value().size or not any(point.size for point in target.points):
            raise InputError("gradcheck: nothing to check: the output or all inputs have no elements")
        if check_undefined_grad:
            check_zero_cotangent(target)
        if target.dtype == np.float32:
            eps, rtol = max(eps, COARSE.eps), max(rtol, COARSE.rtol)
        tolerances = Tolerances(eps, atol, rtol)
        if not fast_mode and (too_large := size_error(target)):
            raise InputError(f"gradcheck: {too_large}: give smaller inputs, or fast_mode=True")
        worst = compare_projections(target, tolerances, rng) if fast_mode else _compare_entries(target, tolerances,
                                                                                              progress)
        if target.reached:
            check_linear(target, rng, tolerances, nondet_tol)
    if not target.reached:
        raise GradcheckError("gradcheck: no input has a gradient, so there is nothing to compare: the result is a "
                             "constant near these inputs, or it was not computed from them by recorded operations")
    return worst


def target_of(func: Any, inputs: Sequence[Any]) -> Target:
    """The target for a pair, for a function of another library, or for a function of Tensors."""
    if is_pair(func):
        return ArrayPair(func, inputs)
    adapter = _adapter(func, inputs)
    return TensorFunction(func, inputs) if adapter is None else ForeignFunction(adapter, func, inputs)


def called_by(func: Any, inputs: Sequence[Any]) -> str:
    """How `target_of` calls a function of another library, in words; "" for other functions."""
    adapter = None if is_pair(func) else _adapter(func, inputs)
    return "" if adapter is None else adapter.SAYS


def _adapter(func, inputs):
    adapter = differentiator(func, inputs)
    if adapter is None and not isinstance(func, Module) and not any(isinstance(one, Tensor) for one in inputs):
        adapter = next(iter(named_differentiators(func)), None)         # a function of arrays, which names a library
    return adapter


def size_error(target: Target) -> str:
    """The reason why the Jacobian of a target is too large to compare every entry, or "". `value` was called before."""
    outputs, inputs = target.value().size, sum(point.size for point in target.points)
    if outputs * inputs <= LARGEST:
        return ""
    return (f"the Jacobian has {outputs * inputs:,} entries ({outputs:,} outputs, {inputs:,} inputs), more than "
            f"{LARGEST:,}")


def _compare_entries(target, tolerances, progress):
    """Compare every entry of every Jacobian. Return the largest relative error, or raise GradcheckError."""
    m, rows, worst = target.value().size, [], 0.0
    done, total = m, m + 2 * sum(point.size for point in target.points)                 # calls of the function
    for j in range(m):
        progress.update(j, total, "backward")
        rows.append(target.vjp(unit(m, j)))
    for k, point in enumerate(target.points):
        analytic = np.zeros((m, point.size))
        for j, row in enumerate(rows):
            if row[k] is not None:
                analytic[j] = row[k].ravel()
        numeric, allowed = np.empty_like(analytic), np.empty_like(analytic)
        noise = np.empty_like(analytic)
        for i in range(point.size):
            progress.update(done + 2 * i, total, f"differences, {target.names[k]}")
            numeric[:, i], noise[:, i] = first_difference(target, k, unit(point.size, i), tolerances.eps)
        scale = np.maximum(np.abs(analytic), np.abs(numeric)).max(1, initial=0)
        scale = np.where(np.isfinite(scale), scale, 0)[:, None]
        allowed = tolerances.allowed(numeric, noise, scale)
        still = _unmoved(target, k, rows, analytic, numeric, noise)
        analytic[still] = numeric[still] = 0
        blind = is_blind(analytic, numeric, noise, scale)
        wrong = ~(np.abs(analytic - numeric) <= allowed) | blind        # True for NaN
        excess = np.where(wrong, np.nan_to_num(np.abs(analytic - numeric) / np.maximum(allowed, TINY), nan=np.inf), 0)
        for i in np.argsort(-excess.max(0, initial=0), kind="stable"):
            if wrong[:, i].any():
                _retry(target, k, i, tolerances, scale[:, 0], analytic, numeric, wrong, blind)
            if wrong[:, i].any():
                j = int(np.argmax(np.where(wrong[:, i], excess[:, i], -1)))
                missing = all(row[k] is None for row in rows)
                if blind[j, i] and np.isfinite(analytic[j, i]):
                    raise _hidden(target, k, i, j, numeric[j, i], noise[j, i])
                found = Mismatch(k, int(i), j, float(analytic[j, i]), float(numeric[j, i]), missing, analytic, numeric,
                                 wrong)
                raise GradcheckError(explain(target, tolerances.eps, found))
        done += 2 * point.size
        worst = max(worst, relative_error(analytic, numeric))
    progress.update(total, total)
    return worst


def _unmoved(target, k, rows, analytic, numeric, noise):
    """Where an entry is 0 to the last digits of float64, and the output does not move with the input at all.

    So it is with a bias before a normalization, or before a softmax. Digits are counted from the largest entry of the
    gradient of the same output with respect to any input.
    """
    largest = np.array([max((np.abs(one).max(initial=0) for one in row if one is not None), default=0) for row in rows])
    zero = (np.abs(analytic) <= 64 * np.finfo(float).eps * largest[:, None]) & (np.abs(numeric) <= 16 * noise)
    for i in np.flatnonzero(zero.any(0)):
        zero[:, i] &= unmoved(target, k, unit(zero.shape[1], i))
    return zero


def _retry(target, k, i, tolerances, scale, analytic, numeric, wrong, blind):
    """Try other steps on column i of the Jacobian. If one agrees, the first step was wrong, not the gradient."""
    direction = unit(target.points[k].size, i)
    for h in other_steps(target, k, direction, tolerances.eps):
        try:
            other, noise = central(target, k, direction, h)
        except UncheckableError:
            continue
        hidden = is_blind(analytic[:, i], other, noise, scale)
        agrees = wrong[:, i] & ~hidden & (
            np.abs(analytic[:, i] - other) <= tolerances.allowed(other, noise, scale))
        better = agrees | (wrong[:, i] & blind[:, i] & ~hidden)
        numeric[better, i], blind[better, i] = other[better], False
        wrong[agrees, i] = False


def _hidden(target, k, i, j, numeric, noise):
    element, (output, place) = tuple(int(n) for n in np.unravel_index(i, target.points[k].shape)), target.locate(j)
    return UncheckableError(
        f"cannot judge the gradient of {target.names[k]} at its element {element}: rounding hides the derivative of "
        f"output {output} {place}, {numeric:.3g} with an error of {noise:.1e}. Choose other inputs", "or a larger eps")
