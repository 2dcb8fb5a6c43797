"""A folder of pictures as a Dataset: one folder for each class."""

from __future__ import annotations

import os
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from ...checks import boolean, integer, pair
from ...errors import FileError, InputError
from ...files import as_path
from ...progress import NOTES, Progress
from ..dataset import Dataset, check_distinct
from ..idx import DataError
from ..lazy import LazyPart
from ..rules import Rules, in_pixels
from .class_names import printable
from .pictures import PictureFacts, Pictures, check_size, facts
from .split import split

PARTS = {"train": ("train",), "val": ("val", "valid", "validation"), "test": ("test",)}     # names of their folders
LARGEST, SIZE = 64, (32, 32)                      # without image_size: the largest side that is kept; else this size
SKIPPED = ("__MACOSX",)                           # folders that some zip programs add
READ = 32                                         # pictures between two updates of the progress


class MixedColoursError(DataError):
    """Some pictures are grey and some are in colour, and nobody chose."""


class _Found(NamedTuple):
    """The pictures of a part: the files, and the number of the class of each."""

    paths: list[Path]
    labels: np.ndarray


def load_folder(folder: str | Path, *, image_size: int | tuple[int, int] | None = None, colour: bool | None = None,
                seed: int = 0, rules: Rules | None = None, class_names: Sequence[str] | None = None,
                progress: Progress = NOTES) -> Dataset:
    """Load a folder of pictures: one folder for each class, whose name is the name of the class.

    The classes may lie in FOLDER/train, FOLDER/val and FOLDER/test. Without a `val` (`valid`, `validation`) a fifth of
    each class is taken for validation, at least one picture, at random by `seed`. Classes are sorted by their names.
    Left out are files whose ending is not that of a picture, folders in the folder of a class, and pictures outside of
    these folders; a note says so. Hidden files are left out too.

    Every picture is read once, so that a broken one is found before training begins. The resized pictures stay in
    memory if they take at most 1 GB; of a larger folder the others are read again whenever they are needed.
    `minicnn.data.sources.pictures.read_picture` says how a picture is converted and resized, and what it refuses.

    Parameters
    ----------
    folder : path
    image_size : int or (int, int), optional
        Height and width. By default the size of the pictures, if all have one size of at most 64x64; else 32x32.
    colour : bool, optional
        By default as the pictures are. Needed if some pictures are grey and some are in colour.
    seed : int
        Draws the validation part, and the order of the pictures.
    rules : Rules, optional
        The rules of an earlier training, instead of `image_size` and `colour`. By default mean and standard deviation
        are measured on the training part.
    class_names : sequence of str, optional
        The classes of an earlier training. The folder must have no other class.
    progress : Progress

    Returns
    -------
    Dataset
        Its images are LazyImages.

    Raises
    ------
    DataError
        A picture is refused, or is much smaller than the size (`check_size`); there is no picture in the folder or in
        one of the classes; there is only one class; a class is in validation or test only; a class has too few pictures
        for a validation part; some pictures are grey and some in colour.

    Examples
    --------
    >>> import tempfile
    >>> from minicnn.progress import SILENT
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for i in range(10):
    ...         path = Path(folder, "light" if i % 2 else "dark", f"{i}.png")
    ...         path.parent.mkdir(exist_ok=True)
    ...         Image.new("L", (8, 8), 200 * (i % 2)).save(path)
    ...     data = load_folder(folder, progress=SILENT)
    >>> data.class_names, data.train_images.shape, data.val_labels.tolist()
    (('dark', 'light'), (8, 8, 8), [0, 1])
    """
    folder = Path(os.path.expanduser(as_path(folder)))
    if rules is None:
        image_size = None if image_size is None else pair("load_folder: image_size", image_size, 1)
        colour = None if colour is None else boolean("load_folder: colour", colour)
    elif image_size is not None or colour is not None:
        raise InputError("load_folder: the rules have a size and channels: leave out image_size and colour")
    rng = np.random.default_rng(integer("load_folder: seed", seed, 0))
    found, names = _found(folder, class_names, progress)
    everything = [path for part in found.values() for path in part.paths]
    known = [facts(path) for path in _counted(everything, progress, "looking at pictures", 0.0, 0.1)]
    given = rules or _rules(everything, known, image_size, colour)
    for path, one in zip(everything, known, strict=True):
        check_size(path, one.size, given)
    pictures = Pictures(everything, given)
    pictures.known = np.zeros(len(everything), np.uint32)
    for number in _counted(range(len(everything)), progress, "reading pictures", 0.1, 1.0):
        pictures.known[number] = zlib.crc32(np.ascontiguousarray(pictures[number]).data)
    parts, start = {}, 0
    for part, (paths, labels) in found.items():
        order = rng.permutation(len(paths))
        parts[part] = start + order, labels[order]
        start += len(paths)
    if "val" not in parts:
        numbers, labels = parts["train"]
        train, val = split(labels, rng, str(folder), names)
        parts["train"], parts["val"] = (numbers[train], labels[train]), (numbers[val], labels[val])
    arrays: dict[str, Any] = {f"{part}_{kind}": value for part, (numbers, labels) in parts.items()
                              for kind, value in (("images", LazyPart(pictures, numbers)), ("labels", labels))}
    used = given if rules else given.measured(arrays["train_images"])
    source = f"{len(everything):,} pictures in {folder}, as {used}{_resized(known, used)}"
    return Dataset(folder.resolve().name or "pictures", source, **arrays, class_names=names, rules=used)


