"""The product of matrices."""

from __future__ import annotations

import numpy as np

from ..errors import InputError
from .elementwise import Result


def matmul(x: np.ndarray, y: np.ndarray) -> Result:
    """(..., n, k) @ (..., k, m); dx = grad y^T, dy = x^T grad. A vector is a thin matrix, as in NumPy.

    Lengths that do not fit raise InputError.
    """
    try:
        out = x @ y
    except ValueError:
        raise InputError(f"matmul: shapes {x.shape} and {y.shape} do not fit: the last length of the first must equal "
                         "the last but one of the second") from None

    def vjp(grad):
        xm, ym = x[None, :] if x.ndim == 1 else x, y[:, None] if y.ndim == 1 else y
        g = grad[..., None] if y.ndim == 1 else grad
        g = g[..., None, :] if x.ndim == 1 else g
        dx, dy = g @ ym.swapaxes(-1, -2), xm.swapaxes(-1, -2) @ g
        return (dx[..., 0, :] if x.ndim == 1 else dx), (dy[..., 0] if y.ndim == 1 else dy)
    return out, vjp
