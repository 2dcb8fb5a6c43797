"""The animation: maps that move along exactly, every format, every misuse."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from minicnn.cli.main import main
from minicnn.data import load, normalize
from minicnn.data.placement import place, placements
from minicnn.models import lenet
from minicnn.moving_digit import LAYERS, PATHS, Clusters, Scene, feature_map, path
from minicnn.moving_digit.figure import equivariance_figure
from minicnn.moving_digit.scene import fit_clusters


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


def test_clusters_are_ordered_and_fitted_once(model):
    for layer in LAYERS:
        clusters = fit_clusters(model, layer, 6)
        away = clusters.centroids - clusters.centroids[0]
        assert (np.diff((away ** 2).sum(1)) > 0).all()
        empty = feature_map(model, layer, normalize(np.zeros((1, 38, 38), np.uint8)))
        assert not clusters(empty).any()
    with pytest.raises(ValueError, match="too few different activations"):
        Clusters.fit(np.zeros((1, 2, 3, 3)), np.zeros(2), 3)
    with pytest.raises(ValueError, match="not finite"):
        Clusters.fit(np.full((1, 2, 3, 3), np.nan), np.zeros(2), 3)


@pytest.mark.parametrize("digit", range(10))
def test_every_digit_is_seen(digit, model):
    colours = Scene.compute(model, (digit,), "square", canvas=30).colours
    assert (colours > 0).mean() > 0.05


@pytest.mark.parametrize("name", PATHS)
def test_paths_stay_on_the_canvas(name):
    for reach in (1, 4, 10):
        steps = path(name, reach)
        assert steps.min() >= 0
        assert steps.max() <= reach
    if name in ("circle", "square", "all"):             # neighbours: nothing jumps
        assert np.abs(np.diff(path(name), axis=0)).max() == 1
    assert len(np.unique(path("all"), axis=0)) == 121


def test_scene(model):
    told = []
    scene = Scene.compute(model, (4, 9), "square", "conv2", 3, 32, lambda done, total: told.append((done, total)))
    assert scene.images.shape == (32, 32, 32)
    assert scene.colours.shape == (32, 24, 24)
    assert scene.labels.tolist() == 16 * [4] + 16 * [9]
    assert told[-1] == (32, 32)
    single = Scene.compute(model, (4,), canvas=28)
    assert len(single.images) == 1


@pytest.mark.parametrize("layer", LAYERS)
def test_the_figure_shows_no_difference(layer, model):
    figure, largest = equivariance_figure(model, 5, layer)
    assert largest == 0.0
    assert "at most 0" in figure.axes[5].get_title()


def test_the_figure_shows_the_difference_of_an_algorithm_that_rounds():
    _, largest = equivariance_figure(lenet(pretrained=True, algorithm="fft").eval(), 5)
    assert 0 < largest < 1e-3


def test_formats(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    short = ["animate", "--digits", "5", "--canvas", "30", "--path", "square"]
    for out in ("a.gif", "a.html", "frames"):
        assert main([*short, "--out", out, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["frames"] == 8
    with Image.open("a.gif") as image:
        assert image.n_frames == 8
    assert (tmp_path / "a.html").read_text().count("iVBOR") == 8
    assert len(list((tmp_path / "frames").glob("*.png"))) == 8
    assert main(["animate", "--figure", "a.pdf", "--layer", "conv1"]) == 0
    assert "differ by at most 0" in capsys.readouterr().out
    assert not list(tmp_path.glob(".minicnn*"))


@pytest.mark.parametrize(("options", "text"), [
    (["--out", "a.txt"], "must end in .gif, .mp4, .html"), (["--out", "nowhere/a.gif"], "no directory"),
    (["--out", "full"], "there already"), (["--digits", "3;4"], "--digits must be integers"),
    (["--digits", "12"], "there is no digit 12"), (["--canvas", "20"], "28 pixels wide"),
    (["--clusters", "1"], "at least 2 clusters"), (["--clusters", "20"], "at most 9 clusters"),
    (["--weights", "nowhere"], "there is no such file"), (["--weights", "mlp.safetensors"], "does not fit LeNet"),
    (["--fps", "0"], "--fps must be"),
    (["--figure", "a.txt", "--canvas", "38"], "must end in .png"),
    (["--figure", ""], "must end in .png"), (["--weights", ""], "directory"), (["--out", ""], "there already"),
    (["--figure", "a.png", "--out", "a.gif"], "give one of them"), (["--by", "1,2"], "--by is about --figure"),
    (["--canvas", "1000000"], "to 200"), (["--figure", "a.png", "--by=-1,2"], "--by must be integers from 0 on"),
    (["--figure", "a.png", "--by", "3"], "--by must be two integers"),
    (["--figure", "a.png", "--by", "11,3"], "cannot move by"), (["--algo", "magic"], "no convolution algorithm"),
])
def test_misuse(options, text, tmp_path, capsys, monkeypatch):
    from safetensors.numpy import save_file

    from minicnn.models import MLP
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("")
    save_file(MLP(4).state_dict(), "mlp.safetensors")
    before = {p.name for p in tmp_path.iterdir()}
    assert main(["animate", "--canvas", "28", *options]) == 2
    captured = capsys.readouterr()
    assert text in captured.err
    assert captured.out == ""
    assert "Traceback" not in captured.err
    assert {p.name for p in tmp_path.iterdir()} == before


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
def test_mp4(tmp_path):
    arguments = ["animate", "--digits", "5", "--canvas", "30", "--path", "square", "--out", str(tmp_path / "a.mp4")]
    assert main(arguments) == 0
    assert b"ftyp" in (tmp_path / "a.mp4").read_bytes()[:16]


def test_mp4_without_ffmpeg(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert main(["animate", "--out", str(tmp_path / "a.mp4")]) == 2
    assert "needs the program ffmpeg" in capsys.readouterr().err
