"""parallel_for, and how many threads minicnn and BLAS have."""

import os
import subprocess
import sys

import pytest
from threadpoolctl import threadpool_info

from minicnn.conv.runtime.threads import get_num_threads, parallel_for, set_num_threads


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


def test_set_num_threads_holds_for_blas_and_nothing_else_does(threads):
    blas = lambda: {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}
    threads(1)
    assert blas() == {1} and get_num_threads() == 1
    script = ("import numpy as np; from threadpoolctl import threadpool_info; from minicnn import functional as F; "
              "F.conv2d(np.ones((1, 1, 9, 9)), np.ones((1, 1, 3, 3)), algorithm='im2col'); "
              "print({library['num_threads'] for library in threadpool_info() if library['user_api'] == 'blas'})")
    process = subprocess.run([sys.executable, "-c", script], env=os.environ | {"OPENBLAS_NUM_THREADS": "2"}, check=True,
                             capture_output=True, text=True)
    assert process.stdout.strip() == "{2}"              # as the user set it
