"""Error and loss of a model on labelled images."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .. import functional as F
from ..autograd import no_grad
from ..data import DataLoader, Rules
from ..data.dataset import Images
from ..errors import InputError, InputTypeError
from ..nn import Module
from ..nn.calls import evaluating
from ..nn.unchanged import looking
from ..progress import SILENT, Progress
from ..tensor import Tensor

EVALUATED = 256                 # images that the model computes at once


@dataclass(frozen=True)
class Evaluation:
    """The result of `evaluate`.

    Attributes
    ----------
    loss : float
        Mean cross-entropy.
    error : float
        Fraction of wrong answers, 0 to 1. An output with NaN or an infinite logit is no answer, and counts as wrong.
    predictions : ndarray of int, shape (n,)
        The class, or -1 where there is no answer.
    probabilities : ndarray, shape (n, classes)
    confusion : ndarray of int, shape (classes, classes)
        Row: true class; column: predicted. Images without an answer are left out.
    """

    loss: float
    error: float
    predictions: np.ndarray = field(repr=False)
    probabilities: np.ndarray = field(repr=False)
    confusion: np.ndarray = field(repr=False)


@looking
def evaluate(model: Module, images: Images, labels: np.ndarray, batch_size: int = EVALUATED, *,
             rules: Rules | None = None, progress: Progress = SILENT) -> Evaluation:
    """Error and loss of a model in evaluation mode. Afterwards the model is in its former mode again.

    Parameters
    ----------
    model : Module
        (N, C, H, W) -> logits (N, classes).
    images : ndarray or LazyImages, uint8 (n, H, W) or (n, H, W, 3), or float (n, C, H, W)
    labels : ndarray of int, shape (n,)
    batch_size : int
        Images that the model computes at once.
    rules : Rules, optional
        Of the Dataset, for uint8 images. By default those of MNIST; needed for colour.
    progress : Progress
        Is updated after each batch.

    Returns
    -------
    Evaluation

    Raises
    ------
    InputError
        A label is not the number of a class, the model does not return (N, classes), or `DataLoader` refuses the
        images.
    InputTypeError
        `model` is not a Module.
    """
    if not isinstance(model, Module):
        raise InputTypeError(f"evaluate: the model must be a minicnn.nn.Module, not a {type(model).__name__}")
    loader = DataLoader(images, labels, batch_size, rules=rules)
    labels, parts = loader.labels, []
    with contextlib.closing(loader.batches()) as batches, evaluating(model), no_grad(), \
            np.errstate(over="ignore", invalid="ignore"):                               # the loss tells it
        for x, _ in batches:
            out = model(Tensor(x))
            classes = classes_of(model, out, len(x))
            check_labels("the labels", labels, classes)
            parts.append(F.log_softmax(out).data)
            progress.update(len(parts), len(loader))
    log_p = np.concatenate(parts)
    answered = ~np.isnan(log_p).any(1)
    predictions = np.where(answered, log_p.argmax(1), -1)
    confusion = np.zeros((classes, classes), np.int64)
    np.add.at(confusion, (labels[answered], predictions[answered]), 1)
    loss = -log_p[np.arange(len(labels)), labels].mean(dtype=np.float64)
    return Evaluation(float(loss), float((predictions != labels).mean()), predictions, np.exp(log_p), confusion)


def classes_of(model: Module, out: Any, images: int) -> int:
    """The number of classes in a model's output for so many images. InputError if the output is not (N, classes)."""
    shape = getattr(out, "shape", None)
    if shape is None or len(shape) != 2 or shape[0] != images or not shape[1]:
        given = f"a {type(out).__name__}" + (f" of shape {shape}" if shape is not None else "")
        raise InputError(f"{type(model).__name__} returned {given} for {images} image{'s' * (images != 1)}: a "
                         f"classifier returns logits of shape ({images}, classes)")
    return shape[1]


def check_labels(name: str, labels: np.ndarray, classes: int) -> None:
    """Raise InputError if a label is not the number of a class."""
    if labels.min() < 0 or labels.max() >= classes:
        raise InputError(f"{name} go from {labels.min()} to {labels.max()}, but the model has {classes} "
                         f"class{'es' * (classes != 1)}, 0 to {classes - 1}")
