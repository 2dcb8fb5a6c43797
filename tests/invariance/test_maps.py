"""Consistency against a count of all pairs, maps against their definition, and networks that are invariant."""

import json

import numpy as np
import pytest

from minicnn import nn
from minicnn.data import load, normalize
from minicnn.errors import InputError
from minicnn.invariance import (
    Shifts,
    consistency,
    convolution_parameters,
    dense_parameters,
    invariance_map,
    parameter_argument,
    relative_change,
)
from minicnn.models import GlobalLeNet, LeNet, lenet
from tests.recorder import Recorder


@pytest.fixture(scope="module")
def digits():
    data = load("mnist5k")
    return data.val_images, data.val_labels


def linear(rng, view, classes=4):
    """A classifier of normalised images of view x view pixels, as a function of arrays."""
    weight = rng.standard_normal((view * view, classes))
    return lambda x: x.reshape(len(x), -1) @ weight


# Consistency and maps.

def test_consistency_is_that_of_all_pairs(rng, digits):
    images, shifts = digits[0][:7], Shifts(2, 28)
    classify = linear(rng, 28)
    classes = np.array([classify(normalize(shifts.images(images, dy, dx))).argmax(1)
                        for dy in range(-2, 3) for dx in range(-2, 3)])               # (places, images)
    pairs = [(a == b).mean() for a in classes for b in classes]
    found = consistency(classify, images, shifts)
    assert len(set(classes.ravel())) > 1 and 0 < found.value < 1
    assert found.value == pytest.approx(np.mean(pairs), rel=1e-12) and float(found) == found.value
    assert str(shifts) in str(found) and "7 images" in str(found)


def test_a_constant_is_consistent(digits):
    assert consistency(lambda x: np.tile([0.0, 1.0], (len(x), 1)), digits[0][:3], Shifts(1)).value == 1


def test_map_against_its_definition(rng, digits):
    images, labels, shifts = digits[0][:5], np.array([0, 1, 2, 3, 1]), Shifts(3, 30)
    classify, features = linear(rng, 30), lambda x: x[:, :, 3:-3, 5:]
    told = Recorder()
    found = invariance_map(classify, images, labels, shifts, features, told)
    x = normalize(shifts.images(images, 0, 0))
    for i, j in ((0, 0), (3, 3), (2, 6)):
        y = normalize(shifts.images(images, i - 3, j - 3))
        classes = classify(y).argmax(1)
        assert found.accuracy[i, j] == (classes == labels).mean()
        assert found.same_class[i, j] == (classes == classify(x).argmax(1)).mean()
        f, g = features(x).astype(float), features(y).astype(float)
        assert found.feature_distance[i, j] == pytest.approx(np.sqrt(((g - f) ** 2).sum() / (f ** 2).sum()))
    assert found.accuracy.shape == (7, 7) and found.same_class[3, 3] == 1 and found.feature_distance[3, 3] == 0
    assert [(done, total) for done, total, _ in told.updates] == [(done, 7) for done in range(1, 8)]
    assert told.updates[0][2] == f"dy = -3: accuracy {found.accuracy[0].mean():.1%}"
    ring = found.by_distance()[1]
    middle = found.accuracy[2:5, 2:5]
    assert ring["places"] == 8 and ring["accuracy"] == pytest.approx((middle.sum() - middle[1, 1]) / 8)
    assert {name: part["places"] for name, part in found.by_parity().items()} == {"both even": 8, "otherwise": 8}
    record = json.loads(json.dumps(found.as_dict()))
    assert record["shift_model"] == str(shifts) and record["images"] == 5 and len(record["by_distance"]) == 4


def test_modes_are_put_back_and_dropout_is_off(digits):
    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.Flatten(), nn.Dropout(0.5, rng=rng), nn.Linear(784, 10, rng=rng))
    model[1].eval()
    found = [invariance_map(model, digits[0][:4], digits[1][:4], Shifts(1, 28)) for _ in range(2)]
    np.testing.assert_array_equal(found[0].feature_distance, found[1].feature_distance)
    assert model.training and not model[1].training and model[2].training
    bound = LeNet(rng=rng)
    invariance_map(lambda x: x[:, 0, 0, :2], digits[0][:1], digits[1][:1], Shifts(0, 28), bound.features)
    assert bound.training


