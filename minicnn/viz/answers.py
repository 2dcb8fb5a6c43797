"""A picture of what a network answers to an image, and which of its pixels count."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from ..errors import InputError
from .figure import new_figure
from .style import BLUE, GREY, SIGNED, VERMILION, add_colour_bar, drawable, writable

SHOWN, LONGEST = 10, 24         # classes; letters of their names


def prediction(pixels: np.ndarray, found: Any, names: Sequence[str]) -> Figure:
    """The image with the receptive field of the winning unit, the probabilities, and what hiding pixels changes.

    Parameters
    ----------
    pixels : ndarray of values from 0 to 255, shape (H, W) or (H, W, 3)
        The image as the network gets it, before it is normalised.
    found : minicnn.training.Prediction
        The answer to this image.
    names : sequence of str
        The names of the classes.

    Raises
    ------
    InputError
        The image has another shape, or there are not as many names as classes.
    """
    pixels, probabilities = np.asarray(pixels), drawable("prediction", found.probabilities, "(classes,)")
    if pixels.shape[:2] != np.shape(found.occlusion) or pixels.ndim not in (2, 3):
        raise InputError(f"prediction: the image has shape {pixels.shape}, but the answer is about an image of "
                         f"{np.shape(found.occlusion)} pixels")
    if len(names) != len(probabilities):
        raise InputError(f"prediction: {len(names)} names for {len(probabilities)} classes: give as many")
    figure, (image, bars, hidden) = new_figure(12, 4, 3)
    grey = {"cmap": "gray", "vmin": 0, "vmax": 255} if pixels.ndim == 2 else {}
    image.imshow(pixels, **grey)
    names = [writable(name, LONGEST) for name in names]
    title = "no answer" if found.label < 0 else f"{names[found.label]}: {found.probabilities[found.label]:.1%}"
    if found.unit is not None:
        image.add_patch(_rectangle(found.unit.box, VERMILION))
        title += f"\nbox: seen by the winning unit of {found.unit.layer}"
    image.set_title(title, parse_math=False)
    order = np.argsort(-np.nan_to_num(probabilities), kind="stable")[:SHOWN]
    order = np.sort(order) if len(probabilities) <= SHOWN else order
    bars.barh(range(len(order)), np.nan_to_num(probabilities[order]),
              color=[VERMILION if i == found.label else BLUE for i in order])
    bars.set_yticks(range(len(order)), [names[i] for i in order], parse_math=False)
    bars.set(xlim=(0, 1), xlabel="probability",
             title="Classes" if len(order) == len(probabilities) else f"The {SHOWN} most probable of "
                                                                      f"{len(probabilities)} classes")
    bars.invert_yaxis()
    most = max(float(np.abs(np.nan_to_num(drawable("prediction", found.occlusion))).max()), 1e-9)
    shown = hidden.imshow(np.ma.masked_invalid(found.occlusion), cmap=SIGNED, vmin=-most, vmax=most)
    hidden.set(title="Mean fall of the probability\nover the squares that hide a pixel")
    if found.label >= 0:
        hidden.add_patch(_rectangle(found.square, GREY))
    bar = add_colour_bar(shown, hidden, "percentage points", format=lambda x, _: f"{100 * x:.3g}")
    bar.locator = MaxNLocator(5)
    bar.update_ticks()
    for ax in (image, hidden):
        ax.set(xticks=[], yticks=[])
    return figure


def _rectangle(box, colour):
    return Rectangle((box.left - 0.5, box.top - 0.5), box.width, box.height, fill=False, edgecolor=colour, linewidth=2,
                     clip_on=False)
