"""One adapter for each of NumPy's functions that is recorded: NumPy's arguments -> an operation on arrays.

The parameters of an adapter are those that the function may have. Its docstring is that of the operation.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import arithmetic
from ..conv.runtime import blas
from ..errors import InputError, InputTypeError
from .conversions import data_of

Operation = tuple[str, Callable, tuple]           # its name, the operation on arrays, its operands

matmul = functools.partial(arithmetic.matmul, times=blas.matmul)


def _binary(name, operation):
    def adapter(x1: Any, x2: Any) -> Operation:
        return name, operation, (x1, x2)
    return _described(adapter, operation)


def _one(name, operation, first="a"):
    """A function of one array, `first`. The arguments after it are those of the operation."""
    signature = inspect.signature(operation)
    parameters = [inspect.Parameter(first, inspect.Parameter.POSITIONAL_OR_KEYWORD),
                  *list(signature.parameters.values())[1:]]
    signature = signature.replace(parameters=parameters)

    def adapter(*args, **kwargs):
        bound = signature.bind(*args, **kwargs)
        return name, lambda x: operation(x, *bound.args[1:], **bound.kwargs), bound.args[:1]
    adapter.__signature__ = signature
    return _described(adapter, operation)


def _described(adapter, operation):
    adapter.__doc__ = getattr(operation, "func", operation).__doc__
    return adapter


def _square(x):
    """x^2; d = 2 x dx."""
    return "square", lambda x: _once(arithmetic.multiply(x, x)), (x,)


def _once(result):
    """The operation with both its operands the same."""
    out, vjp = result
    return out, lambda grad: (sum(vjp(grad)),)


def _reciprocal(x):
    """1 / x; d = -dx / x^2."""
    return "reciprocal", arithmetic.divide, (1, x)


def _ravel(a):
    """The elements in C order, along one axis."""
    return "ravel", lambda x: arithmetic.reshape(x, (-1,)), (a,)


def _transpose(a, axes=None):
    return "transpose", lambda x: arithmetic.transpose(x, tuple(range(x.ndim))[::-1] if axes is None else axes), (a,)


def _dot(a, b):
    """The product of two vectors, of a matrix and a vector, or of two matrices; of a number and an array x y."""
    def operation(x, y):
        if x.ndim == 0 or y.ndim == 0:
            return arithmetic.multiply(x, y)
        if y.ndim > 2:
            raise InputError(f"dot: shapes {x.shape} and {y.shape}: the second operand may have 2 axes; use x @ y")
        return matmul(x, y)
    return "dot", operation, (a, b)


def _concatenate(arrays, axis=0):
    joined = arrays if axis is not None else [np.ravel(a) for a in arrays]
    return "concatenate", lambda *arrays: arithmetic.concatenate(arrays, 0 if axis is None else axis), tuple(joined)


def _stack(arrays, axis=0):
    return "stack", lambda *arrays: arithmetic.stack(arrays, axis), tuple(arrays)


def _division(name, equal):
    def adapter(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Operation]:
        return [(name, functools.partial(arithmetic.getitem, index=index), (ary,))
                for index in arithmetic.parts(name, np.shape(ary), data_of(indices_or_sections), axis, equal)]
    adapter.__doc__ = "Parts of an array along an axis, " + (
        "of equal lengths or divided at the given places." if equal else "divided at the given places, or of lengths "
        "that differ by at most 1.")
    return adapter


def _where(condition, x, y):
    return "where", lambda x, y: arithmetic.select(data_of(condition), x, y), (x, y)


def _clip(a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Operation:
    if a_min is not None and min is not None or a_max is not None and max is not None:
        raise InputTypeError("clip: give a_min or min, and a_max or max, not both")
    bounds = {"low": min if a_min is None else a_min, "high": max if a_max is None else a_max}
    given = [name for name, bound in bounds.items() if bound is not None]

    def operation(x, *arrays):
        return arithmetic.clip(x, **dict(zip(given, arrays, strict=True)))
    return "clip", operation, (a, *[bounds[name] for name in given])


def _einsum(subscripts, *operands):
    if not isinstance(subscripts, str):
        raise InputTypeError(f"einsum: the subscripts must be a string such as 'ij,jk->ik', not {subscripts!r}")
    return "einsum", lambda *arrays: arithmetic.einsum(subscripts, arrays, blas.matmul), operands


RECORDED: dict[Callable, Callable] = {
    np.add: _binary("add", arithmetic.add), np.subtract: _binary("sub", arithmetic.subtract),
    np.multiply: _binary("mul", arithmetic.multiply), np.divide: _binary("div", arithmetic.divide),
    np.power: (power := _binary("pow", arithmetic.power)), np.float_power: power,
    np.maximum: _binary("maximum", arithmetic.maximum), np.minimum: _binary("minimum", arithmetic.minimum),
    np.matmul: _binary("matmul", matmul), np.dot: _dot, np.einsum: _described(_einsum, arithmetic.einsum),
    np.negative: _one("neg", arithmetic.negative, "x"), np.sign: _one("sign", arithmetic.sign, "x"),
    np.absolute: (absolute := _one("abs", arithmetic.absolute, "x")), np.fabs: absolute,
    np.sqrt: _one("sqrt", arithmetic.square_root, "x"),
    np.square: _square, np.reciprocal: _reciprocal, np.exp: _one("exp", arithmetic.exp, "x"),
    np.expm1: _one("expm1", arithmetic.expm1, "x"), np.log: _one("log", arithmetic.log, "x"),
    np.log1p: _one("log1p", arithmetic.log1p, "x"), np.tanh: _one("tanh", arithmetic.tanh, "x"),
    np.sin: _one("sin", arithmetic.sin, "x"), np.cos: _one("cos", arithmetic.cos, "x"),
    np.sum: _one("sum", arithmetic.total), np.mean: _one("mean", arithmetic.mean),
    np.max: (largest := _one("max", arithmetic.largest)), np.amax: largest,
    np.min: (smallest := _one("min", arithmetic.smallest)), np.amin: smallest,
    np.var: _one("var", arithmetic.variance), np.std: _one("std", arithmetic.deviation),
    np.prod: _one("prod", arithmetic.prod), np.cumsum: _one("cumsum", arithmetic.cumsum),
    np.reshape: _one("reshape", arithmetic.reshape), np.ravel: _ravel,
    np.transpose: _described(_transpose, arithmetic.transpose),
    np.moveaxis: _one("moveaxis", arithmetic.moveaxis), np.swapaxes: _one("swapaxes", arithmetic.swapaxes),
    np.expand_dims: _one("expand_dims", arithmetic.expand_dims), np.squeeze: _one("squeeze", arithmetic.squeeze),
    np.broadcast_to: _one("broadcast_to", arithmetic.broadcast_to, "array"),
    np.flip: _one("flip", arithmetic.flip, "m"), np.roll: _one("roll", arithmetic.roll),
    np.repeat: _one("repeat", arithmetic.repeat), np.tile: _one("tile", arithmetic.tile, "A"),
    np.concatenate: _described(_concatenate, arithmetic.concatenate), np.stack: _described(_stack, arithmetic.stack),
    np.split: _division("split", True), np.array_split: _division("array_split", False),
    np.where: _described(_where, arithmetic.select), np.clip: _described(_clip, arithmetic.clip),
}


def recorded() -> dict[Callable, Callable]:
    """{function: adapter} of NumPy's functions; and of scipy.special.erf if SciPy is imported, which takes its time.

    >>> recorded()[np.exp](2.0)[0]
    'exp'
    """
    special = sys.modules.get("scipy.special")
    if special is not None and special.erf not in RECORDED:
        RECORDED[special.erf] = _one("erf", arithmetic.erf, "x")
    return RECORDED
