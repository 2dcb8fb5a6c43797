"""The rows of RESULTS.md: the command of each, and where its measurement is stored.

Every measurement is a file of its own, `results/INSTRUCTION SET/ROW.json`. So one row can be measured again without
the others. The instruction set is the one that minicnn's kernels were compiled for, by its own report.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from minicnn.bench import libraries
from minicnn.files import write_atomically

RESULTS = Path(__file__).parent / "results"
DIGITS = 5                                        # of the numbers in a file


@dataclass(frozen=True)
class Row:
    """A row of the tables.

    Attributes
    ----------
    work : str
        What is measured, in words.
    arguments : tuple of str
        The benchmark and its options.
    against : tuple of str
        The libraries to compare with, where they are installed.
    repeats, seconds : int
        The rounds, and the time of the whole command on two cores, which the time left follows from.
    """

    work: str
    arguments: tuple
    against: tuple | None
    repeats: int
    seconds: int

    def command(self, instructions, repeats=None):
        """The arguments of `minicnn`."""
        against = [] if self.against is None else ["--against", ",".join(
            name for name in self.against if libraries.found()[name].installed) or "none"]
        return ["bench", *self.arguments, *against, "--repeats", str(repeats or self.repeats), "--instructions",
                instructions]


STEP, FORWARD, LAYERS = ("torch", "tensorflow"), ("torch", "tensorflow", "jax"), ("torch", "tensorflow")
ROWS = {
    "step-1": Row("LeNet training step, batch 1", ("train", "--batch-size", "1"), STEP, 15, 25),
    "step-64": Row("LeNet training step, batch 64", ("train", "--batch-size", "64"), STEP, 15, 35),
    "step-256": Row("LeNet training step, batch 256", ("train", "--batch-size", "256"), STEP, 9, 65),
    "step-64-one-thread": Row("LeNet training step, batch 64, one thread",
                              ("train", "--batch-size", "64", "--threads", "1"), STEP, 9, 40),
    "forward-1": Row("LeNet forward pass, batch 1", ("train", "--forward", "--batch-size", "1"), FORWARD, 15, 25),
    "forward-64": Row("LeNet forward pass, batch 64", ("train", "--forward", "--batch-size", "64"), FORWARD, 15, 30),
    "forward-256": Row("LeNet forward pass, batch 256", ("train", "--forward", "--batch-size", "256"), FORWARD, 9, 35),
    "textbook": Row("LeNet training step, batch 64", ("train", "--batch-size", "64"), ("textbook", "mygrad", "jax"),
                    3, 20),
    "small-resnet-64": Row("small ResNet training step, batch 64",
                           ("train", "--model", "small-resnet", "--batch-size", "64"), ("torch",), 15, 60),
    "fixed": Row("LeNet training step: its fixed part", ("train", "--fixed"), (), 15, 55),
    "named": Row("27 layers of named networks, batch 16", ("conv",), LAYERS, 3, 310),
    "random": Row("40 layers drawn at random", ("conv", "--set", "random"), LAYERS, 3, 180),
    "lenet": Row("the LeNet's layers, batch 1, 64 and 256",
                 ("conv", "--network", "lenet", "--batch-size", "1", "64", "256"), (), 3, 40),
    "product": Row("`direct`, 3x3, 64 to 64 channels, 28x28, batch 16", ("product",), None, 9, 8),
}
SETS = {"avx-512": "AVX-512", "avx2": "AVX2"}     # the folders that have a section even if nothing was measured


def target_of(result):
    """The instruction set that minicnn reported, or None if it did not run."""
    return next((row["instructions"] for run in result["runs"] for row in run["rows"]
                 if row["library"] == "minicnn" and row["instructions"]), None)


def store(name, result, folder=RESULTS):
    """Write a row's measurement in place of the former one. -> its path."""
    path = folder / target_of(result).lower() / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    head = json.dumps(_rounded({key: value for key, value in result.items() if key != "runs"})).removesuffix("}")
    runs = ",\n".join(json.dumps(_rounded(run)) for run in result["runs"])        # one run a line
    write_atomically(path, f'{head}, "runs": [\n{runs}]}}\n'.encode())
    return path


def stored(folder=RESULTS):
    """{instruction set: {row: measurement}} of all files, the rows in the order of ROWS."""
    known = {set_name: {} for set_name in SETS.values()}
    for path in sorted(folder.glob("*/*.json"), key=lambda path: list(ROWS).index(path.stem)):
        known.setdefault(SETS.get(path.parent.name, path.parent.name.upper()), {})[path.stem] = \
            json.loads(path.read_text(encoding="utf-8"))
    return known


def _rounded(value):
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(each) for each in value]
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value
