"""Operators and methods of Tensor."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...tensor import Tensor
from .operation import LINEAR, SMOOTH


def operators(rng: np.random.Generator) -> Iterator[tuple]:
    a, row, column = (3, 4), (4,), (3, 1)
    yield "add", "", lambda x, y: x + y, (a, a), LINEAR
    yield "add", "broadcast", lambda x, y: x + y, (row, column), LINEAR
    yield "add", "one tensor twice", lambda x: x + x, (a,), LINEAR
    yield "add", "array on the left", lambda x: np.ones((2, 1, 4)) + x, (a,), LINEAR
    yield "sub", "broadcast", lambda x, y: x - y, (a, column), LINEAR
    yield "sub", "number on the left", lambda x: 2 - x, (a,), LINEAR
    yield "mul", "", lambda x, y: x * y, (a, a), LINEAR
    yield "mul", "broadcast", lambda x, y: x * y, (column, row), LINEAR
    yield "mul", "one tensor twice", lambda x: x * x, (a,), SMOOTH
    yield "div", "", lambda x, y: x / y, (a, a), SMOOTH
    yield "div", "broadcast", lambda x, y: x / y, (row, column), SMOOTH
    yield "div", "number on the left", lambda x: 2 / x, (a,), SMOOTH
    yield "pow", "number", lambda x: x ** 3, (a,), SMOOTH
    yield "pow", "of tensors", lambda x, y: (x * x) ** y, (a, row), SMOOTH
    yield "pow", "number on the left", lambda x: 2 ** x, (a,), SMOOTH
    yield "neg", "", lambda x: -x, (a,), LINEAR
    yield "matmul", "", lambda x, y: x @ y, ((2, 3), (3, 4)), LINEAR
    yield "matmul", "stacks, broadcast", lambda x, y: x @ y, ((2, 1, 2, 3), (2, 3, 2)), LINEAR
    yield "matmul", "vectors", lambda x, y: x @ y, ((4,), (4,)), LINEAR
    yield "matmul", "matrix and vector", lambda x, y: x @ y, ((2, 3, 4), (4,)), LINEAR
    yield "matmul", "vector and matrix", lambda x, y: x @ y, ((3,), (2, 3, 2)), LINEAR


def shapes_and_sums(rng: np.random.Generator) -> Iterator[tuple]:
    a = (2, 3, 4)
    yield "getitem", "slice", lambda x: x[:, ::-2, 1:], (a,), LINEAR
    yield "getitem", "an element taken twice", lambda x: x[np.array([1, 0, 1])], (a,), LINEAR
    yield "getitem", "mask", lambda x: x[np.arange(24).reshape(a) % 3 == 0], (a,), LINEAR
    yield "reshape", "", lambda x: x.reshape(4, -1), (a,), LINEAR
    yield "transpose", "", lambda x: x.transpose(1, 2, 0), (a,), LINEAR
    yield "transpose", "T", lambda x: x.T, (a,), LINEAR
    for name, options in (("sum", LINEAR), ("mean", LINEAR), ("max", SMOOTH)):
        method = getattr(Tensor, name)
        yield name, "", method, (a,), options
        yield name, "axes", lambda x, method=method: method(x, axis=(0, -1)), (a,), options
        yield name, "keepdims", lambda x, method=method: method(x, axis=1, keepdims=True), (a,), options
