"""More intrinsics in the manner of `simd`: tables of integers, runs of numbers, vectors of two places, prefetching."""

from __future__ import annotations

from llvmlite import ir
from numba import types

from .simd import intrinsic
from .vector import I32, I64, INT, VECTOR, call_llvm, load, plus_times, pointer_to, splat, store


def _place(b, table, i):
    return b.gep(b.inttoptr(table, I64.as_pointer()), [i])


@intrinsic
def entry(typing, table, i):
    """Number i of the int64 at the address `table`."""
    def generate(context, b, signature, arguments):
        return b.load(_place(b, *arguments))
    return INT(INT, INT), generate


@intrinsic
def short_entry(typing, table, i):
    """Number i of the int32 at the address `table`."""
    def generate(context, b, signature, arguments):
        return b.sext(b.load(b.gep(b.inttoptr(arguments[0], I32.as_pointer()), [arguments[1]])), I64)
    return INT(INT, INT), generate


@intrinsic
def set_entry(typing, table, i, value):
    """Write number i of the int64 at the address `table`."""
    def generate(context, b, signature, arguments):
        b.store(arguments[2], _place(b, *arguments[:2]))
        return context.get_dummy_value()
    return types.void(INT, INT, INT), generate


@intrinsic(prefer_literal=True)
def number(typing, bits, base, index):
    """The number at element `index` of `base`."""
    kind = VECTOR[bits.literal_value]

    def generate(context, b, signature, arguments):
        return b.load(pointer_to(b, kind, *arguments[1:], kind.element))
    return types.Float(f"float{kind.bits}")(bits, INT, INT), generate


@intrinsic(prefer_literal=True)
def set_number(typing, bits, base, index, value):
    """Write a float64, rounded to `bits` bits, to element `index` of `base`."""
    kind = VECTOR[bits.literal_value]

    def generate(context, b, signature, arguments):
        value = arguments[3] if kind.bits == 64 else b.fptrunc(arguments[3], kind.element)
        b.store(value, pointer_to(b, kind, *arguments[1:3], kind.element))
        return context.get_dummy_value()
    return types.void(bits, INT, INT, types.float64), generate


@intrinsic(prefer_literal=True)
def copy_numbers(typing, bits, to, to_index, base, index, count):
    """Copy `count` numbers from element `index` of `base` on to element `to_index` of `to` on."""
    size = bits.literal_value // 8

    def generate(context, b, signature, arguments):
        _, to, to_index, base, index, count = arguments
        target, source = (b.inttoptr(b.add(start, b.mul(i, ir.Constant(I64, size))), ir.IntType(8).as_pointer())
                          for start, i in ((to, to_index), (base, index)))
        call_llvm(b, "llvm.memcpy.p0i8.p0i8.i64",
                  [target, source, b.mul(count, ir.Constant(I64, size)), ir.Constant(ir.IntType(1), 0)], ir.VoidType())
        return context.get_dummy_value()
    return types.void(bits, *[INT] * 5), generate


@intrinsic(prefer_literal=True)
def clear_numbers(typing, bits, to, index, count):
    """Write `count` zeros from element `index` of `to` on."""
    size = bits.literal_value // 8

    def generate(context, b, signature, arguments):
        _, to, index, count = arguments
        target = b.inttoptr(b.add(to, b.mul(index, ir.Constant(I64, size))), ir.IntType(8).as_pointer())
        call_llvm(b, "llvm.memset.p0i8.i64", [target, ir.Constant(ir.IntType(8), 0),
                  b.mul(count, ir.Constant(I64, size)), ir.Constant(ir.IntType(1), 0)], ir.VoidType())
        return context.get_dummy_value()
    return types.void(bits, INT, INT, INT), generate


@intrinsic
def splice(typing, tile, base, index, first):
    """A tile of one vector: from lane `first` on the lanes of the vector at element `index` of `base`."""
    vector = tile.dtype

    def generate(context, b, signature, arguments):
        left, base, index, first = arguments
        lanes = ir.VectorType(I32, vector.lanes)
        later = b.icmp_signed(">=", ir.Constant(lanes, list(range(vector.lanes))),
                              splat(b, lanes, b.trunc(first, I32)))
        return context.make_tuple(b, tile, [b.select(later, load(b, vector, base, index), b.extract_value(left, 0))])
    return tile(tile, INT, INT, INT), generate


@intrinsic(prefer_literal=True)
def store_at(typing, tile, columns, base, index, step, table, count):
    """Store vector (i, j) of a tile from element index + i * step + table[j] on; `table` is the address of int64.

    `count` counts the lanes of every vector that are stored, or is None.
    """
    vector, columns_in_tile = tile.dtype, columns.literal_value

    def generate(context, b, signature, arguments):
        tile_value, _, base, index, step, table, count = arguments
        left = None if isinstance(signature.args[-1], types.NoneType) else count
        places = [b.load(_place(b, table, ir.Constant(I64, j))) for j in range(columns_in_tile)]
        for i in range(tile.count):
            row, j = plus_times(b, index, step, i // columns_in_tile), i % columns_in_tile
            store(b, vector, base, b.add(row, places[j]), b.extract_value(tile_value, i), left)
        return context.get_dummy_value()
    counted = count if isinstance(count, types.NoneType) else INT
    return types.void(tile, columns, INT, INT, INT, INT, counted), generate


@intrinsic(prefer_literal=True)
def prefetch(typing, bits, n, base, index, step, writes):
    """Ask the processor to fetch n cache lines, the i-th at element index + i * step, to be stored to if `writes` is 1.

    The addresses may lie outside of every array.
    """
    vector, times = VECTOR[bits.literal_value], n.literal_value
    options = [ir.Constant(I32, option) for option in (writes.literal_value, 2, 1)]     # 2: the second-level cache

    def generate(context, b, signature, arguments):
        base, index, step = arguments[2:5]
        for i in range(times):
            pointer = pointer_to(b, vector, base, plus_times(b, index, step, i), ir.IntType(8))
            call_llvm(b, "llvm.prefetch.p0i8", [pointer, *options], ir.VoidType())
        return context.get_dummy_value()
    return types.void(bits, n, INT, INT, INT, writes), generate
