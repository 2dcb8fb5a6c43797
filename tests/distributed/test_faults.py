"""A rank that fails, is killed, or hangs ends all ranks soon, with its reason, and the last checkpoint is whole.

A long run by hand: MINICNN_KILLS=20 python -m pytest tests/distributed/test_faults.py
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from minicnn.checkpoint import load

from .conftest import MINICNN

KILLS = int(os.environ.get("MINICNN_KILLS", "2"))
TRAIN = [*MINICNN, "train", "--dataset", "mnist5k", "--model", "mlp", "--epochs", "30", "--augment", "shift"]
SECONDS = 10                            # after which no rank may be left
LAST = "last.safetensors"

BROKEN = """
from pathlib import Path
from mpi4py import MPI
from minicnn import nn
class Net(nn.Module):
    def __init__(self, num_classes, rng):
        self.body, self.calls = nn.Sequential(nn.Flatten(), nn.Linear(784, num_classes, rng=rng)), 0
    def forward(self, x):
        self.calls += 1
        if self.calls == 20 and MPI.COMM_WORLD.rank == 1:
            Path("moment").touch()
            raise ValueError("this layer is broken")
        return self.body(x)
"""


def ranks(process, n):
    """The processes of the ranks, when all of them run."""
    while process.poll() is None:
        found = [one for one in psutil.Process(process.pid).children(recursive=True) if "minicnn" in one.cmdline()]
        if len(found) == n:
            return found
        time.sleep(0.01)
    raise AssertionError(process.communicate())


def all_gone(process, ranks):
    """Wait for the end of mpiexec and of all ranks, which come soon. Return (exit status, stdout, stderr)."""
    end = time.monotonic() + SECONDS
    out, err = process.communicate(timeout=SECONDS)
    assert not psutil.wait_procs(ranks, timeout=max(0.0, end - time.monotonic()))[1]
    return process.returncode, out, err


def wait_for(path, process):
    while not path.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


def same_bits(one, other):
    one, other = load(one), load(other)
    return all(np.array_equal(array, other.model[name]) for name, array in one.model.items())


@pytest.mark.slow
def test_killed_ranks_take_all_with_them_and_the_run_goes_on(start, tmp_path):
    begun = time.monotonic()
    train = [*TRAIN, "--epochs", "10"]
    assert start(2, *train, "--out", "whole").wait() == 0
    takes, dice, killed = time.monotonic() - begun, random.Random(), 0
    print("seed", seed := dice.randrange(1000))
    dice.seed(seed)
    for number in range(KILLS):
        run = tmp_path / f"run{number}"
        process = start(2, *train, "--out", run.name)
        victims = ranks(process, 2)
        time.sleep(dice.uniform(0, takes))
        if process.poll() is None:
            dice.choice(victims).send_signal(signal.SIGKILL)
            status, out, err = all_gone(process, victims)
            assert status != 0, err
            killed += 1
        again = ["--resume"] if (run / LAST).exists() else [*train[len(MINICNN) + 1:], "--out"]
        assert start(2, *MINICNN, "train", *again, run.name).wait() == 0
        assert same_bits(run / LAST, tmp_path / "whole" / LAST)
    assert killed > 0


def test_a_killed_rank_takes_all_with_it(start, tmp_path):
    process = start(3, *TRAIN, "--out", "run")
    victims = ranks(process, 3)
    wait_for(tmp_path / "run" / LAST, process)
    victims[1].send_signal(signal.SIGKILL)
    status, _, _ = all_gone(process, victims)
    assert status != 0 and load(tmp_path / "run" / LAST).meta["epoch"] < 30


@pytest.mark.slow
def test_a_rank_that_hangs_is_not_waited_for_for_ever(start, tmp_path):
    process = start(2, *TRAIN, "--out", "run", MINICNN_MPI_TIMEOUT="2")
    victims = ranks(process, 2)
    wait_for(tmp_path / "run" / LAST, process)
    victims[1].send_signal(signal.SIGSTOP)
    status, _, err = all_gone(process, victims)
    assert status == 2 and "has waited 2 s for the other ranks: one of them hangs or is slow" in err


@pytest.mark.slow
def test_a_rank_that_raises_ends_all(start, tmp_path):
    Path(tmp_path / "broken.py").write_text(BROKEN)
    process = start(2, *TRAIN, "--model", "broken.py:Net")
    both = ranks(process, 2)
    wait_for(tmp_path / "moment", process)
    status, out, err = all_gone(process, both)
    assert status == 2 and out == "" and "Traceback" not in err
    assert "rank 1 of 2: InputError: broken.py:Net: ValueError: this layer is broken (in broken.py, line 12)" in err


def test_ctrl_c_saves_once_and_the_run_goes_on(start, tmp_path):
    process = start(2, *TRAIN, "--out", "run")
    victims = ranks(process, 2)
    wait_for(tmp_path / "run" / LAST, process)
    process.send_signal(signal.SIGINT)
    status, _, err = all_gone(process, victims)
    assert status == 130 and err.count("minicnn train: interrupted: stopped ") == 1
    assert "go on with: minicnn train --resume run" in err
    assert load(tmp_path / "run" / LAST).meta["epoch"] < 30


def started(process):
    """Wait for the line that says that all ranks are there."""
    while not (line := process.stderr.readline()).startswith("2 ranks on 1 computer"):
        assert line, process.communicate()


def test_ctrl_c_ends_an_invariance(start):
    process = start(2, *MINICNN, "invariance", "--models", "lenet", "--epochs", "30", "--seeds", "1,2")
    started(process)
    victims = ranks(process, 2)
    process.send_signal(signal.SIGINT)
    status, out, err = all_gone(process, victims)
    assert status == 130 and "invariance" not in out and err.count("minicnn invariance: interrupted") == 1


@pytest.mark.slow
def test_a_killed_rank_ends_an_invariance(start):
    process = start(2, *MINICNN, "invariance", "--models", "lenet", "--epochs", "30", "--seeds", "1,2")
    started(process)
    victims = ranks(process, 2)
    victims[1].send_signal(signal.SIGKILL)
    status, _, _ = all_gone(process, victims)
    assert status != 0


RAISING = """
import sys
from mpi4py import MPI
from minicnn.equivariance import known_operators
from minicnn.errors import InputError
from minicnn.cli.main import main
verify = known_operators.verify_convolution
def broken(*arguments):
    if MPI.COMM_WORLD.rank == 1:
        raise InputError("this operator is broken")
    return verify(*arguments)
