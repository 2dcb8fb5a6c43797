"""benchmarks/RESULTS.md equals the page that its command makes from the stored measurements."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from minicnn.conv import algorithms

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def results():
    return json.loads((BENCHMARKS / "results.json").read_text(encoding="utf-8"))


@pytest.fixture
def results_page(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import results_page
    return results_page


def test_the_page_is_made_from_the_measurements(results, results_page):
    assert results_page.page(results) == (BENCHMARKS / "RESULTS.md").read_text(encoding="utf-8"), \
        "run python benchmarks/results_page.py"


def test_every_section_with_a_table_has_a_command(results, results_page):
    text = results_page.page(results)
    assert "{{" not in text
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        assert "| --- |" in section or "|---|" in section
        assert re.search(r"`(minicnn|python benchmarks/)", section), section[:40]


def test_what_was_not_measured_has_its_reason_in_the_table(results, results_page):
    run = results[0]["runs"][0]
    failed = {**run["rows"][0], "status": "failed", "reason": "it died", "median_ms": None}
    table = results_page.training_tables({"command": "c", "runs": [{**run, "rows": [run["rows"][1], failed]}]})
    assert table.splitlines()[-1] == f"| {failed['name']} | failed: it died |  |  |  |"
    assert results_page.layer_cell({"status": "wrong"}, False) == "wrong"
    assert results_page.layer_cell({"status": "skipped"}, True) == results_page.layer_cell(None, False) == "-"


def test_the_standard_set_is_stored_with_its_commands(results, results_page):
    import run
    assert [result["command"] for result in results] == [
        " ".join(["minicnn", "bench", *arguments, "--against", "installed"]) for arguments in run.STANDARD]
    assert json.loads(run.one_run_a_line(results)) == results


@pytest.mark.parametrize("script", ["run.py", "epoch.py"])
def test_the_scripts_have_help(script):
    root = str(BENCHMARKS.parent)
    shown = subprocess.run([sys.executable, BENCHMARKS / script, "--help"], env={**os.environ, "PYTHONPATH": root},
                           capture_output=True, text=True, check=True).stdout
    assert f"python benchmarks/{script}" in shown


def test_the_stored_errors_are_within_the_bounds_and_can_be_measured_again(results_page, monkeypatch):
    import errors
    stored = {row["algorithm"]: row for row in json.loads((BENCHMARKS / "errors.json").read_text())["rows"]}
    for name, row in stored.items():
        assert row["norm"] == algorithms()[name].error_norm
        assert row["both signs"]["forward"] <= algorithms()[name].error_bound
    monkeypatch.setattr(errors, "BATCH", 1)
    worst, outputs = errors.worst_errors(algorithms()["im2col"], positive=True)
    assert set(worst) == set(stored["im2col"]["all positive"]) and outputs == 38_480
    assert 0.1 < worst["forward"] < 2 * stored["im2col"]["all positive"]["forward"]
