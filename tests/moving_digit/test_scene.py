"""The scene of animate: paths, clusters that keep their meaning, and maps that move exactly with the digit."""

import numpy as np
import pytest

from minicnn.data import load, normalize
from minicnn.data.placement import place, placements
from minicnn.errors import InputError
from minicnn.models import MLP, lenet
from minicnn.moving_digit import LAYERS, PATHS, Clusters, Pictures, Scene, contrasts, feature_map, find_digit, path
from minicnn.moving_digit.figure import MovedMaps, equivariance_figure
from minicnn.moving_digit.moves import Move
from minicnn.moving_digit.scene import fit_clusters, room
from tests.moving_digit.engine import maps_of
from tests.recorder import Recorder


@pytest.fixture(scope="module")
def model():
    return lenet(pretrained=True, algorithm="direct").eval()


@pytest.mark.parametrize("layer", ["conv1", "conv4"])
def test_the_coloured_map_moves_along_exactly_at_all_121_places(layer, model):
    data = load("mnist5k")
    clusters = fit_clusters(model, layer, 6)
    offsets = placements()
    images = place(np.repeat(data.val_images[:1], len(offsets), 0), 38, offsets)
    colours = np.concatenate([clusters(feature_map(model, layer, normalize(images[i:i + 16])))
                              for i in range(0, len(images), 16)])
    first, size = colours[0], colours.shape[1]
    assert len(np.unique(first)) > 2
    for (dy, dx), moved in zip(offsets, colours, strict=True):
        np.testing.assert_array_equal(moved[dy:, dx:], first[:size - dy, :size - dx])


@pytest.mark.parametrize("layer", LAYERS)
def test_feature_map(layer, model):
    image = load("mnist5k").val_images[5]
    found = feature_map(model, layer, normalize(place(image[None], 38, (2, 7))))
    np.testing.assert_array_equal(found[0], maps_of(model, image, 2, 7)[layer])


def test_clusters_are_ordered_by_their_distance_from_an_empty_canvas(model):
    for layer in LAYERS:
        clusters = fit_clusters(model, layer, 6)
        away = clusters.centroids - clusters.centroids[0]
        assert (np.diff((away ** 2).sum(1)) > 0).all()
        empty = feature_map(model, layer, normalize(np.zeros((1, 38, 38), np.uint8)))
        assert not clusters(empty).any()


def test_each_pixel_has_the_nearest_centroid(rng):
    centroids, maps = rng.standard_normal((4, 3)), rng.standard_normal((2, 3, 5, 6))
    found = Clusters(centroids)(maps)
    for n, y, x in np.ndindex(2, 5, 6):
        assert found[n, y, x] == np.argmin(np.linalg.norm(maps[n, :, y, x] - centroids, axis=1))


def test_clusters_are_found_where_they_are(rng):
    centres = np.array([[0.0, 0], [5, 0], [0, 9], [20, 20]])
    which = rng.integers(0, 4, (3, 8, 8))
    maps = (centres[which] + 0.01 * rng.standard_normal((3, 8, 8, 2))).transpose(0, 3, 1, 2)
    clusters = Clusters.fit(maps, np.zeros(2), 4)
    np.testing.assert_allclose(clusters.centroids, centres, atol=0.05)
    np.testing.assert_array_equal(clusters(maps), which)


@pytest.mark.parametrize("digit", range(10))
def test_every_digit_is_seen(digit, model):
    colours = Scene.compute(model, (digit,), "square", canvas=30).maps[0].colours
    assert (colours > 0).mean() > 0.05


@pytest.mark.parametrize("name", PATHS)
def test_paths_stay_on_the_canvas(name):
    for reach in (1, 4, 10):
        steps = path(name, reach)
        assert steps.min() >= 0
        assert steps.max() == reach
    if name in ("circle", "square", "across", "diagonal", "all"):             # nothing jumps
        assert np.abs(np.diff(path(name), axis=0)).max() == 1
    assert path(name, 0).tolist() == [[0, 0]]


def test_the_paths_that_go_there_and_back():
    assert path("across", 2).tolist() == [[1, 0], [1, 1], [1, 2], [1, 1]]
    assert path("diagonal", 2).tolist() == [[0, 0], [1, 1], [2, 2], [1, 1]]


