"""The Cook-Toom transforms on vectors: machine code for the product of a constant matrix of fractions and a tile."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from llvmlite import ir
from numba import types

from .compile import constants
from .cook_toom import cook_toom
from .simd import intrinsic
from .vector import VECTOR, Vector, call_llvm, zero_vector


@constants
class Filtering(NamedTuple):
    """Winograd's F(m x m, r x r) on numbers of `bits` bits, a constant of the machine code.

    A tile of n x n inputs gives m x m outputs, n = m + r - 1.
    """

    bits: int
    m: int
    r: int

    @property
    def n(self) -> int:
        return self.m + self.r - 1

    @property
    def shared(self) -> int:
        """Pixels that a tile shares with the next one: r - 1."""
        return self.r - 1

    @property
    def lanes(self) -> int:
        return VECTOR[self.bits].lanes


@intrinsic(prefer_literal=True)
def transform(typing, name, F, tile):
    """The matrix of F(m, r) called "AT", "G" or "BT", or its transpose "A", "GT" or "B", times the tile."""
    AT, G, BT = cook_toom(F.value.m, F.value.r)
    turned = {name: list(zip(*matrix, strict=True)) for name, matrix in (("A", AT), ("GT", G), ("B", BT))}
    matrix = ({"AT": AT, "G": G, "BT": BT} | turned)[name.literal_value]
    result = types.UniTuple(tile.dtype, len(matrix))

    def generate(context, b, signature, arguments):
        vectors = [b.extract_value(arguments[-1], i) for i in range(tile.count)]
        return context.make_tuple(b, result, linear_map(b, tile.dtype, matrix, vectors))
    return result(name, F, tile), generate


def linear_map(b: ir.IRBuilder, vector: Vector, matrix: Sequence[Sequence[Fraction | int]],
               vectors: list[ir.Value]) -> list[ir.Value]:
    """The LLVM code of matrix @ vectors for a constant matrix of fractions: the list of resulting LLVM vectors.

    Two neighbouring rows or columns that differ only in signs share their work. The points p and -p give such pairs.
    """
    paired = _first_pair(list(zip(*matrix, strict=True)))
    if paired is not None:                              # columns: a x + a y = a (x + y), a x - a y = a (x - y)
        j = paired
        matrix = [[*row[:j], row[j] if row[j] == row[j + 1] else 0, row[j] if row[j] != row[j + 1] else 0, *row[j + 2:]]
                  for row in matrix]
        x, y = vectors[j:j + 2]
        vectors = [*vectors[:j], b.fadd(x, y), b.fsub(x, y), *vectors[j + 2:]]
        return linear_map(b, vector, matrix, vectors)
    results, i = [], 0
    while i < len(matrix):
        if i + 1 < len(matrix) and _are_pair(matrix[i], matrix[i + 1]):
            pairs = list(zip(matrix[i], matrix[i + 1], strict=True))
            same = _combination(b, vector, [p if p == q else 0 for p, q in pairs], vectors)
            opposite = _combination(b, vector, [p if p != q else 0 for p, q in pairs], vectors)
            results += [b.fadd(same, opposite), b.fsub(same, opposite)]
            i += 2
        else:
            results.append(_combination(b, vector, matrix[i], vectors))
            i += 1
    return results


def _are_pair(row, other):
    """Whether the rows differ only in signs: at least one entry is equal, and at least one is opposite."""
    same = sum(p == q != 0 for p, q in zip(row, other, strict=True))
    opposite = sum(p == -q != 0 for p, q in zip(row, other, strict=True))
    nonzero = sum(p != 0 or q != 0 for p, q in zip(row, other, strict=True))
    return same and opposite and same + opposite == nonzero


def _first_pair(rows):
    return next((i for i in range(len(rows) - 1) if _are_pair(rows[i], rows[i + 1])), None)


def _combination(b, vector, coefficients, vectors):
    """sum of coefficients[j] * vectors[j], by fused multiply-adds."""
    total = None
    terms = [(float(a), x) for a, x in zip(coefficients, vectors, strict=True) if a]
    for a, x in sorted(terms, key=lambda term: abs(term[0]) != 1):
        constant = ir.Constant(vector.llvm, [a] * vector.lanes)
        if total is None:
            total = x if a == 1 else b.fmul(constant, x)
        elif abs(a) == 1:
            total = b.fadd(total, x) if a == 1 else b.fsub(total, x)
        else:
            total = call_llvm(b, f"llvm.fmuladd.{vector.code}", [constant, x, total], vector.llvm)
    return zero_vector(vector) if total is None else total
