"""`minicnn bench train --fixed`: the part of a training step that does not depend on the batch, and many cores.

A line `fixed + batch * image` is laid through the step times of several batch sizes. Every batch size has a process of
its own, and all processes take turns, so one slow minute of the machine does not tilt the line. The line minimises the
relative differences: the time of the smallest batch counts as much as that of the largest one.

From the lines with the fewest and the most threads, `predict` tells the time on more cores.
"""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ..errors import InputError
from ..progress import SILENT, Progress
from . import round_robin
from .instruction_sets import NATIVE
from .libraries import Competitor
from .train import LEAST, SECONDS
from .worker_process import Worker, WorkerFailed

BATCH_SIZES = (16, 32, 64, 128, 256)
CORES = 16                                        # of the machine for which the time is predicted
LEFT_OUT = ("nchw", "compiled")                   # variants of PyTorch: channels_last is its fastest eager format


class Line(NamedTuple):
    """`time = fixed + batch * image`, both in the unit of the times."""

    fixed: float
    image: float


def fit(times: Mapping[int, float]) -> Line:
    """The line through {batch size: time} with the least sum of squares of the relative differences.

    >>> fit({16: 5.0, 64: 17.0, 256: 65.0})
    Line(fixed=1.0, image=0.25)

    Raises
    ------
    InputError
        Fewer than two batch sizes.
    """
    if len(times) < 2:
        raise InputError(f"a line needs the times of at least two batch sizes, not of {len(times)}: give more batch "
                         f"sizes, as in {' '.join(map(str, BATCH_SIZES))}")
    batch, seconds = np.array(list(times), float), np.array(list(times.values()), float)
    unknown = np.stack([1 / seconds, batch / seconds], 1)                # each row is 1 where the line fits
    fixed, image = np.linalg.lstsq(unknown, np.ones(len(batch)), rcond=None)[0]
    return Line(round(float(fixed), 12), round(float(image), 12))


class Parts(NamedTuple):
    """The parts of a step: `time(cores) = fixed + batch * (serial + parallel / cores)`, see `parts`."""

    fixed: float
    serial: float
    parallel: float

    def predict(self, batch_size: int, cores: int = CORES) -> float:
        """The time of a step on so many cores.

        >>> Parts(fixed=2.0, serial=0.0625, parallel=1.0).predict(64, 16)
        10.0
        """
        return self.fixed + batch_size * (self.serial + self.parallel / cores)


def parts(lines: Mapping[int, Line]) -> Parts:
    """The parts of a step, from {threads: Line} with the fewest and the most threads.

    With n threads let the line be `fixed[n] + batch * image[n]`. By Amdahl's law, an image has a part that gains
    nothing from threads and a part that is divided among them: `image[n] = serial + parallel / n`. Two lines, with a
    few threads and with many, give both parts:

        parallel = (image[few] - image[many]) / (1 / few - 1 / many)
        serial = image[many] - parallel / many
        fixed = fixed[many]

    Neither part is less than 0. If more threads gain more than their number, all of an image counts as parallel.

    The prediction with these parts makes four assumptions.

    1. The fixed part gains nothing from more cores. Handing work to more threads does not make it longer.
    2. There are at least as many jobs as cores, and they take equally long.
    3. Each core is as fast as the cores here: its clock, its caches, its share of the memory's bandwidth.
    4. Two threads here are two cores. If they share one core, `serial` is too large, and so is the prediction.

    >>> parts({1: Line(2.5, 1.0625), 2: Line(2.0, 0.5625)})
    Parts(fixed=2.0, serial=0.0625, parallel=1.0)

    Raises
    ------
    InputError
        Fewer than two numbers of threads.

    References
    ----------
    G. M. Amdahl, "Validity of the single processor approach to achieving large scale computing capabilities", AFIPS
    1967.
    """
    if len(lines) < 2:
        raise InputError(f"a prediction needs the times of two numbers of threads, not of {len(lines)}: measure with "
                         "1 thread and with more")
    few, many = min(lines), max(lines)
    image = max(lines[many].image, 0.0)
    parallel = (lines[few].image - image) / (1 / few - 1 / many)
    parallel = min(max(parallel, 0.0), image * many)
    return Parts(max(lines[many].fixed, 0.0), image - parallel / many, parallel)


