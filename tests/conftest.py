"""What all tests share. There is no global random state: a test that draws numbers asks for `rng`."""

from pathlib import Path

import numpy as np
import pytest

SHARED_MNIST = Path(__file__).parents[2] / "shared" / "mnist"


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def mnist_dir():
    """The directory with the four official MNIST files, where it is at hand."""
    if not SHARED_MNIST.is_dir():
        pytest.skip("full MNIST is not at hand")
    return SHARED_MNIST


@pytest.fixture(autouse=True)
def own_environment(monkeypatch, tmp_path):
    """No test reads or writes the user's cache, or depends on what the user has set."""
    for name in ("MINICNN_DATA", "MINICNN_CONV_ALGO", "MINICNN_VERBOSE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MINICNN_HOME", str(tmp_path / "home"))
