"""find: the measured algorithms, their order, the reasons of the others; and fastest."""

import math
import sys
import threading

import numpy as np
import pytest

from minicnn.conv import Algorithm, Geometry, Measurement, algorithms, fastest, find
from minicnn.progress import Progress

module = sys.modules["minicnn.conv.measure"]
GEOMETRY = Geometry.of((2, 2, 7, 6), (3, 2, 3, 3), padding=1)


@pytest.fixture(autouse=True)
def nothing_measured(monkeypatch):
    monkeypatch.setattr(module, "_found", {})
    monkeypatch.setattr(module, "SECONDS", 0.0)


@pytest.fixture
def fake(added, monkeypatch):
    """fake(name, seconds, held): an algorithm that returns zeros, takes seconds on a false clock, and holds memory."""
    now = [0.0]
    monkeypatch.setattr(module.time, "perf_counter", lambda: now[0])

    def add(title, seconds=0.001, held=0, **attributes):
        class Fake(Algorithm):
            name, reference, error_bound, calls = title, "none", 3.0, 0
            cost = lambda self, geometry: 1.0

            def forward(self, x, weight, bias, geometry, relu=False):
                self.calls += 1
                now[0] += seconds
                saved = np.zeros(held, np.uint8)
                return np.zeros(geometry.out_shape, x.dtype), (saved, x, weight, bias)

            def backward(self, grad, saved, needs):
                assert needs == (True, True, True)
                now[0] += seconds / 2
                return tuple(np.zeros_like(a) for a in saved[1:])

        Fake.__qualname__ = title
        for key, value in attributes.items():
            setattr(Fake, key, value)
        added(Fake)
        return algorithms()[title]
    return add


def test_every_algorithm_is_told_the_fastest_first():
    measured = find(GEOMETRY)
    assert sorted(one.algorithm for one in measured) == sorted(algorithms())
    seconds = [one.seconds for one in measured]
    assert seconds == sorted(seconds) and math.isfinite(seconds[0]) and fastest(measured) == measured[0].algorithm
    for one in measured:
        algorithm = algorithms()[one.algorithm]
        assert (one.error_bound, one.error_norm) == (algorithm.error_bound, algorithm.error_norm)
        able = algorithm.unsupported(GEOMETRY) is None and algorithm.cost(GEOMETRY) < math.inf
        assert able == (one.reason is None)
        assert one.workspace >= 0 if able else one.forward is one.backward is one.workspace is None


def test_reasons(fake):
    def greedy(self, *arguments):
        raise MemoryError
    fake("unable", unsupported=lambda self, geometry: "it is Monday")
    fake("greedy", forward=greedy)
    reasons = {one.algorithm: one.reason for one in find(GEOMETRY, repeats=1)}
    assert reasons["unable"] == "it is Monday" and reasons["greedy"] == "it needs more memory than there is"
    assert reasons["naive"] == "'auto' never chooses it: to measure it, give its name"
    assert reasons["direct"] is None
    assert [one.reason for one in find(GEOMETRY, repeats=1, names=["naive"])] == [None]


def test_order_workspace_and_turns(fake):
    fake("slow", seconds=0.004)
    fake("quick", seconds=0.001, held=3_000_000)
    fake("hopeless", seconds=0.3)
    measured = find(GEOMETRY, repeats=4, names=["slow", "hopeless", "quick"])
    assert [one.algorithm for one in measured] == ["quick", "slow", "hopeless"]
    assert 3_000_000 <= measured[0].workspace < 3_100_000 and measured[1].workspace < 100_000
    assert (measured[1].forward, measured[1].backward) == (pytest.approx(0.004), pytest.approx(0.002))
    # once to compile, once for the memory, then the turns; a hopeless algorithm has one turn
    assert [algorithms()[name].calls for name in ("slow", "quick", "hopeless")] == [6, 6, 3]


def test_the_algorithms_take_turns_and_progress_says_so(fake, monkeypatch):
    order, heard = [], []

    class Listener(Progress):
        def update(self, done, total, text=""):
            heard.append((done, total, text))

    for name in "ab":
        fake(name)
    monkeypatch.setattr(module, "_take_turn", lambda one, *operands: (order.append(one.name), (1.0, 1.0))[1])
    find(GEOMETRY, repeats=3, names=["a", "b"], progress=Listener())
    assert order == ["a", "b", "a", "b", "a", "b"]
    assert heard == [(n, 8, "ab"[n % 2]) for n in range(8)]


def test_what_was_measured_is_not_measured_again(fake, threads):
    one = fake("one")
    first = find(GEOMETRY, repeats=1, names=["one"])
    assert one.calls == 3 and find(GEOMETRY, names="one", repeats=5) == first and one.calls == 3
    find(Geometry.of((2, 2, 7, 6), (3, 2, 3, 3), padding=0), repeats=1, names=["one"])
    assert one.calls == 6
    threads(7)
    find(GEOMETRY, repeats=1, names=["one"])
    assert one.calls == 9


def test_an_algorithm_that_is_new_is_measured_with_the_others(fake):
    one, two = fake("one"), fake("two")
    find(GEOMETRY, repeats=1, names=["one"])
    find(GEOMETRY, repeats=1, names=["one", "two"])
    assert (one.calls, two.calls) == (6, 3)


def test_calls_at_once_measure_once(fake):
    one, results = fake("one"), []
    workers = [threading.Thread(target=lambda: results.append(find(GEOMETRY, repeats=1, names=["one"])))
               for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(results) == 4 and all(result == results[0] for result in results)
    assert one.calls == 3                        # one to compile, one for the memory, one in the turn


def test_misuse(fake):
    fake("unable", unsupported=lambda self, geometry: "it is Monday")
    with pytest.raises(ValueError, match="no convolution algorithm is called 'magic': choose among .*im2col"):
        find(GEOMETRY, names=["direct", "magic"])
    for repeats in (0, 1.5, True):
        with pytest.raises(ValueError, match=f"repeats must be an integer of at least 1, not {repeats}"):
            find(GEOMETRY, repeats=repeats)
    with pytest.raises(ValueError, match="no algorithm was measured: unable: it is Monday"):
        fastest(find(GEOMETRY, names=["unable"]))
    with pytest.raises(ValueError, match="no algorithm was measured: the list is empty"):
        fastest([])


def test_fastest_counts_both_passes():
    measured = [Measurement("a", 0.1, 0.3, 0, 3.0), Measurement("b", 0.2, 0.1, 0, 3.0)]
    assert fastest(measured) == "b" and measured[0].seconds == pytest.approx(0.4)
