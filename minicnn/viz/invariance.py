"""How much a classifier's answer depends on the place of the digit: a map over all shifts, and several networks."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from ..checks import one_of
from ..errors import InputError
from .figure import Figure
from .style import AMOUNT, GREY, STYLES, add_colour_bar, add_grid, add_ordered_legend, drawable

QUANTITIES = {                  # name in InvarianceMap: (label, title, colour map, range of percents or None)
    "accuracy": ("accuracy", "Accuracy", AMOUNT, (0, 100)),
    "same_class": ("same class", "Share with the class of the middle", AMOUNT, (0, 100)),
    "feature_distance": ("distance", "Relative distance of the features", AMOUNT + "_r", None),
}


def invariance_map(found: Any, ax: Axes, quantity: str = "accuracy", title: str | None = None) -> Axes:
    """The percentage at every shift as a map. Shifts by an even dy and an even dx have a frame.

    Parameters
    ----------
    found : minicnn.invariance.maps.InvarianceMap
    ax : Axes
        At least about 4 inches wide, so that the numbers fit.
    quantity : {"accuracy", "same_class", "feature_distance"}
    title : str, optional

    Raises
    ------
    InputError
        There is no such quantity.
    """
    label, words, colours, limits = QUANTITIES[one_of("invariance_map: quantity", quantity, QUANTITIES)]
    values = 100 * drawable("invariance_map", getattr(found, quantity), "(shifts, shifts)")
    low, high = limits or (0, max(np.nan_to_num(values).max(), 1e-9))
    reach, steps = found.shifts.reach, list(found.shifts.steps)
    half = reach + 0.5
    picture = ax.imshow(values, cmap=colours, vmin=low, vmax=high, extent=(-half, half, half, -half))
    for (i, j), value in np.ndenumerate(values):
        red, green, blue, _ = picture.cmap(picture.norm(value))
        dark = 0.3 * red + 0.59 * green + 0.11 * blue < 0.5
        exact = 100 * float(getattr(found, quantity)[i, j])
        ax.text(j - reach, i - reach, f"{exact:.0f}" if abs(exact) < 1e4 else f"{exact:.0e}", ha="center", va="center",
                fontsize=7, color="white" if dark else "black")
        if steps[i] % 2 == steps[j] % 2 == 0:
            ax.plot(*_square(j - reach, i - reach), color="white" if dark else "black", linewidth=0.8)
    add_colour_bar(picture, ax, f"{label} (%)")
    model = textwrap.fill(f"{found.shifts}. Framed: dy and dx even.", 62)
    ax.set(xticks=steps, yticks=steps, ylabel="dy (pixels, positive: down)")
    ax.set_title(title or f"{words}, {len(found.labels)} digits", fontsize=10)
    ax.set_xlabel(f"dx (pixels, positive: right)\n{model}", fontsize=9)
    return ax


def model_comparison(results: Sequence[Any], ax: Axes) -> Axes:
    """Accuracy in percent over the distance of the shift, a line for each network of `compare_models`.

    With several seeds the line is the mean, and a band goes from the least to the largest accuracy.

    Parameters
    ----------
    results : list of minicnn.invariance.networks.ModelResult
        At most 8, because there are 8 line styles.
    ax : Axes

    Raises
    ------
    InputError
        There are no results, or more than 8.
    """
    if not 1 <= len(results) <= len(STYLES):
        raise InputError(f"model_comparison: {len(results)} results; give 1 to {len(STYLES)}")
    for result, (colour, marker) in zip(results, STYLES, strict=False):
        accuracy = 100 * drawable("model_comparison", result.accuracy, "(reach + 1,)")
        ax.plot(accuracy, color=colour, marker=marker, markersize=5,
                label=f"{result.title} pixels (consistency {result.consistency:.1%})")
        if len(result.maps) > 1:
            seeds = 100 * np.array([[place["accuracy"] for place in found.by_distance()] for found in result.maps])
            ax.fill_between(range(len(accuracy)), seeds.min(0), seeds.max(0), color=colour, alpha=0.15, linewidth=0)
    reach, first = max(result.shifts.reach for result in results), results[0].maps[0]
    count = len(results[0].maps)
    ax.set(xlabel="shift, max(|dy|, |dx|), pixels", ylabel="accuracy (%)", ylim=(0, 104), xticks=range(reach + 1),
           title=f"Trained on digits in the middle, tested on moved ones ({len(first.labels)} digits"
                 f"{f', {count} seeds' if count > 1 else ''})")
    add_grid(ax)
    add_ordered_legend(ax, loc="lower left", fontsize=8)
    return ax


def pool_changes(pools: Sequence[Any]) -> Figure:
    """How much the output of each pool changes when its input moves, by even and by odd numbers of pixels.

    Parameters
    ----------
    pools : list of minicnn.invariance.pooling.PoolChange

    Returns
    -------
    Figure
        An axes for each kind of maps that were pooled.

    Raises
    ------
    InputError
        There are no pools.
    """
    if not pools:
        raise InputError("pool_changes: there is no pool that could be drawn")
    kinds = list(dict.fromkeys(pool.of for pool in pools))
    names = list(dict.fromkeys(pool.pool for pool in pools))
    largest = np.nan_to_num(drawable("pool_changes", [[pool.even, pool.odd] for pool in pools])).max() or 1.0
    figure = Figure(figsize=(11, 1.7 + 0.35 * len(names)), layout="constrained")
    for ax, of in zip(figure.subplots(1, len(kinds), sharex=True, sharey=True, squeeze=False)[0], kinds, strict=True):
        rows = [(names.index(pool.pool), pool) for pool in pools if pool.of == of]
        values = drawable("pool_changes", [[pool.even, pool.odd] for _, pool in rows])
        for (y, _), ends in zip(rows, values, strict=True):
            ax.plot(ends, [y, y], color=GREY, linewidth=1)
        for one, (colour, marker), size, label in zip(values.T, STYLES, (9, 5), ("even shifts", "odd shifts"),
                                                      strict=False):
            ax.plot(one, [y for y, _ in rows], marker, color=colour, markersize=size, label=label, clip_on=False,
                    zorder=3)
        ax.set_title(textwrap.fill(of, 34), fontsize=9)
        ax.set(xlim=(0, 1.08 * largest), ylim=(len(names) - 0.5, -0.5), yticks=range(len(names)), yticklabels=names)
        add_grid(ax)
    figure.legend(*ax.get_legend_handles_labels(), fontsize=8, loc="outside lower left", ncols=2)
    figure.supxlabel("relative change of the pooled map (0: it moves along exactly)", fontsize=10)
    return figure


def _square(x, y, half=0.44):
    """The outline of the cell at (x, y)."""
    return np.array([x, x, x, x, x]) + half * np.array([-1, 1, 1, -1, -1]), \
        np.array([y, y, y, y, y]) + half * np.array([-1, -1, 1, 1, -1])
