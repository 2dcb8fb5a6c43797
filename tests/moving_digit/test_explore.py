"""The page of `minicnn explore`: the numbers in the file against the engine. test_explore_browser opens the page."""

import re
from pathlib import Path

import numpy as np
import pytest

from minicnn import Tensor
from minicnn.autograd import no_grad
from minicnn.data import load, normalize
from minicnn.data.placement import place
from minicnn.errors import InputError, StateError
from minicnn.models import LeNet, lenet
from minicnn.moving_digit import build, embedded, explore
from minicnn.moving_digit import page as page_module
from minicnn.moving_digit.exploration import quantise
from minicnn.moving_digit.page import MAX_PAGE_BYTES
from tests.moving_digit.engine import SIZES, maps_of, window_logits
from tests.recorder import Recorder


def test_the_sources_have_lines_of_at_most_120_characters():
    files = [file for file in Path(page_module.__file__).with_name("page").rglob("*.*") if file.is_file()]
    assert len(files) > 20
    assert [file.name for file in files if max(map(len, file.read_text("utf-8").splitlines())) > 120] == []


def test_the_file_is_whole_and_asks_for_nothing_else(page):
    text = page.read_text(encoding="utf-8")
    assert 100_000 < page.stat().st_size <= MAX_PAGE_BYTES
    assert "{{" not in text.replace("${{", "") and text.rstrip().endswith("</html>")
    text = text.replace("http://www.w3.org/2000/svg", "")                  # a name, from which nothing is loaded
    loads = r"(src|href)=[\"'](?!data:)|url\((?!#)|@import|https?://|fetch\(|XMLHttpRequest|import\("
    assert not re.search(loads, text)
    assert "default-src 'none'" in text
    assert [entry.name for entry in page.parent.iterdir()] == ["explore.html"]


def test_the_data_have_a_place_for_each_digit(contents):
    meta, arrays = contents
    assert [digit["label"] for digit in meta["digits"]] == list(range(10))
    shapes = {name: array.shape for name, array in arrays.items()}
    assert shapes == {"images": (10, 28, 28), "conv1": (10, 6, 44, 44), "conv2": (10, 6, 40, 40),
                      "conv3": (10, 6, 36, 36), "conv4": (10, 121, 5, 22, 22), "pool": (10, 121, 5, 11, 11),
                      "logits": (10, 121, 10), "weights": (67_415,),
                      "reference": (20 * 34**2 + 40 * 30**2 + 40 * 26**2 + 5 * 22**2 + 5 * 11**2 + 10,),
                      "impulse1": (6, 5, 5), "impulse2": (6, 9, 9), "impulse3": (6, 13, 13), "impulse4": (5, 17, 17)}
    assert [layer["sees"] for layer in meta["layers"]] == [5, 9, 13, 17] and meta["pool_sees"] == 18
    assert [layer["of"] for layer in meta["layers"]] == [20, 40, 40, 5]
    per_place = 20 * 34**2 + 40 * 30**2 + 40 * 26**2 + 5 * 22**2
    assert meta["compared"] == 121 * 11 * per_place              # ten digits and one impulse


def test_the_images_are_those_of_the_validation_set(contents):
    meta, arrays = contents
    data = load("mnist5k")
    for digit, image in zip(meta["digits"], arrays["images"], strict=True):
        np.testing.assert_array_equal(image, data.val_images[digit["index"]])
        assert data.val_labels[digit["index"]] == digit["label"]


def test_numbers_of_random_places_are_the_engines(contents, model, rng):
    meta, arrays = contents
    for digit, dy, dx in zip(rng.integers(10, size=12), rng.integers(11, size=12), rng.integers(11, size=12),
                             strict=True):
        found, k = maps_of(model, arrays["images"][digit], dy, dx), 11 * dy + dx
        for layer, name in enumerate(SIZES):
            size, one, scale = SIZES[name], meta["layers"][layer], meta["scales"][digit][layer]
            expected = quantise(found[name][one["channels"]], scale)
            if name == "conv4":
                stored = arrays[name][digit, k]
            else:
                stored = arrays[name][digit, :, 10 - dy:10 - dy + size, 10 - dx:10 - dx + size]
            np.testing.assert_array_equal(stored, expected)
            error = abs(stored * np.float64(scale / 255) - found[name][one["channels"]]).max()
            assert error <= 0.501 * scale / 255                 # half a step, as the page says
        np.testing.assert_array_equal(arrays["pool"][digit, k], quantise(found["pool"], meta["scales"][digit][3]))
        np.testing.assert_allclose(arrays["logits"][digit, k], window_logits(model, arrays["images"][digit], dy, dx),
                                   rtol=1e-5, atol=1e-5)


