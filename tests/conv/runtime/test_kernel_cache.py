"""Compiled kernels are kept in the cache directory, never beside the source. A broken cache is no error."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numba import config

import minicnn
from minicnn.conv.kernels import compile
from minicnn.conv.kernels.relu_gradient import gate, gate_kernel
from minicnn.conv.runtime import kernel_cache
from minicnn.errors import FileError

PACKAGE = Path(minicnn.__file__).parent
SCRIPT = """
import numba
from minicnn.conv.kernels import compile
from minicnn.conv.kernels.relu_gradient import gate_kernel
gate_kernel(32)
print(sum(block.cache_hits for block in compile._blocks), repr(numba.config.CACHE_DIR))
"""


def run(package=PACKAGE.parent, stays_out=False, **environment):
    """Run a process that needs one kernel -> how many kernels it loaded, and numba's own folder afterwards."""
    inherited = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    process = subprocess.run([sys.executable, "-c", SCRIPT], env=inherited | {"PYTHONPATH": str(package)} | environment,
                             capture_output=True, text=True, check=True, cwd=package)
    hits, folder = process.stdout.split()
    assert ("compiling convolution kernels" in process.stderr) == (hits == "0")
    assert ("(in every process, because " in process.stderr) == stays_out
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
    assert run(copy, MINICNN_HOME=str(home)) == (0, "''")               # numba's configuration is restored
    assert run(copy, MINICNN_HOME=str(home)) == (1, "''")
    assert len(kernels(home / "kernels")) == 1 and not kernels(copy)
    # another checkout has its own folder; numba's own variable has priority
    assert run(MINICNN_HOME=str(home))[0] == 0 and len(kernels(home)) == 2
    assert run(copy, MINICNN_HOME=str(home))[0] == 1
    assert run(copy, MINICNN_HOME=str(home), NUMBA_CACHE_DIR=str(other)) == (0, repr(str(other)))
    assert len(kernels(other)) == 1 and len(kernels(home)) == 2


def test_a_cache_that_cannot_be_written_is_no_error(copy, tmp_path):
    (tmp_path / "file").write_text("")
    for name in ("MINICNN_HOME", "NUMBA_CACHE_DIR"):
        places = {"MINICNN_HOME": str(tmp_path / "home"), name: str(tmp_path / "file" / "home")}
        assert run(copy, stays_out=True, **places)[0] == 0
        assert not kernels(copy) and not kernels(tmp_path)


@pytest.fixture
def loads(monkeypatch, tmp_path):
    """A function that compiles or loads one kernel and returns whether it was loaded."""
    monkeypatch.setenv("MINICNN_HOME", str(tmp_path))
    monkeypatch.setattr(config, "CACHE_DIR", "")

    def once():
        gate_kernel.cache_clear()
        gate_kernel(32)
        return compile._blocks.pop().cache_hits == 1
    yield once
    gate_kernel.cache_clear()


@pytest.mark.parametrize("ending", ["nbi", "nbc"])
def test_a_damaged_file_is_compiled_again_with_a_word(loads, tmp_path, caplog, ending):
    assert not loads() and loads()
    (path,) = tmp_path.rglob(f"*.{ending}")
    whole = path.read_bytes()
    middle = len(whole) // 2
    for content in (whole[:100], whole[:-1], b"", whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1:],
                    bytes(5000), whole.replace(whole[:7], b"0.0.0.0", 1)):
        path.write_bytes(content)
        caplog.clear()
        assert not loads()
        damaged = f"{path} is damaged, so its kernel is compiled again" in caplog.text
        assert damaged == content.startswith(whole[:7])         # else it seems to be of another version of numba
        assert loads()
    path.unlink()
    path.mkdir()
    assert not loads() and "a compiled kernel is not kept: " in caplog.text


def test_a_full_disk_compiles_with_a_word(monkeypatch, caplog, loads):
    def full(path, data):
        raise FileError(f"{path} could not be written: the disk is full")
    monkeypatch.setattr(kernel_cache, "write_atomically", full)
    assert not loads() and not loads()
    assert "a compiled kernel is not kept: " in caplog.text and "the disk is full" in caplog.text


def test_kernels_are_read_from_a_folder_that_cannot_be_written(monkeypatch, caplog, loads, tmp_path):
    def refuse(*arguments, **options):
        raise PermissionError(13, "Permission denied")
    assert not loads()
    kept = {path: path.read_bytes() for path in tmp_path.rglob("*.nb?")}
    monkeypatch.setattr("tempfile.TemporaryFile", refuse)               # numba and minicnn try the folder by it
    monkeypatch.setattr(kernel_cache, "write_atomically", refuse)
    assert kernel_cache.why_not_kept() == f"{tmp_path / 'kernels'} cannot be written"
    assert loads() and loads() and caplog.text.count("\n") <= 1         # of the first time
    for path in kept:
        path.unlink()
    assert not loads() and "is not kept" not in caplog.text and not list(tmp_path.rglob("*.nb?"))


def test_without_a_home_directory(monkeypatch, loads):
    for name in ("MINICNN_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)        # no HOME, and a user without a name
    assert not loads() and not loads()
    assert kernel_cache.why_not_kept() == "there is no home directory for the cache: set MINICNN_HOME to a directory"


def test_a_source_file_for_which_numba_has_no_place(monkeypatch, rng):
    from numba.core import caching
    cache = getattr(caching, "CacheImpl", None) or caching._CacheImpl       # numba before 0.62
    monkeypatch.setattr(cache, "_locator_classes", [])
    gate_kernel.cache_clear()
    grad, out = rng.standard_normal((2, 3, 4, 5, 6))
    np.testing.assert_array_equal(gate(grad, out)[0], np.where(out > 0, grad, 0))
    gate_kernel.cache_clear()


CONVOLVE = """
import numpy as np
from minicnn.conv import Geometry, algorithms
from minicnn.conv.kernels import compile
g = Geometry.of((3, 2, 9, 7), (5, 2, 3, 3), padding=1)
direct = algorithms()["direct"]
print(direct.unsupported(g))
if direct.unsupported(g) is None:
    x, w = np.arange(378, dtype="f4").reshape(3, 2, 9, 7), np.arange(90, dtype="f4").reshape(5, 2, 3, 3)
    print(direct.forward(x, w, None, g)[0].sum(), all(one.cache_hits for one in compile._blocks))
"""


def convolve(**environment):
    return subprocess.Popen([sys.executable, "-W", "error", "-c", CONVOLVE], env=os.environ | environment, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_two_processes_that_compile_at_once_leave_a_whole_cache_and_a_third_is_silent(tmp_path):
    both = [convolve(NUMBA_CACHE_DIR=str(tmp_path)) for _ in range(2)]
    results = [process.communicate() for process in both]
    assert any("compiling" in err and "False" in out for out, err in results)
    out, err = convolve(NUMBA_CACHE_DIR=str(tmp_path)).communicate()
    assert err == "" and "True" in out
    assert {out.split()[1]} == {out.split()[1] for out, _ in results}


def test_without_numbas_compiler_there_is_a_reason():
    assert "NUMBA_DISABLE_JIT" in convolve(NUMBA_DISABLE_JIT="1").communicate()[0]


def test_every_kernel_has_an_index_of_its_own_on_disk(tmp_path):
    script = "from minicnn.conv.kernels.relu_gradient import gate_kernel; gate_kernel(32); gate_kernel(64)"
    subprocess.run([sys.executable, "-c", script], env=os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}, check=True,
                   capture_output=True)
    assert len(list(tmp_path.rglob("*gate*.nbi"))) == 2
