"""NumPy's functions of Tensors: recorded where minicnn has the operation, else refused. None drops a gradient.

A function that is given no Tensor that requires a gradient, or is called inside of no_grad, computes on the arrays.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..errors import InputTypeError
from .conversions import Conversions, data_of
from .numpy_adapters import recorded as recorded

# Functions whose result has no derivative: numbers of elements, indices, truth, text.
CONSTANT = {
    np.all, np.allclose, np.any, np.argmax, np.argmin, np.argpartition, np.argsort, np.argwhere, np.array2string,
    np.array_equal, np.array_equiv, np.array_repr, np.array_str, np.can_cast, np.count_nonzero, np.digitize,
    np.empty_like, np.flatnonzero, np.isclose, np.iscomplexobj, np.isneginf,
    np.isposinf, np.isrealobj, np.may_share_memory, np.ndim, np.nonzero, np.ones_like, np.result_type, np.save,
    np.savetxt, np.savez, np.searchsorted, np.shape, np.shares_memory, np.size, np.zeros_like,
}
INSTEAD = {
    "vstack": "np.concatenate", "hstack": "np.concatenate", "dstack": "np.concatenate", "column_stack": "np.stack",
    "append": "np.concatenate", "tensordot": "np.einsum", "inner": "np.einsum", "vdot": "np.einsum", "kron":
    "np.einsum", "outer": "x[:, None] * y", "trace": "np.einsum", "diagonal": "np.einsum", "convolve":
    "minicnn.functional.conv2d", "correlate": "minicnn.functional.conv2d", "pad": "minicnn.functional.pad",
    "fmax": "np.maximum", "fmin": "np.minimum", "average": "x.mean()", "fliplr": "np.flip", "flipud": "np.flip", "ptp":
    "x.max() - x.min()", "hsplit": "np.split", "vsplit": "np.split", "dsplit": "np.split",
}


def call(function: Callable, name: str, args: tuple, kwargs: dict[str, Any], record: Callable) -> Any:
    """Call a function of NumPy, of which an argument is a Tensor.

    Parameters
    ----------
    function : callable
    name : str
        As in "np.add", for messages.
    args, kwargs
        The arguments, with Tensors in them.
    record : callable
        record(name, operation, operands) computes an operation and puts it on the tape.

    Raises
    ------
    InputTypeError
        A gradient would be dropped.
    """
    if any(True for _ in _tensors(kwargs.get("out"))):
        raise InputTypeError(f"{name}: out must be an array, and is a Tensor: use the result, or x[...] = result")
    adapter = recorded().get(function)
    if adapter is not None and _fits(adapter, args, kwargs):
        made = adapter(*args, **kwargs)
        several = isinstance(made, list)
        if any(isinstance(value, Conversions) for value in (made[0] if several else made)[2]):
            return [record(*operation) for operation in made] if several else record(*made)
        return function(*data_of(args), **data_of(kwargs))       # the Tensor is an np.where's condition
    if function not in CONSTANT and not _gives_truth(function) and any(
            t._recorded for t in _tensors((args, kwargs))):
        raise InputTypeError(_refusal(function, name, adapter, kwargs))
    return function(*data_of(args), **data_of(kwargs))


def _refusal(function, name, adapter, kwargs):
    if kwargs.get("out") is not None:
        return (f"{name}: the result requires a gradient, which an array cannot hold: write a = a + x in place of "
                "a += x, and leave out=... away")
    if adapter is not None:
        return f"{name} of a Tensor takes only the arguments {', '.join(inspect.signature(adapter).parameters)}"
    instead = INSTEAD.get(getattr(function, "__name__", ""), "an operation of minicnn.Tensor or minicnn.functional, or "
                          "write one with minicnn.record")
    return (f"{name} of a Tensor that requires a gradient would drop the gradient: use {instead}. If no gradient shall "
            "flow, use x.data or x.detach().")


_signature = functools.cache(inspect.signature)


def _fits(adapter, args, kwargs):
    try:
        _signature(adapter).bind(*args, **kwargs)
    except TypeError:
        return False
    return True


def _gives_truth(function):
    return isinstance(function, np.ufunc) and {t[-1] for t in function.types if t[0] in "fd"} == {"?"}


def _tensors(value) -> Iterator[Conversions]:
    if isinstance(value, Conversions):
        yield value
    elif isinstance(value, (tuple, list, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _tensors(item)
