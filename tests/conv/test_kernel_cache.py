"""Where compiled kernels are kept: in the cache directory, never beside the source, and never a reason to fail."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import minicnn

PACKAGE = Path(minicnn.__file__).parent
SCRIPT = """
import numba
from minicnn.conv.kernels.relu_gradient import gate_kernel
kernel = gate_kernel(32)
print(sum(kernel.stats.cache_hits.values()), repr(numba.config.CACHE_DIR))
"""


def run(package=PACKAGE.parent, **environment):
    """A process that needs one kernel -> how many it loaded, and numba's own folder afterwards."""
    inherited = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    process = subprocess.run([sys.executable, "-c", SCRIPT], env=inherited | {"PYTHONPATH": str(package)} | environment,
                             capture_output=True, text=True, check=True, cwd=package)
    hits, folder = process.stdout.split()
    assert ("compiling convolution kernels" in process.stderr) == (hits == "0")
    return int(hits), folder


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of the package's source."""
    folder = tmp_path_factory.mktemp("copy")
    shutil.copytree(PACKAGE, folder / "minicnn", ignore=shutil.ignore_patterns("__pycache__", "*.npz", "weights"))
    return folder


def kernels(folder):
    return {path.parent for path in folder.rglob("*.nb?")}


def test_kernels_are_kept_in_minicnns_cache_directory(copy, tmp_path):
    home, other = tmp_path / "home", tmp_path / "other"
    assert run(copy, MINICNN_HOME=str(home)) == (0, "''")               # numba's configuration is as it was
    assert run(copy, MINICNN_HOME=str(home)) == (1, "''")
    assert len(kernels(home / "kernels")) == 1 and not kernels(copy)
    # another checkout has its own folder; what the user told numba goes first
    assert run(MINICNN_HOME=str(home))[0] == 0 and len(kernels(home)) == 2
    assert run(copy, MINICNN_HOME=str(home))[0] == 1
    assert run(copy, MINICNN_HOME=str(home), NUMBA_CACHE_DIR=str(other)) == (0, repr(str(other)))
    assert len(kernels(other)) == 1 and len(kernels(home)) == 2


def test_a_cache_that_cannot_be_written_or_read_is_no_error(copy, tmp_path):
    (tmp_path / "file").write_text("")
    for name in ("MINICNN_HOME", "NUMBA_CACHE_DIR"):
        assert run(copy, **{"MINICNN_HOME": str(tmp_path / "home"), name: str(tmp_path / "file" / "home")})[0] == 0
        assert not kernels(copy) and not kernels(tmp_path)
    home = tmp_path / "home"
    run(copy, MINICNN_HOME=str(home))
    for path in home.rglob("*.nbc"):
        path.write_bytes(path.read_bytes()[:100])
    assert run(copy, MINICNN_HOME=str(home))[0] == 0
    for path in home.rglob("*.nbi"):
        path.write_bytes(b"")
    assert run(copy, MINICNN_HOME=str(home))[0] == 0
