"""Single convolution layers, pass by pass, by every algorithm and library in turn: `minicnn bench conv`."""

from __future__ import annotations

import math
from dataclasses import asdict

from ..conv import Geometry, algorithms, choose
from . import libraries, machine, round_robin
from .worker_process import Failed, Worker

PASSES = ("forward", "grad_input", "grad_weight", "both")
SECONDS = 0.03                                    # of a turn, for each pass
BUDGET = 6.0                                      # seconds of a case, where that is more than one round
SLOW = 10.0                                       # times the fastest's time, and a second: measured no further
WRONG = 1e-3                                      # of the largest element: no rounding is that large
ORDINARY = Geometry.of((16, 16, 16, 16), (16, 16, 3, 3))      # what "auto" takes an algorithm for, if ever


class Crew:
    """A worker for each competitor, started when first needed, and again after it died; use it in a `with`."""

    def __init__(self, threads):
        self.threads, self.workers = threads, {}

    def worker(self, competitor):
        """The competitor's worker; Failed where it does not start."""
        worker = self.workers.get(competitor.name)
        if worker is not None and worker.process.poll() is None:
            return worker
        if worker is not None:
            worker.close()
        self.workers[competitor.name] = Worker(competitor, self.threads)
        return self.workers[competitor.name]

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        for worker in self.workers.values():
            worker.close()


def competitors(names, geometry, others):
    """The competitors of one case, and the algorithm that "auto" takes if that is among the names.

    Parameters
    ----------
    names : list of str
        Algorithms; "all" stands for auto and those that it chooses among.
    geometry : minicnn.conv.Geometry
    others : list of minicnn.bench.libraries.Competitor
    """
    if names == ["all"]:
        names = ["auto", *(name for name, known in algorithms().items() if known.cost(ORDINARY) < math.inf)]
    chosen = choose("auto", geometry).name if "auto" in names else None
    names = dict.fromkeys(name for name in [*names, chosen] if name not in ("auto", None))
    return [*map(libraries.with_algorithm, names), *others], chosen


def run(case, batch_size, crew, names, others, rounds, tell=lambda done, what: None) -> dict:
    """Measure one layer.

    Parameters
    ----------
    case : minicnn.bench.network_layers.Case
    batch_size : int
    crew : Crew
    names, others
        As in `competitors`.
    rounds : int
        Turns of each competitor, at most; fewer where they would take long.
    tell : callable
        Progress, as in `take_turns`.

    Returns
    -------
    dict
        The layer; "auto": the algorithm that auto takes and "ratio_to_best", its time over that of minicnn's fastest;
        and "rows": for each competitor name, library, variant, version, status ("ok", "wrong", "failed" or "skipped"),
        reason, errors and relative_errors (see `exact.errors`), error_bound (that the algorithm states, of its output),
        and for each of PASSES the statistics of `round_robin.spread`, gflops (of the definition's multiplications and
        additions) and, where auto's choice was measured, ratio_in_turn to it.
    """
    geometry = case.geometry(batch_size)
    present, chosen = competitors(names, geometry, others)
    rows = {c.name: {"name": c.name, "library": c.library, "variant": c.variant, "version": None, "status": "ok",
                     "reason": None, "errors": None, "relative_errors": None, "error_bound": _bound(c),
                     **dict.fromkeys(PASSES)} for c in present}
    workers, seconds = _open(geometry, present, crew, rows, lambda i, what: tell(0.3 * i / len(present), what))
    _leave_out_slow(workers, seconds, rows)
    rounds = max(1, min(rounds, int(BUDGET / max(_turn(seconds), 1e-9))))
    results, failures = round_robin.take_turns(workers, rounds, lambda worker: worker.ask("passes", seconds=SECONDS),
                                         round_robin.part(tell, 0.3, 1))
    for name, failure in failures.items():
        rows[name] |= _status(failure)
    base = results.get(f"minicnn {chosen}")
    for name, turn in results.items():
        rows[name] |= {one: _statistics(one, turn, base, geometry) for one in PASSES}
    return {**_layer(case, geometry, crew), "rounds": rounds,
            "auto": chosen and {"algorithm": chosen, "ratio_to_best": _ratio_to_best(chosen, results)},
            "rows": list(rows.values())}


def find(case, batch_size, crew, names, repeats, tell=lambda done, what: None) -> dict:
    """The records of `minicnn.conv.find` for one layer, measured in a process of its own, and what auto takes.

    `names` are algorithms, or "all", which stands for those that auto chooses among.
    """
    tell(0, "find")
    geometry = case.geometry(batch_size)
    only = None if names == ["all"] else [name for name in names if name != "auto"]
    worker = crew.worker(libraries.with_algorithm("auto"))
    answer = worker.ask("find", geometry=asdict(geometry), names=only, repeats=repeats)
    return {**_layer(case, geometry, crew), "auto": choose("auto", geometry).name, **answer}


