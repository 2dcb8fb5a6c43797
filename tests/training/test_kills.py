"""A run that is killed at any moment, and resumed, has the weights of a run that was never stopped, bit for bit.

A long run by hand: MINICNN_KILLS=200 python -m pytest tests/training/test_kills.py
"""

import faulthandler
import os
import random
import signal
import time
import traceback
import warnings
from pathlib import Path

import pytest

from minicnn.checkpoint import load
from minicnn.cli.main import main
from minicnn.training import Settings, fit
from tests.training.test_fit import assert_same, digits, network  # noqa: F401 (a fixture)

KILLS = int(os.environ.get("MINICNN_KILLS", "20"))
COMMANDS = (["--model", "mlp", "--epochs", "6"], ["--model", "lenet", "--dry-run", "--epochs", "5"])
TRAIN = ["train", "--dataset", "mnist5k", "--quiet", "--patience", "3", "--augment", "shift"]
SETTINGS = Settings(epochs=1, batch_size=64, seed=5)
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")


def child_of(work, log):
    """Start a process that calls `work` and ends with its result as exit status. It prints into the file `log`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)     # of newer Pythons: this process has threads
        child = os.fork()
    if child == 0:
        status = 99
        try:
            descriptor = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
            faulthandler.dump_traceback_later(100, exit=True, file=descriptor)      # nothing here may hang
            for number in (1, 2):
                os.dup2(descriptor, number)
            status = work()
        except BaseException:
            os.write(2, traceback.format_exc().encode())
        finally:
            os._exit(status)
    return child


def ended(child, log):
    """Wait for a child. Its exit status, or minus the number of the signal that ended it."""
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, -signal.SIGKILL), f"status {status}: {Path(log).read_text()}"
    return status


def command(out, options):
    """The command that begins the run or goes on with it."""
    go_on = ["train", "--quiet", "--resume", out] if Path(out, "last.safetensors").exists() else \
        [*TRAIN, *options, "--out", out]
    return lambda: main(go_on)


def test_kills_at_random_moments(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    draw, kills, runs, seconds = random.Random(KILLS), 0, 0, {}
    for number, options in enumerate(COMMANDS):
        assert main([*TRAIN, *options, "--out", f"whole{number}"]) == 0     # imports and compiles
        start = time.monotonic()
        assert ended(child_of(command(f"timed{number}", options), "log"), "log") == 0
        seconds[number] = min(time.monotonic() - start, 2.0)    # it takes less than a second on a quiet machine
    while kills < KILLS:
        number, out = runs % len(COMMANDS), f"run{runs}"
        ends = False
        while not ends:
            child = child_of(command(out, COMMANDS[number]), "log")
            if kills < KILLS:
                time.sleep(draw.uniform(0, seconds[number]))
                os.kill(child, signal.SIGKILL)
            ends = ended(child, "log") == 0
            kills += not ends
        for name in ("last", "best"):
            one, two = (load(f"{run}/{name}.safetensors") for run in (f"whole{number}", out))
            assert_same(one.model, two.model)
            assert_same(one.optimizer or {}, two.optimizer or {})
        assert {path.name for path in Path(out).iterdir()} == {path.name for path in Path(f"whole{number}").iterdir()}
        runs += 1
    print(f"{kills} kills, {runs} runs")


def killing(when, name):
    """Let os.fsync or os.replace kill this process at its call number `when`, before or after its work."""
    calls, real = [], getattr(os, name)

    def function(*arguments):
        calls.append(1)
        if len(calls) * 2 - 1 == when:
            os.kill(os.getpid(), signal.SIGKILL)
        found = real(*arguments)
        if len(calls) * 2 == when:
            os.kill(os.getpid(), signal.SIGKILL)
        return found
    setattr(os, name, function)


@pytest.mark.parametrize("name", ["fsync", "replace"])
def test_a_kill_at_every_write(name, digits, tmp_path):  # noqa: F811
    whole = network()
    fit(whole, digits, SETTINGS)
    kills = 0
    while True:
        out = tmp_path / f"run{kills}"

        def work(out=out, when=kills + 1):
            killing(when, name)
            fit(network(), digits, SETTINGS, out=out)
            return 0
        if ended(child_of(work, tmp_path / "log"), tmp_path / "log") == 0:
            break
        kills += 1
        last, model = out / "last.safetensors", network(3)
        if last.exists():
            fit(model, digits, SETTINGS, out=out, resume=load(last))
        else:
            fit(model := network(), digits, SETTINGS, out=out)
        assert_same(whole.state_dict(), model.state_dict())
        assert sorted(path.name for path in out.iterdir()) == ["best.safetensors", "history.jsonl", "last.safetensors"]
    assert kills >= 12
