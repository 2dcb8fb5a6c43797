"""`minicnn bench product`: the speed of `direct` on one layer, as a part of the speed of a matrix product.

A matrix product is the same sum of products without the work of a convolution: its operands lie ready in memory, each
number is used a thousand times. So its speed is what the processor reaches with well-written code. Both take turns in
one run, on the same number of threads; PyTorch's product is `torch.mm` of two matrices of 1,024 x 1,024 float32.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict

from ..progress import SILENT, Progress
from . import libraries, round_robin
from .instruction_sets import NATIVE
from .layers import LOADED
from .network_layers import NamedLayer
from .worker_process import Worker

SIDE = 1024
LAYER = NamedLayer("direct", "3x3", "one that a good matrix kernel computes at full speed", 64, 28, 64, 3, 1, 1,
                   batch_size=16)
PASSES = ("forward", "grad_input", "grad_weight")
SECONDS = 0.1                                     # the time of the product, and of each pass, in a turn


def run(threads: int, rounds: int, instructions: str = NATIVE, progress: Progress = SILENT) -> dict:
    """Measure the layer by `direct` and `torch.mm` in turn.

    Returns
    -------
    dict
        layer, batch_size, threads, rounds, and "rows": the product, and each pass. A row has name, library, what a row
        takes from `Worker.loaded`, median_ms, gflops (of the multiplications and additions in the definition), and
        part: the median, over the rounds, of its GFLOP/s divided by the product's.

    Raises
    ------
    InputError
        PyTorch is not installed.
    WorkerFailed
        A worker could not measure.
    """
    direct, torch = libraries.with_algorithm("direct"), libraries.competitors(["torch"])[0]
    geometry = LAYER.geometry(LAYER.batch_size or 1)
    with Worker(torch, threads, instructions) as product, Worker(direct, threads, instructions) as layer:
        product.ask("open_product", side=SIDE)
        layer.ask("open_layer", variant="direct", geometry=asdict(geometry), seed=0)
        workers = {"product": product, "layer": layer}
        turns, failures = round_robin.take_turns(workers, rounds, _turn, progress)
        for failure in failures.values():
            raise failure
        products = [turn["product"] for turn in turns["product"]]
        rows = [_row("torch.mm", product, products, 2 * SIDE ** 3, products, 2 * SIDE ** 3)]
        for one in PASSES:
            rows.append(_row(f"direct, {one}", layer, [turn[one] for turn in turns["layer"]],
                             2 * geometry.multiply_adds, products, 2 * SIDE ** 3))
    return {"layer": LAYER.describe(), "batch_size": geometry.batch, "threads": threads, "rounds": rounds, "rows": rows}


def _turn(worker):
    if worker.competitor.library == "minicnn":
        return worker.ask("passes", seconds=SECONDS)
    return {"product": worker.ask("steps", least=3, seconds=SECONDS)["seconds"]}


def _row(name, worker, turns, work, products, product_work):
    median_ms = round_robin.spread(turns)["median_ms"]
    return {"name": name, "library": worker.competitor.library, "status": "ok",
            **{key: worker.loaded[key] for key in LOADED}, "median_ms": median_ms, "gflops": work / median_ms / 1e6,
            "part": part_of_speed(turns, work, products, product_work)}


def part_of_speed(turns: Sequence[Sequence[float]], work: float, products: Sequence[Sequence[float]],
                  product_work: float) -> float:
    """The median, over the rounds, of the speed of `turns` divided by the speed of `products` in the same round.

    >>> part_of_speed([[2.0], [40.0]], 10, [[1.0], [20.0]], 10)
    0.5
    """
    return statistics.median(work / statistics.median(ours) * statistics.median(theirs) / product_work
                             for ours, theirs in zip(turns, products, strict=True))
