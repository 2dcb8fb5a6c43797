"""`minicnn bench conv`: the time of each pass of single convolution layers, by algorithm and library.

Every library has its operands in the memory order in which it is fastest inside of a network, and converts nothing:
minicnn (C, H, W, N), PyTorch once (N, C, H, W) and once (N, H, W, C), TensorFlow (N, H, W, C).
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ..conv import Geometry, algorithms, choose
from ..progress import SILENT, Progress
from . import libraries, machine, round_robin
from .instruction_sets import NATIVE
from .libraries import Competitor
from .network_layers import NamedLayer
from .worker_process import Worker, WorkerFailed, WorkerOutOfMemory

PASSES = ("forward", "grad_input", "grad_weight", "both")
SECONDS = 0.03                                    # time of each pass in a turn
BUDGET = 6.0                                      # seconds of all turns of a layer; there is at least one round
LONG, SLOW_RATIO = 0.5, 2.0                       # seconds, and times the fastest's time: then there is no turn
MANY_PRODUCTS, HOPELESS_RATIO = 1e9, 10.0         # multiply-adds, and times the predicted time of the fastest
PATIENCE = 20.0                                   # seconds; the least time that a worker has for its turn
WRONG = 1e-3                                      # error over the largest element: rounding errors are smaller
LOADED = ("version", "instructions", "blas")       # what a row takes from `Worker.loaded`
ORDINARY = Geometry.of((16, 16, 16, 16), (16, 16, 3, 3))      # "auto" never chooses an algorithm with cost inf here


class Crew:
    """The workers of all competitors. A worker starts when it is first needed, and again after it died.

    Use a Crew in a `with`.
    """

    def __init__(self, threads: int, instructions: str = NATIVE):
        self.threads, self.instructions = threads, instructions
        self.workers: dict[str, Worker] = {}

    def worker(self, competitor: Competitor) -> Worker:
        """The competitor's worker. Raises WorkerFailed if it does not start."""
        worker = self.workers.get(competitor.name)
        if worker is not None and worker.process.poll() is None:
            return worker
        if worker is not None:
            worker.close()
        self.workers[competitor.name] = Worker(competitor, self.threads, self.instructions)
        return self.workers[competitor.name]

    def predict(self, geometry: Geometry) -> dict:
        """What minicnn predicts where it is held to these instructions: `worker.Session.predict`."""
        choose("auto", geometry)                  # a wrong MINICNN_CONV_ALGO raises InputError here
        return self.worker(libraries.with_algorithm("auto")).ask("predict", geometry=asdict(geometry))

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *exception: Any) -> None:
        for worker in self.workers.values():
            worker.close()


def relative_time(layer: NamedLayer, batch_size: int) -> float:
    """Predicted time of `run`, relative to other layers: a constant time, and work that grows with the layer."""
    return 1 + layer.geometry(batch_size).multiply_adds / 5e8


def layer_competitors(names: Sequence[str], auto: str,
                      others: Sequence[Competitor]) -> tuple[list[Competitor], str | None]:
    """The competitors of one layer, and the algorithm that "auto" chooses (None if "auto" is not among the names).

    Parameters
    ----------
    names : list of str
        Algorithms; ["all"] stands for auto and the algorithms that it chooses among.
    auto : str
        The algorithm that "auto" chooses.
    others : list of minicnn.bench.libraries.Competitor
    """
    if list(names) == ["all"]:
        names = ["auto", *(name for name, known in algorithms().items() if known.cost(ORDINARY) < math.inf)]
    chosen = auto if "auto" in names else None
    unique = dict.fromkeys(name for name in [*names, chosen] if name not in ("auto", None))
    return [*map(libraries.with_algorithm, unique), *others], chosen


