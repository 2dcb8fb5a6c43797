"""The speeds of the machine: constants of the target, unless somebody calibrated the machine. Nothing is timed here."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from minicnn.conv import calibration
from minicnn.conv import speeds as module
from minicnn.conv.runtime.target import Target, target
from minicnn.conv.speeds import Speeds, default_speeds, save, speeds, speeds_file

MEASURED = Speeds(1e9, 2e9, 3e8, 1e8, 5e7, 1e-3)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty folder of kernels, and no memory of the speeds that this process has read."""
    monkeypatch.setattr(module, "kernel_folder", lambda: tmp_path / "kernels")
    monkeypatch.delenv(module.VARIABLE, raising=False)
    speeds.cache_clear()
    yield tmp_path / "kernels"
    speeds.cache_clear()


def read_again():
    speeds.cache_clear()
    return speeds()


def test_without_a_file_the_target_alone_decides(folder):
    assert speeds() == default_speeds(target()) and not folder.exists()         # first use measures and writes nothing


def test_the_file_is_read_once_in_a_process():
    assert speeds() != MEASURED
    assert save(MEASURED) == speeds_file() and speeds() != MEASURED
    assert read_again() == MEASURED


def test_the_variable(monkeypatch):
    save(MEASURED)
    monkeypatch.setenv(module.VARIABLE, "off")
    assert read_again() == default_speeds(target())
    monkeypatch.setenv(module.VARIABLE, "on")
    assert read_again() == MEASURED
    monkeypatch.setenv(module.VARIABLE, "never")
    with pytest.raises(ValueError, match="variable MINICNN_CALIBRATION must be 'on' or 'off', not 'never'"):
        read_again()


@pytest.mark.parametrize("damage", [
    lambda text: b"", lambda text: text[:100], lambda text: b"\xff\xfe", lambda text: b"[1, 2]", lambda text: b"null",
    lambda text: b"[" * 100_000, lambda text: text.replace(b"speeds", b"weights"),
    lambda text: text.replace(b'"products"', b'"quotients"'),                   # an unknown field, a known one missing
    lambda text: text.replace(b'"products"', b'"quotients": 1.0, "products"'),  # an unknown field more
    lambda text: text.replace(b"1000000000.0", b"0"), lambda text: text.replace(b"1000000000.0", b"-1"),
    lambda text: text.replace(b"1000000000.0", b"NaN"), lambda text: text.replace(b"1000000000.0", b"Infinity"),
    lambda text: text.replace(b"1000000000.0", b'"1e9"'), lambda text: text.replace(b"1000000000.0", b"true"),
    lambda text: text.replace(target().name.encode(), b"VAX"),
    lambda text: text.replace(b'"kernels": ', b'"kernels": 1'),
])
def test_a_damaged_or_foreign_file_counts_as_none(damage):
    path = save(MEASURED)
    text = path.read_bytes()
    path.write_bytes(damage(text))
    assert path.read_bytes() != text and read_again() == default_speeds(target())
    save(MEASURED)
    assert read_again() == MEASURED


def test_a_folder_that_cannot_be_used(folder):
    folder.write_text("a file")
    assert speeds() == default_speeds(target())
    with pytest.raises(OSError, match="could not be written: a part of the path is a file"):
        save(MEASURED)


def test_two_processes_that_write_at_once_leave_a_whole_file(tmp_path):
    script = """
from minicnn.conv import speeds as module
from minicnn.conv.speeds import Speeds
for number in range(1, 60):
    module.save(Speeds(*[float(number)] * 6))
    module.speeds.cache_clear()
    assert len(set(vars(module.speeds()).values())) == 1, module.speeds()
"""
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    both = [subprocess.Popen([sys.executable, "-c", script], env=environment) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 1 and set(json.loads(files[0].read_text())["speeds"].values()) == {59.0}


def test_targets_that_were_not_measured_are_derived_from_avx2():
    avx2 = default_speeds(Target("AVX2", 256, 16, True))
    assert default_speeds(Target("SSE", 128, 16, False)) == replace(avx2, products=avx2.products / 4,
                                                                    matrix=avx2.matrix / 4)


def test_calibration_measures_every_field_in_turn(monkeypatch):
    """`seconds` is replaced: it calls the work once, and says what a false clock shows."""
    order, clock = [], iter(range(1, 1000))

    def seconds(work):
        work()
        order.append(work)
        return float(next(clock))
    monkeypatch.setattr(calibration, "seconds", seconds)
    measured = calibration.measure_speeds()
    tasks = len(vars(measured))
    assert len(order) == tasks * calibration.ROUNDS and order[:tasks] == order[tasks:2 * tasks]
    assert measured.near == pytest.approx(calibration.NEAR, rel=0.005) and measured.call == 3.0     # three digits
    assert measured.far == pytest.approx(calibration.FAR / 2, rel=0.005)
    assert len(set(order)) == tasks


def test_seconds_is_the_least_of_all_calls(monkeypatch):
    now, steps = [0.0], iter([0.004, 0.002, 0.003] + [0.005] * 100)
    monkeypatch.setattr(calibration.time, "perf_counter", lambda: now[0])

    def work():
        now[0] += next(steps)
    assert calibration.seconds(work) == pytest.approx(0.002)
    assert calibration.SECONDS <= now[0] < calibration.SECONDS + 0.01
