"""Print results on stdout (`print_line`, `print_text`, `print_table`, `print_result`), notes on stderr (`note_stderr`).

Tables fit the width of the terminal.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..files.json_text import as_json
from ..progress.streams import results

GAP = 2                                                 # spaces between two columns
WIDEST = 1000                                           # characters of a line
HIDDEN = "columns that do not fit"


def print_line(text: str) -> None:
    """Print a line of the result on stdout, as it is."""
    print(text, file=results(), flush=True)


def print_result(arguments: Any, result: Any, text: Callable[[], object]) -> None:
    """Print the result on stdout: with --json one line of JSON; without it, call `text`, which prints the result."""
    if arguments.json:
        print_line(as_json(result))
    else:
        text()


def print_text(text: str) -> None:
    """Print a paragraph of the result on stdout, wrapped at the width."""
    print_line(wrap(text, width()))


def note_stderr(text: str, quiet: bool = False) -> None:
    """Print a line on stderr, or nothing if `quiet`."""
    if not quiet:
        print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def replacements(paths: Iterable[Path]) -> Iterator[None]:
    """Context manager: print on stderr which of these files existed before and were replaced."""
    before = {path: found for path in paths if (found := _identity(path))}
    try:
        yield
    finally:
        for path, found in before.items():
            if _identity(path) not in (None, found):
                note_stderr(f"{path}: replaced")


def _identity(path):
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def width() -> int:
    """The width of the result in characters: COLUMNS if it is set, else that of the terminal, else 80."""
    given = os.environ.get("COLUMNS", "")
    if given.isascii() and given.isdigit() and int(given[:9]) > 0:
        return min(max(20, int(given[:9])), WIDEST)
    try:
        columns = os.get_terminal_size(results().fileno()).columns
    except (OSError, ValueError, AttributeError):
        columns = 0
    return max(20, columns) if columns else 80          # a terminal in a container may say 0


def wrap(text: str, columns: int, indent: str = "") -> str:
    """Wrap text between words. A word that is longer than a line stays whole. Existing line breaks stay.

    >>> print(wrap("a file: runs/first/best.safetensors", 12, "  "))
    a file:
      runs/first/best.safetensors
    """
    lines = [(line[:len(line) - len(line.lstrip())], line.lstrip()) for line in text.split("\n")]
    return "\n".join(textwrap.fill(line, columns, initial_indent=start, subsequent_indent=indent,
                                   break_long_words=False, break_on_hyphens=False) for start, line in lines)


def plain_style(draw: Callable) -> Callable:
    """Decorator: the pictures of a command do not depend on the user's file matplotlibrc."""
    @functools.wraps(draw)
    def wrapped(*arguments: Any) -> Any:
        from .. import viz
        with viz.plain_style():
            return draw(*arguments)
    return wrapped


def save_picture(figure: Any, path: Path, arguments: Any) -> None:
    """Write a figure of a command with the size and the dpi that the user gave."""
    from ..viz import save
    save(figure, path, arguments.picture_size, arguments.dpi)


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes
    ----------
    title : str
    rank : int
        If the width does not suffice, the column with the largest rank is left out first. Rank 0 is never left out.
    left : bool
        Whether the column is aligned at the left, as text is. Numbers are aligned at the right.
    least : int
        The smallest width to which the text may be wrapped; 0: the text is never wrapped.
    """

    title: str
    rank: int = 0
    left: bool = False
    least: int = 0


def print_table(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> str:
    """Print a table of the result on stdout, and return it; see `table`."""
    text = table(columns, rows, width())
    print_line(text)
    return text


def table(columns: Sequence[Column], rows: Sequence[Sequence[str]], columns_wide: int) -> str:
    """A table of texts. It is at most `columns_wide` wide, unless a single word is wider.

    Empty columns are left out. If the width does not suffice, columns are left out by their rank, and a line under the
    table names them. If the columns of rank 0 do not fit either, each row becomes a block of lines "title: text".

    >>> columns = Column("layer", left=True), Column("products", rank=1), Column("sees")
    >>> print(table(columns, [["conv1", "288,000", "5 px"], ["conv2", "8,000,000", "9 px"]], 80))
    layer   products  sees
    -----  ---------  ----
    conv1    288,000  5 px
    conv2  8,000,000  9 px
    >>> print(table(columns, [["conv1", "288,000", "5 px"]], 16))
    layer  sees
    -----  ----
    conv1  5 px
    columns that do
    not fit:
    products (a
    wider terminal
    shows them)
    >>> print(table(columns, [["conv1", "288,000", "5 px"]], 9))
    conv1
      products:
        288,000
      sees: 5
        px
    """
    used = [i for i, column in enumerate(columns) if column.title or any(row[i] for row in rows)]
    used = [i for i in used if any(row[i] for row in rows) or not rows]
    full = {i: max(len(line) for text in (columns[i].title, *(row[i] for row in rows)) for line in text.split("\n"))
            for i in used}
    least = {i: min(full[i], max(columns[i].least, _longest_word(columns[i].title, rows, i))) if columns[i].least
             else full[i] for i in used}
    shown, gone = list(used), []
    room = lambda widths: sum(widths[i] + GAP for i in shown) - GAP
    while room(least) > columns_wide and any(columns[i].rank for i in shown):
        gone.append(max(shown, key=lambda i: columns[i].rank))
        shown.remove(gone[-1])
    if room(least) > columns_wide:
        return _blocks(columns, rows, used, columns_wide)
    widths = _widened({i: least[i] for i in shown}, full, rows, columns_wide - room(least))
    lines = [_line(columns, shown, widths, [columns[i].title for i in shown]),
             (" " * GAP).join("-" * widths[i] for i in shown)]
    lines += [_line(columns, shown, widths, [row[i] for i in shown]) for row in rows]
    if gone:
        lines.append(wrap(f"{HIDDEN}: {', '.join(columns[i].title for i in sorted(gone))} (a wider "
                          "terminal shows them)", columns_wide))
    return "\n".join(lines)


def _widened(widths, full, rows, spare):
    """Share out the spare characters. Each one goes to the column whose texts need most lines."""
    letters = {i: sum(len(row[i]) for row in rows if len(row[i]) > widths[i]) for i in widths}
    for _ in range(spare):
        folded = [i for i in widths if widths[i] < full[i]]
        if folded:
            widths[max(folded, key=lambda i: letters[i] / widths[i])] += 1
    return widths


def _longest_word(title, rows, i):
    return max((len(word) for text in (title, *(row[i] for row in rows)) for word in text.split()), default=0)


def _line(columns, shown, widths, texts):
    """One row of the table. It has as many lines as its longest cell."""
    cells = [wrap(text, widths[i]).split("\n") if columns[i].least else text.split("\n")
             for i, text in zip(shown, texts, strict=True)]
    lines = []
    for number in range(max(map(len, cells))):
        parts = [cell[number] if number < len(cell) else "" for cell in cells]
        lines.append((" " * GAP).join(part.ljust(widths[i]) if columns[i].left else part.rjust(widths[i])
                                      for i, part in zip(shown, parts, strict=True)).rstrip())
    return "\n".join(lines)


def _blocks(columns, rows, used, columns_wide):
    lines = []
    for row in rows:
        lines.append(wrap(row[used[0]], columns_wide))
        for i in used[1:]:
            if row[i]:
                text = f"{columns[i].title}: {row[i]}" if columns[i].title else row[i]
                lines.append(textwrap.fill(text, columns_wide, initial_indent="  ", subsequent_indent="    ",
                                           break_long_words=False, break_on_hyphens=False))
    return "\n".join(lines)
