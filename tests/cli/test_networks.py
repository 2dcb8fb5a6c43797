"""Networks of the user's own on the command line: train, resume, eval, info and verify."""

import argparse
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest

from minicnn.checkpoint import load, save
from minicnn.cli.networks import description, make_network, makes_a_network, network, sizes_of_data
from minicnn.cli.user_code import user_errors
from minicnn.data import load as load_data
from minicnn.errors import InputError
from minicnn.models import MODELS, LeNet, small_resnet

MINE = """
import numpy as np
from minicnn import nn, functional as F

class Net(nn.Module):
    def __init__(self, num_classes=10, width=4, *, rng=None):
        self.conv = nn.Conv2d(1, width, 3, rng=rng)
        self.pool = nn.MaxPool2d(4)
        self.fc = nn.Linear(36 * width, num_classes, rng=rng)

    def forward(self, x):
        return self.fc(F.flatten(self.pool(self.conv(x)), 1))

class Five(Net):
    def __init__(self):
        super().__init__(5)

class Big(Net):
    def forward(self, x):
        return self.fc(F.flatten(F.max_pool2d(self.conv(x), 40), 1))          # line 20

class Wrong(Net):
    def forward(self, x):
        return x["conv"] / {}["x"]                                              # line 24

class Late(Net):
    def __init__(self):
        super().__init__()
        self.calls = [0]

    def forward(self, x):
        self.calls[0] += self.training
        return [][self.calls[0]] if self.calls[0] > 3 else super().forward(x)   # line 33

class Maps(Net):
    def forward(self, x):
        return self.conv(x)

class Needs(Net):
    def __init__(self, in_channels, width):
        super().__init__(width=width)

class Raises(Net):
    def __init__(self):
        super().__init__(width="two")                                           # line 45

class Plain:
    pass

def small(in_channels, image_size, rng):
    return nn.Sequential(nn.Flatten(), nn.Linear(in_channels * image_size[0] * image_size[1], 10, rng=rng))

def filters(in_channels):
    return nn.Conv2d(in_channels, 2, 3, padding=1, bias=False, padding_mode="circular")

def classes(num_classes):
    return nn.Conv2d(num_classes, num_classes, 1, bias=False)

def nothing():
    return None

net = Net(rng=np.random.default_rng(3))
number = 3
"""
TRAIN = ["train", "--dataset", "mnist5k", "--dry-run", "--quiet"]


@pytest.fixture(autouse=True)
def mine(folder):
    (folder / "mine.py").write_text(MINE)


def weights(path):
    return load(path).model


@pytest.mark.parametrize("name", ["Net", "small"])
def test_a_class_and_a_function_train_and_are_measured(name, run):
    for out in ("one", "two"):
        assert run(*TRAIN, "--model", f"mine.py:{name}", "--out", out)[0] == 0
    one, two = weights("one/best.safetensors"), weights("two/best.safetensors")
    assert one.keys() == two.keys() and all((one[key] == two[key]).all() for key in one)       # by --seed
    result = json.loads(Path("one/result.json").read_text())
    status, out, _ = run("eval", "one", "--json")
    measured = json.loads(out)
    assert status == 0 and result["model"] == measured["model"] == f"mine.py:{name}"
    status, out, _ = run("eval", "one", "--model", f"mine.py:{name}", "--json")
    assert status == 0 and json.loads(out)["error"] == measured["error"]


def test_a_checkpoint_finds_the_file_of_its_network_or_says_what_is_missing(run, refused, folder, monkeypatch):
    assert run(*TRAIN, "--model", "mine.py:Net", "--out", "run")[0] == 0
    meta = load("run/last.safetensors").meta
    assert meta["model_file"] == str(folder / "mine.py")
    assert meta["model_options"] == {"in_channels": 1, "num_classes": 10, "image_size": [28, 28]}
    error = json.loads(run("eval", "run", "--json")[1])["error"]
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    assert json.loads(run("eval", "../run", "--json")[1])["error"] == error
    os.rename("../mine.py", "mine.py")                         # it was named as mine.py, and now lies here
    assert json.loads(run("eval", "../run", "--json")[1])["error"] == error
    os.rename("mine.py", "other.py")
    for command in (["eval", "../run"], ["train", "--resume", "../run"], ["info", "../run"]):
        line = refused(*command)
        assert f"its network is mine.py:Net, but there is no file {folder}/mine.py: put the file back" in line
        assert line.count("mine.py:Net") == 1
    assert json.loads(run("eval", "../run", "--model", "other.py:Net", "--json")[1])["error"] == error


