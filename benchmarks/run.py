"""Measure the standard set, a quarter of an hour on two cores: benchmarks/results.json and benchmarks/speed.png.

    python benchmarks/run.py [--against torch,tensorflow]
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from minicnn import viz
from minicnn.viz.speed import speed_and_error

HERE = Path(__file__).parent
STANDARD = (
    ["train", "--batch-size", "64", "256"],
    ["train", "--batch-size", "64", "--threads", "1"],
    ["train", "--forward", "--batch-size", "1", "64", "256"],
    ["conv"],
)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", default="installed", help="libraries to compare with")
    against = parser.parse_args().against
    results = []
    for arguments in STANDARD:
        others = "installed" if arguments[0] == "conv" else against
        command = [sys.executable, "-m", "minicnn", "bench", *arguments, "--against", others, "--json"]
        print(" ".join(command[2:]), file=sys.stderr)
        process = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        if not process.stdout:
            return process.returncode
        results.append(json.loads(process.stdout))
        (HERE / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    viz.save(speed_and_error(results), HERE / "speed.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
