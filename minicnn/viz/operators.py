"""A layer as a matrix and as a spectrum."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from ..checks import pair
from ..errors import InputError
from .style import AMOUNT, BLUE, SIGNED, add_colour_bar, add_grid, drawable


def toeplitz_matrix(matrix: Any, ax: Axes, block: int | tuple[int, int] | None = None) -> Axes:
    """The entries of a layer's matrix (`minicnn.equivariance.matrix.operator_matrix`), blue below and red above 0.

    Parameters
    ----------
    matrix : sparse or dense array, shape (outputs, inputs)
    ax : Axes
    block : int or (int, int), optional
        The rows and columns of a block: the widths of the output image and of the input image. Thin lines separate the
        blocks.

    Raises
    ------
    InputError
        The blocks do not divide the matrix.
    """
    dense = drawable("toeplitz_matrix", matrix.toarray() if hasattr(matrix, "toarray") else matrix,
                     "(outputs, inputs)")
    steps = None if block is None else pair("toeplitz_matrix: block", block, 1)
    if steps and (dense.shape[0] % steps[0] or dense.shape[1] % steps[1]):
        raise InputError(f"toeplitz_matrix: blocks of {steps[0]} x {steps[1]} do not divide a matrix of "
                         f"{dense.shape[0]} x {dense.shape[1]}: give (width of the output image, width of the input "
                         "image)")
    largest = float(np.nan_to_num(np.abs(dense)).max()) or 1.0
    image = ax.imshow(np.where(dense == 0, np.nan, dense), cmap=SIGNED, vmin=-largest, vmax=largest,
                      interpolation="nearest")
    ax.set_facecolor("0.97")
    if steps:
        for size, step, line in zip(dense.shape, steps, (ax.axhline, ax.axvline), strict=True):
            for at in range(step, size, step):
                line(at - 0.5, color="0.75", linewidth=0.5)
    add_colour_bar(image, ax, "entry (grey: none)")
    rows, columns = dense.shape
    ax.set(xlabel="input pixel", ylabel="output pixel", title=f"The layer as a matrix, {rows} x {columns}")
    return ax


def transfer(eigenvalues: np.ndarray, ax: Axes) -> Axes:
    """The gain |H| of a one-channel layer at every frequency.

    Parameters
    ----------
    eigenvalues : complex ndarray, shape (H, W)
        The result of `minicnn.equivariance.matrix.eigenvalues`, with frequency 0 first. The picture has it in the
        centre.
    ax : Axes
    """
    with np.errstate(over="ignore"):
        gain = np.fft.fftshift(drawable("transfer", np.abs(eigenvalues), "(H, W)"))
    height, width = gain.shape
    edges = (-(width // 2) - 0.5, (width + 1) // 2 - 0.5, (height + 1) // 2 - 0.5, -(height // 2) - 0.5)
    image = ax.imshow(gain, cmap=AMOUNT, vmin=0, extent=edges, interpolation="nearest")
    add_colour_bar(image, ax, "gain |H|")
    ax.set(xlabel="periods across the image", ylabel="periods down the image", title="What the layer lets through")
    return ax


def singular_values(values: np.ndarray, ax: Axes) -> Axes:
    """All singular values of a layer, the largest first. The largest is its spectral norm."""
    values = drawable("singular_values", values, "(n,)")
    top = values[0] if values[0] > 0 else 1.0           # also for NaN
    ax.plot(np.arange(1, len(values) + 1), values, color=BLUE)
    ax.annotate(f"spectral norm {values[0]:.3g}", (1, np.nan_to_num(values[0])), xytext=(6, 2),
                textcoords="offset points", color=BLUE, va="bottom")
    ax.set(xlabel="number, the largest first", ylabel="singular value", ylim=(0, 1.1 * top),
           title="Singular values")
    add_grid(ax)
    return ax
