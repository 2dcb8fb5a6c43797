"""Random changes of the training images: what a pass draws at its start, and how a batch is changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from .images import crop_images, flip_images, rotate_images, shift_images

AUGMENTATIONS = ("flip", "rotate", "crop")        # in this order an image is changed; a shift comes last
ANGLE = 10.0                                      # degrees: the largest rotation, each way
MARGIN = 8                                        # a crop moves by at most one part in 8 of the height and the width


def check_augment(name: str, names: Sequence[str]) -> tuple[str, ...]:
    """The names of augmentations, each once, in their order.

    >>> check_augment("augment", ["crop", "flip"])
    ('flip', 'crop')
    >>> check_augment("augment", "flip")
    Traceback (most recent call last):
        ...
    minicnn.InputError: augment must be a tuple of names among 'flip', 'rotate', 'crop', each once, not 'flip'
    """
    if isinstance(names, str) or not isinstance(names, Sequence) or len(set(map(str, names))) != len(names) or \
            not all(isinstance(one, str) and one in AUGMENTATIONS for one in names):
        raise InputError(f"{name} must be a tuple of names among {', '.join(map(repr, AUGMENTATIONS))}, each once, not "
                         f"{names!r}")
    return tuple(one for one in AUGMENTATIONS if one in names)


@dataclass(frozen=True)
class Changes:
    """What a pass has drawn for each of its positions. None: images are not changed in this way.

    Attributes
    ----------
    flips : ndarray of bool, shape (n,)
    degrees : ndarray of float, shape (n,)
    corners : ndarray of int, shape (n, 2)
    shifts : ndarray of int, shape (n, 2)
    margin : (int, int)
        Of a crop: an eighth of the height and of the width, at least 1.
    """

    flips: np.ndarray | None
    degrees: np.ndarray | None
    corners: np.ndarray | None
    shifts: np.ndarray | None
    margin: tuple[int, int]

    @classmethod
    def draw(cls, rng: np.random.Generator | None, n: int, size: tuple[int, int], names: tuple[str, ...],
             max_shift: int) -> Changes:
        """Draw for n positions. What is not named draws nothing, so that it changes no other number."""
        margin = (max(1, size[0] // MARGIN), max(1, size[1] // MARGIN))
        flips = degrees = corners = shifts = None
        if rng is not None:
            if max_shift:
                shifts = rng.integers(-max_shift, max_shift + 1, size=(n, 2))
            if "flip" in names:
                flips = rng.integers(0, 2, size=n) == 1
            if "rotate" in names:
                degrees = rng.uniform(-ANGLE, ANGLE, size=n)
            if "crop" in names:
                corners = rng.integers(0, 2 * np.array(margin) + 1, size=(n, 2))
        return cls(flips, degrees, corners, shifts, margin)

    def apply(self, images: np.ndarray, positions: slice) -> np.ndarray:
        """The images at these positions, changed."""
        if self.flips is not None:
            images = flip_images(images, self.flips[positions])
        if self.degrees is not None:
            images = rotate_images(images, self.degrees[positions])
        if self.corners is not None:
            images = crop_images(images, self.corners[positions], self.margin)
        if self.shifts is not None:
            images = shift_images(images, self.shifts[positions])
        return images