def run(competitors: Sequence[Competitor], batch_sizes: Sequence[int], threads: Sequence[int], rounds: int,
        instructions: str = NATIVE, progress: Progress = SILENT) -> dict:
    """Measure training steps of the LeNet of all batch sizes, with all numbers of threads, in turn.

    Of PyTorch only the fastest eager format is measured. `train.run` checks that all compute the same.

    Returns
    -------
    dict
        batch_sizes, threads, rounds, cores and "rows", one for each competitor and number of threads. A row has name,
        library, variant, threads, status ("ok" or "failed"), reason, and from `Worker.loaded` instructions and blas.
        If its status is "ok": times ([batch size, median ms] of each), fixed_ms and image_ms (the medians of the lines
        of the rounds), fixed_q1_ms and fixed_q3_ms (quartiles), and deviation (the largest relative distance of a time
        from the line). With several numbers of threads the rows of the most threads have "parts": the fields of
        `Parts` in ms, and "predicted": [batch size, ms on `cores` cores] of each. Else both are None.

    Raises
    ------
    InputError
        Fewer than two batch sizes.
    """
    sizes = sorted(set(batch_sizes))
    fit(dict.fromkeys(sizes, 1.0))                # refuses a single size before any work
    begun, counts = time.monotonic(), sorted(set(threads))
    competitors = [c for c in competitors if c.variant not in LEFT_OUT]
    rows: dict[tuple[str, int], dict] = {(c.name, count): {
        "name": c.name, "library": c.library, "variant": c.variant, "threads": count, "status": "ok", "reason": None,
        "instructions": None, "blas": None, "parts": None, "predicted": None} for c in competitors for count in counts}
    with contextlib.ExitStack() as stack:
        workers: dict[str, Worker] = {}
        seconds = 0.0
        for competitor in competitors:
            for count in counts:
                progress.update(0, 1, f"{competitor.name} starts (threads {count})")
                row = rows[competitor.name, count]
                opened, step = _open(competitor, count, sizes, instructions, row, stack)
                workers, seconds = workers | opened, seconds + step
        turns, failures = round_robin.take_turns(workers, rounds, lambda worker: worker.ask(
            "steps", least=LEAST, seconds=SECONDS)["seconds"], round_robin.remaining(progress, begun, rounds * seconds))
    for (name, count), row in rows.items():
        keys = {size: _key(name, count, size) for size in sizes}
        reason = next((str(failures[key]) for key in keys.values() if key in failures), None)
        if reason is not None:
            row |= {"status": "failed", "reason": reason}
        elif row["status"] == "ok":
            row |= _line({size: turns[key] for size, key in keys.items()})
    _predict(rows, sizes)
    return {"batch_sizes": sizes, "threads": counts, "rounds": rounds, "cores": CORES, "rows": list(rows.values())}


def _key(name, threads, size):
    return f"{name}, batch {size}, threads {threads}"


def _open(competitor, threads, sizes, instructions, row, stack):
    """A worker for each batch size, and the seconds of a turn of all. If one fails, the row gets the reason."""
    workers, seconds = {}, 0.0
    try:
        for size in sizes:
            worker = stack.enter_context(Worker(competitor, threads, instructions))
            row |= {key: worker.loaded[key] for key in ("instructions", "blas")}
            opened = worker.ask("open_network", variant=competitor.variant, batch_size=size, training=True)
            worker.rest()
            workers[_key(competitor.name, threads, size)] = worker
            seconds += max((LEAST + 1) * opened["second_step_s"], SECONDS)
    except WorkerFailed as failure:
        row |= {"status": "failed", "reason": str(failure)}
        return {}, 0.0
    return workers, seconds


def _line(turns):
    """What a row tells of {batch size: [the times of each round]}."""
    medians = {size: [statistics.median(each) * 1e3 for each in rounds] for size, rounds in turns.items()}
    lines = [fit(dict(zip(medians, times, strict=True))) for times in zip(*medians.values(), strict=True)]
    fixed, image = (statistics.median(part) for part in zip(*lines, strict=True))
    q1, _, q3 = statistics.quantiles([line.fixed for line in lines] * (1 + (len(lines) == 1)), n=4, method="inclusive")
    times = {size: statistics.median(each) for size, each in medians.items()}
    deviation = max(abs(fixed + size * image - ms) / ms for size, ms in times.items())
    return {"times": [[size, ms] for size, ms in times.items()], "fixed_ms": fixed, "image_ms": image,
            "fixed_q1_ms": q1, "fixed_q3_ms": q3, "deviation": deviation}


def _predict(rows, sizes):
    """Fill in "parts" and "predicted" where a competitor was measured with several numbers of threads."""
    for name in {name for name, _ in rows}:
        lines = {count: Line(row["fixed_ms"], row["image_ms"]) for (other, count), row in rows.items()
                 if other == name and row["status"] == "ok"}
        if len(lines) > 1:
            found = parts(lines)
            rows[name, max(lines)] |= {"parts": found._asdict(),
                                       "predicted": [[size, found.predict(size)] for size in sizes]}
