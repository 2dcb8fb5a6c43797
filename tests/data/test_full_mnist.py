"""On full MNIST, if it is there: a short training, and the weights in the package."""

import dataclasses
import json
from importlib.resources import files

import numpy as np
import pytest

from minicnn.data import load
from minicnn.models import LeNet, lenet
from minicnn.training import Settings, evaluate, fit


@pytest.mark.slow
def test_a_sixth_of_an_epoch_tells_digits_apart(mnist_dir):
    data = load("mnist", mnist_dir)
    assert (len(data.train_labels), len(data.val_labels), len(data.test_labels)) == (55_000, 5_000, 10_000)
    part = dataclasses.replace(data, train_images=data.train_images[:9_000], train_labels=data.train_labels[:9_000])
    model = LeNet(rng=np.random.default_rng(1))
    fit(model, part, Settings(epochs=1))
    assert evaluate(model, data.test_images, data.test_labels).error < 0.08


def test_the_shipped_weights_make_the_mistakes_that_their_record_says(mnist_dir):
    data = load("mnist", mnist_dir)
    record = json.loads((files("minicnn") / "weights" / "lenet.json").read_text())
    model = lenet(pretrained=True)
    # another processor may round a close call the other way
    assert evaluate(model, data.test_images, data.test_labels).error == pytest.approx(record["test_error"], abs=2e-4)
    assert evaluate(model, data.val_images, data.val_labels).error == pytest.approx(record["val_error"], abs=4e-4)


def test_the_shipped_weights_on_the_embedded_digits():
    """These digits are training images of the weights. The test only shows that the weights load and fit the images."""
    data = load("mnist5k")
    assert evaluate(lenet(pretrained=True), data.val_images, data.val_labels).error < 0.02
