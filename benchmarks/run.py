"""Measure the rows of RESULTS.md, and write benchmarks/results/ and RESULTS.md after each of them.

    python benchmarks/run.py                                        all rows, for each instruction set
    python benchmarks/run.py --rows step-64 fixed --instructions avx2

The instruction set "native" is the best that each library finds. "avx2" holds all libraries to AVX2, see `minicnn bench
train --help`. On a processor with AVX-512 both are measured, elsewhere only "native". A row that is measured again
replaces that row alone. Nothing else should run on the machine.
"""

import argparse
import json
import subprocess
import sys
import time

import results_page
from rows import ROWS, store, target_of

from minicnn.bench import instruction_sets
from minicnn.cli import FAILED, OK
from minicnn.conv.runtime.target import target
from minicnn.errors import InputError
from minicnn.progress import duration

INTERRUPTED = 130


def parser():
    """The options."""
    command = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    option = command.add_argument
    option("--rows", nargs="+", choices=ROWS, default=list(ROWS), metavar="ROW",
           help=f"the rows to measure (default: all): {', '.join(ROWS)}")
    option("--instructions", nargs="+", type=_instructions, metavar="SET",
           help=f"the instruction sets: {', '.join(instruction_sets.NAMES)}")
    option("--repeats", type=_positive, metavar="N", help="rounds of every row instead of its own number")
    option("--list", action="store_true", help="only print the commands")
    return command


def _instructions(name):
    try:
        return instruction_sets.check(name)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _positive(text):
    if not (text.isascii() and text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError(f"must be an integer of at least 1, not {text!r}")
    return int(text)


def every_set():
    """The instruction sets that one run measures on this machine."""
    return [instruction_sets.NATIVE, *([instruction_sets.AVX2] if target().name == "AVX-512" else [])]


def seconds_left(work, done, spent):
    """The time of the work from number `done` on, if it goes on as the work before took `spent` seconds.

    >>> seconds_left([("product", "native"), ("product", "avx2")], 1, 30.0)
    30.0
    """
    seconds = [ROWS[name].seconds for name, _ in work]
    return sum(seconds[done:]) * (spent / sum(seconds[:done]) if done else 1.0)


def measure(arguments):
    """One command. -> its exit status, and its result (None if it has none or was interrupted)."""
    process = subprocess.run([sys.executable, "-P", "-m", "minicnn", *arguments, "--json"], stdout=subprocess.PIPE,
                             text=True)
    complete = process.returncode in (OK, FAILED) and process.stdout
    return process.returncode, json.loads(process.stdout) if complete else None


def measure_all(work, repeats):
    """Measure every (row, instruction set) of `work`. -> the worst exit status."""
    begun, worst = time.monotonic(), OK
    for number, (name, instructions) in enumerate(work):
        arguments = ROWS[name].command(instructions, repeats)
        left = duration(seconds_left(work, number, time.monotonic() - begun))
        print(f"{number + 1} of {len(work)} ({name}), about {left} left: minicnn {' '.join(arguments)}",
              file=sys.stderr, flush=True)
        status, result = measure(arguments)
        if result is not None and target_of(result):
            path = store(name, {"command": " ".join(["minicnn", *arguments]), **result})
            results_page.write()
            print(f"{path.parent.name}/{path.name} is written" + (
                "; a result in it is wrong or minicnn failed" if status == FAILED else ""), file=sys.stderr)
        else:
            print(f"{name} has no result (exit status {status})", file=sys.stderr)
        if status == INTERRUPTED:
            return status
        worst = max(worst, abs(status))           # a negative one is the signal that ended the process
    return worst


def main(arguments=None):
    """Measure what the options choose. -> the exit status."""
    chosen = parser().parse_args(arguments)
    work = [(name, instructions) for instructions in dict.fromkeys(chosen.instructions or every_set())
            for name in dict.fromkeys(chosen.rows)]
    if chosen.list:
        for name, instructions in work:
            print("minicnn", *ROWS[name].command(instructions, chosen.repeats))
        return OK
    try:
        return measure_all(work, chosen.repeats)
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
