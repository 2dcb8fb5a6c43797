"""Pictures of a classifier: its learning curve, its confusion matrix, and its worst mistakes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from ..checks import integer
from ..errors import InputError
from .style import BLUE, STYLES, VERMILION, add_grid, add_ordered_legend, drawable, plain_numbers, writable

LEGEND = 32                                       # characters of the name of a run
DASHES = ("-", "--", ":")                         # of lines with the same colour and marker
SHORT, LONGEST = 2, 16                            # characters of a class name: short, and the most that are drawn
NUMBERED = 20                                     # classes of a confusion matrix with numbers
RIGHT = "#404040"                                 # of the numbers of right answers: dark enough on the light paper


def learning_curve(history: list[dict[str, Any]], ax: Axes) -> Axes:
    """Training and validation error in percent over the epochs, on a logarithmic scale. A ring marks the best epoch.

    If an epoch has no error, the scale is linear between 0 and the smallest other error. None and NaN are gaps. The
    best epoch is the one whose weights `fit` keeps: the first one with the least validation error.

    Parameters
    ----------
    history : list of dict
        The result of `minicnn.training.fit`: "epoch", "train_error" and "val_error" (fractions) of each epoch.
    ax : Axes

    Raises
    ------
    InputError
        The history has no epoch, or an epoch lacks a number.
    """
    if not history:
        raise InputError("learning_curve: the history is empty: give the history of at least one epoch")
    epochs = [record["epoch"] for record in history]
    drawn = []
    for key, label, colour, marker in (("train_error", "training (while it learns)", BLUE, "o"),
                                       ("val_error", "validation", VERMILION, "s")):
        drawn.append(_percent(history, key))
        ax.plot(epochs, drawn[-1], color=colour, marker=marker, markersize=4, label=label, clip_on=False, zorder=3)
    _error_axes(ax, np.concatenate(drawn), "Learning curve")
    if np.isfinite(drawn[1]).any():
        best = int(np.nanargmin(drawn[1]))
        ax.plot(epochs[best], drawn[1][best], "o", color=VERMILION, markersize=12, markerfacecolor="none",
                markeredgewidth=1.5, clip_on=False, zorder=3,
                label=f"kept: epoch {epochs[best]}, {drawn[1][best]:.2f} %")
    add_ordered_legend(ax)
    return ax


def learning_curves(histories: Mapping[str, Sequence[Any]], ax: Axes) -> Axes:
    """The validation errors of several runs in percent over the epochs, on the scale of `learning_curve`.

    Of runs that differ only in the seed, the line is the mean, and a band goes from the least to the largest error.

    Parameters
    ----------
    histories : dict of list
        The history of each run, by its name; or a list of histories, of runs that differ only in the seed. A run
        without an epoch is left out.
    ax : Axes

    Raises
    ------
    InputError
        No run has an epoch, an epoch lacks a number, or there are more runs than styles of lines.
    """
    drawn = {name: found for name, given in histories.items() if (found := _by_epoch(given))}
    if not drawn:
        raise InputError("learning_curves: no run has an epoch that could be drawn")
    if len(drawn) > len(STYLES) * len(DASHES):
        raise InputError(f"learning_curves: {len(drawn)} runs are too many for one picture: give at most "
                         f"{len(STYLES) * len(DASHES)}")
    for i, (name, errors) in enumerate(drawn.items()):
        (colour, marker), dashes = STYLES[i % len(STYLES)], DASHES[i // len(STYLES)]
        means = [float(np.mean(found)) for found in errors.values()]
        ax.plot(list(errors), means, dashes, color=colour, marker=marker, markersize=4, label=writable(name, LEGEND),
                clip_on=False, zorder=3)
        if any(len(found) > 1 for found in errors.values()):
            ax.fill_between(list(errors), [min(found) for found in errors.values()],
                            [max(found) for found in errors.values()], color=colour, alpha=0.15, linewidth=0)
    band = " (line: mean of the seeds; band: from the least to the largest)" if ax.collections else ""
    _error_axes(ax, np.array([error for errors in drawn.values() for found in errors.values() for error in found]),
                f"Validation error{band}")
    add_ordered_legend(ax, loc="upper left", bbox_to_anchor=(1.01, 1), fontsize="small")
    return ax


def _by_epoch(given):
    """{epoch: validation errors in percent} of one history, or of several."""
    errors: dict[Any, list[float]] = {}
    for history in [given] if given and isinstance(given[0], dict) else given:
        for record, error in zip(history, _percent(history, "val_error"), strict=True):
            errors.setdefault(record["epoch"], []).append(error)
    return dict(sorted(errors.items()))


def _percent(history, key):
    return np.array([100 * _number(record, key) for record in history])


def _error_axes(ax, errors, title):
    """Labels and scale of a picture of errors over epochs."""
    ax.set(xlabel="epoch", ylabel="error (%), logarithmic scale", title=title)
    if not (errors <= 0).any():
        ax.set_yscale("log")
    else:
        linear = 10 ** np.floor(np.log10(errors[errors > 0].min(initial=1.0)))
        ax.set_ylabel(f"error (%), logarithmic scale, linear below {linear:g}")
        ax.set_yscale("symlog", linthresh=linear, linscale=0.5, subs=range(2, 10))
        ax.set_ylim(0, None if errors.any() else 1)
    plain_numbers(ax.yaxis)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    add_grid(ax, "both")


def _number(record, key):
    """record[key]; None, as JSON has it in place of NaN, is NaN."""
    if key not in record:
        raise InputError(f"learning curve: a record of the history has no {key!r}: it has {', '.join(record)}")
    return np.nan if record[key] is None else record[key]


def confusion_matrix(matrix: np.ndarray, ax: Axes, class_names: Sequence[str] | None = None) -> Axes:
    """The number of images of each true class (row) and predicted class (column). Only mistakes are coloured.

    Of more than 20 classes no number is written. A matrix that is not square, or has no class, raises InputError; so do
    names that are not one for each class.
    """
    matrix = np.asarray(matrix)
    shown = drawable("confusion_matrix", matrix, "(classes, classes)")
    if len(matrix) != matrix.shape[1]:
        raise InputError(f"confusion_matrix: as many rows as columns are needed, not a shape of {matrix.shape}")
    mistakes = np.where(np.eye(len(matrix), dtype=bool), 0, shown)
    ax.imshow(mistakes, cmap="Oranges", vmin=0, vmax=max(1.4 * np.nan_to_num(mistakes).max(), 1))
    names = _names("confusion_matrix", class_names, len(matrix))
    for (row, column), count in np.ndenumerate(matrix):
        if count and len(matrix) <= NUMBERED:
            ax.text(column, row, str(count), ha="center", va="center", fontsize=8 if len(matrix) <= 12 else 6.5,
                    color=RIGHT if row == column else "black")
    ax.set(xlabel="predicted", ylabel="true", title="Confusion matrix (colour: mistakes)")
    upright = max(map(len, names)) <= SHORT
    options: dict[str, Any] = {"parse_math": False, "fontsize": None if len(names) <= NUMBERED else 5}
    ax.set_xticks(range(len(matrix)), names, rotation=0 if upright else 90, **options)
    ax.set_yticks(range(len(matrix)), names, **options)
    return ax


def _names(owner, names, count):
    """The names of the classes as they are drawn: at most 16 characters. Without names: their numbers."""
    if names is None:
        return [str(number) for number in range(count)]
    if len(names) != count:
        raise InputError(f"{owner}: {len(names)} class_names for {count} classes: give one for each")
    return [writable(name, LONGEST) for name in names]


def worst_mistakes(images: Any, labels: np.ndarray, evaluation: Any, ax: Axes, rows: int = 3, columns: int = 5, *,
                   class_names: Sequence[str] | None = None) -> Axes:
    """The wrongly classified images with the highest confidence, in rows, the highest first.

    Parameters
    ----------
    images : ndarray or LazyImages of pixels from 0 to 255, shape (n, H, W), (n, H, W, 3), (n, 1, H, W) or (n, 3, H, W)
        Three channels are red, green and blue. Only the images that are shown are read.
    labels : ndarray of int, shape (n,)
    evaluation : minicnn.training.Evaluation
        The model's evaluation of these images.
    ax : Axes
    rows, columns : int
        At most rows x columns images are shown.
    class_names : sequence of str, optional
        One for each class. By default the numbers of the classes.

    Raises
    ------
    InputError
        The images have another shape, or the numbers of images, labels and predictions differ.
    """
    images, labels = images if hasattr(images, "shape") else np.asarray(images), np.asarray(labels)
    rows, columns = integer("worst_mistakes: rows", rows, 1), integer("worst_mistakes: columns", columns, 1)
    last = len(images.shape) == 4 and images.shape[1] not in (1, 3)               # the channels are the last axis
    if len(images.shape) not in (3, 4) or last and images.shape[3] != 3:
        raise InputError(f"worst_mistakes: images of shape (n, H, W), (n, H, W, 3), (n, 1, H, W) or (n, 3, H, W) are "
                         f"needed, not {images.shape}")
    if not len(images) == len(labels) == len(evaluation.predictions):
        raise InputError(f"worst_mistakes: {len(images)} images, {len(labels)} labels and "
                         f"{len(evaluation.predictions)} predictions: give as many of each")
    wrong = np.flatnonzero(evaluation.predictions != labels)
    confidence = evaluation.probabilities[wrong, evaluation.predictions[wrong]]
    worst = wrong[np.argsort(-confidence, kind="stable")][:rows * columns]
    names = _names("worst_mistakes", class_names, evaluation.probabilities.shape[1])
    shown = np.asarray(images[worst])
    shown = shown[..., None] if shown.ndim == 3 else shown if last else shown.transpose(0, 2, 3, 1)     # (n, H, W, C)
    long = max(map(len, names)) > SHORT
    line = max(8, 8 * shown.shape[1] // 28)                             # pixels of a line of text
    head = line * (3 if long else 1) + 2
    height, width = shown.shape[1] + head + 2, shown.shape[2] + 4
    gray = shown.shape[3] == 1
    columns = min(columns, max(len(worst), 1))
    rows = max(-(-len(worst) // columns), 1)
    paper = np.full((rows * height, columns * width, shown.shape[3]), 0.0 if gray else 255.0)
    for i, index in enumerate(worst):
        y, x = i // columns * height, i % columns * width
        paper[y + head:y + height - 2, x + 2:x + width - 2] = shown[i]
        sure = evaluation.probabilities[index, evaluation.predictions[index]]
        gap, predicted = "\n" if long else " ", evaluation.predictions[index]
        answer = names[predicted] if predicted >= 0 else "no class"
        ax.text(x + (width - 1) / 2, y + head - 0.5 - line / 8,           # just above its own picture
                f"{names[labels[index]]}{gap}taken for{gap}{answer}, {sure:.0%}",
                ha="center", va="bottom", fontsize=6.5, color="black", parse_math=False)
    ax.imshow(paper[..., 0] if gray else np.clip(paper / 255, 0, 1), cmap="gray_r", vmin=0, vmax=255)
    ax.set(xticks=[], yticks=[], title=f"The {len(worst)} most confident of {len(wrong)} mistakes in "
                                       f"{len(labels):,} images")
    return ax