def test_a_run_goes_on_with_the_users_network(run):
    assert run(*TRAIN, "--epochs", "3", "--model", "mine.py:Net", "--out", "whole")[0] == 0
    text = Path("mine.py").read_text()
    Path("mine.py").write_text(text.replace("return self.fc(F.flatten(self.pool(self.conv(x)), 1))", """
        import os
        if self.training and os.path.exists("run/best.safetensors"):
            raise KeyboardInterrupt
        return self.fc(F.flatten(self.pool(self.conv(x)), 1))"""))
    assert run(*TRAIN, "--epochs", "3", "--model", "mine.py:Net", "--out", "run")[0] == 130
    Path("mine.py").write_text(text)
    assert run("train", "--resume", "run", "--quiet")[0] == 0
    one, two = weights("whole/last.safetensors"), weights("run/last.safetensors")
    assert all((one[key] == two[key]).all() for key in one)
    assert run("train", "--resume", "run", "--quiet")[0] == 0   # complete


@pytest.mark.parametrize("left", [(), ("in_channels",), ("image_size", "num_classes")])
def test_a_run_goes_on_without_sizes_in_its_checkpoint(left, run):
    assert run(*TRAIN, "--model", "mine.py:Net", "--out", "run")[0] == 0
    saved = load("run/last.safetensors")
    sizes = {name: saved.meta["model_options"][name] for name in left}
    save("run/last.safetensors", saved.model, saved.optimizer, {**saved.meta, "model_options": sizes})
    assert run("train", "--resume", "run", "--quiet")[0] == 0


@pytest.mark.parametrize(("name", "message"), [
    ("Five", r"mine.py:Five returns 5 numbers for a picture, but the data have 10 classes: give its last layer 10"),
    ("Big", r"mine.py:Big, called with pictures of shape \(2, 1, 28, 28\): max_pool2d: .* \(in mine.py, line 20\)$"),
    ("Wrong", r"mine.py:Wrong, called with .*: .* \(in mine.py, line 24\)$"),
    ("Late", r"mine.py:Late: IndexError: list index out of range \(in mine.py, line 33\)$"),
    ("Maps", r"Maps returned a Tensor of shape \(2, 4, 26, 26\) for 2 images: a classifier returns logits of shape"),
    ("Needs", r"mine.py:Needs needs the argument 'width', but minicnn gives only in_channels, num_classes, "),
    ("Raises", r"Conv2d: out_channels must be an integer of at least 1, not 'two' \(in mine.py, line 7\)$"),
    ("Plain", r"mine.py:Plain is a class \(user_mine.Plain\); name a subclass of minicnn.nn.Module, or a function"),
    ("number", r"mine.py:number is of type int; name a subclass"),
    ("nothing", r"mine.py:nothing returned an object of type NoneType, not a minicnn.nn.Module$"),
    ("net", r"mine.py:net is a network that exists already, so that --seed could not draw its weights: name its class"),
    ("nowhere", r"mine.py has no nowhere; it has Net, "),
])
def test_networks_that_cannot_be_trained(name, message, refused, folder):
    line = refused(*TRAIN, "--model", f"mine.py:{name}", "--out", "run")
    assert re.search(message, line), line
    assert not (folder / "run").exists()


def test_algo_reaches_the_users_convolutions_or_is_refused(run, refused):
    assert run(*TRAIN, "--model", "mine.py:Net", "--algo", "im2col", "--out", "run")[0] == 0
    assert load("run/last.safetensors").meta["algorithms"] == {"conv": "im2col"}
    assert "--algo has no effect: mine.py:small has no convolution" in refused(
        *TRAIN, "--model", "mine.py:small", "--algo", "im2col")


