"""The engine under load: signal handlers that convolve or raise, forks, threads without permission.

A long run by hand: MINICNN_INTERRUPTS=20000 python -m pytest tests/conv/runtime/test_under_load.py
"""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

from minicnn import Tensor, nn
from minicnn import functional as F
from minicnn.conv.runtime import crew as crew_file
from minicnn.conv.runtime import threads
from minicnn.conv.runtime.exclusive import Exclusive, Turn
from minicnn.conv.runtime.threads import _crew as crew
from minicnn.conv.runtime.threads import parallel_for
from minicnn.errors import StateError

ROOT = Path(__file__).parents[3]
INTERRUPTS = int(os.environ.get("MINICNN_INTERRUPTS", "300"))
pytestmark = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="the system has no timers")


@pytest.fixture
def steps(rng, few_kernels, monkeypatch):
    """A function: the bytes of the output and of the gradients of some layers. Its kernels are compiled.

    Three threads share all work, however little it is.
    """
    monkeypatch.setattr(threads, "_threads", 3)
    shares = threads._shares
    monkeypatch.setattr(threads, "_shares", lambda jobs, least, *others: shares(jobs, 1, *others))
    x, ws = rng.standard_normal((8, 4, 16, 16)).astype("f"), rng.standard_normal((2, 4, 4, 3, 3)).astype("f")

    def steps():
        found = []
        for name, w in zip(("direct", "winograd"), ws, strict=True):
            image, weight = Tensor(x, requires_grad=True), nn.Parameter(w)
            out = F.conv2d(image, weight, padding=1, algorithm=name, relu=True)
            out.backward(out.data)
            found += [array.tobytes() for array in (out.data, image.grad, weight.grad)]
        return found
    steps()
    return steps


class Stop(Exception):
    """What the signal handler raises."""


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")      # of a weak reference's callback
def test_interrupts_inside_of_steps_change_no_bit_and_lose_no_helper(steps):
    expected, count, draw = steps(), 0, np.random.default_rng(1)
    before = signal.getsignal(signal.SIGALRM)

    def stop(number, frame):
        raise Stop
    signal.signal(signal.SIGALRM, stop)
    try:
        while count < INTERRUPTS:
            try:
                signal.setitimer(signal.ITIMER_REAL, float(draw.uniform(1e-5, 3e-3)))
                for _ in range(20):                     # Python loses an exception that is raised in a finaliser
                    assert steps() == expected
            except Stop:
                count += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert steps() == expected and crew().calls == [] and not crew().playing.taken and not crew().growing.taken
    numbers = [helper.number for helper in crew().helpers]
    assert len(set(numbers)) == len(numbers) >= crew().started >= 1


def test_a_handler_that_convolves_within_steps(steps):
    expected, inner, draw = steps(), [], np.random.default_rng(2)
    before = signal.getsignal(signal.SIGALRM)
    signal.signal(signal.SIGALRM, lambda number, frame: inner.append(steps()))
    try:
        for _ in range(100):
            signal.setitimer(signal.ITIMER_REAL, float(draw.uniform(1e-5, 3e-3)))
            assert steps() == expected
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert len(inner) > 5 and all(found == expected for found in inner)


def test_a_handler_that_compiles_while_a_kernel_is_compiled():
    """LLVM would end the process."""
    from minicnn.conv.kernels.compile import compiled_block
    made, errors = [], []

    def compile_one(number):
        def kernel(n):
            total = number
            for i in range(n):
                total += i
        return compiled_block(1, kernel)

    def handler(number, frame):
        try:
            made.append(compile_one(2))
        except StateError as error:
            errors.append(str(error))
    before = signal.signal(signal.SIGALRM, handler)
    try:
        for number in range(10, 1000):
            signal.setitimer(signal.ITIMER_REAL, 0.01, 0.02)
            assert compile_one(number)
            signal.setitimer(signal.ITIMER_REAL, 0)
            if errors:
                break
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert "a convolution kernel is compiled in this very thread: a signal handler" in errors[0]
    assert compile_one(3)


