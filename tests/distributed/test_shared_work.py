"""`mpiexec -n N minicnn invariance` and `verify`: the ranks share the work; the result is that of one process."""

import json

import pytest

from .conftest import MINICNN


def without_seconds(text):
    found = json.loads(text)
    for one in found["operators"]:
        assert one.pop("seconds") > 0
    return found


@pytest.mark.slow
def test_invariance_gives_the_same_bits(mpiexec, tmp_path):
    command = [*MINICNN, "invariance", "--models", "mlp,lenet-global", "--seeds", "1,2", "--epochs", "1", "--images",
               "10", "--json", "--picture", "a.png"]
    results = [mpiexec(n, *command, OMP_NUM_THREADS="1") for n in (1, 3)]
    assert results[0][:2] == results[1][:2] and results[0][0] == 0, results[1][2]
    assert len(json.loads(results[1][1])["models"]) == 3 and (tmp_path / "a.png").exists()
    lines = results[1][2].splitlines()
    assert "3 ranks on 1 computer, with 1 thread each" in lines and "a.png: replaced" in lines
    assert sum("trained for 1 epoch" in line for line in lines) == 2          # of four, those of rank 0
    assert sum("pixels, consistency" in line for line in lines) == 3


@pytest.mark.slow
def test_verify_gives_the_same_verdicts(mpiexec):
    one, three = (mpiexec(n, *MINICNN, "verify", "--json", "--quiet") for n in (1, 3))
    assert one[0] == three[0] == 0 and without_seconds(one[1]) == without_seconds(three[1]) and three[2] == ""


def test_an_operator_of_the_user_is_judged_by_one_process(mpiexec):
    status, out, err = mpiexec(2, *MINICNN, "verify", "scipy.ndimage:laplace")
    assert status == 2 and out == "" and err.count("\n") == 1
    assert err.startswith("minicnn verify: error: 2 processes of minicnn verify were started (the environment")
    assert err.endswith("Only the known operators, without an argument, are shared out\n")


def test_ranks_without_work_are_told(mpiexec):
    command = ["invariance", "--models", "mlp", "--seeds", "1,2", "--epochs", "1", "--images", "10"]
    status, _, err = mpiexec(3, *MINICNN, *command)
    assert status == 0 and err.count("1 of 3 ranks have no work, because there are 2 pieces of it\n") == 1
