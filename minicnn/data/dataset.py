"""The images and labels of a training, and what is known about the files that they come from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ..errors import InputError
from .lazy import LazyImages
from .rules import Rules, in_pixels

Images = np.ndarray | LazyImages
DEFAULT = Rules()                                 # it stands for the size of the images, with MNIST's mean and std


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images and labels, split for training, validation and test.

    Attributes
    ----------
    name : str
        "mnist", "mnist5k", ... or the name of the folder or file.
    source : str
        The origin of the data, in words.
    train_images, val_images, test_images : ndarray or LazyImages, uint8, shape (n, H, W) or (n, H, W, 3)
        Grey, or red, green and blue. In MNIST 0 is background. The arrays may be read-only, or memory-mapped.
        `test_images` is None if there are none.
    train_labels, val_labels, test_labels : ndarray, int64, shape (n,)
        The numbers of the classes, from 0 on. `test_labels` is None if there are none.
    class_names : tuple of str, or None
        The name of each class. None: the classes have only numbers.
    rules : Rules
        How an image becomes the input of a network. By default those of MNIST, with the size of the images; needed for
        colour. `Rules(size, 3, mean, std)` or `.measured(train_images)` makes them.

    Raises
    ------
    InputError
        `class_names` or `rules` have another type, two classes have one name, or the rules are for another size or
        other channels.

    Examples
    --------
    >>> from minicnn.data import load
    >>> load("mnist5k")
    Dataset(name='mnist5k', source='embedded in the package (5,000 official MNIST training digits)')
    """

    name: str
    source: str
    train_images: Images = field(repr=False)
    train_labels: np.ndarray = field(repr=False)
    val_images: Images = field(repr=False)
    val_labels: np.ndarray = field(repr=False)
    test_images: Images | None = field(repr=False, default=None)
    test_labels: np.ndarray | None = field(repr=False, default=None)
    class_names: tuple[str, ...] | None = field(repr=False, default=None)
    rules: Rules = field(repr=False, default=DEFAULT)

    def __post_init__(self) -> None:
        names = self.class_names
        if names is not None and not (isinstance(names, (list, tuple)) and all(isinstance(one, str) for one in names)):
            raise InputError(f"Dataset: class_names must be the names of the classes, as ('cat', 'dog'), not {names!r}")
        if not isinstance(self.rules, Rules):
            raise InputError(f"Dataset: rules must be minicnn.data.Rules(...), not {self.rules!r}")
        check_distinct("Dataset: class_names", names or ())
        object.__setattr__(self, "class_names", names if names is None else tuple(names))
        images = self.train_images
        if getattr(images, "dtype", None) != np.uint8 or images.ndim not in (3, 4) or 0 in images.shape:
            return                                # they are not used by rules, or are refused later
        size, channels = (images.shape[1], images.shape[2]), 3 if images.ndim == 4 else 1
        if self.rules is DEFAULT and channels == 1:
            object.__setattr__(self, "rules", replace(DEFAULT, size=size))
        elif (self.rules.size, self.rules.channels) != (size, channels):
            what = "no rules are given" if self.rules is DEFAULT else f"the rules are for {self.rules}"
            raise InputError(f"Dataset: the images have {in_pixels(size)} in "
                             f"{'colour' if channels == 3 else 'grey'}, but {what}: give "
                             f"Rules({size}, {channels}, mean, std)")


def check_distinct(owner: str, names: Sequence[str]) -> None:
    """Raise InputError if two classes have the same name: tables and results could not tell them apart.

    >>> check_distinct("pets", ("cat", "dog", "cat"))
    Traceback (most recent call last):
        ...
    minicnn.InputError: pets: two classes have the name 'cat': give each class a name of its own
    """
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise InputError(f"{owner}: two classes have the name {twice[0]!r}: give each class a name of its own")


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
