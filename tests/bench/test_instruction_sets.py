"""Workers that are held to an instruction set, and machines where nothing can be held to it."""

import json
import os
import platform

import numpy as np
import pytest

from minicnn import InputError
from minicnn.bench import instruction_sets, libraries, machine
from minicnn.bench.worker_process import Worker, environment

QUICK = ["--batch-size", "2", "--repeats", "1", "--threads", "1"]
HAS_AVX2 = platform.machine() == "x86_64" and bool({"AVX2", "X86_V3"} & instruction_sets._features())
needs_avx2 = pytest.mark.skipif(not HAS_AVX2, reason="this processor has no AVX2")


def pretend(monkeypatch, machine_name, baseline=(), found=()):
    monkeypatch.setattr(platform, "machine", lambda: machine_name)
    monkeypatch.setattr(np, "show_config", lambda mode: {"SIMD Extensions": {
        "baseline": list(baseline), "found": list(found), "not found": ["AVX512_SPR"]}})


@pytest.mark.parametrize(("arguments", "message"), [
    (("arm64",), "AVX2 is an instruction set of x86 processors, and this one is arm64: leave the choice of instr"),
    (("x86_64", ["X86_V2"]), "this processor has no AVX2, so nothing can be held to it"),
    (("AMD64", ["SSE42"], ["AVX"]), "this processor has no AVX2")])
def test_a_processor_without_avx2(arguments, message, monkeypatch, bench):
    pretend(monkeypatch, *arguments)
    assert instruction_sets.check("native") == "native"
    with pytest.raises(InputError, match=message):
        instruction_sets.check("avx2")
    status, out, err = bench("train", "--instructions", "avx2")
    assert status == 2 and out == "" and message in " ".join(err.split())


def test_an_unknown_instruction_set():
    with pytest.raises(InputError, match="instructions must be one of 'native', 'avx2', not 'sse2'"):
        instruction_sets.check("sse2")


@pytest.mark.parametrize("found", [["AVX", "AVX2", "AVX512F", "AVX512_SKX"], ["X86_V3", "X86_V4", "AVX512_ICL"]])
def test_every_library_reads_its_variable(found, monkeypatch):
    pretend(monkeypatch, "x86_64", ["X86_V2"], found)
    monkeypatch.setenv("NUMBA_CPU_NAME", "skylake-avx512")
    variables = environment(2, instruction_sets.check("avx2"))
    assert variables["NUMBA_CPU_NAME"] == "haswell" and variables["NUMBA_CPU_FEATURES"] == "+avx2,+fma"
    assert variables["ONEDNN_MAX_CPU_ISA"] == "AVX2" and variables["OPENBLAS_CORETYPE"] == "Haswell"
    assert variables["ATEN_CPU_CAPABILITY"] == "avx2" and variables["OMP_NUM_THREADS"] == "2"
    assert variables["NPY_DISABLE_CPU_FEATURES"].split() == sorted(found[-2:] if "AVX" in found else found[1:])
    assert variables["XLA_FLAGS"].endswith("intra_op_parallelism_threads=2 --xla_cpu_max_isa=AVX2")
    assert {"NUMBA_CPU_NAME", "ONEDNN_MAX_CPU_ISA"} & set(environment(2)) == {"NUMBA_CPU_NAME"}     # the user's own


def test_numpy_is_told_of_no_feature_that_the_processor_lacks(monkeypatch):
    pretend(monkeypatch, "x86_64", ["X86_V2"], ["X86_V3"])
    assert "NPY_DISABLE_CPU_FEATURES" not in instruction_sets.variables("avx2")


@needs_avx2
def test_a_held_worker_reports_avx2():
    with Worker(libraries.with_algorithm("direct"), 1, "avx2") as worker:
        assert worker.loaded["instructions"] == "AVX2"
        assert worker.loaded["blas"] in (None, "openblas Haswell")     # None: NumPy has another BLAS


@needs_avx2
@pytest.mark.parametrize("variant", ["nchw", "compiled"])
def test_a_held_pytorch_reports_avx2(variant):
    pytest.importorskip("torch")
    competitor = next(c for c in libraries.competitors(["torch"]) if c.variant == variant)
    with Worker(competitor, 1, "avx2") as worker:
        assert worker.loaded["instructions"] == "AVX2"


@needs_avx2
def test_the_result_and_its_text_tell_what_the_libraries_took(bench):
    status, out, _ = bench("train", "--instructions", "avx2", "--algorithms", "im2col", *QUICK, "--json")
    result = json.loads(out)
    assert status == 0 and result["instructions"] == "avx2"
    ours, textbook = result["runs"][0]["rows"]
    assert (ours["instructions"], textbook["instructions"]) == ("AVX2", None) and ours["blas"] == textbook["blas"]
    for arguments in ["train", "--profile"], ["conv", "--network", "lenet", "--find"]:
        status, out, _ = bench(*arguments, "--instructions", "avx2", "--algorithms", "im2col", *QUICK)
        assert status == 0 and "instructions: avx2; minicnn: AVX2" in out


def test_variables_that_choose_instructions_stand_in_the_result(monkeypatch):
    monkeypatch.setitem(os.environ, "ONEDNN_MAX_CPU_ISA", "SSE41")
    assert machine.facts()["environment"]["ONEDNN_MAX_CPU_ISA"] == "SSE41"
