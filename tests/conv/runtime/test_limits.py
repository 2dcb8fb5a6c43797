"""What the system may refuse: new threads, the placing of threads. And memory: tables of many image sizes."""

import os
import threading

import numpy as np
import pytest

from minicnn.conv import Geometry, algorithms
from minicnn.conv.algorithms import fft
from minicnn.conv.algorithms.winograd import TABLES, Tiling
from minicnn.conv.runtime import threads
from minicnn.conv.runtime.memory import BoundedCache
from tests.conv.geometries import operands, run

GEOMETRY = Geometry.of((32, 6, 23, 14), (7, 6, 3, 3), padding=1)


def refuse(*arguments, **options):
    raise RuntimeError("can't start new thread")


def forbid(*arguments):
    raise PermissionError(1, "Operation not permitted")


@pytest.fixture
def new_crew(monkeypatch):
    """The helpers start anew, and four threads are wanted."""
    monkeypatch.setattr(threads, "_helpers", None)
    monkeypatch.setattr(threads, "_threads", 4)


@pytest.mark.parametrize("name", ["direct", "winograd", "fft", "im2col"])
@pytest.mark.parametrize("limit", ["no thread", "one thread", "no affinity"])
def test_a_convolution_works_under_a_limit(name, limit, few_kernels, new_crew, monkeypatch, rng):
    arrays = operands(GEOMETRY, rng.standard_normal)
    expected = run(algorithms()[name], GEOMETRY, *arrays, relu=True)
    monkeypatch.setattr(threads, "_helpers", None)
    if limit == "no affinity":
        monkeypatch.setattr(os, "sched_setaffinity", forbid, raising=False)
        monkeypatch.setattr(os, "sched_getaffinity", forbid, raising=False)
    else:
        start, left = threading.Thread.start, [limit == "one thread"]
        monkeypatch.setattr(threading.Thread, "start", lambda self: start(self) if left and left.pop() else refuse())
    for ours, wanted in zip(run(algorithms()[name], GEOMETRY, *arrays, relu=True), expected, strict=True):
        np.testing.assert_array_equal(ours, wanted)


def test_the_number_of_threads_without_permission_to_ask(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", forbid, raising=False)
    for variable in threads.VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(threads, "_threads", None)
    assert threads.get_num_threads() == os.cpu_count()


def test_fft_runs_on_one_thread_if_scipy_cannot_start_others(monkeypatch):
    monkeypatch.setattr(fft.fft, "rfft", refuse)
    fft.threads_start.cache_clear()
    assert fft.workers(10**9) == 1
    monkeypatch.undo()
    fft.threads_start.cache_clear()
    assert fft.workers(10**9) == threads.get_num_threads()


def test_a_cache_is_bounded_and_forgets_what_was_used_longest_ago():
    made = []

    def make(key):
        made.append(key)
        return b"x" * key
    cache = BoundedCache(make, len, 10)
    for key in (4, 5, 4, 3, 4, 5, 20, 4):
        assert len(cache(key)) == key
        assert cache.bytes <= 10 or list(cache.kept) == [20]
    assert made == [4, 5, 3, 5, 20, 4]
    cache.cache_clear()
    assert cache.bytes == 0 and cache.kept == {}


def test_the_tables_of_winograd_are_bounded():
    cache = BoundedCache(Tiling, lambda tiling: tiling.bytes, 2**22)
    for height in range(100, 160):                # more than 400 KB each
        cache(Geometry.of((1, 1, height, 150), (1, 1, 3, 3)))
        assert cache.bytes <= 2**22
    assert 2 <= len(cache.kept) < 20 and TABLES >= 2**22
