"""`fit` checks at its start what would stop it later, and `evaluate` refuses what it cannot judge."""

import dataclasses
import errno
import os

import numpy as np
import pytest

from minicnn import InputError, InputTypeError, Tensor, nn
from minicnn.checkpoint import CheckpointError, load
from minicnn.errors import FileError
from minicnn.models import MLP, LeNet
from minicnn.training import Settings, evaluate, fit
from tests.training.test_fit import SETTINGS, digits, network  # noqa: F401 (a fixture)


class Never(nn.Module):
    """A network whose optimiser must not make a step: the checks must raise before it."""

    def __init__(self, inner):
        self.inner = inner

    def forward(self, x):
        return self.inner(x)


@pytest.fixture
def refused(digits, tmp_path, monkeypatch):  # noqa: F811
    """Call fit, which must raise before its first step and leave the model and the disk as they were."""
    def refused(message, model=None, error=InputError, **options):
        data, settings = options.pop("data", digits), options.pop("settings", SETTINGS)
        model = model or network()
        before = {name: array.copy() for name, array in model.state_dict().items()} if isinstance(model, nn.Module) \
            else {}
        monkeypatch.setattr("minicnn.training.run._Run._step", lambda *arguments: pytest.fail("a step was made"))
        with pytest.raises(error, match=message):
            fit(model, data, settings, **{"out": tmp_path / "run", **options})
        assert not (tmp_path / "run").exists()
        for name, array in before.items():
            np.testing.assert_array_equal(model.state_dict()[name], array)
    return refused


@pytest.mark.parametrize(("options", "message"), [
    ({"model": MLP}, "fit: the model is the class MLP; give an instance"),
    ({"model": lambda x: x}, "fit: the model is a function; give a minicnn.nn.Module"),
    ({"data": (np.zeros(3), np.zeros(3))}, "the data are a tuple without name, train_images, .*give a minicnn.data.Da"),
    ({"settings": {"epochs": 3}}, r"settings must be Settings\(epochs=3\), not {'epochs': 3}"),
    ({"out": 3}, "out must be the path of a directory, not 3"),
    ({"resume": "run/last.safetensors"}, "resume must be minicnn.checkpoint.load.*, not 'run/last.safetensors'"),
    ({"progress": 1}, "progress must be True, False or a minicnn.progress.Progress, not 1"),
    ({"extra_meta": [1]}, r"extra_meta must be a dict, not \[1\]")])
def test_arguments_of_a_wrong_type(options, message, refused):
    refused(message, error=InputTypeError, **options)


def test_an_empty_path_and_metadata_that_fit_records_itself(refused):
    refused("out is an empty path; name a directory", out="")
    refused("extra_meta must not have epoch, best: fit itself records that", extra_meta={"best": 1, "epoch": 2})


def test_the_last_label_of_each_part_is_looked_at(digits, refused):  # noqa: F811
    for part, value, message in (("train", 10, "the training labels go from 0 to 10, but the model has 10 classes"),
                                 ("train", -1, "the training labels go from -1 to 9"),
                                 ("val", 10, "the validation labels go from 0 to 10"),
                                 ("val", -100, "the validation labels go from -100 to 9")):
        labels = getattr(digits, f"{part}_labels").copy()
        labels[-1] = value
        refused(message, data=dataclasses.replace(digits, **{f"{part}_labels": labels}))


def test_images_that_do_not_fit(digits, refused):  # noqa: F811
    small = np.zeros((100, 20, 20), np.uint8)
    refused("linear: the input has shape", data=dataclasses.replace(digits, val_images=small))
    refused("LeNet: the linear layer needs images", model=LeNet(rng=np.random.default_rng(0)),
            data=dataclasses.replace(digits, val_images=small))
    refused("the validation images: DataLoader: the dataset is empty",
            data=dataclasses.replace(digits, val_images=small[:0], val_labels=digits.val_labels[:0]))
    refused("the dataset is empty", data=dataclasses.replace(digits, train_images=small[:0],
                                                             train_labels=digits.train_labels[:0]))
    refused(r"labels of shape \(99,\) for 100 images", data=dataclasses.replace(digits,
                                                                               val_labels=digits.val_labels[1:]))
    wrong = digits.val_images[:, None] / 255.0
    wrong[-1, 0, 3, 3] = np.nan
    refused("NaN or infinity in 1 of 100 images", data=dataclasses.replace(digits, val_images=wrong))


