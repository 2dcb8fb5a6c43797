"""Losses and log_softmax."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ... import functional as F
from .operation import SMOOTH


def losses(rng: np.random.Generator) -> Iterator[tuple]:
    logits, classes = (4, 3), 3
    yield "log_softmax", "", F.log_softmax, (logits,), SMOOTH
    yield "log_softmax", "dim=0", lambda x: F.log_softmax(x, 0), (logits,), SMOOTH
    labels = rng.integers(0, classes, 4)
    ignoring = np.where(np.arange(4) == 1, -100, labels)
    pixels, probabilities = rng.integers(0, classes, (2, 2, 2)), rng.dirichlet(np.ones(classes), 4)
    weight = rng.uniform(0.5, 2, classes)

    def loss(target, *arguments, **options):
        return lambda x: F.cross_entropy(x, target, *arguments, **options)

    yield "cross_entropy", "", loss(labels), (logits,), SMOOTH
    yield "cross_entropy", "probabilities", loss(probabilities, weight), (logits,), SMOOTH
    yield ("cross_entropy", "gradient of the probabilities",
           lambda x, q: F.cross_entropy(x, q, weight, label_smoothing=0.1), (logits, logits), SMOOTH)
    yield "cross_entropy", "weight", loss(labels, weight), (logits,), SMOOTH
    yield "cross_entropy", "ignore_index", loss(ignoring), (logits,), SMOOTH
    yield "cross_entropy", "label_smoothing", loss(ignoring, weight, label_smoothing=0.2), (logits,), SMOOTH
    yield "cross_entropy", "sum", loss(labels, reduction="sum"), (logits,), SMOOTH
    yield "cross_entropy", "none, one label a pixel", loss(pixels, reduction="none"), ((2, 3, 2, 2),), SMOOTH
    yield "cross_entropy", "one sample", loss(np.array(2)), ((3,),), SMOOTH
    for reduction in ("mean", "sum", "none"):
        yield "mse_loss", reduction, lambda x, y, r=reduction: F.mse_loss(x, y, reduction=r), (logits, logits), SMOOTH
