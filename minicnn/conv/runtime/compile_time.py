"""How long this process has compiled or loaded kernels: what measures a user's code leaves that out."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

_seconds = 0.0


def compile_seconds() -> float:
    """The seconds so far.

    >>> before = compile_seconds()
    >>> with counted():
    ...     time.sleep(0.001)
    >>> compile_seconds() - before >= 0.001
    True
    """
    return _seconds


@contextlib.contextmanager
def counted() -> Iterator[None]:
    """Context manager: count the seconds of the block."""
    global _seconds
    start = time.perf_counter()
    try:
        yield
    finally:
        _seconds += time.perf_counter() - start
