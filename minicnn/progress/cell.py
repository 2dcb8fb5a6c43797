"""A progress bar in the output of a notebook's cell."""

from __future__ import annotations

import secrets
import time
from html import escape
from typing import Any

from ..notebook import paragraph, shell
from . import Progress, _TimeLeft, duration

PERIOD = 0.2                    # seconds between two updates of the output
NOTES = 30                      # the most notes that are shown


class Cell(Progress):
    """One output that is updated in place: the bar, the time left, and the notes below. It is a context manager.

    It needs no widgets. At the end the output has the time that the work took, and the notes. Text that others print
    stands in an output of its own.
    """

    def __init__(self, title: str):
        self.title, self.start, self.left = title, time.monotonic(), _TimeLeft()
        self.part, self.text = 0.0, ""                          # of the newest update
        self.seconds: float | None = None                       # left
        self.notes: list[str] = []
        self.shell, self.identity, self.next = shell(), secrets.token_hex(8), 0.0

    def __enter__(self) -> Cell:
        self._publish(self._line(), first=True)
        return self

    def __exit__(self, kind: Any, *exception: object) -> None:
        took = duration(time.monotonic() - self.start)
        self._publish(f"{self.title}: done in {took}" if kind is None else
                      f"{self.title}: stopped at {self.part:.0%}, after {took}", bar=False)

    def update(self, done: float, total: float, text: str = "") -> None:
        self.part, self.text = done / max(total, 1e-12), text
        self.seconds = self.left.seconds(self.part)
        if time.monotonic() >= self.next:
            self._publish(self._line())

    def note(self, line: str) -> None:
        self.notes.append(line)
        self._publish(self._line())

    def _line(self):
        left = "" if self.seconds is None else f", about {duration(self.seconds)} left"
        return f"{self.title}: {self.part:.0%}{left}{f'  {self.text}' if self.text else ''}"

    def _publish(self, line, bar=True, first=False):
        """Show this state, in a new output or in place of the last state."""
        self.next = time.monotonic() + PERIOD
        shown = self.notes[-NOTES:]
        lines = [line, *(["..."] if len(shown) < len(self.notes) else []), *shown]
        html = f'<progress value="{self.part:.4f}" max="1" style="width:100%"></progress>' if bar else ""
        html = paragraph(line) + html
        if shown:
            notes = "\n".join(map(escape, lines[1:]))
            html += f'<pre style="margin:2px 0;white-space:pre-wrap">{notes}</pre>'
        self.shell.display_pub.publish({"text/plain": "\n".join(lines), "text/html": html},
                                       transient={"display_id": self.identity}, update=not first)
