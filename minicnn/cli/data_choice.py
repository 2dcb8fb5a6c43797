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
        return {} if self.data_dir is None else {OWN: os.path.abspath(self.data_dir)}


def load_again(saved: Any, data: str | None, data_dir: str | None, quiet: bool = False) -> Any:
    """The Dataset of a run, from its checkpoint. `data` and `data_dir` are the options, if they are given."""
    from ..data import load, load_folder
    from ..progress import on_stderr
    meta = saved.meta
    if meta.get(OWN) is None:
        if data_dir is not None:
            raise InputError(f"--data-dir has no effect: the run trained on {meta['dataset']}. Leave it out")
        if data is not None and meta["dataset"] == "mnist5k":
            raise InputError("--data has no effect: the run trains on mnist5k, which is part of the package. Leave it "
                             "out")
        return load(meta["dataset"], data)
    if data is not None:
        raise InputError("--data has no effect: the run trained on a folder of pictures. If it has moved, name it by "
                         "--data-dir")
    with on_stderr("data", quiet) as progress:
        return load_folder(data_dir or meta[OWN], rules=rules_of(saved), class_names=meta["class_names"],
                           progress=progress)


def rules_of(saved: Any) -> Any:
    """The Rules that a checkpoint keeps. Those of MNIST if it keeps none. InputError if they are damaged."""
    from ..data import Rules
    found = saved.meta.get("rules")
    if found is None:
        return Rules()
    try:
        return Rules(**found)
    except (TypeError, InputError) as error:
        raise InputError(f"{saved.path}: its rules for images are damaged: {str(found)[:80]}. Take an earlier "
                         "checkpoint, or start a new run") from error


def classes_of(saved: Any) -> tuple[str, ...] | None:
    """The names of the classes that a checkpoint keeps, or None."""
    found = saved.meta.get("class_names")
    if found is None:
        return None
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        raise InputError(f"{saved.path}: its names of classes are damaged: {str(found)[:80]}. Take an earlier "
                         "checkpoint, or start a new run")
    return tuple(found)
