"""The tests of JAX in a process of their own: JAX starts threads, and after that no test could fork this process."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed")
def test_all_cases():
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests/adapters/jax_cases.py"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0 and " passed" in run.stdout, run.stdout + run.stderr
