"""Turns, statistics and progress."""

import time

import pytest

from minicnn.bench import round_robin
from minicnn.bench.worker_process import WorkerFailed
from tests.recorder import Recorder


class Player:
    """A worker that notes when it has its turn, and fails at the call number `dies`."""

    def __init__(self, name, log, dies=None):
        self.name, self.log, self.left = name, log, dies

    def ask(self):
        self.log.append(self.name)
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise WorkerFailed("it died")
        return [1.0]

    def rest(self):
        self.log.append("rest")


def told(progress):
    """(share of the whole, text) of each update."""
    return [(round(done / total, 2), text) for done, total, text in progress.updates]


def test_everybody_takes_turns_and_the_others_rest():
    log, progress = [], Recorder()
    workers = {name: Player(name, log) for name in "abc"}
    results, failures = round_robin.take_turns(workers, 2, Player.ask, progress)
    assert log == ["a", "rest", "b", "rest", "c", "rest", "c", "rest", "b", "rest", "a", "rest"]
    assert results == {name: [[1.0], [1.0]] for name in "abc"} and failures == {}
    assert told(progress) == [(0, "a"), (0.17, "b"), (0.33, "c"), (0.5, "c"), (0.67, "b"), (0.83, "a")]


def test_a_worker_that_fails_is_left_out_of_the_next_rounds():
    log = []
    workers = {"a": Player("a", log), "b": Player("b", log, dies=1)}
    results, failures = round_robin.take_turns(workers, 3, Player.ask)
    assert list(results) == ["a"] and len(results["a"]) == 3 and str(failures["b"]) == "it died"
    assert log.count("b") == 2


def test_a_slow_stretch_of_the_machine_cancels_from_the_ratio_in_turn():
    base = [[1.0, 1.1], [10.0, 11.0], [1.0, 1.1]]
    assert round_robin.ratio([[2 * t for t in turn] for turn in base], base) == pytest.approx(2)


def test_the_turns_are_the_share_of_the_work_that_their_seconds_are(monkeypatch):
    progress = Recorder()
    monkeypatch.setattr(time, "monotonic", lambda: 130.0)
    part = round_robin.remaining(progress, begun=100.0, seconds=10.0)   # 30 s of starting, 10 s of turns to come
    part.update(0, 2, "a")
    part.update(1, 2, "b")
    assert told(progress) == [(0.75, "a"), (0.88, "b")]


def test_parts_are_as_long_as_their_weights():
    progress = Recorder()
    for part in round_robin.parts(progress, [1, 3], ["batch 1", "batch 3"]):
        part.update(0, 1, "starts")
        part.update(1, 1, "ends")
    assert told(progress) == [(0, "batch 1, starts"), (0.25, "batch 1, ends"), (0.25, "batch 3, starts"),
                             (1, "batch 3, ends")]
