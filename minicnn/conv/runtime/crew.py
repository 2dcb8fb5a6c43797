"""The helpers: Python threads that work on the calls of `threads.parallel_for` and `threads.parallel_kernel`.

A helper waits awake for about a millisecond after its last work, then it sleeps. Awake helpers look at the `board`, so
one write reaches all of them. Sleeping helpers are woken as a tree: the caller wakes two, and each wakes two more.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .exclusive import Turn
from .memory import huge_pages

MOST = 256                      # threads
FEW = 8                         # helpers that the caller keeps off its core
AWAKE = 20_000                  # loops of `serve`: about a millisecond
PAUSE = 5.0                     # seconds after which a sleeping helper says again that it sleeps
NOTHING = np.empty(0, np.uint8)

_core = getattr(ctypes.CDLL(None), "sched_getcpu", None) if sys.platform == "linux" else None


class Crew:
    """The helpers of a process, and what they share with the callers."""

    def __init__(self) -> None:
        from . import board  # imported here because it imports numba
        self.machine, self.board = board, board.new_board(MOST)
        self.address, self.newest = self.board.ctypes.data, self.board[board.CALLS:board.CALLS + 1]
        self.helpers: list[Helper] = []
        self.started, self.full = 0, False              # helpers; whether the system allows no more threads
        self.asleep: dict[Helper, bool] = {}
        self.calls: list[Call] = []                     # those that helpers may join
        self.numbers = itertools.count(1)               # of calls and rounds; next() of a count is atomic
        self.growing, self.playing = Turn(), Turn()
        self.core, self.kept, self.turns = -1, 0, 1     # see `_keep_apart`
        self.serve = (lambda *numbers: None) if board.SWITCHED_OFF else board.serve_kernel()

    def play(self, jobs: int, size: int, threads: int, function: int, task: int, scratch: tuple[int, int]) -> None:
        """A round on the board: see `board`. `scratch` is the caller's scratch memory: its address and its size.

        Only one call at a time may play: the one whose turn `playing` it is.
        """
        helpers = self._first(threads - 1)
        threads = len(helpers) + 1
        for helper in helpers:
            if helper.memory.size < scratch[1]:
                helper.memory = NOTHING                 # until the board has the new address
                memory = huge_pages(scratch[1])
                self.board[self.machine.scratch_place(helper.number)] = memory.ctypes.data
                helper.memory = memory
        self._wake(helpers)
        self.machine.round_kernel()(self.address, next(self.numbers), function, task, scratch[0], jobs, size, threads)

    def run(self, call: Call) -> None:
        """Work on a call, with as many helpers as come; return when all have left it."""
        helpers = self._first(call.threads - 1)
        try:
            self.calls.append(call)
            self.newest[0] = next(self.numbers)
            self._wake(helpers)
            call.drain(0)
        except BaseException:
            call.stopped = True                         # the helpers then take no more ranges
            raise
        finally:
            with contextlib.suppress(ValueError):
                self.calls.remove(call)
            call.wait(self.machine, self.turns)
        if call.errors:
            raise call.errors[0]

    def _first(self, n):
        """The first n helpers, or fewer if no more can be started. They are started on first use and kept."""
        if self.started < n and not self.full:
            self.growing(lambda: self._grow(n))
        n = min(n, self.started)
        if _core is not None and (self.core != _core() or self.kept < n):
            self._keep_apart(n)
        return self.helpers[:n]

    def _grow(self, n):
        while self.started < n:
            if len(self.helpers) == self.started:       # else an exception came while the newest helper was started
                self.helpers.append(Helper(self, self.started + 1))
            try:
                self.helpers[self.started].start()
            except RuntimeError:                        # the system allows no more threads
                self.full = True
                return
            self.started += 1

    def _keep_apart(self, n):
        """Keep n helpers off the core on which the caller runs. This works on Linux only.

        Linux often wakes a thread on the core of the thread that wakes it. Then both take turns, while another core
        has nothing to do. If there is a core for each thread, the helpers may also wait awake. Many helpers stay where
        they are: to move each would take the caller longer than the work that it has for them.
        """
        self.core, self.kept = _core(), n
        with contextlib.suppress(OSError):              # a sandbox may forbid it: the helpers stay where they are
            allowed = os.sched_getaffinity(0)
            self.turns = AWAKE if n < len(allowed) else 1
            for helper in self.helpers[:n if n <= FEW else 0]:
                if helper.native:                       # 0 would be the calling thread
                    os.sched_setaffinity(helper.native, allowed - {self.core} or allowed)

    def _wake(self, helpers):
        if self.asleep:
            _ring([helper for helper in helpers if self.asleep.pop(helper, False)])


class Helper:
    """A thread that works on rounds and calls. `number` is its part of a round: 1 for the first helper."""

    def __init__(self, crew: Crew, number: int) -> None:
        self.crew, self.number = crew, number
        self.runs, self.native = False, 0               # native: the system's number of the thread
        self.memory = NOTHING                           # scratch memory for rounds
        self.bell = threading.Lock()                    # the bell rings when the lock is released
        self.others: Sequence[Helper] = []              # those that this helper wakes
        self.bell.acquire()

    def start(self) -> None:
        """Start the thread. RuntimeError if the system allows no more threads."""
        if not self.runs:
            thread = threading.Thread(target=self._run, name="minicnn", daemon=True)
            thread.start()
            self.native = self.native or thread.native_id or 0

    def _run(self):
        native = threading.get_native_id()
        if self.runs:                                   # a start that was interrupted has started another thread
            return
        self.runs, self.native = True, native
        crew, seen, left = self.crew, 0, None
        while True:
            self._serve(seen, crew.turns, left)
            if crew.newest[0] == seen:                  # nothing came
                self._sleep(seen)
            seen, left = int(crew.newest[0]), None
            for call in crew.calls[:]:
                if call.help():
                    left = call

    def _serve(self, seen, turns, left=None):
        finished = 0 if left is None else left.finished.ctypes.data
        self.crew.serve(self.crew.address, self.number, seen, turns, finished)

    def _sleep(self, seen):
        asleep = self.crew.asleep
        asleep[self] = True
        self._serve(seen, 1)                            # a last look: who came before has seen nobody asleep
        if self.crew.newest[0] == seen or not asleep.pop(self, False):
            while not self.bell.acquire(timeout=PAUSE):
                asleep[self] = True                     # an exception may have come before the bell rang
            _ring(self.others)


def _ring(helpers: Sequence[Helper]) -> None:
    """Wake the first helper of each half; it wakes the rest of its half."""
    for half in helpers[::2], helpers[1::2]:
        if half:
            half[0].others = half[1:]
            try:
                half[0].bell.release()
            except RuntimeError:                        # it rings already
                continue


class Call:
    """work(start, stop), to be called on ranges that together are range(jobs), by at most `threads` threads."""

    def __init__(self, work: Callable[[int, int], None], jobs: int, size: int, threads: int) -> None:
        self.work, self.size, self.threads = work, size, threads
        self.bounds = [jobs * n // threads for n in range(threads + 1)]
        self.starts = [itertools.count(bound, size) for bound in self.bounds[:-1]]
        self.free = list(range(1, threads))             # the parts of threads that have not come; pop() is atomic
        self.left = itertools.count(1)                  # of the parts that are finished or not wanted any more
        self.end = threading.Lock()                     # released when all have left
        self.finished = np.zeros(1, np.int64)           # 1 soon after that: see `serve_kernel`
        self.stopped = False
        self.errors: list[BaseException] = []
        self.end.acquire()

    def drain(self, own: int) -> None:
        """Take ranges until none is left, those of the own part first: neighbouring jobs share data."""
        for part in (*range(own, self.threads), *range(own)):
            starts, stop = self.starts[part], self.bounds[part + 1]
            while not self.stopped and (start := next(starts)) < stop:
                self.work(start, min(start + self.size, stop))

    def help(self) -> bool:
        """Take a free part, if there is one. The result is true for the last thread that leaves."""
        try:
            part = self.free.pop()
        except IndexError:
            return False
        try:
            self.drain(part)
        except BaseException as error:
            self.stopped = True
            self.errors.append(error)
        return self._leave()

    def wait(self, machine: Any, turns: int) -> None:
        """Let nobody come any more; return when all have left. The thread waits awake first."""
        with contextlib.suppress(IndexError):
            while self.free:
                self.free.pop()
                self._leave()
        if self.end.locked() and not machine.SWITCHED_OFF:
            machine.wait_kernel()(self.finished.ctypes.data, turns)
        self.end.acquire()

    def _leave(self):
        last = next(self.left) == self.threads - 1
        if last:
            self.end.release()
        return last
