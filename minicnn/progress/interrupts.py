"""Signals that stop long work: Ctrl-C, the end of the session, SIGTERM. A training stops after the present step.

The handlers only set numbers. Python runs a handler between two lines of the main thread, also inside of a lock that
the same thread holds; so a handler that takes a lock, such as `threading.Event.set`, can wait for itself for ever.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
BURST = 1.0                     # seconds: a signal that follows another one sooner is a part of the same burst

_latest = [-BURST]              # when a handler of this file last got a signal


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, after the state was saved.

    Attributes
    ----------
    signal : int
        The number of the signal.
    """

    signal: int = signal.SIGINT


class Terminated(Interrupted, SystemExit):
    """SIGTERM, or SIGHUP at the end of a session, after the state was saved.

    A program that does not catch it ends with the exit status 128 + `signal`, as a shell reports it: 143 or 129.
    """

    def __init__(self, message: str = "", number: int = signal.SIGTERM):
        super().__init__(message)
        self.signal, self.code = int(number), 128 + number


class Deferred:
    """The handler of `deferred`. `number` is the first signal, or 0.

    While `waits` is false, nothing has been done that is worth saving, and the first signal stops at once.
    """

    def __init__(self) -> None:
        self.number, self.since, self.waits = 0, 0.0, True

    def __call__(self, number: int, frame: FrameType | None) -> None:
        now = _latest[0] = time.monotonic()
        if self.number and now - self.since >= BURST:
            raise KeyboardInterrupt
        if not self.number:
            self.number, self.since = number, now
            if not self.waits:
                raise self.error("stopped in the first step, before anything was saved")

    def take(self, number: int) -> None:
        """Count this signal as the first one: another process of the same run got it."""
        self.number, self.since = number, time.monotonic()

    def error(self, message: str) -> Interrupted:
        """The exception for the signal that came."""
        return Interrupted(message) if self.number == signal.SIGINT else Terminated(message, self.number)


class AtOnce:
    """A handler that raises KeyboardInterrupt for the first signal of a burst. `number` is this signal, or 0.

    A burst that began while `deferred` was open goes on here, and raises nothing more.
    """

    def __init__(self) -> None:
        self.number, self.since = 0, time.monotonic()

    def __call__(self, number: int, frame: FrameType | None) -> None:
        now, before = time.monotonic(), _latest[0]
        _latest[0] = now
        if before < self.since or now - before >= BURST:
            self.number = int(number)
            raise KeyboardInterrupt


@contextlib.contextmanager
def handled(handler: Any, restore: bool = True) -> Iterator[None]:
    """Context manager: `handler` gets the `SIGNALS`, but not those that the process ignores, as after `nohup`.

    It does nothing outside of the main thread, which alone may set handlers. Without `restore` the handlers stay.
    """
    before = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: old for number in SIGNALS if (old := signal.getsignal(number)) not in (None, signal.SIG_IGN)}
    try:
        for number in before:
            signal.signal(number, handler)
        yield
    finally:
        for number, old in before.items() if restore else ():
            signal.signal(number, old)


def ignore_signals() -> None:
    """Ignore the `SIGNALS` from now on: for the last moments of a process that a signal ends."""
    if threading.current_thread() is threading.main_thread():
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)


@contextlib.contextmanager
def deferred() -> Iterator[Deferred]:
    """Context manager: a `Deferred`, whose `number` a signal sets. Thus a step is always finished.

    Signals within a second after the first are a burst, which counts as one signal. A later one stops at once.
    """
    outer = signal.getsignal(signal.SIGINT)
    if isinstance(outer, AtOnce) and outer.number:      # Python loses an exception that is raised in some callbacks
        raise KeyboardInterrupt
    handler = Deferred()
    with handled(handler):
        yield handler
