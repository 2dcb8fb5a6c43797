"""The methods of a Tensor that compute: NumPy's names, with `axis` and `keepdims`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import arithmetic
from .operators import Operators

if TYPE_CHECKING:
    from .tensor import Tensor


class Methods(Operators):
    """The methods of Tensor that record an operation."""

    __slots__ = ()

    def reshape(self, *shape: Any) -> Tensor:
        """The same elements in C order, in another shape; one length may be -1."""
        return self._unary(arithmetic.reshape, "reshape", _one_sequence(shape))

    def transpose(self, *axes: Any) -> Tensor:
        """Axes permuted as in NumPy. Without arguments, all axes are reversed."""
        axes = tuple(_one_sequence(axes)) or tuple(reversed(range(self.data.ndim)))
        return self._unary(arithmetic.transpose, "transpose", axes)

    def sum(self, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Tensor:
        """Sum over `axis`: an int, a tuple, or None for all axes."""
        return self._unary(arithmetic.total, "sum", axis, keepdims)

    def mean(self, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Tensor:
        """Mean over `axis`."""
        return self._unary(arithmetic.mean, "mean", axis, keepdims)

    def max(self, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Tensor:
        """Largest element along `axis`. If several elements are largest, they share the gradient evenly."""
        return self._unary(arithmetic.largest, "max", axis, keepdims)

    def exp(self) -> Tensor:
        """e to the power of each element; d exp(x) = exp(x) dx."""
        return self._unary(arithmetic.exp, "exp")

    def log(self) -> Tensor:
        """Natural logarithm; d log(x) = dx / x."""
        return self._unary(arithmetic.log, "log")


def _one_sequence(arguments):
    """x.reshape(2, 3) and x.reshape((2, 3)) mean the same."""
    return arguments[0] if len(arguments) == 1 and isinstance(arguments[0], (tuple, list)) else arguments