def load_pictures(folder: str | Path, rules: Rules, class_names: Sequence[str], *,
                  progress: Progress = NOTES) -> tuple[Pictures, np.ndarray]:
    """All pictures of a folder with one folder for each class, and their labels, to evaluate a trained network.

    Of a folder with `train`, `val` and `test`, those of `test` are taken, or else those of `val`.

    Raises
    ------
    DataError
        As by `load_folder`.
    """
    folder = Path(os.path.expanduser(as_path(folder)))
    inside = _parts(folder)
    if inside:
        folder = inside.get("test") or inside.get("val") or inside["train"]
    paths, labels = _classes(folder, tuple(class_names), _folders(folder), progress)
    for path in paths:
        check_size(path, facts(path).size, rules)
    pictures = Pictures(paths, rules)
    for number in _counted(range(len(paths)), progress, "reading pictures", 0.0, 1.0):
        pictures.read(np.array([number]))
    return pictures, labels


def _counted(items, progress, text, start, stop):
    """The items, with progress."""
    for number, item in enumerate(items):
        if number % READ == 0:
            progress.update(start + (stop - start) * number / len(items), 1.0, text)
        yield item
    progress.update(stop, 1.0, text)


def _folders(folder):
    """The folders in a folder, sorted by name. Hidden ones are left out."""
    try:
        return sorted(Path(entry.path) for entry in os.scandir(folder)
                      if entry.is_dir() and entry.name[0] != "." and entry.name not in SKIPPED)
    except OSError as error:
        raise FileError(f"{folder}: cannot be read: {error.strerror}. Name a folder that has one folder for each "
                        "class") from error


def _parts(folder):
    """{part: its folder} if the folder has a folder `train` and, besides, only folders of other parts."""
    inside = [(path.name.lower(), path) for path in _folders(folder)]
    known = {name: part for part, names in PARTS.items() for name in names}
    if "train" not in dict(inside) or not dict(inside).keys() <= known.keys():
        return {}
    chosen: dict[str, Path] = {}
    for name, path in inside:
        if known[name] in chosen:
            raise DataError(f"{folder}: both {chosen[known[name]].name} and {path.name} are folders of one part: leave "
                            "one")
        chosen[known[name]] = path
    return {part: chosen[part] for part in PARTS if part in chosen}


def _found(folder, class_names, progress):
    """({part: _Found}, names of the classes)."""
    parts = _parts(folder) or {"train": folder}
    inside = {part: _folders(path) for part, path in parts.items()}
    names = tuple(class_names) if class_names is not None else tuple(printable(path.name) for path in inside["train"])
    if not names:
        raise DataError(f"{parts['train']}: there is no folder in it: make one folder for each class, and put the "
                        "pictures into it")
    if len(names) == 1:
        raise DataError(f"{parts['train']}: there is only one class, {names[0]}: a network learns to tell at least two "
                        "classes apart; make one folder for each class")
    check_distinct(str(folder), names)
    found = {}
    for part, path in parts.items():
        only = [one.name for one in inside[part] if printable(one.name) not in names]
        if only and part != "train":
            raise DataError(f"{path}: the class {only[0]} is in it, but not in {parts['train']}: a class must be among "
                            "the training pictures")
        found[part] = _Found(*_classes(path, names, inside[part], progress))
    return found, names


