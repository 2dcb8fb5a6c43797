"""Folders of pictures for tests."""

import numpy as np
from PIL import Image


def save(path, size=(8, 8), mode="RGB", seed=0, **options):
    """Save a picture of random pixels; `size` is (height, width). Its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).convert(mode).save(path, **options)
    return path


def pixels_of(path, mode="RGB"):
    """The pixels as Pillow reads them."""
    with Image.open(path) as picture:
        return np.asarray(picture.convert(mode))


def make_folder(folder, classes=("cat", "dog", "owl"), count=6, **options):
    """Make a folder with `count` pictures in a folder for each class."""
    for label, name in enumerate(classes):
        for number in range(count):
            save(folder / name / f"{number}.png", seed=100 * label + number, **options)
    return folder
