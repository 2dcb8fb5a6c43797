"""Every reader on a fixed number of inputs. CONTRIBUTING.md tells how to run more."""

import re
import time

import pytest

from tests.fuzz.run import FREE, fuzz
from tests.fuzz.targets import CORPUS, TARGETS, Target

INPUTS = 16_000                                         # of all targets together


@pytest.mark.parametrize("name", TARGETS)
def test_no_input_makes_a_reader_fail(tmp_path, monkeypatch, name):
    monkeypatch.setenv("MINICNN_HOME", str(tmp_path / "home"))
    shares = sum(target.share for target in TARGETS.values())
    result = fuzz(TARGETS[name](tmp_path), INPUTS * TARGETS[name].share // shares)
    assert result.inputs >= 500 and result.failures == []


def test_the_seeds_themselves_are_read_and_one_input_comes_again(tmp_path):
    idx = TARGETS["idx"](tmp_path)
    for seed in idx.seeds:
        idx.read(seed)
    results = [fuzz(TARGETS["idx"](tmp_path), 50, seed=3) for _ in range(2)]
    assert (results[0].accepted, results[0].refused) == (results[1].accepted, results[1].refused)
    assert results[0].accepted > 0 and results[0].refused > 0


class Bad(Target):
    corpus, allowed, factor = "idx", (ValueError,), 0

    def read(self, content):
        {0: lambda: bytearray(FREE + 1), 1: lambda: 1 / 0, 2: lambda: int("x"), 3: lambda: time.sleep(0)}[self.what]()


@pytest.mark.parametrize(("what", "reason"), [(0, "it took 4.* MB for"), (1, "ZeroDivisionError: division by zero"),
                                              (2, None), (3, None)])
def test_what_counts_as_a_failure(tmp_path, what, reason):
    bad = Bad(tmp_path)
    bad.what = what
    failures = fuzz(bad, 3).failures
    assert len(failures) == (3 if reason else 0)
    for _, _, found in failures:
        assert re.match(reason, found)


def test_a_hang_counts_as_a_failure(tmp_path, monkeypatch):
    monkeypatch.setattr("tests.fuzz.run.SECONDS", -1)
    bad = Bad(tmp_path)
    bad.what = 3
    assert [reason for _, _, reason in fuzz(bad, 1).failures] == ["it took 0.0 s"]


def test_every_target_has_its_corpus():
    assert all(any(path.iterdir()) for path in CORPUS.iterdir())
