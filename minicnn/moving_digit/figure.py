"""The article's figure: X1, X2 = T X1, F1 = phi(X1), F2 = phi(X2) and T F1, and that the last two agree."""

from __future__ import annotations

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure

from ..data import load, normalize
from ..data.placement import place
from ..equivariance.domains import compare
from ..errors import InputError
from ..viz.animation import centred, palette
from .scene import CANVAS, DIGIT, check_canvas, feature_map, find_digit, fit_clusters


def equivariance_figure(model, digit=3, layer="conv4", by=(6, 4), k=6, canvas=CANVAS):
    """Draw a digit, the moved digit, their feature maps, and the moved feature map beside the map of the moved digit.

    Parameters
    ----------
    model : minicnn.models.LeNet
    digit : int
        Its class.
    layer : {"conv1", "conv2", "conv3", "conv4"}
    by : (int, int)
        T: how far down and to the right.

    Returns
    -------
    (Figure, float)
        And the largest difference |F2 - T F1| at the pixels that both know: 0.0 with an algorithm that is equivariant
        to the bit.
    """
    check_canvas(canvas)
    if not all(0 <= d <= canvas - DIGIT for d in by):
        raise InputError(f"a digit of {DIGIT} pixels cannot move by {by} on a canvas of {canvas}: down and to the "
                         f"right by 0 to {canvas - DIGIT}")
    data = load("mnist5k")
    pixels = np.concatenate([place(find_digit(data, digit)[None], canvas, offset) for offset in ((0, 0), by)])
    maps = feature_map(model, layer, normalize(pixels))
    clusters = fit_clusters(model, layer, k)
    difference, known = compare(maps[0], maps[1], by, "window")
    first, second = clusters(maps)
    moved = np.full(first.shape, np.nan)
    moved[by[0]:, by[1]:] = first[:first.shape[0] - by[0], :first.shape[1] - by[1]]
    largest = float(np.abs(difference).max())

    figure = Figure(figsize=(10, 6.6), layout="constrained")
    top, bottom = figure.subplots(2, 3)
    where = {"interpolation": "nearest", "extent": centred(first.shape[0], canvas)}
    colours = {"cmap": palette(k), "vmin": -0.5, "vmax": k - 0.5, **where}
    for ax, image, title in ((top[0], pixels[0], "X1, a digit"), (bottom[0], pixels[1], f"X2 = T X1, moved by {by}")):
        ax.imshow(image, cmap="gray_r", vmin=0, vmax=255)
        ax.set_title(title)
    top[1].imshow(first, **colours)
    top[1].set_title(f"F1 = phi(X1), {layer}")
    bottom[1].imshow(second, **colours)
    bottom[1].set_title("F2 = phi(X2)")
    shown = top[2].imshow(moved, **colours)
    top[2].set_title("T F1 (dark grey: not known)")
    errors = np.where(known, np.abs(difference).max(0), np.nan)
    scale = colormaps["viridis"].with_extremes(bad="#7f7f7f")
    image = bottom[2].imshow(errors, cmap=scale, vmin=0, vmax=largest or 1.0, **where)
    bottom[2].set_title(f"|F2 - T F1|: at most {largest:.2g}\non the {known.sum()} pixels that both know")
    for ax in (*top, *bottom):
        ax.set(xticks=[], yticks=[], xlim=(-0.5, canvas - 0.5), ylim=(canvas - 0.5, -0.5))
    figure.colorbar(shown, ax=list(top), shrink=0.8, ticks=range(k), label="cluster of the activations, 0: empty")
    figure.colorbar(image, ax=list(bottom), shrink=0.8, label="difference, largest of the channels")
    return figure, largest
