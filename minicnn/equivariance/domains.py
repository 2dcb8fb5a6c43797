"""The three domains of images, and the axes of an operator: which output pixels depend on which input pixels.

An operator may keep only every alpha-th pixel of its output (a stride), or put beta - 1 zeros between the pixels of its
input (a transposed convolution). The output pixel o then has the displacement d = alpha o - beta p from the input pixel
p. For a convolution the response to an impulse depends on d alone,

    op(f)[o] = sum over p of h[alpha o - beta p] f[p],

which is the ordinary convolution for alpha = beta = 1. The domain says what lies beyond the border of the H x W pixels.
On the torus it is the opposite side, and d is taken modulo the size of the finer grid. On the plane it is zeros. In a
window it is more pixels of f, which the operator does not see.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from .operator import OperatorError
from .signals import shift

Pair = tuple[int, int]
Rates = tuple[Pair, Pair]       # ((alpha, beta) down, (alpha, beta) across)


@dataclass(frozen=True)
class GridAxis:
    """One axis of an operator: `size` input pixels and `out` output pixels.

    >>> axis = GridAxis(28, 24, periodic=False)
    >>> axis.first, axis.count, axis.places
    (-27, 51, (14, 0, 27))
    """

    size: int
    out: int
    alpha: int = 1
    beta: int = 1
    periodic: bool = True

    @property
    def first(self) -> int:
        """The smallest displacement."""
        return 0 if self.periodic else -self.beta * (self.size - 1)

    @property
    def count(self) -> int:
        """The number of displacements."""
        return self.fine if self.periodic else self.alpha * (self.out - 1) - self.first + 1

    @property
    def fine(self) -> int:
        """The size of the finer grid."""
        return self.size * self.beta

    def displacements(self, p: int) -> np.ndarray:
        """The displacements of all output pixels from the input pixel p, counted from `first`; shape (out,)."""
        d = self.alpha * np.arange(self.out) - self.beta * p
        return d % self.fine if self.periodic else d - self.first

    @cached_property
    def places(self) -> tuple[int, ...]:
        """Input pixels whose impulses together show every displacement. The first is the origin or the centre."""
        found: list[int] = []
        unseen = np.ones(self.count, bool)
        centre = 0 if self.periodic else self.size // 2
        order = sorted(range(self.size), key=lambda p: abs(p - centre))
        while True:
            new = [unseen[self.displacements(p)].sum() for p in order]
            best = int(np.argmax(new)) if found else 0
            if found and new[best] == 0:
                return tuple(found)
            found.append(order[best])
            unseen[self.displacements(order[best])] = False


def axes_of(in_shape: tuple[int, ...], out_shape: tuple[int, ...], rates: Rates,
            periodic: bool) -> tuple[GridAxis, GridAxis]:
    """The two axes of an operator from (C, H, W) to (C', H', W') with these rates."""
    y, x = (GridAxis(size, out, alpha, beta, periodic)
            for size, out, (alpha, beta) in zip(in_shape[1:], out_shape[1:], rates, strict=True))
    return y, x


def torus_rates(in_shape: tuple[int, ...], out_shape: tuple[int, ...]) -> Rates:
    """(alpha, beta) of each axis on the torus. There the sizes determine the rates.

    Raises
    ------
    OperatorError
        An output size is neither a divisor nor a multiple of the input size.
    """
    if any(size % out and out % size for size, out in zip(in_shape[1:], out_shape[1:], strict=True)):
        raise OperatorError(f"on the torus an operator on {in_shape[1:]} pixels must return as many, or a whole "
                            f"fraction or multiple of them, not {out_shape[1:]}; for a convolution without padding "
                            "choose domain='window'")
    y, x = ((max(1, size // out), max(1, out // size)) for size, out in zip(in_shape[1:], out_shape[1:], strict=True))
    return y, x


class ShiftedPair(NamedTuple):
    """Images (N, C, H, W), and the same images shifted.

    >>> pair = ShiftedPair.of(np.arange(6.0).reshape(1, 1, 1, 6), (0, 1), "window", (1, 4), margin=(0, 1))
    >>> pair.before.ravel().tolist(), pair.after.ravel().tolist()
    ([1.0, 2.0, 3.0, 4.0], [0.0, 1.0, 2.0, 3.0])
    """

    before: np.ndarray
    after: np.ndarray

    @classmethod
    def of(cls, images: np.ndarray, by: Pair, domain: str, size: Pair, margin: Pair) -> ShiftedPair:
        """The pair for the shift `by`.

        In a window the images are larger than `size` by `margin` on each side, and both members are crops of them. On
        the plane, pixels that the shift would move out of the image are 0 in both members.
        """
        if domain == "window":
            return cls(visible(images, size, margin), visible(images, size, margin, by))
        if domain == "plane":
            images = shift(shift(images, by, "plane"), (-by[0], -by[1]), "plane")
        return cls(images, shift(images, by, domain))


def visible(images: np.ndarray, size: Pair, margin: Pair, by: Pair = (0, 0)) -> np.ndarray:
    """Move the larger images by (dy, dx), and return the H x W pixels that the operator sees."""
    (height, width), (my, mx) = size, margin
    return images[..., my - by[0]:my - by[0] + height, mx - by[1]:mx - by[1] + width]


def compare(before: np.ndarray, after: np.ndarray, by: Pair, domain: str) -> tuple[np.ndarray, np.ndarray]:
    """after - S before, (..., H, W), 0 at unknown pixels, and the mask (H, W) of the pixels that are known."""
    moved = shift(before, by, "torus" if domain == "torus" else "plane")
    known = np.ones(before.shape[-2:], bool)
    if domain != "torus":
        known = shift(known, by, "plane")
    return np.where(known, after - moved, 0.0), known


def shift_candidates(size: int, out: int, domain: str) -> list[Pair]:
    """Pairs (shift of the input, shift of the output) to try on one axis, the smallest first.

    >>> shift_candidates(6, 3, "torus"), shift_candidates(9, 7, "window")
    ([(1, 0), (2, 1)], [(1, 1), (2, 1), (2, 2), (3, 3)])
    """
    if domain == "torus":
        alpha, beta = max(1, size // out), max(1, out // size)
        found = [(a, a * beta // alpha) for a in range(1, size) if size % a == 0 and a * beta % alpha == 0]
        unit = [] if found and found[0][0] == 1 else [(1, beta // alpha)]
        return unit + found or [(1, 1)]
    near = size / out
    strides = sorted(range(2, int(near) + 2) if near > 1 else (), key=lambda s: abs(s - near))
    slopes = [(1, 1), *((s, 1) for s in strides), *((1, s) for s in range(2, int(1 / near) + 2) if near < 1)]
    most = max(1, size // 3)                            # a larger shift leaves few pixels to compare
    found = [(m * a, m * b) for m in range(1, size) for a, b in slopes if m * a <= most and m * b < out]
    return sorted(found, key=lambda pair: pair != (1, 1)) or [(1, 1)]


def reduced(a: int, b: int) -> Pair:
    """The fraction a / b in lowest terms."""
    return a // math.gcd(a, b), b // math.gcd(a, b)


def border(failing: np.ndarray, most: float = 0.5) -> tuple[int, int, int, int] | None:
    """(top, bottom, left, right): the widths of a border that contains all failing pixels (H, W), or None.

    A border consists of whole rows and columns that fail, and is narrower than the fraction `most` of the image.

    >>> border(np.array([[1, 1, 1, 1], [0, 0, 0, 1], [0, 0, 0, 1]], bool))
    (1, 0, 0, 1)
    """
    if not failing.any():
        return None
    rows, columns = np.all(failing, 1), np.all(failing, 0)
    leading = lambda flags: int(np.argmin(flags)) if not flags.all() else len(flags)
    top, bottom, left, right = (leading(f) for f in (rows, rows[::-1], columns, columns[::-1]))
    height, width = failing.shape
    inside = failing[top:height - bottom, left:width - right]
    is_border = top + bottom < most * height and left + right < most * width and not inside.any()
    return (top, bottom, left, right) if is_border else None