def test_maps_that_were_computed_apart_agree_and_pools_only_after_even_moves(contents):
    _, arrays = contents
    for s in (-5, -4, -1, 1, 2, 5):
        keep = 22 - abs(s)
        here, centre = arrays["conv4"][:, 11 * (5 + s) + 5], arrays["conv4"][:, 60]
        np.testing.assert_array_equal(here[:, :, max(s, 0):][:, :, :keep], centre[:, :, max(-s, 0):][:, :, :keep])
        half = s // 2
        keep = 11 - abs(half)
        here, centre = arrays["pool"][:, 11 * (5 + s) + 5], arrays["pool"][:, 60]
        same = np.array_equal(here[:, :, max(half, 0):][:, :, :keep], centre[:, :, max(-half, 0):][:, :, :keep])
        assert same == (s % 2 == 0)


def test_impulse_responses_are_the_composed_weights(contents, model):
    from scipy.signal import convolve2d
    meta, arrays = contents
    h = model.conv1.weight.data[:, 0, ::-1, ::-1].astype(np.float64)
    np.testing.assert_array_equal(arrays["impulse1"], h[meta["layers"][0]["channels"]])
    for layer, conv in enumerate((model.conv2, model.conv3, model.conv4), start=2):
        weight = conv.weight.data[:, :, ::-1, ::-1].astype(np.float64)
        h = np.stack([sum(convolve2d(h[c], taps[c]) for c in range(len(h))) for taps in weight])
        np.testing.assert_allclose(arrays[f"impulse{layer}"], h[meta["layers"][layer - 1]["channels"]],
                                   atol=2e-6 * abs(h).max())


def test_the_channels_shown_are_those_with_most_energy(contents, model):
    meta, arrays = contents
    energy = 0
    for image in arrays["images"]:
        with no_grad():
            maps = model.conv1(Tensor(normalize(place(image[None], 48, (10, 10)))), relu=True).data[0]
        energy = energy + ((maps - maps[:, :1, :1]).astype(np.float64) ** 2).sum((1, 2))
    assert meta["layers"][0]["channels"] == sorted(np.argsort(-energy)[:6].tolist())


def test_an_algorithm_that_is_not_exactly_equivariant_is_refused():
    images = load("mnist5k").val_images[:1]
    model = lenet(pretrained=True, algorithm="fft")
    with pytest.raises(StateError, match='make the model with algorithm="direct"'):
        explore(model, images, [0], [0])


def test_progress_is_told_for_each_digit(model, rng):
    told = Recorder()
    images = rng.integers(0, 256, (2, 28, 28), dtype=np.uint8)
    explore(model, images, [4, 9], [0, 1], told)
    assert told.updates == [(0, 3, "impulse responses"), (1, 3, "digit 4"), (2, 3, "digit 9"), (3, 3, "")]


def test_bad_arguments_of_explore(model):
    with pytest.raises(InputError, match=r"images uint8 \(1, 27, 28\) for 1 labels"):
        explore(model, np.zeros((1, 27, 28), np.uint8), [0], [0])
    broken = LeNet(algorithm="direct")
    broken.conv2.weight.data[0, 0, 0, 0] = np.nan
    with pytest.raises(InputError, match="some of the weights are not finite"):
        explore(broken, np.zeros((1, 28, 28), np.uint8), [0], [0])
    for weights in (broken.conv2.weight.data, broken.conv3.weight.data):
        weights[...] = 1e25
    with pytest.raises(InputError, match="the map of conv3 is not finite"):
        explore(broken, np.zeros((1, 28, 28), np.uint8), [0], [0])


def test_a_page_that_would_be_too_large_is_refused(model, monkeypatch):
    monkeypatch.setattr("minicnn.moving_digit.page.MAX_PAGE_BYTES", 10_000)
    with pytest.raises(InputError, match="more than 0 MB: name fewer than 1 digits"):
        build(explore(model, np.zeros((1, 28, 28), np.uint8), [0], [0]), "a test")


def test_embedded_takes_pages_only():
    with pytest.raises(InputError, match="this text is not a page of minicnn explore"):
        embedded("<html></html>")
