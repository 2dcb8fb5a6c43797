"""Signals during a training: bursts, SIGTERM and SIGHUP, and the moments at which nobody looks."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from minicnn import nn
from minicnn.checkpoint import load
from minicnn.data import load as load_data
from minicnn.progress import Progress, interrupts
from minicnn.progress.interrupts import AtOnce, Deferred, deferred, handled
from minicnn.training import Interrupted, Settings, Terminated, fit
from tests.training.test_fit import digits, network  # noqa: F401 (a fixture)

ROOT = Path(__file__).parents[2]
SETTINGS = Settings(epochs=2, batch_size=64, seed=5)
pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has other signals")


class Burst(Progress):
    """Sends a signal some times at once, after the given number of steps."""

    def __init__(self, step, number=signal.SIGINT, times=1):
        self.step, self.number, self.times = step, number, times

    def update(self, done, total, text=""):
        if done == self.step:
            self.step = None
            for _ in range(self.times):
                os.kill(os.getpid(), self.number)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_sigterm_and_sighup_save(number, status, digits, tmp_path):  # noqa: F811
    with pytest.raises(Terminated, match="stopped in epoch 1, after 3 of 4 batches") as stop:
        fit(network(), digits, SETTINGS, out=tmp_path, progress=Burst(3, number))
    assert stop.value.signal == number and stop.value.code == status and isinstance(stop.value, SystemExit)
    assert isinstance(stop.value, Interrupted) and load(tmp_path / "last.safetensors").meta["batch"] == 3


def test_ten_signals_at_once_save_once(digits, tmp_path):  # noqa: F811
    with pytest.raises(Interrupted, match="stopped in epoch 1, after 2 of 4 batches") as stop:
        fit(network(), digits, SETTINGS, out=tmp_path, progress=Burst(2, times=10))
    assert stop.value.signal == signal.SIGINT and load(tmp_path / "last.safetensors").meta["batch"] == 2


def test_a_second_ctrl_c_a_second_later_stops_at_once(digits, tmp_path, monkeypatch):  # noqa: F811
    class Later(Progress):
        def update(self, done, total, text=""):
            if done == 1:
                os.kill(os.getpid(), signal.SIGINT)
                monkeypatch.setattr(interrupts, "BURST", 0.0)
                os.kill(os.getpid(), signal.SIGINT)
    with pytest.raises(KeyboardInterrupt) as stop:
        fit(network(), digits, SETTINGS, out=tmp_path / "run", progress=Later())
    assert type(stop.value) is KeyboardInterrupt and not (tmp_path / "run").exists()


class StopsWhileEvaluated(nn.Module):
    """A network that presses Ctrl-C when it is evaluated after epoch n. The check at the start evaluates it too."""

    def __init__(self, n):
        self.layers, self.n, self.calls = network(), n, []

    def forward(self, x):
        if not self.training:
            self.calls.append(1)
            if len(self.calls) == self.n + 1:
                os.kill(os.getpid(), signal.SIGINT)
        return self.layers(x)


@pytest.mark.parametrize("epoch", [1, 2])
def test_ctrl_c_while_an_epoch_is_evaluated(epoch, digits, tmp_path):  # noqa: F811
    with pytest.raises(Interrupted, match=f"stopped after epoch {epoch} of 2"):
        fit(StopsWhileEvaluated(epoch), digits, SETTINGS, out=tmp_path)
    saved = load(tmp_path / "last.safetensors")
    assert saved.meta["epoch"] == epoch and len(saved.meta["history"]) == epoch


def test_a_signal_after_the_last_look_is_not_lost(digits):  # noqa: F811
    class Last(Progress):
        def note(self, line):
            if line.startswith("epoch 2/2"):
                os.kill(os.getpid(), signal.SIGINT)
    with pytest.raises(Interrupted, match="stopped after epoch 2 of 2"):
        fit(network(), digits, SETTINGS, progress=Last())


def test_ignored_signals_stay_ignored_and_others_get_their_handlers_back():
    before = {number: signal.getsignal(number) for number in interrupts.SIGNALS}
    signal.signal(signal.SIGHUP, signal.SIG_IGN)        # as after nohup
    try:
        with deferred() as stop:
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) is signal.getsignal(signal.SIGINT) is stop
        assert signal.getsignal(signal.SIGTERM) is before[signal.SIGTERM]
        assert signal.getsignal(signal.SIGINT) is before[signal.SIGINT]
    finally:
        signal.signal(signal.SIGHUP, before[signal.SIGHUP])


def test_a_handler_takes_no_lock():
    """A handler may run while the same thread is inside of the same handler."""
    class Nested(Deferred):
        def __setattr__(self, name, value):
            object.__setattr__(self, name, value)
            if name == "since" and value:
                self(signal.SIGTERM, None)              # a signal within the handler
    handler = Nested()
    handler(signal.SIGINT, None)
    assert handler.number == signal.SIGINT


def test_the_rest_of_a_burst_is_quiet_after_a_training():
    outer = AtOnce()
    with handled(outer), deferred() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.number == signal.SIGINT
        with handled(outer):
            os.kill(os.getpid(), signal.SIGINT)         # a part of the burst: nothing happens
    with pytest.raises(KeyboardInterrupt), handled(AtOnce()):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(1)


SCRIPT = """
import sys, numpy as np
from minicnn.data import load
from minicnn.models import MLP
from minicnn.training import Settings, fit
fit(MLP(rng=np.random.default_rng(0)), load("mnist5k"), Settings(epochs=500), out=sys.argv[1])
"""


def test_a_script_ends_with_the_status_of_the_signal(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(tmp_path / "run")], stderr=subprocess.PIPE,
                               env={**os.environ, "PYTHONPATH": str(ROOT)})
    while not (tmp_path / "run" / "last.safetensors").exists():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 143
    assert load(tmp_path / "run" / "last.safetensors").meta["epoch"] < 500 and load_data("mnist5k")
    assert np.isfinite(load(tmp_path / "run" / "best.safetensors").model["fc1.weight"]).all()


class StopsInAStep(nn.Module):
    """A network that gets a signal in its training step n. The check at the start is the first call."""

    def __init__(self, n, number):
        self.layers, self.n, self.number, self.calls = network(), n, number, []

    def forward(self, x):
        if self.training:
            self.calls.append(1)
            if len(self.calls) == self.n + 1:
                os.kill(os.getpid(), self.number)
                self.calls += [1] * 100
        return self.layers(x)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_first_step_stops_at_once_and_a_later_one_after_the_step(number, digits, tmp_path):  # noqa: F811
    model = StopsInAStep(1, number)
    with pytest.raises(Interrupted, match="stopped in the first step, before anything was saved") as stop:
        fit(model, digits, SETTINGS, out=tmp_path / "run")
    assert len(model.calls) == 2 and stop.value.signal == number and not (tmp_path / "run").exists()
    with pytest.raises(Interrupted, match="stopped in epoch 1, after 2 of 4 batches"):
        fit(StopsInAStep(2, number), digits, SETTINGS, out=tmp_path / "run")
    assert load(tmp_path / "run" / "last.safetensors").meta["batch"] == 2


def test_a_slow_step_of_the_command_ends_at_a_signal():
    """naive needs minutes for a step of the LeNet: the command says so, and SIGTERM ends it."""
    process = subprocess.Popen([sys.executable, "-m", "minicnn", "train", "--dataset", "mnist5k", "--algo", "naive",
                                "--dry-run"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               env={**os.environ, "PYTHONPATH": str(ROOT)})
    lines = iter(process.stderr.readline, "")
    assert any("naive shows how a convolution is computed and is slow" in line for line in lines)
    assert any(line.startswith("train: 0%  epoch 1/1") for line in lines)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 143 and out == ""
    assert "minicnn train: interrupted: stopped in the first step, before anything was saved\n" in err
    assert not Path("runs/dry-run").exists()
