"""`animate` and `explore` with a LeNet of the user's own pictures: which pictures move, and what is refused."""

import json
import re
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from minicnn.checkpoint import save
from minicnn.data import Rules, load, load_folder, normalize
from minicnn.data.placement import place
from minicnn.errors import InputError
from minicnn.models import LeNet
from minicnn.moving_digit import Pictures, Scene, embedded, feature_map
from minicnn.moving_digit.figure import MovedMaps
from minicnn.moving_digit.scene import fit_clusters
from tests.data.pictures import make_folder

NAMES = ("cat", "dog", "{{js}}<b>$\\a$")


def own_run(folder, name="run", classes=NAMES, size=(28, 28), mode="RGB", **meta):
    """The checkpoint of a LeNet with random weights, as of a run on random pictures. Returns data and LeNet."""
    if not (folder / "pets").exists():
        make_folder(folder / "pets", classes, count=5, size=size, mode=mode)
    data = load_folder(folder / "pets")
    sizes = {"in_channels": data.rules.channels, "num_classes": len(classes), "image_size": list(data.rules.size)}
    model = LeNet(rng=np.random.default_rng(1), **sizes)
    (folder / name).mkdir()
    save(folder / name / "best.safetensors", model.state_dict(), meta={
        "model": "lenet", "model_options": sizes, "rules": asdict(data.rules), "dataset": "pets",
        "class_names": list(data.class_names), "data_from": str(folder / "pets"), **meta})
    return data, model


def first_of(data, label):
    index = int((data.val_labels == label).argmax())
    return index, data.val_images[index]


