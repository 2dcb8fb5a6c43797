"""The theorem in pictures: each step from L(f) to h * f, and its difference from the previous step."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import AxesImage

from ..checks import integer
from ..errors import InputError
from .figure import Figure
from .style import SIGNED, VERMILION, drawable


def derivation(found: Any, channel: int = 0) -> Figure:
    """Pictures of the image, the impulse response, and each step of a `minicnn.equivariance.derivation`.

    Parameters
    ----------
    found : minicnn.equivariance.proof.Derivation
    channel : int
        The output channel. The pictures of f and h show the first input channel.

    Returns
    -------
    Figure
        All steps have one colour scale, blue below and red above 0. A step that breaks has a vermilion frame.

    Raises
    ------
    InputError
        There is no such output channel.
    """
    channels = len(found.impulse_response)
    if integer("derivation: channel", channel, 0) >= channels:
        raise InputError(f"derivation: channel must be at most {channels - 1}, the last of the output, not {channel}")
    figure = Figure(figsize=(11, 7.2), layout="constrained")
    panels = figure.subplots(3, 4).ravel()
    largest = np.abs([step.value[channel] for step in found.steps]).max()
    _show(panels[0], found.image[0], np.abs(found.image[0]).max(), "f, the image")
    h = found.impulse_response[channel, 0]
    centred = np.roll(h, [n // 2 for n in h.shape], (0, 1))
    _show(panels[1], centred, np.abs(h).max(), "h = L(delta), its origin at the centre")
    for number, (ax, step) in enumerate(zip(panels[2:], found.steps, strict=False)):
        formula = step.formula.split(":")[0].split(", ")[0].rstrip(".")
        image = _show(ax, step.value[channel], largest, f"{number}. {step.name}\n{formula}")
        if number:
            broken = "" if step.holds else ": BREAKS"
            ax.set_xlabel(f"differs from step {number - 1} by {step.difference:.1e}{broken}",
                          fontsize=8, color="black" if step.holds else VERMILION)
        if not step.holds:
            for side in ax.spines.values():
                side.set(color=VERMILION, linewidth=3)
    for ax in panels[2 + len(found.steps):]:
        ax.set_axis_off()
    figure.colorbar(image, ax=panels, shrink=0.6, label="value (steps 0 to 8)")
    verdict = "every step holds: L(f) = h * f" if found.breaks is None else f"breaks at: {found.breaks}"
    figure.suptitle(f"Linear and shift-equivariant, so a convolution? {verdict}")
    return figure


def _show(ax: Axes, values: np.ndarray, largest: float, title: str) -> AxesImage:
    ax.set_title(title, fontsize=9)
    ax.set(xticks=[], yticks=[])
    largest = min(max(largest, float(np.finfo(np.float32).tiny)), 1e150)
    return ax.imshow(drawable("derivation", values), cmap=SIGNED, vmin=-largest, vmax=largest)
