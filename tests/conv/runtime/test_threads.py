"""parallel_for, and the numbers of threads of minicnn and BLAS. No result depends on them."""

import functools
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from minicnn import InputError
from minicnn.conv import Geometry, algorithms
from minicnn.conv.kernels.compile import compiled_block
from minicnn.conv.runtime import board
from minicnn.conv.runtime.crew import _ring
from minicnn.conv.runtime.threads import (
    _crew as crew,
)
from minicnn.conv.runtime.threads import (
    check_environment,
    get_num_threads,
    parallel_for,
    parallel_kernel,
    set_num_threads,
)
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


def test_an_error_stops_the_other_threads(threads):
    threads(2)
    done = []

    def fail(start, stop):
        done.append(start)
        if start == 0:
            raise KeyboardInterrupt
        while not crew().calls[0].stopped:              # the second thread is in its first range
            time.sleep(1e-4)
    with pytest.raises(KeyboardInterrupt):
        parallel_for(1000, fail)
    assert len(done) <= 2 and crew().calls == []


@functools.cache
def marking_function():
    """f(start, stop, scratch, task): add 1 to task[job] and write `scratch` to task[jobs + job], for each job."""
    def mark(start, stop, scratch, task):
        for job in range(start, stop):
            board._add(task, 1 + job, 1)
            board._store(task, 1 + board._load(task, 0) + job, scratch)
    return compiled_block(4, mark)


def marks(jobs, scratch=0, least=1):
    """(how often each job was done, with which scratch memory) by a `parallel_kernel`."""
    task = np.zeros(1 + 2 * jobs, np.int64)
    task[0] = jobs
    parallel_kernel(jobs, marking_function(), task, scratch, least)
    return task[1:1 + jobs], task[1 + jobs:]


@pytest.mark.parametrize("count", [1, 2, 3, 64])
def test_parallel_kernel_does_every_job_once(count, monkeypatch):
    monkeypatch.setattr("minicnn.conv.runtime.threads._threads", count)
    for jobs in (0, 1, 2, 63, 64, 65, 1000):
        for least in (1, 40):
            times, scratch = marks(jobs, 4096, least)
            assert times.tolist() == [1] * jobs and np.all(scratch % 4096 == 0) and np.all(scratch > 0)


def test_each_thread_of_a_kernel_has_scratch_memory_of_its_own(monkeypatch):
    monkeypatch.setattr("minicnn.conv.runtime.threads._threads", 3)
    size = 5 * 2**20
    used = set().union(*(marks(3000, size)[1].tolist() for _ in range(200)))
    assert 1 <= len(used) <= 3 and all(abs(a - b) >= size for a in used for b in used if a != b)


def test_python_threads_play_kernels_at_once(monkeypatch):
    monkeypatch.setattr("minicnn.conv.runtime.threads._threads", 2)
    results = []
    workers = [threading.Thread(target=lambda: results.extend(marks(100)[0].tolist() for _ in range(50)))
               for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert results == [[1] * 100] * 200


def test_a_job_of_a_kernel_takes_no_python(monkeypatch):
    def python_calls(jobs):
        calls = []
        sys.setprofile(lambda frame, event, argument: calls.append(event) if event == "call" else None)
        try:
            marks(jobs)
        finally:
            sys.setprofile(None)
        return len(calls)
    for count in (2, 64):
        monkeypatch.setattr("minicnn.conv.runtime.threads._threads", count)
        marks(64)
        assert max(python_calls(64), python_calls(6400)) <= 20


@pytest.mark.parametrize("count", [1, 2, 3, 63, 255])
def test_sleeping_helpers_are_woken_as_a_tree(count):
    class Sleeper:
        def __init__(self):
            self.bell, self.others = self, []

        def release(self):
            rung.append(self)
    helpers, woken, rung, depth = [Sleeper() for _ in range(count)], [], [], 0
    _ring(helpers)
    while rung:
        ringing, rung = rung, []
        woken += ringing
        depth += 1
        for helper in ringing:
            before = len(rung)
            _ring(helper.others)
            assert len(rung) - before <= 2
    assert set(woken) == set(helpers) and len(woken) == count and depth <= count.bit_length()


def test_helpers_that_sleep_come_again(monkeypatch):
    monkeypatch.setattr("minicnn.conv.runtime.threads._threads", 4)
    seen = set()

    def work(start, stop):
        seen.add(threading.get_ident())
        time.sleep(0.01)
    for _ in range(3):
        parallel_for(4, work)
        wait_until(lambda: len(crew().asleep) == len(crew().helpers))
    assert len(seen) == 4


def wait_until(condition):
    for _ in range(2000):
        if condition():
            return
        time.sleep(0.005)
    raise AssertionError("it did not happen in ten seconds")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_forked_child_has_helpers_of_its_own(monkeypatch):
    monkeypatch.setattr("minicnn.conv.runtime.threads._threads", 3)
    marks(64)
    child = os.fork()
    if child == 0:
        done = []
        parallel_for(64, lambda start, stop: done.extend(range(start, stop)))
        os._exit(int(sorted(done) != list(range(64)) or set(marks(64)[0]) != {1}))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


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