def test_eval_of_a_module_that_exists_and_of_weights_without_a_name(run, refused):
    status, out, _ = run("eval", "--model", "mine.py:net", "--dataset", "mnist5k", "--json")
    result = json.loads(out)
    assert status == 0 and result["checkpoint"] is None and result["model"] == "mine.py:net"
    assert "the network's own weights, mine.py:net, on" in run("eval", "--model", "mine.py:net", "--dataset",
                                                               "mnist5k")[1]
    network = make_network({"model": "mine.py:Net"}, rng=np.random.default_rng(3))
    save("net.safetensors", network.state_dict())
    found = json.loads(run("eval", "net.safetensors", "--model", "mine.py:Net", "--dataset", "mnist5k", "--json")[1])
    assert found["error"] == result["error"]
    assert "--model mine.py:Net: a network that is made now is not trained: name the run with its" in refused(
        "eval", "--model", "mine.py:Net")
    assert "net.safetensors is of another model than this Five" in refused("eval", "net.safetensors", "--model",
                                                                            "mine.py:Five")


def test_info_of_own_networks_and_of_runs(run, refused):
    layers = json.loads(run("info", "--model", "mine.py:small", "--channels", "3", "--size", "8,9", "--json")[1])
    assert layers[1]["parameters"] == 3 * 8 * 9 * 10 + 10
    layers = json.loads(run("info", "--model", "lenet", "--channels", "3", "--size", "32,30", "--classes", "7",
                            "--json")[1])
    assert layers[0]["parameters"] == 3 * 20 * 25 + 20 and layers[-1]["parameters"] == 5 * 8 * 7 * 7 + 7
    assert run("info", "--model", "mine.py:net")[0] == 0
    assert run(*TRAIN, "--model", "mine.py:Net", "--out", "run")[0] == 0
    assert [layer["name"] for layer in json.loads(run("info", "run", "--json")[1])] == ["conv", "pool", "fc"]
    assert "--size has no effect with RUN: a run remembers its network and its data" in refused("info", "run", "--size",
                                                                                                "8,8")
    assert ("Big, called with pictures of shape (64, 1, 28, 28) (--channels and --size choose others): max_pool2d"
            in refused("info", "--model", "mine.py:Big"))
    assert "lenet cannot be made for these data: LeNet: image_size must be" in refused("info", "--size", "9,9")


def test_a_file_that_changes_the_current_directory(run, folder):
    (folder / "elsewhere").mkdir()
    (folder / "goes.py").write_text("import os\nos.chdir('elsewhere')\n" + MINE)
    np.savez("mine.npz", images=np.zeros((8, 28, 28), np.uint8), labels=np.arange(8) % 2)
    status, _, err = run("train", "--data", "mine.npz", "--model", "goes.py:Net", "--epochs", "1", "--out", "run")
    assert status == 0 and (folder / "run" / "result.json").is_file(), err
    assert run("eval", "run", "--data", "mine.npz")[0] == 0 and (folder / "run" / "mistakes.png").is_file()
    assert list((folder / "elsewhere").iterdir()) == [] and Path.cwd() == folder


def test_the_file_is_read_before_the_data(run, refused, monkeypatch):
    monkeypatch.setattr("minicnn.data.load", lambda *arguments: pytest.fail("the data were read"))
    assert "gone.py: there is no such file" in refused("train", "--model", "gone.py:Net")
    assert "mine.py has no Gone" in refused("train", "--model", "mine.py:Gone")


def test_verify_makes_the_network(run, refused):
    status, out, _ = run("verify", "mine.py:filters", "--channels", "2", "--size", "8,8", "--json")
    assert status == 0 and json.loads(out)["verdict"] == "a convolution"
    assert "mine.py:nothing returned an object of type NoneType, not a" in refused("verify", "mine.py:nothing")
    status, out, _ = run("verify", "mine.py:classes", "--channels", "10", "--size", "8,8", "--json")
    assert status == 0 and json.loads(out)["verdict"] == "a convolution"


def test_weights_without_metadata_do_not_say_the_sizes(run, refused):
    save("foreign.safetensors", {"weight": np.ones((10, 10, 1, 1), np.float32)})
    error = refused("eval", "foreign.safetensors", "--model", "mine.py:classes")
    assert "mine.py:classes needs the argument 'num_classes', which the file of weights does not say: give it" in error


