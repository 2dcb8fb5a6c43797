"""Put digits at places on a canvas, and shift them within a view. `minicnn.invariance` uses the shifts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..checks import integer, pair
from ..errors import InputError


def placements(digit: int = 28, canvas: int = 38) -> np.ndarray:
    """All offsets (y, x) at which a digit fits on a canvas, row by row: int array ((canvas - digit + 1)^2, 2).

    >>> offsets = placements()
    >>> len(offsets), offsets[0].tolist(), offsets[-1].tolist()
    (121, [0, 0], [10, 10])
    """
    if not 1 <= integer("placements: digit", digit) <= integer("placements: canvas", canvas):
        raise InputError(f"placements: a digit of {digit} pixels does not fit on a canvas of {canvas}: give "
                         "1 <= digit <= canvas")
    count = canvas - digit + 1
    return np.indices((count, count)).reshape(2, -1).T


def place(images: np.ndarray, canvas: int | tuple[int, int], offsets: tuple[int, int] | np.ndarray) -> np.ndarray:
    """Digits on a black canvas: out[i, y + dy, x + dx] = images[i, y, x] with (dy, dx) = offsets[i], else 0.

    Parameters
    ----------
    images : ndarray, shape (n, H, W) or (n, H, W, 3)
        Pixels with background 0, which means that they are not normalised.
    canvas : int or (int, int)
    offsets : (int, int), or ndarray of int, shape (n, 2)
        The place of the upper left corner: one for all digits, or one for each digit.

    Returns
    -------
    ndarray, shape (n, *canvas) or (n, *canvas, 3), dtype of `images`

    Raises
    ------
    InputError
        A part of a digit lies outside of the canvas; the shapes do not fit; the offsets are not integers.

    Examples
    --------
    >>> place(np.array([[[5]]]), (2, 3), (1, 2))
    array([[[0, 0, 0],
            [0, 0, 5]]])
    """
    images, offsets, size = np.asarray(images), np.asarray(offsets), pair("place: canvas", canvas, 1)
    if images.ndim != 3 and not (images.ndim == 4 and images.shape[3] == 3):
        raise InputError(f"place: the images must have shape (n, H, W) or (n, H, W, 3), not "
                         f"{images.shape}")
    if offsets.shape not in ((2,), (len(images), 2)) or offsets.dtype.kind not in "iu":
        raise InputError(f"place: the offsets must be integers of shape (2,) or {(len(images), 2)}, not "
                         f"{offsets.dtype} of shape {offsets.shape}")
    most = np.subtract(size, images.shape[1:3])
    outside = ((offsets < 0) | (offsets > most)).reshape(-1, 2).any(1)
    wrong = np.broadcast_to(offsets, (len(images), 2))[np.broadcast_to(outside, len(images))]
    if len(wrong):
        raise InputError(f"place: a digit of shape {images.shape[1:3]} at {tuple(wrong[0].tolist())} does not lie on a "
                         f"canvas of shape {size}: offsets go from 0 to {tuple(most.tolist())}")
    each = np.broadcast_to(offsets.astype(np.intp), (len(images), 2))       # NumPy takes no index of float or uint64
    out = np.zeros((len(images), *size, *images.shape[3:]), images.dtype)
    rows, columns = (each[:, axis, None] + np.arange(images.shape[1 + axis]) for axis in (0, 1))        # (n, H), (n, W)
    out[np.arange(len(images))[:, None, None], rows[:, :, None], columns[:, None, :]] = images
    return out


@dataclass(frozen=True)
class Shifts:
    """The shift model: a digit in the middle of a black square, moved by dy and dx from -reach to reach.

    The network sees the view x view pixels in the middle. With reach 5 there are 121 places.

    * View 38 shows the whole digit at each place: the 121 placements on a 38x38 canvas.
    * View 28 is for networks that take no other size. Background moves in on one side, and pixels that leave on the
      other side are lost. `ink_lost` measures the loss. MNIST fits a digit into 20x20 pixels and puts its centre of
      mass in the middle, so about 4 pixels of margin are empty. All networks that are compared at view 28 get the same
      pixels.
    * View 28 + 2 * 5 + 2 * (r - 1), which is 70 for a receptive field of r = 17, contains every window that sees a part
      of the digit, at each place. There a global max-pool is exactly invariant. At view 38 it is not exactly invariant:
      the border cuts off such windows, and other ones at each place.

    Attributes
    ----------
    reach : int
    view : int
        `digit` plus an even number, so that the digit can be centred.
    digit : int

    Examples
    --------
    >>> print(Shifts(view=28))
    28x28 digits moved by -5..5 each way (121 places), filled with zeros; the network sees only the middle 28x28 pixels
    >>> Shifts(1, 6, digit=2).images(np.array([[[1, 2], [3, 4]]]), 0, -1)[0, 2:4]
    array([[0, 1, 2, 0, 0, 0],
           [0, 3, 4, 0, 0, 0]])
    """

    reach: int = 5
    view: int = 38
    digit: int = 28

    def __post_init__(self) -> None:
        for name in ("reach", "view", "digit"):
            integer(f"Shifts: {name}", getattr(self, name))
        if self.reach < 0 or self.digit < 1 or self.view < self.digit or (self.view - self.digit) % 2:
            raise InputError(f"Shifts: reach {self.reach}, view {self.view}, digit {self.digit}: the reach must be at "
                             "least 0, and the view the digit's size plus an even number, so that it can be centred")

    def __str__(self) -> str:
        whole, pixels = self.view >= self.digit + 2 * self.reach, f"{self.view}x{self.view} pixels"
        seen = f"all {pixels}" if whole else f"only the middle {pixels}"
        return (f"{self.digit}x{self.digit} digits moved by -{self.reach}..{self.reach} each way ({self.size ** 2} "
                f"places), filled with zeros; the network sees {seen}")

    @property
    def size(self) -> int:
        """The number of places along one axis."""
        return 2 * self.reach + 1

    @property
    def steps(self) -> range:
        """All dy, and all dx, in the order of the axes of every map."""
        return range(-self.reach, self.reach + 1)

    @property
    def distance(self) -> np.ndarray:
        """max(|dy|, |dx|) of every place, shape (size, size)."""
        return np.abs(np.indices((self.size, self.size)) - self.reach).max(0)

    @property
    def parity(self) -> dict[str, np.ndarray]:
        """{"both even": mask, "otherwise": mask} of the places at `distance` 2, 4, ..., by the parity of dy and dx.

        Each mask has half of these places, and both masks have the same distances. Odd distances are left out, because
        there dy or dx is always odd.
        """
        even = (np.abs(np.indices((self.size, self.size)) - self.reach) % 2 == 0).all(0)
        counted = (self.distance > 0) & (self.distance % 2 == 0)
        return {"both even": counted & even, "otherwise": counted & ~even}

    def images(self, images: np.ndarray, dy: int, dx: int) -> np.ndarray:
        """Move the digits (n, digit, digit) by (dy, dx), and return their views (n, view, view)."""
        images = np.asarray(images)
        if images.ndim != 3 or images.shape[1:] != (self.digit, self.digit):
            raise InputError(f"Shifts: the images must have shape (n, {self.digit}, {self.digit}), not {images.shape}")
        canvas = max(self.view, self.digit + 2 * self.reach)
        corner, edge = (canvas - self.digit) // 2, (canvas - self.view) // 2
        placed = place(images, canvas, (corner + dy, corner + dx))
        return placed[:, edge:edge + self.view, edge:edge + self.view]

    def ink_lost(self, images: np.ndarray) -> np.ndarray:
        """The fraction of the sum of all pixels that lies outside of the view, for every place: shape (size, size).

        It is 0 for images without ink.
        """
        seen = [[self.images(images, dy, dx).sum(dtype=np.float64) for dx in self.steps] for dy in self.steps]
        total = np.asarray(images).sum(dtype=np.float64)
        return 1 - np.array(seen) / total if total else np.zeros((self.size, self.size))
