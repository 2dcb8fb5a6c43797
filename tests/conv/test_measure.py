"""find: measured records, their order and reasons, and where they are kept."""

import json
import logging
import math
import sys
import threading
import time

import numpy as np
import pytest

from minicnn.conv import Geometry, Record, algorithms, fastest, find
from minicnn.conv.algorithm import Algorithm, _registered
from minicnn.conv.runtime.threads import get_num_threads, set_num_threads

module = sys.modules["minicnn.conv.measure"]
GEOMETRY = Geometry.of((2, 2, 7, 6), (3, 2, 3, 3), padding=1)


class Fake(Algorithm):
    """Zeros, after `seconds`; holds `held` bytes meanwhile."""

    reference, error_bound = "none", 3           # an int, as somebody may write it
    seconds, held = 0.0, 0

    def __init__(self, name, **attributes):
        self.name, self.calls = name, 0
        self.__dict__.update(attributes)

    def cost(self, geometry):
        return 1.0

    def forward(self, x, weight, bias, geometry):
        self.calls += 1
        time.sleep(self.seconds)
        saved = np.zeros(self.held, np.uint8)
        return np.zeros(geometry.out_shape, x.dtype), (saved, x, weight, bias)

    def backward(self, grad, saved, needs):
        assert needs == (True, True, True)
        return tuple(np.zeros_like(a) for a in saved[1:])


@pytest.fixture(autouse=True)
def nothing_measured(monkeypatch):
    monkeypatch.setattr(module, "_found", {})
    monkeypatch.setattr(module, "SECONDS", 0.002)


@pytest.fixture
def fake(monkeypatch):
    def add(name, **attributes):
        monkeypatch.setitem(_registered, name, Fake(name, **attributes))
        return _registered[name]
    algorithms()
    return add


def test_every_algorithm_has_a_record_the_fastest_first():
    records = find(GEOMETRY)
    assert sorted(record.algorithm for record in records) == sorted(algorithms())
    seconds = [record.seconds for record in records]
    assert seconds == sorted(seconds) and math.isfinite(seconds[0]) and fastest(records) == records[0].algorithm
    for record in records:
        algorithm, measured = algorithms()[record.algorithm], record.reason is None
        assert record.error_bound == algorithm.error_bound
        assert measured == (algorithm.unsupported(GEOMETRY) is None and algorithm.cost(GEOMETRY) < math.inf)
        if measured:
            assert record.forward > 0 and record.backward > 0 and record.workspace >= 0
        else:
            assert record.forward is record.backward is record.workspace is None


def test_reasons(fake):
    fake("unable").unsupported = lambda geometry: "it is Monday"
    fake("greedy").forward = lambda *arguments: (_ for _ in ()).throw(MemoryError)
    reasons = {record.algorithm: record.reason for record in find(GEOMETRY, repeats=1)}
    assert reasons["unable"] == "it is Monday" and reasons["greedy"] == "it needs more memory than there is"
    assert reasons["naive"] == "for looking, never chosen: name it to have it measured"
    assert reasons["direct"] is None
    assert [record.reason for record in find(GEOMETRY, repeats=1, names=["naive"])] == [None]


def test_order_workspace_and_turns(fake):
    fake("slow", seconds=0.004)
    fake("quick", seconds=0.001, held=3_000_000)
    fake("hopeless", seconds=0.3)
    records = find(GEOMETRY, repeats=4, names=["slow", "hopeless", "quick"])
    assert [record.algorithm for record in records] == ["quick", "slow", "hopeless"]
    assert 3_000_000 <= records[0].workspace < 3_100_000 and records[1].workspace < 100_000
    assert 0.004 <= records[1].forward < 0.1 and records[1].backward < 0.004
    assert algorithms()["hopeless"].calls == 3           # one apart, one for memory, one turn
    assert algorithms()["slow"].calls >= 6


def test_the_algorithms_take_turns(fake, monkeypatch):
    order = []
    for name in "ab":
        fake(name)
    monkeypatch.setattr(module, "take_turn", lambda algorithm, *operands: (order.append(algorithm.name), (1.0, 1.0))[1])
    find(GEOMETRY, repeats=3, names=["a", "b"])
    assert order == ["a", "b", "a", "b", "a", "b"]


def test_what_was_measured_is_not_measured_again(fake):
    one = fake("one")
    first = find(GEOMETRY, repeats=1, names=["one"])
    calls = one.calls
    assert calls > 0 and find(GEOMETRY, names="one", repeats=5) == first and one.calls == calls
    find(Geometry.of((2, 2, 7, 6), (3, 2, 3, 3), padding=0), repeats=1, names=["one"])
    assert one.calls > calls
    calls, threads = one.calls, get_num_threads()
    set_num_threads(threads + 1)
    try:
        find(GEOMETRY, repeats=1, names=["one"])
    finally:
        set_num_threads(threads)
    assert one.calls > calls


