"""benchmarks/run.py measures rows and stores them; results_page.py makes RESULTS.md from what is stored."""

import json
import os
import re
import subprocess
import sys
import types
from pathlib import Path

import pytest

from minicnn.cli.main import make_parser
from minicnn.conv import algorithms
from minicnn.progress import duration

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
MACHINE = {"date": "2026-01-02T03:04:05+00:00", "cpu": "a processor", "cores": 2, "load_before": 0.1,
           "versions": {"minicnn": "9.8", "torch": "2.13"}, "instructions": "avx2"}


@pytest.fixture
def scripts(monkeypatch):
    """The modules run, rows, summary and results_page."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    import results_page
    import rows
    import run
    import summary
    return types.SimpleNamespace(run=run, rows=rows, summary=summary, page=results_page)


@pytest.fixture
def results_page(scripts):
    return scripts.page


@pytest.fixture
def results(results_page):
    return results_page.stored()


def test_the_page_is_made_from_the_measurements(results, results_page):
    assert results_page.page(results) == (BENCHMARKS / "RESULTS.md").read_text(encoding="utf-8"), \
        "run python benchmarks/results_page.py"


def test_every_section_with_a_table_has_a_command(results, results_page):
    text = results_page.page(results)
    assert "{{" not in text
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        assert "| --- |" in section or "|---|" in section
        assert re.search(r"`(minicnn|python benchmarks/)", section), section[:40]


def test_the_pages_of_the_instruction_sets_are_made_from_the_measurements(results, results_page):
    pages = {path.stem: path.read_text(encoding="utf-8") for path in (BENCHMARKS / "results").glob("*.md")}
    assert pages == {name.lower(): results_page.details(name, measured) for name, measured in results.items()
                     if measured}
    for measured in results.values():
        for name, result in measured.items():
            assert result["command"].startswith("minicnn bench ") and name in results_page.ROWS


def test_what_was_not_measured_has_its_reason_in_the_table(results_page):
    row = {"name": "one", "status": "ok", "median_ms": 1.5, "ratio_in_turn": 1.0, "peak_mb": 10.0, "first_step_s": 0.5}
    failed = {**row, "name": "two", "status": "failed", "reason": "it died", "median_ms": None}
    table = list(results_page.training_tables({"runs": [{"title": "t", "base": "one", "rows": [failed, row]}]}))
    assert table[-2:] == ["| one | 1.5 | 1.00 | 10 | 0.5 |", "| two | failed: it died |  |  |  |"]
    assert results_page.layer_cell({"status": "wrong"}, False) == "wrong"
    assert results_page.layer_cell({"status": "skipped"}, True) == results_page.layer_cell(None, False) == "-"


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


def row(library, **fields):
    """A row of a result."""
    told = {"minicnn": "AVX2", "torch": "AVX2 of torch"}.get(library)
    return {"name": library, "library": library, "variant": "", "status": "ok", "reason": None, "instructions": told,
            "blas": "openblas Haswell", **fields}


def training(**ratios):
    """A result of `bench train` with the ratios of these libraries."""
    rows = [row("minicnn", median_ms=10.0, ratio_in_turn=1.0),
            *(row(name.split("_")[0], name=name, variant=name.partition("_")[2], median_ms=10 * ratio,
                  ratio_in_turn=ratio) for name, ratio in ratios.items())]
    return {**MACHINE, "benchmark": "train", "runs": [{"rows": rows, "title": "t", "base": "minicnn"}]}


def layers(*ratios, network="lenet", near=1.0):
    """A result of `bench conv` with a layer for each ratio."""
    times = lambda ratio: {"ratio_in_turn": ratio, "median_ms": 10 * ratio}
    runs = [{"network": network, "case": f"conv{i}", "layer": "", "threads": 2, "batch_size": 16,
             "auto": {"algorithm": "direct", "ratio_to_best": near},
             "rows": [row("minicnn", forward=times(1), both=times(1)),
                      row("torch", forward=times(ratio / 2), both=times(ratio))]} for i, ratio in enumerate(ratios)]
    return {**MACHINE, "benchmark": "conv", "runs": runs, "summary": []}


def found(scripts, **measured):
    """{work and row: (result, figures)} of the lines of the table."""
    lines = scripts.summary.lines({name.replace("_", "-"): result for name, result in measured.items()})
    return {work: (result, figures) for work, result, figures, _ in lines if result != scripts.summary.NOT_MEASURED}


@pytest.mark.parametrize("instructions", ["native", "avx2"])
def test_every_command_is_one_that_minicnn_takes(scripts, instructions, monkeypatch):
    monkeypatch.setattr("minicnn.bench.instruction_sets.check", lambda name: name)
    for name, each in scripts.rows.ROWS.items():
        arguments = make_parser().parse_args(each.command(instructions, 2))
        assert arguments.instructions == instructions and arguments.repeats == 2, name
    assert scripts.rows.ROWS["lenet"].command("native")[-6:-2] == ["--against", "none", "--repeats", "3"]


@pytest.mark.parametrize(("arguments", "message"), [
    (["--rows", "step-65"], "argument --rows: invalid choice: 'step-65' (choose from"),
    (["--instructions", "sse"], "argument --instructions: instructions must be one of 'native', 'avx2', not 'sse'"),
    (["--repeats", "0"], "argument --repeats: must be an integer of at least 1, not '0'"),
    (["--row"], "expected at least one argument")])
def test_bad_options_exit_with_2(scripts, arguments, message, capsys):
    with pytest.raises(SystemExit) as status:
        scripts.run.main(arguments)
    assert status.value.code == 2 and message in capsys.readouterr().err


def test_the_chosen_rows_are_measured_for_each_instruction_set(scripts, monkeypatch, capsys):
    monkeypatch.setattr(scripts.run, "every_set", lambda: ["native", "avx2"])
    assert scripts.run.main(["--list", "--rows", "product", "step-1", "product", "--repeats", "4"]) == 0
    commands = capsys.readouterr().out.splitlines()
    assert commands[0] == "minicnn bench product --repeats 4 --instructions native" and len(commands) == 4
    assert [line.rpartition(" ")[2] for line in commands] == ["native", "native", "avx2", "avx2"]


def test_both_sets_where_the_processor_has_avx_512(scripts, monkeypatch):
    for name, sets in ("AVX-512", ["native", "avx2"]), ("AVX2", ["native"]), ("NEON", ["native"]):
        monkeypatch.setattr(scripts.run, "target", lambda name=name: types.SimpleNamespace(name=name))
        assert scripts.run.every_set() == sets


def test_a_row_replaces_that_row_only_and_other_rows_go_on_after_a_failure(scripts, monkeypatch, folder, capsys):
    store = scripts.rows.store
    monkeypatch.setattr(scripts.run, "store", lambda name, result: store(name, result, folder))
    monkeypatch.setattr(scripts.page, "write", lambda: None)
    store("step-1", training(torch=2.0), folder)
    store("step-64", training(torch=3.0), folder)
    answers = [(70, None), (1, training(torch=1 / 3)), (0, training(torch=5.0))]
    monkeypatch.setattr(scripts.run, "measure", lambda arguments: answers.pop(0))
    work = [("product", "avx2"), ("step-64", "avx2"), ("step-256", "avx2")]
    assert scripts.run.measure_all(work, None) == 70
    ratios = {name: result["runs"][0]["rows"][1]["ratio_in_turn"]
              for name, result in scripts.rows.stored(folder)["AVX2"].items()}
    assert ratios == {"step-1": 2.0, "step-64": 0.33333, "step-256": 5.0}
    told, seconds = capsys.readouterr().err, sum(scripts.rows.ROWS[name].seconds for name, _ in work)
    assert "product has no result (exit status 70)" in told
    assert "avx2/step-64.json is written; a result in it is wrong or minicnn failed" in told
    assert f"1 of 3 (product), about {duration(seconds)} left: minicnn bench product" in told
    assert "minicnn bench train --batch-size 64 " in json.loads((folder / "avx2/step-64.json").read_text())["command"]


def test_an_interrupted_run_stores_nothing_and_stops(scripts, monkeypatch, folder):
    monkeypatch.setattr(scripts.run, "store", None)
    process = types.SimpleNamespace(returncode=130, stdout=json.dumps(training()))
    monkeypatch.setattr(scripts.run.subprocess, "run", lambda *arguments, **options: process)
    assert scripts.run.main(["--rows", "step-1", "step-64", "--instructions", "native"]) == 130


def test_results_keep_all_fields_one_run_a_line(scripts, folder):
    result = {**layers(2.0, 3.0), "command": "c"}                          # "summary" stands behind "runs"
    path = scripts.rows.store("lenet", result, folder)
    assert path == folder / "avx2" / "lenet.json" and json.loads(path.read_text()) == result
    assert path.read_text().count("\n") == 3 and scripts.rows.stored(folder)["AVX2"] == {"lenet": result}
    assert list(scripts.rows.stored(folder / "empty")) == ["AVX-512", "AVX2"]


def test_a_step_is_compared_with_the_fastest(scripts):
    lines = found(scripts, step_64=training(torch=4.0, torch_compiled=2.5, mygrad=9.0), step_1=training(),
                  textbook=training(numpy=20.0, mygrad=30.0))
    assert lines["LeNet training step, batch 64, against the fastest (`step-64`)"] == (
        "2.50 times as fast", "minicnn 10 ms, torch_compiled 25 ms")
    assert lines["LeNet training step, batch 1 (`step-1`)"] == ("no other library", "minicnn 10 ms")
    wrong = training(torch=2.0)
    wrong["runs"][0]["rows"][0] |= {"status": "wrong", "reason": "the loss is off", "median_ms": None}
    assert list(found(scripts, step_1=wrong).values()) == [("minicnn: wrong", "the loss is off")]
    assert [result for work, (result, _) in lines.items() if "textbook" in work] == [
        "20.00 times as fast", "30.00 times as fast"]


def test_a_forward_pass_at_batch_1_is_also_compared_with_the_eager_formats(scripts):
    lines = found(scripts, forward_1=training(torch_nchw=2.0, torch_channels_last=1.5, torch_compiled=1.2))
    assert [result for result, _ in lines.values()] == ["1.20 times as fast", "1.50 times as fast"]
    assert "against PyTorch's fastest eager format" in list(lines)[1]


def test_layers_have_their_mean_and_their_least(scripts):
    lines = found(scripts, named=layers(2.0, 8.0), random=layers(0.5, network="random", near=1.2))
    assert [result for result, _ in lines.values()] == [
        "geometric mean 2.00 times as fast; least 1.00", "geometric mean 4.00 times as fast; least 2.00",
        "geometric mean 0.25 times as fast; least 0.25", "geometric mean 0.50 times as fast; least 0.50", "67%"]
    assert list(lines.values())[-1][1] == "named: 2 of 2, random: 0 of 1"


def test_a_prediction_is_marked_and_a_failure_is_told(scripts, bench):
    status, out, _ = bench("train", "--fixed", "--algorithms", "im2col", "--against", "none", "--repeats", "1",
                           "--threads", "1", "2", "--batch-size", "64", "256", "--json")
    result = json.loads(out)
    lines = found(scripts, fixed=result)
    ours = result["runs"][0]["rows"][1]
    intercept, *predicted = lines.items()
    assert status == 0 and intercept[1][0] == f"{ours['fixed_ms']:.2f} ms" and len(predicted) == 2
    for (work, (text, figures)), (_, time) in zip(predicted, ours["predicted"], strict=True):
        assert "16 cores: predicted" in work and text == f"{scripts.summary.ms(time)} ms (predicted, not measured)"
        assert "/ cores) ms" in figures
    assert "LeNet training step | fixed ms" in "\n".join(scripts.page.fixed_table(result))
    bad = [{**one, "status": "failed", "reason": "it died"} for one in result["runs"][0]["rows"]]
    broken = {**result, "runs": [{**result["runs"][0], "rows": bad}]}
    assert list(found(scripts, fixed=broken).values()) == [("minicnn: failed", "it died")]
    assert "failed: it died" in "\n".join(scripts.page.fixed_table(broken))


def test_a_wrong_result_of_a_layer_is_told(scripts):
    result = layers(2.0, 8.0)
    result["runs"][1]["rows"][1] |= {"status": "wrong", "reason": "it is off"}
    for run in result["runs"]:
        for each in run["rows"]:
            each["errors"] = {"forward": 1.0}
    assert list(scripts.page.layer_tables(result))[-1] == "torch in lenet conv1: wrong, it is off."
    assert found(scripts, named=result)["27 layers of named networks, batch 16, forward and both gradients, "
                                        "against the fastest for each layer (`named`)"][1].startswith("1 of 2 layers")


def test_direct_is_a_part_of_a_product(scripts):
    rows = [row("torch", name="torch.mm", gflops=200.0, part=1.0, median_ms=10.7),
            row("minicnn", name="direct, forward", gflops=160.0, part=0.81, median_ms=6.0)]
    result = {**MACHINE, "benchmark": "product",
              "runs": [{"rows": rows, "layer": "3x3", "batch_size": 16, "threads": 2}]}
    (work, line), = found(scripts, product=result).items()
    assert line == ("0.81 of its speed", "160 of 200 GFLOP/s") and "forward, beside torch.mm" in work
    assert list(scripts.page.product_table(result))[-1] == "| direct, forward | 6 | 160 | 0.81 |"


def test_each_line_says_where_it_was_measured(scripts):
    line, = (line for line in scripts.summary.lines({"step-64": training(torch=2.0)}) if "(`step-64`)" in line[0])
    assert line[3] == ("a processor, 2026-01-02, minicnn 9.8; minicnn: AVX2, BLAS: openblas Haswell, "
                       "PyTorch: AVX2 of torch")


def test_a_section_says_what_is_missing_and_how_to_measure_it(scripts):
    text = scripts.page.speed_section("AVX2", {})
    count = len(scripts.rows.ROWS)
    assert f"{count} of {count} rows are not measured yet" in text
    assert "    python benchmarks/run.py --instructions avx2\n" in text
    some = scripts.page.speed_section("AVX-512", {name: training(torch=2.0) for name in scripts.rows.ROWS
                                                  if name.startswith("step")})
    assert "python benchmarks/run.py --rows forward-1 forward-64 " in some and "--instructions native\n" in some
