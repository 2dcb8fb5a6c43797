"""Take a part of the training images for validation, class by class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..idx import DataError

PART = 5                                          # one image in five of each class is for validation


def split(labels: np.ndarray, rng: np.random.Generator, source: str,
          names: Sequence[str] | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of the images for training and for validation, each in random order.

    Of each class a fifth, rounded down, but at least one image, is for validation.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
    rng : numpy.random.Generator
    source, names
        For the message: where the images come from, and the names of the classes.

    Raises
    ------
    DataError
        A class has only one image.

    Examples
    --------
    >>> train, val = split(np.array([0, 0, 0, 0, 0, 1, 1]), np.random.default_rng(0), "made")
    >>> sorted(train.tolist()), sorted(val.tolist())
    ([0, 1, 3, 4, 6], [2, 5])
    """
    train, val = [], []
    for label in np.unique(labels):
        numbers = rng.permutation(np.flatnonzero(labels == label))
        if len(numbers) < 2:
            name = names[label] if names is not None else label
            raise DataError(f"{source}: the class {name} has only one picture: at least two are needed, one to train "
                            "and one to validate; or make a validation part yourself")
        count = max(1, len(numbers) // PART)
        val.append(numbers[:count])
        train.append(numbers[count:])
    return rng.permutation(np.concatenate(train)), rng.permutation(np.concatenate(val))
