"""Competitors taking turns, so that whatever else the machine does slows all of them alike; and what is made of it."""

from __future__ import annotations

import statistics
import sys
import time

from ..progress import duration
from .worker_process import Failed


def take_turns(workers, rounds, turn, tell=lambda done, what: None):
    """In each round every worker has one turn, the others resting; every other round goes the other way round.

    Parameters
    ----------
    workers : dict of Worker
        By name.
    rounds : int
    turn : callable
        A worker -> whatever was measured in its turn.
    tell : callable
        Given the part that is done, 0 to 1, and the name of the next worker.

    Returns
    -------
    results : dict
        {name: [what each round gave]}, without those that failed.
    failures : dict
        {name: why}.
    """
    results, failures = {name: [] for name in workers}, {}
    for i in range(rounds):
        order = [name for name in (workers if i % 2 == 0 else reversed(workers)) if name not in failures]
        for j, name in enumerate(order):
            tell((i + j / len(order)) / rounds, name)
            try:
                results[name].append(turn(workers[name]))
                workers[name].rest()
            except Failed as failure:
                failures[name] = failure
                del results[name]
    return results, failures


def spread(rounds) -> dict:
    """Least, quartiles and median in milliseconds of rounds of seconds.

    >>> spread([[0.001, 0.002], [0.003]])
    {'min_ms': 1.0, 'q1_ms': 1.5, 'median_ms': 2.0, 'q3_ms': 2.5}
    """
    times = sorted(seconds * 1e3 for turn in rounds for seconds in turn)
    q1, median, q3 = statistics.quantiles(times, n=4, method="inclusive") if len(times) > 1 else times * 3
    return {"min_ms": times[0], "q1_ms": q1, "median_ms": median, "q3_ms": q3}


def ratio(rounds, base) -> float:
    """Median over rounds of this competitor's median over that of `base` in the same round.

    A disturbance that lasts for a round or longer cancels.

    >>> ratio([[2.0, 2.0], [40.0]], [[1.0], [20.0, 20.0]])
    2.0
    """
    return statistics.median(statistics.median(a) / statistics.median(b) for a, b in zip(rounds, base, strict=True))


class Clock:
    """A line on stderr with what is being done and the time left: one that is rewritten in a terminal, else a new one
    every `interval` seconds."""

    def __init__(self, title, interval=20.0):
        self.title, self.terminal = title, sys.stderr.isatty()
        self.interval = 0.2 if self.terminal else interval
        self.start = self.told = time.monotonic()

    def tell(self, done, what):
        """`done`: the part of all work that is done, 0 to 1; `what` is done next."""
        now = time.monotonic()
        if now - self.told < self.interval:
            return
        self.told = now
        left = f", about {duration((now - self.start) * (1 - done) / done)} left" if done > 0.01 else ""
        line = f"{self.title}: {what}, {done:.0%} done{left}"
        print(f"\r\033[K{line}" if self.terminal else line, end="" if self.terminal else "\n", file=sys.stderr,
              flush=True)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        if self.terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def part(tell, first, last, prefix=""):
    """A `tell` for a piece of the work that takes it from `first` to `last`."""
    return lambda done, what: tell(first + done * (last - first), prefix + what)
