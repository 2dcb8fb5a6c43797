"""The BLAS library has one thread while minicnn's threads work, and the user's number before and afterwards."""

import os
import signal
import threading

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController

from minicnn import Tensor
from minicnn import functional as F
from minicnn.conv import Geometry, algorithms
from minicnn.conv.runtime import blas
from tests.conv.geometries import operands, run

LIBRARIES = blas._libraries()
pytestmark = pytest.mark.skipif(not LIBRARIES, reason="threadpoolctl knows no BLAS library of this process")
LARGE = Geometry.of((16, 64, 14, 14), (128, 64, 3, 3), padding=1)


def numbers():
    return [one.get() for one in LIBRARIES]


@pytest.fixture(params=[2, 1])
def chosen(request):
    """The number of threads that the user has chosen for BLAS."""
    with ThreadpoolController().limit(limits=request.param, user_api="blas"):
        assert set(numbers()) == {request.param}
        yield request.param
        assert set(numbers()) == {request.param}


def test_one_thread_inside_and_the_users_number_afterwards(chosen):
    seen = []
    blas.parallel_products(100, lambda job: seen.extend(numbers()))
    assert len(seen) == 100 * len(LIBRARIES) and set(seen) == {1} and set(numbers()) == {chosen}
    assert blas.one_thread(blas.one_thread, numbers) == [1] * len(LIBRARIES)


@pytest.mark.parametrize("name", ["im2col", "fft", "toeplitz", "linear", "@"])
def test_every_product_of_matrices_runs_on_one_thread_of_blas(name, chosen, rng, monkeypatch):
    seen, matmul = [], np.matmul

    def watched(*arguments, **options):
        if arguments[0].dtype.kind in "fc":             # integers do not go to BLAS
            seen.extend(numbers())
        return matmul(*arguments, **options)
    small = Geometry.of((2, 3, 8, 8), (4, 3, 3, 3))
    arrays = operands(small if name == "toeplitz" else LARGE, rng.standard_normal)
    monkeypatch.setattr(np, "matmul", watched)
    if name in ("linear", "@"):
        x, w = rng.standard_normal((64, 784)), Tensor(rng.standard_normal((512, 784)), requires_grad=True)
        out = F.linear(x, w) if name == "linear" else w @ x.T
        out.backward(out.data)
    else:
        run(algorithms()[name], small if name == "toeplitz" else LARGE, *arrays)
    assert seen and set(seen) == {1}


def test_an_error_restores_the_number(chosen):
    def fail(job):
        raise ArithmeticError(f"job {job}")
    with pytest.raises(ArithmeticError, match="job"):
        blas.parallel_products(5, fail)
    assert set(numbers()) == {chosen} and not blas.one_thread.inside


def test_a_number_that_the_user_sets_meanwhile_stays(chosen):
    def choose():
        for one in LIBRARIES:
            one.set(2)
    blas.one_thread(choose)
    assert set(numbers()) == {2}
    for one in LIBRARIES:
        one.set(chosen)


def test_several_threads_leave_the_number(chosen):
    wrong = []

    def work():
        for _ in range(300):
            wrong.extend(number for number in blas.one_thread(numbers) if number != 1)
    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong and set(numbers()) == {chosen}


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="the system has no timers")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")      # of a weak reference's callback
def test_interrupts_leave_the_number(chosen):
    count, draw = 0, np.random.default_rng(1)

    def stop(number, frame):
        blas.one_thread(numbers)
        raise InterruptedError
    before = signal.signal(signal.SIGALRM, stop)
    try:
        while count < 300:
            try:
                signal.setitimer(signal.ITIMER_REAL, float(draw.uniform(1e-6, 3e-4)))
                for _ in range(100_000):
                    assert set(blas.one_thread(numbers)) == {1}
            except InterruptedError:
                count += 1
                assert set(numbers()) == {chosen} and not blas.one_thread.inside
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_child_has_the_users_number(chosen):
    inside, end = threading.Event(), threading.Event()
    worker = threading.Thread(target=blas.one_thread, args=(lambda: (inside.set(), end.wait()),))
    worker.start()
    inside.wait()
    child = os.fork()
    if child == 0:
        right = set(numbers()) == {chosen} and blas.one_thread(numbers) == [1] * len(LIBRARIES)
        os._exit(0 if right and set(numbers()) == {chosen} else 1)
    end.set()
    worker.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0 and set(numbers()) == {chosen}


@pytest.mark.parametrize("shapes", [((3, 4), (4, 5)), ((700, 300), (300, 90)), ((90, 300), (300, 700)),
                                    ((0, 3), (3, 2)), ((300, 700), (700, 1)), ((2, 200, 300), (300, 400))])
def test_matmul_is_the_product_with_any_number_of_threads(shapes, rng, monkeypatch):
    a, b = (rng.standard_normal(shape) for shape in shapes)
    results = []
    for count in (1, 2, 5):
        monkeypatch.setattr("minicnn.conv.runtime.threads._threads", count)
        with ThreadpoolController().limit(limits=1 + count % 2, user_api="blas"):
            results.append(blas.matmul(a, b))
            np.testing.assert_allclose(blas.matmul(np.asfortranarray(a), b), a @ b, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(results[0], a @ b, rtol=1e-10, atol=1e-10)
    assert all(np.array_equal(result, results[0]) for result in results)


def test_matmul_of_vectors_and_stacks_and_of_lengths_that_do_not_fit(rng):
    v, m, stack = (rng.standard_normal(shape) for shape in ((20_000,), (20_000, 3), (2, 3, 20_000)))
    for a, b in ((v, v), (v, m), (stack, v), (stack, m), (stack, m[None]), (m.T, m), (stack[:0], m)):
        np.testing.assert_allclose(blas.matmul(a, b), np.matmul(a, b), rtol=1e-10, atol=1e-9)
    for a, b in ((m, m), (stack, stack), (v, v[1:]), (m[:3], m), (np.ones((600, 600)), np.ones((500, 600)))):
        with pytest.raises(ValueError, match="matmul"):
            blas.matmul(a, b)


def test_the_backward_jobs_of_im2col_cover_every_weight_and_channel_once():
    from minicnn.conv.algorithms.im2col import backward_jobs, forward_jobs
    for groups in (1, 2, 4, 16, 64):
        g = Geometry.of((16, 64, 28, 28), (128, 64 // groups, 3, 3), padding=1, groups=groups)
        assert len(backward_jobs(g)) > 1 and len(forward_jobs(g)) > 1 or groups == 64
        weights, channels = np.zeros((groups, g.in_channels // groups * 9)), np.zeros(g.in_channels)
        for job in backward_jobs(g):
            weights[job.groups, job.rows] += 1
            channels[job.channels] += 1
            assert job.geometry.in_channels == len(channels[job.channels])
        out = np.zeros((28, 128 // groups))
        for (start, stop), part in forward_jobs(g):
            out[start:stop, part] += 1
        assert (weights == 1).all() and (channels == 1).all() and (out == 1).all()