def test_the_path_all_visits_every_place():
    assert sorted(path("all").tolist()) == placements().tolist()


def test_scene(model):
    told = Recorder()
    scene = Scene.compute(model, (4, 9), "square", "conv2", 3, 32, told)
    shown, = scene.maps
    assert scene.images.shape == (32, 32, 32)
    assert shown.colours.shape == shown.moved.shape == (32, 24, 24) and shown.span == 24 and shown.k == 3
    assert shown.largest == 0.0 and (shown.differences == 0).all()
    assert scene.labels.tolist() == 16 * [4] + 16 * [9]
    assert told.updates == [(16, 32, "feature maps"), (32, 32, "feature maps")]
    data = load("mnist5k")
    assert data.val_labels[find_digit(data, 9)] == 9
    clusters, steps = fit_clusters(model, "conv2", 3), path("square", 4)
    for number, (image, label) in enumerate(zip(scene.images, scene.labels, strict=True)):
        y, x = steps[number % 16]
        assert scene.moves[number].by == (y - 2, x - 2)
        expected = np.zeros((32, 32), np.uint8)
        expected[y:y + 28, x:x + 28] = data.val_images[find_digit(data, label)]
        np.testing.assert_array_equal(image, expected)
        if number in (0, 7, 20):
            maps = feature_map(model, "conv2", normalize(image[None]))
            np.testing.assert_array_equal(clusters(maps)[0], shown.colours[number])
        known = ~np.isnan(shown.moved[number])
        assert known.sum() == (24 - abs(y - 2)) * (24 - abs(x - 2))
        np.testing.assert_array_equal(shown.moved[number][known], shown.colours[number][known])
    assert len(Scene.compute(model, (4,), canvas=28).images) == 1


@pytest.mark.parametrize("layer", LAYERS)
def test_the_pattern_does_not_run_out_of_the_map(layer, model):
    scene = Scene.compute(model, (3, 8), "square", layer)
    shown, = scene.maps
    edges = np.concatenate([shown.colours[:, [0, -1]].ravel(), shown.colours[:, :, [0, -1]].ravel()])
    assert (edges == 0).all() and shown.colours.max() == 5
    for y, x in ((-5, -5), (-5, 5), (5, 5), (5, -5)):
        assert any(move.by == (y, x) for move in scene.moves), "the digit moves in all four directions"


@pytest.mark.parametrize(("canvas", "room_"), [(28, (28, 0)), (30, (30, 2)), (38, (38, 10)), (42, (42, 10)),
                                               (46, (46, 10)), (50, (50, 14)), (None, (46, 10))])
def test_room(canvas, room_):
    assert room(Pictures.digits([3]), "conv1", canvas) == room_


def test_the_map_of_a_turned_digit_is_not_the_turned_map(model):
    scene = Scene.compute(model, (3,), "turn", "conv1")
    shown, = scene.maps
    assert len(scene.images) == 40 and shown.differences[0] == 0 and shown.differences[1:].min() > 0.1
    np.testing.assert_array_equal(scene.images[10], np.rot90(scene.images[0]))
    still = feature_map(model, "conv1", normalize(scene.images[:1]))[0]
    turned = feature_map(model, "conv1", normalize(scene.images[10:11]))[0]
    expected = np.abs(turned - np.rot90(still, axes=(1, 2))).max() / np.abs(still).max()
    assert shown.differences[10] == pytest.approx(expected, rel=1e-6)
    np.testing.assert_array_equal(shown.moved[10], fit_clusters(model, "conv1", 6)(
        np.rot90(still, axes=(1, 2))[None])[0])


