"""Sums and other reductions, cumulative sums, and products of matrices."""

from __future__ import annotations

import functools
import math
from typing import Any

from ... import arithmetic
from ... import functional as F
from ...arithmetic.axes import axes_of
from .builder import Builder, Value
from .registry import Refused, emits


def _reduced(b: Builder, x: Value, axis: Any = None, keepdims: bool = False, operator: str = "", **rest: Any) -> Any:
    axes = axes_of(operator, axis, x.ndim)
    return b.reduce(operator, x, axes, keepdims) if axes else b.node("Identity", x)


for _operation, _operator in {arithmetic.total: "ReduceSum", arithmetic.mean: "ReduceMean", arithmetic.prod:
                              "ReduceProd", arithmetic.largest: "ReduceMax", arithmetic.smallest: "ReduceMin",
                              arithmetic.log_sum_exp: "ReduceLogSumExp"}.items():
    emits(_operation)(functools.partial(_reduced, operator=_operator))


@emits(arithmetic.variance)
def variance(b: Builder, x: Value, axis: Any, ddof: float, keepdims: bool) -> Any:
    """The mean square of the deviations from the mean; with ddof, times n / (n - ddof)."""
    axes = axes_of("var", axis, x.ndim)
    if not axes:
        away: Any = b.node("Sub", x, x)
        return b.node("Div", b.node("Mul", away, away), b.number(max(1 - ddof, 0)))
    away = b.node("Sub", x, b.reduce("ReduceMean", x, axes, True))
    out = b.reduce("ReduceMean", b.node("Mul", away, away), axes, keepdims)
    if ddof == 0:
        return out
    n = math.prod(x.length(a, f"a variance with ddof={ddof:g} needs the number of elements") for a in axes)
    if n - ddof <= 0:
        raise Refused(f"a variance of {n} elements with ddof={ddof:g} is no number")
    return b.node("Mul", out, b.number(n / (n - ddof)))


@emits(arithmetic.deviation)
def deviation(b: Builder, x: Value, axis: Any, ddof: float, keepdims: bool) -> str:
    """The square root of the variance."""
    return b.node("Sqrt", variance(b, x, axis, ddof, keepdims))


@emits(arithmetic.cumsum)
def cumsum(b: Builder, x: Value, axis: int | None = None) -> str:
    """Along an axis, or along x.ravel()."""
    if axis is None or not x.ndim:
        return b.node("CumSum", b.node("Reshape", x, [-1]), b.name_of(0))
    return b.node("CumSum", x, b.name_of(axis % x.ndim))


@emits(arithmetic.matmul)
def matmul(b: Builder, x: Value, y: Value) -> str:
    """The product of matrices."""
    return b.node("MatMul", b.cast(x), b.cast(y))


@emits(arithmetic.einsum)
def einsum(b: Builder, subscripts: str, operands: Any) -> str:
    """The sum over the letters that the result does not have."""
    return b.node("Einsum", *[b.cast(one) for one in operands], equation=subscripts.replace(" ", ""))


@emits(F.linear)
def linear(b: Builder, input: Value, weight: Value, bias: Value | None) -> str:
    """x W^T + b: Gemm of a matrix. Other inputs become a matrix before, and get their axes back."""
    rows: Any = b.cast(input)
    if input.ndim != 2:
        rows = b.node("Reshape", rows, [-1, weight.lengths("a matrix")[1]])
    out = b.node("Gemm", rows, b.cast(weight), None if bias is None else b.cast(bias), transB=1)
    return out if input.ndim == 2 else b.reshape(out, b.out.shape)
