"""Memory order and padding, shared by the algorithms.

Inside every algorithm but `naive` an image batch is an array (C, H, W, N) in C order: the batch is the last axis. The
caller sees its transpose, an array of shape (N, C, H, W). `to_batch_last` converts an array of the caller.
`to_batch_first` converts back and never copies.
"""

from __future__ import annotations

import numpy as np

from .geometry import Geometry


def to_batch_last(x: np.ndarray) -> np.ndarray:
    """(N, C, H, W) in any memory order -> (C, H, W, N) in C order. It copies only if the array is in another order."""
    return np.ascontiguousarray(x.transpose(1, 2, 3, 0))


def to_batch_first(x: np.ndarray) -> np.ndarray:
    """(C, H, W, N) -> a view of shape (N, C, H, W)."""
    return x.transpose(3, 0, 1, 2)


def pad(x: np.ndarray, geometry: Geometry) -> np.ndarray:
    """(C, H, W, N) -> (C, H + top + bottom, W + left + right, N), padded with zeros or around the torus."""
    if not any(map(any, geometry.padding)):
        return x
    return np.pad(x, ((0, 0), *geometry.padding, (0, 0)), "wrap" if geometry.padding_mode == "circular" else "constant")


def unpad(grad: np.ndarray, geometry: Geometry) -> np.ndarray:
    """The adjoint of `pad`: zero padding is cut off; circular padding is added to the pixels that it copies."""
    for axis, (before, after) in ((1, geometry.padding[0]), (2, geometry.padding[1])):
        grad = _unpad_axis(grad, axis, before, after, geometry.padding_mode)
    return grad


def _unpad_axis(grad, axis, before, after, mode):
    size = grad.shape[axis] - before - after
    part = lambda start, stop: tuple(slice(start, stop) if a == axis else slice(None) for a in range(4))
    inner = grad[part(before, before + size)]
    if mode == "zeros" or before == after == 0:
        return inner
    inner = inner.copy()
    inner[part(size - before, size)] += grad[part(0, before)]
    inner[part(0, after)] += grad[part(before + size, None)]
    return inner
