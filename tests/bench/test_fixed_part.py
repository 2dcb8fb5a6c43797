"""The line through step times, the prediction for many cores, and `minicnn bench train --fixed`."""

import json

import pytest

from minicnn import InputError
from minicnn.bench import fixed_part, libraries
from minicnn.bench.fixed_part import Line, Parts
from tests.bench.strangers import DEADLY, INCOMPLETE


def test_a_line_counts_relative_differences():
    line = fixed_part.fit({16: 3.0, 64: 3.0 + 48 * 0.1, 256: (3.0 + 240 * 0.1) * 1.1})     # the largest is off
    assert line.image == pytest.approx(0.11, rel=0.1) and 0.5 < line.fixed < 1.6


@pytest.mark.parametrize("cores", [2, 16, 64])
def test_a_prediction_keeps_the_fixed_and_the_serial_part(cores):
    lines = {1: Line(4.0, 0.25 + 1), 2: Line(3.0, 0.25 + 1 / 2)}                 # the fixed part is that of 2 threads
    assert fixed_part.parts(lines).predict(64, cores) == pytest.approx(3 + 64 * (0.25 + 1 / cores))
    assert fixed_part.parts({2: lines[2], 4: Line(3.0, 0.5)}) == Parts(3.0, 0.25, 1.0)


def test_no_part_is_negative():
    assert fixed_part.parts({1: Line(1.0, 1.0), 2: Line(2.0, 1.5)}) == Parts(2.0, 1.5, 0.0)    # threads cost time
    assert fixed_part.parts({1: Line(1.0, 3.0), 2: Line(-0.5, 1.0)}) == Parts(0.0, 0.0, 2.0)   # more than two times


def test_too_few_sizes_and_too_few_threads():
    with pytest.raises(InputError, match="a line needs the times of at least two batch sizes, not of 1: give more"):
        fixed_part.run([], [64, 64], [1], 1)
    with pytest.raises(InputError, match="a prediction needs the times of two numbers of threads, not of 1"):
        fixed_part.parts({2: Line(1.0, 1.0)})


def test_fixed_measures_every_size_and_number_of_threads(bench):
    status, out, _ = bench("train", "--fixed", "--batch-size", "2", "8", "--threads", "1", "2", "--repeats", "1",
                           "--algorithms", "im2col", "--against", "none", "--json")
    result = json.loads(out)
    found, = result["runs"]
    assert status == 0 and result["benchmark"] == "fixed" and found["cores"] == fixed_part.CORES
    assert [(row["name"], row["threads"]) for row in found["rows"]] == [("minicnn im2col", 1), ("minicnn im2col", 2)]
    for row in found["rows"]:
        (_, small), (_, large) = row["times"]
        assert [size for size, _ in row["times"]] == [2, 8] and row["deviation"] < 1e-6      # two points: no distance
        assert row["fixed_ms"] + 2 * row["image_ms"] == pytest.approx(small)
        assert row["fixed_ms"] + 8 * row["image_ms"] == pytest.approx(large)
    one, two = found["rows"]
    assert one["parts"] is one["predicted"] is None
    found = fixed_part.parts({row["threads"]: Line(row["fixed_ms"], row["image_ms"]) for row in (one, two)})
    assert Parts(**two["parts"]) == found and two["predicted"] == [[size, found.predict(size)] for size in (2, 8)]


def test_the_text_says_what_is_predicted(bench):
    status, out, _ = bench("train", "--fixed", "--batch-size", "2", "4", "--threads", "1", "2", "--repeats", "2",
                           "--algorithms", "im2col", "--against", "none")
    assert status == 0 and "predicted, not measured: minicnn im2col on 16 cores:" in " ".join(out.split())


def test_a_competitor_that_fails_is_a_row_with_a_reason(add_library):
    ours, theirs = libraries.with_algorithm("im2col"), add_library("incomplete", INCOMPLETE)
    dying = add_library("deadly", DEADLY + "LAST = 4\n")
    for other, reason in (theirs, "no_such_module"), (dying, "Segmentation fault, so to say"):
        found = fixed_part.run([ours, other], [1, 2], [1], 1)
        assert [row["status"] for row in found["rows"]] == ["ok", "failed"] and reason in found["rows"][1]["reason"]


def test_of_pytorch_only_the_fastest_format_is_measured(monkeypatch):
    monkeypatch.setattr(libraries.Library, "installed", True)
    tried = []
    monkeypatch.setattr(fixed_part, "_open", lambda competitor, *_: (tried.append(competitor.name), ({}, 0.0))[1])
    monkeypatch.setattr(fixed_part, "_line", lambda turns: {})
    with pytest.raises(KeyError):                                                  # nothing was measured
        fixed_part.run(libraries.competitors(["torch"]), [1, 2], [1], 1)
    assert tried == ["PyTorch channels_last"]
