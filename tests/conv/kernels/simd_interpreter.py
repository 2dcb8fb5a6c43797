"""The kernels of `minicnn.conv.kernels` as plain Python, on real memory, with every product counted.

`install` replaces the primitives of `simd` by the methods of an Interpreter and switches the compiler off. The kernels
then run as the Python functions of their source. A tile is an array (vectors, lanes). Every load and store must lie
inside an array that the algorithm made or received, and no index may be negative.

Every kernel of that folder is covered. The loops of `runtime.board` are not: they read what other threads write.
"""

import bisect
import ctypes
import importlib
import pkgutil

import numpy as np
from numba import types
from numba.core.dispatcher import Dispatcher

from minicnn.conv import kernels, layout
from minicnn.conv.algorithms import direct, winograd
from minicnn.conv.kernels.compile import fields
from minicnn.conv.kernels.cook_toom import cook_toom
from minicnn.conv.kernels.vector import VECTOR

MODULES = [importlib.import_module(module.name)
           for module in pkgutil.walk_packages(kernels.__path__, f"{kernels.__name__}.")]
PRIMITIVES = ("zeros", "splats", "loads", "load_tile", "gather", "column", "column_within", "store_tile",
              "store_column", "store_within", "add_outer", "add_products", "add_products_at", "add_vectors_at",
              "accumulate", "add_rows", "add", "add_up", "where_positive", "relu", "transpose", "transform",
              "prefetch", "entry", "set_entry", "short_entry", "number",
              "set_number", "copy_numbers", "clear_numbers", "splice", "store_at")
FACTORIES = {name: value for module in MODULES for name, value in vars(module).items()     # functions that make kernels
             if name.endswith(("_kernel", "_block")) and hasattr(value, "cache_clear")}


