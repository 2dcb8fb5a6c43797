"""The figure of equivariance: move a digit and compute its feature map; compute the feature map and move the map."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib import colormaps

from .figure import Figure
from .style import UNKNOWN, centred, drawable, palette


def moved_maps(found: Any) -> Figure:
    """Pictures of X1, X2 = T X1, F1 = phi(X1), F2 = phi(X2) and T F1, and of the difference between F2 and T F1.

    Parameters
    ----------
    found : minicnn.moving_digit.figure.MovedMaps
    """
    canvas, k = found.images.shape[1], len(found.clusters.centroids)
    figure = Figure(figsize=(10, 6.6), layout="constrained")
    top, bottom = figure.subplots(2, 3)
    where: dict[str, Any] = {"interpolation": "nearest", "extent": centred(found.colours.shape[1], canvas)}
    colours: dict[str, Any] = {"cmap": palette(k), "vmin": -0.5, "vmax": k - 0.5, **where}
    moved = f"X2 = T X1: {found.by[0]} down, {found.by[1]} right"
    for ax, image, title in zip((top[0], bottom[0]), found.images, (f"X1, a {found.noun}", moved), strict=True):
        ax.imshow(image, cmap="gray_r" if found.noun == "digit" else "gray", vmin=0, vmax=255)
        ax.set_title(title)
    for ax, clusters, title in ((top[1], found.colours[0], f"F1 = phi(X1), {found.layer}"),
                                (bottom[1], found.colours[1], "F2 = phi(X2)"),
                                (top[2], found.moved, "T F1 (dark grey: not known)")):
        shown = ax.imshow(clusters, **colours)
        ax.set_title(title)
    scale = colormaps["viridis"].with_extremes(bad=UNKNOWN)
    difference = drawable("moved_maps", found.difference, "(H', W')")
    top_of_scale = float(np.nan_to_num(difference).max(initial=0)) or 1.0
    differences = bottom[2].imshow(difference, cmap=scale, vmin=0, vmax=top_of_scale, **where)
    known = np.sum(~np.isnan(found.difference))
    bottom[2].set_title(f"|F2 - T F1|: at most {found.largest:.2g}\non the {known} pixels that both maps have" if known
                        else "|F2 - T F1|: unknown\nno pixel is in both maps")
    for ax in (*top, *bottom):
        ax.set(xticks=[], yticks=[], xlim=(-0.5, canvas - 0.5), ylim=(canvas - 0.5, -0.5))
    figure.colorbar(shown, ax=list(top), shrink=0.8, ticks=range(k), label="cluster of the activations, 0: empty")
    figure.colorbar(differences, ax=list(bottom), shrink=0.8, label="difference, largest of the channels")
    return figure
