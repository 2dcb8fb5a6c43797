"""Pictures of speed and error, for the results of `minicnn bench`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from ..errors import InputError
from .figure import Figure
from .style import BLACK, STYLES, add_grid, drawable, plain_numbers

EPS = 2.0 ** -23                                  # of float32
MOST = 1e150                                      # the largest number that is drawn
FASTER, LESS = "faster →", "← better"             # which direction of an axis is better


def speed_and_error(results: Sequence[dict[str, Any]]) -> Figure:
    """A row of two axes for each measurement: its speed on the left, its error or its memory on the right.

    Parameters
    ----------
    results : list of dict
        As `minicnn bench train --json` and `minicnn bench conv --json` print them.

    Returns
    -------
    Figure

    Raises
    ------
    InputError
        No measurement in the results has a speed.
    """
    rows: list[tuple[Any, Any, int]] = []         # (function that draws, its argument, lines of text on the left)
    for result in results:
        if result["benchmark"] == "train":
            rows += [(training, run, len(_ok(run["rows"]))) for run in result["runs"] if _ok(run["rows"])]
        elif result["benchmark"] == "conv":
            for same in _alike(result["runs"]):
                rows.append((layers, same, len(same) + 3))
    if not rows:
        raise InputError("there is nothing to draw: no measurement in these results has a speed")
    heights = [1.4 + 0.24 * lines for _, _, lines in rows]
    figure = Figure(figsize=(11, sum(heights)), layout="constrained")
    axes = figure.subplots(len(rows), 2, height_ratios=heights, width_ratios=(3, 2), squeeze=False)
    for pair, (draw, what, _) in zip(axes, rows, strict=True):
        draw(what, pair)
    machine = results[0]
    figure.suptitle(f"{machine['cpu']}, {machine['cores']} cores, {machine['date'][:10]}", fontsize=9, color="0.4")
    return figure


def training(run: dict[str, Any], axes: Sequence[Axes]) -> Sequence[Axes]:
    """One run of `bench train` on two axes: milliseconds with quartiles, and the error of the logits.

    For a training step the second axis shows the memory instead, because the rounding of the arithmetic is not the
    only difference between two training steps.
    """
    memory = run["task"] == "train"
    rows = sorted(_ok(run["rows"]), key=lambda row: -row["median_ms"])
    for y, row in enumerate(rows):
        colour, marker = STYLES[0] if row["library"] == "minicnn" else STYLES[1]
        middle = row["median_ms"]
        quartiles = [[middle - row["q1_ms"]], [row["q3_ms"] - middle]]
        axes[0].errorbar(middle, y, xerr=quartiles, color=colour, marker=marker, capsize=3)
        text = f"{middle:.3g} ms" if middle < 100 else f"{middle:.0f} ms"
        ratio = row["ratio_in_turn"]
        text += "" if ratio is None else f" ({ratio:.2f})" if abs(ratio) < 1e4 else f" ({ratio:.0e})"
        axes[0].annotate(text, (row["q3_ms"], y), xytext=(7, 0), textcoords="offset points", va="center", fontsize=8,
                         color=colour)
        amount = drawable("speed_and_error", row["peak_mb"] if memory else row["error"] / EPS)
        axes[1].plot(amount, y, color=colour, marker=marker)
    _name_rows(axes, [row["name"] for row in rows])
    axes[0].set(xscale="log", title=run["title"],
                xlabel="median time and quartiles, ms (times that of minicnn)\n← faster",
                xlim=(0.7 * min(row["q1_ms"] for row in rows), 4 * max(row["q3_ms"] for row in rows)))
    plain_numbers(axes[0].xaxis)
    if memory:
        axes[1].set(xlabel=f"most memory of the whole process, MB\n{LESS}", title="memory", xlim=(0, None))
    else:
        axes[1].set(xlabel=f"worst logit, in eps of the largest\n{LESS}", title="error against float64",
                    xlim=(0, None))
    return axes


def layers(runs: Sequence[dict[str, Any]], axes: Sequence[Axes]) -> Sequence[Axes]:
    """Runs of `bench conv` of one batch size and number of threads: GFLOP/s on the first axis, error on the second.

    A ring marks the algorithm that "auto" takes.
    """
    names, positive = list(dict.fromkeys(row["name"] for run in runs for row in run["rows"])), False
    for i, name in enumerate(names):
        colour, marker = STYLES[i % len(STYLES)]
        found = [(row, y) for y, run in enumerate(reversed(runs)) for row in _ok(run["rows"]) if row["name"] == name]
        if not found:
            continue
        style = {"color": colour, "marker": marker, "linestyle": "none", "markersize": 5, "alpha": 0.85, "label": name}
        axes[0].plot([row["both"]["gflops"] for row, _ in found], [y for _, y in found], **style)
        errors = [max(row["errors"].values()) for row, _ in found]
        axes[1].plot([error if 0 < error < MOST else np.nan for error in errors], [y for _, y in found], **style)
        positive |= any(0 < error < MOST for error in errors)
    taken = [(row["both"]["gflops"], y) for y, run in enumerate(reversed(runs)) if run.get("auto")
             for row in _ok(run["rows"]) if row["name"] == f"minicnn {run['auto']['algorithm']}"]
    if taken:
        axes[0].plot(*zip(*taken, strict=True), "o", color=BLACK, markersize=11, markerfacecolor="none",
                     label="what auto takes")
    _name_rows(axes, [f"{run['network']} {run['case']}  {run['layer']}" for run in reversed(runs)])
    first = runs[0]
    title = f"single layers, batch {first['batch_size']}, {first['threads']} thread{'s' * (first['threads'] != 1)}"
    axes[0].set(xscale="log", title=title,
                xlabel=f"GFLOP/s of the definition's work, forward and both gradients\n{FASTER}")
    axes[1].set(xscale="log" if positive else "linear", xlabel=f"worst element, in eps (|w| * |x|)\n{LESS}",
                title="error of output and gradients")
    for ax in axes:
        plain_numbers(ax.xaxis)
    axes[0].legend(loc="upper left", bbox_to_anchor=(0, 0), borderaxespad=6, ncols=3, fontsize=8)
    return axes


def _ok(rows):
    """The rows with a speed that a logarithmic axis can show."""
    return [row for row in rows if row["status"] == "ok" and all(0 < speed < MOST for speed in (
        (row["median_ms"], row["q1_ms"], row["q3_ms"]) if "median_ms" in row else (row["both"]["gflops"],)))]


def _alike(runs):
    """The runs that have a speed, grouped by batch size and threads."""
    groups = {}
    for run in runs:
        if _ok(run["rows"]):
            groups.setdefault((run["threads"], run["batch_size"]), []).append(run)
    return groups.values()


def _name_rows(axes, names):
    """Write the names on the left axis and put the rows of both axes at the same height."""
    for ax in axes:
        ax.set(ylim=(-0.6, len(names) - 0.4), yticks=range(len(names)))
        add_grid(ax)
    axes[0].set_yticklabels(names, fontsize=8)
    axes[1].set_yticklabels([])
