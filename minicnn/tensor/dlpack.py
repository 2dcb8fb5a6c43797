"""DLPack: share the memory of arrays with PyTorch, JAX, CuPy and others, without a copy where that is possible.

The protocol is that of the Python array API standard, "Data interchange mechanisms" (2023.12).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..checks import boolean
from ..errors import InputError, InputTypeError

if TYPE_CHECKING:
    from .tensor import Tensor

CPU = (1, 0)                            # kDLCPU, and the number of the device


def capsule(array: np.ndarray, max_version: tuple[int, int] | None, dl_device: tuple[int, int] | None,
            copy: bool | None) -> Any:
    """The DLPack capsule of an array: of its own memory, or of a copy if the other library must not or cannot use it.

    That is the case for a read-only array, because many libraries overlook the mark, and for an array with negative
    strides or with elements that are not aligned, which the protocol or PyTorch does not know.
    """
    if dl_device is not None and tuple(dl_device) != CPU:
        raise InputError(f"__dlpack__: a Tensor of minicnn is in the memory of the CPU, which is device {CPU}, not "
                         f"{dl_device}: copy it to that device in the other library")
    copy = None if copy is None else boolean("__dlpack__: copy", copy)
    reason = _why_copied(array)
    if copy is False and reason:
        raise InputError(f"__dlpack__: copy=False, but {reason}: allow a copy")
    array = np.array(array, order="K") if copy and not reason else array.copy() if reason else array
    try:
        return array.__dlpack__(max_version=max_version)
    except TypeError:                   # of NumPy 2.0, which knows only the first version of DLPack
        return array.__dlpack__()


def _why_copied(array):
    """Why others cannot share the memory of the array; "" if they can."""
    if not array.flags.writeable:
        return "this array is read-only"
    if any(stride < 0 or stride % array.itemsize for stride in array.strides) or not array.flags.aligned:
        return "this array has negative strides, or elements between the places of elements"
    return ""


def from_dlpack(x: Any, /, *, copy: bool | None = None) -> Tensor:
    """A Tensor of the numbers of another library's array, in the same memory if that is possible.

    Parameters
    ----------
    x : object
        An array with `__dlpack__` and `__dlpack_device__`, as of PyTorch, JAX, CuPy or NumPy, in the memory of the CPU.
        float32 and float64 can be shared. Other numbers become float32, as by `Tensor`.
    copy : bool, optional
        True: always copy. False: never copy. None: copy only if the numbers must be converted.

    Returns
    -------
    Tensor
        It requires no gradient. If the other library lets nobody write (JAX), `data` is read-only.

    Raises
    ------
    InputTypeError
        `x` has no DLPack; requires a gradient in its library; is on another device; holds no real numbers of a kind
        that NumPy has.
    InputError
        copy=False, and the numbers must be converted.

    Examples
    --------
    >>> array = np.zeros(3, np.float32)
    >>> x = from_dlpack(array)
    >>> array[1] = 5
    >>> x
    Tensor([0., 5., 0.])
    """
    from .tensor import Tensor
    copy = None if copy is None else boolean("from_dlpack: copy", copy)
    if isinstance(x, Tensor):
        array = x.detach().data
    elif not hasattr(x, "__dlpack__") or not hasattr(x, "__dlpack_device__"):
        raise InputTypeError(f"from_dlpack: a {type(x).__name__} has no DLPack: give an array of NumPy, PyTorch, JAX "
                             "or another library that has it. Tensor(...) takes lists and numbers")
    else:
        array = _imported(x)
    tensor = Tensor(array)
    if copy is False and not np.shares_memory(tensor.data, array) and array.size:
        raise InputError(f"from_dlpack: copy=False, but a Tensor holds float32 or float64, not {array.dtype}: allow a "
                         "copy")
    return Tensor(np.array(tensor.data, order="K")) if copy and np.may_share_memory(tensor.data, array) else tensor


def _imported(x):
    """The array that shares memory with `x`. InputTypeError if NumPy cannot make it."""
    kind = f"{type(x).__module__}.{type(x).__qualname__}"
    if getattr(x, "requires_grad", False) is True:
        raise InputTypeError(f"from_dlpack: this {kind} requires a gradient, and its history would be dropped: give "
                             "x.detach()")
    try:
        device = tuple(int(part) for part in x.__dlpack_device__())
        if device[0] != CPU[0]:
            raise InputTypeError(f"from_dlpack: this {kind} is on the DLPack device {device}; minicnn computes on the "
                                 f"CPU, which is {CPU}: give x.cpu(), or copy it to the CPU in its own library")
        return np.from_dlpack(x)
    except InputTypeError:
        raise
    except Exception as error:
        dtype = getattr(x, "dtype", "unknown")
        raise InputTypeError(f"from_dlpack: NumPy cannot use this {kind} of dtype {dtype} ({type(error).__name__}: "
                             f"{error}): give a dense array of float32 or float64 on the CPU") from error
