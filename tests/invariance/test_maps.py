"""Invariance: places, consistency by counting against all pairs, pools under shifts, and networks side by side."""

import json

import numpy as np
import pytest

from minicnn import Tensor, nn
from minicnn import functional as F
from minicnn.cli.main import main
from minicnn.data import load, normalize, shift_images
from minicnn.data.placement import place, placements
from minicnn.invariance import (
    Shifts,
    compare_models,
    compare_pools,
    comparison_table,
    consistency,
    convolution_parameters,
    dense_parameters,
    invariance_map,
    parameter_argument,
    relative_change,
)
from minicnn.invariance.pooling import HALVING, MOVES, blurred_bar, on_torus, torus_change, window_change
from minicnn.models import MLP, MODELS, GlobalLeNet, LeNet, lenet
from minicnn.viz import invariance_map as draw_map
from minicnn.viz import model_comparison, new_figure, save


@pytest.fixture(scope="module")
def digits():
    data = load("mnist5k")
    return data.val_images, data.val_labels


def linear(rng, view, classes=4):
    """A classifier of normalised images of view x view pixels, as a function of arrays."""
    weight = rng.standard_normal((view * view, classes))
    return lambda x: x.reshape(len(x), -1) @ weight


# Places.

def test_all_placements_are_there_once_in_order():
    offsets = placements()
    assert offsets.tolist() == [[y, x] for y in range(11) for x in range(11)]
    assert placements(3, 3).tolist() == [[0, 0]]


def test_place_against_a_loop(rng):
    images = rng.integers(0, 256, (4, 3, 5), dtype=np.uint8)
    offsets = np.array([[0, 0], [4, 3], [1, 2], [3, 0]])
    out = place(images, (7, 8), offsets)
    assert out.shape == (4, 7, 8) and out.dtype == np.uint8
    for image, (y, x), result in zip(images, offsets, out, strict=True):
        expected = np.zeros((7, 8), np.uint8)
        expected[y:y + 3, x:x + 5] = image
        np.testing.assert_array_equal(result, expected)
    np.testing.assert_array_equal(place(images, (7, 8), (4, 3))[1], out[1])


@pytest.mark.parametrize("view", [28, 34, 38, 70])
def test_shifts_against_shift_images(view, digits):
    images, shifts = digits[0][:3], Shifts(5, view)
    for dy, dx in ((0, 0), (5, -5), (-3, 2), (-5, 0)):
        margin = max(0, view - 28) // 2
        padded = np.pad(images, ((0, 0), (margin, margin), (margin, margin)))
        np.testing.assert_array_equal(shifts.images(images, dy, dx), shift_images(padded, np.full((3, 2), (dy, dx))))


def test_ink_lost(digits):
    assert not Shifts(5, 38).ink_lost(digits[0][:20]).any()
    lost = Shifts(5, 28).ink_lost(digits[0])
    moved = shift_images(digits[0], np.full((len(digits[0]), 2), (-5, 4)))
    assert lost[0, 9] == pytest.approx(1 - moved.sum() / digits[0].sum(), rel=1e-12)
    assert lost[5, 5] == 0 and 0.005 < lost[0, 5] < 0.04        # the margin of MNIST is about 4 pixels


def test_the_shift_model_is_told_in_words():
    assert "moved by -5..5 each way (121 places)" in str(Shifts()) and "all of it in view" in str(Shifts())
    assert "seen are 28x28 pixels, the rest is cut off" in str(Shifts(view=28))


def test_distance_and_parity():
    shifts = Shifts(2)
    assert shifts.distance.tolist() == [[2] * 5, [2, 1, 1, 1, 2], [2, 1, 0, 1, 2], [2, 1, 1, 1, 2], [2] * 5]
    even, other = shifts.parity["both even"], shifts.parity["otherwise"]
    assert even.tolist() == [[1, 0, 1, 0, 1], [0] * 5, [1, 0, 0, 0, 1], [0] * 5, [1, 0, 1, 0, 1]]
    assert other.tolist() == [[0, 1, 0, 1, 0], [1, 0, 0, 0, 1], [0] * 5, [1, 0, 0, 0, 1], [0, 1, 0, 1, 0]]
    for distance in (2, 4):
        ring = Shifts(5).distance == distance
        assert all((mask & ring).sum() == ring.sum() / 2 for mask in Shifts(5).parity.values())


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
    lines = []
    found = invariance_map(classify, images, labels, shifts, features, tell=lines.append)
    x = normalize(shifts.images(images, 0, 0))
    for i, j in ((0, 0), (3, 3), (2, 6)):
        y = normalize(shifts.images(images, i - 3, j - 3))
        classes = classify(y).argmax(1)
        assert found.accuracy[i, j] == (classes == labels).mean()
        assert found.same_class[i, j] == (classes == classify(x).argmax(1)).mean()
        f, g = features(x).astype(float), features(y).astype(float)
        assert found.feature_distance[i, j] == pytest.approx(np.sqrt(((g - f) ** 2).sum() / (f ** 2).sum()))
    assert found.accuracy.shape == (7, 7) and found.same_class[3, 3] == 1 and found.feature_distance[3, 3] == 0
    assert len(lines) == 7 and lines[0].startswith("dy = -3: accuracy")
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


