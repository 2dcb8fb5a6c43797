"""The theorem in pictures: each step from L(f) to h * f, and its difference from the previous step."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.layout_engine import ConstrainedLayoutEngine

from ..checks import integer
from ..errors import InputError
from .figure import Figure
from .style import SIGNED, VERMILION, add_colour_bar, drawable

FORMULAS = {                    # of the steps in minicnn.equivariance.proof, by their names
    "response": r"$L(f)$", "decomposition": r"$L\left(\sum_n\, f[n]\,\delta_n\right)$",
    "linearity": r"$\sum_n\, f[n]\,L(\delta_n)$", "translation": r"$\sum_n\, f[n]\,L(S_n\,\delta)$",
    "equivariance": r"$\sum_n\, f[n]\,S_n\,L(\delta)$", "naming": r"$\sum_n\, f[n]\,S_n\,h$",
    "argument": r"$\sum_n\, f[n]\,h[y - n]$", "change of variables": r"$\sum_{n'}\, h[n']\,f[y - n']$",
    "convolution": r"$(h * f)[y]$"}


def derivation(found: Any, channel: int = 0) -> Figure:
    """Pictures of the image, the impulse response, each step of a `minicnn.equivariance.derivation`, and a difference.

    Parameters
    ----------
    found : minicnn.equivariance.proof.Derivation
    channel : int
        The output channel. The pictures of f and h show the first input channel.

    Returns
    -------
    Figure
        All steps have one colour scale, blue below and red above 0. A step that breaks has a vermilion frame. The last
        picture has the difference at the first step that breaks, or else the largest difference, on its own scale.

    Raises
    ------
    InputError
        There is no such output channel.
    """
    channels = len(found.impulse_response)
    if integer("derivation: channel", channel, 0) >= channels:
        raise InputError(f"derivation: channel must be at most {channels - 1}, the last of the output, not {channel}")
    figure = Figure(figsize=(11, 8.6), layout=ConstrainedLayoutEngine(wspace=0.06, hspace=0.04))
    panels = figure.subplots(3, 4).ravel()
    _show(panels[0], found.image[0], "the image\n$f$")
    h = found.impulse_response[channel, 0]
    _show(panels[1], np.roll(h, [n // 2 for n in h.shape], (0, 1)),
          "the impulse response, origin in the middle\n" r"$h = L(\delta)$")
    values = [np.asarray(step.value[channel], np.float64) for step in found.steps]
    largest = _largest(np.stack(values))
    for number, (ax, step, value) in enumerate(zip(panels[2:], found.steps, values, strict=False)):
        formula = FORMULAS.get(step.name, step.formula.split(":")[0])
        _show(ax, value, f"step {number}: {step.name}\n{formula}", largest)
        if number:
            ax.set_xlabel(_compared(step, number - 1), fontsize=9, color="black" if step.holds else VERMILION)
        _frame(ax, step.holds)
    _difference(panels[-1], found, values)
    for ax in panels[2 + len(found.steps):-1]:
        ax.set_axis_off()
    verdict = "every step holds: L(f) = h * f" if found.breaks is None else f"breaks at: {found.breaks}"
    figure.suptitle(f"Linear and shift-equivariant, so a convolution? {verdict}")
    return figure


def _compared(step, before):
    if step.difference == 0:
        return f"exactly equal to step {before}"
    return f"equal to step {before} but for {step.difference:.1e}" if step.holds else \
        f"BREAKS: off step {before} by {step.difference:.2g}"


def _difference(ax, found, values):
    """The first step that breaks, or else the one with the largest difference, minus the step before."""
    broken = [number for number, step in enumerate(found.steps) if number and not step.holds]
    differences = [np.nan_to_num(step.difference) for step in found.steps]
    number = broken[0] if broken else max(int(np.argmax(differences)), 1)
    if len(values) <= number:
        return ax.set_axis_off()
    what = "where it breaks" if broken else "the largest rounding error" if differences[number] else "exactly 0"
    with np.errstate(over="ignore", invalid="ignore"):
        _show(ax, values[number] - values[number - 1], f"{what}\nstep {number} $-$ step {number - 1}")
    _frame(ax, not broken)
    return None


def _frame(ax, holds):
    if not holds:
        for side in ax.spines.values():
            side.set(color=VERMILION, linewidth=3)


def _largest(values):
    """The largest magnitude, as a limit of a scale that matplotlib can draw."""
    finite = np.abs(values[np.isfinite(values)])
    return min(max(float(finite.max(initial=0)), float(np.finfo(np.float32).tiny)), 1e150)


def _show(ax: Axes, values: np.ndarray, title: str, largest: float | None = None) -> None:
    """A picture with its scale, which is symmetric about 0."""
    values = drawable("derivation", values)
    top = _largest(values) if largest is None else largest
    ax.set_title(title, fontsize=10, pad=12)
    ax.set(xticks=[], yticks=[])
    if not values.any():
        top = 1.0 if largest is None else largest
    bar = add_colour_bar(ax.imshow(values, cmap=SIGNED, vmin=-top, vmax=top), ax, ticks=[-top, 0, top],
                         format=lambda value, _: f"{value:.2g}")
    bar.ax.tick_params(labelsize=7, length=2, pad=1)
