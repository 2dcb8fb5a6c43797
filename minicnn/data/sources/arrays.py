"""Images in arrays: an .npz file of NumPy, or a directory of .npy or IDX files, which are memory-mapped."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...checks import integer
from ...errors import FileError, InputError
from ...files import as_path, open_to_read
from ..dataset import Dataset, check_distinct
from ..idx import DataError, read_idx
from ..lazy import LazyPart, in_memory
from ..rules import Rules, in_pixels
from ..unpack import GZIP
from .class_names import printable
from .split import split

NAMES = {                                         # of the images and of the labels of each part, in files of others
    "train": (("x_train", "y_train"), ("train_images", "train_labels"), ("images", "labels")),
    "val": (("x_val", "y_val"), ("val_images", "val_labels")), "test": (("x_test", "y_test"), ("test_images",
                                                                                              "test_labels"))}
CLASS_NAMES = "class_names"
ENDINGS = ".npy", ".idx", ".idx.gz"                # of the files in a directory
OBJECTS = "Object arrays", "Python objects"        # in NumPy's errors for an array of objects
RATIO = 1032                                      # zlib's technical details: one byte becomes at most so many


def holds_arrays(path: str | Path) -> bool:
    """Whether a path ends in .npz, or is a directory with .npy or .idx files of a known name.

    >>> holds_arrays("digits.npz"), holds_arrays("digits")
    (True, False)
    """
    path = Path(os.path.expanduser(as_path(path)))
    if path.suffix.lower() == ".npz" and not path.is_dir():
        return True
    return any(os.path.isfile(path / f"{one}{ending}") for pairs in NAMES["train"] for one in pairs for ending in
               ENDINGS)


def load_arrays(path: str | Path, *, seed: int = 0, rules: Rules | None = None,
                class_names: Sequence[str] | None = None) -> Dataset:
    """Load images and labels from an .npz file, or from a directory of .npy or IDX files, which are memory-mapped.

    The names of the arrays are x_train, y_train, x_test, y_test, as in Keras' mnist.npz; or train_images, train_labels,
    test_images, test_labels; or images, labels. Files have the same names with .npy or .idx. Parts for validation have
    `val`. Without one, a fifth of each class is taken for it, at random by `seed`. An array `class_names` of texts may
    be there too.

    Memory-mapped images may be larger than the memory: only those of the present batch are read. An .npz file, and
    gzipped IDX files, lie in memory as a whole; the `source` of the Dataset says so of IDX files.

    Parameters
    ----------
    path : path
        The images must be uint8 of shape (n, H, W), (n, H, W, 1), (n, H, W, 3), (n, 1, H, W) or (n, 3, H, W), the
        labels integers of shape (n,) or (n, 1), from 0 on.
    seed : int
    rules : Rules, optional
        Those of an earlier training. By default mean and standard deviation are measured on the training part.
    class_names : sequence of str, optional
        By default the array `class_names`, or else the numbers of the classes.

    Returns
    -------
    Dataset

    Raises
    ------
    DataError
        The file is damaged, or lacks arrays; images, labels or names have another dtype or shape; a class has no
        training image; there is only one class.

    Examples
    --------
    >>> import tempfile
    >>> images, labels = np.zeros((10, 5, 6), np.uint8), np.arange(10) % 2
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.savez(folder + "/made.npz", images=images, labels=labels)
    ...     load_arrays(folder + "/made.npz").train_images.shape
    (8, 5, 6)
    """
    path = Path(os.path.expanduser(as_path(path)))
    rng = np.random.default_rng(integer("load_arrays: seed", seed, 0))
    arrays, there, packed = _read_npz(path) if path.suffix.lower() == ".npz" else _map_files(path)
    parts: dict[str, Any] = {}
    for part, pairs in NAMES.items():
        pair = next((pair for pair in pairs if all(name in arrays for name in pair)), None)
        if pair is not None:
            parts[part] = _images(path, pair[0], arrays[pair[0]]), _labels(path, pair[1], arrays[pair[1]])
            if len(parts[part][0]) != len(parts[part][1]):
                raise DataError(f"{path}: {len(parts[part][0])} images in {pair[0]} but {len(parts[part][1])} labels "
                                f"in {pair[1]}: one label for each image is needed")
    if "train" not in parts:
        known = ", ".join(" and ".join(pair) for pair in NAMES["train"])
        raise DataError(f"{path}: it has {', '.join(there[:10]) or 'no array'}; expected images and labels to train, "
                        f"named {known}")
    names = _class_names(path, class_names, arrays, parts)
    if "val" not in parts:
        images, labels = parts["train"]
        train, val = split(labels, rng, str(path), names)
        parts["train"], parts["val"] = ((_part(images, numbers), labels[numbers]) for numbers in (train, val))
    fields = {f"{part}_{kind}": value for part, pair in parts.items()
              for kind, value in zip(("images", "labels"), pair, strict=True)}
    shape = fields["train_images"].shape
    for images, _ in parts.values():
        if len(images.shape) != len(shape):
            raise DataError(f"{path}: some parts are in colour and some are grey: make them alike")
        if images.shape[1:] != shape[1:]:
            raise DataError(f"{path}: some images have {in_pixels(images.shape[1:3])}, but those to train "
                            f"{in_pixels(shape[1:3])}: make them alike")
    channels = 3 if len(shape) == 4 else 1
    if rules is None:
        rules = Rules(shape[1:3], channels, (0.0,) * channels, (1.0,) * channels).measured(fields["train_images"])
    count = sum(len(labels) for _, labels in parts.values())
    whole = f" ({', '.join(packed)}: gzipped, and so in memory as a whole; gunzip mends that)" if packed else ""
    return Dataset(path.resolve().stem, f"{count:,} images in {path}{whole}, as {rules}", **fields, class_names=names,
                   rules=rules)


def _part(images, numbers):
    return images[numbers] if in_memory(images) else LazyPart(images, numbers)


def _read_npz(path):
    """{name: array} of those arrays that have a known name, the names of all, and no name of a gzipped file."""
    wanted = {name for pairs in NAMES.values() for pair in pairs for name in pair} | {CLASS_NAMES}
    try:
        with open_to_read(path) as file, zipfile.ZipFile(file) as archive:
            for entry in archive.infolist():
                if entry.file_size > RATIO * max(entry.compress_size, 1):
                    raise DataError(f"{path}: {entry.filename} claims {entry.file_size:,} bytes in "
                                    f"{entry.compress_size} packed ones, which cannot be. Replace the file by an "
                                    "intact copy")
            file.seek(0)
            with np.load(file, allow_pickle=False) as arrays:
                return {name: arrays[name] for name in arrays.files if name in wanted}, arrays.files, []
    except FileError as error:
        raise DataError(str(error)) from error
    except DataError:
        raise
    except Exception as error:                    # zipfile, zlib and NumPy raise many kinds
        raise _broken(path, ".npz", error) from error


def _map_files(path):
    """{name: array} of those files that have a known name, these names, and the gzipped files. Others are mapped."""
    found, packed = {}, []
    for name in [name for pairs in NAMES.values() for pair in pairs for name in pair] + [CLASS_NAMES]:
        files = [path / f"{name}{ending}" for ending in ENDINGS if os.path.exists(path / f"{name}{ending}")]
        if len(files) > 1:
            raise DataError(f"{path}: both {files[0].name} and {files[1].name} are there: leave one")
        for file in files:
            found[name], gzipped = _map(file)
            packed += [file.name] * gzipped
    return found, list(found), packed


def _map(file):
    """The array of an .npy or IDX file, memory-mapped unless it is gzipped; and whether it is."""
    try:
        with open_to_read(file) as opened:
            gzipped = opened.read(len(GZIP)) == GZIP
        if file.suffix != ".npy":
            return read_idx(file, mmap=not gzipped), gzipped
        if gzipped:
            raise DataError(f"{file}: it is gzipped, so that it cannot be memory-mapped: unpack it (gunzip)")
        return np.load(file, mmap_mode="r", allow_pickle=False), False
    except DataError:
        raise
    except FileError as error:
        raise DataError(str(error)) from error
    except Exception as error:                    # NumPy raises many kinds
        raise _broken(file, ".npy", error) from error


def _broken(path, ending, error):
    """The DataError for a file that NumPy does not read."""
    if any(words in str(error) for words in OBJECTS):
        return DataError(f"{path}: an array holds Python objects, which are not read because they could run code: save "
                         "numbers as integers, and names as texts (dtype str)")
    return DataError(f"{path}: not an intact {ending} file of NumPy ({error or type(error).__name__}). Replace the "
                     "file by an intact copy")


def _images(path, name, array):
    """The images as (n, H, W) or (n, H, W, 3), without a copy."""
    shape = array.shape
    if array.dtype != np.uint8:
        hint = ": multiply by 255, round, and save as uint8" if array.dtype.kind == "f" else ": save them as uint8"
        raise DataError(f"{path}: {name} holds {array.dtype}, expected uint8, pixels from 0 to 255{hint}")
    if 0 not in shape and len(shape) == 3:
        return array
    if 0 not in shape and len(shape) == 4 and shape[3] in (1, 3):
        return array if shape[3] == 3 else array[..., 0]
    if 0 not in shape and len(shape) == 4 and shape[1] in (1, 3):
        return array.transpose(0, 2, 3, 1) if shape[1] == 3 else array[:, 0]
    raise DataError(f"{path}: {name} has the shape {shape}, expected images (n, H, W), (n, H, W, 3) or (n, 3, H, W)")


def _labels(path, name, array):
    array = np.asarray(array)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise DataError(f"{path}: {name} holds {array.dtype} of shape {array.shape}, expected the numbers of the "
                        "classes, integers of shape (n,)")
    if array.dtype == np.uint64 and array.max(initial=0) > np.iinfo(np.int64).max or array.min(initial=0) < 0:
        raise DataError(f"{path}: {name} goes from {array.min()} to {array.max()}, expected classes from 0 on")
    return array.astype(np.int64)


def _class_names(path, given, arrays, parts):
    """The names of the classes. DataError if a class has no image to train."""
    trained = np.unique(parts["train"][1])
    for part, (_, labels) in parts.items():
        if other := sorted(set(labels.tolist()) - set(trained.tolist())):
            raise DataError(f"{path}: the class {other[0]} is in the {part} part, but not among the training images")
    if len(trained) < 2:
        raise DataError(f"{path}: there is only one class, {trained[0]}: a network learns to tell at least two classes "
                        "apart")
    if trained[-1] != len(trained) - 1:
        lacking = next(number for number in range(trained[-1]) if number not in trained)
        raise DataError(f"{path}: no training image has the label {lacking}: the {len(trained)} classes must be "
                        f"numbered from 0 to {len(trained) - 1}, not from {trained[0]} to {trained[-1]}")
    if given is not None:
        names = tuple(given)
    elif CLASS_NAMES in arrays:
        if arrays[CLASS_NAMES].dtype.kind != "U":
            raise DataError(f"{path}: {CLASS_NAMES} holds {arrays[CLASS_NAMES].dtype}, expected texts, as "
                            "np.array(['cat', 'dog'])")
        names = tuple(printable(str(name)) for name in np.ravel(arrays[CLASS_NAMES]))
        if "" in names:
            raise DataError(f"{path}: the class {names.index('')} has an empty text as its name: give it a name")
    else:
        return tuple(map(str, range(len(trained))))
    if len(names) != len(trained):
        raise InputError(f"{path}: {len(names)} class_names for {len(trained)} classes: give one for each")
    check_distinct(f"{path}: class_names", names)
    return names
