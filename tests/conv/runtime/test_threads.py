"""parallel_for, and the numbers of threads of minicnn and BLAS. No result depends on them."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from minicnn import InputError
from minicnn.conv import Geometry, algorithms
from minicnn.conv.runtime.threads import check_environment, get_num_threads, parallel_for, set_num_threads
from tests.conv.geometries import operands, run

WHOLE, PART = (Geometry.of((batch, 6, 23, 14), (7, 6, 3, 3), padding=1) for batch in (32, 5))     # 32 fills the lanes
NAMES = [name for name, algorithm in algorithms().items()
         if algorithm.unsupported(WHOLE) is None and algorithm.cost(WHOLE) < np.inf]


@pytest.mark.parametrize("geometry", [WHOLE, PART])
@pytest.mark.parametrize("name", NAMES)
def test_number_of_threads_changes_no_bit(name, geometry, few_kernels, monkeypatch, rng):
    arrays, results = operands(geometry, rng.standard_normal), []
    for count in (1, 2, 5):                             # threads of minicnn; those of BLAS stay the same
        monkeypatch.setattr("minicnn.conv.runtime.threads._threads", count)
        results.append(run(algorithms()[name], geometry, *arrays, relu=True))
    for result in results[1:]:
        for a, b in zip(result, results[0], strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", NAMES)
def test_several_python_threads_at_once(name, few_kernels, monkeypatch, rng):
    monkeypatch.setattr("minicnn.conv.runtime.threads._threads", 2)
    work = [(algorithms()[name], geometry, *operands(geometry, rng.standard_normal)) for geometry in (WHOLE, PART)]
    expected, results = [run(*arguments) for arguments in work], []
    workers = [threading.Thread(target=lambda: results.append([run(*arguments) for arguments in work * 3]))
               for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(results) == 4
    for result in results:
        for ours, wanted in zip(result, expected * 3, strict=True):
            assert all(np.array_equal(a, b) for a, b in zip(ours, wanted, strict=True))


def test_parallel_for_covers_every_job_once_and_raises_what_work_raises(threads):
    threads(3)
    for jobs in (0, 1, 2, 11, 100):
        seen = []
        parallel_for(jobs, lambda start, stop, seen=seen: seen.extend(range(start, stop)))
        assert sorted(seen) == list(range(jobs))

    def fail(start, stop):
        if start <= 50 < stop:
            raise ArithmeticError("job 50")
    with pytest.raises(ArithmeticError, match="job 50"):
        parallel_for(100, fail)
    inner = []
    parallel_for(4, lambda start, stop: parallel_for(5, lambda a, b: inner.extend(range(a, b))))
    assert len(inner) % 5 == 0 and set(inner) == set(range(5))


def test_number_of_threads(threads, monkeypatch):
    for bad in (0, -1, 1.5, True, "2"):
        with pytest.raises(ValueError, match="must be an integer of at least 1, not"):
            set_num_threads(bad)
    monkeypatch.setattr("minicnn.conv.runtime.threads._threads", None)
    monkeypatch.setenv("OMP_NUM_THREADS", "5,2")
    monkeypatch.delenv("NUMBA_NUM_THREADS", raising=False)
    assert get_num_threads() == 5
    monkeypatch.setenv("NUMBA_NUM_THREADS", "3")
    assert get_num_threads() == 3


@pytest.mark.parametrize(("name", "value"), [
    ("NUMBA_NUM_THREADS", "0"), ("NUMBA_NUM_THREADS", "abc"), ("NUMBA_NUM_THREADS", "3,2"), ("OMP_NUM_THREADS", "x"),
    ("OMP_NUM_THREADS", "-1,2")])
def test_a_variable_that_is_no_number_of_threads(name, value, monkeypatch):
    monkeypatch.setattr("minicnn.conv.runtime.threads._threads", None)
    monkeypatch.delenv("NUMBA_NUM_THREADS", raising=False)
    monkeypatch.setenv(name, value)
    for check in (get_num_threads, check_environment):
        with pytest.raises(InputError, match=f"variable {name} must be an integer of at least 1, not '{value}'"):
            check()


def test_set_num_threads_holds_for_blas_and_nothing_else_does(threads):
    blas = lambda: {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}
    threads(1)
    assert blas() == {1} and get_num_threads() == 1
    script = ("import numpy as np; from threadpoolctl import threadpool_info; from minicnn import functional as F; "
              "F.conv2d(np.ones((1, 1, 9, 9)), np.ones((1, 1, 3, 3)), algorithm='im2col'); "
              "print({library['num_threads'] for library in threadpool_info() if library['user_api'] == 'blas'})")
    process = subprocess.run([sys.executable, "-c", script], env=os.environ | {"OPENBLAS_NUM_THREADS": "2"}, check=True,
                             capture_output=True, text=True)
    assert process.stdout.strip() == "{2}"              # the number that the user set
