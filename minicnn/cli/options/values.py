"""Types of options: each is a function that turns the text into the value.

For a wrong text it raises `argparse.ArgumentTypeError`, and the command ends with exit status 2 before any work.
"""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ...errors import MinicnnError
from ...files import check_destination

PICTURES = (".png", ".pdf", ".svg")


def from_checked(function: Callable) -> Callable:
    """Pass a MinicnnError's message to argparse. For a ValueError argparse prints its own message."""
    def parse(text: str) -> Any:
        try:
            return function(text)
        except MinicnnError as error:
            raise argparse.ArgumentTypeError(str(error)) from error
    return parse


def to_integer(least: int | None = None, most: int | None = None) -> Callable[[str], int]:
    """An integer from `least` to `most`.

    >>> to_integer(1)("0")
    Traceback (most recent call last):
        ...
    argparse.ArgumentTypeError: must be an integer of at least 1, not '0'
    """
    bounds = f" from {least} to {most}" if most is not None else f" of at least {least}" if least is not None else ""

    def parse(text: str) -> int:
        digits = text.strip().removeprefix("-")
        value = int(text) if digits.isascii() and digits.isdigit() and len(digits) < 19 else None
        if value is None or least is not None and value < least or most is not None and value > most:
            raise argparse.ArgumentTypeError(f"must be an integer{bounds}, not {text!r}")
        return value
    return parse


def to_number(above: float, most: float = math.inf) -> Callable[[str], float]:
    """A finite number above `above`, at most `most`.

    >>> to_number(above=0)("nan")
    Traceback (most recent call last):
        ...
    argparse.ArgumentTypeError: must be a number above 0, not 'nan'
    """
    bounds = f" above {above:g}" + (f" and at most {most:g}" if most < math.inf else "")

    def parse(text: str) -> float:
        try:
            value = float(text) if text.isascii() and "_" not in text else math.nan
        except ValueError:
            value = math.nan
        if not (above < value <= most and math.isfinite(value)):
            raise argparse.ArgumentTypeError(f"must be a number{bounds}, not {text!r}")
        return value
    return parse


def threads(text: str) -> int:
    """A number of threads, at most the number of cores that this process may use."""
    count = to_integer(1)(text)
    most = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if count > most:
        raise argparse.ArgumentTypeError(f"{count} is too many: this process may use {most} core{'s' * (most != 1)}, "
                                         "and each thread needs one")
    return count


def given_path(text: str) -> str:
    """The path of a file or directory that the command reads. It must not be empty.

    A ~ at its beginning is the home directory, as in all options: shells leave the ~ of --data=~/digits."""
    if not text.strip():
        raise argparse.ArgumentTypeError("the path is empty: name a file or a directory, or leave the option out")
    return os.path.expanduser(text)


def commas(item: Callable[[str], Any], example: str, count: int | None = None,
           repeats: bool = True) -> Callable[[str], tuple]:
    """A list with commas. `item` reads each item. If `count` is given, the list must have so many items.

    Without `repeats`, an item that stands twice in the list is an error.

    >>> commas(to_integer(0), "3,7")("3, 7")
    (3, 7)
    >>> commas(to_integer(1), "16,16", 2)("5")
    Traceback (most recent call last):
        ...
    argparse.ArgumentTypeError: write 2 values with a comma between, as in 16,16, not '5'
    """
    def parse(text: str) -> tuple:
        parts = [part.strip() for part in text.split(",")]
        if count is not None and len(parts) != count:
            raise argparse.ArgumentTypeError(f"write {count} values with a comma between, as in {example}, not "
                                             f"{text!r}")
        try:
            values = tuple(item(part) for part in parts)
        except argparse.ArgumentTypeError as error:
            if text.strip() in parts:                   # a single item: its own message is enough
                raise
            raise argparse.ArgumentTypeError(f"in {text!r}: each {error}; write as in {example}") from error
        twice = [part for part, value in zip(parts, values, strict=True) if values.count(value) > 1]
        if twice and not repeats:
            raise argparse.ArgumentTypeError(f"in {text!r}: {twice[0]} stands there twice; name it once")
        return values
    return parse


def name_of(known: Callable[[], Iterable[str]] | Iterable[str]) -> Callable[[str], str]:
    """One of the known names. If `known` is a function that returns them, it is called when a text is read.

    >>> name_of(("mlp", "lenet"))("vgg")
    Traceback (most recent call last):
        ...
    argparse.ArgumentTypeError: must be one of mlp, lenet, not 'vgg'
    """
    def parse(text: str) -> str:
        names = list(known() if callable(known) else known)
        if text not in names:
            raise argparse.ArgumentTypeError(f"must be one of {', '.join(names)}, not {text!r}")
        return text
    return parse


def names(known: Callable[[], Iterable[str]] | Iterable[str], example: str) -> Callable[[str], tuple[str, ...]]:
    """A list of known names with commas, each name once."""
    return commas(name_of(known), example, repeats=False)


def shape(text: str) -> tuple[int, ...]:
    """The shape of an array, as in 3,4.

    >>> shape("(3, 4)"), shape("5")
    ((3, 4), (5,))
    """
    return commas(to_integer(1), "3,4")(text.strip().removeprefix("(").removesuffix(")").removesuffix(","))


def destination(*endings: str) -> Callable[[str], Path]:
    """The path of a file that can be written and has one of these endings."""
    return writes(from_checked(lambda text: check_destination(os.path.expanduser(text), endings)))


def writes(parse: Any) -> Callable[[str], Path]:
    """Mark a type whose values are files that the command writes. `Parser` lists these files in `destinations`."""
    parse.writes = True
    return parse


def algorithm_names() -> list[str]:
    """The possible values of --algo."""
    from ...conv import algorithms
    return ["auto", *algorithms()]
