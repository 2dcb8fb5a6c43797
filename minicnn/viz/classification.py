"""How a classifier learns and where it errs. Colours are of the Okabe-Ito set, which colour-blind readers can tell."""

from __future__ import annotations

import numpy as np
from matplotlib.ticker import MaxNLocator

BLUE, VERMILION, GREY = "#0072B2", "#D55E00", "#999999"


def learning_curve(history, ax):
    """Training and validation error in percent over the epochs of a `fit` history, on a logarithmic scale."""
    epochs = [record["epoch"] for record in history]
    for key, label, colour, marker in (("train_error", "training (while it learns)", BLUE, "o"),
                                       ("val_error", "validation", VERMILION, "s")):
        percent = np.array([100 * record[key] for record in history])
        ax.plot(epochs, np.where(percent > 0, percent, np.nan), color=colour, marker=marker, markersize=4, label=label)
    last = history[-1]["val_error"] * 100
    ax.annotate(f"{last:.2f} %", (epochs[-1], last), xytext=(0, 8), textcoords="offset points", ha="right",
                color=VERMILION)
    ax.set(xlabel="epoch", ylabel="error (%)", title="Learning curve", yscale="log")
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.yaxis.set_minor_formatter(lambda value, _: f"{value:g}" if f"{value:.0e}"[0] in "25" else "")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.grid(True, which="both", color="0.92")
    ax.legend()
    return ax


def confusion_matrix(matrix, ax):
    """Counts of true class (row) against predicted class (column); the colour shows the mistakes only."""
    matrix = np.asarray(matrix)
    mistakes = np.where(np.eye(len(matrix), dtype=bool), 0, matrix)
    ax.imshow(mistakes, cmap="Oranges", vmin=0, vmax=max(1.4 * mistakes.max(), 1))
    for (row, column), count in np.ndenumerate(matrix):
        if count:
            ax.text(column, row, count, ha="center", va="center", fontsize=7,
                    color=GREY if row == column else "black")
    ax.set(xlabel="predicted", ylabel="true", title="Confusion matrix (colour: mistakes)", xticks=range(len(matrix)),
           yticks=range(len(matrix)))
    return ax


def worst_mistakes(images, labels, evaluation, ax, rows=3, columns=5):
    """The wrongly classified images that the model was surest of, the surest first, row by row.

    Parameters
    ----------
    images : ndarray, shape (n, H, W)
    labels : ndarray of int, shape (n,)
    evaluation : minicnn.training.Evaluation
        Of these images.
    """
    wrong = np.flatnonzero(evaluation.predictions != labels)
    confidence = evaluation.probabilities[wrong, evaluation.predictions[wrong]]
    worst = wrong[np.argsort(-confidence, kind="stable")][:rows * columns]
    height, width = np.add(images.shape[1:], (12, 4))
    canvas = np.zeros((rows * height, columns * width))
    for i, index in enumerate(worst):
        y, x = i // columns * height, i % columns * width
        canvas[y + 10:y + height - 2, x + 2:x + width - 2] = images[index]
        sure = evaluation.probabilities[index, evaluation.predictions[index]]
        ax.text(x + width / 2, y + 5, f"{labels[index]} taken for {evaluation.predictions[index]}, {sure:.0%}",
                ha="center", va="center", fontsize=6.5, color="black")
    ax.imshow(canvas, cmap="gray_r", vmin=0, vmax=255)
    ax.set(xticks=[], yticks=[], title=f"The surest {len(worst)} of {len(wrong)} mistakes in {len(labels):,} images")
    return ax
