"""The page of `minicnn explore`: what is in the file, and what the command says. The browser is another file."""

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest

from minicnn import Tensor
from minicnn.autograd import no_grad
from minicnn.checkpoint import save
from minicnn.cli.main import main
from minicnn.data import load, normalize
from minicnn.data.placement import place
from minicnn.models import LeNet, lenet
from minicnn.moving_digit import build, embedded, explore
from minicnn.moving_digit.exploration import quantise
from minicnn.moving_digit.page import LIMIT

SIZES = {"conv1": 34, "conv2": 30, "conv3": 26, "conv4": 22}


@pytest.fixture(scope="module")
def model():
    return lenet(pretrained=True, algorithm="direct")


def canvas(image, dy, dx):
    return normalize(place(image[None], 38, (dy, dx)))


def maps_of(model, image, dy, dx):
    """{layer: (C, n, n)} of one canvas, computed alone: another batch than in the page."""
    x, found = Tensor(canvas(image, dy, dx)), {}
    with no_grad():
        for name in SIZES:
            x = getattr(model, name)(x, relu=True)
            found[name] = x.data[0]
        found["pool"] = model.pool(x).data[0]
    return found


def window_logits(model, image, dy, dx):
    with no_grad():
        return model(Tensor(np.ascontiguousarray(canvas(image, dy, dx)[:, :, 5:33, 5:33]))).data[0]


# ---- the file

def test_the_file_is_whole_and_asks_for_nothing_else(page):
    text = page.read_text(encoding="utf-8")
    assert 100_000 < page.stat().st_size <= LIMIT
    assert "{{" not in text.replace("${{", "") and text.rstrip().endswith("</html>")
    assert not re.search(r"(src|href)=[\"'](?!data:)|url\(|@import|https?://|fetch\(|XMLHttpRequest|import\(", text)
    assert "default-src 'none'" in text
    assert [entry.name for entry in page.parent.iterdir()] == ["explore.html"]


def test_the_data_have_a_place_for_each_digit(contents):
    meta, arrays = contents
    assert [digit["label"] for digit in meta["digits"]] == list(range(10))
    shapes = {name: array.shape for name, array in arrays.items()}
    assert shapes == {"images": (10, 28, 28), "conv1": (10, 6, 44, 44), "conv2": (10, 6, 40, 40),
                      "conv3": (10, 6, 36, 36), "conv4": (10, 121, 5, 22, 22), "pool": (10, 121, 5, 11, 11),
                      "logits": (10, 121, 10), "impulse1": (6, 5, 5), "impulse2": (6, 9, 9), "impulse3": (6, 13, 13),
                      "impulse4": (5, 17, 17)}
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
    with pytest.raises(RuntimeError, match='make the model with algorithm="direct"'):
        explore(model, images, [0], [0])


def test_bad_arguments_of_explore(model):
    with pytest.raises(ValueError, match=r"images uint8 \(1, 27, 28\) for 1 labels"):
        explore(model, np.zeros((1, 27, 28), np.uint8), [0], [0])
    broken = LeNet(algorithm="direct")
    broken.conv2.weight.data[0, 0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="some of the weights are not finite"):
        explore(broken, np.zeros((1, 28, 28), np.uint8), [0], [0])
    for weights in (broken.conv2.weight.data, broken.conv3.weight.data):
        weights[...] = 1e25
    with pytest.raises(ValueError, match="the map of conv3 is not finite"):
        explore(broken, np.zeros((1, 28, 28), np.uint8), [0], [0])


def test_a_page_that_would_be_too_large_is_refused(model, monkeypatch):
    monkeypatch.setattr("minicnn.moving_digit.page.LIMIT", 10_000)
    with pytest.raises(ValueError, match="more than 0 MB: name fewer than 1 digits"):
        build(explore(model, np.zeros((1, 28, 28), np.uint8), [0], [0]), "a test")


def test_embedded_takes_pages_only():
    with pytest.raises(ValueError, match="this is no page of minicnn explore"):
        embedded("<html></html>")


