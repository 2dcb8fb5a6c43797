"""A folder of 2,000 coloured pictures of several sizes trains to the error that the same pixels reach from IDX."""

import numpy as np
import pytest
from PIL import Image

from minicnn.data import Dataset, load, load_folder, read_images, read_labels
from minicnn.models import MLP, LeNet
from minicnn.progress import SILENT
from minicnn.training import Settings, fit
from tests.data.idx_files import idx_bytes

GREY = np.array([0.299, 0.587, 0.114])            # of ITU-R 601-2, by which colour becomes grey


def coloured(pixels, rng):
    """The digit in a colour of its own, whose grey is as bright as the digit, within rounding."""
    colour = rng.normal(size=3)
    colour -= GREY * (colour @ GREY) / (GREY @ GREY)
    room = np.minimum(pixels, 255 - pixels)[..., None] / np.abs(colour).max()
    return np.rint(pixels[..., None] + 0.9 * room * colour).astype(np.uint8)


def save(path, pixels, rng):
    """Save a picture that is larger than the digit: twice or three times, or with a margin on two sides."""
    kind = rng.integers(0, 4)
    if kind < 2:
        pixels = pixels.repeat(kind + 2, 0).repeat(kind + 2, 1)
    else:
        margin = 2 * [(0, 0)]
        margin[kind - 2] = (int(rng.integers(0, 9)),) * 2
        pixels = np.pad(pixels, [*margin, (0, 0)])
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """(the dataset from IDX files, the dataset from the folder), each with 1,000 digits to train and to validate."""
    place, rng, digits = tmp_path_factory.mktemp("digits"), np.random.default_rng(0), load("mnist5k")
    parts = {"train": (digits.train_images[:1000], digits.train_labels[:1000]),
             "val": (digits.val_images, digits.val_labels)}
    idx = {}
    for part, (images, labels) in parts.items():
        for number, (image, label) in enumerate(zip(images.astype(float), labels, strict=True)):
            save(place / "pictures" / part / f"class {label}" / f"{number}.png", coloured(image, rng), rng)
        for kind, array, read in (("images", images, read_images), ("labels", labels.astype(np.uint8), read_labels)):
            (place / f"{part}-{kind}").write_bytes(idx_bytes(array))
            idx[f"{part}_{kind}"] = read(place / f"{part}-{kind}")
    folder = load_folder(place / "pictures", image_size=28, colour=False, progress=SILENT)
    return Dataset("idx", "made", **idx), folder


def errors(make, data, settings, seeds):
    return [min(one["val_error"] for one in fit(make(np.random.default_rng(seed)), data, settings(seed)))
            for seed in seeds]


@pytest.mark.slow
def test_the_folder_has_the_digits(both):
    idx, folder = both
    assert len(folder.train_labels) + len(folder.val_labels) == 2000 and folder.class_names[3] == "class 3"
    assert "2,000 converted from colour" in folder.source and "scaled from" in folder.source
    assert abs(folder.rules.mean[0] - 0.13) < 0.01
    same = sorted(image.astype(int).sum() for image in np.asarray(folder.val_images))
    np.testing.assert_allclose(same, sorted(idx.val_images.astype(int).sum((1, 2))), rtol=0.02)


@pytest.mark.slow
@pytest.mark.parametrize(("make", "epochs", "seeds"), [
    (lambda rng: MLP(rng=rng), 20, range(4)), (lambda rng: LeNet(rng=rng), 6, range(2))], ids=["mlp", "lenet"])
def test_a_folder_trains_as_idx_files_do(both, make, epochs, seeds):
    reached = [errors(make, data, lambda seed: Settings(epochs=epochs, seed=seed), seeds) for data in both]
    assert abs(np.mean(reached[0]) - np.mean(reached[1])) <= 0.01 and np.mean(reached) < 0.13, reached
