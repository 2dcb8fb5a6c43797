"""NumPy's functions and methods of a Tensor: choices, statistics, products, repetitions, joined and divided arrays."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import special

from ... import functional as F
from ...tensor import Tensor
from .operation import LINEAR, SMOOTH


def choices(rng: np.random.Generator) -> Iterator[tuple]:
    a, row = (3, 4), (4,)
    yield "where", "", lambda x, y: np.where(np.arange(4) % 2 == 0, x, y), (a, row), LINEAR
    yield "maximum", "", np.maximum, (a, a), SMOOTH
    yield "maximum", "broadcast, number", lambda x: np.maximum(np.maximum(x, 0.0), x[:1]), (a,), SMOOTH
    yield "minimum", "broadcast", np.minimum, (a, row), SMOOTH
    yield "clip", "", lambda x: x.clip(-0.6, 0.7), (a,), SMOOTH
    yield "clip", "one bound", lambda x: np.clip(x, None, 0.2), (a,), SMOOTH
    yield "clip", "bounds of Tensors", lambda x, y: np.clip(x, y, y + 0.4), (a, row), SMOOTH
    yield "min", "", Tensor.min, (a,), SMOOTH
    yield "min", "axes", lambda x: x.min((0, -1)), ((2, 3, 4),), SMOOTH
    yield "min", "keepdims", lambda x: x.min(1, keepdims=True), (a,), SMOOTH


def functions(rng: np.random.Generator) -> Iterator[tuple]:
    a = (3, 4)
    for name, function in (("abs", Tensor.abs), ("sign", Tensor.sign), ("expm1", np.expm1), ("sin", np.sin),
                           ("cos", np.cos), ("erf", special.erf), ("square", np.square), ("reciprocal", np.reciprocal)):
        yield name, "", function, (a,), SMOOTH
    yield "astype", "", lambda x: x.astype(np.float64), (a,), LINEAR
    yield "sqrt", "", lambda x: (x * x).sqrt(), (a,), SMOOTH
    yield "log1p", "", lambda x: np.log1p(x * x), (a,), SMOOTH


def statistics(rng: np.random.Generator) -> Iterator[tuple]:
    a, cube = (3, 4), (2, 3, 4)
    for name in ("var", "std"):
        method = getattr(Tensor, name)
        yield name, "", method, (a,), SMOOTH
        yield name, "axes, ddof=1", lambda x, m=method: m(x, (0, -1), ddof=1), (cube,), SMOOTH
        yield name, "keepdims", lambda x, m=method: m(x, 1, keepdims=True), (cube,), SMOOTH
    for name in ("prod", "logsumexp"):
        method = getattr(Tensor, name)
        yield name, "", method, (a,), SMOOTH
        yield name, "axes", lambda x, m=method: m(x, (0, -1)), (cube,), SMOOTH
        yield name, "keepdims", lambda x, m=method: m(x, 1, keepdims=True), (cube,), SMOOTH
    yield "logsumexp", "functional", lambda x: F.logsumexp(x, 1, True), (a,), SMOOTH
    yield "var", "functional", lambda x: F.var(x, 0, keepdim=True), (a,), SMOOTH
    yield "std", "functional", lambda x: F.std(x, correction=0.5), (a,), SMOOTH
    yield "cumsum", "", Tensor.cumsum, (a,), LINEAR
    yield "cumsum", "axis=1", lambda x: x.cumsum(1), (cube,), LINEAR
    yield "einsum", "matrices", lambda x, y: np.einsum("ij,jk->ki", x, y), ((2, 3), (3, 4)), LINEAR
    yield "einsum", "three operands", lambda x, y, z: np.einsum("ij,jk,k", x, y, z), ((2, 3), (3, 4), (4,)), LINEAR
    yield "einsum", "ellipsis", lambda x, y: np.einsum("...ij,j...->i...", x, y), ((2, 3, 4), (4, 1)), LINEAR
    yield "einsum", "diagonals, a sum", lambda x, y: np.einsum("iij,kj->i", x, y), ((3, 3, 2), (4, 2)), LINEAR
    yield "einsum", "one tensor twice", lambda x: np.einsum("ij,kj->ik", x, x), (a,), SMOOTH


def places(rng: np.random.Generator) -> Iterator[tuple]:
    a, cube = (3, 4), (2, 3, 4)
    yield "swapaxes", "", lambda x: x.swapaxes(0, -1), (cube,), LINEAR
    yield "moveaxis", "", lambda x: x.moveaxis((0, 1), (-1, 0)), (cube,), LINEAR
    yield "squeeze", "", lambda x: x.squeeze(1), ((3, 1, 2),), LINEAR
    yield "expand_dims", "", lambda x: x.expand_dims((0, 2)), (a,), LINEAR
    yield "ravel", "", Tensor.ravel, (cube,), LINEAR
    yield "broadcast_to", "", lambda x: x.broadcast_to((2, 3, 4)), ((3, 1),), LINEAR
    yield "flip", "", lambda x: x.flip((0, 2)), (cube,), LINEAR
    yield "roll", "", lambda x: x.roll((1, -2), (0, 2)), (cube,), LINEAR
    yield "roll", "all axes", lambda x: x.roll(5), (cube,), LINEAR
    yield "repeat", "", lambda x: x.repeat(3, 1), (cube,), LINEAR
    yield "repeat", "a number for each", lambda x: x.repeat([2, 0, 1], 1), (cube,), LINEAR
    yield "tile", "", lambda x: x.tile((2, 1, 3)), (a,), LINEAR
    yield "concatenate", "", lambda x, y: np.concatenate([x, y, x], 1), ((3, 2), (3, 1)), LINEAR
    yield "stack", "", lambda x, y: np.stack([x, y], -1), (a, a), LINEAR
    yield "split", "", lambda x: tuple(np.split(x, 2, 1)), (a,), LINEAR
    yield "split", "places", lambda x: tuple(np.split(x, [1, 3], 1)), (a,), LINEAR
    yield "array_split", "", lambda x: tuple(np.array_split(x, 3, 1)), (a,), LINEAR
