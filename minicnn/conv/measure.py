"""The measured choice of an algorithm: all that can compute a geometry take turns. `choose` only predicts."""

from __future__ import annotations

import math
import threading
import time
import tracemalloc
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ..checks import integer
from ..errors import InputError
from ..progress import SILENT, Progress
from .algorithm import algorithms
from .geometry import Geometry
from .runtime.threads import get_num_threads

CALLS, SECONDS = 9, 0.1         # the most calls in a turn; after 0.1 s no further call begins
HOPELESS = 20                   # an algorithm that takes 20 times the fastest's seconds has no further turn

_lock = threading.Lock()
_found: dict[tuple[Geometry, int], dict[str, Measurement]] = {}         # by geometry and number of threads


@dataclass(frozen=True)
class Measurement:
    """One algorithm on one geometry.

    Attributes
    ----------
    algorithm : str
    forward, backward : float or None
        Seconds; `backward` computes all three gradients. None if not measured.
    workspace : int or None
        The most bytes that NumPy held besides the operands and the results. They include the arrays that forward saves
        for backward. They do not include memory that an algorithm keeps from one call to the next.
    error_bound : float
    error_norm : str
        As in `Algorithm`.
    reason : str or None
        Why the algorithm was not measured.
    """

    algorithm: str
    forward: float | None
    backward: float | None
    workspace: int | None
    error_bound: float
    error_norm: str = "element"
    reason: str | None = None

    @property
    def seconds(self) -> float:
        """Seconds of forward and backward together; inf if not measured."""
        return math.inf if self.forward is None or self.backward is None else self.forward + self.backward


def find(geometry: Geometry, repeats: int = 3, names: str | Iterable[str] | None = None,
         progress: Progress = SILENT) -> list[Measurement]:
    """Measure the algorithms on one geometry. `choose` only predicts; this function runs the algorithms.

    Each algorithm runs once to compile and once to measure memory. Then the algorithms take turns, so that other load
    of the machine slows all of them. The result of a turn is the median of up to 9 calls in 0.1 s. The result of an
    algorithm is its best turn. An algorithm that needs 20 times the time of the fastest has no further turn.

    The measurements are kept in memory for each geometry and number of threads. A second call returns them, whatever
    its `repeats` is. Calls from several threads wait for each other.

    Parameters
    ----------
    geometry : Geometry
    repeats : int
        Turns, at least 1.
    names : iterable of str, optional
        Measure only these. Algorithms that "auto" never chooses, such as "naive", are measured only if named here.
    progress : Progress
        Is told which algorithm runs.

    Returns
    -------
    list of Measurement
        The fastest first. Algorithms that were not measured come last.

    Raises
    ------
    InputError
        A name is unknown, or `repeats` is not an integer of at least 1.

    References
    ----------
    cudnnFindConvolutionForwardAlgorithm and cudnnGetConvolutionForwardAlgorithm_v7 of cuDNN: the same two ways.

    Examples
    --------
    >>> from minicnn.conv import Geometry
    >>> measured = find(Geometry.of((2, 1, 8, 8), (2, 1, 3, 3)), names=["im2col"], repeats=1)
    >>> [m.algorithm for m in measured], fastest(measured), measured[0].reason
    (['im2col'], 'im2col', None)
    """
    repeats = integer("repeats", repeats, 1)
    reasons = {name: _why_not(name, geometry, names) for name in _wanted(names)}
    able = [name for name, reason in reasons.items() if reason is None]
    with _lock:
        found = _found.setdefault((geometry, get_num_threads()), {})
        if any(name not in found for name in able):
            found.update(_measure(able, geometry, repeats, progress))   # all: only one run's seconds are comparable
        measured = [found[name] if reason is None else _skipped(name, reason) for name, reason in reasons.items()]
    return sorted(measured, key=lambda one: (one.seconds, one.algorithm))


