"""`minicnn predict` as a user calls it."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from minicnn.checkpoint import load, save
from minicnn.data import load as load_data
from minicnn.data import normalize
from minicnn.models import GlobalLeNet, lenet, small_resnet
from minicnn.training import predict

MINE = """
from minicnn import nn

def net(rng):
    return nn.Sequential(nn.Conv2d(1, 2, 3, rng=rng), nn.Flatten(), nn.Linear(1352, 10, rng=rng))

class Bad(nn.Module):
    def forward(self, x):
        return x[7]                     # line 9

bad = Bad()
"""


@pytest.fixture(scope="module")
def digit():
    return load_data("mnist5k").val_images[0]


def written(pixels, name="digit.png", **options):
    Image.fromarray(pixels).save(name, **options)
    return name


def answer(run, *arguments):
    status, out, err = run("predict", *arguments, "--json", "--quiet")
    assert status == 0 and err == "", err
    return json.loads(out)


def test_a_digit_as_a_picture_is_the_same_digit(run, digit):
    one, = answer(run, written(digit))["pictures"]
    expected = predict(lenet(pretrained=True), normalize(digit[None])[0])
    assert (one["class"], one["label"]) == ("0", 0) and one["inverted"] is False and one["size"] == [28, 28]
    assert one["probability"] == pytest.approx(expected.probabilities[0])
    assert list(one["scores"].values()) == pytest.approx(expected.scores.tolist())
    assert one["unit"]["layer"] == "pool" and one["unit"]["box"]["height"] == 18
    assert one["hiding"]["fall"] == pytest.approx(expected.fall)


def test_the_output_names_the_network_and_its_weights(run, digit):
    out = " ".join(run("predict", written(digit))[1].split())
    assert out.startswith("network: lenet with the weights in the package, trained on MNIST digits digit.png: 0, ")
    assert " percentage point" in out and "+0.0" not in out and "-0.0" not in out
    save("own.safetensors", lenet(rng=np.random.default_rng(0)).state_dict(), meta={"model": "lenet"})
    out = run("predict", "digit.png", "--weights", "own.safetensors")[1]
    assert out.startswith("network: lenet with the weights own.safetensors\n")


def test_what_does_not_count_is_not_named(run, digit):
    state = lenet(rng=np.random.default_rng(0)).state_dict()
    state["fc1.weight"][:] = 0                                  # the answer does not depend on the picture
    state["fc1.bias"][:] = np.arange(10)
    save("blind.safetensors", state, meta={"model": "lenet"})
    out = " ".join(run("predict", written(digit[:, 2:26]), "--weights", "blind.safetensors")[1].split())
    assert "digit.png: 9, " in out and "28 rows x 24 columns, seen by the network as 28x28 pixels, grey" in out
    assert "no unit of pool adds much to the score of the class: at most 0" in out and "-0" not in out
    assert "no square of pixels lowers the probability by 0.1 percentage points or more" in out


def test_dark_on_light_is_inverted_and_the_output_says_so(run, digit):
    light = answer(run, written(digit))["pictures"][0]
    dark = answer(run, written(255 - digit, "dark.png"))["pictures"][0]
    assert dark["inverted"] is True and dark["scores"] == light["scores"]
    status, out, _ = run("predict", "dark.png")
    assert status == 0 and "inverted, because it is dark on light" in " ".join(out.split())
    assert "not inverted" in " ".join(run("predict", "digit.png")[1].split())
    assert answer(run, "dark.png", "--invert", "no")["pictures"][0]["inverted"] is False
    assert answer(run, "digit.png", "--invert", "yes")["pictures"][0]["scores"] != light["scores"]


def test_a_picture_is_not_replaced_by_its_own_prediction(run, digit):
    before = Path(written(digit)).read_bytes()
    status, out, err = run("predict", "digit.png", "--picture", "./digit.png")
    assert status == 2 and out == "" and "--picture digit.png: this is the PICTURE itself, which would be lost" in err
    assert Path("digit.png").read_bytes() == before


def test_large_coloured_and_transparent_pictures(run, digit):
    large = np.kron(255 - digit, np.ones((9, 9), np.uint8))
    written(np.stack([large] * 3, 2), "large.jpg")
    clear = np.zeros((56, 56, 4), np.uint8)                     # black ink on nothing
    clear[..., 3] = np.kron(digit, np.ones((2, 2), np.uint8))
    written(clear, "clear.png")
    found = answer(run, "large.jpg", "clear.png")["pictures"]
    assert [one["class"] for one in found] == ["0", "0"] and [one["inverted"] for one in found] == [True, True]
    assert found[0]["size"] == [252, 252]


def test_the_rules_and_the_names_of_a_checkpoint_are_used(run, digit):
    model = small_resnet(3, 2, rng=np.random.default_rng(0))
    rules = {"size": [16, 20], "channels": 3, "mean": [0.4, 0.5, 0.6], "std": [0.2, 0.2, 0.2], "resize": "crop"}
    sizes = {"in_channels": 3, "num_classes": 2, "image_size": [16, 20]}
    save("own.safetensors", model.state_dict(), meta={"model": "small-resnet", "model_options": sizes, "rules": rules,
                                                      "class_names": ["cat", "dog"], "dataset": "animals"})
    written(255 - np.stack([digit, digit.T, digit], 2), "animal.png")
    one, = answer(run, "animal.png", "--weights", "own.safetensors")["pictures"]
    assert set(one["scores"]) == {"cat", "dog"} and one["class"] in ("cat", "dog") and one["inverted"] is False
    status, out, _ = run("predict", "animal.png", "--weights", "own.safetensors")
    assert status == 0 and "16 rows x 20 columns, colour" in " ".join(out.split()) and "inverted" not in out


def test_grey_pictures_of_other_data_are_not_inverted(run, digit):
    model = GlobalLeNet(num_classes=2, rng=np.random.default_rng(0))
    save("own.safetensors", model.state_dict(), meta={"model": "lenet-global", "dataset": "scans",
                                                      "model_options": {"num_classes": 2}})
    assert answer(run, written(255 - digit), "--weights", "own.safetensors")["pictures"][0]["inverted"] is False
    for extra, inverted in (({}, True), ({"data_from": "scans/mnist"}, False)):     # a folder of such a name
        save("own.safetensors", model.state_dict(), meta={"model": "lenet-global", "dataset": "emnist-digits",
                                                          "model_options": {"num_classes": 2}, **extra})
        assert answer(run, "digit.png", "--weights", "own.safetensors")["pictures"][0]["inverted"] is inverted


def test_the_users_own_network(run, folder, digit):
    (folder / "mine.py").write_text(MINE)
    train = ["train", "--dataset", "mnist5k", "--dry-run", "--quiet", "--model", "mine.py:net", "--out", "run"]
    assert run(*train)[0] == 0
    found = answer(run, written(digit), "--weights", "run")
    assert found["model"] == "mine.py:net" and found["pictures"][0]["unit"]["layer"] == "0"
    status, out, err = run("predict", "digit.png", "--model", "mine.py:bad")
    assert status == 2 and "mine.py:bad, called with a picture of shape (1, 28, 28)" in err and "line 9)" in err


def test_the_picture_that_is_drawn(run, digit):
    status, out, _ = run("predict", written(digit), "--picture", "why.png", "--json")
    assert status == 0 and Path("why.png").read_bytes()[:4] == b"\x89PNG" and json.loads(out)["picture"] == "why.png"


def test_weights_that_are_nan_give_no_answer_and_valid_json(run, digit):
    saved = load(Path(__file__).parents[3] / "minicnn" / "weights" / "lenet.safetensors")
    saved.model["fc1.bias"][...] = np.nan
    save("nan.safetensors", saved.model, meta=saved.meta)
    status, out, _ = run("predict", written(digit), "--weights", "nan.safetensors", "--picture", "why.png", "--json")
    one, = json.loads(out)["pictures"]
    assert status == 0 and one["class"] is None and one["unit"] is None and one["scores"]["0"] is None
    assert "no answer" in run("predict", "digit.png", "--weights", "nan.safetensors")[1]


@pytest.mark.parametrize("columns", [80, 60, 40])
def test_the_table_fits(columns, run, digit, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    _, out, _ = run("predict", written(digit))
    assert max(map(len, out.splitlines())) <= columns and "probability" in out


def test_many_classes_are_cut_off_and_that_is_said(run, digit):
    model = GlobalLeNet(num_classes=26, rng=np.random.default_rng(0))
    save("letters.safetensors", model.state_dict(), meta={
        "model": "lenet-global", "model_options": {"num_classes": 26}, "class_names": [chr(65 + i) for i in range(26)]})
    status, out, _ = run("predict", written(digit), "--weights", "letters.safetensors")
    assert status == 0 and "the 10 most probable of 26 classes" in out and out.count("%") == 1 + 10
    assert run("predict", "digit.png", "--weights", "letters.safetensors", "--picture", "a.svg")[0] == 0


@pytest.mark.parametrize(("arguments", "message"), [
    (["nowhere.png"], "nowhere.png: cannot be read: No such file"), (["text.png"], "text.png: this is no picture"),
    (["."], ".: this is a directory; name picture files"),
    (["small.png"], "small.png: the picture has only 6 rows x 28 columns; the network needs 28x28 "
     "pixels, and a picture of less than 7x7 pixels is not enlarged"),
    (["deep.png"], "deep.png: pixels of 16 "), (["good.png", "text.png"], "text.png: this is no picture"),
    (["good.png", "--weights", "nowhere"], "nowhere: there is no such file"),
    (["good.png", "--weights", "text.png"], "text.png is not a complete safetensors file"),
    (["good.png", "--weights", "names.safetensors"], "names.safetensors: it names 2 classes, but its network returns"),
    (["good.png", "--weights", "rules.safetensors"], "rules.safetensors: its rules for images are damaged"),
    (["good.png", "--weights", "colour.safetensors", "--invert", "yes"], "--invert yes has no effect: the network"),
    (["good.png", "good.png", "--picture", "a.png"], "--picture a.png: it explains the answer to one PICTURE, but 2"),
    (["good.png", "--picture", "a.bmp"], "the name must end in .png or .pdf or .svg"),
    (["good.png", "--model", "vgg"], "argument --model: must be one of lenet"),
    ([""], "argument PICTURE: the path is empty"), ([], "PICTURE")])
def test_misuse(arguments, message, refused, digit):
    written(digit, "good.png")
    written(digit[:6], "small.png")
    written(digit.astype(np.uint16) * 256, "deep.png")
    Path("text.png").write_text("no picture")
    state = lenet(rng=np.random.default_rng(0)).state_dict()
    save("names.safetensors", state, meta={"class_names": ["a", "b"]})
    save("rules.safetensors", state, meta={"rules": {"size": 0}})
    save("colour.safetensors", small_resnet(3).state_dict(), meta={
        "model": "small-resnet", "model_options": {"in_channels": 3},
        "rules": {"channels": 3, "mean": [0, 0, 0], "std": [1, 1, 1]}})
    assert message in refused("predict", *arguments)
