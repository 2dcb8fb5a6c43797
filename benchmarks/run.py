"""Measure the standard set: benchmarks/results.json, RESULTS.md and speed.png. It takes 15 minutes on two cores.

    python benchmarks/run.py [--against torch,tensorflow]

The files are replaced after each of the four commands that it runs.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from results_page import page

from minicnn import viz
from minicnn.files import write_atomically
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
        arguments = ["bench", *arguments, "--against", "installed" if arguments[0] == "conv" else against]
        command = " ".join(["minicnn", *arguments])
        print(command, file=sys.stderr)
        process = subprocess.run([sys.executable, "-P", "-m", "minicnn", *arguments, "--json"],
                                 stdout=subprocess.PIPE, text=True)
        if not process.stdout:
            return process.returncode
        results.append({"command": command, **json.loads(process.stdout)})
        write_atomically(HERE / "results.json", one_run_a_line(results).encode())
    write_atomically(HERE / "RESULTS.md", page(results).encode())
    viz.save(speed_and_error(results), HERE / "speed.png")
    return 0


def one_run_a_line(results):
    """The results as JSON in which every run is one line."""
    whole = []
    for result in results:
        head = json.dumps({**result, "runs": []}).removesuffix("]}")
        whole.append(head + "\n" + ",\n".join(map(json.dumps, result["runs"])) + "]}")
    return "[" + ",\n".join(whole) + "]\n"


if __name__ == "__main__":
    sys.exit(main())
