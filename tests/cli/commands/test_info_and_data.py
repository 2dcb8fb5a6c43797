"""`minicnn info` and `minicnn data` as a user calls them."""

import json
import os
import re

import pytest


@pytest.mark.parametrize("columns", [80, 60, 40])
def test_info(columns, run, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    status, out, err = run("info")
    assert status == 0 and err == "" and max(map(len, out.splitlines())) <= columns
    assert "67,415" in out and "17 px" in out and "all" in out and "19,249,800" in out
    assert ("winograd" in out) == (columns > 60) and ("MaxPool2d" in out) == (columns > 40)


def test_info_as_json(run):
    status, out, _ = run("info", "--json", "--batch-size", "1")
    parameters = [layer["parameters"] for layer in json.loads(out)]
    assert status == 0 and [number for number in parameters if number] == [520, 20_040, 40_040, 5_005, 1_810]


def test_info_of_a_network_with_another_pool(run):
    layers = {layer["name"]: layer for layer in json.loads(run("info", "--model", "lenet-blur", "--json")[1])}
    assert layers["pool.0"]["receptive_field"] == 18 and layers["pool.1"]["receptive_field"] == 21
    assert layers["pool.1"]["out_shape"] == [5, 6, 6]


def test_info_of_a_network_without_convolutions(run):
    status, out, _ = run("info", "--model", "mlp")
    assert status == 0 and "66,790" in out and "algorithm" not in out


def test_what_a_layer_is_stays_longer_than_its_algorithm(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    out = " ".join(run("info", "--model", "small-resnet")[1].split())
    assert "BatchNorm2d" in out and "columns that do not fit: output, algorithm (a wider terminal shows them)" in out


def test_a_network_that_needs_other_images_is_told_by_which_options(refused, folder):
    (folder / "my.py").write_text("from minicnn import nn\n\ndef net(rng):\n    return nn.Conv2d(3, 2, 3, rng=rng)\n")
    line = refused("info", "--model", "my.py:net")
    assert "pictures of shape (64, 1, 28, 28) (--channels and --size choose others)" in line
    assert "the input has 1 channel, so the weight must have shape (2, 1, kH, kW), not (2, 3, 3, 3)" in line


@pytest.mark.parametrize(("options", "message"), [
    (["--batch-size", "0"], "argument --batch-size: must be an integer of at least 1, not '0'"),
    (["--model", "mlp", "--batch-size", "64"], "--batch-size has no effect with --model mlp: it has no convolution"),
    (["--model", "vgg"], "argument --model: must be one of lenet, ")])
def test_misuse_of_info(options, message, refused):
    assert message in refused("info", *options)


def test_data_that_is_there_missing_and_corrupt(run, folder):
    status, out, _ = run("data", "--dataset", "mnist5k")
    assert status == 0 and re.search(r"mnist5k.npz, [\d,]+ bytes: verified\n", out)
    assert "5,000 digits" not in out
    status, out, _ = run("data")
    assert status == 1 and "minicnn train works without these files" in " ".join(out.split()) and "5,000 digits" in out
    status, out, _ = run("data", "--json")
    assert status == 1 and {record["state"] for record in json.loads(out)} == {"missing"}
    (folder / "train-labels-idx1-ubyte.gz").write_bytes(b"rubbish")
    status, out, _ = run("data", "--data", folder)
    assert status == 1 and "missing" in out
    assert "train-labels-idx1-ubyte, 7 bytes: corrupt: " in " ".join(out.split()) and ".," not in out


def test_the_list_of_files_fits(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    _, out, _ = run("data")
    assert all(len(line.split()) == 1 for line in out.splitlines() if len(line) > 40)       # a path, an address


def test_complete_data(run, mnist_dir):
    status, out, _ = run("data", "--data", mnist_dir)
    assert status == 0 and out.count(": verified") == 4


@pytest.mark.parametrize(("options", "message"), [
    (["--data", "nowhere"], "--data nowhere: there is no such directory"),
    (["--data", os.devnull], "there is no such directory"),
    (["--dataset", "mnist5k", "--data", "x"],
     "--data has no effect with --dataset mnist5k: these digits are part of the package. Leave out one of the two"),
    (["--dataset", "mnist5k", "--download"], "--download has no effect with --dataset mnist5k"),
    (["--download", "--data", "x"],
     "--download has no effect with --data: minicnn downloads only into its cache directory")])
def test_misuse_of_data(options, message, refused):
    assert message in refused("data", *options)
