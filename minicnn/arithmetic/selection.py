"""Operations that choose between their operands, element by element. What is not chosen gets the gradient 0."""

from __future__ import annotations

import numpy as np

from ..checks import array
from ..errors import InputError
from .elementwise import Result, broadcast


def select(condition: np.ndarray, x: np.ndarray, y: np.ndarray) -> Result:
    """x where the condition holds, y elsewhere. What is not selected gets the gradient 0, whatever the cotangent."""
    condition = np.array(array("where: the condition", condition), bool)    # a copy: the caller may change it
    try:
        out = np.where(condition, x, y)
    except ValueError:
        raise InputError(f"where: shapes {condition.shape}, {x.shape} and {y.shape} do not broadcast") from None
    return out, lambda grad: (np.where(condition, grad, 0).astype(x.dtype, copy=False),
                              np.where(condition, 0, grad).astype(y.dtype, copy=False))


def maximum(x: np.ndarray, y: np.ndarray) -> Result:
    """The larger of x and y, element by element. Equal ones share the gradient evenly; beside NaN both get all of it.

    NaN counts as largest.
    """
    def vjp(grad):
        return _share(grad, x < y, x == y), _share(grad, x > y, x == y)
    return broadcast("maximum", np.maximum, x, y), vjp


def minimum(x: np.ndarray, y: np.ndarray) -> Result:
    """The smaller of x and y, element by element. Equal ones share the gradient evenly; beside NaN both get all of it.

    NaN counts as smallest.
    """
    def vjp(grad):
        return _share(grad, x > y, x == y), _share(grad, x < y, x == y)
    return broadcast("minimum", np.minimum, x, y), vjp


def _share(grad, hidden, tie):
    return np.where(hidden, 0, np.where(tie, grad / 2, grad)).astype(grad.dtype, copy=False)


def clip(x: np.ndarray, low: np.ndarray | None = None, high: np.ndarray | None = None) -> Result:
    """min(max(x, low), high), element by element. An element that equals a bound counts as inside.

    The gradient goes to x inside of the bounds, else to the bound. Where x or a bound is NaN, x gets none. None is no
    bound. If low is above high, the result is high.

    The vjp returns a gradient for x and for each bound that is not None.
    """
    out = x.copy() if low is None else broadcast("clip", np.maximum, x, low)
    if high is not None:
        out = broadcast("clip", np.minimum, out, high)

    def vjp(grad):
        true = np.ones((), bool)
        inside = (true if low is None else x >= low) & (true if high is None else x <= high)
        hidden = [~inside]
        if low is not None:
            hidden.append(~((x < low) & (true if high is None else low < high)))
        if high is not None:
            hidden.append(~((x > high) | (~true if low is None else high < low)))
        return tuple([np.where(h, 0, grad).astype(grad.dtype, copy=False) for h in hidden])
    return out, vjp
