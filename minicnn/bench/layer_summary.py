"""A set of layers in a few numbers: `auto` beside the fastest other library, and how often `auto` chooses well."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .network_layers import RANDOM

NEAR = 1.15                                       # times the time of minicnn's fastest algorithm
RATIOS = ("forward", "both")                      # passes; both is forward and then both gradients


def summarise(runs: Sequence[dict[str, Any]]) -> list[dict]:
    """The summary of each group of runs: of the same number of threads, and of the same batch size for named layers.

    Parameters
    ----------
    runs : list of dict
        Results of `layers.run`.

    Returns
    -------
    list of dict
        Each has set ("named" or "random"), threads, batch_size (None: each layer has its own) and layers (their
        number). "forward" and "both" have count, geometric_mean, least and layer: the mean and the least of the ratio
        to the fastest other library in `count` layers, and the layer of the least one. They are None where no other
        library was measured. "auto" has of (the layers with a choice of auto that was measured), near (those where it
        takes at most NEAR times as long as minicnn's fastest algorithm), and share; or it is None.

    Notes
    -----
    In each layer, the ratio is the least of the other libraries' ratios in turn, so the mean is not to one library but
    to the best library for each layer. Every library has its operands in the memory order that it prefers.
    """
    groups: dict[tuple, list] = {}
    for run in runs:
        drawn = run["network"] == RANDOM
        groups.setdefault((drawn, run["threads"], None if drawn else run["batch_size"]), []).append(run)
    return [{"set": RANDOM if drawn else "named", "threads": threads, "batch_size": batch_size, "layers": len(some),
             **{one: _ratios(some, one) for one in RATIOS}, "auto": _choices(some)}
            for (drawn, threads, batch_size), some in groups.items()]


def fastest_other(run: dict[str, Any], one: str) -> float | None:
    """The time of the fastest other library in a run, divided by that of auto's choice; None without both times."""
    ratios = [row[one]["ratio_in_turn"] for row in run["rows"]
              if row["library"] != "minicnn" and row["status"] == "ok" and row[one]]
    return None if not ratios or None in ratios else min(ratios)


def _ratios(runs, one):
    found = {f"{run['network']} {run['case']}": ratio for run in runs if (ratio := fastest_other(run, one)) is not None}
    if not found:
        return None
    worst = min(found, key=lambda name: found[name])
    mean = math.exp(sum(map(math.log, found.values())) / len(found))
    return {"count": len(found), "geometric_mean": mean, "least": found[worst], "layer": worst}


def _choices(runs):
    ratios = [run["auto"]["ratio_to_best"] for run in runs if run["auto"] and run["auto"]["ratio_to_best"]]
    near = sum(ratio <= NEAR for ratio in ratios)
    return {"of": len(ratios), "near": near, "share": near / len(ratios)} if ratios else None
