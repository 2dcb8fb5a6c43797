"""Rules: how a picture becomes the input of a network. A checkpoint keeps them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..checks import number, one_of, pair
from ..errors import InputError
from .lazy import blocks

MEAN, STD = 0.1307, 0.3081                        # of MNIST's training pixels in 0..1
LEAST_STD = 1 / 255                               # of pixels that are all equal: they are not divided by 0
RESIZE = ("crop",)


@dataclass(frozen=True)
class Rules:
    """The rules by which a picture becomes the input of a network. `dataclasses.asdict` makes them JSON.

    A picture is scaled until it just covers `size`, with its proportions kept, and the middle is cut out. A picture of
    this size is not changed. Then each channel becomes (pixel / 255 - mean) / std, as float32.

    Attributes
    ----------
    size : (int, int)
        Height and width in pixels. An int means both.
    channels : {1, 3}
        1: grey; 3: red, green, blue.
    mean, std : tuple of float
        Of each channel, of pixels in 0..1. By default those of MNIST, which are for one channel.
    resize : {"crop"}
        The rule for other sizes, as above.

    Raises
    ------
    InputError
        A value has another form.

    Examples
    --------
    >>> Rules()
    Rules(size=(28, 28), channels=1, mean=(0.1307,), std=(0.3081,), resize='crop')
    >>> Rules(32, 3, (0.5, 0.5, 0.5), (0.2, 0.2, 0.2)).shape(64)
    (64, 3, 32, 32)
    """

    size: tuple[int, int] = (28, 28)
    channels: int = 1
    mean: tuple[float, ...] = (MEAN,)
    std: tuple[float, ...] = (STD,)
    resize: str = "crop"

    def __post_init__(self) -> None:
        keep: Any = lambda name, value: object.__setattr__(self, name, value)      # the class is frozen
        keep("size", pair("Rules: size", self.size, 1))
        one_of("Rules: channels", self.channels, (1, 3))
        one_of("Rules: resize", self.resize, RESIZE)
        for name, bound in (("mean", {}), ("std", {"above": 0})):
            values = getattr(self, name)
            if not isinstance(values, Sequence) or len(values) != self.channels:
                raise InputError(f"Rules: {name} must have one number for each of {self.channels} channels, not "
                                 f"{values!r}")
            keep(name, tuple(number(f"Rules: {name}", value, **bound) for value in values))

    def shape(self, images: int) -> tuple[int, int, int, int]:
        """The shape (N, C, H, W) of so many images, as a network gets them."""
        return images, self.channels, *self.size

    def measured(self, images: Any) -> Rules:
        """These rules with the mean and the standard deviation of the pixels of these images.

        They are exact: the pixels are counted by their values. Equal pixels have the standard deviation 1 / 255.

        Parameters
        ----------
        images : ndarray or LazyImages, uint8, shape (n, H, W) or (n, H, W, 3)

        Examples
        --------
        >>> Rules().measured(np.array([[[0, 255]]], np.uint8)).mean
        (0.5,)
        """
        counts = np.zeros((self.channels, 256), np.int64)
        for block in blocks(images):
            for channel, pixels in enumerate(np.moveaxis(block, -1, 0) if block.ndim == 4 else [block]):
                counts[channel] += np.bincount(pixels.ravel(), minlength=256)
        values, total = np.arange(256), counts.sum(1)
        means = counts @ values / total
        squares = [count @ (values - mean) ** 2 for count, mean in zip(counts, means, strict=True)]
        stds = [max(math.sqrt(square / n) / 255, LEAST_STD) for square, n in zip(squares, total, strict=True)]
        return replace(self, mean=tuple(float(mean) / 255 for mean in means), std=tuple(stds))

    def __str__(self) -> str:
        return f"{in_pixels(self.size)}, {'colour' if self.channels == 3 else 'grey'}"


def in_pixels(size: Sequence[int]) -> str:
    """The size (height, width) of a picture in words. Viewers show the width first; so rows and columns are named.

    >>> in_pixels((28, 28)), in_pixels((112, 57))
    ('28x28 pixels', '112 rows x 57 columns')
    """
    height, width = size
    return f"{height}x{width} pixels" if height == width else f"{height} rows x {width} columns"