def test_models_that_cannot_be_trained(refused, rng):
    refused("Flatten has no parameters$", model=nn.Flatten())
    frozen = network()
    for parameter in frozen.parameters():
        parameter.requires_grad = False
    refused("Sequential has no parameters that require a gradient", model=frozen)
    infinite = network()
    infinite[4].bias.data[2] = np.inf
    refused("Sequential: 4.bias has NaN or infinity in 1 of 10 numbers: training cannot start", model=infinite)


@pytest.mark.parametrize(("layer", "shape"), [
    (lambda rng: nn.Flatten(), r"\(64, 784\)"), (lambda rng: nn.Sequential(nn.Flatten(), nn.Linear(784, 10, rng=rng)),
                                                 None)])
def test_an_output_that_is_no_logits(layer, shape, refused, rng):
    class Wrong(nn.Module):
        def __init__(self):
            self.layer = nn.Sequential(nn.Flatten(), nn.Linear(784, 10, rng=rng))

        def forward(self, x):
            return self.layer(x).reshape(len(x.data), 5, 2)
    refused(r"Wrong returned a Tensor of shape \(64, 5, 2\) for 64 images: a classifier returns logits", model=Wrong())


def test_a_last_batch_of_one_image_that_batch_norm_refuses(digits, refused, rng):  # noqa: F811
    model = nn.Sequential(nn.Conv2d(1, 10, 28, rng=rng), nn.BatchNorm2d(10), nn.Flatten())
    data = dataclasses.replace(digits, train_images=digits.train_images[:65], train_labels=digits.train_labels[:65])
    refused("more than one value", model=model, data=data)
    assert model[1].running_mean.tolist() == [0.0] * 10


def test_states_that_cannot_be_stored(digits, refused, tmp_path, monkeypatch):  # noqa: F811
    refused("the metadata hold a set, which JSON does not", error=InputTypeError, extra_meta={"of": {1}})
    (tmp_path / "file").write_text("")
    refused("run cannot be made: .*file is not a directory", error=FileError, out=tmp_path / "file" / "run")

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr(os, "fsync", full)
    refused("run/last.safetensors could not be written: the disk is full", error=CheckpointError)


def test_the_check_changes_nothing(digits, rng):  # noqa: F811
    """A training after the check has the same bits as one whose check is switched off."""
    from minicnn.training import run

    def model():
        rng = np.random.default_rng(3)
        return nn.Sequential(nn.Conv2d(1, 2, 5, stride=4, rng=rng), nn.BatchNorm2d(2), nn.Flatten(),
                             nn.Dropout(0.3, rng=np.random.default_rng(4)), nn.Linear(72, 10, rng=rng))
    checked, unchecked = model(), model()
    checked[1].eval()
    fit(checked, digits, SETTINGS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "check_model_on_data", lambda *arguments, **options: None)
        fit(unchecked, digits, SETTINGS)
    for name, array in checked.state_dict().items():
        np.testing.assert_array_equal(array, unchecked.state_dict()[name])


def test_numbers_of_numpy_are_recorded_as_they_were_used(digits, tmp_path):  # noqa: F811
    settings = Settings(epochs=np.int64(1), batch_size=np.uint8(64), lr=np.float32(0.5) / 256, seed=np.int16(3))
    assert [type(value) for value in dataclasses.astuple(settings)[:8]] == [
        int, int, float, float, int, int, tuple, type(None)]
    fit(network(), digits, settings, out=tmp_path)
    assert Settings(**load(tmp_path / "last.safetensors").meta["settings"]) == settings


