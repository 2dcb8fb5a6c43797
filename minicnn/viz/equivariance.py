"""The figure of equivariance: move a digit and compute its feature map; compute the feature map and move the map."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import AxesImage

from .figure import Figure
from .style import (
    AREA,
    GREY,
    PHI,
    ROUNDING,
    T,
    add_arrow,
    add_colour_bar,
    centred,
    drawable,
    palette,
)

EPS = 2.0 ** -23                # of float32


def moved_maps(found: Any) -> Figure:
    """Pictures of X1, X2 = T X1, F1 = phi(X1), F2 = phi(X2) and T F1 with arrows, and of the difference F2 - T F1.

    The unit of the difference is the largest activation: percents of it, or eps of float32 if only rounding differs.

    Parameters
    ----------
    found : minicnn.moving_digit.figure.MovedMaps
    """
    canvas, k = found.images.shape[1], len(found.clusters.centroids)
    figure = Figure(figsize=(10, 6.7), layout="compressed")
    grid = figure.add_gridspec(3, 5, width_ratios=(9, 2.2, 9, 2.2, 9), height_ratios=(9, 1.6, 9))
    top, bottom = ([figure.add_subplot(grid[row, column]) for column in (0, 2, 4)] for row in (0, 2))
    titles = (f"$X_1$: a {found.noun}", f"$X_2 = T\\,X_1$: {found.move}")
    for ax, image, title in zip((top[0], bottom[0]), found.images, titles, strict=True):
        ax.imshow(image, cmap="gray_r" if found.noun == "digit" else "gray", vmin=0, vmax=255)
        ax.set_title(title)
    unknown = " (dark grey: not known)" if np.isnan(found.moved).any() else ""
    where: dict[str, Any] = {"interpolation": "nearest", "extent": centred(found.colours.shape[1], canvas)}
    for ax, clusters, title in ((top[1], found.colours[0], f"$F_1 = \\varphi(X_1)$: {found.layer}"),
                                (bottom[1], found.colours[1], r"$F_2 = \varphi(X_2)$"),
                                (top[2], found.moved, r"$T\,F_1$" + unknown)):
        shown = ax.imshow(clusters, cmap=palette(k), vmin=-0.5, vmax=k - 0.5, **where)
        ax.set_title(title)
    add_colour_bar(shown, top[2], "cluster of the activations, 0: empty", ticks=range(k))
    _difference(bottom[2], found, where)
    for ax in (*top, *bottom):
        ax.set(xticks=[], yticks=[], xlim=(-0.5, canvas - 0.5), ylim=(canvas - 0.5, -0.5))
    for row in 0, 2:
        add_arrow(figure.add_subplot(grid[row, 1]), PHI)
    add_arrow(figure.add_subplot(grid[0, 3]), T)
    add_arrow(figure.add_subplot(grid[1, 0]), T, (0.5, 0.95), (0.5, 0.05))
    add_arrow(figure.add_subplot(grid[2, 3]), color=GREY)
    add_arrow(figure.add_subplot(grid[1, 4]), "", (0.5, 0.95), (0.5, 0.05), GREY)
    return figure


def _difference(ax: Axes, found: Any, where: dict[str, Any]) -> AxesImage:
    """The difference, with its scale and its largest value in words."""
    difference = drawable("moved_maps", found.difference, "(H', W')") / (found.scale or 1.0)
    rounded = 0 < found.largest < ROUNDING * (found.scale or 1.0)
    values = difference / EPS if rounded else 100 * difference
    top = np.nan_to_num(values).max(initial=0)
    shown = ax.imshow(values, cmap=AREA, vmin=0, vmax=top if rounded else max(100, top), **where)
    add_colour_bar(shown, ax, "eps of the largest activation" if rounded else "% of the largest activation")
    known = int((~np.isnan(found.difference)).sum())
    words = "exactly 0" if found.largest == 0 else f"at most {found.largest:.2g}"
    ax.set_title(f"$|F_2 - T\\,F_1|$: {words if known else 'not known'}")
    ax.set_xlabel(f"at the {known:,} pixels that both maps have" if known else "no pixel is in both maps")
    return shown
