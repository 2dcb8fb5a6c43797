"""Fuzz the readers of files: `python -m tests.fuzz [TARGET ...] [--inputs N] [--seed S]`, in the repository's folder.

Without a target all targets share the inputs. One million inputs take about half an hour. The exit status is 1 if an
input failed; the input is kept in the current directory, and its number makes it again.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.fuzz.run import MEMORY, SECONDS, fuzz
from tests.fuzz.targets import TARGETS


def main(argv=None):
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.split("\n\n")[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"{', '.join(TARGETS)} (default: all)")
    parser.add_argument("--inputs", type=int, default=10_000, metavar="N", help="inputs in all (default: 10000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, metavar="I", help="number of the first input of each target")
    arguments = parser.parse_args(argv)
    names = arguments.targets or list(TARGETS)
    if unknown := set(names) - set(TARGETS):
        parser.error(f"there is no target {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}")
    shares = sum(TARGETS[name].share for name in names)
    failed = False
    for name in names:
        count = max(1, arguments.inputs * TARGETS[name].share // shares)
        with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
            result = fuzz(TARGETS[name](Path(folder)), count, arguments.seed, arguments.first, hang=10 * SECONDS)
        print(f"{name:8} seed {arguments.seed}: {result}", flush=True)
        for number, content, reason in result.failures[:5]:
            failed = True
            kept = Path(f"fuzz-{name}-{arguments.seed}-{number}")
            kept.write_bytes(content)
            print(f"  input {number}, kept as {kept}: {reason}", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
