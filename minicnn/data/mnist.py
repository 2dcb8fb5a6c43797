"""The files of MNIST and Fashion-MNIST: their names, checksums, mirrors and places."""

from __future__ import annotations

import hashlib
import math
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputTypeError
from ..files import cache_dir
from ..progress import SILENT, Part, Progress
from . import idx
from .download import UnavailableError, fetch
from .idx import DataError

CLASSES = 10
ORIGINS = {"data_dir": "the directory was named explicitly", "MINICNN_DATA": "the directory was named by MINICNN_DATA",
           "cache": "the cache directory of minicnn"}


@dataclass(frozen=True)
class IdxFile:
    """One of the official files.

    Attributes
    ----------
    name : str
        Without ".gz".
    shape : tuple of int
        Of the array in it.
    size : int
        Bytes of the .gz file.
    sha256 : str
        Of the .gz file.
    raw_sha256 : str or None
        Of the unpacked file. None if nobody publishes it.
    """

    name: str
    shape: tuple[int, ...]
    size: int
    sha256: str
    raw_sha256: str | None = None


@dataclass(frozen=True)
class Source:
    """A dataset of four IDX files: training images, training labels, test images, test labels.

    Attributes
    ----------
    name : str
    folder : str
        The name that torchvision gives to the directory of the dataset.
    mirrors : tuple of str
        URLs that end in "/", in the order in which they are asked.
    files : tuple of IdxFile
    class_names : tuple of str
    """

    name: str
    folder: str
    mirrors: tuple[str, ...]
    files: tuple[IdxFile, ...]
    class_names: tuple[str, ...] = tuple("0123456789")


