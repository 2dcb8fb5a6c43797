"""`minicnn bench`: wrong usage, and tables at every width. tests/bench tests the measurements."""

import os

import pytest

from minicnn.bench import machine
from minicnn.cli import bench_text
from minicnn.cli.main import main
from minicnn.conv import calibration, speeds
from minicnn.conv.speeds import Speeds


@pytest.mark.parametrize(("arguments", "message"), [
    (["train", "--batch-size", "0"], "argument --batch-size: must be an integer of at least 1, not '0'"),
    (["conv", "--batch-size", "16", "-3"], "argument --batch-size: must be an integer of at least 1, not '-3'"),
    (["train", "--repeats", "0"], "argument --repeats: must be an integer of at least 1, not '0'"),
    (["train", "--threads", "0"], "argument --threads: must be an integer of at least 1, not '0'"),
    (["train", "--threads", "9999"], "9999 is too many: this process may use"),
    (["train", "--algorithms", "magic"], "argument --algorithms: must be one of auto, direct, "),
    (["train", "--against", "matlab"], "argument --against: must be one of jax, "),
    (["train", "--against", "textbook,matlab"], "in 'textbook,matlab': each must be one of jax, "),
    (["train", "--against", "textbook,all"], "each must be one of jax, mygrad, tensorflow, textbook, torch, not 'all'"),
    (["conv", "--network", "resnet9000"], "argument --network: must be one of lenet, alexnet, "),
    (["conv", "--network", "lenet,lenet"], "in 'lenet,lenet': lenet stands there twice; name it once"),
    (["train", "--chart", "speed.bmp"], "argument --chart: speed.bmp: the name must end in .png"),
    (["conv", "--chart", "nowhere/speed.png"], "argument --chart: nowhere/speed.png could not be written"),
    (["conv", "--instructions", "sse2"], "argument --instructions: instructions must be one of 'native', 'avx2', not"),
    (["conv", "--set", "best"], "argument --set: invalid choice: 'best' (choose from"),
    (["conv", "--set", "random", "--network", "vgg"], "--network has no effect with --set random: the layers are dra"),
    (["conv", "--set", "random", "--batch-size", "4"], "--batch-size has no effect with --set random"),
    (["train", "--fixed", "--profile"], "--profile has no effect with --fixed"),
    (["train", "--fixed", "--forward"], "--forward has no effect with --fixed: it measures training steps"),
    (["train", "--fixed", "--batch-size", "64", "--against", "none"],
     "a line needs the times of at least two batch sizes, not of 1"),
    (["product", "--threads", "0"], "argument --threads: must be an integer of at least 1, not '0'"),
    (["product", "--batch-size", "4"], "unknown argument: --batch-size 4"),
    (["train", "--profile", "--chart", "a.png"], "--chart has no effect with --profile"),
    (["train", "--profile", "--forward"], "--forward has no effect with --profile"),
    (["train", "--profile", "--against", "textbook"], "--against has no effect with --profile"),
    (["train", "--profile", "--algorithms", "auto,direct"], "--profile is about one algorithm; name one"),
    (["conv", "--find", "--against", "torch"], "--against has no effect with --find"),
    (["conv", "--find", "--chart", "a.png"], "--chart has no effect with --find")])
def test_misuse(arguments, message, refused):
    assert message in refused("bench", *arguments)


MACHINE = {**machine.facts(), "instructions": "native", "load_before": 0.5}
TIMES = {"median_ms": 1.234, "q1_ms": 1.2, "q3_ms": 1.3, "min_ms": 1.1}
ROW = {"name": "PyTorch channels_last", "library": "torch", "status": "ok", "reason": None, "steps": 45, "ratio": 3.19,
       "ratio_in_turn": 3.21, "peak_mb": 362.0, "import_mb": 201.0, "first_step_s": 0.089, "error": 1e-7, **TIMES}
BAD = {**ROW, "name": "JAX", "status": "failed", "reason": "its process ended with signal SIGKILL (out of memory)"}
PASS = {**TIMES, "gflops": 12.3, "ratio_in_turn": 1.0}
LAYER = {**ROW, "forward": PASS, "grad_input": PASS, "grad_weight": PASS, "both": PASS, "error_bound": 1,
         "error_norm": "element", "errors": {"forward": 1.5, "grad_input": 0.46, "grad_weight": 0.13}}
WHERE = {"network": "resnet18", "case": "conv3_1 shortcut", "layer": "64->128 1x1/2 @56", "batch_size": 16,
         "threads": 2}
