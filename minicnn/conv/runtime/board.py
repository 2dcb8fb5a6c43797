"""The board: memory through which threads find jobs and finish them, without Python, a lock or the system's help.

A thread of Python needs the GIL to run a line of Python. If another thread holds the GIL, it sleeps, and the system
takes as long to wake it as a small convolution takes. So the helpers wait in machine code, and they also run in machine
code all jobs that are a machine function. Sleeping threads have another fault: Linux may wake them on the core that the
waking thread is about to use.

A *round* is one machine function that is called for all jobs. The board holds one round at a time:

    ROUND               the number of the round while helpers may enter, else 0
    INSIDE              the number of helpers that have entered and not yet left
    CALLS               the number of the newest call of a Python function: helpers then return to Python
    FUNCTION, TASK      the machine function f(start, stop, scratch, task), and its last argument
    SIZE, PARTS         jobs in a range, and parts
    part p              the next job of part p, the job after its last one, and the scratch memory of thread p

Each thread takes ranges from its own part of the jobs, whose data lie side by side, then from the other parts. A range
is taken with one atomic addition. The caller closes the round and waits until nobody is inside, so no helper reads the
task of a round that has returned.
"""

from __future__ import annotations

import functools
import os
import platform
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils

from ..kernels.compile import call, compiled
from ..kernels.simd import I64, INT, call_llvm, intrinsic
from .memory import empty

SWITCHED_OFF = bool(numba.config.DISABLE_JIT)           # type: ignore[attr-defined]
X86 = platform.machine() in ("x86_64", "AMD64")
PATIENCE = 20_000       # loops: about a millisecond
LINE = 16               # numbers in two cache lines: processors fetch lines in pairs
ROUND, INSIDE, CALLS, FUNCTION = (n * LINE for n in range(4))
TASK, SIZE, PARTS, FIRST = FUNCTION + 1, FUNCTION + 2, FUNCTION + 3, 4 * LINE
NEXT, END, SCRATCH = range(3)                           # in a part


def new_board(threads: int) -> np.ndarray:
    """A board for that many threads, without a round."""
    board = empty((FIRST + threads * LINE,), np.int64)
    board[:] = 0
    return board


def scratch_place(thread: int) -> int:
    """The place of the address of a thread's scratch memory."""
    return FIRST + thread * LINE + SCRATCH


def _pointer(b, board, place):
    return b.gep(b.inttoptr(board, I64.as_pointer()), [place])


@intrinsic
def _load(typing, board, place):
    """The number at a place of the board that another thread may write to."""
    def generate(context, b, signature, arguments):
        return b.load_atomic(_pointer(b, *arguments), "seq_cst", 8)
    return INT(INT, INT), generate


@intrinsic
def _store(typing, board, place, value):
    def generate(context, b, signature, arguments):
        b.store_atomic(arguments[2], _pointer(b, *arguments[:2]), "seq_cst", 8)
        return context.get_dummy_value()
    return types.void(INT, INT, INT), generate


@intrinsic
def _add(typing, board, place, value):
    """Add to a number of the board; return the number before."""
    def generate(context, b, signature, arguments):
        return b.atomic_rmw("add", _pointer(b, *arguments[:2]), arguments[2], "seq_cst")
    return INT(INT, INT, INT), generate


@intrinsic
def _pause(typing):
    """Tell the processor that the thread waits."""
    def generate(context, b, signature, arguments):
        if X86:
            call_llvm(b, "llvm.x86.sse2.pause", [], ir.VoidType())
        return context.get_dummy_value()
    return types.void(), generate


@intrinsic
def _yield(typing):
    """Let another thread run on this core, where the system has a function for it."""
    def generate(context, b, signature, arguments):
        if os.name == "posix":
            kind = ir.FunctionType(ir.IntType(32), [])
            b.call(cgutils.get_or_insert_function(b.module, kind, "sched_yield"), [])
        return context.get_dummy_value()
    return types.void(), generate


@njit(inline="always")
def _drain(board: int, own: int) -> None:
    """Run ranges of jobs until none is left, those of the own part first."""
    function, task, size, parts = (_load(board, FUNCTION), _load(board, TASK), _load(board, SIZE), _load(board, PARTS))
    scratch = _load(board, FIRST + own * LINE + SCRATCH)
    for n in range(parts):
        part = FIRST + (own + n) % parts * LINE
        end = _load(board, part + END)
        while _load(board, part + NEXT) < end:
            start = _add(board, part + NEXT, size)
            if start < end:
                call(function, (start, min(start + size, end), scratch, task))


@functools.cache
def serve_kernel() -> Any:
    """serve(board, own, calls, turns, finished): run the jobs of every round, as thread `own`.

    It returns when CALLS is no longer `calls`, or after `turns` loops in which nothing came. First it writes 1 to the
    address `finished`, if that is not 0. A caller who waits for this number can take the GIL at once, because the
    thread has just released it.
    """
    def serve(board, own, calls, turns, finished):
        if finished != 0:
            _store(finished, 0, 1)
        seen, left = 0, turns
        while left > 0 and _load(board, CALLS) == calls:
            number = _load(board, ROUND)
            if number == 0 or number == seen:
                _pause()
                left -= 1
                continue
            _add(board, INSIDE, 1)
            if _load(board, ROUND) == number and own < _load(board, PARTS):         # not closed in the meantime
                _drain(board, own)
            _add(board, INSIDE, -1)
            seen, left = number, turns

    return compiled(types.void(*[INT] * 5), serve)


@functools.cache
def round_kernel() -> Any:
    """play(board, number, function, task, scratch, jobs, size, parts): one round, in which the caller is thread 0.

    It returns when all jobs are done and all helpers have left. A signal of the system, such as that of Ctrl-C, waits
    until then.
    """
    def play(board, number, function, task, scratch, jobs, size, parts):
        _store(board, FUNCTION, function)
        _store(board, TASK, task)
        _store(board, SIZE, size)
        _store(board, PARTS, parts)
        _store(board, FIRST + SCRATCH, scratch)
        ranges = -(-jobs // size)
        for part in range(parts):
            _store(board, FIRST + part * LINE + NEXT, ranges * part // parts * size)
            _store(board, FIRST + part * LINE + END, min(ranges * (part + 1) // parts * size, jobs))
        _store(board, ROUND, number)
        _drain(board, 0)
        _store(board, ROUND, 0)
        turns = 0
        while _load(board, INSIDE) > 0:
            turns += 1
            if turns < PATIENCE:
                _pause()
            else:                                       # a helper lost its core: give it this one
                _yield()

    return compiled(types.void(*[INT] * 8), play)


@functools.cache
def alone_kernel() -> Any:
    """alone(function, jobs, scratch, task): all jobs in the calling thread."""
    def alone(function, jobs, scratch, task):
        call(function, (0, jobs, scratch, task))

    return compiled(types.void(INT, INT, INT, INT), alone)


@functools.cache
def wait_kernel() -> Any:
    """wait(address, turns): return when the number at the address is not 0, or after `turns` loops."""
    def wait(address, turns):
        for _ in range(turns):
            if _load(address, 0) != 0:
                return
            _pause()

    return compiled(types.void(INT, INT), wait)
