"""The names of classes as text."""

from __future__ import annotations


def printable(name: str) -> str:
    """The name of a class as text that every file and every terminal can show.

    >>> printable("a\\nb")
    'a\\\\nb'
    """
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
