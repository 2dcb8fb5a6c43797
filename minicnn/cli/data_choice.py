"""Which data a command uses: the options, and what a checkpoint of `minicnn train` remembers of them."""

from __future__ import annotations

import argparse
import os
from typing import Any, NamedTuple

from ..errors import InputError

OWN = "data_from"                       # the metadata of a run on the user's own data: the path, absolute


class DataChoice(NamedTuple):
    """The values of the options. None: not given."""

    dataset: str
    data: str | None = None
    data_dir: str | None = None
    image_size: tuple[int, int] | None = None
    colour: bool | None = None

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> DataChoice:
        """The choice that the options of `minicnn train` make."""
        colour = True if arguments.color else False if arguments.gray else None
        size = arguments.image_size
        return cls(arguments.dataset, arguments.data, arguments.data_dir, (size * 2)[:2] if size else None, colour)

    def load(self, quiet: bool = False) -> Any:
        """The Dataset."""
        from ..data import MixedColoursError, load, load_folder
        from ..progress import on_stderr
        if self.data_dir is None:
            return load(self.dataset, self.data)
        with on_stderr("data", quiet) as progress:
            try:
                return load_folder(self.data_dir, image_size=self.image_size, colour=self.colour, progress=progress)
            except MixedColoursError as error:
                raise InputError(f"{error}: give --gray or --color") from error

    def remembered(self) -> dict[str, Any]:
        """What the checkpoint of a run keeps, so that the same data can be loaded again."""
        from ..data import holds_arrays
        if self.data_dir is not None:
            return {OWN: os.path.abspath(self.data_dir)}
        if self.dataset == "auto" and self.data is not None and holds_arrays(self.data):
            return {OWN: os.path.abspath(self.data)}
        return {}


def load_again(saved: Any, data: str | None, data_dir: str | None, quiet: bool = False) -> Any:
    """The Dataset of a run, from its checkpoint. `data` and `data_dir` are the options, if they are given."""
    from ..data import load
    meta = saved.meta
    if meta.get(OWN) is not None:
        return _own_again(meta, saved.path, data or data_dir, quiet)
    if data_dir is not None:
        raise InputError(f"--data-dir has no effect: the run trained on {meta['dataset']}. Leave it out")
    if data is not None and meta["dataset"] == "mnist5k":
        raise InputError("--data has no effect: the run trains on mnist5k, which is part of the package. Leave it out")
    return load(meta["dataset"], data)


def _own_again(meta, path, moved, quiet):
    """The Dataset of a run on the user's own data. `moved` is the place where they are now, if it was given."""
    from ..data import holds_arrays, load_arrays, load_folder
    from ..progress import on_stderr
    place, rules, names = moved or meta[OWN], rules_of(meta, path), classes_of(meta, path)
    if not os.path.exists(place):
        raise InputError(f"{path}: it was trained on {meta[OWN]}, and {place} is not there. If the data have moved, "
                         "name their place: --data-dir for a folder of pictures, --data for arrays")
    if holds_arrays(place):
        return load_arrays(place, rules=rules, class_names=names)
    with on_stderr("data", quiet) as progress:
        return load_folder(place, rules=rules, class_names=names, progress=progress)


class Measured(NamedTuple):
    """The images on which a trained network is measured."""

    dataset: str
    part: str                           # "test", "validation", or "given"
    images: Any
    labels: Any
    class_names: tuple[str, ...] | None
    rules: Any                          # those of the network, if it remembers them, else those of the dataset
    seen: bool | None                   # whether the network was trained on these images; None: not known