def test_contrasts_do_not_move_along(model, monkeypatch):
    monkeypatch.setattr(contrasts, "EPOCHS", 1)
    told = Recorder()
    scene = Scene.compute(model, (3,), "circle", "conv1", progress=told, beside=("pool", "mlp"))
    conv, pool, mlp = scene.maps
    assert (conv.title, pool.title, mlp.title) == ("conv1", "2x2 max-pool of conv1", "hidden units of an MLP")
    assert pool.colours.shape[1:] == (21, 21) and pool.span == 42 and mlp.colours.shape[1:] == (20, 20)
    assert (mlp.span, mlp.k, mlp.colours.max()) == (28, None, 1.0)
    even = np.array([move.by[0] % 2 == move.by[1] % 2 == 0 for move in scene.moves])
    assert conv.largest == 0 and (pool.differences[even] == 0).all() and pool.differences[~even].min() > 0.1
    moved = np.array([move.by != (0, 0) for move in scene.moves])
    assert mlp.differences[moved].min() > 0.1
    assert told.updates[-1][:2] == (1, 1) or told.updates[-1][0] == told.updates[-1][1]


def test_the_hidden_units_are_those_of_the_middle():
    model = MLP(400, rng=np.random.default_rng(0))
    images = np.zeros((2, 40, 40), np.uint8)
    images[0, 6:34, 6:34] = load("mnist5k").val_images[0]
    images[1] = images[0]
    images[1, :6] = 255                                 # outside of the middle
    first, second = contrasts.hidden_units(model)(images)[:, 0]
    np.testing.assert_array_equal(first, second)
    pixels = normalize(load("mnist5k").val_images[:1]).reshape(1, -1)
    expected = np.maximum(pixels @ model.fc1.weight.data.T + model.fc1.bias.data, 0).reshape(20, 20)
    np.testing.assert_allclose(first, expected, atol=1e-5)


@pytest.mark.parametrize("by", [(0, 0), (2, -1), (-3, 1), (0, 9), (-9, 0)])
def test_a_shift_is_that_of_the_oracle(by, rng):
    maps, image = rng.standard_normal((2, 5, 6)), rng.integers(1, 256, (5, 6, 3), dtype=np.uint8)
    move = Move(by)
    moved, drawn = move.map(maps), move.image(image)
    assert moved.dtype == np.float64 and drawn.dtype == np.uint8
    for y, x in np.ndindex(5, 6):
        from_y, from_x = y - by[0], x - by[1]
        inside = 0 <= from_y < 5 and 0 <= from_x < 6
        np.testing.assert_array_equal(moved[:, y, x], maps[:, from_y, from_x] if inside else [np.nan] * 2)
        np.testing.assert_array_equal(drawn[y, x], image[from_y, from_x] if inside else [0] * 3)


@pytest.mark.parametrize(("move", "words"), [
    (Move(), "0 down, 0 right"), (Move((-2, 0)), "2 up"), (Move((0, 3)), "3 right"), (Move((4, -1)), "4 down, 1 left"),
    (Move(degrees=22.5), "turned by 22.5°")])
def test_moves_in_words(move, words):
    assert str(move) == words


@pytest.mark.parametrize("layer", LAYERS)
def test_the_moved_map_is_the_map_of_the_moved_digit(layer, model):
    found = MovedMaps.compute(model, 5, layer, (3, 7))
    known = np.isfinite(found.moved)
    assert found.largest == 0.0 and known.sum() == (len(known) - 3) * (len(known) - 7)
    np.testing.assert_array_equal(found.colours[1][known], found.moved[known])
    np.testing.assert_array_equal(found.images[1][3:, 7:], found.images[0][:-3, :-7])


def test_the_figure_shows_these_numbers(model):
    figure, largest = equivariance_figure(model, 5, by=(3, 7))
    found = MovedMaps.compute(model, 5, by=(3, 7))
    assert largest == 0.0
    x1, f1, moved, x2, f2, difference = (np.ma.filled(ax.images[0].get_array(), np.nan) for ax in figure.axes[:6])
    for shown, expected in ((x1, found.images[0]), (x2, found.images[1]), (f1, found.colours[0]),
                            (f2, found.colours[1]), (moved, found.moved), (difference, 100 * found.difference)):
        np.testing.assert_array_equal(shown, expected)
    titles = [ax.get_title() for ax in figure.axes[:6]]
    assert titles == ["$X_1$: a digit", r"$F_1 = \varphi(X_1)$: conv4", r"$T\,F_1$ (dark grey: not known)",
                      r"$X_2 = T\,X_1$: 3 down, 7 right", r"$F_2 = \varphi(X_2)$",
                      r"$|F_2 - T\,F_1|$: exactly 0"]
    assert figure.axes[5].get_xlabel() == f"at the {51 * 47:,} pixels that both maps have"
    arrows = [[text.get_text() for text in ax.texts] for ax in figure.axes[6:]]
    assert arrows == [["", r"$\varphi$"], ["", r"$\varphi$"], ["", "$T$"], ["", "$T$"], ["", ""], ["", ""]]
    bar, = figure.axes[5].child_axes
    assert bar.get_ylabel() == "% of the largest activation" and figure.axes[5].images[0].get_clim() == (0, 100)


