"""The product of matrices."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..errors import InputError
from .elementwise import Result

PIECE = 4096                    # terms of a sum that BLAS adds in the dtype of the operands


def product(x: np.ndarray, y: np.ndarray, times: Callable = np.matmul) -> np.ndarray:
    """x @ y. A long sum is cut into pieces, which are added in float64: its error does not grow with its length.

    `times` computes the product of a piece, as np.matmul does.

    >>> total = product(np.full(2**22, 0.1, np.float32), np.ones(2**22, np.float32))
    >>> round(float(total) / 2**22, 6)
    0.1
    """
    terms = x.shape[-1] if x.ndim else 0
    if terms <= PIECE or y.ndim == 0 or y.shape[-2 if y.ndim > 1 else 0] != terms:
        return times(x, y)
    out = np.float64(0)
    for start in range(0, terms, PIECE):
        piece = slice(start, start + PIECE)
        out = out + times(x[..., piece], y[piece] if y.ndim == 1 else y[..., piece, :])
    return np.asarray(out).astype(np.result_type(x, y))


def matmul(x: np.ndarray, y: np.ndarray, times: Callable = np.matmul) -> Result:
    """(..., n, k) @ (..., k, m); dx = grad y^T, dy = x^T grad. A vector is a thin matrix, as in NumPy.

    `times` is that of `product`.

    Lengths that do not fit raise InputError.
    """
    try:
        out = product(x, y, times)
    except ValueError:
        raise InputError(f"matmul: shapes {x.shape} and {y.shape} do not fit: the last length of the first must equal "
                         "the last but one of the second") from None

    def vjp(grad):
        xm, ym = x[None, :] if x.ndim == 1 else x, y[:, None] if y.ndim == 1 else y
        g = grad[..., None] if y.ndim == 1 else grad
        g = g[..., None, :] if x.ndim == 1 else g
        dx, dy = product(g, ym.swapaxes(-1, -2), times), product(xm.swapaxes(-1, -2), g, times)
        return (dx[..., 0, :] if x.ndim == 1 else dx), (dy[..., 0] if y.ndim == 1 else dy)
    return out, vjp
