"""A layer as a matrix and as a spectrum."""

from __future__ import annotations

import numpy as np

from .classification import BLUE


def toeplitz_matrix(matrix, ax, block=None):
    """The entries of a layer's matrix (`minicnn.equivariance.matrix.operator_matrix`), blue below and red above 0.

    Parameters
    ----------
    matrix : sparse or dense array, shape (outputs, inputs)
    block : (int, int), optional
        Rows and columns of a block, the width of the output and of the input image: thin lines are drawn between.
    """
    dense = matrix.toarray() if hasattr(matrix, "toarray") else np.asarray(matrix)
    largest = float(np.abs(dense).max()) or 1.0
    image = ax.imshow(np.where(dense == 0, np.nan, dense), cmap="RdBu_r", vmin=-largest, vmax=largest,
                      interpolation="nearest")
    ax.set_facecolor("0.97")
    if block:
        for size, step, line in ((dense.shape[0], block[0], ax.axhline), (dense.shape[1], block[1], ax.axvline)):
            for at in range(step, size, step):
                line(at - 0.5, color="0.75", linewidth=0.5)
    ax.figure.colorbar(image, ax=ax, label="entry (grey: none)", shrink=0.8)
    rows, columns = dense.shape
    ax.set(xlabel="input pixel", ylabel="output pixel", title=f"The layer as a matrix, {rows} x {columns}")
    return ax


def transfer(eigenvalues, ax):
    """The gain |H| of a one-channel layer at every frequency, (H, W), with frequency 0 in the middle."""
    gain = np.fft.fftshift(np.abs(eigenvalues))
    height, width = gain.shape
    edges = [-(width // 2) - 0.5, (width + 1) // 2 - 0.5, (height + 1) // 2 - 0.5, -(height // 2) - 0.5]
    image = ax.imshow(gain, cmap="cividis", vmin=0, extent=edges, interpolation="nearest")
    ax.figure.colorbar(image, ax=ax, label="gain |H|", shrink=0.8)
    ax.set(xlabel="periods across the image", ylabel="periods down the image", title="What the layer lets through")
    return ax


def singular_values(values, ax):
    """All singular values of a layer, the largest first; the largest is its spectral norm."""
    ax.plot(np.arange(1, len(values) + 1), values, color=BLUE)
    ax.annotate(f"spectral norm {values[0]:.3g}", (1, values[0]), xytext=(12, -4), textcoords="offset points",
                color=BLUE, va="top")
    ax.set(xlabel="number, the largest first", ylabel="singular value", ylim=(0, None), title="Singular values")
    ax.grid(True, color="0.92")
    return ax
