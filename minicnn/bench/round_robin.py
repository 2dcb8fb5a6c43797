"""Competitors take turns, so other load of the machine slows all of them; and statistics of their times."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

from ..progress import SILENT, Part, Progress
from .worker_process import Worker, WorkerFailed


def take_turns(workers: dict[str, Worker], rounds: int, turn: Callable[[Worker], Any],
               progress: Progress = SILENT) -> tuple[dict[str, list], dict[str, WorkerFailed]]:
    """In each round every worker has one turn while the others rest. Every second round has the opposite order.

    Parameters
    ----------
    workers : dict of Worker
        By name.
    rounds : int
    turn : callable
        turn(worker) -> the measurement of one turn.
    progress : Progress

    Returns
    -------
    results : dict
        {name: [the measurement of each round]}, without the workers that failed.
    failures : dict
        {name: the error}. A worker that failed has no turn in the later rounds.
    """
    results: dict[str, list] = {name: [] for name in workers}
    failures: dict[str, WorkerFailed] = {}
    for i in range(rounds):
        order = [name for name in (workers if i % 2 == 0 else reversed(workers)) if name not in failures]
        for j, name in enumerate(order):
            progress.update(i + j / len(order), rounds, name)
            try:
                results[name].append(turn(workers[name]))
                workers[name].rest()
            except WorkerFailed as failure:
                failures[name] = failure
                del results[name]
    return results, failures


def remaining(progress: Progress, begun: float, seconds: float) -> Progress:
    """The part of `progress` for the next `seconds` of work. Its size follows from the time since `begun`.

    `begun` is a result of time.monotonic(). Before this part, `progress` is at 0 and shows no time left, because
    nothing has been measured yet.
    """
    spent = time.monotonic() - begun
    return Part(progress, spent / max(spent + seconds, 1e-9), 1.0)


def parts(progress: Progress, weights: Sequence[float], names: Sequence[str]) -> list[Progress]:
    """Consecutive parts of `progress`, as long as their weights. The texts of a part begin with its name."""
    total, before = sum(weights), 0.0
    result: list[Progress] = []
    for weight, name in zip(weights, names, strict=True):
        result.append(Part(progress, before / total, (before + weight) / total, f"{name}, "))
        before += weight
    return result


def spread(rounds: Sequence[Sequence[float]]) -> dict[str, float]:
    """Minimum, quartiles and median of all times of all rounds. The times are in seconds, the results in milliseconds.

    >>> spread([[0.001, 0.002], [0.003]])
    {'min_ms': 1.0, 'q1_ms': 1.5, 'median_ms': 2.0, 'q3_ms': 2.5}
    """
    times = sorted(seconds * 1e3 for turn in rounds for seconds in turn)
    q1, median, q3 = statistics.quantiles(times, n=4, method="inclusive") if len(times) > 1 else times * 3
    return {"min_ms": times[0], "q1_ms": q1, "median_ms": median, "q3_ms": q3}


def ratio(rounds: Sequence[Sequence[float]], base: Sequence[Sequence[float]]) -> float:
    """The median, over all rounds, of the quotient of this competitor's median and the median of `base`.

    Both medians are of the same round, so a disturbance that lasts for a round or longer cancels.

    >>> ratio([[2.0, 2.0], [40.0]], [[1.0], [20.0, 20.0]])
    2.0
    """
    return statistics.median(statistics.median(a) / statistics.median(b) for a, b in zip(rounds, base, strict=True))
