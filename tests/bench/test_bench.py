"""The benchmarks: what they print, that everybody takes turns, and that nobody's mistake or death goes unseen."""

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from minicnn.bench import (
    lenet_step,
    libraries,
    machine,
    network_layers,
    reference,
    round_robin,
)
from minicnn.bench.worker_process import Worker, WorkerFailed, environment
from minicnn.cli.main import main
from minicnn.conv import Geometry, algorithms, choose
from minicnn.progress import Progress

QUICK = ["--batch-size", "2", "--repeats", "1", "--threads", "1"]
TEXTBOOK = libraries.competitors(["textbook"])[0]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def run(capsys, *arguments):
    status = main(["bench", *arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def add_peer(monkeypatch, tmp_path, name, code):
    """A library for --against whose implementation is `code`."""
    (tmp_path / f"{name}.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(libraries.found(), name, libraries.Library(name, "numpy", name, None, None, None,
                                                                   {"one": name}, {"one": name}))


# The command line.

def test_train_prints_one_line_of_json_and_draws_a_chart(capsys):
    status, out, _ = run(capsys, "train", "--algorithms", "im2col", *QUICK, "--batch-size", "2", "3", "--json",
                         "--chart", "speed.png")
    result = json.loads(out)
    assert status == 0 and out.count("\n") == 1 and Path("speed.png").read_bytes()[:4] == b"\x89PNG"
    assert set(result) == {"benchmark", "date", "cpu", "cores", "load_before", "system", "versions", "environment",
                           "runs"}
    assert [(r["batch_size"], r["threads"], r["task"]) for r in result["runs"]] == [(2, 1, "train"), (3, 1, "train")]
    for row in (row for measured in result["runs"] for row in measured["rows"]):
        assert row["status"] == "ok" and row["reason"] is None and row["error"] < 0.01
        assert row["steps"] >= 3 and 0 < row["min_ms"] <= row["q1_ms"] <= row["median_ms"] <= row["q3_ms"]
        assert 0 < row["import_mb"] <= row["peak_mb"] and row["first_step_s"] > 0
    ours, textbook = result["runs"][0]["rows"]
    assert (ours["name"], textbook["name"]) == ("minicnn im2col", "textbook NumPy") and ours["ratio_in_turn"] == 1
    assert textbook["ratio"] == textbook["median_ms"] / ours["median_ms"]


def test_forward_and_its_table(capsys):
    status, out, _ = run(capsys, "train", "--forward", "--algorithms", "im2col", *QUICK)
    assert status == 0 and "LeNet forward pass, batch 2, 1 thread, 1 round in turn" in out
    assert "textbook NumPy" in out and "error" in out


def test_conv_prints_one_line_of_json_and_draws_a_chart(capsys):
    status, out, _ = run(capsys, "conv", "--network", "lenet", "--algorithms", "auto,im2col", "--against", "none",
                         "--json", "--chart", "layers.svg", *QUICK)
    result = json.loads(out)
    assert status == 0 and result["benchmark"] == "conv" and "<svg" in Path("layers.svg").read_text()
    assert [r["case"] for r in result["runs"]] == ["conv1", "conv2", "conv3", "conv4"]
    for measured in result["runs"]:
        chosen = measured["auto"]["algorithm"]
        assert measured["auto"]["ratio_to_best"] >= 1
        assert {"minicnn im2col", f"minicnn {chosen}"} == {row["name"] for row in measured["rows"]}
        for row in measured["rows"]:
            assert row["status"] == "ok" and set(row["errors"]) == {"forward", "grad_input", "grad_weight"}
            assert all(error < 100 for error in row["errors"].values()) and row["error_bound"] > 0
            assert all(error < 1e-4 for error in row["relative_errors"].values())
            for one in ("forward", "grad_input", "grad_weight", "both"):
                assert row[one]["median_ms"] > 0 and row[one]["gflops"] > 0
    Path("results.json").write_text(out)
    script = Path(__file__).parents[2] / "benchmarks" / "readme_table.py"
    table = subprocess.run([sys.executable, script, "results.json"], capture_output=True, text=True, check=True).stdout
    assert "| lenet conv2, 20->40 5x5 @24 | " in table and "**" in table


def test_conv_and_its_table(capsys):
    status, out, _ = run(capsys, "conv", "--network", "lenet", "--algorithms", "im2col", "--against", "none", *QUICK)
    assert status == 0 and "lenet conv4: 40->5 5x5 @16, batch 2, 1 thread, 1 round" in out and "minicnn im2col" in out


def test_conv_find_prints_the_records_of_find(capsys):
    status, out, _ = run(capsys, "conv", "--find", "--network", "lenet", "--algorithms", "im2col", *QUICK, "--json")
    assert status == 0
    for found in json.loads(out)["runs"]:
        record, = found["records"]
        assert record["algorithm"] == "im2col" and record["forward"] > 0 and found["auto"] in algorithms()
    status, out, _ = run(capsys, "conv", "--find", "--network", "lenet", "--algorithms", "im2col", *QUICK)
    assert status == 0 and "workspace MB" in out and "auto takes" in out


@pytest.mark.parametrize("kind", ["train", "conv"])
def test_help_has_an_example(kind, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["bench", kind, "--help"])
    assert stop.value.code == 0 and f"example: minicnn bench {kind}" in capsys.readouterr().out


@pytest.mark.parametrize(("arguments", "message"), [
    (["train", "--batch-size", "0"], "--batch-size must be at least 1, not 0"),
    (["conv", "--batch-size", "16", "-3"], "--batch-size must be at least 1, not -3"),
    (["train", "--repeats", "0"], "--repeats must be at least 1, not 0"),
    (["train", "--threads", "0"], "--threads must be at least 1, not 0"),
    (["train", "--threads", "9999"], "--threads 9999: this process may use"),
    (["train", "--algorithms", "magic"], "algorithm must be one of 'auto', "),
    (["train", "--against", "matlab"], "library must be one of 'jax', "),
    (["conv", "--against", "jax"], "library must be one of 'torch', not 'jax'"),
    (["conv", "--network", "resnet9000"], "network must be one of 'lenet', "),
    (["train", "--chart", "speed.bmp"], "--chart speed.bmp: its directory must exist and its name end in .png"),
    (["conv", "--chart", "nowhere/speed.png"], "its directory must exist"),
    (["train", "--profile", "--chart", "a.png"], "--profile has no chart"),
    (["train", "--profile", "--forward"], "leave out --forward"),
])
def test_bad_input_exits_with_2(arguments, message, capsys):
    status, out, err = run(capsys, *arguments)
    assert status == 2 and out == "" and err.startswith("minicnn bench: error: ") and message in err


def test_a_library_that_is_not_installed(capsys, monkeypatch):
    monkeypatch.setattr(libraries.Library, "installed", property(lambda library: library.package != "tensorflow"))
    status, out, err = run(capsys, "train", "--against", "textbook,tensorflow")
    assert status == 2 and out == ""
    assert "tensorflow is not installed: install it with `pip install tensorflow`, or leave tensorflow out" in err


def test_an_interrupt_shows_what_is_done(capsys, monkeypatch):
    from minicnn.bench import train
    measure = train.run

    def stop_at_the_second(task, *arguments):
        if task.batch_size == 3:
            raise KeyboardInterrupt
        return measure(task, *arguments)
    monkeypatch.setattr(train, "run", stop_at_the_second)
    status, out, err = run(capsys, "train", "--algorithms", "im2col", "--against", "none", *QUICK, "--batch-size", "2",
                           "3", "--json")
    assert status == 130 and len(json.loads(out)["runs"]) == 1 and "interrupted" in err


# The processes.

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


def test_everybody_takes_turns_and_the_others_rest():
    log, told = [], []
    workers = {name: Player(name, log) for name in "abc"}
    tell = Progress()
    tell.update = lambda done, total, what="": told.append((round(done / total, 2), what))
    results, failures = round_robin.take_turns(workers, 2, Player.ask, tell)
    assert log == ["a", "rest", "b", "rest", "c", "rest", "c", "rest", "b", "rest", "a", "rest"]
    assert results == {name: [[1.0], [1.0]] for name in "abc"} and failures == {}
    assert told == [(0, "a"), (0.17, "b"), (0.33, "c"), (0.5, "c"), (0.67, "b"), (0.83, "a")]


def test_who_fails_is_left_out_of_the_next_rounds():
    log = []
    workers = {"a": Player("a", log), "b": Player("b", log, dies=1)}
    results, failures = round_robin.take_turns(workers, 3, Player.ask)
    assert list(results) == ["a"] and len(results["a"]) == 3 and str(failures["b"]) == "it died"
    assert log.count("b") == 2


def test_a_slow_stretch_of_the_machine_cancels_from_the_ratio_in_turn():
    base = [[1.0, 1.1], [10.0, 11.0], [1.0, 1.1]]
    assert round_robin.ratio([[2 * t for t in turn] for turn in base], base) == pytest.approx(2)


def test_a_worker_gets_its_cores_and_its_threads():
    with Worker(TEXTBOOK, 1) as worker:
        assert worker.loaded["version"] == np.__version__
        if hasattr(os, "sched_getaffinity"):
            assert os.sched_getaffinity(worker.process.pid) == set(machine.cores()[:1])
    variables = environment(3)
    assert variables["OMP_NUM_THREADS"] == variables["NUMBA_NUM_THREADS"] == variables["OPENBLAS_NUM_THREADS"] == "3"
    assert "intra_op_parallelism_threads=3" in variables["XLA_FLAGS"]


def test_a_worker_that_hangs_is_ended():
    with Worker(TEXTBOOK, 1) as worker:
        with pytest.raises(WorkerFailed, match="no answer in 0 s"):
            worker.ask("open_lenet", patience=0.01, variant="im2col", batch_size=64, training=True)
        assert worker.process.poll() is not None


HONEST = """
from minicnn.bench.libraries import LeNetCalls, Library, textbook

def load(threads):
    print("what a library prints is no answer")
    return "1.0"

def lenet(variant, problem):
    return textbook.lenet(variant, problem)

LIBRARY = Library(__name__, "numpy", "numpy", load, lambda *arguments: lenet(*arguments))
"""
WRONG_GRADIENT = HONEST.replace("textbook.lenet(variant, problem)", "Careless(textbook.lenet(variant, problem))") + """
class Careless:
    def __init__(self, inner):
        self.step, self.forward = inner.step, inner.forward
        self.start = {name: array.copy() for name, array in inner.weights().items()}
        self.weights = lambda: {**inner.weights(), "conv2.bias": self.start["conv2.bias"]}
"""
DEADLY = HONEST + """
import os, sys

def lenet(variant, problem):
    model, calls = textbook.lenet(variant, problem), []
    def step():
        calls.append(1)
        if len(calls) == LAST:
            print("Segmentation fault, so to say", file=sys.stderr, flush=True)
            os._exit(11)
        return model.step()
    return LeNetCalls(step, model.forward, model.weights)
"""


@pytest.mark.parametrize(("code", "status", "outcome", "reason"), [
    (HONEST, 0, "ok", None),
    (WRONG_GRADIENT, 1, "wrong", "after 2 steps the change of its conv2.bias is off by 1.0e+00"),
    (DEADLY.replace("LAST", "1"), 0, "failed", "its process ended with exit status 11: Segmentation fault, so to say"),
    (DEADLY.replace("LAST", "4"), 0, "failed", "its process ended with exit status 11: Segmentation fault, so to say"),
    (HONEST + "import no_such_module", 0, "failed", "ModuleNotFoundError: No module named 'no_such_module'"),
])
def test_a_peer_is_checked_and_cannot_harm(code, status, outcome, reason, capsys, monkeypatch, tmp_path):
    add_peer(monkeypatch, tmp_path, "stranger", code)
    found, out, _ = run(capsys, "train", "--against", "stranger", "--algorithms", "im2col", *QUICK, "--json")
    ours, stranger = json.loads(out)["runs"][0]["rows"]
    assert found == status and ours["status"] == "ok" and ours["median_ms"] > 0
    assert stranger["status"] == outcome and stranger["reason"] == reason
    assert (stranger["median_ms"] is None) == (outcome != "ok")


LAYER = """
import os
import numpy as np
from minicnn.bench.libraries import LayerCalls, Library

def load(threads):
    return "1.0"

def layer(variant, geometry, x, weight, grad):
    out = np.zeros(geometry.out_shape, np.float32)
    def forward():
        if geometry.in_channels == 1:
            raise MemoryError
        if geometry.in_channels == 20:
            os.kill(os.getpid(), 9)
        return (out if geometry.out_channels == 40 else out[:1]), None
    return LayerCalls(forward, lambda saved, needs: (x, weight), lambda array: array)

LIBRARY = Library(__name__, "numpy", "numpy", load, None, layer)
"""


def test_layers_that_fail_are_rows_with_a_reason(capsys, monkeypatch, tmp_path):
    add_peer(monkeypatch, tmp_path, "stranger", LAYER)
    status, out, _ = run(capsys, "conv", "--network", "lenet", "--against", "stranger", "--algorithms", "im2col",
                         *QUICK, "--json")
    rows = [measured["rows"][1] for measured in json.loads(out)["runs"]]
    assert status == 1 and [row["status"] for row in rows] == ["skipped", "failed", "wrong", "failed"]
    assert rows[0]["reason"] == "more memory than is free" and "signal SIGKILL" in rows[1]["reason"]
    assert "an element of its forward is off by" in rows[2]["reason"]


def test_layers_too_large_for_the_memory_are_skipped(capsys, monkeypatch):
    monkeypatch.setattr(machine, "free_bytes", lambda: 10_000)
    status, out, _ = run(capsys, "conv", "--network", "lenet", "--against", "none", "--algorithms", "im2col", *QUICK)
    assert status == 0 and "minicnn im2col: SKIPPED, 1 competitor needs about" in out


# What is computed.

def test_the_check_notices_what_is_wrong():
    task = lenet_step.StepInputs.make(3)
    solution = lenet_step.compute_reference(task, chunk=2)
    right = {"losses": solution.losses, "weights": solution.weights}
    assert lenet_step.judge(solution, right) == (0, None)
    assert lenet_step.judge(solution, {"logits": solution.logits.tolist()}) == (0, None)
    still = {**right, "weights": solution.start}
    assert lenet_step.judge(solution, still)[1].endswith("is off by 1.0e+00")
    for wrong, message in (({**right, "losses": [2.0, 2.0]}, "its loss in step 1 is 2, not 2."),
                           ({**right, "losses": [solution.losses[0], float("nan")]}, "its loss in step 2 is nan, not"),
                           ({"logits": [[0.0] * 10] * 2}, r"its logits have shape (2, 10), not (3, 10)"),
                           ({"logits": (1.01 * solution.logits).tolist()}, "its logits are off by 1.0e-02")):
        assert message in lenet_step.judge(solution, wrong)[1]


@pytest.mark.parametrize("arguments", [((3, 4, 9, 8), (6, 4, 3, 2), (2, 1), (1, 2)),
                                       ((2, 8, 7, 7), (8, 1, 3, 3), 1, 1, 2, 8),
                                       ((2, 6, 9, 9), (4, 3, 3, 3), 2, 1, 1, 2), ((2, 8, 7, 7), (8, 8, 1, 1), 2)])
def test_the_exact_results_are_exact(arguments):
    geometry = Geometry.of(*arguments)
    x, weight, grad = reference.operands(geometry, 0)
    wide = [array.astype(np.float64) for array in (x, weight, grad)]
    out, saved = choose("im2col", geometry).forward(wide[0], wide[1], None, geometry)
    results = [out, *choose("im2col", geometry).backward(wide[2], saved, (True, True, False))[:2]]
    assert max(max(error) for error in reference.errors(geometry, x, weight, grad, *results).values()) < 1e-6
    results[1][-1, -1, -1, -1] += 1
    units, _, relative = reference.errors(geometry, x, weight, grad, *results)["grad_input"]
    assert units > 1e4 and 0.01 < relative < 1


def test_the_named_layers_have_the_shapes_of_their_papers():
    sizes = {str(case): case.geometry(1).out_shape[1:] for case in network_layers.NAMED_LAYERS}
    assert len(sizes) == len(network_layers.NAMED_LAYERS) == 27
    assert sizes["lenet conv4"] == (5, 12, 12) and sizes["alexnet conv1"] == (64, 55, 55)
    assert sizes["alexnet conv2"] == (192, 27, 27) and sizes["alexnet conv5"] == (256, 13, 13)
    assert sizes["vgg conv5_2"] == (512, 14, 14) and sizes["resnet18 conv1"] == (64, 112, 112)
    assert sizes["resnet18 conv3_1"] == sizes["resnet18 conv3_1 shortcut"] == (128, 28, 28)
    assert sizes["mobilenet depthwise 64/2"] == (64, 56, 56) and sizes["mobilenet pointwise 512"] == (512, 14, 14)
    assert all(case.geometry(1).out_size[0] == case.size for case in network_layers.layers_of(["vgg"]))


def test_the_profile_adds_up_to_the_step(capsys):
    status, out, _ = run(capsys, "train", "--profile", "--algorithms", "im2col", "--batch-size", "8", "--repeats", "5",
                         "--threads", "1", "--json")
    found = json.loads(out)["runs"][0]
    names = [row["name"] for row in found["rows"]]
    assert status == 0 and names[0] == "zero_grad" and names[-2:] == ["SGD step", "rest: tape, checks, Python"]
    assert any(name.startswith("conv2d 20->40 5x5 @24x24") and name.endswith("(im2col)") for name in names)
    assert {"max_pool2d 5x12x12", "flatten 5x6x6", "linear 180->10", "cross_entropy 10"} <= set(names)
    assert sum(row["ms"] for row in found["rows"]) == pytest.approx(found["step_ms"], rel=0.3)
    assert all(row["forward_ms"] > 0 and row["backward_ms"] > 0 for row in found["rows"] if "conv2d" in row["name"])
    status, out, _ = run(capsys, "train", "--profile", "--algorithms", "im2col", *QUICK)
    assert status == 0 and "whole step, measured" in out


def test_profiling_leaves_the_engine_as_it_was():
    from minicnn import functional as F
    from minicnn.bench import profile
    before = {name: getattr(F, name) for name in F.__all__}
    profile.ProfiledStep("im2col", 1)()
    assert before == {name: getattr(F, name) for name in F.__all__}


# PyTorch, where it is installed.

@pytest.mark.parametrize("variant", ["nchw", "channels_last"])          # compiling takes a minute
def test_torch_computes_the_same(variant):
    pytest.importorskip("torch")
    solution = lenet_step.compute_reference(lenet_step.StepInputs.make(4))
    with Worker(next(c for c in libraries.competitors(["torch"]) if c.variant == variant), 1) as worker:
        for training in (True, False):
            answer = worker.ask("open_lenet", variant=variant, batch_size=4, training=training)
            assert lenet_step.judge(solution, answer)[1] is None
        shortcuts = [case for case in network_layers.NAMED_LAYERS if "shortcut" in case.name]
        for case in network_layers.layers_of(["lenet"]) + shortcuts:
            answer = worker.ask("open_layer", variant=variant, geometry=asdict(case.geometry(1)), seed=0)
            assert max(error[0] for error in answer["errors"].values()) < 10
        assert set(worker.ask("passes", seconds=0.001)) == {"forward", "grad_input", "grad_weight", "both"}
