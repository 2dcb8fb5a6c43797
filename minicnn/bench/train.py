"""A training step of the LeNet, or its logits, by every competitor in turn: `minicnn bench train`."""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass

from . import round_robin
from .lenet_step import LR, Problem, judge, solve
from .worker_process import Failed, Worker

LEAST = 3                                         # timed steps of a turn; quick ones get more,
SECONDS = 0.05                                    # in all about so many seconds


@dataclass(frozen=True)
class Task:
    """What to measure: a training step or a forward pass without gradients, of so many images on so many threads."""

    training: bool
    batch_size: int
    threads: int

    def __str__(self):
        what = "LeNet training step" if self.training else "LeNet forward pass"
        return f"{what}, batch {self.batch_size}, {self.threads} thread{'s' * (self.threads != 1)}"


def run(task, competitors, rounds, tell=lambda done, what: None) -> dict:
    """Measure one task.

    Parameters
    ----------
    task : Task
    competitors : list of minicnn.bench.libraries.Competitor
        The first of minicnn's is what the others are compared with.
    rounds : int
        Turns of each competitor.
    tell : callable
        Progress, as in `take_turns`.

    Returns
    -------
    dict
        The task, and "rows": for each competitor name, library, variant, version, status ("ok", "wrong" or "failed"),
        reason, error (see `problem.judge`), first_step_s, import_mb, peak_mb, and where it is ok steps (how many were
        timed), min_ms, q1_ms, median_ms, q3_ms, ratio (its median over the base's) and ratio_in_turn (see
        `round_robin.ratio`).
    """
    solution = solve(Problem.make(task.batch_size))
    rows = {c.name: {"name": c.name, "library": c.library, "variant": c.variant, "version": None, "status": "ok",
                     "reason": None, "error": None, "first_step_s": None, "import_mb": None, "peak_mb": None,
                     "steps": None, "min_ms": None, "q1_ms": None, "median_ms": None, "q3_ms": None, "ratio": None,
                     "ratio_in_turn": None} for c in competitors}
    with contextlib.ExitStack() as stack:
        workers = {}
        for i, competitor in enumerate(competitors):
            tell(0.3 * i / len(competitors), f"{competitor.name} starts")
            worker = _start(competitor, task, solution, rows[competitor.name], stack)
            if worker is not None:
                workers[competitor.name] = worker
        results, failures = round_robin.take_turns(workers, rounds, lambda worker: worker.ask(
            "steps", least=LEAST, seconds=SECONDS)["seconds"], round_robin.part(tell, 0.3, 1))
        for name in results:
            rows[name] |= {"steps": sum(map(len, results[name])), **round_robin.spread(results[name]),
                           **workers[name].ask("memory")}
        for name, failure in failures.items():
            rows[name] |= {"status": "failed", "reason": str(failure)}
    base = next((c.name for c in competitors if c.library == "minicnn" and c.name in results), None)
    for name in results if base else ():
        rows[name]["ratio"] = rows[name]["median_ms"] / rows[base]["median_ms"]
        rows[name]["ratio_in_turn"] = round_robin.ratio(results[name], results[base])
    return {"task": "train" if task.training else "forward", "title": str(task), "batch_size": task.batch_size,
            "threads": task.threads, "lr": LR, "rounds": rounds, "base": base, "rows": list(rows.values())}


def _start(competitor, task, solution, row, stack):
    """The worker, checked to compute the right thing, or None; the row is told."""
    try:
        worker = stack.enter_context(Worker(competitor, task.threads))
        row |= worker.loaded
        answer = worker.ask("open_lenet", variant=competitor.variant, batch_size=task.batch_size,
                            training=task.training)
    except Failed as failure:
        row |= {"status": "failed", "reason": str(failure)}
        return None
    error, reason = judge(solution, answer)
    row |= {"error": error if math.isfinite(error) else None, "first_step_s": answer["first_step_s"]}
    worker.rest()
    if reason is None:
        return worker
    row |= {"status": "wrong", "reason": reason}
    worker.close()
    return None
