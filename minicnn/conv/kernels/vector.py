"""A vector as a numba type, and the LLVM code that loads, stores and fills one. `simd` makes its intrinsics of them."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import models, register_model

from ..runtime.target import target

INT = types.int64
I32, I64 = ir.IntType(32), ir.IntType(64)


class Vector(types.Type):
    """The numba type of a vector whose elements have `bits` bits."""

    def __init__(self, bits: int, lanes: int):
        self.bits, self.lanes = bits, lanes
        self.code = f"v{self.lanes}f{bits}"             # as LLVM writes it in the names of its functions
        self.element = {32: ir.FloatType(), 64: ir.DoubleType()}[bits]
        self.llvm = ir.VectorType(self.element, self.lanes)
        super().__init__(name=f"float{bits}x{self.lanes}")


@register_model(Vector)
class VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, vector: Vector):
        super().__init__(manager, vector, vector.llvm)


VECTOR = {bits: Vector(bits, target().lanes(bits)) for bits in (32, 64)}


# The LLVM code that intrinsics are made of. `b` is llvmlite's builder, which appends to a kernel.

def call_llvm(b: ir.IRBuilder, name: str, arguments: list[ir.Value], result: ir.Type) -> ir.Value:
    """Call an LLVM intrinsic. LLVM itself corrects the part of the name that encodes the type of a pointer."""
    kind = ir.FunctionType(result, [a.type for a in arguments])
    return b.call(b.module.globals.get(name) or ir.Function(b.module, kind, name), arguments)


def plus(b: ir.IRBuilder, index: ir.Value, number: int) -> ir.Value:
    """index + number"""
    return b.add(index, ir.Constant(I64, number))


def plus_times(b: ir.IRBuilder, index: ir.Value, step: ir.Value, number: int) -> ir.Value:
    """index + step * number"""
    return b.add(index, b.mul(step, ir.Constant(I64, number)))


def pointer_to(b: ir.IRBuilder, vector: Vector, base: ir.Value, index: ir.Value, kind: ir.Type) -> ir.Value:
    """base + index elements, as a pointer to `kind`."""
    return b.inttoptr(b.add(base, b.mul(index, ir.Constant(I64, vector.bits // 8))), kind.as_pointer())


def splat(b: ir.IRBuilder, kind: ir.VectorType, scalar: ir.Value) -> ir.Value:
    """A vector of the LLVM type `kind` with the scalar in every lane."""
    first = b.insert_element(ir.Constant(kind, ir.Undefined), scalar, ir.Constant(I32, 0))
    return b.shuffle_vector(first, first, ir.Constant(ir.VectorType(I32, kind.count), [0] * kind.count))


def zero_vector(vector: Vector) -> ir.Constant:
    """Zeros in all lanes."""
    return ir.Constant(vector.llvm, [0.0] * vector.lanes)


def mask(b: ir.IRBuilder, vector: Vector, count: ir.Value) -> ir.Value:
    """One bit a lane: lane < count."""
    lanes = ir.VectorType(I64, vector.lanes)
    return b.icmp_signed("<", ir.Constant(lanes, list(range(vector.lanes))), splat(b, lanes, count))


def load(b: ir.IRBuilder, vector: Vector, base: ir.Value, index: ir.Value, count: ir.Value | None = None) -> ir.Value:
    """The vector from base + index elements on; zeros in the lanes from `count` on, whose memory is not touched."""
    pointer, align = pointer_to(b, vector, base, index, vector.llvm), vector.bits // 8
    if count is None:
        return b.load(pointer, align=align)
    arguments = [pointer, ir.Constant(I32, align), mask(b, vector, count), zero_vector(vector)]
    return call_llvm(b, f"llvm.masked.load.{vector.code}.p0{vector.code}", arguments, vector.llvm)


def store(b: ir.IRBuilder, vector: Vector, base: ir.Value, index: ir.Value, value: ir.Value,
          count: ir.Value | None = None) -> None:
    """Store a vector from base + index elements on; the memory of the lanes from `count` on is not touched."""
    pointer, align = pointer_to(b, vector, base, index, vector.llvm), vector.bits // 8
    if count is None:
        b.store(value, pointer, align=align)
    else:
        arguments = [value, pointer, ir.Constant(I32, align), mask(b, vector, count)]
        call_llvm(b, f"llvm.masked.store.{vector.code}.p0{vector.code}", arguments, ir.VoidType())
