"""A library to compare with is one file."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import minicnn
from minicnn import InputError
from minicnn.bench import libraries
from tests.bench.strangers import HONEST


def test_a_library_is_found_by_its_file_alone(tmp_path):
    package = tmp_path / "elsewhere" / "minicnn"
    shutil.copytree(Path(minicnn.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "bench" / "libraries" / "stranger.py").write_text(HONEST)
    command = [sys.executable, "-m", "minicnn", "bench", "train", "--against", "stranger", "--algorithms", "im2col",
               "--batch-size", "2", "--repeats", "1", "--threads", "1", "--json"]
    result = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(package.parent)}, stdout=subprocess.PIPE,
                            check=True)
    rows = json.loads(result.stdout)["runs"][0]["rows"]
    assert [(row["name"], row["status"], row["version"]) for row in rows] == [
        ("minicnn im2col", "ok", minicnn.__version__), ("stranger", "ok", "1.0")]


def test_the_libraries_and_their_variants():
    assert set(libraries.others()) == {"torch", "tensorflow", "jax", "mygrad", "textbook"}
    assert list(libraries.others(layers=True)) == ["tensorflow", "torch"]
    assert list(libraries.others(model="small-resnet")) == ["torch"]
    assert [c.variant for c in libraries.competitors(["textbook", "textbook"])] == ["im2col"]


def test_finding_the_libraries_imports_none_of_them():
    code = ("import sys\nfrom minicnn.bench import libraries\nlibraries.found()\n"
            "print([name for name in ('torch', 'tensorflow', 'jax', 'mygrad', 'numba') if name in sys.modules])")
    root = str(Path(minicnn.__file__).parents[1])
    result = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": root}, capture_output=True,
                            text=True, check=True)
    assert result.stdout == "[]\n"


def test_names_that_are_refused(monkeypatch):
    with pytest.raises(InputError, match="library must be one of .*'torch', not 'matlab'"):
        libraries.competitors(["matlab"])
    with pytest.raises(InputError, match="library must be one of 'tensorflow', 'torch', not 'jax'"):
        libraries.competitors(["jax"], layers=True)
    with pytest.raises(InputError, match="algorithm must be one of 'auto', .*, not 'magic'"):
        libraries.with_algorithm("magic")
    monkeypatch.setattr(libraries.Library, "installed", False)
    with pytest.raises(InputError, match="numpy is not installed: install it with `pip install numpy`, or leave "
                                         "textbook out"):
        libraries.competitors(["textbook"])
    with pytest.raises(InputError, match=r"numpy, jax, torch are not installed: install them with `pip install numpy` "
                                         r"and `pip install jax` and `pip install torch`, or leave textbook, jax, "
                                         r"torch out. CONTRIBUTING.md says how large .* builds for CPUs"):
        libraries.competitors(["textbook", "jax", "torch"])