# The checksums of the .gz files are published. Those of the unpacked files were computed from verified .gz files.
MNIST = Source("mnist", "MNIST", (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
), (
    IdxFile("train-images-idx3-ubyte", (60000, 28, 28), 9912422,
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
    IdxFile("train-labels-idx1-ubyte", (60000,), 28881,
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
    IdxFile("t10k-images-idx3-ubyte", (10000, 28, 28), 1648877,
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
    IdxFile("t10k-labels-idx1-ubyte", (10000,), 4542,
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
))

# Sizes and checksums are those of TensorFlow Datasets (url_checksums/fashion_mnist.txt) and of torchvision's prototype
# datasets. The first mirror is the official one. It has no HTTPS, so the checksum is the only protection.
FASHION_MNIST = Source("fashion-mnist", "FashionMNIST", (
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
), (
    IdxFile("train-images-idx3-ubyte", (60000, 28, 28), 26421880,
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
    IdxFile("train-labels-idx1-ubyte", (60000,), 29515,
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
    IdxFile("t10k-images-idx3-ubyte", (10000, 28, 28), 4422102,
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
    IdxFile("t10k-labels-idx1-ubyte", (10000,), 5148,
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
), ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"))

SOURCES = {source.name: source for source in (MNIST, FASHION_MNIST)}


def data_place(data_dir: str | Path | None = None) -> tuple[Path, str]:
    """The directory in which minicnn looks for data, and its key in `ORIGINS`.

    It is `data_dir`, else the environment variable `MINICNN_DATA`, else the cache directory.

    >>> data_place("digits")[1]
    'data_dir'
    """
    if data_dir is not None:
        try:
            return Path(os.fsdecode(os.path.expanduser(data_dir))), "data_dir"
        except TypeError as error:
            raise InputTypeError(f"data_dir must be a path, not a {type(data_dir).__name__}") from error
    if os.environ.get("MINICNN_DATA"):
        return Path(os.path.expanduser(os.environ["MINICNN_DATA"])), "MINICNN_DATA"
    return cache_dir(), "cache"


def raw_folder(source: Source, directory: Path) -> Path:
    """The folder below `directory` into which torchvision puts the files, and minicnn in its cache directory."""
    return directory / source.folder / "raw"


def find_files(source: Source, directory: Path) -> dict[str, Path]:
    """The files of a source that lie in `directory` or in its `raw_folder`: name -> path.

    A gzipped copy is preferred, because its checksum is published.
    """
    found: dict[str, Path] = {}
    for file in source.files:
        dotted = file.name.replace("-idx", ".idx")                  # so Kaggle names the unpacked files
        for name in (f"{file.name}.gz", file.name, f"{dotted}.gz", dotted):
            for folder in (directory, raw_folder(source, directory)):
                if file.name not in found and os.path.isfile(folder / name):
                    found[file.name] = folder / name
    return found


def locate(source: Source, data_dir: str | Path | None = None, download: bool = True, *,
           patience: float | None = None, progress: Progress = SILENT) -> dict[str, Path]:
    """All four files of a source: name -> path. If the cache directory lacks files, they are downloaded into it.

    `data_dir` and `MINICNN_DATA` must have all files. minicnn never writes into these directories.

    Parameters
    ----------
    source : Source
    data_dir : path, optional
    download : bool
    patience : float, optional
        As in `download.fetch`.
    progress : Progress

    Returns
    -------
    dict of str to Path

    Raises
    ------
    DataError
        `data_dir` or `MINICNN_DATA` lacks a file.
    UnavailableError
        The cache directory lacks a file, and the download is not allowed or fails.
    """
    directory, origin = data_place(data_dir)
    paths = find_files(source, directory)
    missing = [file for file in source.files if file.name not in paths]
    if not missing:
        return paths
    if origin == "cache" and download:
        return paths | _download(source, missing, raw_folder(source, directory), patience, progress)
    names = ", ".join(file.name for file in missing)
    if origin != "cache" and not os.path.isdir(directory):
        raise DataError(f"{directory}: there is no such directory; {ORIGINS[origin]}. Make it, and put these files "
                        f"there: {names}")
    lack = f"{source.name}: {names} (or .gz) not found in {directory} nor in {raw_folder(source, directory)}"
    if origin == "cache":
        raise UnavailableError(f"{lack}, {ORIGINS[origin]}. Allow the download, or name a directory that has them.")
    raise DataError(f"{lack}; {ORIGINS[origin]}. Put them there, or leave out the directory; then "
                    "minicnn uses its cache directory.")


def read(path: Path, file: IdxFile) -> tuple[np.ndarray, bool]:
    """Read a file and check that it is the official one.

    Parameters
    ----------
    path : Path
    file : IdxFile

    Returns
    -------
    array : ndarray
        uint8 (n, height, width) or int64 (n,).
    verified : bool
        False if only the format was checked, because the file is unpacked and nobody publishes its checksum.

    Raises
    ------
    DataError
        The file is not the official one. It is not changed.
    """
    with idx.opened(path) as content:
        expected = file.sha256 if content.packed else file.raw_sha256
        if expected:
            _check_official(path, content, file, expected)
        array = idx.read_array(content, path, file.shape)
    return (idx.check_labels(array, path, CLASSES) if array.ndim == 1 else array), expected is not None


def _check_official(path, content, file, expected):
    """Raise DataError if the size or the checksum of a file is not the official one."""
    size = file.size if content.packed else 4 + 4 * len(file.shape) + math.prod(file.shape)
    found = f"{content.size:,} bytes"
    if content.size == size:
        digest = hashlib.file_digest(content.file, "sha256").hexdigest()
        content.file.seek(0)
        if digest == expected:
            return
        found += f" with SHA-256 {digest}"
    raise DataError(f"{path}: not the official file, or damaged: {found}, expected {size:,} bytes with SHA-256 "
                    f"{expected}. {idx.REPLACE} If it lies in the cache directory, delete it. Files of your own need "
                    "other names: train_images.idx and train_labels.idx.")


def _download(source, files, folder, patience, progress):
    """Download files into a folder. For the next file, ask first the mirror that delivered the last one."""
    paths, mirrors, done, total = {}, list(source.mirrors), 0, sum(file.size for file in files)
    for file in files:
        part = Part(progress, done / total, (done + file.size) / total)
        paths[file.name] = folder / f"{file.name}.gz"
        delivered = fetch(mirrors, paths[file.name], file.size, file.sha256, patience=patience, progress=part)
        mirrors.sort(key=lambda mirror: mirror != delivered)
        done += file.size
    return paths
