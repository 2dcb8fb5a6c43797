"""The tests of JAX, Flax and Keras, each in a process of its own.

JAX starts threads, and after that no test could fork this process.
"""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.parametrize("library", ["jax", "flax", "keras"])
def test_all_cases(library):
    if importlib.util.find_spec("jax") is None or importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"tests/adapters/{library}_cases.py"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0 and " passed" in run.stdout, run.stdout + run.stderr
