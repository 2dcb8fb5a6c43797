"""Options for the fields of a dataclass."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from .parser import Parser
from .values import from_checked


def add_settings(command: Parser, settings: type, but: Sequence[str] = (), **defaults: tuple[Any, str]) -> None:
    """Add an option for each field of a dataclass, but not for the fields that `but` names.

    The fields are integers, floats or texts. In the field's metadata stand under "help" the help of the option, under
    "choices" the possible texts, and under "fits" other settings without which the dataclass refuses the value. The
    checks are those of the dataclass itself. `defaults` are other defaults for the command line, each with a text for
    the help.
    """
    for field in fields(settings):
        name = field.name
        if name in but:
            continue
        default, more = defaults.get(name, (field.default, ""))
        options = {"default": default, "help": field.metadata["help"] + (f"; {more}" if more else "")}
        if "choices" in field.metadata:
            options["choices"] = field.metadata["choices"]
        else:
            kind = float if "float" in str(field.type) else int
            options |= {"type": _field(settings, name, kind, field.metadata.get("fits", {})),
                        "metavar": "N" if kind is int else "X"}
        command.add_argument(f"--{name.replace('_', '-')}", **options)


def _field(settings, name, kind, fits):
    def parse(text: str) -> Any:
        try:
            value = kind(text if text.isascii() and "_" not in text else "")       # Python takes 1_0 as 10
        except ValueError:
            what = "an integer" if kind is int else "a number"
            raise argparse.ArgumentTypeError(f"must be {what}, not {text!r}") from None
        settings(**{**fits, name: value})               # raises what is wrong with the value
        return value
    return from_checked(parse)
