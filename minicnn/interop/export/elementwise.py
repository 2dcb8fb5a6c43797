"""Operations that treat each element by itself."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ... import arithmetic
from ... import functional as F
from .builder import Builder, Value
from .registry import emits


def _register(names, kind):
    for operation, operator in names.items():
        emits(operation)(functools.partial(kind, operator=operator))


def _of_one(b: Builder, operator: str, **arguments: Any) -> str:
    return b.node(operator, next(iter(arguments.values())))


def _of_two(b: Builder, x: Value, y: Value, operator: str, **arguments: Any) -> str:
    return b.node(operator, b.cast(x), b.cast(y))


_register({arithmetic.absolute: "Abs", arithmetic.negative: "Neg", arithmetic.exp: "Exp", arithmetic.log: "Log",
           arithmetic.square_root: "Sqrt", arithmetic.sin: "Sin", arithmetic.cos: "Cos", arithmetic.erf: "Erf",
           arithmetic.tanh: "Tanh", arithmetic.sign: "Sign", F.relu: "Relu", F.sigmoid: "Sigmoid"}, _of_one)
_register({arithmetic.add: "Add", arithmetic.subtract: "Sub", arithmetic.multiply: "Mul", arithmetic.divide: "Div",
           arithmetic.power: "Pow", arithmetic.maximum: "Max", arithmetic.minimum: "Min"}, _of_two)


@emits(arithmetic.convert)
def convert(b: Builder, x: Value, dtype: Any) -> Any:
    """Another dtype."""
    return b.node("Identity", x) if x.dtype == b.out.dtype else b.cast(x).name


@emits(arithmetic.expm1)
def expm1(b: Builder, x: Value) -> str:
    """e^x - 1 = tanh(x / 2) (e^x + 1), which keeps all digits near 0."""
    half = b.node("Tanh", b.node("Mul", x, b.number(0.5)))
    return b.node("Mul", half, b.node("Add", b.node("Exp", x), b.number(1)))


@emits(arithmetic.log1p)
def log1p(b: Builder, x: Value) -> str:
    """log(1 + x). Near 0 it is log(u) x / (u - 1) for the rounded u = 1 + x, and x where u = 1.

    Source: Goldberg 1991, "What Every Computer Scientist Should Know About Floating-Point Arithmetic", theorem 4.
    """
    u = b.node("Add", x, b.number(1))
    log, rest = b.node("Log", u), b.node("Sub", u, b.number(1))
    one = b.node("Equal", rest, b.number(0))
    near = b.node("Mul", log, b.node("Div", x, b.node("Where", one, b.number(1), rest)))
    near = b.node("Where", one, x, near)
    return b.node("Where", b.node("Less", b.node("Abs", x), b.number(0.5)), near, log)


@emits(arithmetic.clip)
def clip(b: Builder, x: Value, low: Value | None = None, high: Value | None = None) -> Any:
    """min(max(x, low), high)."""
    bounds = [low, high]
    if all(bound is None or bound.array is not None and bound.array.ndim == 0 for bound in bounds):
        return b.node("Clip", b.cast(x), *[None if one is None else b.cast(one) for one in bounds])
    out = b.cast(x)
    out = out if low is None else b.node("Max", out, b.cast(low))
    return out if high is None else b.node("Min", out, b.cast(high))


@emits(F.hardtanh)
def hardtanh(b: Builder, input: Value, min_val: float, max_val: float) -> str:
    """Limited to a range."""
    return b.node("Clip", input, b.number(min_val), b.number(max_val))


@emits(F.relu6)
def relu6(b: Builder, input: Value) -> str:
    """Limited to 0 .. 6."""
    return hardtanh(b, input, 0, 6)


@emits(F.leaky_relu)
def leaky_relu(b: Builder, input: Value, negative_slope: float) -> str:
    """x where it is positive, slope x elsewhere."""
    if _is_single(b, negative_slope):
        return b.node("LeakyRelu", input, alpha=float(negative_slope))
    return b.node("PRelu", input, b.number(negative_slope))


@emits(F.prelu)
def prelu(b: Builder, input: Value, weight: Value) -> str:
    """As leaky_relu, with a slope that is learned: one, or one for each channel, which is axis 1."""
    slope: Any = b.cast(weight)
    if weight.ndim and weight.shape != (1,) and input.ndim > 2:
        slope = b.node("Reshape", slope, [-1, *[1] * (input.ndim - 2)])
    elif weight.ndim == 0 or input.ndim == 0:
        slope = b.node("Reshape", slope, [1] * input.ndim)
    return b.node("PRelu", input, slope)


@emits(F.elu)
def elu(b: Builder, input: Value, alpha: float) -> str:
    """x where it is positive, alpha (exp(x) - 1) elsewhere."""
    if _is_single(b, alpha):
        return b.node("Elu", input, alpha=float(alpha))
    below = b.node("Mul", b.node("Elu", input), b.number(alpha))
    return b.node("Where", b.node("Greater", input, b.number(0)), input, below)


def _is_single(b: Builder, value: float) -> bool:
    """Whether an attribute, which is a float32, holds a number with all digits of the dtype."""
    return b.out.dtype == np.float32 or float(np.float32(value)) == value


@emits(F.silu)
def silu(b: Builder, input: Value) -> str:
    """x sigmoid(x)."""
    return b.node("Mul", input, b.node("Sigmoid", input))


@emits(F.gelu)
def gelu(b: Builder, input: Value, approximate: str) -> str:
    """x times the normal distribution: Gelu since opset 20, before and in float64 by erf or tanh."""
    if b.opset >= 20 and b.out.dtype == np.float32:     # onnxruntime has the numbers of Gelu in float32 only
        return b.node("Gelu", input, approximate=approximate)
    if approximate == "none":
        inner = b.node("Erf", b.node("Mul", input, b.number(np.sqrt(0.5))))
    else:
        cube = b.node("Mul", b.node("Mul", input, input), b.number(0.044715))
        cube = b.node("Mul", input, b.node("Add", cube, b.number(1)))
        inner = b.node("Tanh", b.node("Mul", cube, b.number(np.sqrt(2 / np.pi))))
    return b.node("Mul", b.node("Mul", input, b.number(0.5)), b.node("Add", inner, b.number(1)))


@emits(F.logsigmoid)
def logsigmoid(b: Builder, input: Value) -> str:
    """-softplus(-x)."""
    return b.node("Neg", b.node("Softplus", b.node("Neg", input)))


@emits(F.softplus)
def softplus(b: Builder, input: Value, beta: float, threshold: float) -> str:
    """log(1 + exp(beta x)) / beta, and x where beta x is above the threshold."""
    z = input if beta == 1 else b.node("Mul", input, b.number(beta))
    out = b.node("Softplus", z)
    out = out if beta == 1 else b.node("Div", out, b.number(beta))
    return b.node("Where", b.node("Greater", z, b.number(threshold)), input, out)


def _softmax(b: Builder, operator: str, input: Value, dim: int) -> str:
    if not input.ndim:
        return b.node("Reshape", b.node(operator, b.node("Reshape", b.cast(input), [1]), axis=0), b.shape_value([]))
    return b.node(operator, b.cast(input), axis=int(dim))


@emits(F.softmax)
def softmax(b: Builder, input: Value, dim: int, dtype: Any = None) -> str:
    """Along one axis."""
    return _softmax(b, "Softmax", input, dim)


@emits(F.log_softmax)
def log_softmax(b: Builder, input: Value, dim: int, dtype: Any = None) -> str:
    """Along one axis."""
    return _softmax(b, "LogSoftmax", input, dim)
