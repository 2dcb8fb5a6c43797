"""The measured choice of an algorithm: all that can, run on the geometry itself, in turn. `choose` only predicts."""

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
import platform
import threading
import time
import tracemalloc
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError
from .algorithm import algorithms
from .runtime.threads import get_num_threads

CALLS, SECONDS = 9, 0.1         # the most calls of a turn; no more begin after so many seconds
HOPELESS = 20                   # times slower than the fastest: not measured again
KIND = "minicnn.conv.find 1"    # what a file of records says that it is
NUMBERS = {"forward": float, "backward": float, "workspace": int}

_lock = threading.Lock()
_found: dict = {}               # (geometry, threads): {name: Record}


@dataclass(frozen=True)
class Record:
    """One algorithm on one geometry.

    Attributes
    ----------
    algorithm : str
    forward, backward : float or None
        Seconds; `backward` is for all three gradients. None where not measured.
    workspace : int or None
        The most bytes that NumPy held besides the operands and the results; what forward keeps for backward is among
        them. Memory that an algorithm keeps from one call to the next is not.
    error_bound : float
        As in `Algorithm`.
    reason : str or None
        Why it was not measured.
    """

    algorithm: str
    forward: float | None
    backward: float | None
    workspace: int | None
    error_bound: float
    reason: str | None = None

    @property
    def seconds(self):
        """Of forward and backward together; inf where not measured."""
        return math.inf if self.reason else self.forward + self.backward


def find(geometry, path=None, repeats=3, names=None) -> list[Record]:
    """Measure the algorithms on one geometry: `choose` predicts, this runs them.

    After one call apart, which may compile, and one that counts memory, each algorithm has its turns, one after the
    other, so that a busy machine slows all alike. A turn gives the median of up to 9 calls in 0.1 s, the record the
    best of its turns. An algorithm that needs 20 times the time of the fastest has no further turn.

    What was measured is kept in memory, for each geometry and number of threads, and not measured again, whatever
    `repeats` is. Calls from several threads wait for each other.

    Parameters
    ----------
    geometry : Geometry
    path : str or path-like, optional
        A JSON file to take measurements from and to add new ones to; they hold for one processor, number of threads,
        and versions of minicnn, numpy and numba. A file of another kind is replaced, with a warning.
    repeats : int
        Turns, at least 1.
    names : iterable of str, optional
        Measure only these. Those that "auto" never chooses, such as "naive", are measured only if named.

    Returns
    -------
    list of Record
        The fastest first, those with a reason last.

    Raises
    ------
    ValueError
        An unknown name, or `repeats` less than 1.

    References
    ----------
    cudnnFindConvolutionForwardAlgorithm and cudnnGetConvolutionForwardAlgorithm_v7 of cuDNN: the same two ways.

    Examples
    --------
    >>> from minicnn.conv import Geometry
    >>> records = find(Geometry.of((2, 1, 8, 8), (2, 1, 3, 3)), names=["im2col"], repeats=1)
    >>> [r.algorithm for r in records], fastest(records), records[0].reason
    (['im2col'], 'im2col', None)
    """
    if isinstance(repeats, bool) or not hasattr(repeats, "__index__") or repeats < 1:
        raise InputError(f"repeats must be an integer of at least 1, not {repeats!r}")
    reasons = {name: why_not(name, geometry, names) for name in wanted(names)}
    able = [name for name, reason in reasons.items() if reason is None]
    with _lock:
        found = _found.setdefault((geometry, get_num_threads()), {})
        stored = read(path, geometry) if path is not None else {}
        found.update({name: record for name, record in stored.items() if name not in found})
        if any(name not in found for name in able):
            found.update(measure(able, geometry, repeats))              # all: only what was in turn compares
        measured = {name: record for name, record in found.items() if record.reason is None}
        if path is not None and measured != stored:
            write(path, geometry, measured)
        records = [found[name] if reason is None else skipped(name, reason) for name, reason in reasons.items()]
    return sorted(records, key=lambda record: (record.seconds, record.algorithm))


def fastest(records) -> str:
    """The name of the algorithm with the least seconds of forward and backward.

    Raises
    ------
    ValueError
        None of the records was measured.

    Examples
    --------
    >>> fastest([Record("a", 0.2, 0.3, 0, 3.0), Record("b", 0.1, 0.2, 0, 3.0)])
    'b'
    """
    records = list(records)
    best = min(records, key=lambda record: record.seconds, default=None)
    if best is None or best.reason:
        raise InputError("no algorithm was measured: " + ("; ".join(f"{r.algorithm}: {r.reason}" for r in records)
                                                          or "there are no records"))
    return best.algorithm


def wanted(names):
    """The names, each once and known; all if None."""
    known = algorithms()
    if names is None:
        return list(known)
    names = list(dict.fromkeys([names] if isinstance(names, str) else names))
    unknown = [name for name in names if name not in known]
    if unknown:
        raise InputError(f"no convolution algorithm is called {unknown[0]!r}: choose among {', '.join(known)}")
    return names