@pytest.mark.parametrize(("model", "name"), [
    (lambda rng: LeNet(pool="blur", rng=rng), "lenet-blur"), (lambda rng: MLP(rng=rng), "mlp"),
    (lambda rng: MLP(7, rng=rng), "MLP"), (lambda rng: network(), "Sequential"),
    (lambda rng: Never(LeNet(rng=rng)), "Never")])
def test_the_model_is_recorded_under_its_own_name(model, name, digits, tmp_path, rng):  # noqa: F811
    few = dataclasses.replace(digits, train_images=digits.train_images[:8], train_labels=digits.train_labels[:8],
                              val_images=digits.val_images[:8], val_labels=digits.val_labels[:8])
    fit(model(rng), few, Settings(epochs=1), out=tmp_path)
    assert load(tmp_path / "best.safetensors").meta["model"] == name


@pytest.mark.parametrize(("images", "size"), [(1, 64), (1, 1), (3, 1), (65, 64)])
def test_one_image_one_batch_and_a_last_batch_of_one(images, size, digits, tmp_path):  # noqa: F811
    few = dataclasses.replace(digits, train_images=digits.train_images[:images],
                              train_labels=digits.train_labels[:images], val_images=digits.val_images[:1],
                              val_labels=digits.val_labels[:1])
    history = fit(network(), few, Settings(epochs=2, batch_size=size), out=tmp_path)
    assert len(history) == 2 and history[1]["val_error"] in (0.0, 1.0)


def test_one_class(digits, rng):  # noqa: F811
    zeros = dataclasses.replace(digits, train_labels=np.zeros(256, int), val_labels=np.zeros(100, int))
    history = fit(nn.Sequential(nn.Flatten(), nn.Linear(784, 1, rng=rng)), zeros, Settings(epochs=1))
    assert history[0]["val_loss"] == history[0]["val_error"] == 0.0
    with pytest.raises(InputError, match="training labels go from 0 to 9, but the model has 1 class, 0 to 0"):
        fit(nn.Sequential(nn.Flatten(), nn.Linear(784, 1, rng=rng)), digits, Settings(epochs=1))


def test_evaluate_takes_lists_and_refuses_what_it_cannot_judge(digits):  # noqa: F811
    model = network()
    images, labels = digits.val_images[:5], digits.val_labels[:5]
    assert evaluate(model, images.tolist() and images, labels.tolist()).error == evaluate(model, images, labels).error
    with pytest.raises(InputError, match="the dataset is empty"):
        evaluate(model, images[:0], labels[:0])
    with pytest.raises(InputError, match="Flatten returned a Tensor of shape"):
        evaluate(nn.Flatten(0), images, labels)
    with pytest.raises(InputError, match="the labels go from -10 to -6"):
        evaluate(model, images, labels - 10)


def test_a_model_that_returns_no_tensor(digits):  # noqa: F811
    class Pair(nn.Module):
        def forward(self, x):
            return x, x
    with pytest.raises(InputError, match="Pair returned a tuple for 100 images: a classifier returns logits"):
        evaluate(Pair(), digits.val_images, digits.val_labels)
    assert isinstance(Tensor([1.0]), Tensor)


def test_an_output_that_is_not_finite_is_no_answer_and_counts_as_wrong():
    """Also where the true class is 0, the first one: argmax of NaN is 0."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    model[1].weight.data[...], model[1].bias.data[...] = 0, (1, 0, 0)
    images = np.zeros((4, 2, 2), np.uint8)
    images[2:] = 255
    model[1].weight.data[1] = np.where(np.arange(4), 0, 3e38)   # infinite for the two bright images
    model[1].weight.data[1, 1] = 3e38
    found = evaluate(model, images, [0, 1, 0, 1])
    assert found.predictions.tolist() == [0, 0, -1, -1] and found.error == 0.75 and np.isnan(found.loss)
    assert found.confusion.tolist() == [[1, 0, 0], [1, 0, 0], [0, 0, 0]]
    with pytest.raises(InputTypeError, match="evaluate: the model must be a minicnn.nn.Module, not a list"):
        evaluate([model], images, [0, 1, 0, 1])
