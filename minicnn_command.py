"""The command `minicnn`. Ctrl-C while the package is imported ends it as Ctrl-C later does, without a traceback."""

import sys


def main() -> int:
    """Import the command line, run it, and return its exit status."""
    try:
        from minicnn.cli.main import main as run
        return run()
    except KeyboardInterrupt:
        print("\nminicnn: interrupted", file=sys.stderr)
        return 130
