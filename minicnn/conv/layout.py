"""Memory order and padding, shared by the algorithms.

Inside every algorithm but `naive` an image batch is an array (C, H, W, N) in C order: the batch is the last axis. The
caller sees its transpose, an array of shape (N, C, H, W). `to_batch_last` converts an array of the caller.
`to_batch_first` converts back and never copies.
"""

from __future__ import annotations

import numpy as np

from ..arithmetic import padding
from .geometry import PADDING_MODES, Geometry


def to_batch_last(x: np.ndarray) -> np.ndarray:
    """(N, C, H, W) in any memory order -> (C, H, W, N) in C order. It copies only if the array is in another order."""
    return np.ascontiguousarray(x.transpose(1, 2, 3, 0))


def to_batch_first(x: np.ndarray) -> np.ndarray:
    """(C, H, W, N) -> a view of shape (N, C, H, W)."""
    return x.transpose(3, 0, 1, 2)


def pad(x: np.ndarray, geometry: Geometry) -> np.ndarray:
    """(C, H, W, N) -> (C, H + top + bottom, W + left + right, N), padded as the geometry's padding_mode says."""
    if not any(map(any, geometry.padding)):
        return x
    return np.ascontiguousarray(padding.pad(x, _widths(geometry), PADDING_MODES[geometry.padding_mode]))


def unpad(grad: np.ndarray, geometry: Geometry) -> np.ndarray:
    """The adjoint of `pad`: zero padding is cut off; other padding is added to the pixels that it copies."""
    if not any(map(any, geometry.padding)):
        return grad
    if geometry.padding_mode == "zeros":
        (top, _), (left, _) = geometry.padding
        return grad[:, top:top + geometry.height, left:left + geometry.width]
    shape = grad.shape[0], geometry.height, geometry.width, grad.shape[3]
    return padding.unpad(grad, shape, _widths(geometry), PADDING_MODES[geometry.padding_mode])


def _widths(geometry):
    return (0, 0), *geometry.padding, (0, 0)
