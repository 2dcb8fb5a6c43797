"""Losses and log_softmax."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ... import functional as F
from ...tensor import Tensor
from .operation import LINEAR, SMOOTH


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
    yield "nll_loss", "", lambda x: F.nll_loss(x, labels), (logits,), LINEAR
    yield "nll_loss", "weight, ignore_index", lambda x: F.nll_loss(x, ignoring, weight), (logits,), LINEAR
    yield ("nll_loss", "none, one label a pixel", lambda x: F.nll_loss(x, pixels, reduction="none"), ((2, 3, 2, 2),),
           LINEAR)
    for reduction in ("mean", "sum", "none"):
        yield "mse_loss", reduction, lambda x, y, r=reduction: F.mse_loss(x, y, reduction=r), (logits, logits), SMOOTH
    for loss_of_numbers, options in (
            (F.l1_loss, {}), (F.huber_loss, {"delta": 0.7}), (F.smooth_l1_loss, {"beta": 0.7})):
        for reduction in ("mean", "sum", "none"):
            def loss_of(x, y, function=loss_of_numbers, options=options, reduction=reduction):
                return function(x, y, reduction=reduction, **options)
            yield loss_of_numbers.__name__, reduction, loss_of, (logits, logits), SMOOTH


def losses_of_probabilities(rng: np.random.Generator) -> Iterator[tuple]:
    shape, weight, positive = (4, 3), rng.uniform(0.5, 2, (4, 3)), rng.uniform(0.5, 2, 3)

    def from_0_to_1(x):
        return F.sigmoid(x) * 0.8 + 0.1

    for reduction in ("mean", "sum", "none"):
        def binary(x, t, reduction=reduction):
            return F.binary_cross_entropy(from_0_to_1(x), from_0_to_1(t), weight, reduction=reduction)

        def logits(x, t, reduction=reduction):
            return F.binary_cross_entropy_with_logits(x, t, weight, reduction=reduction, pos_weight=positive)

        yield "binary_cross_entropy", reduction, binary, (shape, shape), SMOOTH
        yield "binary_cross_entropy_with_logits", reduction, logits, (shape, shape), SMOOTH
    yield ("binary_cross_entropy_with_logits", "no weight", F.binary_cross_entropy_with_logits, (shape, shape), SMOOTH)
    for reduction in ("mean", "batchmean", "sum", "none"):
        def divergence(x, t, reduction=reduction):
            return F.kl_div(x, Tensor.exp(t), reduction=reduction)

        yield "kl_div", reduction, divergence, (shape, shape), SMOOTH
    yield "kl_div", "log_target", lambda x, t: F.kl_div(x, t, log_target=True), (shape, shape), SMOOTH