def run(layer: NamedLayer, batch_size: int, crew: Crew, names: Sequence[str], others: Sequence[Competitor], rounds: int,
        progress: Progress = SILENT) -> dict:
    """Measure one layer.

    Parameters
    ----------
    layer : minicnn.bench.network_layers.NamedLayer
    batch_size : int
    crew : Crew
    names, others
        As in `layer_competitors`.
    rounds : int
        The most turns of each competitor; a large layer gets fewer.
    progress : Progress

    Returns
    -------
    dict
        The layer, "auto" and "rows". "auto" has the algorithm that auto chooses, and ratio_to_best: its time divided by
        the time of minicnn's fastest algorithm. A row has name, library, variant, version, instructions and blas (see
        `worker_process.Worker`), status ("ok", "wrong", "failed" or "skipped"), reason, errors, largest_errors and
        relative_errors (the three units of `reference.SampleError`), error_bound and error_norm (of the algorithm). For
        each of PASSES it has the statistics of `round_robin.spread`, gflops (of the multiplications and additions in
        the definition) and ratio_in_turn to auto's choice, if that was measured.
    """
    begun = time.monotonic()
    geometry = layer.geometry(batch_size)
    predicted = crew.predict(geometry)
    present, chosen = layer_competitors(names, predicted["auto"], others)
    rows = {c.name: {"name": c.name, "library": c.library, "variant": c.variant, **dict.fromkeys(LOADED),
                     "status": "ok", "reason": None, "errors": None, "largest_errors": None,
                     "relative_errors": None, **_bound(c), **dict.fromkeys(PASSES)} for c in present}
    workers, seconds = _open(geometry, present, predicted, crew, rows, progress)
    _leave_out_slow(workers, seconds, rows, chosen)
    turn = _turn(seconds)
    rounds = max(1, min(rounds, int(BUDGET / max(turn, 1e-9))))
    patience = max(PATIENCE, 10 * turn)           # some kernels of other libraries hang now and then
    results, failures = round_robin.take_turns(
        workers, rounds, lambda worker: worker.ask("passes", patience, seconds=SECONDS),
        round_robin.remaining(progress, begun, rounds * turn))
    for name, failure in failures.items():
        rows[name] |= _status(failure)
    base = results.get(f"minicnn {chosen}")
    for name, measured in results.items():
        rows[name] |= {one: _statistics(one, measured, base, geometry) for one in PASSES}
    return {**_describe(layer, geometry, crew), "rounds": rounds,
            "auto": chosen and {"algorithm": chosen, "ratio_to_best": _ratio_to_best(chosen, results)},
            "rows": list(rows.values())}


def exceeds_bound(row: dict) -> bool:
    """Whether the output's error in a row of `run` exceeds the algorithm's `error_bound`.

    Both are measured in `error_norm`.
    """
    errors = row["largest_errors" if row["error_norm"] == "largest" else "errors"]
    return row["error_bound"] is not None and errors["forward"] > row["error_bound"]


def find_records(layer: NamedLayer, batch_size: int, crew: Crew, names: Sequence[str], repeats: int,
         progress: Progress = SILENT) -> dict:
    """The records of `minicnn.conv.find` for one layer, measured in a process of its own, and the choice of auto.

    `names` are algorithms; ["all"] stands for the algorithms that auto chooses among.
    """
    progress.update(0, 1, "find")
    geometry = layer.geometry(batch_size)
    only = None if list(names) == ["all"] else [name for name in names if name != "auto"]
    worker = crew.worker(libraries.with_algorithm("auto"))
    answer = worker.ask("find_records", geometry=asdict(geometry), names=only, repeats=repeats)
    reports = {key: worker.loaded[key] for key in LOADED}
    return {**_describe(layer, geometry, crew), "library": "minicnn", **reports, **answer,
            "auto": crew.predict(geometry)["auto"]}


def _describe(layer, geometry, crew):
    return {"network": layer.network, "case": layer.name, "layer": layer.describe(), "source": layer.source,
            "batch_size": geometry.batch, "threads": crew.threads, "geometry": asdict(geometry),
            "out_shape": geometry.out_shape, "multiply_adds": geometry.multiply_adds}


def _open(geometry, present, predicted, crew, rows, progress):
    """Let each worker compute the layer twice. Returns the workers, and the seconds of each for both passes."""
    workers, seconds = {}, {}
    reason = _too_large(geometry, len(present))
    for number, competitor in enumerate(present, 1):
        row = rows[competitor.name]
        progress.update(0, 1, f"{competitor.name} starts ({number} of {len(present)})")
        untried = reason or (competitor.library == "minicnn" and (
            algorithms()[competitor.variant].unsupported(geometry) or _hopeless(geometry, competitor, predicted)))
        if untried:
            row |= {"status": "skipped", "reason": untried}
            continue
        try:
            worker = crew.worker(competitor)
            answer = worker.ask("open_layer", variant=competitor.variant, geometry=asdict(geometry), seed=0)
        except WorkerFailed as failure:
            row |= _status(failure)
            continue
        worker.rest()
        row |= {key: worker.loaded[key] for key in LOADED}
        for i, key in enumerate(("errors", "largest_errors", "relative_errors")):
            row[key] = {name: _finite(error[i]) for name, error in answer["errors"].items()}
        wrong = _wrong(answer, geometry)
        if wrong:
            row |= {"status": "wrong", "reason": wrong}
        else:
            workers[competitor.name], seconds[competitor.name] = worker, answer["seconds"]
    return workers, seconds


