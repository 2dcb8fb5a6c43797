"""The theorem in pictures: each step from L(f) to h * f, beside how far it is from the one before."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from .classification import VERMILION


def derivation(found, channel=0):
    """One picture for each step of a `minicnn.equivariance.derivation`, after the image and the impulse response.

    Parameters
    ----------
    found : minicnn.equivariance.proof.Derivation
    channel : int
        Of the output; of f and h the first input channel is shown.

    Returns
    -------
    matplotlib Figure
        All steps have one colour scale, blue below and red above 0. A step that breaks has a vermilion frame.
    """
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


def _show(ax, values, largest, title):
    ax.set_title(title, fontsize=9)
    ax.set(xticks=[], yticks=[])
    largest = max(largest, np.finfo(np.float32).tiny)
    return ax.imshow(values, cmap="RdBu_r", vmin=-largest, vmax=largest)
