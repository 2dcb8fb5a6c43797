"""Progress of long work: one protocol for all functions, and the only progress bar.

A function that takes long has a parameter `progress`. During its work it calls `progress.update(done, total, text)`,
and `progress.note(line)` for a line that stays on the screen. The command line passes the object that `on_stderr`
gives. By default a function of the library is silent. With `progress=True`, `fit` shows what
`on_stderr` gives: on a terminal, in a file and in a notebook.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

from ..errors import InputTypeError

FIRST, EVERY = 1.0, 20.0        # seconds before the first line of `Lines`, and between two lines after that
MEASURED, PART = 2.0, 0.02      # a time left is shown after so many seconds and such a part of the work
NARROWEST = 20                  # columns of a terminal that has a bar
UNKNOWN = "--:--"               # in a bar, instead of the time left


class Progress:
    """The protocol: the base class of all kinds of progress. It prints nothing."""

    def update(self, done: float, total: float, text: str = "") -> None:
        """`done` of `total` units of work are done. `text` describes the present unit."""

    def note(self, line: str) -> None:
        """Show a line to the reader, such as the result of an epoch."""


class Notes(Progress):
    """Prints only the notes, on stderr."""

    def note(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)


SILENT, NOTES = Progress(), Notes()


class Part(Progress):
    """A part of larger work: it goes from the fraction `start` to the fraction `stop` of the whole.

    >>> class Print(Progress):
    ...     def update(self, done, total, text=""):
    ...         print(f"{done / total:.0%} {text}")
    >>> Part(Print(), 0.5, 1.0, "second half: ").update(1, 2, "digits")
    75% second half: digits
    """

    def __init__(self, whole: Progress, start: float, stop: float, prefix: str = ""):
        self.whole, self.start, self.stop, self.prefix = whole, start, stop, prefix

    def update(self, done: float, total: float, text: str = "") -> None:
        self.whole.update(self.start + (self.stop - self.start) * done / max(total, 1e-12), 1.0, self.prefix + text)

    def note(self, line: str) -> None:
        self.whole.note(line)


class _TimeLeft:
    """Estimates the time left. A unit of work that compiles code takes much longer than others and does not count."""

    def __init__(self) -> None:
        self.last: tuple[float, float] | None = None    # the time and the part done at the last call; a resumed run
        self.elapsed, self.done = 0.0, 0.0              # begins at a part above 0. The time and part that count
        self.apart = False                              # whether the last unit did not count

    def seconds(self, part: float) -> float | None:
        """The seconds left when `part` of the work is done. None if too little is measured."""
        now = time.monotonic()
        if self.last is None:
            self.last = now, part
        taken, unit = now - self.last[0], part - self.last[1]
        if unit > 0:
            self.last = now, part
            slow = taken > 1 and taken * self.done > 10 * unit * self.elapsed
            first = self.done == 0 and not self.apart
            self.apart = first or slow and not self.apart       # two slow units in a row: the work itself is slow
            if not self.apart:
                self.elapsed, self.done = self.elapsed + taken, self.done + unit
        measured = self.elapsed >= MEASURED and self.done >= PART
        return self.elapsed / self.done * (1 - part) if measured else None


class Lines(Notes):
    """Plain lines on stderr with the time left: the first after a second, then one every `EVERY` seconds.

    It is a context manager. Inside of the block the first line comes even if the work reports nothing in that second.
    """

    def __init__(self, title: str):
        self.title, self.next, self.left = title, time.monotonic() + FIRST, _TimeLeft()
        self.newest = 0.0, ""                           # the part of the work that is done, and the text
        self.timer = threading.Timer(FIRST, self._first)
        self.timer.daemon = True

    def __enter__(self) -> Lines:
        with contextlib.suppress(RuntimeError):         # the system allows no more threads
            self.timer.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.timer.cancel()

    def _first(self):
        if self.next < time.monotonic() + EVERY / 2:    # no line yet
            self._print(None)

    def update(self, done: float, total: float, text: str = "") -> None:
        now, part = time.monotonic(), done / max(total, 1e-12)
        seconds = self.left.seconds(part)
        self.newest = part, text
        if now >= self.next:
            self._print(seconds)

    def _print(self, seconds):
        self.next = time.monotonic() + EVERY
        part, text = self.newest
        left = "" if seconds is None else f", about {duration(seconds)} left"
        print(f"{self.title}: {part:.0%}{left}{f'  {text}' if text else ''}", file=sys.stderr, flush=True)


class Bar(Progress):
    """A progress bar on stderr with the time left. It is a context manager."""

    def __init__(self, title: str):
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
        from rich.table import Column
        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(bar_width=console.width // 10), TaskProgressColumn(),
                   TextColumn("{task.fields[left]}", style="progress.remaining"),
                   TextColumn("{task.fields[text]}", table_column=Column(ratio=1, no_wrap=True)))     # is cut first
        self.bar = Progress(*columns, console=console, transient=True, expand=True)
        self.task, self.left = self.bar.add_task(title, total=None, text="", left=UNKNOWN), _TimeLeft()

    def __enter__(self) -> Bar:
        self.bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.bar.stop()

    def update(self, done: float, total: float, text: str = "") -> None:
        seconds = self.left.seconds(done / max(total, 1e-12))
        left = UNKNOWN if seconds is None else "{:02d}:{:02d}".format(*divmod(round(seconds), 60))
        self.bar.update(self.task, completed=done, total=total, text=text, left=left)

    def note(self, line: str) -> None:
        self.bar.console.print(line, highlight=False, markup=False)


@contextlib.contextmanager
def on_stderr(title: str, quiet: bool = False) -> Iterator[Progress]:
    """Context manager: a Progress on stderr. With `quiet` it is silent, on a terminal a bar, otherwise lines.

    In a notebook it is a bar in the output of the cell.

    >>> with on_stderr("digits", quiet=True) as progress:
    ...     progress.update(1, 10)
    """
    from ..notebook import shell  # imports NumPy, which takes a while: Ctrl-C must end it well

    if quiet:
        yield SILENT
    elif shell() is not None:
        from .cell import Cell
        with Cell(title) as cell:
            yield cell
    elif sys.stderr.isatty() and os.environ.get("TERM") not in ("", "dumb", "unknown") and _is_wide():
        with Bar(title) as bar:
            yield bar
    else:
        with Lines(title) as lines:
            yield lines


@contextlib.contextmanager
def shown(progress: Progress | bool, title: str) -> Iterator[Progress]:
    """Context manager: `progress` itself, or for True what `on_stderr` gives, and for False nothing that is seen.

    Raises
    ------
    InputTypeError
        It is neither a Progress nor a bool.

    Examples
    --------
    >>> with shown(False, "digits") as progress:
    ...     progress.update(1, 10)
    """
    check_progress(title, progress)
    if isinstance(progress, bool):
        with on_stderr(title, quiet=not progress) as found:
            yield found
    else:
        yield progress


def check_progress(function: str, progress: Any) -> None:
    """Raise InputTypeError, in the name of the function, if `progress` is neither a Progress nor a bool."""
    complete = all(callable(getattr(progress, name, None)) for name in ("update", "note"))
    if not complete and not isinstance(progress, bool):
        raise InputTypeError(f"{function}: progress must be True, False or a minicnn.progress.Progress, not "
                             f"{progress!r}")


def _is_wide():
    """Whether the terminal has room for a bar. One in a container may say that it has 0 columns; rich takes 80 then."""
    try:
        return not 0 < os.get_terminal_size(sys.stderr.fileno()).columns < NARROWEST
    except (OSError, ValueError):
        return True


def duration(seconds: float) -> str:
    """Seconds as text.

    >>> duration(200), duration(7.4)
    ('3 min 20 s', '7 s')
    """
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes} min {seconds:02d} s" if minutes else f"{seconds} s"
