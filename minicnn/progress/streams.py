"""stdout and stderr of a command: they last as long as the command, and only results go to stdout."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any

_results: list[Any] = []                                # while `apart` is open: the stream of the results


class _Lasting:
    """A stream whose reader may go away, as in `minicnn info | head -1`. Text that is written after that is lost.

    The user's code may close it, as `with sys.stdout` does; this only flushes it. A character that the encoding of the
    stream does not have is written as an escape such as \\xe9.
    """

    def __init__(self, stream: Any, raises: bool):
        self.stream, self.raises = stream, raises       # raises: raise errors other than a closed pipe: a full disk

    def write(self, text: str) -> int:
        try:
            self._try(lambda: self.stream.write(text))
        except UnicodeEncodeError as error:
            known = text.encode(error.encoding, "backslashreplace").decode(error.encoding)
            self._try(lambda: self.stream.write(known))
        return len(text)

    def writelines(self, lines: Any) -> None:
        self.write("".join(lines))

    def flush(self) -> None:
        self._try(self.stream.flush)

    close = flush

    def __enter__(self) -> _Lasting:
        return self

    def __exit__(self, *exception: object) -> None:
        self.flush()

    def _try(self, action):
        try:
            action()
        except OSError as error:
            with contextlib.suppress(OSError, ValueError):          # a stream without a descriptor stays as it is
                os.dup2(os.open(os.devnull, os.O_WRONLY), self.stream.fileno())
            if self.raises and not isinstance(error, BrokenPipeError):
                raise
        except ValueError:
            if not self.stream.closed:                              # the user's code closed sys.__stderr__
                raise

    def __getattr__(self, name):
        return getattr(self.stream, name)


def results() -> Any:
    """The stream to which results are printed."""
    return _results[-1] if _results else sys.stdout


@contextlib.contextmanager
def lasting() -> Iterator[None]:
    """Context manager: the command does its work even if stdout or stderr is closed or loses its reader."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:                                 # closed by `>&-`: the next open file would get this number
            os.open(os.devnull, os.O_RDWR)
    before = sys.stdout, sys.stderr
    sys.stdout = _Lasting(sys.stdout or open(os.devnull, "w"), True)            # noqa: SIM115
    sys.stderr = _Lasting(sys.stderr or open(os.devnull, "w"), False)           # noqa: SIM115
    try:
        yield
    finally:
        sys.stderr.flush()
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        sys.stdout, sys.stderr = before


@contextlib.contextmanager
def apart(restore: bool = True) -> Iterator[None]:
    """Context manager: inside, only the stream of `results` reaches stdout.

    Text that a user's code, a library or another process prints on stdout goes to stderr. Without `restore` this is so
    until the process ends: for text that Python or C keeps in a buffer, and for functions that `atexit` calls.
    """
    stdout = sys.stdout
    try:
        real = stdout.fileno() == 1
    except (OSError, ValueError, AttributeError):       # not a file, because a test captures stdout
        real = False
    if real:
        stdout.flush()
        found: Any = _Lasting(os.fdopen(os.dup(1), "w", encoding=stdout.encoding, errors=stdout.errors), True)
        os.dup2(2, 1)
    else:
        found = stdout
    _results.append(found)
    sys.stdout = sys.stderr
    try:
        yield
        found.flush()
    finally:
        sys.stdout = stdout
        _results.pop()
        if real:
            for stream in (found, stdout):
                with contextlib.suppress(OSError):
                    stream.flush()
            if restore:
                os.dup2(found.fileno(), 1)
            found.stream.close()
