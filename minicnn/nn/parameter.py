"""Parameter: a Tensor that belongs to a Module."""

from __future__ import annotations

from typing import Any

from ..errors import InputTypeError
from ..tensor import Tensor


class Parameter(Tensor):
    """A Tensor that a Module lists among its parameters; it requires a gradient.

    `data` may be a Tensor without a history; the two then share their array.

    >>> Parameter(Tensor([1.0, 2.0]))
    Tensor([1., 2.], requires_grad=True)
    """

    __slots__ = ()

    def __init__(self, data: Any, requires_grad: bool = True) -> None:
        if isinstance(data, Tensor) and not data.is_leaf:
            raise InputTypeError("Parameter: this Tensor is the result of an operation, and its history would be "
                                 "dropped: write Parameter(x.detach())")
        super().__init__(data.data if isinstance(data, Tensor) else data, requires_grad)
