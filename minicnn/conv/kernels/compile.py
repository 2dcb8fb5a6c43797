"""From Python to machine code: how a kernel is compiled, cached and named, and which of its values are constants."""

from __future__ import annotations

import functools
import itertools
import logging
import pathlib
import zlib
from collections.abc import Callable
from typing import Any, get_type_hints

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import event
from numba.core.imputils import lower_constant
from numba.core.typing.templates import AttributeTemplate
from numba.extending import (
    infer_getattr,
    lower_getattr_generic,
    models,
    register_model,
    typeof_impl,
)

from ..runtime.kernel_cache import compile_or_load, why_not_kept
from .simd import intrinsic
from .vector import I64, INT

FINGERPRINT = zlib.crc32(b"".join(file.read_bytes() for file in sorted(pathlib.Path(__file__).parent.rglob("*.py"))))


def compiled(signature: Any, kernel: Callable, block: bool = False) -> Any:
    """The kernel in machine code, from the cache on disk if it is there. It runs without the GIL.

    numba keys its cache by its own version, the processor, and the kernel's file. The name of the kernel contains a
    fingerprint of all files of this folder. Thus every change of one of these files compiles the kernels again. The
    name also contains the constants and the signature of the kernel: functions of one name share an index on disk, and
    two processes that compile at the same time could give two kernels the same number in it. `block` is as in
    `kernel_cache.compile_or_load`.
    """
    cells = [cell.cell_contents for cell in kernel.__closure__ or ()]
    values = [cell if isinstance(cell, tuple) else (cell,) for cell in cells if isinstance(cell, (int, tuple))]
    fingerprint = zlib.crc32(str(signature).encode(), FINGERPRINT)
    kernel.__qualname__ = "-".join([kernel.__name__, *(str(n) for value in values for n in value), str(fingerprint)])
    with event.install_listener("numba:compile", _Announcement()):
        return compile_or_load(signature, kernel, block)


def compiled_block(parameters: int, block: Callable) -> int:
    """Compile a function of `parameters` integers; return its address, for `call` in a kernel.

    A kernel that calls its innermost loops is compiled once for all sizes of register blocks.
    """
    _blocks.append(compiled(types.void(*[INT] * parameters), block, True))
    return _blocks[-1].address


_blocks: list[Any] = []         # keeps the machine code of all blocks alive


@intrinsic
def call(typing, address, arguments):
    """Call the compiled block at `address` with a tuple of integers; it returns nothing."""
    def generate(context, b, signature, values):
        pointer = b.inttoptr(values[0], ir.FunctionType(ir.VoidType(), [I64] * arguments.count).as_pointer())
        b.call(pointer, [b.extract_value(values[1], i) for i in range(arguments.count)])
        return context.get_dummy_value()
    return types.void(address, arguments), generate


# The arguments of kernels.

def pack(record: tuple) -> np.ndarray:
    """The numbers of a NamedTuple of integers and NamedTuples of integers, in an array. `unpack` reads it in a kernel.

    A kernel could get the NamedTuple itself. But numba would read it field by field at each call, and hold the GIL:
    that costs some microseconds on every thread.

    >>> from minicnn.conv.kernels.correlation.image import CopyArrays
    >>> pack(CopyArrays(x=1, image=2, tables=3))
    array([1, 2, 3])
    """
    numbers: list[int] = []
    for field in record:
        if isinstance(field, tuple):
            numbers += field
        else:
            numbers.append(field)
    return np.array(numbers, np.int64)


def fields(cls: type) -> list[type]:
    """The types of the fields of a NamedTuple: int, or the class of an inner NamedTuple."""
    return list(get_type_hints(cls).values())


@intrinsic
def unpack(typing, cls, address):
    """The NamedTuple of a class, from the address of the array that `pack` returned."""
    def kind(cls):
        inner = [INT if one is int else kind(one) for one in fields(cls)]
        same = all(one is INT for one in inner)
        return types.NamedUniTuple(INT, len(inner), cls) if same else types.NamedTuple(inner, cls)

    def load(context, b, kind, pointers):
        if kind is INT:
            return b.load(next(pointers))
        return context.make_tuple(b, kind, [load(context, b, one, pointers) for one in kind.types])

    def generate(context, b, signature, arguments):
        start = b.inttoptr(arguments[1], I64.as_pointer())
        pointers = (b.gep(start, [ir.Constant(I64, i)]) for i in itertools.count())
        return load(context, b, signature.return_type, pointers)
    return kind(cls.instance_class)(cls, INT), generate


def constants(cls: type) -> type:
    """Class decorator for a NamedTuple of integers: in a kernel, every attribute of an instance is a constant.

    The instance must be a variable of the function around the kernel. The kernel can pass the instance to inlined
    functions, and can use its attributes as sizes of register tiles.
    """
    typeof_impl.register(cls)(lambda value, context: Constants(value))
    return cls


class Constants(types.Type):
    """The numba type of one value of a class of `constants`."""

    def __init__(self, value: Any):
        self.value = value
        super().__init__(name=f"{type(value).__name__}{tuple(value)}")


register_model(Constants)(models.OpaqueModel)


@lower_constant(Constants)
def _no_code(context, b, kind, value):
    return context.get_dummy_value()


@infer_getattr
class _Attributes(AttributeTemplate):
    key = Constants

    def generic_resolve(self, kind, name):
        return types.literal(getattr(kind.value, name))


@lower_getattr_generic(Constants)
def _attribute(context, b, kind, value, name):
    return context.get_constant(INT, getattr(kind.value, name))


class _Announcement(event.Listener):
    """Tells the user why the first convolution takes seconds. A kernel from the cache causes no such event."""

    def on_start(self, event):
        _announce()

    def on_end(self, event):
        pass


@functools.cache
def _announce():
    reason = why_not_kept()
    when = f"in every process, because {reason}" if reason else "once: later runs load them"
    logging.getLogger("minicnn").warning(f"minicnn: compiling convolution kernels ({when})")