@pytest.mark.parametrize(("mode", "size"), [("RGB", (28, 28)), ("L", (28, 28)), ("RGB", (20, 32)), ("L", (32, 20))])
def test_the_picture_and_its_map_move(folder, mode, size):
    data, model = own_run(folder, size=size, mode=mode)
    model = LeNet(algorithm="direct", in_channels=data.rules.channels, num_classes=3, image_size=size)
    pictures = Pictures.of(data)
    assert pictures.labels == [0, 1, 2] and pictures.names == sorted(NAMES)
    scene = Scene.compute(model, pictures, "square", "conv2", 3)
    side = max(size) + 10 + 16
    shown, = scene.maps
    assert scene.images.shape[:3] == (3 * 40, side, side) and scene.noun == "picture"
    for frame in (0, 47, 90):
        _, image = first_of(data, frame // 40)
        expected = np.zeros(scene.images.shape[1:], np.uint8)
        y, x = np.add(scene.moves[frame].by, (side - max(size)) // 2)
        expected[y:y + size[0], x:x + size[1]] = image
        np.testing.assert_array_equal(scene.images[frame], expected)
        pixels = (expected.reshape(side, side, -1).transpose(2, 0, 1) / 255
                  - np.reshape(data.rules.mean, (-1, 1, 1))) / np.reshape(data.rules.std, (-1, 1, 1))
        maps = feature_map(model, "conv2", pixels[None].astype(np.float32))
        assert (fit_clusters(model, "conv2", 3, pictures)(maps)[0] == shown.colours[frame]).mean() > 0.99
    assert MovedMaps.compute(model, pictures, by=(3, 5)).largest == 0.0


def test_animate_and_its_result(run, folder):
    data, _ = own_run(folder)
    status, out, err = run("animate", "--weights", "run", "--classes", "dog,2", "--canvas", "29", "--path", "square",
                           "--out", "a.html", "--json")
    result = json.loads(out)
    assert status == 0 and result["frames"] == 8 and "classes are shown" not in err and "digits" not in result, err
    names = sorted(NAMES)
    assert result["classes"] == ["dog", names[2]] and result["data"] == "pets"
    assert result["indices"] == [first_of(data, names.index("dog"))[0], first_of(data, 2)[0]]
    assert '"dog: 0 down, 0 right"' in Path("a.html").read_text()
    status, out, _ = run("animate", "--weights", "run", "--figure", "a.png")
    assert status == 0 and "the map of the moved picture and the moved map differ by at most 0" in out
    shutil.move("pets", "moved")
    assert run("animate", "--weights", "run", "--figure", "b.png", "--data-dir", "moved")[0] == 0
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()


def test_only_ten_of_many_classes_are_shown_and_told(run, folder):
    names = [f"kind {chr(97 + number)}" for number in range(12)]
    own_run(folder, classes=names, mode="L")
    status, out, err = run("animate", "--weights", "run", "--canvas", "28", "--path", "square", "--json")
    assert status == 0 and json.loads(out)["classes"] == names[:10]
    assert f"10 of 12 classes are shown: {', '.join(names[:10])}. --classes names others\n" in err
    status, out, _ = run("explore", "--weights", "run", "--classes", "kind l", "--json")
    assert status == 0 and json.loads(out)["labels"] == [11]
    meta, arrays = embedded(Path("explore.html").read_text(encoding="utf-8"))
    assert arrays["logits"].shape == (1, 121, 12) and meta["classes"] == names


def test_explore_has_the_numbers_of_the_engine(run, folder):
    data, model = own_run(folder)
    status, out, err = run("explore", "--weights", "run", "--json")
    result = json.loads(out)
    assert status == 0 and result["labels"] == [0, 1, 2] and result["classes"] == sorted(NAMES), err
    text = Path("explore.html").read_text(encoding="utf-8")
    assert "{{" not in text.replace("${{", "") and text.count("<b>") == 2 and "Move a picture" in text
    meta, arrays = embedded(text)
    assert meta["classes"] == sorted(NAMES) and meta["own"] == "pets"
    assert meta["parameters"] == sum(parameter.size for parameter in model.parameters())
    for label in range(3):
        index, image = first_of(data, label)
        assert meta["digits"][label] == {"label": label, "index": index}
        np.testing.assert_array_equal(arrays["images"][label], image)
        moved = normalize(place(image[None], 38, (3, 9)), data.rules)[:, :, 5:33, 5:33]
        np.testing.assert_allclose(arrays["logits"][label, 3 * 11 + 9], model(np.ascontiguousarray(moved)).data[0],
                                   rtol=1e-4, atol=1e-5)
    white = model.conv1.weight.data.astype(np.float64).sum(1)[meta["layers"][0]["channels"], ::-1, ::-1]
    np.testing.assert_allclose(arrays["impulse1"], white, atol=1e-6)


def test_the_page_shows_colours_names_and_the_most_probable_classes(run, folder, browser):
    names = [f"kind_{'of_a_very_long_name_' * 3}{number}" for number in range(12)]
    data, _ = own_run(folder, classes=names)
    assert run("explore", "--weights", "run", "--classes", "2,7")[0] == 0
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                            {"width": 320, "height": 844, "deviceScaleFactor": 1, "mobile": True})
    browser.get((folder / "explore.html").as_uri())
    from selenium.webdriver.support.ui import WebDriverWait
    WebDriverWait(browser, 20).until(lambda it: it.execute_script("return Boolean(window.minicnn?.ready)"))
    browser.execute_script("minicnn.chooseDigit(1); minicnn.move(2, 7)")
    browser.execute_async_script("const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => "
                                 "done()));")
    shown = browser.execute_script("return Array.from(document.getElementById('picture').getContext('2d')"
                                   ".getImageData(7, 2, 28, 28).data)")
    np.testing.assert_array_equal(np.reshape(shown, (28, 28, 4))[..., :3], first_of(data, 7)[1])
    meta, arrays = embedded(Path("explore.html").read_text(encoding="utf-8"))
    order = np.argsort(-arrays["logits"][1, 2 * 11 + 7])[:10]
    text = lambda query: browser.execute_script(
        "return [...document.querySelectorAll(arguments[0])].map((one) => one.textContent)", query)
    assert text("#scores tbody th") == [meta["classes"][k] for k in order]
    assert text("#caption")[0].endswith("; the 10 most probable of 12 classes")
    assert text("#text")[0].startswith(f"Picture of {data.class_names[7]}, ")
    assert f"Taken for {meta['classes'][order[0]]}, " in text("#text")[0]
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 320
    assert browser.execute_script("return document.getElementById('trouble').hidden")


@pytest.mark.parametrize(("arguments", "message"), [
    (["--classes", "emu"], "--classes: the network has no class 'emu': choose among cat, dog, "),
    (["--classes", "3"], "or give numbers from 0 to 2"),
    (["--classes", "dog,dog"], "argument --classes: in 'dog,dog': dog stands there twice"),
    (["--digits", "3"], "is of a LeNet for other pictures than MNIST's digits. Name its classes by --classes"),
    (["--data-dir", "nowhere"], "nowhere is not there. If the data have moved"),
    (["--data-dir", "a", "--data", "b"], "--data has no effect with --data-dir")])
@pytest.mark.parametrize("command", ["explore", "animate"])
def test_what_is_refused(folder, refused, command, arguments, message):
    own_run(folder, classes=("cat", "dog", "owl"))
    before = sorted(folder.rglob("*"))
    assert message in refused(command, "--weights", "run", *arguments)
    assert sorted(folder.rglob("*")) == before


def test_options_for_own_pictures_with_a_network_for_digits(folder, refused):
    assert "--classes has no effect without --weights" in refused("explore", "--classes", "3")
    save("w.safetensors", LeNet().state_dict(), meta={"model": "lenet", "dataset": "mnist"})
    assert "--classes has no effect: w.safetensors is of a LeNet for grey digits" in refused(
        "animate", "--weights", "w.safetensors", "--classes", "3")
    assert "--classes has no effect here: --figure draws one picture" in refused(
        "animate", "--figure", "a.png", "--weights", "w.safetensors", "--classes", "3,4")


def test_networks_for_other_sizes_have_no_page(folder, refused):
    own_run(folder, size=(20, 32))
    assert "is of a network for 20 rows x 32 columns; the maps of the page are those of 28x28 pixels: train one with " \
        "--image-size 28" in refused("explore", "--weights", "run")


def test_names_that_do_not_fit_the_network(folder, refused):
    own_run(folder, "few", class_names=[*sorted(NAMES), "emu", "fox", "owl"])
    assert "its network has 3 classes, but 6 are named" in refused("explore", "--weights", "few")


def test_misuse_of_pictures():
    data = load("mnist5k")
    with pytest.raises(InputError, match=re.escape("the network takes 28x28 pixels, colour, but the images of mnist5k "
                                                   "are in grey")):
        Pictures.of(data, rules=Rules(28, 3, (0.5,) * 3, (0.5,) * 3))
    with pytest.raises(InputError, match="the class 12 has no validation image in mnist5k: name another class"):
        Pictures.of(data, [3, 12])
    with pytest.raises(InputError, match="11 classes of mnist5k cannot be shown: name 1 to 10"):
        Pictures.of(data, [3] * 11)
    with pytest.raises(InputError, match="must be 28 pixels wide, as a picture is, to 200, not 27"):
        Pictures.of(data, [3]).canvas(27)