def test_what_makes_a_network_and_what_is_an_operator():
    assert all(map(makes_a_network, (LeNet, small_resnet, lambda: 0, lambda rng: 0, lambda a=1, *, num_classes=2: 0)))
    assert not any(map(makes_a_network, (dict, 3, len, lambda x: 0, lambda x=None: 0, lambda x, rng: 0)))


@pytest.mark.parametrize(("text", "message"), [
    ("vgg", "must be one of lenet, .*; or FILE.py:NAME for a network of yours; not 'vgg'$"),
    ("mine.py", r"not 'mine.py' \(write mine.py:NAME\)$"), ("", "must be one of"), (":f", "must be one of"),
    ("mine.py:", "must be one of"), ("mine.py:a b", "must be one of")])
def test_names_of_networks(text, message):
    with pytest.raises(argparse.ArgumentTypeError, match=message):
        network(text)


@pytest.mark.parametrize("name", MODELS)
def test_named_networks_are_made_for_any_data(name, rng):
    from minicnn import Tensor
    sizes = {"in_channels": 3, "num_classes": 4, "image_size": (24, 21)}
    saved = json.loads(json.dumps(description(name, sizes)))    # as a checkpoint returns it
    model = make_network(saved, rng=np.random.default_rng(0), where="a.safetensors")
    first = model.state_dict()
    assert model(Tensor(rng.standard_normal((2, 3, 24, 21)).astype(np.float32))).shape == (2, 4)
    again = make_network(saved, rng=np.random.default_rng(0)).state_dict()
    assert all((again[key] == array).all() for key, array in first.items())


def test_the_sizes_of_the_digits():
    assert sizes_of_data(load_data("mnist5k")) == {"in_channels": 1, "num_classes": 10, "image_size": (28, 28)}


@pytest.mark.parametrize("options", [3, [], {"in_channels": 0}, {"num_classes": 2.5}, {"num_classes": True},
                                     {"image_size": 28}, {"image_size": [28, 0]}, {"image_size": [1 << 40, 28]}])
def test_sizes_in_a_checkpoint_that_are_damaged(options, refused):
    save("a.safetensors", {"weight": np.ones(3)}, meta={"model": "lenet", "model_options": options})
    for command in ("eval", "info"):
        assert "a.safetensors: its metadata are damaged: the sizes of its network" in refused(command, "a.safetensors")


@pytest.mark.parametrize(("text", "message"), [
    ("def other():\n    pass\n", "mine.py has no Net; it has other"),
    ("1 / 0\n", "mine.py does not run: ZeroDivisionError"),
    ("def Net():\n    return 3\n", "mine.py:Net returned an object of type int, not a minicnn.nn.Module"),
    ("from minicnn.nn import Linear\ndef Net():\n    return Linear(2, 1)\n", "is of another model than this Linear")])
def test_a_file_that_was_changed_after_the_training(text, message, run, refused):
    assert run(*TRAIN, "--model", "mine.py:Net", "--out", "run")[0] == 0
    Path("mine.py").write_text(text)
    line = refused("eval", "run")
    assert "run/best.safetensors" in line and message in line


def test_a_module_that_is_gone(refused):
    save("a.safetensors", {"weight": np.ones(3)}, meta={"model": "no_such_package.nets:Net"})
    assert ("a.safetensors: its network is no_such_package.nets:Net, but it cannot be made now: the module "
            "no_such_package.nets cannot be imported: ModuleNotFoundError") in refused("eval", "a.safetensors")


@pytest.mark.parametrize("file", [None, 3, "gone.py"])
def test_a_file_in_a_checkpoint_that_is_damaged(file, refused):
    save("a.safetensors", {"weight": np.ones(3)}, meta={"model": "gone.py:Net", "model_file": file})
    assert "a.safetensors: its network is gone.py:Net, but there is no file gone.py" in refused("eval", "a.safetensors")


def test_only_errors_of_the_users_code_are_the_users():
    with pytest.raises(KeyError), user_errors("mlp"):
        raise KeyError("a bug of minicnn")
    with pytest.raises(InputError, match=r"mine.py:f: KeyError: 'a' \(in test_networks.py, line \d+\)"), \
            user_errors("mine.py:f"):
        raise KeyError("a")
