"""Waiting without sleeping.

The next kernel often comes within a fraction of a millisecond. A sleeping thread needs as long to wake up, and Linux
may wake it on the core that the waking thread is about to use.
"""

from __future__ import annotations

import functools
import platform
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from ..kernels.compile import compiled
from ..kernels.vector import I64, INT, call_llvm

X86 = platform.machine() in ("x86_64", "AMD64")


@intrinsic
def _read(typing, address):
    """Tell the processor that the thread waits; return the integer at an address that another thread may write to."""
    def generate(context, b, signature, arguments):
        if X86:
            call_llvm(b, "llvm.x86.sse2.pause", [], ir.VoidType())
        return b.load_atomic(b.inttoptr(arguments[0], I64.as_pointer()), "acquire", 8)
    return INT(address), generate


@functools.cache
def wait_kernel() -> Any:
    """wait(address, value, turns): return when the integer at `address` is at least `value`, or after `turns` loops."""
    def wait(address, value, turns):
        for _ in range(turns):
            if _read(address) >= value:
                return

    return compiled(types.void(INT, INT, INT), wait)
