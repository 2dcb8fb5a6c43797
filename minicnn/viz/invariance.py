"""How much a classifier's answer depends on the place of the digit: a map over all shifts, and several networks."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from ..checks import one_of
from ..errors import InputError
from .style import AMOUNT, STYLES, add_grid, drawable

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
    ax.figure.colorbar(picture, ax=ax, label=f"{label} (%)", shrink=0.85)
    model = textwrap.fill(f"{found.shifts}. Framed: dy and dx even.", 62)
    ax.set(xticks=steps, yticks=steps, ylabel="dy (pixels, positive: down)")
    ax.set_title(title or f"{words}, {len(found.labels)} digits", fontsize=10)
    ax.set_xlabel(f"dx (pixels, positive: right)\n{model}", fontsize=9)
    return ax


def model_comparison(results: Sequence[Any], ax: Axes) -> Axes:
    """Accuracy in percent over the distance of the shift, a line for each network of `compare_models`.

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
        accuracy = drawable("model_comparison", result.accuracy, "(reach + 1,)")
        ax.plot(100 * accuracy, color=colour, marker=marker, markersize=5,
                label=f"{result.title} pixels (consistency {result.consistency:.1%})")
    reach = max(result.shifts.reach for result in results)
    first = results[0].maps[0]
    ax.set(xlabel="shift, max(|dy|, |dx|), pixels", ylabel="accuracy (%)", ylim=(0, 104), xticks=range(reach + 1),
           title=f"Trained on digits in the middle, tested on moved ones ({len(first.labels)} digits)")
    add_grid(ax)
    ax.legend(loc="lower left", fontsize=8)
    return ax


def _square(x, y, half=0.44):
    """The outline of the cell at (x, y)."""
    return np.array([x, x, x, x, x]) + half * np.array([-1, 1, 1, -1, -1]), \
        np.array([y, y, y, y, y]) + half * np.array([-1, -1, 1, 1, -1])
