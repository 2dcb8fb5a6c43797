"""The transformations T of a picture and of its feature map: a shift, which a convolution keeps, and a turn, which it
does not keep."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..equivariance.signals import shift

Pair = tuple[int, int]


@dataclass(frozen=True)
class Move:
    """T: a shift by `by` = (dy, dx) pixels, or a turn about the middle by `degrees`, counterclockwise.

    Examples
    --------
    >>> print(Move((-2, 3)))
    2 up, 3 right
    >>> print(Move(degrees=90))
    turned by 90°
    """

    by: Pair = (0, 0)
    degrees: float = 0.0

    def __str__(self) -> str:
        if self.degrees:
            return f"turned by {self.degrees:g}°"
        (dy, dx), words = self.by, []
        if dy or not dx:
            words.append(f"{abs(dy)} {'up' if dy < 0 else 'down'}")
        if dx or not dy:
            words.append(f"{abs(dx)} {'left' if dx < 0 else 'right'}")
        return ", ".join(words)

    def image(self, image: np.ndarray) -> np.ndarray:
        """T of a canvas, (H, W) or (H, W, 3) with H = W for a turn; black comes in from outside. The dtype stays.

        A turn by a multiple of 90 degrees only reorders the pixels; others take the mean of neighbours.

        >>> Move((0, 1)).image(np.array([[1, 2], [3, 4]]))
        array([[0, 1],
               [0, 3]])
        """
        moved = np.moveaxis(image, (0, 1), (-2, -1))
        moved = self._turned(moved, 0.0) if self.degrees else shift(moved, self.by, "plane")
        return np.moveaxis(np.rint(moved).astype(image.dtype), (-2, -1), (0, 1))

    def map(self, maps: np.ndarray, stride: float = 1) -> np.ndarray:
        """T of a map (C, H, W) as float64; NaN at pixels whose value comes from beyond the border of the map.

        A map with a stride has a pixel for each `stride` pixels of the image. It moves by floor(dy / stride) and
        floor(dx / stride).

        >>> Move((0, 2)).map(np.array([[[1.0, 2.0]]]), stride=2)
        array([[[nan,  1.]]])
        """
        maps = np.asarray(maps, np.float64)
        if self.degrees:
            return self._turned(maps, np.nan)
        by = int(self.by[0] // stride), int(self.by[1] // stride)
        known = shift(np.ones(maps.shape[-2:], bool), by, "plane")
        return np.where(known, shift(maps, by, "plane"), np.nan)

    def _turned(self, planes, outside):
        """The planes (..., H, H), turned."""
        if self.degrees % 90 == 0:
            return np.rot90(planes, int(self.degrees // 90), (-2, -1))
        from scipy.ndimage import rotate
        return rotate(planes.astype(np.float64), self.degrees, (-1, -2), reshape=False, order=1, cval=outside)