def measured_data(arguments: argparse.Namespace, meta: dict[str, Any], path: Any) -> Measured:
    """The images that the options name, or those that the run itself has for this.

    Parameters
    ----------
    arguments : Namespace
        dataset, data, data_dir, quiet.
    meta : dict
        The metadata of the checkpoint.
    path : path
        Of the checkpoint, for error messages.
    """
    rules, names = rules_of(meta, path), classes_of(meta, path)
    given, own_again = arguments.data_dir or arguments.data, False
    if arguments.data_dir is not None:
        data = _same_data(meta, path, given, arguments.quiet)
        if data is None:
            return _given(given, rules, names, path, arguments.quiet)
        own_again = True
    elif meta.get(OWN) is not None and given is None and arguments.dataset == "auto":
        data, own_again = _own_again(meta, path, None, arguments.quiet), True
    else:
        data = _known_data(arguments, meta.get("dataset"), path)
    channels = 3 if data.train_images.ndim == 4 else 1
    if meta.get("rules") is not None and rules.channels != channels:
        raise InputError(f"{path}: its network takes {rules}; the images of {data.name} are in "
                         f"{'colour' if channels == 3 else 'grey'}. Name a folder of pictures by --data-dir: they are "
                         "converted")
    tested = data.test_images is not None
    images, labels = (data.test_images, data.test_labels) if tested else (data.val_images, data.val_labels)
    return Measured(data.name, "test" if tested else "validation", images, labels, names or data.class_names,
                    data.rules if meta.get("rules") is None else rules, _seen(meta, data.name, own_again))


def _same_data(meta, path, place, quiet):
    """The Dataset of the run, if the data on which it was trained are at this place. Else None."""
    from ..data import DataError
    from ..training import data_checksum
    if meta.get(OWN) is None:
        return None
    try:
        data = _own_again(meta, path, place, quiet)
    except DataError:
        return None
    return data if data_checksum(data) == meta.get("data_checksum") else None


def _given(folder, rules, names, path, quiet):
    """All pictures of a folder."""
    from ..data import load_pictures
    from ..progress import on_stderr
    if names is None:
        raise InputError(f"--data-dir {folder}: {path} does not name the classes of its network, so that they cannot "
                         "be found among the folders. Name a run that minicnn train made")
    with on_stderr("data", quiet) as progress:
        images, labels = load_pictures(folder, rules, names, progress=progress)
    return Measured(os.path.basename(os.path.abspath(folder)), "given", images, labels, names, rules, None)


def _known_data(arguments, trained_on, path):
    """The data that the options name. Without --dataset: the network's training data, if possible full MNIST."""
    from ..checkpoint import CheckpointError
    from ..data import DATASETS, holds_arrays, load
    name, place = arguments.dataset, arguments.data
    known = isinstance(trained_on, str) and trained_on in DATASETS
    if name == "auto" and place is None and trained_on is not None and not known:
        raise CheckpointError(f"{path}: it was trained on {repr(trained_on)[:80]}, which minicnn cannot load. Name "
                              "the test data by --dataset, --data or --data-dir")
    if name == "auto" and known and trained_on not in ("mnist", "mnist5k"):
        name = trained_on if place is None or not holds_arrays(place) else name
    elif name == "auto" and place is None and trained_on == "mnist5k":
        name = trained_on
    return load(name, place)


def _seen(meta, dataset, own_again):
    """Whether these images were among the training data. None: not known. `own_again`: they are parts of the same data.

    The user's own data may contain any images, and have any name.
    """
    from ..data import DATASETS
    trained_on = meta.get("dataset")
    if own_again:
        return False
    if meta.get(OWN) is not None or trained_on not in DATASETS or dataset not in DATASETS:
        return None
    return trained_on == "mnist" and dataset == "mnist5k"       # the embedded digits are training images of MNIST


def rules_of(meta: dict[str, Any], path: Any) -> Any:
    """The Rules in the metadata of a checkpoint. Those of MNIST if there are none. InputError if they are damaged."""
    from ..data import Rules
    found = meta.get("rules")
    if found is None:
        return Rules()
    try:
        return Rules(**found)
    except (TypeError, InputError) as error:
        raise _damaged(path, "rules for images", found) from error


def classes_of(meta: dict[str, Any], path: Any) -> tuple[str, ...] | None:
    """The names of the classes in the metadata of a checkpoint, or None."""
    found = meta.get("class_names")
    if found is not None and not (isinstance(found, list) and all(isinstance(name, str) for name in found)):
        raise _damaged(path, "names of classes", found)
    return None if found is None else tuple(found)


def _damaged(path, what, found):
    from ..checkpoint import CheckpointError
    return CheckpointError(f"{path}: its {what} are damaged: {str(found)[:80]}. Take an earlier checkpoint, or start a "
                           "new run")