# What is invariant, and what is not.

def test_a_global_max_pool_is_exactly_invariant_where_all_windows_stay_in_view(rng):
    """At all 121 places, to the last bit: 8 pixels of digit, and 5 + 16 pixels of black around them."""
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


def roll_pool(name, x):
    """The pools on the torus from np.roll alone."""
    taps = {"max-pool, blur-pool 3": [1, 2, 1], "max-pool, blur-pool 4": [1, 3, 3, 1]}
    four = [np.roll(x, (-i, -j), (-2, -1)) for i in (0, 1) for j in (0, 1)]
    if name == "average-pool":
        return np.mean(four, 0)[..., ::2, ::2]
    if name == "global max-pool":
        return x.max((-2, -1), keepdims=True)
    out = np.max(four, 0)
    for axis in (-2, -1) if name in taps else ():
        out = sum(t * np.roll(out, 1 - i, axis) for i, t in enumerate(taps[name])) / sum(taps[name])
    return out[..., ::2, ::2]


@pytest.mark.parametrize("name", HALVING)
def test_pools_on_the_torus(name, rng):
    x = rng.standard_normal((2, 3, 12, 10))
    np.testing.assert_allclose(on_torus(HALVING[name], x), roll_pool(name, x), rtol=1e-12, atol=1e-14)
    for by in [*MOVES, (4, -6), (-1, 3)]:
        even = by[0] % 2 == by[1] % 2 == 0
        change = torus_change(HALVING[name], x, by)
        assert change == 0 if even or name == "global max-pool" else change > 0.1, by


def test_blurring_helps_a_bar():
    change = {name: torus_change(pool, blurred_bar(), (1, 1)) for name, pool in HALVING.items()}
    expected = {"max-pool": 0.3989, "max-pool, blur-pool 3": 0.3608, "max-pool, blur-pool 4": 0.3503}
    for name, value in expected.items():
        assert change[name] == pytest.approx(value, abs=5e-5)
        x = blurred_bar()
        still, moved = (roll_pool(name, array) for array in (x, np.roll(x, (1, 1), (-2, -1))))
        assert change[name] == pytest.approx(np.linalg.norm(moved - still) / np.linalg.norm(still), rel=1e-12)


def test_pools_on_features_of_the_trained_lenet(digits):
    rows = compare_pools(digits[0][:8])
    assert len(rows) == 3 * len(HALVING) and len({row.of for row in rows}) == 3
    assert "rolled as on a torus" in rows[5].of and str(Shifts(2, 64)) in rows[-1].of
    assert all(row.even == 0 for row in rows)
    for start in (0, 5, 10):
        odd = {row.pool: row.odd for row in rows[start:start + 5]}
        assert odd["global max-pool"] == 0
        assert odd["max-pool"] > odd["max-pool, blur-pool 3"] > odd["max-pool, blur-pool 4"] > 0.1


def test_windows_are_compared_without_their_edges(rng):
    x = rng.standard_normal((1, 2, 26, 26))
    for name, pool in HALVING.items():
        if name == "global max-pool":
            continue
        assert window_change(pool, x[..., 2:24, 2:24], x[..., :22, 2:24], (2, 0)) == 0
        assert window_change(pool, x[..., 2:24, 2:24], x[..., 1:23, 2:24], (1, 0)) > 0.1


# The models.

@pytest.mark.parametrize("pool", ["max", "average", "blur"])
def test_the_pools_of_the_lenet(pool, rng):
    model, plain = LeNet(pool=pool, rng=np.random.default_rng(0)), LeNet(rng=np.random.default_rng(0))
    assert {k: v.shape for k, v in model.state_dict().items()} == {k: v.shape for k, v in plain.state_dict().items()}
    assert all((v == plain.state_dict()[k]).all() for k, v in model.state_dict().items())
    x = Tensor(rng.standard_normal((2, 1, 28, 28)).astype(np.float32))
    pooled = {"max": lambda f: F.max_pool2d(f, 2), "average": lambda f: F.avg_pool2d(f, 2),
              "blur": lambda f: F.blur_pool2d(F.max_pool2d(f, 2, 1), 4, 2)}[pool](plain.features(x))
    np.testing.assert_array_equal(model(x).data, F.linear(F.flatten(pooled, 1), plain.fc1.weight, plain.fc1.bias).data)