def _classes(folder, names, inside, progress):
    """(paths of all pictures in the folders of the classes, labels)."""
    paths, labels = [], []
    beside, others, deeper = _files(folder)[0], [], []
    if unknown := [one.name for one in inside if printable(one.name) not in names]:
        raise DataError(f"{folder}: the class {unknown[0]} is none of the {len(names)} classes of the network "
                        f"({', '.join(names[:10])}{', ...' if len(names) > 10 else ''})")
    for one in inside:
        pictures, rest, folders = _files(one)
        if not pictures:
            raise DataError(f"{one}: the folder of the class {printable(one.name)} has no picture: put pictures into "
                            "it, or remove it")
        paths += pictures
        labels += [names.index(printable(one.name))] * len(pictures)
        others += rest
        deeper += folders
    if not paths:
        raise DataError(f"{folder}: there is no picture in it: make one folder for each class, and put the pictures "
                        "into it")
    for left_out, what, why in ((beside, "picture", "not in the folder of a class"),
                                (others, "file", "the ending of the name is not that of a picture"),
                                (deeper, "folder", "pictures must lie in the folder of the class itself")):
        if left_out:
            progress.note(f"{len(left_out)} {what}{'s' * (len(left_out) != 1)} in {folder} left out ({why}): "
                          f"{printable(left_out[0].name)}{', ...' if len(left_out) > 1 else ''}")
    return paths, np.array(labels, np.int64)


def _files(folder):
    """(pictures, other files, folders) in a folder, each sorted by name. Hidden ones are left out."""
    Image.init()
    endings = {ending for ending, kind in Image.registered_extensions().items() if kind in Image.OPEN}
    try:
        inside = sorted((Path(entry.path), entry.is_dir()) for entry in os.scandir(folder) if entry.name[0] != ".")
    except OSError as error:
        raise FileError(f"{folder}: cannot be read: {error.strerror}") from error
    files = [path for path, is_folder in inside if not is_folder]
    return ([path for path in files if path.suffix.lower() in endings],
            [path for path in files if path.suffix.lower() not in endings],
            [path for path, is_folder in inside if is_folder and path.name not in SKIPPED])


def _rules(paths: list[Path], known: list[PictureFacts], image_size: tuple[int, int] | None,
           colour: bool | None) -> Rules:
    """The rules that the options and the pictures give. Mean and std are measured later."""
    if colour is None:
        coloured = [one.colour for one in known]
        if len(set(coloured)) > 1:
            raise MixedColoursError(f"{sum(coloured):,} of {len(paths):,} pictures are in colour, such as "
                                    f"{paths[coloured.index(True)]}, and the others are grey, such as "
                                    f"{paths[coloured.index(False)]}: choose grey or colour for all of them")
        colour = coloured[0]
    sizes = {one.size for one in known}
    size = image_size or (known[0].size if len(sizes) == 1 and max(known[0].size) <= LARGEST else SIZE)
    return Rules(size, 3, (0.0,) * 3, (1.0,) * 3) if colour else Rules(size)


def _resized(known, rules):
    """What was changed, in words."""
    sizes = {one.size for one in known if one.size != rules.size}
    converted = sum(one.colour != (rules.channels == 3) for one in known)
    texts = []
    if sizes:
        least, most = min(sizes, key=np.prod), max(sizes, key=np.prod)
        sizes_in_words = in_pixels(least) + (f" to {in_pixels(most)}" if len(sizes) > 1 else "")
        texts.append(f"scaled from {sizes_in_words}, the middle cut out")
    if converted:
        texts.append(f"{converted:,} converted from {'colour' if rules.channels == 1 else 'grey'}")
    return f" ({'; '.join(texts)})" if texts else ""
