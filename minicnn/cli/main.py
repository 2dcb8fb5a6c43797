"""The command line `minicnn COMMAND`. To add a command, write one file in `commands/` and add its name to COMMANDS.

Results go to stdout, progress to stderr. Exit status: 0 done, 1 a check failed, 2 bad input or usage, 70 a bug in
minicnn, 130 interrupted (143 by SIGTERM, 129 by SIGHUP). Status 2 is for MinicnnError, OSError (such as a full disk)
and MemoryError. Every other exception is a bug. MINICNN_VERBOSE=1 shows the traceback of an error.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import platform
import shlex
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Sequence

from .. import __version__
from ..errors import MinicnnError, own_place, raised_in
from ..progress.interrupts import SIGNALS, AtOnce, handled, ignore_signals
from ..progress.streams import apart, lasting
from . import BUG, OK, WRONG_INPUT
from .options import Parser
from .output import replacements
from .ranks import PARALLEL, refuse_many, silence_followers

COMMANDS = ("train", "eval", "predict", "runs", "info", "data", "gradcheck", "verify", "invariance", "animate",
            "explore", "export", "bench")

PATIENCE = 1.0                          # seconds until a note about threads of the user's code


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    own_process, argv = argv is None, sys.argv[1:] if argv is None else list(argv)
    handler = AtOnce()
    if own_process:
        silence_followers()
    with lasting(), handled(handler, restore=not own_process):
        try:
            status = _parsed_and_run(argv, own_process)
            status = 128 + handler.number if handler.number else status     # Python has lost the exception
        except KeyboardInterrupt as stop:               # also SIGTERM and SIGHUP
            _print_error(f"\n{getattr(stop, 'prog', 'minicnn')}: interrupted{f': {stop}' if str(stop) else ''}")
            status = 128 + getattr(stop, "signal", handler.number or signal.SIGINT)
            exec("pass")        # resets Python's note of a KeyboardInterrupt inside of exec, which changes the status
        finally:
            if own_process and not _waits_for_threads():
                ignore_signals()                        # the rest of a burst must not disturb the end
        return status


def _parsed_and_run(argv, own_process):
    try:
        from ..conv.runtime.threads import check_environment  # imports NumPy; Ctrl-C ends it well here
        check_environment()                             # before numba is imported
        parser = make_parser()
        if not argv:
            parser.print_help(sys.stderr)
            return WRONG_INPUT
        arguments = parser.parse_args(argv)
    except SystemExit as stop:                          # --help, --version, or wrong usage; argparse has printed it
        return stop.code if isinstance(stop.code, int) else OK
    except (MinicnnError, OSError) as error:
        _print_error(f"minicnn: error: {error}")
        return WRONG_INPUT
    return _run(arguments, argv, own_process)


def make_parser() -> Parser:
    """The parser of all commands."""
    parser = Parser(prog="minicnn", description="A small deep-learning engine that shows, trains and proves what a "
                                                "convolution is.",
                    epilog="example: minicnn train --dry-run, then minicnn COMMAND --help")
    parser.add_argument("--version", action="version", version=f"minicnn {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in COMMANDS:
        importlib.import_module(f".commands.{name}", __package__).add_parser(commands)
    return parser


def _run(arguments, argv, own_process):
    try:
        if arguments.command not in PARALLEL:
            refuse_many(arguments.prog)
        with apart(restore=not own_process), replacements(arguments.destinations), _warning_lines(arguments.prog):
            return arguments.run(arguments) or OK
    except KeyboardInterrupt as stop:                   # first, because `Terminated` is a SystemExit too
        stop.prog = arguments.prog                      # type: ignore[attr-defined]
        raise
    except (MinicnnError, OSError, MemoryError) as error:
        if os.environ.get("MINICNN_VERBOSE"):
            traceback.print_exc()
        _print_error(f"{arguments.prog}: error: {str(error) or 'there is not enough memory'}")
        return WRONG_INPUT
    except Exception:
        traceback.print_exc()
        _print_error(f"{arguments.prog}: this is a bug in minicnn. Please report it with the lines above and this one: "
                     f"minicnn {__version__}, Python {platform.python_version()}, {platform.platform()}, command line: "
                     f"{shlex.join(['minicnn', *argv])}")
        return BUG
    except BaseException as stop:                       # minicnn itself never raises SystemExit or the like here
        _print_error(f"{arguments.prog}: error: your code ended the program by {stop!r}{raised_in(stop)}; it must "
                     "return")
        return WRONG_INPUT


def _waits_for_threads():
    """Whether Python will wait for threads that the user's code started. Then a signal ends the process."""
    others = [one.name for one in threading.enumerate() if not one.daemon and one is not threading.main_thread()]
    if others:
        note = threading.Timer(PATIENCE, _print_error, [f"minicnn: your code left a thread running ({others[0]}); "
                                                        "Ctrl-C ends it"])
        note.daemon = True
        note.start()
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)
    return bool(others)


@contextlib.contextmanager
def _warning_lines(prog):
    """Context manager: a warning is one line on stderr. It names the place only if that is in the user's own code."""
    def show(message, category, filename, line, file=None, text=None):
        _print_error(f"{prog}: warning: {message}{own_place(filename, line)}")
    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def _print_error(line):
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
