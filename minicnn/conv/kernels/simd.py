"""SIMD vectors as numba values, and register tiles made of them: the language of the compiled kernels.

A vector is a register of the processor: `runtime.target` tells its width. A tile is a matrix of vectors: a numba tuple,
row by row. A tile stays in registers while a loop runs if `Target.holds` says so. A matrix product is therefore
written as

    tile = zeros(bits, rows, columns)
    for r in range(n):                                  # tile[i, j] += w[r, i] x[r, j], the lanes running over x
        tile = add_products(tile, rows, w, r * rows, 1, loads(bits, columns, x, offsets[r], None))
    store_tile(tile, columns, y, 0, row_step, rows, None)

and runs at nine tenths of the processor's peak.

Memory is an integer address (`array.ctypes.data`) and an index in elements. Nothing here checks bounds. The tests run
the kernels as plain Python, and there every access is checked. `bits` (32 or 64, the size of an element) and the sizes
of tiles must be constants of the calling kernel: literals, variables of the function around it, or `compile.constants`.
`count` is the number of elements from the index on, or None if all lanes have one. Lanes beyond `count` are loaded as
zeros and are not stored; their memory is never touched.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import extending, types

from .vector import I32, I64, INT, VECTOR, call_llvm, load, plus, plus_times, pointer_to, splat, store, zero_vector

intrinsic: Any = extending.intrinsic   # Any: type checkers would count the typing context among its parameters

# The intrinsics: each returns its signature and a function that generates its code. `b` is llvmlite's builder.

def _count_type(count):
    return count if isinstance(count, types.NoneType) else INT


def _lanes_left(b, signature, count, before):
    """`count` minus `before`, the lanes of the vectors before this one; None if the kernel gave None."""
    return None if isinstance(signature.args[-1], types.NoneType) else plus(b, count, -before)


@intrinsic(prefer_literal=True)
def zeros(typing, bits, rows, columns):
    """A tile of zeros."""
    vector = VECTOR[bits.literal_value]
    tile = types.UniTuple(vector, rows.literal_value * columns.literal_value)

    def generate(context, b, signature, arguments):
        return context.make_tuple(b, tile, [zero_vector(vector)] * tile.count)
    return tile(bits, rows, columns), generate


@intrinsic(prefer_literal=True)
def splats(typing, bits, n, base, index, step):
    """n vectors: all lanes of the i-th vector hold element index + i * step."""
    vector = VECTOR[bits.literal_value]
    tile = types.UniTuple(vector, n.literal_value)

    def generate(context, b, signature, arguments):
        base, index, step = arguments[2:]
        places = [plus_times(b, index, step, i) for i in range(tile.count)]
        scalars = [b.load(pointer_to(b, vector, base, place, vector.element)) for place in places]
        return context.make_tuple(b, tile, [splat(b, vector.llvm, s) for s in scalars])
    return tile(bits, n, INT, INT, INT), generate


@intrinsic(prefer_literal=True)
def loads(typing, bits, n, base, index, count):
    """n vectors that lie one after the other from element `index` on."""
    vector = VECTOR[bits.literal_value]
    tile = types.UniTuple(vector, n.literal_value)

    def generate(context, b, signature, arguments):
        base, index, count = arguments[2:]
        starts = range(0, tile.count * vector.lanes, vector.lanes)
        return context.make_tuple(b, tile, [
            load(b, vector, base, plus(b, index, s), _lanes_left(b, signature, count, s)) for s in starts])
    return tile(bits, n, INT, INT, _count_type(count)), generate


@intrinsic(prefer_literal=True)
def load_tile(typing, bits, rows, columns, base, index, step):
    """A tile whose row i lies from element index + i * step on, one vector after the other."""
    vector, columns_in_tile = VECTOR[bits.literal_value], columns.literal_value
    tile = types.UniTuple(vector, rows.literal_value * columns_in_tile)

    def generate(context, b, signature, arguments):
        base, index, step = arguments[3:]
        places = [plus(b, plus_times(b, index, step, i // columns_in_tile), i % columns_in_tile * vector.lanes)
                  for i in range(tile.count)]
        return context.make_tuple(b, tile, [load(b, vector, base, place) for place in places])
    return tile(bits, rows, columns, INT, INT, INT), generate


@intrinsic(prefer_literal=True)
def gather(typing, bits, n, base, index, table, count):
    """n vectors, the i-th from element index + table[i] on; `table` is the address of n int64."""
    vector = VECTOR[bits.literal_value]
    tile = types.UniTuple(vector, n.literal_value)

    def generate(context, b, signature, arguments):
        base, index, table, count = arguments[2:]
        table = b.inttoptr(table, I64.as_pointer())
        offsets = [b.load(b.gep(table, [ir.Constant(I64, i)])) for i in range(tile.count)]
        left = _lanes_left(b, signature, count, 0)
        return context.make_tuple(b, tile, [load(b, vector, base, b.add(index, offset), left) for offset in offsets])
    return tile(bits, n, INT, INT, INT, _count_type(count)), generate


@intrinsic
def add_outer(typing, tile, left, right):
    """tile[i, j] + left[i] * right[j], rounded once where the processor has fused multiply-adds."""
    vector = tile.dtype

    def generate(context, b, signature, arguments):
        sums, left, right = ([b.extract_value(value, i) for i in range(kind.count)]
                             for value, kind in zip(arguments, signature.args, strict=True))
        pairs = [(p, q) for p in left for q in right]
        return context.make_tuple(b, tile, [call_llvm(b, f"llvm.fmuladd.{vector.code}", [p, q, s], vector.llvm)
                                            for (p, q), s in zip(pairs, sums, strict=True)])
    return tile(tile, left, right), generate


def _products(b, signature, arguments, operand):
    """The sums of a tile plus operand(i) * right[j]. The tile is the first argument, `right` the last."""
    vector, columns, products = signature.return_type.dtype, signature.args[-1].count, []
    others = [b.extract_value(arguments[-1], j) for j in range(columns)]
    for i in range(signature.return_type.count // columns):
        factor = operand(i)
        products += [call_llvm(b, f"llvm.fmuladd.{vector.code}",
                               [factor, other, b.extract_value(arguments[0], i * columns + j)], vector.llvm)
                     for j, other in enumerate(others)]
    return products


def _broadcast(b, vector, base, place):
    """A vector with the number base[place] in every lane."""
    return splat(b, vector.llvm, b.load(pointer_to(b, vector, base, place, vector.element)))


def _entry(b, table, i):
    """table[i] of int64 at the address `table`"""
    return b.load(b.gep(b.inttoptr(table, I64.as_pointer()), [ir.Constant(I64, i)]))


@intrinsic(prefer_literal=True)
def add_products(typing, tile, rows, base, index, step, right):
    """tile[i, j] + w[i] * right[j]: every lane of w[i] holds element index + i * step of `base`, for `rows` rows.

    The code broadcasts a number beside its products, so that one register suffices for all broadcasts. LLVM keeps this
    order.
    """
    def generate(context, b, signature, arguments):
        _, _, base, index, step, _ = arguments
        operand = lambda i: _broadcast(b, tile.dtype, base, plus_times(b, index, step, i))
        return context.make_tuple(b, tile, _products(b, signature, arguments, operand))
    return tile(tile, rows, INT, INT, INT, right), generate


@intrinsic
def add_products_at(typing, tile, base, index, table, right):
    """The same, but every lane of w[i] holds element index + table[i]; `table` is the address of int64."""
    def generate(context, b, signature, arguments):
        _, base, index, table, _ = arguments
        operand = lambda i: _broadcast(b, tile.dtype, base, b.add(index, _entry(b, table, i)))
        return context.make_tuple(b, tile, _products(b, signature, arguments, operand))
    return tile(tile, INT, INT, INT, right), generate


@intrinsic
def add_vectors_at(typing, tile, base, index, table, count, right):
    """The same, but w[i] is the vector from element index + table[i] on."""
    def generate(context, b, signature, arguments):
        _, base, index, table, count, _ = arguments
        left = None if isinstance(signature.args[4], types.NoneType) else count
        operand = lambda i: load(b, tile.dtype, base, b.add(index, _entry(b, table, i)), left)
        return context.make_tuple(b, tile, _products(b, signature, arguments, operand))
    return tile(tile, INT, INT, INT, _count_type(count), right), generate


@intrinsic
def accumulate(typing, tile, base, index, first):
    """Add a tile to the float64 numbers from element `index` of `base` on, or store it there if `first` is not 0."""
    def generate(context, b, signature, arguments):
        value, base, index, first = arguments
        wide = ir.VectorType(ir.DoubleType(), tile.dtype.lanes)
        start = b.inttoptr(b.add(base, b.mul(index, ir.Constant(I64, 8))), wide.as_pointer())
        numbers = [b.extract_value(value, i) for i in range(tile.count)]
        if tile.dtype.bits < 64:
            numbers = [b.fpext(v, wide) for v in numbers]
        places = [b.gep(start, [ir.Constant(I64, i)]) for i in range(tile.count)]
        with b.if_else(b.icmp_signed("!=", first, ir.Constant(I64, 0))) as (then, otherwise):
            with then:
                for v, place in zip(numbers, places, strict=True):
                    b.store(v, place, align=8)
            with otherwise:
                for v, place in zip(numbers, places, strict=True):
                    b.store(b.fadd(b.load(place, align=8), v), place, align=8)
        return context.get_dummy_value()
    return types.void(tile, INT, INT, INT), generate


@intrinsic
def add_rows(typing, tile, left):
    """tile[i, j] + left[i]."""
    def generate(context, b, signature, arguments):
        sums, left = arguments
        columns = tile.count // signature.args[1].count
        return context.make_tuple(b, tile, [b.fadd(b.extract_value(sums, i), b.extract_value(left, i // columns))
                                            for i in range(tile.count)])
    return tile(tile, left), generate


@intrinsic(prefer_literal=True)
def store_tile(typing, tile, columns, base, index, step, rows, count):
    """Store the first `rows` rows of a tile: row i from element index + i * step on, one vector after the other."""
    vector, columns_in_tile = tile.dtype, columns.literal_value

    def generate(context, b, signature, arguments):
        tile_value, _, base, index, step, rows, count = arguments
        for i in range(tile.count // columns_in_tile):
            with b.if_then(b.icmp_signed(">", rows, ir.Constant(I64, i))):
                row = b.add(index, b.mul(step, ir.Constant(I64, i)))
                for j in range(columns_in_tile):
                    value = b.extract_value(tile_value, i * columns_in_tile + j)
                    store(b, vector, base, plus(b, row, j * vector.lanes), value,
                           _lanes_left(b, signature, count, j * vector.lanes))
        return context.get_dummy_value()
    return types.void(tile, columns, INT, INT, INT, INT, _count_type(count)), generate


@intrinsic(prefer_literal=True)
def column(typing, bits, n, base, index, step):
    """n vectors, the i-th from element index + i * step on."""
    vector = VECTOR[bits.literal_value]
    tile = types.UniTuple(vector, n.literal_value)

    def generate(context, b, signature, arguments):
        base, index, step = arguments[2:]
        places = [plus_times(b, index, step, i) for i in range(tile.count)]
        return context.make_tuple(b, tile, [load(b, vector, base, place) for place in places])
    return tile(bits, n, INT, INT, INT), generate


@intrinsic(prefer_literal=True)
def column_within(typing, bits, n, base, index, step, first, size):
    """n vectors, the i-th from element index + (first + i) * step on; zeros where first + i is not in 0..size-1."""
    vector = VECTOR[bits.literal_value]
    tile = types.UniTuple(vector, n.literal_value)

    def generate(context, b, signature, arguments):
        base, index, step, first, size = arguments[2:]
        vectors = []
        for i in range(tile.count):
            row = plus(b, first, i)
            inside = b.icmp_unsigned("<", row, size)    # unsigned: a negative number is a large one
            place = b.add(index, b.mul(step, b.select(inside, row, ir.Constant(I64, 0))))
            vectors.append(b.select(inside, load(b, vector, base, place), zero_vector(vector)))
        return context.make_tuple(b, tile, vectors)
    return tile(bits, n, INT, INT, INT, INT, INT), generate


@intrinsic
def store_within(typing, tile, base, index, step, first, size):
    """Store the i-th vector from element index + (first + i) * step on, if first + i is in 0..size-1."""
    def generate(context, b, signature, arguments):
        value, base, index, step, first, size = arguments
        for i in range(tile.count):
            row = plus(b, first, i)
            with b.if_then(b.icmp_unsigned("<", row, size)):
                store(b, tile.dtype, base, b.add(index, b.mul(step, row)), b.extract_value(value, i))
        return context.get_dummy_value()
    return types.void(tile, INT, INT, INT, INT, INT), generate


@intrinsic(prefer_literal=True)
def store_column(typing, tile, added, base, index, step):
    """Store the i-th vector from element index + i * step on. The first `added` vectors are added to the old values."""
    def generate(context, b, signature, arguments):
        value, _, base, index, step = arguments
        for i in range(tile.count):
            place, v = plus_times(b, index, step, i), b.extract_value(value, i)
            if i < added.literal_value:
                v = b.fadd(v, load(b, tile.dtype, base, place))
            store(b, tile.dtype, base, place, v)
        return context.get_dummy_value()
    return types.void(tile, added, INT, INT, INT), generate


@intrinsic
def add(typing, left, right):
    """left[i] + right[i]."""
    def generate(context, b, signature, arguments):
        left, right = ([b.extract_value(a, i) for i in range(signature.return_type.count)] for a in arguments)
        return context.make_tuple(b, signature.return_type, [b.fadd(p, q) for p, q in zip(left, right, strict=True)])
    return left(left, right), generate


@intrinsic
def add_up(typing, total, tile):
    """A tile of one vector: total[0] + the sum of tile[i]."""
    def generate(context, b, signature, arguments):
        value = b.extract_value(arguments[0], 0)
        for i in range(tile.count):
            value = b.fadd(value, b.extract_value(arguments[1], i))
        return context.make_tuple(b, total, [value])
    return total(total, tile), generate


@intrinsic
def where_positive(typing, sign, tile):
    """tile[i] in the lanes in which sign[i] is positive or nan, else 0."""
    def generate(context, b, signature, arguments):
        zero = zero_vector(tile.dtype)
        lanes = [(b.extract_value(arguments[0], i), b.extract_value(arguments[1], i)) for i in range(tile.count)]
        return context.make_tuple(b, tile, [b.select(b.fcmp_ordered("<=", s, zero), zero, v) for s, v in lanes])
    return tile(sign, tile), generate


@intrinsic
def relu(typing, tile):
    """max(tile[i], 0); nan stays nan."""
    def generate(context, b, signature, arguments):
        zero, vectors = zero_vector(tile.dtype), [b.extract_value(arguments[0], i) for i in range(tile.count)]
        return context.make_tuple(b, tile, [b.select(b.fcmp_ordered("<=", v, zero), zero, v) for v in vectors])
    return tile(tile), generate


@intrinsic
def transpose(typing, tile):
    """The transpose of a square tile, which has as many vectors as a vector has lanes."""
    def generate(context, b, signature, arguments):
        lanes = tile.count
        mask = lambda picked: ir.Constant(ir.VectorType(I32, lanes), picked)
        rows, half = [b.extract_value(arguments[0], i) for i in range(lanes)], lanes // 2
        while half:                                     # swap the off-diagonal blocks of size half
            low = mask([i if not i & half else lanes + i - half for i in range(lanes)])
            high = mask([i + half if not i & half else lanes + i for i in range(lanes)])
            for i in (i for i in range(lanes) if not i & half):
                p, q = rows[i], rows[i + half]
                rows[i], rows[i + half] = b.shuffle_vector(p, q, low), b.shuffle_vector(p, q, high)
            half //= 2
        return context.make_tuple(b, tile, rows)
    return tile(tile), generate
