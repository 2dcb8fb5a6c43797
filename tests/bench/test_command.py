"""`minicnn bench`: what it prints, draws and refuses."""

import json
from pathlib import Path

from minicnn.bench import libraries, machine, network_layers
from minicnn.conv import algorithms
from tests.bench.strangers import FRAGILE_LAYERS

QUICK = ["--batch-size", "2", "--repeats", "1", "--threads", "1"]


def test_train_prints_one_line_of_json_and_draws_a_chart(bench):
    status, out, _ = bench("train", "--algorithms", "im2col", *QUICK, "--batch-size", "2", "3", "--json",
                           "--chart", "speed.png")
    result = json.loads(out)
    assert status == 0 and out.count("\n") == 1 and Path("speed.png").read_bytes()[:4] == b"\x89PNG"
    assert set(result) == {"benchmark", "instructions", "date", "cpu", "cores", "load_before", "system", "versions",
                           "environment", "runs"}
    assert [(r["batch_size"], r["threads"], r["task"]) for r in result["runs"]] == [(2, 1, "train"), (3, 1, "train")]
    for row in (row for measured in result["runs"] for row in measured["rows"]):
        assert row["status"] == "ok" and row["reason"] is None and row["error"] < 0.01
        assert row["steps"] >= 3 and row["min_ms"] <= row["q1_ms"] <= row["median_ms"] <= row["q3_ms"]
        assert 0 < row["import_mb"] <= row["peak_mb"]
    ours, textbook = result["runs"][0]["rows"]
    assert (ours["name"], textbook["name"]) == ("minicnn im2col", "textbook NumPy") and ours["ratio_in_turn"] == 1
    assert textbook["ratio"] == textbook["median_ms"] / ours["median_ms"]


def test_forward_and_its_table(bench):
    status, out, _ = bench("train", "--forward", "--algorithms", "im2col", *QUICK)
    assert status == 0 and "LeNet forward pass, batch 2, 1 thread" in out
    assert "textbook NumPy" in out and "error" in out


def test_conv_prints_one_line_of_json_and_draws_a_chart(bench):
    status, out, _ = bench("conv", "--network", "lenet", "--algorithms", "auto,im2col", "--against", "none",
                           "--json", "--chart", "layers.svg", *QUICK)
    result = json.loads(out)
    assert status == 0 and result["benchmark"] == "conv" and "<svg" in Path("layers.svg").read_text()
    assert [r["case"] for r in result["runs"]] == ["conv1", "conv2", "conv3", "conv4"]
    for measured in result["runs"]:
        chosen = measured["auto"]["algorithm"]
        assert measured["auto"]["ratio_to_best"] >= 1
        assert {"minicnn im2col", f"minicnn {chosen}"} == {row["name"] for row in measured["rows"]}
        for row in measured["rows"]:
            assert row["status"] == "ok" and row["error_bound"] > 0 and row["error_norm"] in ("element", "largest")
            for key in ("errors", "largest_errors", "relative_errors"):
                assert set(row[key]) == {"forward", "grad_input", "grad_weight"}
            assert all(row["largest_errors"][one] <= row["errors"][one] < 100 for one in row["errors"])
            assert all(error < 1e-4 for error in row["relative_errors"].values())
            assert all({"median_ms", "gflops"} <= set(row[one])
                       for one in ("forward", "grad_input", "grad_weight", "both"))


def test_conv_and_its_table(bench):
    status, out, _ = bench("conv", "--network", "lenet", "--algorithms", "im2col", "--against", "none", *QUICK)
    assert status == 0 and "lenet conv4: 40->5 5x5 @16, batch 2, 1 thread" in out and "minicnn im2col" in out


def test_conv_find_prints_the_records_of_find(bench):
    status, out, _ = bench("conv", "--find", "--network", "lenet", "--algorithms", "im2col", *QUICK, "--json")
    assert status == 0
    for found in json.loads(out)["runs"]:
        record, = found["records"]
        assert record["algorithm"] == "im2col" and record["reason"] is None and found["auto"] in algorithms()
    status, out, _ = bench("conv", "--find", "--network", "lenet", "--algorithms", "im2col", *QUICK)
    assert status == 0 and "auto chose" in out


def test_profile_and_its_table(bench):
    status, out, _ = bench("train", "--profile", "--algorithms", "im2col", *QUICK, "--json")
    found, = json.loads(out)["runs"]
    assert status == 0 and (found["algorithm"], found["batch_size"], found["repeats"]) == ("im2col", 2, 1)
    assert found["rows"][-1]["name"] == "rest: tape, checks, Python"
    status, out, _ = bench("train", "--profile", "--algorithms", "im2col", *QUICK)
    assert status == 0 and "whole step, measured" in out


def test_an_interrupt_shows_what_is_done(bench, monkeypatch):
    from minicnn.bench import train
    measure = train.run

    def stop_at_the_second(task, *arguments):
        if task.batch_size == 3:
            raise KeyboardInterrupt
        return measure(task, *arguments)
    monkeypatch.setattr(train, "run", stop_at_the_second)
    status, out, err = bench("train", "--algorithms", "im2col", "--against", "none", *QUICK, "--batch-size", "2", "3",
                             "--json")
    assert status == 130 and len(json.loads(out)["runs"]) == 1 and "interrupted" in err


def test_layers_that_fail_are_rows_with_a_reason(bench, add_library):
    add_library("stranger", FRAGILE_LAYERS)
    status, out, _ = bench("conv", "--network", "lenet", "--against", "stranger", "--algorithms", "im2col", *QUICK,
                           "--json")
    rows = [measured["rows"][1] for measured in json.loads(out)["runs"]]
    assert status == 1 and [row["status"] for row in rows] == ["skipped", "failed", "wrong", "failed"]
    assert rows[0]["reason"] == "more memory than is free" and "signal SIGKILL" in rows[1]["reason"]
    assert "an element of its forward is off by" in rows[2]["reason"]


def test_layers_too_large_for_the_memory_are_skipped(bench, monkeypatch):
    monkeypatch.setattr(machine, "free_bytes", lambda: 10_000)
    status, out, _ = bench("conv", "--network", "lenet", "--against", "none", "--algorithms", "im2col", *QUICK)
    assert status == 0 and "1 competitor needs about" in out


def test_a_library_that_is_not_installed(bench, monkeypatch):
    monkeypatch.setattr(libraries.Library, "installed", property(lambda library: library.package != "tensorflow"))
    status, out, err = bench("train", "--against", "textbook,tensorflow")
    assert status == 2 and out == "" and "install it with `pip install tensorflow`, or leave tensorflow out" in err


def test_conv_with_layers_drawn_at_random(bench, monkeypatch):
    drawn = network_layers.random_layers(count=3)
    monkeypatch.setattr(network_layers, "random_layers", lambda: drawn)
    arguments = "conv", "--set", "random", "--algorithms", "auto", "--against", "none", *QUICK[2:]
    status, out, _ = bench(*arguments, "--json")
    result = json.loads(out)
    assert status == 0 and [found["batch_size"] for found in result["runs"]] == [layer.batch_size for layer in drawn]
    summary, = result["summary"]
    assert summary["set"] == "random" and summary["auto"] == {"of": 3, "near": 3, "share": 1.0}
    status, out, _ = bench(*arguments)
    assert status == 0 and "summary of 3 layers (random, 1 thread)" in out and "random 02:" in out
    assert "auto is within 15% of minicnn's fastest algorithm in 3 of 3 layers (100%)" in " ".join(out.split())