@pytest.mark.parametrize("by", [(-2, 3), (2, -3), (-2, -3), (0, 0)])
def test_the_figure_moves_in_all_directions(by, model):
    found = MovedMaps.compute(model, 5, "conv1", by)
    assert found.largest == 0.0 and found.move.by == by
    np.testing.assert_array_equal(found.images[1], Move(by).image(found.images[0]))
    assert found.images[0].sum() == found.images[1].sum(), "no ink is lost"


def test_the_figure_of_a_turn(model):
    figure, largest = equivariance_figure(model, 5, "conv1", degrees=90)
    found = MovedMaps.compute(model, 5, "conv1", degrees=90)
    assert largest == found.largest > 0.5 * found.scale
    np.testing.assert_array_equal(found.images[1], np.rot90(found.images[0]))
    titles = [ax.get_title() for ax in figure.axes[:6]]
    assert titles[2] == r"$T\,F_1$" and titles[3].endswith("turned by 90°")
    np.testing.assert_allclose(np.ma.filled(figure.axes[5].images[0].get_array()),
                               100 * found.difference / found.scale)


def test_the_figure_shows_the_difference_of_an_algorithm_that_rounds():
    figure, largest = equivariance_figure(lenet(pretrained=True, algorithm="fft").eval(), 5)
    assert 0 < largest < 1e-3
    scale = MovedMaps.compute(lenet(pretrained=True, algorithm="fft").eval(), 5).scale
    shown = np.nanmax(np.ma.filled(figure.axes[5].images[0].get_array(), np.nan))
    assert shown == pytest.approx(largest / scale * 2 ** 23), "in eps, for 0 to 100 % would show nothing"
    assert figure.axes[5].child_axes[0].get_ylabel() == "eps of the largest activation"
    assert f"at most {largest:.2g}" in figure.axes[5].get_title()


@pytest.mark.parametrize(("call", "message"), [
    (lambda model: Scene.compute(model, (12,)), "there is no digit 12: choose among 0 to 9"),
    (lambda model: Scene.compute(model, (3,), "spiral"), "path must be one of 'circle', .*, not 'spiral'"),
    (lambda model: Scene.compute(model, (3,), layer="fc1"), "layer must be one of 'conv1', .*, not 'fc1'"),
    (lambda model: Scene.compute(model, (3,), canvas=27), "must be 28 pixels wide, as a digit is, to 200, not 27"),
    (lambda model: Scene.compute(model, (3,), canvas=201), "to 200, not 201"),
    (lambda model: Scene.compute(model, (3,), k=1), "at least 2 clusters are needed, not 1"),
    (lambda model: equivariance_figure(model, by=(11, 3), canvas=38),
     r"cannot move by \(11, 3\) on a canvas of 38: up, down, left and right by at most 10"),
    (lambda model: equivariance_figure(model, by=(0, -43)), r"cannot move by \(0, -43\) on a canvas of 70"),
    (lambda model: Scene.compute(model, (3,), beside=("mlp", "tree")), "beside must be one of 'pool', 'mlp', not 'tre"),
    (lambda model: contrasts.trained_mlp(Pictures.of(load("mnist5k"))), "the MLP .* learns MNIST's digits: leave it"),
    (lambda model: path("all", -1), "path: reach must be an integer of at least 0, not -1"),
    (lambda model: Clusters.fit(np.zeros((1, 2, 3, 3)), np.zeros(2), 3), "too few different activations for 3 clus"),
    (lambda model: Clusters.fit(np.full((1, 2, 3, 3), np.nan), np.zeros(2), 3), "values that are not finite"),
])
def test_misuse(call, message, model):
    with pytest.raises(InputError, match=message):
        call(model)
