"""`minicnn bench product`: the speed of direct as a part of the speed of a matrix product."""

import json

import pytest

from minicnn.bench import libraries, matrix_product
from minicnn.bench.worker_process import WorkerFailed


def test_a_part_is_the_median_of_the_rounds():
    slow_machine = [[1.0], [10.0], [1.0]]
    assert matrix_product.part_of_speed([[2.0], [20.0], [8.0]], 1.0, slow_machine, 1.0) == 0.5
    assert matrix_product.part_of_speed([[1.0]], 3.0, [[1.0]], 2.0) == 1.5


def test_product_measures_three_passes(bench, monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.setattr(matrix_product, "SECONDS", 0.001)
    arguments = "product", "--threads", "1", "--repeats", "1"
    status, out, _ = bench(*arguments, "--json")
    measured, = json.loads(out)["runs"]
    product, *passes = measured["rows"]
    assert status == 0 and measured["layer"] == "64->64 3x3 @28" and measured["batch_size"] == 16
    assert product["name"] == "torch.mm" and product["part"] == pytest.approx(1)
    assert product["gflops"] == pytest.approx(2 * 1024 ** 3 / product["median_ms"] / 1e6)
    for row in passes:
        assert row["gflops"] == pytest.approx(2 * 16 * 64 * 64 * 9 * 28 * 28 / row["median_ms"] / 1e6)
        assert row["part"] == pytest.approx(row["gflops"] / product["gflops"])
    status, out, _ = bench(*arguments)
    assert status == 0 and "direct, grad_weight" in out and "part of the product" in out


def test_without_pytorch(bench, monkeypatch):
    monkeypatch.setattr(libraries.Library, "installed", False)
    status, out, err = bench("product", "--threads", "1")
    assert status == 2 and out == "" and "torch is not installed" in err


def test_a_worker_that_fails(monkeypatch):
    pytest.importorskip("torch")

    def fail(worker):
        raise WorkerFailed("it died")
    monkeypatch.setattr(matrix_product, "_turn", fail)
    with pytest.raises(WorkerFailed, match="it died"):
        matrix_product.run(1, 1)
