"""Inputs for which finite differences are reliable."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..checks import generator, is_integer, number
from ..errors import InputError
from ..tensor import Tensor


def safe_inputs(*shapes: tuple[int, ...], rng: np.random.Generator, spacing: float = 0.1,
                dtype: Any = np.float64) -> tuple[Tensor, ...]:
    """Tensors without elements near 0, the kink of ReLU, and without ties, the kinks of max and max-pool.

    The elements of all tensors together are the n values spacing * (i - floor(n / 2) + 1/2), i = 0 .. n - 1, in random
    order. They have both signs. Any two differ by at least `spacing`, and the distance of each from 0 is at least
    spacing / 2.

    Parameters
    ----------
    *shapes : tuple of int
    rng : numpy.random.Generator
    spacing : float
        The smallest difference of two elements. It must be much larger than the step of the finite differences.
    dtype : float32 or float64

    Returns
    -------
    tuple of Tensor
        One for each shape, each with requires_grad=True.

    Raises
    ------
    ValueError
        No shape was given, a shape is not a tuple of integers, or spacing is not positive.
    TypeError
        rng is not a numpy.random.Generator.

    Examples
    --------
    >>> x, y = safe_inputs((2, 2), (1,), rng=np.random.default_rng(0))
    >>> np.sort(np.append(x.data, y.data)).round(2)
    array([-0.15, -0.05,  0.05,  0.15,  0.25])
    """
    if not shapes:
        raise InputError("safe_inputs: give at least one shape, as in safe_inputs((3, 4), rng=rng)")
    spacing, rng = number("safe_inputs: spacing", spacing, above=0), generator("safe_inputs: rng", rng)
    for shape in shapes:
        if not is_shape(shape):
            raise InputError("safe_inputs: a shape must be a tuple of integers of at least 0, as in (3, 4), not "
                             f"{shape!r}")
    sizes = [math.prod(shape) for shape in shapes]
    total = sum(sizes)
    values = rng.permutation(spacing * (np.arange(total) - total // 2 + 0.5)).astype(dtype)
    parts = np.split(values, np.cumsum(sizes)[:-1])
    return tuple(Tensor(part.reshape(shape).copy(), requires_grad=True)
                 for part, shape in zip(parts, shapes, strict=True))


def is_shape(value: Any, least: int = 0) -> bool:
    """Whether `value` is a tuple or list of integers of at least `least`.

    >>> is_shape((3, 4)), is_shape((2, -1)), is_shape("3,4")
    (True, False, False)
    """
    return isinstance(value, (tuple, list)) and all(is_integer(n) and n >= least for n in value)
