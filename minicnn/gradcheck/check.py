"""`gradcheck`: the Jacobian that backward gives against the one that finite differences give."""

from __future__ import annotations

import numpy as np

from .diagnosis import Mismatch, explain
from .differences import central, unit
from .target import ArrayPair, GradcheckError, TensorFunction, is_pair

TINY = np.finfo(float).tiny
DIRECTIONS = 3              # random projections of each input in fast mode


def gradcheck(func, inputs, *, eps=1e-6, atol=1e-8, rtol=1e-5, raise_exception=True, nondet_tol=0.0,
              check_undefined_grad=True, check_grad_dtypes=False, fast_mode=False, rng=None):
    """Check the gradient of a function against central differences, and say where and why it is wrong.

    For every element i of an input and j of the output, backward's J[j, i] = d out_j / d x_i must satisfy

        |analytic - numeric| <= atol + rtol |numeric| + rounding,    numeric = (out_j(x_i + h) - out_j(x_i - h)) / 2h

    with h = eps max(1, |x_i|) and `rounding` what float64 leaves uncertain, 8 2^-52 max|out| / h. An entry that differs
    is tried again with steps of eps / 10, 10 eps and 100 eps before it counts as wrong.

    The signature is that of PyTorch's gradcheck, the tolerances are narrower: its atol=1e-5 and rtol=1e-3 would let an
    error of 1e-4 pass, and a gradient that is right agrees in float64 to about 1e-9. All arithmetic is in float64.
    A function that is linear in each input has no truncation error: check it with eps=1 and rtol=1e-10.

    Parameters
    ----------
    func : callable, Module, or (forward, backward)
        From Tensors to a Tensor or a tuple of Tensors. Of a Module, its parameters are checked besides its inputs. A
        pair works on arrays: forward(*arrays) -> array, backward(cotangent, *arrays) -> tuple with the gradient of
        each array, or the gradient itself where there is one array.
    inputs : Tensor, array or tuple
        Tensors without requires_grad, integer arrays and other objects are passed on and not checked. Draw them with
        `safe_inputs`. They are never changed: func gets copies.
    eps, atol, rtol : float
    raise_exception : bool
        Return False instead of raising GradcheckError.
    nondet_tol : float
        By how much two runs of forward or backward on the same inputs may differ.
    check_undefined_grad : bool
        Also check that a cotangent of zeros gives gradients of zeros (or None).
    check_grad_dtypes : bool
        Also check that the gradients are float64, as the inputs that func gets.
    fast_mode : bool
        Compare random projections u^T J v, three for each input, instead of every entry: a handful of evaluations
        whatever the sizes. A wrong entry stands out less: its error must exceed about rtol times the square root of
        the number of entries. Where they differ, the entry is found by bisection.
    rng : numpy.random.Generator
        Draws cotangents and projections; np.random.default_rng(0) by default, so that a failure can be repeated.

    Returns
    -------
    bool
        True; False only without raise_exception.

    Raises
    ------
    GradcheckError
        With the input, the element, both values, and a diagnosis: a kink or a tie at the sample, arithmetic in
        float32, a missing gradient, a constant factor, a flipped kernel, a transposed array. Also where inputs overlap
        in memory or were changed in place, and where two runs differ.
    ValueError
        There is nothing to check, or an input is not finite.

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
    minicnn.gradcheck.target.GradcheckError: gradcheck: the gradient of input 0, shape (2,), is wrong at its element (1,): d output 0 (1,) is analytically 3, numerically 6, relative error 5.0e-01. 2 of 4 entries of its Jacobian differ.
    analytic = 0.5 x numeric everywhere: is a factor missing or one too many?
    >>> gradcheck((np.tanh, lambda grad, x: grad * (1 - np.tanh(x) ** 2)), np.array([0.5, -1.0]))
    True
    """  # noqa: E501
    try:
        largest_error(func, inputs, eps=eps, atol=atol, rtol=rtol, nondet_tol=nondet_tol, fast_mode=fast_mode,
                      check_undefined_grad=check_undefined_grad, check_grad_dtypes=check_grad_dtypes, rng=rng)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def largest_error(func, inputs, *, eps, atol, rtol, nondet_tol=0.0, check_undefined_grad=True, check_grad_dtypes=False,
                  fast_mode=False, rng=None):
    """What `gradcheck` does: raises, or returns the largest |analytic - numeric| over the largest |numeric| of an
    input's Jacobian (of its projections in fast mode)."""
    inputs = inputs if isinstance(inputs, (tuple, list)) else (inputs,)
    rng = np.random.default_rng(0) if rng is None else rng
    subject = ArrayPair(func, inputs) if is_pair(func) else TensorFunction(func, inputs)
    with subject.borrowed():
        _check_repeatable(subject, rng, nondet_tol, check_grad_dtypes)
        if check_undefined_grad:
            _check_zero_cotangent(subject)
        compare = _compare_projections if fast_mode else _compare_entries
        return compare(subject, eps, atol, rtol, rng)


def _check_repeatable(subject, rng, tolerance, check_dtypes):
    first, second = subject.value(), subject.value()
    if first.shape != second.shape or np.abs(first - second).max(initial=0) > tolerance:
        raise GradcheckError("gradcheck: the function is not deterministic: two calls on the same inputs gave "
                             "different outputs. Fix its random numbers (a generator made from a seed inside the "
                             "function), or allow for the difference with nondet_tol.")
    cotangent = _random(rng, first.size)
    for name, a, b in zip(subject.names, subject.vjp(cotangent), subject.vjp(cotangent), strict=True):
        if (a is None) != (b is None) or a is not None and np.abs(a - b).max(initial=0) > tolerance:
            raise GradcheckError(f"gradcheck: backward is not deterministic: two runs gave different gradients of "
                                 f"{name}. Fix its random numbers, or allow for the difference with nondet_tol.")
        if check_dtypes and a is not None and a.dtype != np.float64:
            raise GradcheckError(f"gradcheck: the gradient of {name} is {a.dtype}, but the input is float64")