# ---- the command

def test_chosen_digits_and_json(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MINICNN_CONV_ALGO", "winograd")         # the page needs the exact one, whatever the default
    assert main(["explore", "--digits", "7,@417,7", "--json"]) == 0
    out = capsys.readouterr().out
    result, data = json.loads(out), load("mnist5k")
    assert out.count("\n") == 1 and result["out"] == "explore.html"
    assert result["indices"] == [int((data.val_labels == 7).argmax()), 417, int((data.val_labels == 7).argmax())]
    assert result["labels"] == [7, int(data.val_labels[417]), 7]
    assert result["bytes"] == Path("explore.html").stat().st_size
    meta, _ = embedded(Path("explore.html").read_text(encoding="utf-8"))
    assert [digit["index"] for digit in meta["digits"]] == result["indices"]


def test_other_weights(tmp_path, capsys):
    other = LeNet(rng=np.random.default_rng(3))
    save(tmp_path / "mine.safetensors", other.state_dict(), meta={"model": "lenet"})
    out = tmp_path / "mine.html"
    assert main(["explore", "--digits", "3", "--weights", str(tmp_path / "mine.safetensors"), "--out", str(out)]) == 0
    meta, arrays = embedded(out.read_text(encoding="utf-8"))
    expected = other.conv1.weight.data[meta["layers"][0]["channels"], 0, ::-1, ::-1]
    np.testing.assert_array_equal(arrays["impulse1"], expected)
    assert meta["source"].startswith("mine.safetensors of ") and " 1 digit, " in capsys.readouterr().out


@pytest.mark.parametrize(("arguments", "message"), [
    (["--out", "page.pdf"], "--out page.pdf: the page is one HTML file: give a name that ends in .html"),
    (["--out", "nowhere/page.html"], "there is no directory nowhere; create it first"),
    (["--out", "folder.html"], "--out folder.html: that is a directory"),
    (["--digits", "3,11"], "'11' is no digit from 0 to 9"),
    (["--digits", ""], "'' is no digit from 0 to 9"),
    (["--digits", "3,@-1"], "'@-1' is no digit"),
    (["--digits", "@1000"], "there is no validation image @1000: give @0 to @999"),
    (["--digits", ",".join("3" * 21)], "21 digits, at most 20 are possible"),
    (["--weights", "nowhere.safetensors"], "nowhere.safetensors: there is no such file"),
    (["--weights", "other.safetensors"], "other.safetensors is of another model than this LeNet"),
    (["--weights", "blur.safetensors"], "is of the model lenet-blur; the page shows the LeNet with its max-pool"),
])
def test_bad_input_exits_with_2_and_leaves_nothing(arguments, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("folder.html").mkdir()
    save("other.safetensors", {"weight": np.ones(3)})
    save("blur.safetensors", LeNet(pool="blur").state_dict(), meta={"model": "lenet-blur"})
    before = sorted(tmp_path.rglob("*"))
    assert main(["explore", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == "" and message in err and err.startswith("minicnn explore: error: ") and "Traceback" not in err
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_cannot_be_written(tmp_path, capsys):
    tmp_path.chmod(0o500)
    assert main(["explore", "--out", str(tmp_path / "a.html")]) == 2
    assert "no permission to write" in capsys.readouterr().err


def test_an_old_page_outlives_a_failure(tmp_path, capsys, monkeypatch):
    out = tmp_path / "page.html"
    out.write_text("the old one")

    def full(*arguments):
        raise OSError(28, "No space left on device")
    monkeypatch.setattr("minicnn.files.os.replace", full)
    assert main(["explore", "--digits", "1", "--out", str(out)]) == 2
    assert "the disk is full" in capsys.readouterr().err
    assert out.read_text() == "the old one" and [entry.name for entry in tmp_path.iterdir()] == ["page.html"]


def test_help_has_an_example(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["explore", "--help"])
    assert stop.value.code == 0 and "example: minicnn explore" in capsys.readouterr().out