known_operators.verify_convolution = broken
sys.exit(main())
"""


def test_an_error_of_one_rank_ends_a_verify(start, tmp_path):
    Path(tmp_path / "raising.py").write_text(RAISING)
    process = start(2, sys.executable, "raising.py", "verify")
    started(process)
    status, out, err = all_gone(process, [])
    assert status == 2 and out == "" and "Traceback" not in err
    assert "rank 1 of 2: InputError: this operator is broken" in err


ALONE = """
import time
from mpi4py import MPI
from minicnn import nn
from minicnn.distributed import DataParallel, together
if MPI.COMM_WORLD.rank == 1:
    time.sleep(1000)
with together(MPI.COMM_WORLD if {together} else None):
    DataParallel(nn.Linear(2, 2), MPI.COMM_WORLD if {together} is not None else 1 / 0)
"""


@pytest.mark.parametrize(("together", "message", "expected"), [
    (True, "rank 0 of 2: StateError: rank 0 has waited 1 s for the other ranks: one of them hangs", 2),
    (False, "StateError: rank 0 has waited 1 s for the other ranks: one of them hangs or is slow", 1),
    (None, "ZeroDivisionError: division by zero", 1)])
def test_a_rank_that_never_comes_does_not_hang_a_script(together, message, expected, start, tmp_path):
    (tmp_path / "alone.py").write_text(ALONE.format(together=together))
    process = start(2, sys.executable, "-m", "mpi4py", "alone.py", MINICNN_MPI_TIMEOUT="1")
    status, _, err = all_gone(process, [])
    assert status == expected and message in err
