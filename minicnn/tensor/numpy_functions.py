"""NumPy's functions of Tensors: recorded where minicnn has the operation, else refused. None drops a gradient.

A function that is given no Tensor that requires a gradient, or is called inside of no_grad, computes on the arrays.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .. import arithmetic
from ..arithmetic.axes import axes_of
from ..checks import axis as axis_of
from ..conv.runtime import blas
from ..errors import InputError, InputTypeError
from .conversions import Conversions, data_of

matmul = functools.partial(arithmetic.matmul, times=blas.matmul)

Operation = tuple[str, Callable, tuple]           # its name, the operation on arrays, its operands

# Functions whose result has no derivative: numbers of elements, indices, truth, text.
CONSTANT = {
    np.all, np.allclose, np.any, np.argmax, np.argmin, np.argpartition, np.argsort, np.argwhere, np.array2string,
    np.array_equal, np.array_equiv, np.array_repr, np.array_str, np.can_cast, np.count_nonzero, np.digitize,
    np.empty_like, np.flatnonzero, np.isclose, np.iscomplexobj, np.isneginf,
    np.isposinf, np.isrealobj, np.may_share_memory, np.ndim, np.nonzero, np.ones_like, np.result_type, np.save,
    np.savetxt, np.savez, np.searchsorted, np.shape, np.shares_memory, np.size, np.zeros_like,
}
INSTEAD = {"maximum": "minicnn.functional.relu for np.maximum(x, 0)", "clip": "minicnn.functional.relu",
           "vstack": "np.concatenate", "hstack": "np.concatenate", "column_stack": "np.concatenate", "append":
           "np.concatenate", "einsum": "x @ y", "tensordot": "x @ y", "inner": "x @ y", "vdot": "x @ y", "outer":
           "x[:, None] * y", "convolve": "minicnn.functional.conv2d", "correlate": "minicnn.functional.conv2d",
           "pad": "np.concatenate, or the padding of minicnn.functional.conv2d", "average": "x.mean()",
           "prod": "x.log().sum().exp()", "min": "-(-x).max()", "amin": "-(-x).max()", "flip": "x[::-1]"}


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
    adapter = RECORDED.get(function)
    if adapter is not None and _fits(adapter, args, kwargs):
        return record(*adapter(*args, **kwargs))
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


# One adapter for each function: NumPy's arguments -> an operation.

def _unary(name, operation):
    def adapter(x: Any) -> Operation:
        return name, operation, (x,)
    return adapter


def _binary(name, operation):
    def adapter(x1: Any, x2: Any) -> Operation:
        return name, operation, (x1, x2)
    return adapter


def _reduction(name, operation):
    def adapter(a: Any, axis: Any = None, keepdims: bool = False) -> Operation:
        return name, lambda x: operation(x, axis, keepdims), (a,)
    return adapter


def _square(x):
    return "square", lambda x: _once(arithmetic.multiply(x, x)), (x,)


def _once(result):
    """The operation with both its operands the same."""
    out, vjp = result
    return out, lambda grad: (sum(vjp(grad)),)


def _reciprocal(x):
    return "reciprocal", arithmetic.divide, (1, x)


def _reshape(a, shape):
    return "reshape", lambda x: arithmetic.reshape(x, shape), (a,)


def _ravel(a):
    return _reshape(a, (-1,))


def _transpose(a, axes=None):
    return "transpose", lambda x: arithmetic.transpose(x, tuple(range(x.ndim))[::-1] if axes is None else axes), (a,)


def _permutation(function):
    """np.moveaxis and np.swapaxes: where the axes go is seen in the shape of an empty array."""
    name = function.__name__

    def adapter(a: Any, source: Any, destination: Any) -> Operation:
        def operation(x):
            try:
                order = function(np.empty(tuple(range(x.ndim))), source, destination).shape
            except (ValueError, TypeError, OverflowError) as error:
                raise InputError(f"{name}: {error}; the tensor has shape {x.shape}") from None
            return arithmetic.transpose(x, order)
        return name, operation, (a,)
    return adapter


def _expand_dims(a, axis):
    def operation(x):
        try:
            return arithmetic.reshape(x, np.expand_dims(x, axis).shape)
        except (ValueError, TypeError, OverflowError) as error:
            raise InputError(f"expand_dims: {error}") from None
    return "expand_dims", operation, (a,)


def _squeeze(a, axis=None):
    def operation(x):
        axes = axes_of("squeeze", axis, x.ndim)
        if axis is not None and any(x.shape[i] != 1 for i in axes):
            raise InputError(f"squeeze: axis {axis} of shape {x.shape} does not have length 1")
        return arithmetic.reshape(x, tuple([n for i, n in enumerate(x.shape) if n != 1 or i not in axes]))
    return "squeeze", operation, (a,)


def _dot(a, b):
    def operation(x, y):
        if x.ndim == 0 or y.ndim == 0:
            return arithmetic.multiply(x, y)
        if y.ndim > 2:
            raise InputError(f"dot: shapes {x.shape} and {y.shape}: the second operand may have 2 axes; use x @ y")
        return matmul(x, y)
    return "dot", operation, (a, b)


def _concatenate(arrays, axis=0):
    joined = arrays if axis is not None else [a.reshape(-1) for a in arrays]
    return "concatenate", lambda *arrays: arithmetic.concatenate(arrays, 0 if axis is None else axis), tuple(joined)


def _stack(arrays, axis=0):
    def operation(*arrays):
        if len({a.shape for a in arrays}) > 1:
            raise InputError(f"stack: the shapes {', '.join(str(a.shape) for a in arrays)} must agree")
        new = axis_of("stack: axis", axis, arrays[0].ndim + 1)
        out, vjp = arithmetic.concatenate([np.expand_dims(a, new) for a in arrays], new)
        return out, lambda grad: tuple([part.squeeze(new) for part in vjp(grad)])
    return "stack", operation, tuple(arrays)


def _where(condition, x, y):
    return "where", lambda x, y: arithmetic.select(data_of(condition), x, y), (x, y)


RECORDED: dict[Callable, Callable] = {
    np.add: _binary("add", arithmetic.add), np.subtract: _binary("sub", arithmetic.subtract),
    np.multiply: _binary("mul", arithmetic.multiply), np.divide: _binary("div", arithmetic.divide),
    np.power: _binary("pow", arithmetic.power), np.float_power: _binary("pow", arithmetic.power),
    np.matmul: _binary("matmul", matmul), np.dot: _dot,
    np.negative: _unary("neg", arithmetic.negative), np.absolute: _unary("abs", arithmetic.absolute),
    np.exp: _unary("exp", arithmetic.exp), np.log: _unary("log", arithmetic.log),
    np.sqrt: _unary("sqrt", arithmetic.square_root), np.tanh: _unary("tanh", arithmetic.tanh),
    np.square: _square, np.reciprocal: _reciprocal,
    np.sum: _reduction("sum", arithmetic.total), np.mean: _reduction("mean", arithmetic.mean),
    np.max: _reduction("max", arithmetic.largest), np.amax: _reduction("max", arithmetic.largest),
    np.reshape: _reshape, np.ravel: _ravel, np.transpose: _transpose,
    np.moveaxis: _permutation(np.moveaxis), np.swapaxes: _permutation(np.swapaxes),
    np.expand_dims: _expand_dims, np.squeeze: _squeeze,
    np.concatenate: _concatenate, np.stack: _stack, np.where: _where,
}