def test_a_handler_that_convolves_during_the_first_convolution():
    """It gets an error, or the right result; before, the process hung or LLVM ended it."""
    script = """
import signal, numpy as np
from minicnn import StateError, functional as F
x, w, found, errors = np.ones((2, 2, 9, 9), "f"), np.ones((2, 2, 3, 3), "f"), [], []
def handler(number, frame):
    try:
        found.append(F.conv2d(x, w, algorithm="direct").data.tobytes())
    except StateError as error:
        errors.append(str(error))
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.05, 0.1)
out = F.conv2d(x, w, algorithm="direct").data.tobytes()
signal.setitimer(signal.ITIMER_REAL, 0)
assert set(found) <= {out} and errors, (found, errors)
assert all("in this very thread: a signal handler or a finaliser must not convolve" in error for error in errors)
"""
    done = subprocess.run([sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=300,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_forks_while_other_threads_convolve(steps):
    expected, end, wrong = steps(), threading.Event(), []

    def work():
        while not end.is_set():
            if steps() != expected:
                wrong.append(1)
    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    try:
        for _ in range(10):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)     # of newer Pythons: this process has threads
                child = os.fork()
            if child == 0:
                signal.alarm(60)
                os._exit(int(steps() != expected))
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        end.set()
        for worker in workers:
            worker.join()
    assert not wrong


def test_tasks_of_asyncio(steps):
    expected = steps()

    async def main():
        return await asyncio.gather(*(asyncio.to_thread(steps) for _ in range(8)))
    assert asyncio.run(main()) == [expected] * 8


def test_a_system_that_allows_no_threads_and_no_affinity(monkeypatch):
    def refuse(*arguments):
        raise RuntimeError("can't start new thread")

    def forbid(*arguments):
        raise PermissionError
    monkeypatch.setattr(threads, "_helpers", None)
    monkeypatch.setattr(threads, "_threads", 4)
    monkeypatch.setattr(crew_file.threading.Thread, "start", refuse)
    monkeypatch.setattr(os, "sched_getaffinity", forbid, raising=False)
    done = []
    for _ in range(2):
        parallel_for(100, lambda start, stop: done.extend(range(start, stop)))
    assert sorted(done) == sorted([*range(100)] * 2) and threads._helpers.full


def test_a_start_that_was_interrupted_gives_no_second_thread(monkeypatch):
    """Two threads with one number would share scratch memory."""
    monkeypatch.setattr(threads, "_helpers", None)
    monkeypatch.setattr(threads, "_threads", 2)
    start = threading.Thread.start

    def start_and_raise(thread):
        start(thread)
        raise Stop
    with monkeypatch.context() as patch, pytest.raises(Stop):
        patch.setattr(crew_file.threading.Thread, "start", start_and_raise)
        parallel_for(100, lambda start, stop: None)
    made = threads._helpers
    for _ in range(200):
        parallel_for(100, lambda start, stop: None)
        time.sleep(1e-4)
    assert [helper.number for helper in made.helpers] == [1] and made.started == 1
    assert sum(thread.name == "minicnn" and thread._target.__self__ in made.helpers
               for thread in threading.enumerate() if getattr(thread, "_target", None)) == 1


def test_an_exclusive_work_is_free_again_after_an_error():
    work = Exclusive("something is done")

    def fail():
        raise Stop
    with pytest.raises(Stop):
        work(fail)
    assert work(lambda: 3) == 3
    with pytest.raises(StateError, match="something is done in this very thread"):
        work(lambda: work(lambda: 3))


def test_two_threads_never_have_one_turn():
    turn, inside, most = Turn(), [], []

    def work():
        inside.append(1)
        most.append(len(inside))
        inside.pop()
    workers = [threading.Thread(target=lambda: [turn(work) for _ in range(3000)]) for _ in range(4)]
    for thread in workers:
        thread.start()
    for thread in workers:
        thread.join()
    assert set(most) == {1} and not turn.taken
