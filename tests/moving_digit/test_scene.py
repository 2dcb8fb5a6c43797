"""The scene of animate: paths, clusters that keep their meaning, and maps that move exactly with the digit."""

import numpy as np
import pytest

from minicnn.data import load, normalize
from minicnn.data.placement import place, placements
from minicnn.errors import InputError
from minicnn.models import lenet
from minicnn.moving_digit import LAYERS, PATHS, Clusters, Scene, feature_map, find_digit, path
from minicnn.moving_digit.figure import MovedMaps, equivariance_figure
from minicnn.moving_digit.scene import fit_clusters
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
    colours = Scene.compute(model, (digit,), "square", canvas=30).colours
    assert (colours > 0).mean() > 0.05


@pytest.mark.parametrize("name", PATHS)
def test_paths_stay_on_the_canvas(name):
    for reach in (1, 4, 10):
        steps = path(name, reach)
        assert steps.min() >= 0
        assert steps.max() == reach
    if name in ("circle", "square", "all"):             # nothing jumps
        assert np.abs(np.diff(path(name), axis=0)).max() == 1
    assert path(name, 0).tolist() == [[0, 0]]


def test_the_path_all_visits_every_place():
    assert sorted(path("all").tolist()) == placements().tolist()


def test_scene(model):
    told = Recorder()
    scene = Scene.compute(model, (4, 9), "square", "conv2", 3, 32, told)
    assert scene.images.shape == (32, 32, 32)
    assert scene.colours.shape == (32, 24, 24)
    assert scene.labels.tolist() == 16 * [4] + 16 * [9]
    assert told.updates == [(16, 32, "feature maps"), (32, 32, "feature maps")]
    data = load("mnist5k")
    assert data.val_labels[find_digit(data, 9)] == 9
    for image, label, (y, x) in zip(scene.images, scene.labels, scene.offsets, strict=True):
        expected = np.zeros((32, 32), np.uint8)
        expected[y:y + 28, x:x + 28] = data.val_images[find_digit(data, label)]
        np.testing.assert_array_equal(image, expected)
    maps = feature_map(model, "conv2", normalize(scene.images[20:21]))
    np.testing.assert_array_equal(scene.clusters(maps)[0], scene.colours[20])
    assert len(Scene.compute(model, (4,), canvas=28).images) == 1


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
                            (f2, found.colours[1]), (moved, found.moved), (difference, found.difference)):
        np.testing.assert_array_equal(shown, expected)
    titles = [ax.get_title() for ax in figure.axes[:6]]
    assert titles[:4] == ["X1, a digit", "F1 = phi(X1), conv4", "T F1 (dark grey: not known)",
                          "X2 = T X1: 3 down, 7 right"]
    assert titles[5] == "|F2 - T F1|: at most 0\non the 285 pixels that both maps have"


def test_the_figure_shows_the_difference_of_an_algorithm_that_rounds():
    figure, largest = equivariance_figure(lenet(pretrained=True, algorithm="fft").eval(), 5)
    assert 0 < largest < 1e-3
    assert np.nanmax(np.ma.filled(figure.axes[5].images[0].get_array(), np.nan)) == largest
    assert f"at most {largest:.2g}" in figure.axes[5].get_title()


@pytest.mark.parametrize(("call", "message"), [
    (lambda model: Scene.compute(model, (12,)), "there is no digit 12: choose among 0 to 9"),
    (lambda model: Scene.compute(model, (3,), "spiral"), "path must be one of 'circle', .*, not 'spiral'"),
    (lambda model: Scene.compute(model, (3,), layer="fc1"), "layer must be one of 'conv1', .*, not 'fc1'"),
    (lambda model: Scene.compute(model, (3,), canvas=27), "must be 28 pixels wide, as a digit is, to 200, not 27"),
    (lambda model: Scene.compute(model, (3,), canvas=201), "to 200, not 201"),
    (lambda model: Scene.compute(model, (3,), k=1), "at least 2 clusters are needed, not 1"),
    (lambda model: equivariance_figure(model, by=(11, 3)), r"cannot move by \(11, 3\) on a canvas of 38: "),
    (lambda model: equivariance_figure(model, by=(-1, 3)), r"cannot move by \(-1, 3\)"),
    (lambda model: path("all", -1), "path: reach must be an integer of at least 0, not -1"),
    (lambda model: Clusters.fit(np.zeros((1, 2, 3, 3)), np.zeros(2), 3), "too few different activations for 3 clus"),
    (lambda model: Clusters.fit(np.full((1, 2, 3, 3), np.nan), np.zeros(2), 3), "values that are not finite"),
])
def test_misuse(call, message, model):
    with pytest.raises(InputError, match=message):
        call(model)
