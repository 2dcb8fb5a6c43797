"""The pictures that move: MNIST's digits of the package, or pictures on which a network of the user's was trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..checks import integer
from ..data import Dataset, Rules, load
from ..errors import InputError
from .canvas import CANVAS, DIGIT, LARGEST, find_digit

FITTED = 50                             # images on which the clusters are fitted
MOST = 10                               # classes that are shown


@dataclass(frozen=True, eq=False)
class Pictures:
    """Validation images, one after the other, with what a network and a reader must know of them.

    Attributes
    ----------
    images : ndarray of uint8, shape (D, H, W) or (D, H, W, 3)
    labels, indices : list of int
        The class of each picture, and its number among the validation images.
    rules : Rules
        How a picture becomes the input of the network.
    fitted : ndarray of uint8, shape (n, H, W) or (n, H, W, 3)
        Training images, on which the colours of the feature maps are fitted.
    data : str
        The name of the data.
    class_names : tuple of str, or None
        None: the pictures are MNIST's digits.
    """

    images: np.ndarray
    labels: list[int]
    indices: list[int]
    rules: Rules
    fitted: np.ndarray
    data: str
    class_names: tuple[str, ...] | None = None

    @classmethod
    def digits(cls, labels: Sequence[int]) -> Pictures:
        """The first embedded validation digit of each class.

        >>> Pictures.digits((3, 7)).images.shape
        (2, 28, 28)

        Raises
        ------
        InputError
            There is no such digit.
        """
        data = load("mnist5k")
        indices = [find_digit(data, label) for label in labels]
        return cls(data.val_images[indices], list(map(int, labels)), indices, Rules(), data.train_images[:FITTED],
                   data.name)

    @classmethod
    def of(cls, data: Dataset, labels: Sequence[int] | None = None, rules: Rules | None = None) -> Pictures:
        """The first validation image of each class of a dataset.

        Parameters
        ----------
        data : Dataset
        labels : sequence of int, optional
            The classes, at most 10. By default the first 10 that have a validation image.
        rules : Rules, optional
            Those of the network. By default those of the data.

        Raises
        ------
        InputError
            There are more than 10 classes, a class has no validation image, or the rules are for other channels.

        Examples
        --------
        >>> Pictures.of(load("mnist5k"), [3]).labels
        [3]
        """
        rules = data.rules if rules is None else rules
        if rules.channels != (3 if data.val_images.ndim == 4 else 1):
            raise InputError(f"the network takes {rules}, but the images of {data.name} are in "
                             f"{'grey' if rules.channels == 3 else 'colour'}: name the data of its training")
        present = np.unique(data.val_labels)
        names = data.class_names or tuple(map(str, range(int(present.max(initial=-1)) + 1)))
        chosen = present[:MOST].tolist() if labels is None else [integer("a class", one, 0) for one in labels]
        if not 0 < len(chosen) <= MOST:
            raise InputError(f"{len(chosen)} classes of {data.name} cannot be shown: name 1 to {MOST}")
        if lacking := [one for one in chosen if one not in present]:
            name = names[lacking[0]] if lacking[0] < len(names) else lacking[0]
            raise InputError(f"the class {name} has no validation image in {data.name}: name another class")
        indices = [int((data.val_labels == one).argmax()) for one in chosen]
        spread = np.linspace(0, len(data.train_images) - 1, min(FITTED, len(data.train_images))).astype(np.intp)
        return cls(np.asarray(data.val_images[np.array(indices)]), chosen, indices, rules,
                   np.asarray(data.train_images[spread]), data.name, names)

    @property
    def noun(self) -> str:
        """What one of them is."""
        return "digit" if self.class_names is None else "picture"

    @property
    def names(self) -> list[Any]:
        """The class of each picture, by its name; that of a digit by its number."""
        return [one if self.class_names is None else self.class_names[one] for one in self.labels]

    @property
    def side(self) -> int:
        """The larger of height and width."""
        return max(self.images.shape[1:3])

    def canvas(self, given: int | None = None, more: int = CANVAS - DIGIT) -> int:
        """The side of the canvas. By default it has `more` pixels more than the picture, and at most 200.

        Raises
        ------
        InputError
            No picture fits on the canvas, or it is larger than 200 pixels.
        """
        canvas = min(self.side + more, max(self.side, LARGEST)) if given is None else given
        if integer("canvas", canvas, 1) < self.side or canvas > LARGEST:
            raise InputError(f"the canvas must be {self.side} pixels wide, as a {self.noun} is, to {LARGEST}, not "
                             f"{canvas}")
        return int(canvas)