def fastest(measured: Iterable[Measurement]) -> str:
    """The name of the algorithm with the least seconds of forward and backward.

    Raises
    ------
    InputError
        None of them was measured.

    Examples
    --------
    >>> fastest([Measurement("a", 0.2, 0.3, 0, 3.0), Measurement("b", 0.1, 0.2, 0, 3.0)])
    'b'
    """
    measured = list(measured)
    best = min(measured, key=lambda one: one.seconds, default=None)
    if best is None or best.reason:
        raise InputError("no algorithm was measured: " + ("; ".join(f"{m.algorithm}: {m.reason}" for m in measured)
                                                          or "the list is empty"))
    return best.algorithm


def _wanted(names):
    """The names, each once and known; all if None."""
    known = algorithms()
    if names is None:
        return list(known)
    names = list(dict.fromkeys([names] if isinstance(names, str) else names))
    unknown = [name for name in names if name not in known]
    if unknown:
        raise InputError(f"no convolution algorithm is called {unknown[0]!r}: choose among {', '.join(known)}")
    return names


def _why_not(name, geometry, names):
    """The reason not to measure an algorithm, or None."""
    algorithm = algorithms()[name]
    reason = algorithm.unsupported(geometry)
    if reason is None and names is None and algorithm.cost(geometry) == math.inf:
        reason = "'auto' never chooses it: to measure it, give its name"
    return reason


def _skipped(name, reason):
    algorithm = algorithms()[name]
    return Measurement(name, None, None, None, algorithm.error_bound, algorithm.error_norm, reason)


def _measure(names, geometry, repeats, progress):
    """{name: Measurement} of algorithms that take turns. The reason of an algorithm may be that memory runs out."""
    operands, known = _random_operands(geometry), algorithms()
    workspace, turns, reasons = {}, {name: [] for name in names}, {}
    total = len(names) * (1 + repeats)
    for done, name in enumerate(names):
        progress.update(done, total, name)
        try:
            _run(known[name], *operands)
            workspace[name] = _extra_bytes(known[name], *operands)
        except MemoryError:
            reasons[name] = "it needs more memory than there is"
    for turn in range(repeats):
        for done, name in enumerate(workspace):
            best = min((sum(times) for other in turns.values() for times in other), default=math.inf)
            if not turns[name] or min(map(sum, turns[name])) <= HOPELESS * best:
                progress.update((turn + 1) * len(names) + done, total, name)
                turns[name].append(_take_turn(known[name], *operands))
    return {name: _skipped(name, reasons[name]) if name in reasons else Measurement(
        name, *(min(seconds) for seconds in zip(*turns[name], strict=True)), workspace[name],
        known[name].error_bound, known[name].error_norm) for name in names}


def _random_operands(geometry):
    """Input, weight, bias, cotangent and geometry. The images lie in memory in the order (C, H, W, N)."""
    g, rng = geometry, np.random.default_rng(0)
    draw = lambda *shape: rng.standard_normal(shape, g.dtype)
    x, grad = (draw(*shape[1:], g.batch).transpose(3, 0, 1, 2) for shape in (g.in_shape, g.out_shape))
    return x, draw(*g.weight_shape), draw(g.out_channels), grad, g


def _run(algorithm, x, weight, bias, grad, geometry):
    """-> seconds of forward, seconds of backward, the results."""
    start = time.perf_counter()
    out, saved = algorithm.forward(x, weight, bias, geometry)
    middle = time.perf_counter()
    gradients = algorithm.backward(grad, saved, (True, True, True))
    return middle - start, time.perf_counter() - middle, (out, *gradients)


def _take_turn(algorithm, *operands):
    """The medians of the seconds of forward and of backward."""
    seconds, end = [], time.perf_counter() + SECONDS
    while not seconds or len(seconds) < CALLS and time.perf_counter() < end:
        seconds.append(_run(algorithm, *operands)[:2])
    return tuple(np.median(seconds, axis=0).tolist())


def _extra_bytes(algorithm, *operands):
    """The most bytes that a run allocates, without its results."""
    running = tracemalloc.is_tracing()
    if not running:
        tracemalloc.start()
    try:
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        results = _run(algorithm, *operands)[2]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        if not running:
            tracemalloc.stop()
    return max(0, peak - before - sum(result.nbytes for result in results))