RESULTS = {
    "train": (bench_text.print_training, {"title": "LeNet training step", "rounds": 15, "task": "forward",
                                      "base": "minicnn", "rows": [ROW, BAD]}, ["1.23", "3.21", "FAILED"]),
    "conv": (bench_text.print_layers, {**WHERE, "rounds": 5, "auto": {"algorithm": "im2col", "ratio_to_best": 1.7},
                                   "rows": [LAYER, BAD]}, ["1.23", "1.00", "1.70", "FAILED"]),
    "profile": (bench_text.print_profile, {"title": "LeNet training step", "repeats": 15, "step_ms": 31.89, "rows": [
        {"name": "conv2d 20->40 5x5 @24x24 + relu (winograd)", "forward_ms": 1.48, "backward_ms": None, "ms": 9.83,
         "share": 0.308}]}, ["9.83", "31.89"]),
    "fixed": (bench_text.print_fixed, {"batch_sizes": [16, 64], "threads": [2], "rounds": 3, "cores": 16, "rows": [
        {**ROW, "threads": 2, "fixed_ms": 1.234, "fixed_q1_ms": 1.1, "fixed_q3_ms": 1.3, "image_ms": 0.25,
         "deviation": 0.03, "predicted": [[16, 1.5], [64, 3.456]],
         "parts": {"fixed": 1.23, "serial": 0.0456, "parallel": 0.789}}, {**BAD, "predicted": None}]},
              ["1.23", "3.46", "predicted", "(0.0456", "FAILED"]),
    "product": (bench_text.print_product, {"layer": "64->64 3x3 @28", "batch_size": 16, "threads": 2, "rounds": 3,
                                           "rows": [{**ROW, "name": "torch.mm", "gflops": 131.4, "part": 0.987}]},
                ["131", "0.99"]),
    "find": (bench_text.print_found, {**WHERE, "auto": "direct", "records": [
        {"algorithm": "im2col", "forward": 0.027, "backward": 0.031, "workspace": 1e5, "error_bound": 3.0,
         "error_norm": "largest", "reason": None},
        {"algorithm": "winograd", "reason": "a stride of 2 is not possible"}]}, ["im2col", "27", "winograd:"]),
}


@pytest.mark.parametrize("kind", RESULTS)
@pytest.mark.parametrize("columns", [80, 60, 40])
def test_tables_fit(kind, columns, capsys, monkeypatch):
    monkeypatch.setitem(os.environ, "COLUMNS", str(columns))
    show, run, words = RESULTS[kind]
    show({**MACHINE, "runs": [run]})
    out = capsys.readouterr().out
    wide = [line for line in out.splitlines() if len(line) > columns]
    assert all(" " not in line for line in wide), wide
    assert set(words) <= set(out.replace(",", " ").split())


def test_the_legend_explains_the_columns_that_are_shown(capsys, monkeypatch):
    show, run, _ = RESULTS["train"]
    for columns, least in (200, 5), (60, 1):
        monkeypatch.setitem(os.environ, "COLUMNS", str(columns))
        show({**MACHINE, "runs": [run]})
        text, _, legend = capsys.readouterr().out.rpartition("\n\n")
        shown = text.partition("columns that do not fit")[0]
        titles = [title for title in ("ratio", "in turn", "import MB", "peak MB", "first step s")
                  if f"{title}:" in " ".join(legend.split())]
        assert len(titles) >= least and all(title in shown for title in titles)
    assert "import MB" not in legend


def test_auto_that_chose_the_fastest(capsys):
    show, run, _ = RESULTS["conv"]
    show({**MACHINE, "runs": [{**run, "auto": {"algorithm": "direct", "ratio_to_best": 1.0}}]})
    assert "auto chose direct, the fastest\n" in capsys.readouterr().out


def test_calibrate_keeps_the_speeds_and_prints_them(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("MINICNN_HOME", str(tmp_path))
    monkeypatch.setattr(calibration, "measure_speeds", lambda: Speeds(1e9, 2e9, 3e8, 1e8, 5e7, 1e-3))
    monkeypatch.setattr(speeds, "kernel_folder", lambda: tmp_path)
    assert main(["bench", "--calibrate"]) == 0
    out = capsys.readouterr().out
    assert "2.00e+09" in out and str(speeds.speeds_file()) in out.replace("\n", "") and speeds._read().call == 1e-3
