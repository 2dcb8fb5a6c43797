"""Options of the command line: their types, the rules which exclude each other, and groups that commands share.

A type is a function that turns the text into the value. For a wrong text it raises `argparse.ArgumentTypeError`, and
the command ends with exit status 2 before any work. `Parser.refuse` declares when an option would be ignored; such an
option is an error.
"""

from __future__ import annotations

import argparse
import difflib
import math
import os
import shutil
import textwrap
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import MinicnnError
from ..files import check_destination

PICTURES = (".png", ".pdf", ".svg")


class Help(argparse.HelpFormatter):
    """Shows the defaults except None and False. Folds an example with backslashes; folds no indented line."""

    def __init__(self, prog: str, **options: Any):
        columns = options.pop("width", None) or shutil.get_terminal_size().columns - 2
        super().__init__(prog, max_help_position=max(8, min(24, columns // 4)), width=columns, **options)

    def _get_help_string(self, action):
        default = getattr(action, "fallback", None)
        if default is None or default is False or "%" in (action.help or "") or action.help is argparse.SUPPRESS:
            return action.help
        shown = " ".join(map(str, default)) if isinstance(default, list) else default
        shown = f"{default:g}" if isinstance(default, float) else shown
        return f"{action.help} (default: {shown})"

    def _fill_text(self, text, width, indent):
        paragraphs = text.split("\n\n")
        return "\n\n".join(one if one.startswith("    ") else self._folded(one, width) for one in paragraphs)

    def _folded(self, paragraph, width):
        if not paragraph.startswith("example:") or len(paragraph) <= width:
            return textwrap.fill(" ".join(paragraph.split()), width)
        return " \\\n".join(textwrap.wrap(paragraph, max(width - 2, 9), subsequent_indent="    ",
                                         break_long_words=False, break_on_hyphens=False))


class _Rule(NamedTuple):
    """The options `names` are refused if `applies(arguments)`. `why(option)` is the message."""

    names: tuple[str, ...]
    applies: Callable[[argparse.Namespace], Any]
    why: Callable[[str], str]
    fixed: bool                         # whether the rule never looks at the values of the refused options


class Parser(argparse.ArgumentParser):
    """The parser of a command. It refuses options that would be ignored."""

    def __init__(self, **options: Any):
        self.rules: list[_Rule] = []
        super().__init__(**{"allow_abbrev": False, "formatter_class": Help, **options})

    def add_argument(self, *names: Any, **options: Any) -> argparse.Action:
        """As in argparse, but the default is kept in `fallback`. Thus parsing shows which options were given."""
        action: Any = super().add_argument(*names, **options)
        if action.default is not argparse.SUPPRESS:
            action.fallback, action.default = action.default, argparse.SUPPRESS
        return action

    @property
    def options(self) -> list[str]:
        """The names of the options added so far, as in the parsed arguments: "time_limit" for --time-limit."""
        return [action.dest for action in self._actions if hasattr(action, "fallback")]

    def refuse(self, *names: str, when: Any = None, unless: str | None = None, because: str = "") -> None:
        """Declare a condition under which the options `names` would be ignored. Then they are refused.

        Parameters
        ----------
        names : str
            As in the parsed arguments: "time_limit" for --time-limit.
        when : str, (str, value) or callable, optional
            Another option that is given; an option that has this value; or a function of the arguments. For a function
            `because` must be the whole reason.
        unless : str, optional
            Another option, which must be given.
        because : str
            The reason.
        """
        reason = f": {because}" if because else ""
        if unless is not None:
            rule = _Rule(names, lambda a: not getattr(a, unless), lambda option:
                         f"{option} has no effect without {self._shown(unless)}{reason}", True)
        elif callable(when):
            rule = _Rule(names, when, lambda option: f"{option} has no effect here: {because}", False)
        else:
            name, value = when if isinstance(when, tuple) else (when, None)
            shown = lambda: self._shown(name) + (f" {value}" if value is not None else "")
            met = lambda a: getattr(a, name) == value if value is not None else getattr(a, name)
            rule = _Rule(names, met, lambda option: f"{option} has no effect with {shown()}{reason}. Leave out one of "
                                                    "the two", True)
        self.rules.append(rule)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As in argparse. Then apply the rules and fill in the defaults."""
        namespace, rest = super().parse_known_args(args, namespace)
        if rest:
            self.error(self._unknown(rest))
        actions: dict[str, Any] = {action.dest: action for action in self._actions if hasattr(action, "fallback")}
        given = {name for name in actions if hasattr(namespace, name)}
        for name in actions.keys() - given:
            setattr(namespace, name, actions[name].fallback)
        for name in self._ignored(namespace, given):
            setattr(namespace, name, None)
        for name in actions.keys() - given:
            value, action = getattr(namespace, name), actions[name]
            if isinstance(value, str) and action.type is not None:
                try:
                    setattr(namespace, name, action.type(value))
                except argparse.ArgumentTypeError as error:
                    self.error(str(argparse.ArgumentError(action, str(error))))
        paths = [getattr(namespace, name) for name, action in actions.items() if getattr(action.type, "writes", False)]
        namespace.destinations = [*getattr(namespace, "destinations", ()), *(path for path in paths if path)]
        namespace.prog = getattr(namespace, "prog", self.prog)
        return namespace, rest

    def error(self, message: str) -> Any:
        """Print the message and end the program with status 2."""
        self.exit(2, f"{self.prog}: error: {message}\n{self.prog} --help shows the options.\n")

    def _ignored(self, namespace, given):
        """The options that have no effect here. One that was given ends the program with an error."""
        ignored = set()
        for rule in self.rules:
            if not (rule.fixed or given & set(rule.names)) or not rule.applies(namespace):
                continue
            for name in rule.names:
                if name in given:
                    self.error(rule.why(self._shown(name)))
                if rule.fixed:
                    ignored.add(name)
        return ignored

    def _shown(self, name):
        action = next(action for action in self._actions if action.dest == name)
        return action.option_strings[-1] if action.option_strings else action.metavar

    def _unknown(self, rest):
        known = [option for action in self._actions for option in action.option_strings]
        near = difflib.get_close_matches(rest[0].partition("=")[0], known, 1)
        return f"unknown argument: {' '.join(rest)}" + (f". Did you mean {near[0]}?" if near else "")


def add_command(commands: Any, name: str, run: Callable, summary: str, description: str, example: str,
                **options: Any) -> Parser:
    """Add a command, or a benchmark of `bench`, to the sub-commands. `example` may have more paragraphs."""
    command = commands.add_parser(name, help=summary, description=description, epilog=f"example: {example}", **options)
    command.set_defaults(run=run)
    return command


# Types.

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
    from ..conv import algorithms
    return ["auto", *algorithms()]


# Groups.

def add_json(command: Parser) -> None:
    """Add --json."""
    command.add_argument("--json", action="store_true", help="print the result as one line of JSON, and nothing else "
                                                             "on stdout")


def add_quiet(command: Parser) -> None:
    """Add --quiet."""
    command.add_argument("--quiet", action="store_true", help="show no progress on stderr")


def add_algorithm(command: Parser, default: str, help: str) -> None:
    """Add --algo."""
    command.add_argument("--algo", type=name_of(algorithm_names), default=default, metavar="NAME", help=help)


def add_model(command: Parser) -> None:
    """Add --model."""
    from ..models import MODELS
    command.add_argument("--model", choices=tuple(MODELS), default="lenet", help="the network")


def add_data(command: Parser, default: str = "auto") -> None:
    """Add --dataset and --data."""
    from ..data import DATASETS
    automatic = default == "auto"
    command.add_argument("--dataset", choices=[name for name in DATASETS if automatic or name != "auto"],
                         default=default, help="auto: full MNIST if it is there or can be downloaded, else the "
                         "5,000 embedded digits" if automatic else "the dataset whose files are shown")
    command.add_argument("--data", type=given_path, metavar="DIR",
                         help="directory with the four IDX files (default: the directory in MINICNN_DATA, else the "
                              "cache directory)")
    command.refuse("data", when=("dataset", "mnist5k"), because="these digits are part of the package")
