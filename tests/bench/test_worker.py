"""The process of a competitor: its cores, threads and path, and what happens when it hangs or fails."""

import os
from dataclasses import asdict

import numpy as np
import psutil
import pytest

from minicnn import InputError, MinicnnError
from minicnn.bench import libraries, machine, worker_process
from minicnn.bench.worker_process import Worker, WorkerFailed, WorkerOutOfMemory, environment
from minicnn.conv import Geometry
from tests.bench.strangers import FRAGILE_LAYERS, TELLS_THREADS

TEXTBOOK = libraries.competitors(["textbook"])[0]


def test_a_worker_gets_its_cores_and_its_threads():
    with Worker(TEXTBOOK, 1) as worker:
        assert worker.loaded["version"] == np.__version__
        if hasattr(psutil.Process, "cpu_affinity"):
            assert psutil.Process(worker.process.pid).cpu_affinity() == machine.cores()[:1]
    variables = environment(3)
    assert variables["OMP_NUM_THREADS"] == variables["NUMBA_NUM_THREADS"] == variables["OPENBLAS_NUM_THREADS"] == "3"
    assert "intra_op_parallelism_threads=3" in variables["XLA_FLAGS"]


def test_the_number_of_threads_holds_for_a_blas_that_reads_no_variable(add_library, monkeypatch):
    for name in worker_process.THREADS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(worker_process, "THREADS", ())
    stranger = add_library("stranger", TELLS_THREADS)
    monkeypatch.setattr(worker_process, "cores", lambda: list(range(os.cpu_count() or 1)) * 2)
    with Worker(stranger, 1) as worker, pytest.raises(WorkerFailed, match=r"ValueError: \[1\]"):
        worker.ask("open_network", variant="one", batch_size=1, training=True)


def test_a_worker_runs_no_file_of_the_current_directory(folder, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep + os.environ.get("PYTHONPATH", ""))      # empty: the current one
    for name in ("select", "numpy", "json", "psutil", "threadpoolctl", "minicnn"):
        (folder / f"{name}.py").write_text(f"open('{name} was here', 'w')\nraise SystemExit(3)")
    with Worker(TEXTBOOK, 1) as worker:
        worker.ask("open_network", variant="im2col", batch_size=1, training=False)
    assert not list(folder.glob("*was here"))


def test_a_worker_that_hangs_is_ended():
    with Worker(TEXTBOOK, 1) as worker:
        with pytest.raises(WorkerFailed, match="no answer in 0 s"):
            worker.ask("open_network", patience=0.001, variant="im2col", batch_size=256, training=True)
        assert worker.process.poll() is not None


def test_too_little_memory_is_a_users_mistake_and_another_failure_is_not(add_library):
    layer = asdict(Geometry.of((1, 1, 1, 1), (1, 1, 1, 1)))
    with Worker(add_library("stranger", FRAGILE_LAYERS), 1) as worker:
        with pytest.raises(WorkerOutOfMemory, match="more memory than is free") as caught:
            worker.ask("open_layer", variant="one", geometry=layer, seed=0)
        assert isinstance(caught.value, InputError)
        with pytest.raises(WorkerFailed, match="KeyError: 'kernel'") as caught:
            worker.ask("open_layer", variant="one", geometry={}, seed=0)
        assert not isinstance(caught.value, MinicnnError)


def test_what_describes_the_machine_holds_no_path(monkeypatch):
    monkeypatch.setenv("MINICNN_DATA", "/somewhere")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    found = machine.facts()
    assert found["environment"]["OMP_NUM_THREADS"] == "1" and "/somewhere" not in str(found)
    assert found["cpu"] == machine.processor() and found["cores"] == len(machine.cores())