def install(monkeypatch):
    """Interpret all kernels until the end of the test. Returns the Interpreter."""
    interpreter = Interpreter()
    for module in (direct, layout, winograd, *MODULES):
        for name, value in list(vars(module).items()):
            if name in PRIMITIVES:
                monkeypatch.setattr(module, name, getattr(interpreter, name))
            elif isinstance(value, Dispatcher):         # a part of a kernel, inlined by the compiler
                monkeypatch.setattr(module, name, value.py_func)
            elif name in ("compiled", "compiled_block", "call"):
                monkeypatch.setattr(module, name, getattr(interpreter, name))
            elif name in FACTORIES:                     # not from the cache, which may hold compiled kernels
                monkeypatch.setattr(module, name, value.__wrapped__)
            elif name == "unpack":
                monkeypatch.setattr(module, name, unpack)
            elif name == "parallel_for":
                monkeypatch.setattr(module, name, lambda jobs, work, least=1: work(0, jobs))
            elif name == "parallel_kernel":
                monkeypatch.setattr(module, name, interpreter.parallel_kernel)
            elif name == "np":
                monkeypatch.setattr(module, name, _Recording(interpreter))
            elif name == "empty":
                monkeypatch.setattr(module, name, interpreter.empty)
            elif name == "working_memory":
                monkeypatch.setattr(module, name, lambda size: interpreter.empty(size // 8, float))
    return interpreter


def unpack(cls, numbers):
    """The NamedTuple of a class, from the array that `compile.pack` returned."""
    return _unpack(cls, iter(numbers.tolist()))


def _unpack(cls, numbers):
    return cls(*(next(numbers) if kind is int else _unpack(kind, numbers) for kind in fields(cls)))


class _Recording:
    """numpy, but the interpreter may use the memory of the arrays that it makes."""

    def __init__(self, interpreter):
        self.interpreter = interpreter

    def __getattr__(self, name):
        function = getattr(np, name)
        if name == "empty":
            return lambda shape, dtype=float: self.interpreter.empty(shape, dtype)
        if name not in ("zeros", "ascontiguousarray", "pad"):
            return function
        return lambda *arguments, **options: self.interpreter.allow(function(*arguments, **options))


class _Checked(np.ndarray):
    """An array that refuses negative indices: machine code would count them from the end, or leave the array."""

    def __getitem__(self, index):
        self._check(index)
        return super().__getitem__(index)

    def __setitem__(self, index, value):
        self._check(index)
        super().__setitem__(index, value)

    @staticmethod
    def _check(index):
        assert min(index if isinstance(index, tuple) else (index,)) >= 0, f"index {index} is negative"


class Interpreter:
    """The primitives, as `minicnn.conv.kernels.simd` documents them.

    Attributes
    ----------
    products : int
        Multiply-adds of single numbers, without those of `transform`.
    called : set of str
        The functions of `FACTORIES` whose kernels have been called.
    """

    def __init__(self):
        self.products, self.called, self._blocks = 0, set(), []
        self._starts, self._arrays = [], []             # sorted by address; [array, numbers loaded, numbers stored]

    def compiled(self, signature, kernel):
        """The kernel as a Python function, with checked arrays."""
        assert kernel.__code__.co_argcount == len(signature.args)
        factory = kernel.__qualname__.split(".")[0]

        def run(*arguments):
            self.called.add(factory)
            kernel(*[a.view(_Checked) if isinstance(a, np.ndarray) else a for a in arguments])
        return run

    def parallel_kernel(self, jobs, function, task, scratch=0, least=1, together=1):
        """All jobs in one call. The task remains an array, which `unpack` reads."""
        memory = self.empty(scratch // 8, float).ctypes.data
        self.call(function, (0, jobs, memory, task))

    def compiled_block(self, parameters, block):
        """A number that stands for the address of the block."""
        self._blocks.append(self.compiled(types.void(*[types.int64] * parameters), block))
        return len(self._blocks) - 1

    def call(self, block, arguments):
        self._blocks[block](*arguments)

    def allow(self, array):
        """Let kernels use the memory of the array; returns the array."""
        assert array.flags.c_contiguous
        place = bisect.bisect_left(self._starts, array.ctypes.data)
        if array.size and self._starts[place:place + 1] != [array.ctypes.data]:
            self._starts.insert(place, array.ctypes.data)
            self._arrays.insert(place, [array, 0, 0])
        return array

    def empty(self, shape, dtype):
        """An array whose contents must not be used: nan, or a large negative integer."""
        array = np.empty(shape, dtype)
        array.fill(np.nan if array.dtype.kind == "f" else -2 ** 31)
        return self.allow(array)

    def traffic(self, array):
        """(numbers loaded from the memory of the array, numbers stored to it)."""
        return tuple(self._arrays[self._starts.index(array.ctypes.data)][1:])

    def _memory(self, dtype, base, index, size=None, stores=False):
        """A view of the vector, or of `size` numbers, from element base[index] on."""
        dtype = np.dtype(dtype)
        size = VECTOR[8 * dtype.itemsize].lanes if size is None else size
        address = int(base) + int(index) * dtype.itemsize
        found = bisect.bisect_right(self._starts, address) - 1
        array = self._arrays[found][0] if found >= 0 else None
        assert array is not None and address + size * dtype.itemsize <= array.ctypes.data + array.nbytes, (
            f"{size} numbers at element {index} of the array at {base:#x} lie outside of every array")
        self._arrays[found][2 if stores else 1] += size
        return np.frombuffer((ctypes.c_char * (size * dtype.itemsize)).from_address(address), dtype)

    def _load(self, bits, base, index, count=None):
        dtype, lanes = f"f{bits // 8}", VECTOR[bits].lanes
        if count is None:
            return self._memory(dtype, base, index).copy()
        vector, left = np.zeros(lanes, dtype), min(max(count, 0), lanes)
        if left:
            vector[:left] = self._memory(dtype, base, index, left)
        return vector

    def _store(self, vector, base, index, count=None):
        left = vector.size if count is None else min(max(count, 0), vector.size)
        if left:
            self._memory(vector.dtype, base, index, left, stores=True)[:] = vector[:left]

    def zeros(self, bits, rows, columns):
        return np.zeros((rows * columns, VECTOR[bits].lanes), f"f{bits // 8}")

    def splats(self, bits, n, base, index, step):
        numbers = [self._memory(f"f{bits // 8}", base, index + i * step, 1) for i in range(n)]
        return np.repeat(numbers, VECTOR[bits].lanes, axis=1)

    def loads(self, bits, n, base, index, count):
        lanes = VECTOR[bits].lanes
        left = [None if count is None else count - i * lanes for i in range(n)]
        return np.stack([self._load(bits, base, index + i * lanes, left[i]) for i in range(n)])

    def load_tile(self, bits, rows, columns, base, index, step):
        return np.concatenate([self.loads(bits, columns, base, index + i * step, None) for i in range(rows)])

    def gather(self, bits, n, base, index, table, count):
        offsets = self._memory(np.int64, table, 0, n)
        return np.stack([self._load(bits, base, index + offset, count) for offset in offsets])

    def column(self, bits, n, base, index, step):
        return np.stack([self._load(bits, base, index + i * step) for i in range(n)])

    def column_within(self, bits, n, base, index, step, first, size):
        none = np.zeros(VECTOR[bits].lanes, f"f{bits // 8}")
        return np.stack([self._load(bits, base, index + i * step) if 0 <= i < size else none
                         for i in range(first, first + n)])

    def store_tile(self, tile, columns, base, index, step, rows, count):
        lanes = tile.shape[1]
        for i, vector in enumerate(tile):
            row, column = divmod(i, columns)
            if row < rows:
                self._store(vector, base, index + row * step + column * lanes,
                            None if count is None else count - column * lanes)

    def store_column(self, tile, added, base, index, step):
        for i, vector in enumerate(tile):
            place = index + i * step
            self._store(vector + self._load(8 * tile.itemsize, base, place) if i < added else vector, base, place)

    def prefetch(self, bits, n, base, index, step, writes):
        pass

    def store_within(self, tile, base, index, step, first, size):
        for i, vector in enumerate(tile, first):
            if 0 <= i < size:
                self._store(vector, base, index + i * step)

    def add_outer(self, tile, left, right):
        self.products += tile.size
        return tile + (left[:, None] * right).reshape(tile.shape)

    def add_products(self, tile, rows, base, index, step, right):
        return self.add_outer(tile, self.splats(8 * tile.itemsize, rows, base, index, step), right)

    def add_products_at(self, tile, base, index, table, right):
        offsets = self._memory(np.int64, table, 0, len(tile) // len(right))
        numbers = [self._memory(tile.dtype, base, index + offset, 1) for offset in offsets]
        return self.add_outer(tile, np.repeat(numbers, tile.shape[1], axis=1), right)

    def add_vectors_at(self, tile, base, index, table, count, right):
        left = self.gather(8 * tile.itemsize, len(tile) // len(right), base, index, table, count)
        return self.add_outer(tile, left, right)

    def accumulate(self, tile, base, index, first):
        numbers = self._memory(np.float64, base, index, tile.size, stores=True)
        numbers[:] = tile.ravel() + (0 if first else numbers)

    def entry(self, table, i):
        return int(self._memory(np.int64, table, i, 1)[0])

    def short_entry(self, table, i):
        return int(self._memory(np.int32, table, i, 1)[0])

    def set_entry(self, table, i, value):
        self._memory(np.int64, table, i, 1, stores=True)[:] = value

    def number(self, bits, base, index):
        return self._memory(f"f{bits // 8}", base, index, 1)[0]

    def set_number(self, bits, base, index, value):
        self._memory(f"f{bits // 8}", base, index, 1, stores=True)[:] = value

    def copy_numbers(self, bits, to, to_index, base, index, count):
        if count:
            numbers = self._memory(f"f{bits // 8}", base, index, count)
            self._memory(f"f{bits // 8}", to, to_index, count, stores=True)[:] = numbers

    def clear_numbers(self, bits, to, index, count):
        if count:
            self._memory(f"f{bits // 8}", to, index, count, stores=True)[:] = 0

    def splice(self, tile, base, index, first):
        later = np.arange(tile.shape[1]) >= first
        return np.where(later, self._load(8 * tile.itemsize, base, index), tile)

    def store_at(self, tile, columns, base, index, step, table, count):
        places = self._memory(np.int64, table, 0, columns)
        for i, vector in enumerate(tile):
            self._store(vector, base, index + i // columns * step + places[i % columns], count)

    def add_rows(self, tile, left):
        return tile + np.repeat(left, len(tile) // len(left), axis=0)

    def add(self, left, right):
        return left + right

    def add_up(self, total, tile):
        return total + tile.sum(0)

    def where_positive(self, sign, tile):
        return np.where(sign <= 0, tile.dtype.type(0), tile)

    def relu(self, tile):
        return np.maximum(tile, 0)

    def transpose(self, tile):
        assert tile.shape[0] == tile.shape[1]
        return tile.T.copy()

    def transform(self, name, F, tile):
        matrices = dict(zip(("AT", "G", "BT"), cook_toom(F.m, F.r), strict=True))
        known = {key: np.array([list(map(float, row)) for row in matrix]) for key, matrix in matrices.items()}
        known |= {"A": known["AT"].T, "GT": known["G"].T, "B": known["BT"].T}
        return (known[name] @ tile).astype(tile.dtype)
