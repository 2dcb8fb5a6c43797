"""KMNIST, QMNIST and EMNIST, of which minicnn downloads nothing: their IDX files, where the user has them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .. import idx
from ..idx import DataError
from .checksums import check_md5

DIGITS = tuple("0123456789")
CAPITALS = tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
MERGED = (*DIGITS, *CAPITALS, *"abdefghnqrt")      # small letters that do not look like their capitals
SIZE = 28                                         # pixels on a side of every image


@dataclass(frozen=True)
class GivenFile:
    """A file that the user has.

    Attributes
    ----------
    name : str
        Without ".gz".
    md5 : str or None
        Of the .gz file. None: not known from a source.
    """

    name: str
    md5: str | None = None


@dataclass(frozen=True)
class GivenSource:
    """A dataset of four IDX files: training images, training labels, test images, test labels.

    Attributes
    ----------
    name : str
    folders : tuple of str
        Where the files may lie below the directory, besides the directory itself.
    files : tuple of GivenFile
    page : str
        Where one gets them.
    class_names : tuple of str
    first : int
        The label of the first class.
    transposed : bool
        Whether rows and columns of the images are exchanged in the files.
    mapping : str or None
        A file that names the classes, if it is there: label, then the codes of its characters. The first one counts.
    """

    name: str
    folders: tuple[str, ...]
    files: tuple[GivenFile, ...]
    page: str
    class_names: tuple[str, ...]
    first: int = 0
    transposed: bool = False
    mapping: str | None = None


def _emnist(split: str, class_names: tuple[str, ...], first: int = 0) -> GivenSource:
    names = (f"emnist-{split}-{part}-{kind}-ubyte" for part in ("train", "test") for kind in ("images-idx3",
                                                                                               "labels-idx1"))
    return GivenSource(f"emnist-{split}", ("EMNIST/raw", "gzip"), tuple(map(GivenFile, names)),
                       "https://www.nist.gov/itl/products-and-services/emnist-dataset (gzip.zip)", class_names, first,
                       True, f"emnist-{split}-mapping.txt")


# The MD5 sums are those of torchvision (datasets/mnist.py). It has none for the single files of EMNIST.
GIVEN = {source.name: source for source in (
    GivenSource("kmnist", ("KMNIST/raw",), (
        GivenFile("train-images-idx3-ubyte", "bdb82020997e1d708af4cf47b453dcf7"),
        GivenFile("train-labels-idx1-ubyte", "e144d726b3acfaa3e44228e80efcd344"),
        GivenFile("t10k-images-idx3-ubyte", "5c965bf0a639b31b8f53240b1b52f4d7"),
        GivenFile("t10k-labels-idx1-ubyte", "7320c461ea6c1c855c0b718fb2a4b134"),
    ), "http://codh.rois.ac.jp/kmnist/", ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")),
    GivenSource("qmnist", ("QMNIST/raw",), (
        GivenFile("qmnist-train-images-idx3-ubyte", "ed72d4157d28c017586c42bc6afe6370"),
        GivenFile("qmnist-train-labels-idx2-int", "0058f8dd561b90ffdd0f734c6a30e5e4"),
        GivenFile("qmnist-test-images-idx3-ubyte", "1394631089c404de565df7b7aeaf9412"),
        GivenFile("qmnist-test-labels-idx2-int", "5b5b05890a5e13444e108efe57b788aa"),
    ), "https://github.com/facebookresearch/qmnist", DIGITS),
    _emnist("balanced", MERGED), _emnist("bymerge", MERGED),
    _emnist("byclass", (*DIGITS, *CAPITALS, *"abcdefghijklmnopqrstuvwxyz")),
    _emnist("digits", DIGITS), _emnist("mnist", DIGITS), _emnist("letters", CAPITALS, 1))}


def find_files(source: GivenSource, directory: Path) -> dict[str, Path]:
    """The files of a source that are there: name -> path. A gzipped copy is preferred, because it has a checksum."""
    found: dict[str, Path] = {}
    for file in source.files:
        for name in (f"{file.name}.gz", file.name):
            for folder in (directory, *(directory / one for one in source.folders)):
                if file.name not in found and os.path.isfile(folder / name):
                    found[file.name] = folder / name
    return found


def read(path: Path, source: GivenSource, file: GivenFile) -> tuple[np.ndarray, bool]:
    """Read a file: upright images (n, 28, 28), or labels from 0 on.

    Returns
    -------
    array : ndarray
        uint8 (n, 28, 28) or int64 (n,).
    verified : bool
        False if there is no checksum to compare with.

    Raises
    ------
    DataError
        The file is damaged, is not the official one, or is of another kind.
    """
    packed = path.suffix == ".gz"
    if packed and file.md5:
        check_md5(path, file.md5)
    if "images" in file.name:
        images = idx.read_images(path)
        if images.dtype != np.uint8 or images.shape[1:] != (SIZE, SIZE):
            raise DataError(f"{path}: images of {images.dtype} and shape {images.shape}, expected uint8 (n, {SIZE}, "
                            f"{SIZE}). {idx.REPLACE}")
        return (images.transpose(0, 2, 1) if source.transposed else images), packed and file.md5 is not None
    labels = idx.read_labels(path) - source.first
    wrong = np.flatnonzero((labels < 0) | (labels >= len(source.class_names)))
    if wrong.size:
        last = source.first + len(source.class_names) - 1
        raise DataError(f"{path}: label {labels[wrong[0]] + source.first} at index {wrong[0]}, expected {source.first} "
                        f"to {last}. Is the file of another dataset? {idx.REPLACE}")
    return labels, packed and file.md5 is not None


def class_names(source: GivenSource, directory: Path) -> tuple[str, ...]:
    """The names of the classes: those in the mapping file if it is there, else those that are known."""
    if source.mapping is None:
        return source.class_names
    paths = [folder / source.mapping for folder in (directory, *(directory / one for one in source.folders))]
    path = next((path for path in paths if os.path.isfile(path)), None)
    if path is None:
        return source.class_names
    try:
        with idx.opened(path) as content:
            rows = [[int(word) for word in line.split()] for line in content.read(1 << 16).decode("ascii").splitlines()
                    if line.strip()]
        names = {label - source.first: chr(first) for label, first, *_ in rows}
        return tuple(names[number] for number in range(len(source.class_names)))
    except (ValueError, KeyError, OverflowError) as error:
        last = source.first + len(source.class_names) - 1
        raise DataError(f"{path}: not a mapping of {source.name}: expected a line for each label from {source.first} "
                        f"to {last}, with the label and the codes of its characters. Remove "
                        "the file; then minicnn uses the names that it knows") from error


def lack(source: GivenSource, found: dict[str, Path]) -> str:
    """The names of the files that are missing, and where one gets them. "" if all are there."""
    names = ", ".join(file.name for file in source.files if file.name not in found)
    return f"{names} (or .gz) not found; get them from {source.page}" if names else ""