def why_not(name, geometry, names):
    """The reason not to measure an algorithm, or None."""
    algorithm = algorithms()[name]
    reason = algorithm.unsupported(geometry)
    if reason is None and names is None and algorithm.cost(geometry) == math.inf:
        reason = "for looking, never chosen: name it to have it measured"
    return reason


def skipped(name, reason):
    return Record(name, None, None, None, algorithms()[name].error_bound, reason)


# The measurement.

def measure(names, geometry, repeats):
    """{name: Record}, the algorithms in turn; one that runs out of memory has that as its reason."""
    operands, known = random_operands(geometry), algorithms()
    workspace, turns, reasons = {}, {name: [] for name in names}, {}
    for name in names:
        try:
            run(known[name], *operands)
            workspace[name] = extra_bytes(known[name], *operands)
        except MemoryError:
            reasons[name] = "it needs more memory than there is"
    for _ in range(repeats):
        for name in workspace:
            best = min((sum(turn) for other in turns.values() for turn in other), default=math.inf)
            if not turns[name] or min(map(sum, turns[name])) <= HOPELESS * best:
                turns[name].append(take_turn(known[name], *operands))
    return {name: skipped(name, reasons[name]) if name in reasons else Record(
        name, *(min(seconds) for seconds in zip(*turns[name], strict=True)), workspace[name],
        known[name].error_bound) for name in names}


def random_operands(geometry):
    """Input, weight, bias and cotangent, the images in the order (C, H, W, N) in memory, and the geometry."""
    g, rng = geometry, np.random.default_rng(0)
    draw = lambda *shape: rng.standard_normal(shape, g.dtype)
    x, grad = (draw(*shape[1:], g.batch).transpose(3, 0, 1, 2) for shape in (g.in_shape, g.out_shape))
    return x, draw(*g.weight_shape), draw(g.out_channels), grad, g


def run(algorithm, x, weight, bias, grad, geometry):
    """-> seconds of forward, seconds of backward, the results."""
    start = time.perf_counter()
    out, saved = algorithm.forward(x, weight, bias, geometry)
    middle = time.perf_counter()
    gradients = algorithm.backward(grad, saved, (True, True, True))
    return middle - start, time.perf_counter() - middle, (out, *gradients)


def take_turn(algorithm, *operands):
    """The medians of the seconds of forward and of backward."""
    seconds, end = [], time.perf_counter() + SECONDS
    while not seconds or len(seconds) < CALLS and time.perf_counter() < end:
        seconds.append(run(algorithm, *operands)[:2])
    return tuple(np.median(seconds, axis=0).tolist())


def extra_bytes(algorithm, *operands):
    """The most that a run allocates, less its results."""
    running = tracemalloc.is_tracing()
    if not running:
        tracemalloc.start()
    try:
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        results = run(algorithm, *operands)[2]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        if not running:
            tracemalloc.stop()
    return max(0, peak - before - sum(result.nbytes for result in results))


# The file: {"kind": KIND, "measured": {machine: {geometry: {algorithm: {forward, backward, workspace}}}}}.

def machine() -> str:
    """What a measurement holds for.

    >>> machine().count(", ") >= 4
    True
    """
    import numba  # here, not above: importing minicnn must stay quick

    from .. import __version__
    return (f"{processor()}, threads {get_num_threads()}, minicnn {__version__}, numpy {np.__version__}, "
            f"numba {numba.__version__}")


def processor():
    """The processor's name for itself."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def read(path, geometry):
    """{name: Record} of this machine and geometry, from the file."""
    measured = read_file(path).get(machine(), {}).get(str(geometry), {})
    return {name: Record(name, **measured[name], error_bound=algorithm.error_bound)
            for name, algorithm in algorithms().items() if name in measured}


def read_file(path, warn=True):
    """What the file has measured; nothing, with a warning, where it cannot be read or is no such file."""
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        if not isinstance(content, dict) or content.get("kind") != KIND:
            raise InputError(f"it does not say that it is {KIND!r}")
        for name, record in [item for geometries in content["measured"].values() for found in geometries.values()
                             for item in found.items()]:
            if {key: type(value) for key, value in record.items()} != NUMBERS:
                raise InputError(f"what it says of {name} is {record}")
        return content["measured"]
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if warn:
            logging.getLogger("minicnn").warning("minicnn: cannot use the measured convolutions in %s (%s): measuring "
                                                 "again", path, error)
        return {}


def write(path, geometry, records):
    """Put the records of a geometry into the file: at any moment it is the old one or the new one, whole."""
    content = read_file(path, warn=False)                               # another process may have written meanwhile
    numbers = {name: {key: getattr(record, key) for key in NUMBERS} for name, record in records.items()}
    content.setdefault(machine(), {}).setdefault(str(geometry), {}).update(numbers)
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps({"kind": KIND, "measured": content}, indent=1), encoding="utf-8")
        os.replace(temporary, path)
    except OSError as error:
        logging.getLogger("minicnn").warning("minicnn: cannot keep the measured convolutions in %s: %s", path, error)
        with contextlib.suppress(OSError):
            temporary.unlink()
