"""The methods of a Tensor that compute: NumPy's names, with `axis` and `keepdims`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import arithmetic
from ..arithmetic import ReducedAxes
from .operators import Operators

if TYPE_CHECKING:
    from .tensor import Tensor

Axes = int | tuple[int, ...]


class Methods(Operators):
    """The methods of Tensor that record an operation."""

    __slots__ = ()

    # Shape and place of the elements.

    def reshape(self, *shape: Any) -> Tensor:
        """The same elements in C order, in another shape; one length may be -1."""
        return self._unary(arithmetic.reshape, "reshape", _one_sequence(shape))

    def ravel(self) -> Tensor:
        """The same elements in C order, along one axis."""
        return self._unary(arithmetic.reshape, "ravel", (-1,))

    def transpose(self, *axes: Any) -> Tensor:
        """Axes permuted as in NumPy. Without arguments, all axes are reversed."""
        axes = tuple(_one_sequence(axes)) or tuple(reversed(range(self.data.ndim)))
        return self._unary(arithmetic.transpose, "transpose", axes)

    def swapaxes(self, axis1: int, axis2: int) -> Tensor:
        """Two axes swapped."""
        return self._unary(arithmetic.swapaxes, "swapaxes", axis1, axis2)

    def moveaxis(self, source: Axes, destination: Axes) -> Tensor:
        """Axes moved to other places; the other axes keep their order."""
        return self._unary(arithmetic.moveaxis, "moveaxis", source, destination)

    def squeeze(self, axis: Axes | None = None) -> Tensor:
        """Without these axes, which must have length 1; None names all axes of length 1."""
        return self._unary(arithmetic.squeeze, "squeeze", axis)

    def expand_dims(self, axis: Axes) -> Tensor:
        """New axes of length 1, which are at these places in the result."""
        return self._unary(arithmetic.expand_dims, "expand_dims", axis)

    def broadcast_to(self, shape: Axes) -> Tensor:
        """Repeated along new axes and axes of length 1, without a copy."""
        return self._unary(arithmetic.broadcast_to, "broadcast_to", shape)

    def repeat(self, repeats: int | Sequence[int], axis: int | None = None) -> Tensor:
        """Each element `repeats` times (a number, or one for each element) along an axis; None ravels before."""
        return self._unary(arithmetic.repeat, "repeat", repeats, axis)

    def tile(self, reps: int | Sequence[int]) -> Tensor:
        """The whole array repeated `reps` times along each axis, the last number for the last axis."""
        return self._unary(arithmetic.tile, "tile", reps)

    def flip(self, axis: Axes | None = None) -> Tensor:
        """The elements in reversed order along `axis`; None names all axes."""
        return self._unary(arithmetic.flip, "flip", axis)

    def roll(self, shift: Axes, axis: Axes | None = None) -> Tensor:
        """Shifted along `axis`; what leaves at the end comes back at the beginning. None shifts in C order."""
        return self._unary(arithmetic.roll, "roll", shift, axis)

    # Reductions.

    def sum(self, axis: ReducedAxes = None, keepdims: bool = False) -> Tensor:
        """Sum over `axis`: an int, a tuple, or None for all axes."""
        return self._unary(arithmetic.total, "sum", axis, keepdims)

    def mean(self, axis: ReducedAxes = None, keepdims: bool = False) -> Tensor:
        """Mean over `axis`."""
        return self._unary(arithmetic.mean, "mean", axis, keepdims)

    def var(self, axis: ReducedAxes = None, *, ddof: float = 0, keepdims: bool = False) -> Tensor:
        """Variance over `axis`: the sum of the squared deviations from the mean, divided by n - ddof."""
        return self._unary(partial(arithmetic.variance, ddof=ddof, keepdims=keepdims), "var", axis)

    def std(self, axis: ReducedAxes = None, *, ddof: float = 0, keepdims: bool = False) -> Tensor:
        """Standard deviation over `axis`, the square root of `var`; its gradient is 0 where all elements are equal."""
        return self._unary(partial(arithmetic.deviation, ddof=ddof, keepdims=keepdims), "std", axis)

    def max(self, axis: ReducedAxes = None, keepdims: bool = False) -> Tensor:
        """Largest element along `axis`. If several elements are largest, they share the gradient evenly."""
        return self._unary(arithmetic.largest, "max", axis, keepdims)

    def min(self, axis: ReducedAxes = None, keepdims: bool = False) -> Tensor:
        """Smallest element along `axis`. If several elements are smallest, they share the gradient evenly."""
        return self._unary(arithmetic.smallest, "min", axis, keepdims)

    def argmax(self, axis: int | None = None, keepdims: bool = False) -> np.ndarray:
        """An array with the index of the first largest element along `axis`; None counts in C order."""
        return arithmetic.position("argmax", self.data, axis, keepdims)

    def argmin(self, axis: int | None = None, keepdims: bool = False) -> np.ndarray:
        """An array with the index of the first smallest element along `axis`; None counts in C order."""
        return arithmetic.position("argmin", self.data, axis, keepdims)

    def prod(self, axis: ReducedAxes = None, keepdims: bool = False) -> Tensor:
        """Product over `axis`."""
        return self._unary(arithmetic.prod, "prod", axis, keepdims)

    def logsumexp(self, axis: ReducedAxes = None, keepdims: bool = False) -> Tensor:
        """log(sum of e^x) over `axis`."""
        return self._unary(arithmetic.log_sum_exp, "logsumexp", axis, keepdims)

    def cumsum(self, axis: int | None = None) -> Tensor:
        """Sums of the first 1, 2, 3, ... elements along an axis; None ravels before."""
        return self._unary(arithmetic.cumsum, "cumsum", axis)

    # Element by element.

    def clip(self, min: Any = None, max: Any = None) -> Tensor:
        """Each element, or the bound if it is below `min` or above `max`. A bound may be a number, array or Tensor."""
        return np.clip(self, min, max)  # type: ignore[call-overload, return-value]

    def astype(self, dtype: Any) -> Tensor:
        """The same numbers as float32 or float64; the gradient has this tensor's dtype."""
        return self._unary(arithmetic.convert, "astype", dtype)

    def abs(self) -> Tensor:
        """The absolute value; its derivative at 0 is 0."""
        return self._unary(arithmetic.absolute, "abs")

    def sign(self) -> Tensor:
        """-1, 0 or 1; its gradient is 0."""
        return self._unary(arithmetic.sign, "sign")

    def sqrt(self) -> Tensor:
        """The square root; d sqrt(x) = dx / (2 sqrt(x))."""
        return self._unary(arithmetic.square_root, "sqrt")

    def exp(self) -> Tensor:
        """e to the power of each element; d exp(x) = exp(x) dx."""
        return self._unary(arithmetic.exp, "exp")

    def log(self) -> Tensor:
        """Natural logarithm; d log(x) = dx / x."""
        return self._unary(arithmetic.log, "log")


def _one_sequence(arguments):
    """x.reshape(2, 3) and x.reshape((2, 3)) mean the same."""
    return arguments[0] if len(arguments) == 1 and isinstance(arguments[0], (tuple, list)) else arguments
