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


def shown_product(x: np.ndarray, y: np.ndarray, times: Callable = np.matmul, cotangent: int = 0) -> np.ndarray:
    """x @ y, where x (`cotangent` 0) or y (1) is a cotangent: a term with its 0 is 0, whatever the other factor is.

    >>> shown_product(np.array([[0.0, 2.0]]), np.array([[np.nan], [3.0]]))
    array([[6.]])
    """
    out = product(x, y, times)
    if not out.size or not np.isnan(out.min()):
        return out
    grad, other = (x, y) if cotangent == 0 else (y, x)

    def terms(first, second):
        pair = first.astype(x.dtype), second.astype(y.dtype)
        return product(*(pair if cotangent == 0 else pair[::-1]), times)
    positive, negative, up, down = grad > 0, grad < 0, other == np.inf, other == -np.inf
    out = terms(grad, np.where(np.isfinite(other), other, np.nan_to_num(np.sign(other))))
    rising, falling = (terms(positive, a) + terms(negative, b) > 0 for a, b in ((up, down), (down, up)))
    nan = terms(grad != 0, np.isnan(other)) > 0
    return out + (np.where(rising, np.inf, 0) + np.where(falling, -np.inf, 0) + np.where(nan, np.nan, 0)).astype(
        out.dtype)


def matmul(x: np.ndarray, y: np.ndarray, times: Callable = np.matmul) -> Result:
    """(..., n, k) @ (..., k, m); dx = grad y^T, dy = x^T grad. A vector is a thin matrix, as in NumPy.

    `times` is that of `product`. Lengths that do not fit raise InputError.
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
        dx = shown_product(g, ym.swapaxes(-1, -2), times)
        dy = shown_product(xm.swapaxes(-1, -2), g, times, 1)
        return (dx[..., 0, :] if x.ndim == 1 else dx), (dy[..., 0] if y.ndim == 1 else dy)
    return out, vjp
