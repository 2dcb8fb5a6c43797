"""Long tapes, threads, forks, exceptions and Ctrl-C in the middle of backward."""

import contextlib
import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

from minicnn import Tensor, no_grad, record
from minicnn.autograd import grad_enabled

LONG = """
import pathlib
import numpy as np
from minicnn import Tensor
x = Tensor(np.ones(1), requires_grad=True)
y = x
for _ in range({count}):
    y = y + 1.0
assert len(repr(y)) < 100
y.backward()
assert x.grad.tolist() == [1.0]
del y
y = x
for _ in range({count}):
    y = y + 1.0
del y
parts = [x * 1.0 for _ in range({count} // 10)]
np.stack(parts).sum().backward()
assert x.grad.tolist() == [1.0 + {count} // 10]
status = pathlib.Path("/proc/self/status").read_text().splitlines()
print(next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM")))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs the peak memory of a process alone, without its parent's")
@pytest.mark.parametrize("count", [200_000])
def test_walks_of_many_operations_are_bounded(count):
    """Without recursion, and with at most 2 KB for each operation; the interpreter takes up to 600 MB.

    A million take about a minute.
    """
    done = subprocess.run([sys.executable, "-c", LONG.format(count=count)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 600_000_000 + 2000 * count


def leaf():
    return Tensor(np.array([1.0, 2.0]), requires_grad=True)


def test_backward_in_many_threads():
    grads, errors = [], []

    def work(i):
        try:
            for _ in range(30):
                x = leaf()
                with no_grad():
                    assert not (x * 2).requires_grad
                y = x
                for _ in range(20):
                    y = y * x
                y.sum().backward()
                grads.append(x.grad[1])
        except BaseException as error:
            errors.append(error)
    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors and set(grads) == {21 * 2.0 ** 20}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_goes_on_with_the_tape():
    x = leaf()
    y = (x * x).sum()
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()

    def child():
        y.backward()
        queue.put(x.grad.tolist())
    with no_grad():
        process = context.Process(target=child)
        process.start()
    process.join()
    assert queue.get() == [2.0, 4.0] and x.grad is None
    y.backward()
    assert x.grad.tolist() == [2.0, 4.0]


class Stop(BaseException):
    pass


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, Stop, MemoryError])
def test_an_exception_in_backward_leaves_the_gradients_as_they_were(error):
    x, z = leaf(), leaf()
    x.grad = np.array([5.0, 6.0])

    def fail(grad):
        raise error
    y = record(x.data * 2, (x,), fail, "bad")
    with pytest.raises(error):
        ((y * z) + x * z).sum().backward()
    assert x.grad.tolist() == [5.0, 6.0] and z.grad is None
    (x * z).sum().backward()
    assert x.grad.tolist() == [6.0, 8.0] and z.grad.tolist() == [1.0, 2.0] and (x * 1).requires_grad


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there is no timer here")
def test_ctrl_c_at_any_moment_gives_all_gradients_or_none(rng):
    """An exception out of a signal handler at random moments of forward and backward, as Ctrl-C raises it.

    Python loses an exception that is raised in a callback of the garbage collector, so no such callback may run here,
    and the loop ends by the signal, not by the exception.
    """
    came = []

    def interrupt(number, frame):
        came.append(number)
        raise KeyboardInterrupt
    before = signal.signal(signal.SIGALRM, interrupt)
    gc.disable()
    try:
        for _ in range(200):
            params = []
            came.clear()
            with contextlib.suppress(KeyboardInterrupt):
                signal.setitimer(signal.ITIMER_REAL, 1e-5 + 2e-3 * rng.random())
                while not came:
                    params = [leaf() for _ in range(20)]
                    y = params[0]
                    for p in params[1:]:
                        y = y * p
                    with no_grad():
                        y.sum()
                    y.sum().backward()
            assert grad_enabled()
            assert len({p.grad is None for p in params}) < 2, "some parameters have a gradient, others not"
    finally:
        gc.enable()
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    x = leaf()
    (x * x).sum().backward()
    assert x.grad.tolist() == [2.0, 4.0]
