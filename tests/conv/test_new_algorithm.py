"""A new algorithm is one file in the folder: found, tested, gradchecked, verified and measured without another edit."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import minicnn

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "your_own_algorithm.py"
FILE = """import math

import numpy as np

from ..algorithm import Algorithm, before_relu, register


"""
CATALOGUES = """
from minicnn.equivariance import known_operators
from minicnn.gradcheck import operations
checked = [operations.check_operation(o) for o in operations.catalogue() if "shifts" in o.name]
assert len(checked) >= 5 and all(result.passed for result in checked), checked
entry, = [entry for entry in known_operators.catalogue() if "shifts" in entry.name]
print(entry.name)
"""


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A copy of the package and its tests with one more file: the class of the example."""
    folder = tmp_path_factory.mktemp("house")
    for source in (Path(minicnn.__file__).parent, ROOT / "tests"):
        shutil.copytree(source, folder / source.name, ignore=shutil.ignore_patterns("__pycache__"))
    example = re.search(r"@register\n.*?(?=\n\n\n# %%)", EXAMPLE.read_text(), re.DOTALL)
    (folder / "minicnn" / "conv" / "algorithms" / "shifts.py").write_text(FILE + example.group() + "\n")
    return folder


def run(house, *arguments):
    process = subprocess.run([sys.executable, *arguments], cwd=house, env=os.environ | {"PYTHONPATH": str(house)},
                             capture_output=True, text=True)
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


def test_it_is_found_gradchecked_and_verified(house):
    assert "'shifts'" in run(house, "-c", "from minicnn.conv import algorithms; print(list(algorithms()))")
    assert "valid conv by shifts" in run(house, "-c", CATALOGUES)


def test_the_tests_of_every_algorithm_test_it(house):
    out = run(house, "-m", "pytest", "-p", "no:cacheprovider", "-k", "shifts", "tests/conv/test_contract.py",
              "-o", "addopts=")
    assert int(re.search(r"(\d+) passed", out).group(1)) > 20


def test_it_is_measured(house):
    result = json.loads(run(house, "-m", "minicnn", "bench", "conv", "--network", "lenet", "--algorithms", "shifts",
                            "--against", "none", "--batch-size", "1", "--repeats", "1", "--json"))
    rows = [row for one in result["runs"] for row in one["rows"]]
    assert {row["variant"] for row in rows} == {"shifts"} and {row["status"] for row in rows} == {"ok"}
