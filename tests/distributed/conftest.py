"""`mpiexec`: start a program on several ranks, and wait for its end."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(__file__).parent / "programs"
MINICNN = [sys.executable, "-m", "minicnn"]
LIMIT = 120                             # seconds: nothing here may hang
collect_ignore_glob = ["programs/*"]   # they run on several ranks only


def launcher():
    """The mpiexec beside this Python, else that of the system, else None."""
    beside = Path(sys.executable).with_name("mpiexec")
    return str(beside) if beside.exists() else shutil.which("mpiexec")


def environment(**more):
    """The environment of a test's ranks: the package of this directory, and what is given."""
    return {**os.environ, "PYTHONPATH": str(ROOT), **more}


@pytest.fixture
def start(tmp_path):
    """Start a command on n ranks, in an empty directory. Return the process of mpiexec. At the end it is killed."""
    pytest.importorskip("mpi4py")
    if launcher() is None:
        pytest.skip("there is no mpiexec")
    started = []

    def start(n, *command, by=None, **variables):
        command = [*(by or [launcher()]), "-n", str(n), *map(str, command)]
        started.append(subprocess.Popen(
            command, cwd=tmp_path, env=environment(**variables), text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True))
        return started[-1]
    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def mpiexec(start):
    """Run a command on n ranks to its end: (exit status, stdout, stderr)."""
    def mpiexec(n, *command, **variables):
        process = start(n, *command, **variables)
        out, err = process.communicate(timeout=LIMIT)
        return process.returncode, out, err
    return mpiexec


@pytest.fixture
def program(mpiexec):
    """Run a file of `programs/` on n ranks; it must end well. Return what rank 0 printed."""
    def program(n, name, *arguments, **variables):
        status, out, err = mpiexec(n, sys.executable, PROGRAMS / name, *arguments, **variables)
        assert status == 0, err
        return out
    return program
