"""The ReLU and its gradient over large float32 arrays (N, C, ...), on several threads."""

from __future__ import annotations

import numpy as np

from .channels import Layout

LEAST = 100_000                 # elements: for fewer, NumPy on one thread takes no longer


def worth(x: np.ndarray) -> bool:
    """Whether an array is one for these passes."""
    return x.dtype == np.float32 and x.size >= LEAST and x.ndim >= 2


def relu(x: np.ndarray) -> np.ndarray:
    """max(x, 0), element by element. NaN stays NaN.

    >>> relu(np.array([[-1.0, 2.0]], np.float32))
    array([[0., 2.]], dtype=float32)
    """
    layout, out = Layout.of(x), np.empty(x.size, np.float32)
    layout.run("relu", layout.flat(x), out=out)
    return layout.shaped(out)


def gate(grad: np.ndarray, y: np.ndarray) -> np.ndarray:
    """grad where y is not 0, and 0 elsewhere: the gradient of the ReLU with the result y.

    >>> gate(np.array([[3.0, 4.0]], np.float32), np.array([[0.0, 2.0]], np.float32))
    array([[0., 4.]], dtype=float32)
    """
    layout, out = Layout.of(y), np.empty(y.size, np.float32)
    layout.run("gate", layout.flat(grad), layout.flat(y), out=out)
    return layout.shaped(out)
