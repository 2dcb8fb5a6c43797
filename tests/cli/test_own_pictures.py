"""The user's own pictures, from `minicnn train --data-dir` to `eval`: what is kept, what is refused before training."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from minicnn.checkpoint import load, save
from minicnn.data import Rules
from minicnn.models import MLP, LeNet
from tests.data.idx_files import idx_bytes
from tests.data.pictures import make_folder, pixels_of
from tests.data.pictures import save as save_picture

TRAIN = ["train", "--data-dir", "pets", "--model", "mlp", "--epochs", "2", "--batch-size", "4", "--quiet"]


@pytest.fixture
def pets(folder):
    """12 pictures, of 20x20 and 24x20 pixels, of each of three classes."""
    for label, name in enumerate(("cat", "dog", "$owl_é")):
        for number in range(12):
            size = 20 + 4 * (number % 2), 20
            save_picture(folder / "pets" / name / f"{number}.png", size, seed=100 * label + number)
    return folder / "pets"


@pytest.fixture
def trained(run, pets):
    status, out, err = run(*TRAIN, "--json", "--out", "run")
    assert status == 0, err
    return json.loads(out)


def error_of(run, *arguments):
    status, out, err = run(*arguments)
    assert status == 2 and out == "" and "Traceback" not in err and not Path("runs").exists(), err
    return next(line for line in err.splitlines() if "error: " in line)


def test_a_run_keeps_the_rules_and_the_classes(run, trained, pets):
    meta = load("run/best.safetensors").meta
    assert meta["class_names"] == ["$owl_é", "cat", "dog"] and meta["data_from"] == str(pets)
    rules = Rules(**meta["rules"])
    assert rules.size == (32, 32) and rules.channels == 3 and trained["images"] == [30, 6, 0]
    assert "36 pictures in pets, as 32x32 pixels, colour (scaled from 20x20 pixels to 24 rows x 20" in trained["source"]
    out = run("info", "run", "--json")[1]
    assert json.loads(out)[0]["parameters"] == 3 * 32 * 32 * 84 + 84


def test_the_class_names_are_in_the_tables_and_the_picture(run, trained, monkeypatch):
    drawn = []
    monkeypatch.setattr("matplotlib.axes.Axes.text", lambda self, x, y, text, **options: drawn.append(text))
    status, out, _ = run("eval", "run")
    assert status == 0 and re.search(r"true \\ predicted +\$owl_é +cat +dog\n", out) and re.search(r"\ncat +\d", out)
    found = json.loads(run("eval", "run", "--json")[1])
    wrong = 6 - sum(found["confusion"][i][i] for i in range(3))
    assert found["class_names"] == ["$owl_é", "cat", "dog"] and found["part"] == "validation" and found["images"] == 6
    assert sum("taken for" in text for text in drawn) == 2 * wrong and wrong > 0
    monkeypatch.setenv("COLUMNS", "30")
    assert "wrong: as which\n" in run("eval", "run")[1]


def test_a_picture_with_odd_names_is_drawn(run, trained):
    shutil.move("pets", r"$\frac{$")
    status, out, err = run("eval", "run", "--data-dir", r"$\frac{$", "--picture", "p.png")
    assert status == 0 and Path("p.png").read_bytes()[:4] == b"\x89PNG", err


def test_a_folder_that_has_moved(run, trained):
    before = json.loads(run("eval", "run", "--json")[1])
    shutil.move("pets", "moved")
    assert "pets is not there. If the data have moved, name their place: --data-dir" in error_of(run, "eval", "run")
    assert "If the data have moved" in error_of(run, "train", "--resume", "run")
    after = json.loads(run("eval", "run", "--data-dir", "moved", "--json")[1])
    assert {**after, "dataset": "pets"} == before
    status, _, err = run("train", "--resume", "run", "--data-dir", "moved")
    assert status == 0 and "this run is complete" in err


def test_all_pictures_of_another_folder_are_measured_by_the_rules_of_the_network(run, trained, folder):
    make_folder(folder / "more", ("dog", "cat"), count=3, size=(50, 60), mode="L")
    found = json.loads(run("eval", "run", "--data-dir", "more", "--json")[1])
    assert found["images"] == 6 and found["part"] == "given" and found["seen_in_training"] is None
    assert np.sum(found["confusion"], 1).tolist() == [0, 3, 3] and found["class_names"] == trained_names()
    assert "All pictures of the folder count" in run("eval", "run", "--data-dir", "more")[1]
    make_folder(folder / "more", ("emu",))
    assert "the class emu is none of the 3 classes of the network" in error_of(run, "eval", "run", "--data-dir", "more")


def trained_names():
    return load("run/best.safetensors").meta["class_names"]


def test_a_stopped_run_goes_on_to_the_same_weights(run, trained, pets):
    changes = ["--augment", "shift,crop,flip,rotate"]
    whole = json.loads(run(*TRAIN, "--json", "--out", "whole", *changes)[1])
    assert whole["settings"]["augment"] == ["flip", "rotate", "crop"] and whole["settings"]["max_shift"] == 2
    from minicnn import training
    from minicnn.data import DataLoader
    steps = []

    def stop(self, *part, real=DataLoader.batches):
        for batch in real(self, *part):
            if len(steps) == 11:
                raise KeyboardInterrupt
            steps.append(1)
            yield batch
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DataLoader, "batches", stop)
        assert run(*TRAIN, "--json", "--out", "part", *changes)[0] == 130
    assert len(load("part/last.safetensors").meta["history"]) == 1 and training.LAST == "last.safetensors"
    status, _, err = run("train", "--resume", "part", "--quiet", "--json")
    assert status == 0, err
    one, other = (load(f"{name}/last.safetensors").model for name in ("whole", "part"))
    for name, array in one.items():
        np.testing.assert_array_equal(array, other[name])


def test_a_run_does_not_go_on_with_other_pictures(run, trained, pets):
    save_picture(pets / "cat" / "0.png", (20, 20), seed=999)
    assert "its run used other data than these" in error_of(run, "train", "--resume", "run")


def test_options(run, pets):
    result = json.loads(run(*TRAIN, "--gray", "--image-size", "18,20", "--json", "--epochs", "1")[1])
    assert "18 rows x 20 columns, grey" in result["source"] and "36 converted from colour" in result["source"]
    assert load(result["checkpoint"]).meta["model_options"]["image_size"] == [18, 20]


@pytest.mark.parametrize(("arguments", "message"), [
    (["--data-dir", "pets", "--dataset", "mnist5k"], "--dataset has no effect with --data-dir"),
    (["--data-dir", "pets", "--data", "pets"], "--data has no effect with --data-dir"),
    (["--gray"], "--gray has no effect without --data-dir"), (["--image-size", "8"], "--image-size has no effect"),
    (["--data-dir", "pets", "--gray", "--color"], "--color has no effect with --gray"),
    (["--data-dir", "pets", "--image-size", "1,2,3"], "write the height, or the height and the width with"),
    (["--data-dir", "pets", "--image-size", "0"], "(H,W: integers of at least 1), not '0'"),
    (["--data-dir", "pets", "--image-size", "64x32"], "as in 48,64 (H,W: integers of at least 1), not '64x32'"),
    (["--data-dir", "pets", "--augment", "none,flip"], "none stands alone"),
    (["--data-dir", "pets", "--augment", "blur"], "must be one of none, shift, flip, rotate, crop, not 'blur'"),
    (["--data-dir", "nowhere"], "nowhere: cannot be read: No such file or directory. Name a folder that"),
    (["--data-dir", "pets", "--image-size", "12"], "at least 18, not (12, 12): give larger pictures (--image-size), or "
                                                   "a network that takes any size (--model small-resnet)")])
def test_misuse(run, pets, arguments, message):
    assert message in error_of(run, "train", *arguments)


def empty(pets):
    shutil.rmtree(pets)
    pets.mkdir()


def one_class(pets):
    for name in ("dog", "$owl_é"):
        shutil.rmtree(pets / name)


def in_validation_only(pets):
    make_folder(pets.parent / "new" / "train", ("cat", "dog"))
    make_folder(pets.parent / "new" / "val", ("cat", "emu"))
    shutil.rmtree(pets)
    shutil.move(pets.parent / "new", pets)


@pytest.mark.parametrize(("spoil", "message"), [
    (empty, "pets: there is no folder in it"), (one_class, "pets: there is only one class, cat"),
    (in_validation_only, "pets/val: the class emu is in it, but not in pets/train"),
    (lambda pets: (pets / "cat/0.png").write_bytes((pets / "cat/0.png").read_bytes()[:500]),
     "pets/cat/0.png: the picture is broken"),
    (lambda pets: Image.new("CMYK", (9, 9)).save(pets / "dog/ink.jpg"), "pets/dog/ink.jpg: colours of printing inks"),
    (lambda pets: Image.fromarray(np.zeros((9, 9), np.uint16)).save(pets / "dog/deep.png"),
     "pets/dog/deep.png: pixels of 16 "),
    (lambda pets: Image.new("L", (9, 9)).save(pets / "dog/a.gif", save_all=True,
                                                  append_images=[Image.new("L", (9, 9), 9)]),
     "pets/dog/a.gif: an animated picture"),
    (lambda pets: Image.fromarray(pixels_of(pets / "dog/0.png", "L")).save(pets / "dog/0.png"),
     "are grey, such as pets/dog/0.png: choose grey or colour for all of them: give --gray or --color")])
def test_pictures_that_are_refused_before_training(run, pets, spoil, message):
    spoil(pets)
    assert message in error_of(run, *TRAIN)


def test_a_network_whose_output_does_not_fit(run, pets, folder):
    (folder / "my.py").write_text("from minicnn import nn\nclass Net(nn.Sequential):\n    def __init__(self):\n"
                                  "        super().__init__(nn.Flatten(), nn.Linear(3 * 32 * 32, 10))\n")
    assert "returns 10 numbers for a picture, but the data have 3 classes" in error_of(
        run, "train", "--data-dir", "pets", "--model", "my.py:Net")


@pytest.mark.parametrize("command", [["explore"], ["animate", "--figure", "f.png"]])
@pytest.mark.parametrize(("meta", "sizes", "message"), [
    ({"model": "lenet", "model_options": {"in_channels": 3, "num_classes": 10, "image_size": [28, 28]}},
     {"in_channels": 3}, "for other pictures than MNIST's digits, and does not say on which data it was trained"),
    ({"model": "lenet", "model_options": {"num_classes": 4}}, {"num_classes": 4}, "does not say on which data"),
    ({"model": "lenet", "rules": {"mean": [0.5]}}, {}, "does not say on which data it was trained"),
    ({"model": "lenet", "model_options": [1]}, {}, "the sizes of its network are [1]"),
    ({"model": "mlp"}, {}, "is of the model mlp")])
def test_what_the_pages_cannot_show(run, command, meta, sizes, message):
    save("w.safetensors", (MLP if meta["model"] == "mlp" else LeNet)(**sizes).state_dict(), meta=meta)
    assert message in error_of(run, *command, "--weights", "w.safetensors")


@pytest.mark.parametrize(("meta", "message"), [
    ({"rules": {"mean": "x"}}, "its rules for images are damaged"), ({"rules": [1]}, "rules for images are damaged"),
    ({"class_names": "cats"}, "its names of classes are damaged"), ({"class_names": [1]}, "of classes are damaged")])
def test_damaged_metadata(run, trained, meta, message):
    saved = load("run/best.safetensors")
    save("run/best.safetensors", saved.model, meta={**saved.meta, **meta})
    assert message in error_of(run, "eval", "run")


def test_networks_for_colour_take_no_grey_dataset(run, trained):
    assert "its network takes 32x32 pixels, colour; the images of mnist5k are in grey" in error_of(
        run, "eval", "run", "--dataset", "mnist5k")


def test_weights_without_class_names_take_no_folder(run, pets):
    save("w.safetensors", LeNet().state_dict())
    assert "does not name the classes of its network" in error_of(run, "eval", "w.safetensors", "--data-dir", "pets")


def test_arrays_that_are_too_small(run, folder):
    np.savez("small.npz", images=np.zeros((8, 5, 5), np.uint8), labels=np.arange(8) % 2)
    message = error_of(run, "train", "--data", "small.npz")
    assert message.endswith("at least 18, not (5, 5): give a network that takes any size (--model small-resnet)")


@pytest.mark.parametrize("mapped", [False, True])
def test_arrays(run, folder, mapped):
    rng = np.random.default_rng(0)
    arrays = {"images": rng.integers(0, 256, (40, 6, 7, 3), dtype=np.uint8), "labels": np.arange(40) % 4}
    for name, array in arrays.items():
        (folder / "mine").mkdir(exist_ok=True)
        np.save(folder / "mine" / f"{name}.npy", array)
    np.savez("mine.npz", **arrays)
    path = "mine" if mapped else "mine.npz"
    status, out, err = run("train", "--data", path, "--model", "mlp", "--epochs", "1", "--json", "--out", "run")
    result = json.loads(out)
    assert status == 0 and result["dataset"] == "mine" and result["images"] == [32, 8, 0], err
    found = json.loads(run("eval", "run", "--json")[1])
    assert found["images"] == 8 and found["error"] == result["val_error"]
    assert run("train", "--resume", "run", "--quiet")[0] == 0
    shutil.move(path, folder / f"moved{Path(path).suffix}")
    assert "name their place: --data-dir for a folder of pictures, --data for arrays" in error_of(run, "eval", "run")
    moved = json.loads(run("eval", "run", "--data", f"moved{Path(path).suffix}", "--json")[1])
    assert moved["error"] == found["error"] and moved["images"] == 8
    assert found["seen_in_training"] is False and moved["seen_in_training"] is None      # it may be another file
    assert run("train", "--resume", "run", "--data", f"moved{Path(path).suffix}", "--quiet")[0] == 0


def test_images_of_another_size(run, folder):
    for name, size in (("one.npz", (6, 7)), ("two.npz", (5, 7))):
        np.savez(name, images=np.zeros((12, *size), np.uint8), labels=np.arange(12) % 2)
    assert run("train", "--data", "one.npz", "--model", "mlp", "--epochs", "1", "--out", "run", "--quiet")[0] == 0
    message = error_of(run, "eval", "run", "--data", "two.npz")
    assert "was trained on 6 rows x 7 columns, grey, and does not take the images of two, " in message


def test_files_that_the_user_has_not(run, folder):
    assert "t10k-labels-idx1-ubyte (or .gz) not found; get them from http://codh.rois.ac.jp/kmnist/" in error_of(
        run, "train", "--dataset", "kmnist", "--data", ".")
    assert "test_batch.bin (or, of the Python version, without .bin) not found" in error_of(
        run, "eval", "--dataset", "cifar10", "--data", ".")
    status, out, _ = run("data", "--dataset", "emnist-letters", "--data", ".")
    assert status == 1 and out.count("missing") == 4 and "nist.gov" in out


def test_a_run_on_official_files_is_measured_on_its_own_dataset(run, folder, monkeypatch):
    monkeypatch.setattr("minicnn.data.names.VALIDATION", 4)
    rng = np.random.default_rng(0)
    for part, count in (("train", 24), ("test", 6)):
        for kind, shape in (("images-idx3", (count, 28, 28)), ("labels-idx1", (count,))):
            array = rng.integers(0, 10, shape, dtype=np.uint8)
            (folder / f"emnist-digits-{part}-{kind}-ubyte").write_bytes(idx_bytes(array))
    status, out, err = run("train", "--dataset", "emnist-digits", "--data", ".", "--model", "mlp", "--epochs", "1",
                           "--out", "run", "--json")
    assert status == 0 and json.loads(out)["images"] == [20, 4, 6], err
    found = json.loads(run("eval", "run", "--data", ".", "--json")[1])
    assert found["dataset"] == "emnist-digits" and found["images"] == 6 and found["class_names"] == list("0123456789")
    assert run("train", "--resume", "run", "--data", ".", "--quiet")[0] == 0
