"""The parser of a command: its help, and the rules by which options exclude each other."""

from __future__ import annotations

import argparse
import difflib
import shutil
import textwrap
from collections.abc import Callable
from typing import Any, NamedTuple


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
