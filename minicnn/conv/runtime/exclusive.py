"""Work that only one thread may do at a time, and that must not begin within itself.

A signal handler runs between two steps of the main thread, also in the middle of a convolution. It may raise, and it
may convolve. Python looks for signals after a call and at the end of a loop, not between two assignments. So here a
lock is taken by `with`, and a number that says who holds something is set without a call before the `try` that resets
it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

from ...errors import StateError


class Exclusive:
    """A lock for importing or compiling: numba and LLVM end the process if these begin within themselves.

    Another thread waits for its turn. If the thread that does the work asks for it again, because a signal handler or a
    finaliser has interrupted it, it gets a StateError: to wait for itself would take for ever. A fork waits until no
    other thread does the work, because the child would inherit a work half done.

    >>> compiling = Exclusive("the engine compiles")
    >>> compiling(lambda: 3)
    3
    >>> compiling(lambda: compiling(lambda: 3))
    Traceback (most recent call last):
        ...
    minicnn.StateError: the engine compiles in this very thread: a signal handler or a finaliser must not convolve in the meantime. Let it set a flag, and convolve when it has returned
    """  # noqa: E501

    def __init__(self, what: str) -> None:
        self.what, self.busy, self.lock = what, False, threading.RLock()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(before=self.lock.acquire, after_in_parent=self.lock.release,
                                after_in_child=self.lock.release)

    def __call__(self, work: Callable[[], Any]) -> Any:
        with self.lock:
            if self.busy:
                raise StateError(f"{self.what} in this very thread: a signal handler or a finaliser must not convolve "
                                 "in the meantime. Let it set a flag, and convolve when it has returned")
            self.busy = True
            try:
                return work()
            finally:
                self.busy = False


class Turn:
    """A turn that at most one call has at a time. Nobody waits: turn(work, *arguments) tells whether it called `work`.

    >>> turn = Turn()
    >>> turn(lambda: print("inside:", turn(print, 3)))
    inside: False
    True
    """

    def __init__(self) -> None:
        self.taken, self.lock = False, threading.RLock()

    def __call__(self, work: Callable, *arguments: Any) -> bool:
        mine = False
        try:
            with self.lock:
                if not self.taken:
                    self.taken = mine = True
            if mine:
                work(*arguments)
            return mine
        finally:
            if mine:
                self.taken = False