def _finite(number):
    return number if math.isfinite(number) else None


def _leave_out_slow(workers, seconds, rows, chosen):
    """Leave out what needs more than LONG and more than SLOW_RATIO times the fastest's time, except auto's choice.

    minicnn's algorithms are compared with each other, and the other libraries too: so the fastest of both stay.
    """
    for ours in (True, False):
        some = {name: each for name, each in seconds.items() if (rows[name]["library"] == "minicnn") == ours}
        best = min(some, key=some.get, default=None)
        for name, each in some.items():
            if each > max(LONG, SLOW_RATIO * some[best]) and name != f"minicnn {chosen}":
                del workers[name], seconds[name]
                reason = f"{each / some[best]:.1f} times as slow as {best}: {each:.1f} s forward and both gradients"
                rows[name] |= {"status": "skipped", "reason": reason}


def _hopeless(geometry, competitor, predicted):
    """The reason why an algorithm is not tried at all, or None: by its own prediction it would take very long."""
    cost = predicted["cost"]
    best = min(cost, key=cost.get)
    ratio = cost.get(competitor.variant, math.inf) / cost[best]           # "auto" never takes one without a cost
    if competitor.variant == predicted["auto"] or geometry.multiply_adds < MANY_PRODUCTS or \
            not HOPELESS_RATIO < ratio < math.inf:
        return None
    return f"predicted to take {ratio:.0f} times as long as {best}, which is too long to try"


def _wrong(answer, geometry):
    """The reason why the results of a layer are wrong, or None."""
    if tuple(answer["out_shape"]) != geometry.out_shape:
        return f"its output has shape {tuple(answer['out_shape'])}, not {geometry.out_shape}"
    return next((f"an element of its {name} is off by {relative:.1e} of the largest"
                 for name, (_, _, relative) in answer["errors"].items() if not relative <= WRONG), None)


def _too_large(geometry, count):
    """The reason not to measure a layer, or None. All competitors hold their arrays at the same time."""
    free = machine.free_bytes()
    held = 4 * (math.prod(geometry.in_shape) + math.prod(geometry.out_shape) + math.prod(geometry.weight_shape))
    needed = held * (count + 3)                   # one competitor at a time also holds its results
    if needed < 0.8 * free:
        return None
    return (f"{count} competitor{'s need' if count != 1 else ' needs'} about {needed / 1e9:.2g} GB, "
            f"{free / 1e9:.2g} GB are free")


def _status(failure):
    return {"status": "skipped" if isinstance(failure, WorkerOutOfMemory) else "failed", "reason": str(failure)}


def _bound(competitor):
    if competitor.library != "minicnn":
        return {"error_bound": None, "error_norm": None}
    algorithm = algorithms()[competitor.variant]
    return {"error_bound": algorithm.error_bound, "error_norm": algorithm.error_norm}


def _turn(seconds):
    """Seconds of one turn of all competitors: both passes once, then the timed passes."""
    return sum(2 * each + max(2 * each, 4 * SECONDS) for each in seconds.values())


def _statistics(one, turns, base, geometry):
    rounds = [passes[one] for passes in turns]
    found = round_robin.spread(rounds)
    work = 2 * geometry.multiply_adds * (3 if one == "both" else 1)
    same = base is not None and len(base) == len(turns)
    return {**found, "gflops": work / found["median_ms"] / 1e6,
            "ratio_in_turn": round_robin.ratio(rounds, [passes[one] for passes in base]) if same else None}


def _ratio_to_best(chosen, results):
    """The time of auto's choice divided by the time of minicnn's fastest algorithm, for both passes; or None."""
    ours = {name: turns for name, turns in results.items() if name.startswith("minicnn ")}
    base = ours.get(f"minicnn {chosen}")
    if base is None:
        return None
    both = lambda turns: [passes["both"] for passes in turns]
    return max(1.0, *(round_robin.ratio(both(base), both(turns)) for turns in ours.values()))
