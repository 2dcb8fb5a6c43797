"""`minicnn explore` as a user calls it."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from minicnn.checkpoint import save
from minicnn.cli.networks import own_object
from minicnn.data import load
from minicnn.models import MLP, LeNet
from minicnn.moving_digit import embedded


def test_chosen_digits_and_json(run, monkeypatch):
    monkeypatch.setenv("MINICNN_CONV_ALGO", "winograd")         # the page must use direct all the same
    status, out, _ = run("explore", "--digits", "7,@417,7", "--json")
    result, data = json.loads(out), load("mnist5k")
    assert status == 0 and out.count("\n") == 1 and result["out"] == "explore.html"
    assert result["indices"] == [int((data.val_labels == 7).argmax()), 417, int((data.val_labels == 7).argmax())]
    assert result["labels"] == [7, int(data.val_labels[417]), 7]
    assert result["bytes"] == Path("explore.html").stat().st_size
    meta, _ = embedded(Path("explore.html").read_text(encoding="utf-8"))
    assert [digit["index"] for digit in meta["digits"]] == result["indices"]


def test_another_language(run):
    status, out, _ = run("explore", "--digits", "3", "--lang", "de", "--json")
    assert status == 0 and json.loads(out)["weights"] == "the weights in the package"
    text = Path("explore.html").read_text(encoding="utf-8")
    meta, _ = embedded(text)
    assert '<html lang="de">' in text and meta["source"] == "den Gewichten aus dem Paket"


def test_other_weights(run, folder):
    other = LeNet(rng=np.random.default_rng(3))
    save(folder / "mine.safetensors", other.state_dict(), meta={"model": "lenet"})
    status, out, err = run("explore", "--digits", "3", "--weights", "mine.safetensors", "--out", "mine.html", "--quiet")
    assert status == 0 and " 1 digit, " in out and err == ""
    meta, arrays = embedded((folder / "mine.html").read_text(encoding="utf-8"))
    expected = other.conv1.weight.data[meta["layers"][0]["channels"], 0, ::-1, ::-1]
    np.testing.assert_array_equal(arrays["impulse1"], expected)
    assert meta["source"].startswith("mine.safetensors of ")


@pytest.mark.parametrize(("arguments", "message"), [
    (["--out", "page.pdf"], "argument --out: page.pdf: the name must end in .html"),
    (["--out", "nowhere/page.html"], "argument --out: nowhere/page.html could not be written: its directory does not"),
    (["--out", "folder.html"], "argument --out: folder.html could not be written: it is a directory"),
    (["--digits", "3,11"], "in '3,11': each must be a digit from 0 to 9, or @0 to @999 for a validation image, not "
                           "'11'; write as in 3,7,@417"),
    (["--digits", ""], "argument --digits: must be a digit from 0 to 9, or @0 to @999"),
    (["--digits", "3,@-1"], "not '@-1'"), (["--digits", "@1000"], "not '@1000'"),
    (["--lang", "xx"], "argument --lang: invalid choice: 'xx' (choose from "),
    (["--digits", ",".join("3" * 21)], "21 digits are too many, at most 20 are possible"),
    (["--weights", "nowhere.safetensors"], "nowhere.safetensors: there is no such file"),
    (["--weights", "other.safetensors"], "other.safetensors is of another model than this LeNet"),
    (["--weights", "blur.safetensors"], "is of the model lenet-blur, which the page cannot show: the network "),
    (["--weights", "mlp.safetensors"], "is of the model mlp, which the page cannot show: the network is "),
])
def test_bad_input_exits_with_2_and_leaves_nothing(arguments, message, folder, refused):
    Path("folder.html").mkdir()
    save("other.safetensors", {"weight": np.ones(3)})
    save("blur.safetensors", LeNet(pool="blur").state_dict(), meta={"model": "lenet-blur"})
    save("mlp.safetensors", MLP().state_dict(), meta={"model": "mlp"})
    before = sorted(folder.rglob("*"))
    assert message in refused("explore", *arguments)
    assert sorted(folder.rglob("*")) == before


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_cannot_be_written(folder, refused):
    folder.chmod(0o500)
    assert "no permission" in refused("explore")


def test_an_old_page_outlives_a_failure(run, folder, monkeypatch):
    out = folder / "page.html"
    out.write_text("the old one")

    def full(*arguments):
        raise OSError(28, "No space left on device")
    monkeypatch.setattr("minicnn.files.os.replace", full)
    status, stdout, err = run("explore", "--digits", "1", "--out", out)
    assert status == 2 and stdout == "" and "the disk is full" in err and "replaced" not in err
    assert out.read_text() == "the old one" and [entry.name for entry in folder.iterdir()] == ["page.html"]


NETWORK = """
from minicnn import functional as F
from minicnn.nn import Conv2d, Linear, Module


class Net(Module):
    def __init__(self, num_classes):
        self.first, self.second, self.out = Conv2d(1, 4, 7), Conv2d(4, 3, 3), Linear(300, num_classes)

    def forward(self, x):
        x = F.relu(self.second(F.relu(self.first(x))))
        return self.out(F.flatten(F.max_pool2d(x, 2), 1))


class Steps(Net):
    def forward(self, x):
        return F.tanh(super().forward(x))
"""


def test_a_network_of_the_users(run, refused, folder):
    (folder / "my.py").write_text(NETWORK)
    sizes = {"in_channels": 1, "num_classes": 10, "image_size": [28, 28]}
    for name in ("Net", "Steps"):
        (folder / name).mkdir()
        save(folder / name / "best.safetensors", own_object(f"my.py:{name}")(10).state_dict(), meta={
            "model": f"my.py:{name}", "model_file": str(folder / "my.py"), "model_options": sizes})
    status, out, err = run("explore", "--weights", "Net", "--digits", "4", "--quiet")
    assert status == 0 and "all exactly equal" in " ".join(out.split()), err
    meta, arrays = embedded((folder / "explore.html").read_text(encoding="utf-8"))
    assert [(layer["sees"], layer["of"]) for layer in meta["layers"]] == [(7, 4), (9, 3)]
    assert meta["name"] == "the network Net" and arrays["conv2"].shape == (1, 121, 3, 30, 30)
    assert "Steps/best.safetensors is of the model my.py:Steps, which the page cannot show: the network changes the " \
           "output of out before it returns it" in refused("explore", "--weights", "Steps")