def test_an_algorithm_that_is_new_is_measured_with_the_others(fake):
    one, two = fake("one"), fake("two")
    find(GEOMETRY, repeats=1, names=["one"])
    calls = one.calls
    find(GEOMETRY, repeats=1, names=["one", "two"])
    assert one.calls > calls and two.calls > 0


def forget():
    module._found.clear()


def test_round_trip_through_a_file(fake, tmp_path):
    one, path = fake("one"), tmp_path / "new" / "found.json"
    first = find(GEOMETRY, path=path, repeats=1, names=["one"])
    other = Geometry.of((1, 1, 4, 4), (1, 1, 2, 2))
    find(other, path=path, repeats=1, names=["one"])
    calls = one.calls
    forget()
    assert find(GEOMETRY, path=str(path), names=["one"]) == first and one.calls == calls
    assert [p.name for p in path.parent.iterdir()] == ["found.json"]
    content = json.loads(path.read_text())
    (machine, geometries), = content["measured"].items()
    assert f"threads {get_num_threads()}" in machine and f"numpy {np.__version__}" in machine
    assert set(geometries) == {str(GEOMETRY), str(other)}
    content["measured"] = {"another machine": geometries}
    path.write_text(json.dumps(content))
    forget()
    find(GEOMETRY, path=path, repeats=1, names=["one"])
    assert one.calls > calls and set(json.loads(path.read_text())["measured"]) == {"another machine", machine}


def test_what_is_in_memory_goes_into_the_file(fake, tmp_path):
    one = fake("one")
    records = find(GEOMETRY, repeats=1, names=["one"])
    calls = one.calls
    assert find(GEOMETRY, path=tmp_path / "a.json", names=["one"]) == records and one.calls == calls
    forget()
    assert find(GEOMETRY, path=tmp_path / "a.json", names=["one"]) == records and one.calls == calls


@pytest.mark.parametrize("content", [
    b"", b"\xff\xfe", b"{", b"[1, 2]", b'{"kind": "a diary"}', b'{"kind": "minicnn.conv.find 1"}',
    b'{"kind": "minicnn.conv.find 1", "measured": {"m": {"g": {"one": {"forward": "quick"}}}}}',
    b'{"kind": "minicnn.conv.find 1", "measured": {"m": [3]}}', b"[" * 100_000])
def test_a_file_that_is_none_is_replaced_with_a_warning(fake, tmp_path, caplog, content):
    fake("one")
    path = tmp_path / "found.json"
    path.write_bytes(content)
    with caplog.at_level(logging.WARNING, "minicnn"):
        records = find(GEOMETRY, path=path, repeats=1, names=["one"])
    assert [record.getMessage().partition(" (")[0] for record in caplog.records] == [
        f"minicnn: cannot use the measured convolutions in {path}"]
    caplog.clear()
    forget()
    assert find(GEOMETRY, path=path, names=["one"]) == records and not caplog.records


def test_a_place_that_cannot_be_written_is_a_warning(fake, tmp_path, caplog):
    fake("one")
    (tmp_path / "file").write_text("")
    assert fastest(find(GEOMETRY, path=tmp_path, repeats=1, names=["one"])) == "one"
    assert fastest(find(GEOMETRY, path=tmp_path / "file" / "found.json", names=["one"])) == "one"
    assert sum("cannot keep the measured convolutions in" in record.getMessage() for record in caplog.records) == 2
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_calls_at_once_measure_once(fake):
    one, results = fake("one", seconds=0.01), []
    workers = [threading.Thread(target=lambda: results.append(find(GEOMETRY, repeats=1, names=["one"])))
               for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(results) == 4 and all(result == results[0] for result in results)
    assert one.calls == 3                        # one apart, one for memory, one in the turn


def test_misuse(fake):
    fake("unable").unsupported = lambda geometry: "it is Monday"
    with pytest.raises(ValueError, match="no convolution algorithm is called 'magic': choose among .*im2col"):
        find(GEOMETRY, names=["direct", "magic"])
    for repeats in (0, 1.5, True):
        with pytest.raises(ValueError, match=f"repeats must be an integer of at least 1, not {repeats}"):
            find(GEOMETRY, repeats=repeats)
    with pytest.raises(ValueError, match="no algorithm was measured: unable: it is Monday"):
        fastest(find(GEOMETRY, names=["unable"]))
    with pytest.raises(ValueError, match="no algorithm was measured: there are no records"):
        fastest([])


def test_fastest_counts_both_passes():
    records = [Record("a", 0.1, 0.3, 0, 3.0), Record("b", 0.2, 0.1, 0, 3.0)]
    assert fastest(records) == "b" and records[0].seconds == pytest.approx(0.4)
