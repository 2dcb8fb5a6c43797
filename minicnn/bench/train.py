"""`minicnn bench train`: the time of a network's training step or forward pass, by competitor."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

from ..progress import SILENT, Progress
from . import round_robin
from .instruction_sets import NATIVE
from .lenet_step import LR, NETWORKS, StepInputs, compute_reference, judge
from .libraries import Competitor
from .worker_process import Worker, WorkerFailed

LEAST = 3                                         # the fewest timed steps in a turn
MEASURED = ("version", "instructions", "blas", "reason", "error", "first_step_s", "import_mb", "peak_mb", "steps",
            "min_ms", "q1_ms", "median_ms", "q3_ms", "ratio", "ratio_in_turn")          # the other fields of a row
SECONDS = 0.05                                    # the time of a turn, if it has more steps than LEAST


@dataclass(frozen=True)
class Task:
    """What to measure: a training step, or a forward pass without gradients, for a batch size on some threads.

    >>> str(Task(training=True, batch_size=64, threads=1))
    'LeNet training step, batch 64, 1 thread'
    """

    training: bool
    batch_size: int
    threads: int
    instructions: str = NATIVE
    model: str = "lenet"

    def __str__(self):
        what = f"{NETWORKS[self.model]} {'training step' if self.training else 'forward pass'}"
        return f"{what}, batch {self.batch_size}, {self.threads} thread{'s' * (self.threads != 1)}"

    @property
    def relative_time(self) -> float:
        """Predicted time of `run`, relative to other tasks. To start the competitors takes as long as 64 images."""
        return 64 + self.batch_size


def run(task: Task, competitors: Sequence[Competitor], rounds: int, progress: Progress = SILENT) -> dict:
    """Measure one task.

    Parameters
    ----------
    task : Task
    competitors : list of minicnn.bench.libraries.Competitor
        All are compared with the first one that is minicnn.
    rounds : int
        Turns of each competitor.
    progress : Progress

    Returns
    -------
    dict
        The task, and "rows". A row has name, library, variant, version, instructions and blas (see
        `worker_process.Worker`), status ("ok", "wrong" or "failed"), reason, error (see `lenet_step.judge`),
        first_step_s, import_mb and peak_mb. If its status is "ok" it also has steps
        (the number of timed steps), min_ms, q1_ms, median_ms, q3_ms, ratio (its median divided by the base's median)
        and ratio_in_turn (see `round_robin.ratio`).
    """
    begun, turn = time.monotonic(), 0.0
    progress.update(0, 1, "reference in float64")
    reference = compute_reference(StepInputs.make(task.batch_size, task.model))
    rows: dict[str, dict] = {c.name: {
        "name": c.name, "library": c.library, "variant": c.variant, "status": "ok", **dict.fromkeys(MEASURED)}
        for c in competitors}
    with contextlib.ExitStack() as stack:
        workers = {}
        for i, competitor in enumerate(competitors, 1):
            progress.update(0, 1, f"{competitor.name} starts ({i} of {len(competitors)})")
            worker, seconds = _start(competitor, task, reference, rows[competitor.name], stack)
            if worker is not None:
                workers[competitor.name] = worker
                turn += seconds + max(LEAST * seconds, SECONDS)
        results, failures = round_robin.take_turns(workers, rounds, lambda worker: worker.ask(
            "steps", least=LEAST, seconds=SECONDS)["seconds"], round_robin.remaining(progress, begun, rounds * turn))
        for name in results:
            rows[name] |= {"steps": sum(map(len, results[name])), **round_robin.spread(results[name]),
                           **workers[name].ask("memory")}
        for name, failure in failures.items():
            rows[name] |= {"status": "failed", "reason": str(failure)}
    base = next((c.name for c in competitors if c.library == "minicnn" and c.name in results), None)
    if base is not None:
        for name, measured in results.items():
            rows[name]["ratio"] = rows[name]["median_ms"] / rows[base]["median_ms"]
            rows[name]["ratio_in_turn"] = round_robin.ratio(measured, results[base])
    return {"task": "train" if task.training else "forward", "title": str(task), "model": task.model,
            "batch_size": task.batch_size, "threads": task.threads, "lr": LR, "rounds": rounds, "base": base,
            "rows": list(rows.values())}


def _start(competitor, task, reference, row, stack):
    """Fill the row. Returns the worker and the seconds of its step, or (None, 0) if it failed or is wrong."""
    try:
        worker = stack.enter_context(Worker(competitor, task.threads, task.instructions))
        row |= worker.loaded
        answer = worker.ask("open_network", variant=competitor.variant, batch_size=task.batch_size,
                            training=task.training, model=task.model)
    except WorkerFailed as failure:
        row |= {"status": "failed", "reason": str(failure)}
        return None, 0.0
    error, reason = judge(reference, answer)
    row |= {"error": error if math.isfinite(error) else None, "first_step_s": answer["first_step_s"]}
    worker.rest()
    if reason is None:
        return worker, answer["second_step_s"]
    row |= {"status": "wrong", "reason": reason}
    worker.close()
    return None, 0.0
