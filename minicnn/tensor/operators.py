"""The operators of a Tensor: x + y, x @ y, x[index]. Operands broadcast as in NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

from .. import arithmetic
from .conversions import Conversions, data_of
from .in_place import InPlace
from .numpy_adapters import matmul

if TYPE_CHECKING:
    from .tensor import Tensor


class Operators(InPlace):
    """The operators of Tensor. The tape sums the gradients back to each operand's shape."""

    __slots__ = ()
    _unary: Callable[..., Tensor]       # (operation, name, *arguments): record an operation on this tensor,
    _binary: Callable[..., Tensor]      # (other, operation, name, swapped=False): on it and another value, or swapped

    def __add__(self, other: Any) -> Tensor:
        return self._binary(other, arithmetic.add, "add")

    def __sub__(self, other: Any) -> Tensor:
        return self._binary(other, arithmetic.subtract, "sub")

    def __mul__(self, other: Any) -> Tensor:
        return self._binary(other, arithmetic.multiply, "mul")

    def __truediv__(self, other: Any) -> Tensor:
        return self._binary(other, arithmetic.divide, "div")

    def __pow__(self, other: Any) -> Tensor:
        return self._binary(other, _power(_requires_grad(other)), "pow")

    def __matmul__(self, other: Any) -> Tensor:
        return self._binary(other, matmul, "matmul")

    def __pos__(self) -> Self:
        return self

    def __abs__(self) -> Tensor:
        return self._unary(arithmetic.absolute, "abs")

    def __neg__(self) -> Tensor:
        return self._unary(arithmetic.negative, "neg")

    __radd__, __rmul__ = __add__, __mul__

    def __rsub__(self, other: Any) -> Tensor:
        return self._binary(other, arithmetic.subtract, "sub", True)

    def __rtruediv__(self, other: Any) -> Tensor:
        return self._binary(other, arithmetic.divide, "div", True)

    def __rpow__(self, other: Any) -> Tensor:
        return self._binary(other, _power(self._requires_grad), "pow", True)

    def __rmatmul__(self, other: Any) -> Tensor:
        return self._binary(other, matmul, "matmul", True)

    def __getitem__(self, index: Any) -> Tensor:
        """x[index] with NumPy's indices and slices. An element that is taken twice gets both gradients."""
        return self._unary(arithmetic.getitem, "getitem", data_of(index))


def _power(needs_exponent):
    """x ** y; log(x), which may not exist, only where the exponent needs a gradient."""
    return lambda x, y: arithmetic.power(x, y, needs_exponent)


def _requires_grad(value):
    return isinstance(value, Conversions) and value._requires_grad