def test_relative_change_of_nothing():
    assert relative_change(np.zeros(2), np.zeros(2)) == 0 and relative_change(np.ones(2), np.zeros(2)) == np.inf


# Networks that are invariant, and networks that are not.

def test_a_global_max_pool_is_exactly_invariant_where_all_windows_stay_in_view(rng):
    """At all 121 places, to the last bit: 8 pixels of digit, and 5 + 16 black pixels around them."""
    images = rng.integers(1, 256, (2, 8, 8), dtype=np.uint8)
    model = GlobalLeNet(algorithm="direct", rng=rng)
    found = invariance_map(model, images, np.zeros(2, int), Shifts(5, 8 + 10 + 32, digit=8))
    assert found.classes.shape == (11, 11, 2)
    assert not found.feature_distance.any() and found.consistency == 1 and (found.same_class == 1).all()


def test_without_that_much_black_it_is_not(rng):
    images = rng.integers(1, 256, (2, 8, 8), dtype=np.uint8)
    found = invariance_map(GlobalLeNet(algorithm="direct", rng=rng), images, np.zeros(2, int), Shifts(5, 18, digit=8))
    assert found.feature_distance.max() > 1e-3


def test_the_linear_layer_of_the_lenet_is_not_invariant_and_its_largest_features_are(digits):
    model = lenet(pretrained=True, algorithm="direct")           # trained on digits moved by up to 2 pixels
    images, labels = digits[0][:30], digits[1][:30]
    found = invariance_map(model, images, labels, Shifts(4, 28))
    rings = found.by_distance()
    assert rings[0]["accuracy"] > 0.95 and rings[4]["accuracy"] < rings[0]["accuracy"] - 0.1
    assert rings[1]["feature_distance"] > 0.05 and rings[4]["feature_distance"] > 0.3 and found.consistency < 0.9
    largest = invariance_map(lambda x: model.features(x).data.max((-1, -2)), images[:2], labels[:2], Shifts(1, 62))
    assert not largest.feature_distance.any()


# Counting weights.

def test_the_argument_of_the_parameters():
    assert dense_parameters() == 400 * 400 * 3 * 500 == 240_000_000
    assert convolution_parameters() == nn.Conv2d(3, 20, 5, bias=False).weight.size == 1_500
    assert convolution_parameters(bias=True) == sum(p.size for p in nn.Conv2d(3, 20, 5).parameters()) == 1_520
    assert dense_parameters(2, 3, 4, 5, bias=True) == sum(p.size for p in nn.Linear(24, 5).parameters())
    assert "240,000,000 weights" in parameter_argument() and "1,520, for any image size" in parameter_argument()


# Errors.

IMAGES = np.zeros((2, 28, 28), np.uint8)
LABELS = np.zeros(2, int)


@pytest.mark.parametrize(("call", "message"), [
    (lambda: invariance_map(linear, IMAGES, LABELS[:1]), "invariance_map: images .* and labels .*: one label an im"),
    (lambda: invariance_map(linear, IMAGES[:0], LABELS[:0]), "and at least one image"),
    (lambda: invariance_map(lambda x: x, IMAGES, LABELS), r"invariance_map: classify returned shape \(2, 1, 38, 38\) "
                                                          r"for images \(2, 1, 38, 38\): it must be \(2, classes\)"),
    (lambda: consistency(LeNet(), IMAGES), r"LeNet: the linear layer needs images \(N, 1, 28, 28\), not \(2, 1, 38"),
    (lambda: consistency(lambda x: x[:, 0, 0], IMAGES.astype(float)), "normalize: float64"),
])
def test_bad_input_is_named(call, message):
    with pytest.raises(InputError, match=message):
        call()
