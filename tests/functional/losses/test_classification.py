"""cross_entropy, nll_loss and mse_loss by hand, and the labels and shapes that they refuse."""

import numpy as np
import pytest
from scipy.special import log_softmax as scipy_log_softmax

from minicnn import Tensor
from minicnn import functional as F
from tests.functional.losses.test_elements import reduce_by_hand
from tests.functional.test_range import gradient
from tests.reference import ORDERS, assert_gradients

INF, NAN = np.inf, np.nan
WEIGHT = np.array([0.5, 2.0, 0.0])
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
    (lambda x: F.cross_entropy(x, [[1, 2], [3]]), "the target must be an array, and this list is none: its parts have"),
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


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("options", [{}, {"weight": WEIGHT}, {"ignore_index": 1},
                                     {"weight": WEIGHT, "ignore_index": 1}])
def test_nll_loss_by_loops(options, reduction, rng):
    x, y = rng.standard_normal((4, 3, 2, 2)), rng.integers(0, 3, (4, 2, 2))
    w, losses, weights = options.get("weight", np.ones(3)), np.zeros(y.shape), np.zeros(y.shape)
    for place in np.ndindex(y.shape):
        label = y[place]
        if label != options.get("ignore_index"):
            weights[place] = w[label]
            losses[place] = -w[label] * x[place[0], label, place[1], place[2]]
    right = reduce_by_hand(losses, reduction, weights.sum())
    for order in [lambda a: a, *ORDERS]:
        found = F.nll_loss(order(x), y, reduction=reduction, **options)
        np.testing.assert_allclose(found.data, right, rtol=1e-13, atol=1e-15)
    assert_gradients(lambda t: F.nll_loss(t, y, reduction=reduction, **options), [x], rng)


def test_nll_loss_of_log_softmax_is_cross_entropy(rng):
    x, y = rng.standard_normal((5, 4)), rng.integers(0, 4, 5)
    assert F.nll_loss(F.log_softmax(x), y).item() == pytest.approx(F.cross_entropy(x, y).item(), rel=1e-14)
    assert F.nll_loss(x[0], np.array(2)).item() == -x[0, 2]


def test_what_nll_loss_does_not_count():
    x = np.array([[-INF, -1.0], [NAN, -2.0], [-3.0, INF]])
    found, slope = gradient(lambda x: F.nll_loss(x, [0, -100, 0], [0.0, 1.0], reduction="sum"), x)
    assert found == 0 and not slope.any()
    found, slope = gradient(lambda x: F.nll_loss(x, [1, -100, 0]), x)
    assert found == 2 and slope.tolist() == [[0, -0.5], [0, 0], [-0.5, 0]]
    _, slope = gradient(lambda x: F.nll_loss(x, [1, 0, 0], reduction="none"), x, [0, 0, INF])
    assert slope.tolist() == [[0, 0], [0, 0], [-INF, 0]]
    for target, options in ([-100] * 3, {}), ([0] * 3, {"weight": [0.0, 1.0]}):
        assert np.isnan(F.nll_loss(x, target, **options).item())


@pytest.mark.parametrize(("call", "message"), [
    (lambda x: F.nll_loss(x, [0, 1, 3]), r"nll_loss: the label 3 at \(2,\) is not one of the 3 classes 0..2"),
    (lambda x: F.nll_loss(x, [0, 1]), r"nll_loss: for an input of shape \(3, 3\) the class indices must be"),
    (lambda x: F.nll_loss(x, [[1, 2], [3]]), "nll_loss: the target must be an array, and this list is none"),
    (lambda x: F.nll_loss(x, np.eye(3)), "nll_loss: .* must be integers of shape .*, not float64 of shape"),
    (lambda x: F.nll_loss(x, Tensor([0, 1, 2])), "nll_loss: the target has the shape of class indices but is floating"),
    (lambda x: F.nll_loss(x, [0, 1, 2], np.ones(2)), r"nll_loss: weight must have shape \(3,\), one for each class"),
    (lambda x: F.nll_loss(x, [0, 1, 2], x[0]), "nll_loss: weight requires a gradient, but has none"),
    (lambda x: F.nll_loss(x, [0, 1, 2], ignore_index=0.5), "nll_loss: ignore_index must be an integer, not 0.5"),
    (lambda x: F.nll_loss(x, [0, 1, 2], reduction="max"), "nll_loss: reduction must be one of 'mean', 'sum', 'none'"),
    (lambda x: F.nll_loss(x[0, 0], 1), r"nll_loss: the input must have shape \(classes,\) or \(N, classes, ...\)"),
])
def test_what_nll_loss_refuses(call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call(Tensor(np.ones((3, 3)), requires_grad=True))
