"""Losses against values computed by hand, and the labels and shapes that they refuse."""

import numpy as np
import pytest
from scipy.special import log_softmax as scipy_log_softmax

from minicnn import Tensor
from minicnn import functional as F

LABELS = np.array([2, 0, 1, 2])


def test_cross_entropy_by_hand(rng):
    x, w = rng.standard_normal((4, 3)), np.array([1.0, 2.0, 5.0])
    log_p = scipy_log_softmax(x, axis=1)
    picked = -log_p[np.arange(4), LABELS]
    assert F.cross_entropy(Tensor(x), LABELS).item() == pytest.approx(picked.mean())
    assert F.cross_entropy(Tensor(x), LABELS, w).item() == pytest.approx((picked * w[LABELS]).sum() / w[LABELS].sum())
    assert F.cross_entropy(Tensor(x), LABELS, ignore_index=2).item() == pytest.approx(picked[1:3].mean())
    one_hot = np.eye(3)[LABELS]
    assert F.cross_entropy(Tensor(x), one_hot).item() == pytest.approx(picked.mean())
    assert F.cross_entropy(Tensor(x), LABELS, label_smoothing=0.3).item() == pytest.approx(
        -((0.7 * one_hot + 0.1) * log_p).sum(1).mean())
    with np.errstate(invalid="ignore"):
        assert np.isnan(F.cross_entropy(Tensor(x), np.full(4, -100)).item())


def test_mse_loss_by_hand(rng):
    x, y = rng.standard_normal((2, 3, 4))
    squares = np.array([[(a - b) ** 2 for a, b in zip(*rows, strict=True)] for rows in zip(x, y, strict=True)])
    for reduction, value in (("none", squares), ("sum", squares.sum()), ("mean", squares.sum() / 12)):
        np.testing.assert_allclose(F.mse_loss(Tensor(x), Tensor(y), reduction).data, value, rtol=1e-13)


@pytest.mark.parametrize(("call", "message"), [
    (lambda x: F.mse_loss(x, np.ones(3)), "mse_loss: the input has shape"),
    (lambda x: F.mse_loss(x, x, "max"), "mse_loss: reduction must be"),
    (lambda x: F.cross_entropy(x[0, 0], np.array([0, 1, 2, 3, 4, 6])), r"the label 6 at \(5,\) is not one of the 6 cl"),
    (lambda x: F.cross_entropy(x[0, 0], np.array([0, -1, 2, 3, 4, 5])), r"the label -1 at \(1,\)"),
    (lambda x: F.cross_entropy(x[0, 0], np.array([0, 1])), "the class indices must be integers of shape"),
    (lambda x: F.cross_entropy(x[0, 0], np.ones((6, 2))), "probabilities must have the input's shape"),
    (lambda x: F.cross_entropy(x[0, 0], x.data[0, 0] / 6, ignore_index=1), "ignore_index=1 ignores samples"),
    (lambda x: F.cross_entropy(x[0, 0], Tensor(np.zeros(6, int))), "give the indices as an array of integers"),
    (lambda x: F.cross_entropy(x[0, 0], np.zeros(6, int), np.ones(2)), "weight must have shape"),
    (lambda x: F.cross_entropy(x[0, 0], np.zeros(6, int), np.ones(6, complex)), "not complex128"),
    (lambda x: F.cross_entropy(x[0, 0], np.zeros(6, int), "a"), "not <U1: convert the data first"),
    (lambda x: F.cross_entropy(x[0, 0], np.zeros(6, int), reduction="max"), "reduction must be"),
    (lambda x: F.cross_entropy(x[0, 0], np.zeros(6, int), label_smoothing=2), "label_smoothing must be"),
])
def test_bad_input_is_named(call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call(Tensor(np.ones((2, 2, 6, 6)), requires_grad=True))


def test_a_loss_that_is_hidden_gives_no_gradient():
    with np.errstate(invalid="ignore"):
        x = Tensor(np.array([[-np.inf, -np.inf], [1.0, 1.0]]), requires_grad=True)
        np.where([False, True], F.cross_entropy(x, np.array([0, 1]), reduction="none"), 0.0).sum().backward()
        np.testing.assert_allclose(x.grad, [[0, 0], [0.5, -0.5]])
        y, target = Tensor(np.array([2.0, 3.0]), requires_grad=True), np.array([1.0, np.nan])
        np.where(np.isnan(target), 0.0, F.mse_loss(y, target, "none")).sum().backward()
    assert y.grad.tolist() == [2.0, 0.0]
