"""x += y and x[i] = y: a change of the tensor itself, or an error that says what to write."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from .. import grad_mode
from ..arithmetic import as_operand
from ..errors import InputError, InputIndexError, InputTypeError, StateError
from .conversions import Conversions, data_of

PARTS = ("getitem", "split", "array_split")      # operations whose result is a part of their operand


class InPlace(Conversions):
    """The in-place operators of Tensor.

    Where nothing is recorded (inside of no_grad, or if no operand requires a gradient), they change the array `data`,
    as in NumPy. Where the result is recorded, the tensor becomes the result of the operation, and arrays that backward
    needs stay as they are. A leaf that requires a gradient, and a part x[i] of another tensor, are then refused.
    """

    __slots__ = ()

    def __iadd__(self, other: Any) -> Any:
        return self._change(other, "+", np.add, operator.add)

    def __isub__(self, other: Any) -> Any:
        return self._change(other, "-", np.subtract, operator.sub)

    def __imul__(self, other: Any) -> Any:
        return self._change(other, "*", np.multiply, operator.mul)

    def __itruediv__(self, other: Any) -> Any:
        return self._change(other, "/", np.divide, operator.truediv)

    def __ipow__(self, other: Any) -> Any:
        return self._change(other, "**", np.power, operator.pow)

    def __imatmul__(self, other: Any) -> Any:
        return self._change(other, "@", np.matmul, operator.matmul)

    def _change(self, other, symbol, ufunc, operation):
        if self._recorded or _is_recorded(other):
            return self._become(operation, other, symbol)
        self._must_be_writeable(f"x {symbol}= y", f"x = x {symbol} y")
        y = other.data if isinstance(other, Conversions) else as_operand(other, self.data.dtype)
        try:
            if ufunc is np.matmul and y.ndim < 2:
                raise ValueError                  # NumPy would repeat the result
            ufunc(self.data, y, out=self.data, casting="same_kind")
        except ValueError:
            raise InputError(f"x {symbol}= y: the result of shapes {self.data.shape} and {y.shape} does not have the "
                             f"shape of x: write x = x {symbol} y for a new tensor") from None
        return self

    def _become(self, operation, other, symbol):
        """Turn this tensor into the recorded result of the operation."""
        new = f"x = x {symbol} y for a new tensor"
        if self._requires_grad and self._node is None:
            raise StateError(f"x {symbol}= y: x is a leaf that requires a gradient, and would cease to be. To "
                             f"change its values, put x {symbol}= y inside of `with minicnn.no_grad():`; else write "
                             f"{new}")
        if self.data.base is not None if self._node is None else self._node.name in PARTS:
            raise StateError(f"x {symbol}= y: x is a part of another array or tensor, which would not change with it. "
                             f"Write {new}, or np.stack and np.concatenate to join Tensors")
        result = operation(self, other)
        if result.shape != self.data.shape or result.dtype != self.data.dtype:
            raise InputError(f"x {symbol}= y: the result has shape {result.shape} and {result.dtype}, x has "
                             f"{self.data.shape} and {self.data.dtype}: write {new}")
        if self._node is not None:
            result._node.keep, self._node.keep = self._node.keep, None           # of retain_grad
        self.data, self._node, self._requires_grad = result.data, result._node, result._requires_grad
        return self

    def __setitem__(self, index: Any, value: Any) -> None:
        if self._recorded or _is_recorded(value):
            raise InputTypeError(
                "a Tensor cannot be assigned to: recorded gradients would silently be wrong. Build a new Tensor with "
                "np.where, np.stack or np.concatenate. To change the values of a leaf, write x[...] = y inside of "
                "`with minicnn.no_grad():`")
        self._must_be_writeable("x[i] = y", "a copy, x.data.copy()")
        try:
            self.data[data_of(index)] = as_operand(data_of(value), self.data.dtype)
        except IndexError as error:
            raise InputIndexError(f"x[i] = y: {error}; the tensor has shape {self.data.shape}") from None
        except ValueError as error:
            raise InputError(f"x[i] = y: {error}") from None

    def _must_be_writeable(self, what, instead):
        if not self.data.flags.writeable:
            raise StateError(f"{what}: the array of this tensor is read-only, because a recorded operation made it or "
                             f"because it was given so: use {instead}")


def _is_recorded(value):
    """Whether a Tensor in `value` requires a gradient now."""
    if isinstance(value, Conversions):
        return value._recorded
    return isinstance(value, (list, tuple)) and grad_mode.grad_enabled() and any(map(_is_recorded, value))