def _layer(case, geometry, crew):
    return {"network": case.network, "case": case.name, "layer": case.describe(), "source": case.source,
            "batch_size": geometry.batch, "threads": crew.threads, "geometry": asdict(geometry),
            "out_shape": geometry.out_shape, "multiply_adds": geometry.multiply_adds}


def _open(geometry, present, crew, rows, tell):
    """The workers, with the layer computed once, and the seconds that each needs for both passes."""
    workers, seconds = {}, {}
    reason = _too_large(geometry, len(present))
    for i, competitor in enumerate(present):
        row = rows[competitor.name]
        tell(i, competitor.name)
        unsupported = reason or (competitor.library == "minicnn"
                                 and algorithms()[competitor.variant].unsupported(geometry))
        if unsupported:
            row |= {"status": "skipped", "reason": unsupported}
            continue
        try:
            worker = crew.worker(competitor)
            answer = worker.ask("open_layer", variant=competitor.variant, geometry=asdict(geometry), seed=0)
        except Failed as failure:
            row |= _status(failure)
            continue
        worker.rest()
        finite = lambda error: error if math.isfinite(error) else None
        row |= {"version": worker.loaded["version"],
                "errors": {name: finite(error) for name, (error, _) in answer["errors"].items()},
                "relative_errors": {name: finite(error) for name, (_, error) in answer["errors"].items()}}
        wrong = _wrong(answer, geometry)
        if wrong:
            row |= {"status": "wrong", "reason": wrong}
        else:
            workers[competitor.name], seconds[competitor.name] = worker, answer["seconds"]
    return workers, seconds


def _leave_out_slow(workers, seconds, rows):
    """Those that would take most of the time to tell what is known already."""
    best = min(seconds, key=seconds.get, default=None)
    for name in [name for name, each in seconds.items() if each > max(1.0, SLOW * seconds[best])]:
        del workers[name]
        each = seconds.pop(name)
        reason = f"{each / seconds[best]:.0f} times as slow as {best}: {each:.1f} s forward and both gradients"
        rows[name] |= {"status": "skipped", "reason": reason}


def _wrong(answer, geometry):
    """What is wrong with the results of a layer, or None."""
    if tuple(answer["out_shape"]) != geometry.out_shape:
        return f"its output has shape {tuple(answer['out_shape'])}, not {geometry.out_shape}"
    return next((f"an element of its {name} is off by {relative:.1e} of the largest"
                 for name, (_, relative) in answer["errors"].items() if not relative <= WRONG), None)


def _too_large(geometry, count):
    """A reason not to measure a layer: what the competitors hold between their turns would not fit into memory."""
    free = machine.free_bytes()
    held = 4 * (math.prod(geometry.in_shape) + math.prod(geometry.out_shape) + math.prod(geometry.weight_shape))
    needed = held * (count + 3)                   # one of them also has its results
    if free is None or needed < 0.8 * free:
        return None
    return f"{count} competitors need about {needed / 1e9:.0f} GB, {free / 1e9:.0f} GB are free"


def _status(failure):
    return {"status": "skipped" if failure.memory else "failed", "reason": str(failure)}


def _bound(competitor):
    return algorithms()[competitor.variant].error_bound if competitor.library == "minicnn" else None


def _turn(seconds):
    """Seconds of one turn of everybody: passes that are not timed, and some that are."""
    return sum(2 * each + max(2 * each, 4 * SECONDS) for each in seconds.values())


def _statistics(one, turn, base, geometry):
    rounds = [passes[one] for passes in turn]
    found = round_robin.spread(rounds)
    work = 2 * geometry.multiply_adds * (3 if one == "both" else 1)
    same = base is not None and len(base) == len(turn)
    return {**found, "gflops": work / found["median_ms"] / 1e6,
            "ratio_in_turn": round_robin.ratio(rounds, [passes[one] for passes in base]) if same else None}


def _ratio_to_best(chosen, results):
    """Time of auto's choice over that of the fastest of minicnn's algorithms, forward and both gradients; or None."""
    ours = {name: turn for name, turn in results.items() if name.startswith("minicnn ")}
    base = ours.get(f"minicnn {chosen}")
    if base is None:
        return None
    both = lambda turn: [passes["both"] for passes in turn]
    return max(1.0, *(round_robin.ratio(both(base), both(turn)) for turn in ours.values()))
