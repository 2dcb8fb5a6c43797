"""Operators that treat each element by itself: arithmetic, activations, comparisons."""

from __future__ import annotations

import functools
import operator as python
from typing import Any

import numpy as np

from ... import functional as F
from ...errors import InputError
from ...tensor import Tensor, as_tensor
from . import registry
from .node import Node, array_of, number_of, pixel

operator = functools.partial(registry.operator, window=pixel)


def _register(names, function, **options):
    for name, one in names.items():
        operator(name, **options)(function(one))


_register({"Relu": F.relu, "Sigmoid": F.sigmoid, "Tanh": F.tanh, "Sqrt": np.sqrt, "Exp": np.exp, "Log": np.log,
           "Sin": np.sin, "Cos": np.cos, "Reciprocal": np.reciprocal}, lambda f: lambda node, x: f(x))
_register({"Abs": np.abs, "Neg": np.negative, "Sign": np.sign, "Identity": lambda x: x},
          lambda f: lambda node, x: f(x), integers=True)
_register({"Add": np.add, "Sub": np.subtract, "Mul": np.multiply}, lambda f: lambda node, x, y: f(x, y),
          integers=True, learned=(0, 1))
_register({"Max": np.maximum, "Min": np.minimum, "Sum": np.add},
          lambda f: lambda node, *inputs: functools.reduce(f, inputs), integers=True)
_register({"Equal": np.equal, "Greater": np.greater, "Less": np.less, "GreaterOrEqual": np.greater_equal,
           "LessOrEqual": np.less_equal, "And": np.logical_and, "Or": np.logical_or},
          lambda f: lambda node, x, y: f(array_of(x), array_of(y)), integers=True)
_register({"Not": np.logical_not}, lambda f: lambda node, x: f(x), integers=True)


@operator("Div", integers=True, learned=(0, 1))
def divide(node: Node, x: Any, y: Any) -> Any:
    """x / y. A quotient of integers is rounded towards 0."""
    if isinstance(x, Tensor) or isinstance(y, Tensor):
        return x / y
    if (y == 0).any():
        raise InputError("an integer is divided by 0")
    quotient = np.abs(x) // np.abs(y)
    return np.where((x < 0) == (y < 0), quotient, -quotient.astype(np.int64)).astype(x.dtype)


@operator("Mean")
def mean_of(node: Node, *inputs: Tensor) -> Tensor:
    """The mean of several arrays, element by element."""
    return functools.reduce(python.add, inputs) / np.array(len(inputs), inputs[0].dtype)


@operator("Pow", integers=True)
def power(node: Node, x: Any, y: Any) -> Any:
    """x to the power y, which may be of another type. The result has the type of x."""
    if isinstance(x, Tensor):
        return x ** (y if isinstance(y, Tensor) else as_tensor(y.astype(x.dtype)))
    if isinstance(y, Tensor) or (y < 0).any():
        raise InputError("integers can be raised only to integers of at least 0")
    return x ** y.astype(x.dtype)


@operator("Clip")
def clip(node: Node, x: Tensor, low: Any = None, high: Any = None) -> Tensor:
    """x between two bounds. They are inputs since opset 11, attributes before. Where low > high the result is high."""
    bounds = [node.attribute("min"), node.attribute("max")] if node.opset < 11 else [
        None if bound is None else number_of(bound) for bound in (low, high)]
    lower, upper = bounds
    if lower is None and upper is None:
        return x
    if lower is not None and upper is not None and lower > upper:
        lower = upper
    return x.clip(lower, upper)


@operator("Where", integers=True, learned=(1, 2))
def where(node: Node, condition: np.ndarray, x: Any, y: Any) -> Any:
    """x where the condition holds, y elsewhere."""
    if array_of(condition).dtype != bool:
        raise InputError("the condition must be an array of booleans")
    return np.where(condition, x, y)


@operator("LeakyRelu")
def leaky_relu(node: Node, x: Tensor) -> Tensor:
    """x where it is positive, alpha x elsewhere."""
    return F.leaky_relu(x, node.attribute("alpha", 0.01))


@operator("PRelu", learned=(1,))
def prelu(node: Node, x: Tensor, slope: Tensor) -> Tensor:
    """x where it is positive, slope x elsewhere. The slope broadcasts to the shape of x."""
    return np.where(x.data > 0, x, x * slope)           # type: ignore[call-overload,no-any-return,return-value]


@operator("Elu")
def elu(node: Node, x: Tensor) -> Tensor:
    """x where it is positive, alpha (exp(x) - 1) elsewhere."""
    return F.elu(x, node.attribute("alpha", 1.0))


@operator("Selu")
def selu(node: Node, x: Tensor) -> Tensor:
    """gamma times the elu with alpha."""
    gamma = node.attribute("gamma", 1.05070102214813232421875)
    return F.elu(x, node.attribute("alpha", 1.67326319217681884765625)) * np.array(gamma, x.dtype)


@operator("Softplus")
def softplus(node: Node, x: Tensor) -> Tensor:
    """log(1 + exp(x))."""
    return F.softplus(x, threshold=1000.0)


@operator("Softsign")
def softsign(node: Node, x: Tensor) -> Tensor:
    """x / (1 + |x|)."""
    return x / (1 + abs(x))


@operator("HardSigmoid")
def hard_sigmoid(node: Node, x: Tensor) -> Tensor:
    """alpha x + beta between 0 and 1."""
    alpha, beta = node.attribute("alpha", 0.2), node.attribute("beta", 0.5)
    return (x * np.array(alpha, x.dtype) + np.array(beta, x.dtype)).clip(0, 1)


@operator("HardSwish")
def hard_swish(node: Node, x: Tensor) -> Tensor:
    """x (x / 6 + 1 / 2 between 0 and 1)."""
    return x * (x / 6 + 0.5).clip(0, 1)


@operator("Gelu")
def gelu(node: Node, x: Tensor) -> Tensor:
    """x times the normal distribution at x."""
    return F.gelu(x, node.attribute("approximate", "none"))


@operator("Erf")
def erf(node: Node, x: Tensor) -> Tensor:
    """The error function."""
    from scipy import special
    return special.erf(x)


@operator("Dropout")
def dropout(node: Node, x: Tensor, ratio: Any = None, training_mode: Any = None) -> Any:
    """Drop in training: after model.train(), or where the input training_mode is true."""
    p = node.attribute("ratio", 0.5) if node.opset < 12 else 0.5 if ratio is None else number_of(ratio)
    training = node.training or training_mode is not None and bool(number_of(training_mode))
    if not training or p == 0:
        return (x, np.ones(x.shape, bool)) if len(node.outputs) > 1 else x
    if node.rng is None:
        raise InputError("dropout draws numbers in training: write from_onnx(..., rng=numpy.random.default_rng(0)), or "
                         "call model.eval()")
    kept = F.dropout(Tensor(np.ones(x.shape, x.dtype)), p, rng=node.rng).data
    out = np.where(kept != 0, x * kept, np.zeros((), x.dtype))
    return (out, kept != 0) if len(node.outputs) > 1 else out