def _check_zero_cotangent(subject):
    for name, gradient in zip(subject.names, subject.vjp(np.zeros(subject.value().size)), strict=True):
        if gradient is not None and np.any(gradient):
            raise GradcheckError(f"gradcheck: a cotangent of zeros gave {name} a gradient that is not zero: backward "
                                 "must be linear in the cotangent")


def _compare_entries(subject, eps, atol, rtol, rng):
    """Every entry of every Jacobian; the largest relative error, or GradcheckError."""
    m = subject.value().size
    rows = [subject.vjp(unit(m, j)) for j in range(m)]
    worst = 0.0
    for k, point in enumerate(subject.points):
        missing = all(row[k] is None for row in rows)
        analytic = np.stack([np.zeros(point.size) if row[k] is None else row[k].ravel() for row in rows] or
                            [np.zeros(0)]).reshape(m, point.size)
        numeric, allowed = np.empty_like(analytic), np.empty_like(analytic)
        for i in range(point.size):
            numeric[:, i], noise = central(subject, k, unit(point.size, i), eps)
            allowed[:, i] = atol + rtol * np.abs(numeric[:, i]) + noise
        wrong = ~(np.abs(analytic - numeric) <= allowed)                # True for NaN
        excess = np.where(wrong, np.nan_to_num(np.abs(analytic - numeric) / np.maximum(allowed, TINY), nan=np.inf), 0)
        for i in np.argsort(-excess.max(0, initial=0), kind="stable"):
            if wrong[:, i].any():
                _retry(subject, k, i, eps, atol, rtol, analytic, numeric, wrong)
            if wrong[:, i].any():
                j = int(np.argmax(np.where(wrong[:, i], excess[:, i], -1)))
                found = Mismatch(k, int(i), j, float(analytic[j, i]), float(numeric[j, i]), missing, analytic, numeric,
                                 wrong)
                raise GradcheckError(explain(subject, eps, found))
        worst = max(worst, _relative(analytic, numeric))
    return worst


def _retry(subject, k, i, eps, atol, rtol, analytic, numeric, wrong):
    """Try other steps on column i of the Jacobian, and take over what agrees: the first step was at fault there."""
    for factor in (0.1, 10, 100):
        other, noise = central(subject, k, unit(subject.points[k].size, i), factor * eps)
        agrees = wrong[:, i] & (np.abs(analytic[:, i] - other) <= atol + rtol * np.abs(other) + noise)
        numeric[agrees, i] = other[agrees]
        wrong[agrees, i] = False


def _compare_projections(subject, eps, atol, rtol, rng):
    """u^T J v for random u and v; the largest relative error, or GradcheckError."""
    m, worst = subject.value().size, 0.0
    for _ in range(DIRECTIONS):
        u = _random(rng, m)
        for k, gradient in enumerate(subject.vjp(u)):
            gradient = np.zeros(subject.points[k].size) if gradient is None else gradient.ravel()
            v = _random(rng, gradient.size)
            analytic = gradient @ v
            for factor in (1, 0.1, 10, 100):
                slope, noise = central(subject, k, v, factor * eps)
                numeric = u @ slope
                if abs(analytic - numeric) <= atol + rtol * abs(numeric) + noise * np.abs(u).sum():
                    break
            else:
                raise GradcheckError(explain(subject, eps, _locate(subject, k, u, v, gradient, eps)))
            worst = max(worst, _relative(analytic, numeric))
    return worst


def _locate(subject, k, u, v, gradient, eps):
    """The entry of the Jacobian of input k that disagrees, by bisection over the inputs, then over the outputs."""
    def input_error(indices):
        part = np.zeros_like(v)
        part[indices] = v[indices]
        return abs(gradient @ part - u @ central(subject, k, part, eps)[0])

    i = _bisect(input_error, v.size)
    slope = central(subject, k, unit(v.size, i), eps)[0]

    def entry(cotangent):
        row = subject.vjp(cotangent)[k]
        return None if row is None else row.ravel()[i]

    def output_error(indices):
        part = np.zeros_like(u)
        part[indices] = u[indices]
        return abs((entry(part) or 0) - part @ slope)

    j = _bisect(output_error, u.size)
    analytic = entry(unit(u.size, j))
    return Mismatch(k, i, j, float(analytic or 0), float(slope[j]), analytic is None)


def _bisect(error, size):
    """An index in range(size) such that every set of a bisection that holds it has the larger error."""
    indices = np.arange(size)
    while indices.size > 1:
        indices = max(np.array_split(indices, 2), key=lambda half: np.nan_to_num(error(half), nan=np.inf))
    return int(indices[0])


def _random(rng, size):
    """Of either sign and far from 0, so that no entry hides behind a small weight."""
    return rng.choice([-1.0, 1.0], size) * rng.uniform(0.5, 1.5, size)


def _relative(analytic, numeric):
    difference = np.abs(analytic - numeric).max(initial=0)
    return float(difference / max(np.abs(numeric).max(initial=0), TINY)) if difference else 0.0
