"""Padding of Tensors: zeros or another constant, the mirrored image, its edge, or the opposite side."""

from __future__ import annotations

import numbers

import numpy as np

from ..arithmetic import padding
from ..checks import is_integer, one_of, why_not_stored
from ..errors import InputError, InputTypeError
from ..tensor import Tensor, as_tensor, record


def pad(input: Tensor | np.ndarray, pad: tuple[int, ...], mode: str = "constant",
        value: float | None = None) -> Tensor:
    """Add elements at the ends of the last axes, or cut them off.

    With x of n elements along an axis and `before` elements added, out[i] = x[p], p = i - before. Where p is not from
    0 to n - 1, out[i] is `value` (constant), x[-p] or x[2 n - 2 - p] (reflect), x[0] or x[n - 1] (replicate), x[p + n]
    or x[p - n] (circular).

    Parameters
    ----------
    input : Tensor of any shape
    pad : tuple of int
        (before, after) of the last axis, then of the axis before it, and so on: (left, right, top, bottom) of images.
        A negative number cuts elements off. With mode "circular" this is done first.
    mode : {"constant", "reflect", "replicate", "circular"}
    value : float, optional
        Of mode "constant", by default 0. inf and NaN are possible.

    Returns
    -------
    Tensor
        A copy, also if nothing is added.

    Raises
    ------
    InputError
        `pad` does not have two integers an axis, or has too many; more is cut off than there is; "reflect" has to add
        n or more elements, or "circular" more than are kept; a value is given for another mode.
    InputTypeError
        The value is not a real number.

    Examples
    --------
    >>> pad(Tensor([[1.0, 2.0, 3.0]]), (1, 2), "reflect")
    Tensor([[2., 1., 2., 3., 2., 1.]])
    >>> pad(Tensor([[1.0, 2.0, 3.0]]), (-1, 1, 0, 1), value=9)
    Tensor([[2., 3., 9.],
            [9., 9., 9.]])
    """
    input = as_tensor(input)
    x, widths = input.data, _widths(pad, input.ndim)
    one_of("pad: mode", mode, padding.MODES)
    constant = _value(value, mode, x.dtype)
    padding.check_widths("pad", x.shape, widths, mode)
    shape = x.shape
    return record(padding.pad(x, widths, mode, constant), (input,),
                  lambda grad: (padding.unpad(grad, shape, widths, mode),))


def _widths(pad, ndim):
    """[(before, after)] of every axis, from PyTorch's tuple, which begins with the last axis."""
    if not isinstance(pad, (tuple, list)) or len(pad) % 2 or not all(map(is_integer, pad)):
        raise InputError("pad: pad must be a tuple with two integers for each axis, the last axis first, as in "
                         f"(left, right, top, bottom), not {pad!r}")
    if len(pad) > 2 * ndim:
        raise InputError(f"pad: {tuple(pad)} has numbers for {len(pad) // 2} axes, but the input has {ndim}")
    given = [(int(before), int(after)) for before, after in zip(pad[::2], pad[1::2], strict=True)]
    return [(0, 0)] * (ndim - len(given)) + given[::-1]


def _value(value, mode, dtype):
    if value is None:
        return 0.0
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        raise InputTypeError(f"pad: value must be a real number, not {value!r}")
    if mode != "constant" and value != 0:
        raise InputError(f"pad: value={value!r} has no meaning for mode {mode!r}, which copies elements of the input")
    try:
        reason = why_not_stored(np.array([float(value)]), dtype)
    except OverflowError:
        reason = f"is too large for {dtype}"
    if reason:
        raise InputError(f"pad: value {reason}: give another value")
    return float(value)
