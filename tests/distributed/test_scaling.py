"""benchmarks/scaling.py: its model against the formulas, and a short run under mpiexec."""

import doctest
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def model(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import scaling_model
    return scaling_model


def test_examples_of_the_model(model):
    found = doctest.testmod(model)
    assert found.attempted >= 6 and found.failed == 0


def test_without_messages_all_ranks_count(model):
    work, free = model.Work(0.0, 1e-3, 0.6, 1e9, 1e6), model.Link(0.0, float("inf"))
    assert all(speed == pytest.approx(1000 * n) for n, speed in model.strong(work, 64, free).items())
    assert set(model.strong(work, 64, free)) == {1, 2, 4, 8, 16, 32, 64}
    assert all(part == 1 for part in model.weak(work, 64, free).values())
    assert model.eaten(work, 64, free) is None


def test_a_step_waits_for_what_the_backward_pass_does_not_hide(model):
    work, link = model.Work(0.002, 1e-3, 0.5, 4e7, 1e6), model.Link(1e-5, 1e9)
    whole, last = link.allreduce(4e7, 8), link.allreduce(1e6, 8)
    assert whole == pytest.approx(2 * 3 * 1e-5 + 2 * 7 / 8 * 0.04)
    assert work.step(8, 8, link) == pytest.approx(0.010 + whole - 0.005)
    assert work.step(800, 8, link) == pytest.approx(0.802 + last)           # hidden but for the last bucket
    assert work.step(8, 8, link, overlap=False) == pytest.approx(0.010 + whole)
    assert work.step(8, 1, link) == work.compute(8) == pytest.approx(0.010)
    waits = [model.Work(0.0, 1e-3, 0.5, 4e7, 1e6).step(64 / n, n, link) * n / 0.064 for n in (1, 2, 4, 8)]
    assert waits[0] == 1 and waits == sorted(waits)
    assert model.eaten(model.Work(0.0, 1e-3, 0.5, 4e7, 1e6), 64, link) == 4      # 60 ms of messages, 8 of them hidden


def test_buckets_of_the_model_are_those_of_the_library(model):
    from minicnn.distributed import DataParallel
    from minicnn.models import lenet
    network = lenet()
    parallel = DataParallel(network)
    parallel._make_buckets(100_000)
    sizes = [one.data.nbytes for one in reversed(network.parameters())]
    work = model.fit_work({1: 1.0, 2: 2.0}, 0.5, sizes, 100_000)
    buckets = [flat.nbytes for flat, _ in parallel._buckets]
    parallel.close()
    assert len(buckets) > 1 and work.last == buckets[-1] and work.size == sum(buckets)


@pytest.mark.slow
def test_a_short_run_measures_and_draws(tmp_path):
    pytest.importorskip("mpi4py")
    command = [sys.executable, str(BENCHMARKS / "scaling.py"), "--networks", "lenet", "--rounds", "1", "--steps", "2",
               "--out", str(tmp_path)]
    process = subprocess.run(command, capture_output=True, text=True, timeout=600,
                             env={**os.environ, "PYTHONPATH": str(BENCHMARKS.parent)})
    if "there is no mpiexec" in process.stderr:
        pytest.skip("there is no mpiexec")
    assert process.returncode == 0, process.stderr
    result = json.loads((tmp_path / "scaling.json").read_text())
    assert len(result["messages"]) == 12 and all(seconds > 0 for seconds in result["messages"].values())
    assert len(result["lenet"]) == 8
    assert all(len(way["step"]) == 2 and min(way["step"]) > 0 for way in result["lenet"].values())
    page = (tmp_path / "scaling.md").read_text()
    assert "| LeNet | 0.27 MB |" in page and "Not measured." in page and "| LeNet, 100 Gbit/s |" in page
    assert (tmp_path / "scaling.png").stat().st_size > 10_000
