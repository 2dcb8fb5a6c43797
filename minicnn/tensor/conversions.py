"""What Python and NumPy may make of a Tensor: numbers, text, arrays, truth. The rules are NumPy's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import grad_mode
from ..errors import InputError, InputTypeError, StateError
from . import dlpack
from .picture import image_html

if TYPE_CHECKING:
    from ..autograd import Node


class Conversions:
    """The part of Tensor that gives its values to Python and NumPy."""

    __slots__ = ("data", "grad", "_requires_grad", "_node", "gradient_hook", "__weakref__")
    data: np.ndarray
    grad: np.ndarray | None
    _requires_grad: bool
    _node: Node | None
    gradient_hook: Callable[[np.ndarray], Callable[[], np.ndarray] | None] | None

    @property
    def _recorded(self) -> bool:
        """Whether an operation on this tensor would be recorded now: it requires a gradient, outside of no_grad."""
        return self._requires_grad and grad_mode.grad_enabled()

    def __repr__(self) -> str:
        body = np.array2string(self.data, separator=", ", prefix="Tensor(")
        dtype = "" if self.data.dtype == np.float32 else f", dtype={self.data.dtype}"
        leaf = ", requires_grad=True" if self._requires_grad else ""
        made_by = f", made by {self._node.name}" if self._node else leaf
        return f"Tensor({body}{dtype}{made_by})"

    def _repr_html_(self) -> str | None:
        """For notebooks: a picture of an image or a batch of images, of the shape (H, W), (C, H, W) or (N, C, H, W).

        C is 1 or 3. H and W are at least 2; of an array (H, W), which may also be a small matrix, at least 8. Any other
        Tensor is shown by its repr.
        """
        dtype = f", {self.data.dtype}" if self.data.dtype != np.float32 else ""
        return image_html(self.data, f"{type(self).__name__} of shape {self.data.shape}{dtype}")

    def __format__(self, spec: str) -> str:
        if self.data.ndim == 0:
            return format(self.data[()], spec)
        if spec:
            raise InputTypeError(f"the format {spec!r} is for a number, and this tensor has shape {self.data.shape}: "
                                 "format its elements, or reduce it as in x.sum()")
        return repr(self)

    def __len__(self) -> int:
        if self.data.ndim == 0:
            raise InputTypeError("a tensor of shape () is a single number and has no len()")
        return len(self.data)

    def __iter__(self) -> Iterator[Any]:
        if self.data.ndim == 0:
            raise InputTypeError("a tensor of shape () is a single number; there is nothing to iterate over")
        return (self[i] for i in range(len(self.data)))  # type: ignore[index]

    def __contains__(self, value: Any) -> bool:
        return bool((self.data == data_of(value)).any())

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if self._recorded:
            raise InputTypeError(
                "an array of a Tensor that requires a gradient would drop the gradient: write x.data or x.detach() if "
                "that is meant, np.stack or np.concatenate to join Tensors, x.item() for a number")
        return np.array(self.data, dtype, copy=copy)

    def __dlpack__(self, *, stream: Any = None, max_version: tuple[int, int] | None = None,
                   dl_device: tuple[int, int] | None = None, copy: bool | None = None) -> Any:
        """For from_dlpack of other libraries, which then use the same memory, unless `data` is read-only.

        Raises InputTypeError if this tensor requires a gradient: give x.detach(). See `minicnn.tensor.dlpack`.
        """
        if self._recorded:
            raise InputTypeError("__dlpack__: this Tensor requires a gradient, which the other library would not "
                                 "compute: give x.detach()")
        if stream is not None:
            raise InputError(f"__dlpack__: the CPU has no streams, so stream must be None, not {stream!r}")
        return dlpack.capsule(self.data, max_version, dl_device, copy)

    def __dlpack_device__(self) -> tuple[int, int]:
        """(1, 0): the memory of the CPU."""
        return dlpack.CPU

    def item(self) -> float:
        """The value of a tensor with one element as a Python float. Another number of elements raises InputError."""
        if self.data.size != 1:
            raise InputError(f"item: a tensor of shape {self.data.shape} has {self.data.size} elements, not one: "
                             "choose an element, as in x[0], or use x.data.tolist()")
        return self.data.item()

    def tolist(self) -> Any:
        """The values as Python floats: a list of lists for each axis, or one float for a single number."""
        return self.data.tolist()

    def __float__(self) -> float:
        return self._number("float")

    def __int__(self) -> int:
        return int(self._number("int"))

    def __complex__(self) -> complex:
        return complex(self._number("complex"))

    def __round__(self, digits: int | None = None) -> float:
        return round(self._number("round"), digits)

    def _number(self, function):
        if self.data.size != 1:
            raise InputTypeError(f"{function}() takes a tensor with one element, and this one has shape "
                                 f"{self.data.shape}")
        return self.data.item()

    def __bool__(self) -> bool:
        if self.data.size != 1:
            raise InputError(f"the truth of a tensor of shape {self.data.shape} is ambiguous: use (x > 0).any() or "
                             "(x > 0).all()")
        return bool(self.data.item())

    def __lt__(self, other: Any) -> np.ndarray:
        return self.data < data_of(other)

    def __le__(self, other: Any) -> np.ndarray:
        return self.data <= data_of(other)

    def __gt__(self, other: Any) -> np.ndarray:
        return self.data > data_of(other)

    def __ge__(self, other: Any) -> np.ndarray:
        return self.data >= data_of(other)

    def __eq__(self, other: Any) -> np.ndarray:  # type: ignore[override]
        return self.data == data_of(other)

    def __ne__(self, other: Any) -> np.ndarray:  # type: ignore[override]
        return self.data != data_of(other)

    __hash__ = object.__hash__

    def __reduce_ex__(self, protocol: Any) -> Any:
        """For copy and pickle: a leaf is copied with its gradient. The result of a recorded operation is refused.

        The copy has no gradient_hook.
        """
        if self._node is not None:
            raise StateError(f"copy and pickle: this tensor was made by {self._node.name}, and its history cannot be "
                             "copied; copy x.detach()")
        parts: Any = object.__reduce_ex__(self, max(protocol, 2))
        make, arguments, (own, slots), *rest = parts
        return make, arguments, (own, {**slots, "gradient_hook": None}), *rest


def data_of(value: Any) -> Any:
    """The array of a Tensor, also inside of a tuple, list, dict or slice; another value as it is."""
    if isinstance(value, Conversions):
        return value.data
    if type(value) in (tuple, list):
        return type(value)(data_of(v) for v in value)
    if type(value) is dict:
        return {key: data_of(v) for key, v in value.items()}
    return value