def test_the_lenet_as_it_was():
    model = LeNet()
    assert [name for name, _ in model.named_modules()] == [
        "", "conv1", "relu1", "conv2", "relu2", "conv3", "relu3", "conv4", "relu4", "pool", "fc1"]
    assert repr(model.pool) == "MaxPool2d(kernel_size=2, stride=2, padding=0)"


def test_the_global_lenet(rng):
    model = GlobalLeNet(rng=rng)
    assert sum(p.size for p in model.parameters()) == 70_610
    x = Tensor(rng.standard_normal((2, 1, 20, 31)).astype(np.float32))
    assert model.features(x).shape == (2, 10, 4, 15)
    np.testing.assert_array_equal(model(x).data, model.features(x).data.max((-1, -2)))
    model(x).sum().backward()
    assert all(np.abs(p.grad).sum() > 0 for p in model.parameters())


def test_the_command_line_knows_all_models(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert set(MODELS) == {"lenet", "lenet-average", "lenet-blur", "lenet-global", "mlp"}
    assert main(["info", "--model", "lenet-blur", "--json"]) == 0
    layers = {layer["name"]: layer for layer in json.loads(capsys.readouterr().out)}
    assert layers["pool.0"]["receptive_field"] == 18 and layers["pool.1"]["receptive_field"] == 21
    assert layers["pool.1"]["out_shape"] == [5, 6, 6]
    training = ["train", "--dataset", "mnist5k", "--model", "lenet-global", "--dry-run", "--quiet", "--out", "run"]
    assert main(training) == 0
    assert main(["eval", "run", "--json"]) == 0
    assert '"model": "lenet-global"' in capsys.readouterr().out


def test_compare_models_quickly():
    lines = []
    found, = compare_models(["mlp"], epochs=2, seeds=(1, 2), images=60, reach=2, tell=lines.append)
    again, = compare_models(["mlp"], epochs=2, seeds=(1, 2), images=60, reach=2)
    assert found.as_dict() == again.as_dict() and json.dumps(found.as_dict())
    assert len(found.maps) == 2 and found.shifts == Shifts(2, 28) and found.parameters == 66_790
    assert found.accuracy == pytest.approx(np.mean([[place["accuracy"] for place in m.by_distance()]
                                                    for m in found.maps], 0))
    assert found.consistency == pytest.approx(np.mean([m.consistency for m in found.maps]))
    assert [line.partition(":")[0] for line in lines] == ["MLP, seed 1", "MLP, seed 2", "MLP, 28x28"]
    header, rows = comparison_table([found])
    assert header == ["network, sees", "parameters", "0 px", "1 px", "2 px", "consistency"]
    assert rows[0][:3] == ["MLP, 28x28", "66,790", f"{100 * found.accuracy[0]:.1f}"] and len(rows[0]) == len(header)


@pytest.mark.slow
def test_the_argument_of_the_article():
    """Away from the middle the MLP is lost first, then the LeNet; a global pool on the whole canvas does not mind."""
    mlp, local, framed, whole = compare_models(epochs=3, images=60)
    assert [r.shifts.view for r in (mlp, local, framed, whole)] == [28, 28, 28, 38]
    assert min(r.accuracy[0] for r in (mlp, local, framed, whole)) > 0.8
    assert mlp.accuracy[2] < local.accuracy[2] - 0.1 < framed.accuracy[2]
    assert local.accuracy[5] < framed.accuracy[5] - 0.3
    assert mlp.consistency < local.consistency < framed.consistency < whole.consistency
    assert whole.consistency > 0.97 and abs(whole.accuracy[5] - whole.accuracy[0]) < 0.03


# Counting weights.

def test_the_argument_of_the_parameters():
    assert dense_parameters() == 400 * 400 * 3 * 500 == 240_000_000
    assert convolution_parameters() == nn.Conv2d(3, 20, 5, bias=False).weight.size == 1_500
    assert convolution_parameters(bias=True) == sum(p.size for p in nn.Conv2d(3, 20, 5).parameters()) == 1_520
    assert dense_parameters(2, 3, 4, 5, bias=True) == sum(p.size for p in nn.Linear(24, 5).parameters())
    assert "240 000 000 weights" in parameter_argument() and "1 520, for any image size" in parameter_argument()


# Pictures.

@pytest.fixture(scope="module")
def some_map(digits):
    return invariance_map(MLP(8, rng=np.random.default_rng(0)), digits[0][:9], digits[1][:9], Shifts(2, 28))


@pytest.mark.parametrize("quantity", ["accuracy", "same_class", "feature_distance"])
def test_picture_of_a_map(quantity, some_map, tmp_path):
    figure, ax = new_figure(5, 5)
    assert draw_map(some_map, ax, quantity) is ax
    np.testing.assert_allclose(ax.images[0].get_array(), 100 * getattr(some_map, quantity))
    assert len(ax.texts) == 25 and len(ax.lines) == 9             # a number in every cell, a frame where both are even
    assert "9 digits" in ax.get_title() and "dx (pixels" in ax.get_xlabel() and "cut off" in ax.get_xlabel()
    save(figure, tmp_path / "map.png")
    assert draw_map(some_map, new_figure()[1], title="mine").get_title() == "mine"


def test_picture_of_the_comparison(tmp_path):
    results = compare_models(["mlp"], epochs=1, images=20, reach=1)
    figure, ax = new_figure()
    assert model_comparison(results, ax) is ax
    np.testing.assert_allclose(ax.lines[0].get_ydata(), 100 * results[0].accuracy)
    assert "MLP, 28x28 pixels (consistency" in ax.get_legend().get_texts()[0].get_text()
    save(figure, tmp_path / "comparison.png")


# Errors.

IMAGES = np.zeros((2, 28, 28), np.uint8)
LABELS = np.zeros(2, int)


@pytest.mark.parametrize(("call", "message"), [
    (lambda: placements(28, 27), "placements: a digit of 28 pixels does not fit on a canvas of 27: give 1 <= digit"),
    (lambda: place(IMAGES[0], 38, (0, 0)), r"place: the images must have shape \(n, H, W\), not \(28, 28\)"),
    (lambda: place(IMAGES, 38, (0.0, 0.0)), r"place: the offsets must be integers of shape \(2,\) or \(2, 2\), not fl"),
    (lambda: place(IMAGES, 38, [[1, 2, 3]]), r"offsets must be integers .*, not int64 of shape \(1, 3\)"),
    (lambda: place(IMAGES, 38, [[0, 0], [3, 11]]), r"place: a digit of shape \(28, 28\) at \(3, 11\) does not lie on a "
                                                   r"canvas of shape \(38, 38\): offsets go from 0 to \(10, 10\)"),
    (lambda: place(IMAGES, 38, (-1, 0)), r"at \(-1, 0\) does not lie on a canvas"),
    (lambda: place(IMAGES, 0, (0, 0)), "place: canvas must be an integer or a pair of integers of at least 1, not 0"),
    (lambda: Shifts(-1), "Shifts: reach -1, view 38, digit 28: the reach must be at least 0"),
    (lambda: Shifts(1, 26), "Shifts: reach 1, view 26, digit 28"),
    (lambda: Shifts(1, 29), "the view the digit's size plus an even number, so that there is a middle"),
    (lambda: Shifts().images(np.zeros((2, 27, 28)), 0, 0), r"Shifts: the images must have shape \(n, 28, 28\), not"),
    (lambda: invariance_map(linear, IMAGES, LABELS[:1]), "invariance_map: images .* and labels .*: one label an im"),
    (lambda: invariance_map(linear, IMAGES[:0], LABELS[:0]), "and at least one image"),
    (lambda: invariance_map(lambda x: x, IMAGES, LABELS), r"invariance_map: classify returned shape \(2, 1, 38, 38\) "
                                                          r"for images \(2, 1, 38, 38\): it must be \(2, classes\)"),
    (lambda: consistency(LeNet(), IMAGES), r"LeNet: the linear layer needs images \(N, 1, 28, 28\), not \(2, 1, 38"),
    (lambda: consistency(lambda x: x[:, 0, 0], IMAGES.astype(float)), "normalize: float64"),
    (lambda: on_torus(HALVING["max-pool"], np.zeros((1, 1, 5, 4))), "on_torus: maps of 5x4 pixels; a stride of 2 nee"),
    (lambda: LeNet(pool="median"), "LeNet: pool must be one of 'max', 'average', 'blur', not 'median'"),
    (lambda: GlobalLeNet()(Tensor(np.zeros((1, 1, 16, 28)))), r"GlobalLeNet: images \(N, 1, H, W\) of at least 17x17"),
    (lambda: GlobalLeNet()(Tensor(np.zeros((1, 3, 28, 28)))), r"are needed, not \(1, 3, 28, 28\)"),
    (lambda: compare_models(["vgg"]), r"compare_models: models must be some of lenet, .*, not \['vgg'\]"),
    (lambda: compare_models([]), "compare_models: models must be some of"),
    (lambda: compare_models(seeds=()), r"compare_models: at least one seed and one image are needed, not seeds="),
    (lambda: compare_models(images=0), "images=0"),
    (lambda: draw_map(None, None, "colour"), "invariance_map: quantity must be one of accuracy, .*'colour'"),
    (lambda: model_comparison([], None), "model_comparison: 0 results; give 1 to 8"),
])
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
