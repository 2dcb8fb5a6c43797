"""The dot-product test: whether one linear operation is the adjoint (transpose) of another."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..checks import generator
from .target import GradcheckError


def adjoint_test(forward: Callable, adjoint: Callable, in_shape: tuple[int, ...], *, rng: np.random.Generator,
                 rtol: float = 1e-10) -> float:
    """Compare <g, A x> with <A^T g, x> for a random x and a random g.

    The gradient of a linear operation A is its adjoint. This test therefore checks a backward pass with one forward and
    one backward, without finite differences, for inputs of any size. Source: Claerbout 2014, "Geophysical image
    estimation by example", the dot-product test.

    Parameters
    ----------
    forward : callable
        x (array of `in_shape`) -> A x (array).
    adjoint : callable
        g (array of the shape of A x) -> A^T g (array of `in_shape`).
    in_shape : tuple of int
    rng : numpy.random.Generator
        Draws x and g.
    rtol : float
        The largest error that passes.

    Returns
    -------
    float
        |<g, A x> - <A^T g, x>| / (|g| |A x|): about 1e-16 if `adjoint` is right.

    Raises
    ------
    GradcheckError
        The error exceeds rtol, or A^T g does not have the shape of x.

    Examples
    --------
    >>> matrix = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    >>> rng = np.random.default_rng(0)
    >>> adjoint_test(lambda x: matrix @ x, lambda g: matrix.T @ g, (3,), rng=rng) < 1e-15
    True
    """
    rng = generator("adjoint_test: rng", rng)
    x = rng.standard_normal(in_shape)
    y = np.asarray(forward(x.copy()))
    g = rng.standard_normal(y.shape)
    back = np.asarray(adjoint(g.copy()))
    if back.shape != x.shape:
        raise GradcheckError(f"adjoint_test: the adjoint returned shape {back.shape} for an input of shape {x.shape}")
    unit = float(np.abs(y).max(initial=0)) or 1.0                          # squares of large numbers would overflow
    left, right = np.vdot(g, y / unit), np.vdot(back / unit, x)
    error = abs(left - right) / max(np.linalg.norm(g) * np.linalg.norm(y / unit), np.finfo(float).tiny)
    if not error <= rtol:
        at_zero = np.asarray(forward(np.zeros(in_shape)))
        reason = (" forward(0) is not 0, so the operation is affine, not linear: test it without its bias."
                  if np.any(at_zero) else "")
        raise GradcheckError(f"adjoint_test: <g, A x> = {left * unit:.10g} but <A^T g, x> = {right * unit:.10g}, "
                             f"relative error {error:.1e}, allowed {rtol:.0e}.{reason}")
    return float(error)
