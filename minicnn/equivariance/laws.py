"""The laws of a convolution. Each law has two sides, and a scale for the difference that rounding may cause."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .domains import GridAxis, Pair, Rates, ShiftedPair, axes_of, compare, visible
from .impulse import convolve, responses
from .operator import Operator
from .rounding import Rounding, density_of
from .signals import shift


@dataclass(frozen=True)
class Context:
    """The operator, and the facts about it that the laws need.

    Attributes
    ----------
    operator : Operator
    domain : {"torus", "plane", "window"}
    offset : ndarray, shape (C', H', W')
        op(0).
    gain : ndarray, shape (C',)
        The largest |L(f)| of each channel, for images f with pixels up to 1.
    rounding : Rounding
        What the operator may round.
    rates : pair of (alpha, beta)
    h : ndarray or None
        The response to an impulse, for each displacement of `axes`.
    affine : bool
        Whether L is linear. Then |h| * |f| is the sum of the magnitudes of a pixel's terms.
    """

    operator: Operator
    domain: str
    offset: np.ndarray
    gain: np.ndarray
    rounding: Rounding
    rates: Rates = ((1, 1), (1, 1))
    h: np.ndarray | None = None
    affine: bool = False

    @property
    def margin(self) -> Pair:
        """The number of rows and columns by which images extend beyond the operator's input, on each side."""
        return self.operator.in_shape[1:] if self.domain == "window" else (0, 0)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of the images, with the margin."""
        (channels, height, width), (my, mx) = self.operator.in_shape, self.margin
        return channels, height + 2 * my, width + 2 * mx

    @property
    def axes(self) -> tuple[GridAxis, GridAxis]:
        """The two axes of the operator."""
        return axes_of(self.operator.in_shape, self.operator.out_shape, self.rates, self.domain == "torus")

    def linear_part(self, images: np.ndarray) -> np.ndarray:
        """L(f) = op(f) - op(0)."""
        return self.operator(images) - self.offset

    def terms(self, images: np.ndarray) -> np.ndarray:
        """|h| * |f| for images with the margin: the sum of the magnitudes of the terms of each output pixel."""
        return convolve(np.abs(images), np.abs(np.asarray(self.h)), self.axes, self.margin)

    def seen_terms(self, images: np.ndarray) -> np.ndarray | None:
        """|h| * |f| for images without the margin; None if h is not known."""
        return None if self.h is None else convolve(np.abs(images), np.abs(self.h), self.axes)

    def largest(self, inputs: tuple[np.ndarray, ...], *magnitudes: np.ndarray, scale: float = 1.0) -> np.ndarray:
        """The largest magnitude in each channel, (N, C', 1, 1), also those of op(0) and of images as bright as f."""
        found = np.maximum.reduce([np.abs(one).max((2, 3), keepdims=True) for one in magnitudes])
        found = np.maximum(found, scale * np.abs(self.offset).max((1, 2))[:, None, None])
        bright = sum(np.abs(f).max((1, 2, 3)) for f in inputs) * scale
        return np.maximum(found, np.multiply.outer(bright, self.gain)[:, :, None, None])

    def visible(self, images: np.ndarray) -> np.ndarray:
        """The part of the images that the operator sees."""
        return visible(images, self.operator.in_shape[1:], self.margin)

    def shifted_pair(self, images: np.ndarray, by: Pair) -> ShiftedPair:
        """The images and the shifted images, both as the operator sees them."""
        return ShiftedPair.of(images, by, self.domain, self.operator.in_shape[1:], self.margin)


class Sides(NamedTuple):
    """The two sides of a law for a batch of N inputs.

    Attributes
    ----------
    left, right : ndarray, shape (N, C', H', W')
    known : ndarray of bool, shape (H', W'), or None
        The pixels at which the sides can be compared. None: all pixels.
    terms : ndarray, shape (N, C', H', W'), or None
        The sum of the magnitudes of the terms of each pixel. None: the largest magnitude in the channel is used.
    brightest : ndarray, shape (N, C', H', W'), or None
        Sums of terms that count for the largest magnitude.
    """

    left: np.ndarray
    right: np.ndarray
    known: np.ndarray | None = None
    terms: np.ndarray | None = None
    brightest: np.ndarray | None = None


class Law:
    """A law. Its inputs are a tuple of arrays (N, C, H, W): f, or f and g."""

    name = ""

    def sides(self, context: Context, inputs: tuple[np.ndarray, ...]) -> Sides:
        """Both sides for the inputs."""
        raise NotImplementedError

    @property
    def scale(self) -> float:
        """The largest factor by which the law multiplies a result of the operator."""
        return 1.0


@dataclass(frozen=True)
class Homogeneity(Law):
    """L(a f) = a L(f)."""

    factor: float
    name = "homogeneity"

    def sides(self, context: Context, inputs: tuple[np.ndarray, ...], answer: np.ndarray | None = None) -> Sides:
        """Both sides. `answer` is L(f), if it is known."""
        f, = inputs
        answer = context.linear_part(f) if answer is None else answer
        return Sides(context.linear_part(self.factor * f), self.factor * answer,
                     brightest=context.seen_terms(self.factor * f))

    @property
    def scale(self) -> float:
        return max(1.0, abs(self.factor))

    def __str__(self):
        return f"L({self.factor:g} f) = {self.factor:g} L(f)"


@dataclass(frozen=True)
class Additivity(Law):
    """L(f + g) = L(f) + L(g)."""

    name = "additivity"

    def sides(self, context: Context, inputs: tuple[np.ndarray, ...]) -> Sides:
        f, g = inputs
        return Sides(context.linear_part(f + g), context.linear_part(f) + context.linear_part(g),
                     brightest=context.seen_terms(np.abs(f) + np.abs(g)))

    def __str__(self):
        return "L(f + g) = L(f) + L(g)"


@dataclass(frozen=True)
class Equivariance(Law):
    """op(S f) = S' op(f), where S shifts the input by `by`, and S' shifts the output by `out`."""

    by: Pair
    out: Pair
    name = "equivariance"

    def sides(self, context: Context, inputs: tuple[np.ndarray, ...]) -> Sides:
        before, after = context.shifted_pair(inputs[0], self.by)
        left, unshifted = context.operator(after), context.operator(before)
        difference, known = compare(unshifted, left, self.out, context.domain)
        terms = None
        if context.affine:
            terms = shift(context.terms(inputs[0]), self.out, "torus" if context.domain == "torus" else "plane")
        return Sides(left, left - difference, known, terms)

    def __str__(self):
        return f"op(S{self.by} f) = S{self.out} op(f)"


@dataclass(frozen=True)
class Convolution(Law):
    """op(f) = op(0) + h * f, where h is the response to an impulse: `h`, or that of the context, or measured."""

    name = "convolution"

    def sides(self, context: Context, inputs: tuple[np.ndarray, ...], h: np.ndarray | None = None) -> Sides:
        f, = inputs
        h = context.h if h is None else h
        h = responses(context.operator, context.offset, context.axes) if h is None else h
        right = context.offset + convolve(f, h, context.axes, context.margin)
        return Sides(context.operator(context.visible(f)), right, None,
                     convolve(np.abs(f), np.abs(h), context.axes, context.margin))

    def __str__(self):
        return "op(f) = op(0) + h * f"


@dataclass(frozen=True)
class Difference:
    """The difference of the two sides of a law, for a batch of inputs.

    Attributes
    ----------
    left, right : ndarray, shape (N, C', H', W')
    error : ndarray, shape (N, C', H', W')
        |left - right|, and 0 where the sides cannot be compared.
    tolerance : ndarray, shape (N, C', H', W')
        The rounding error that passes: see `Rounding`.
    known : ndarray of bool, shape (H', W')
        The pixels at which the sides can be compared.
    """

    left: np.ndarray
    right: np.ndarray
    error: np.ndarray
    tolerance: np.ndarray
    known: np.ndarray

    @property
    def passed(self) -> bool:
        """Whether no error exceeds its tolerance."""
        return bool((self.error <= self.tolerance).all())

    @property
    def ratio(self) -> np.ndarray:
        """error / tolerance, and 0 at pixels without an error."""
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            return np.where(self.error > 0, self.error / self.tolerance, 0.0)

    @property
    def broken(self) -> np.ndarray:
        """(N,): the inputs of the batch that break the law."""
        return np.any(self.error > self.tolerance, (1, 2, 3))

    @property
    def failing(self) -> np.ndarray:
        """(H', W'): the output pixels at which some input breaks the law."""
        return np.any(self.error > self.tolerance, (0, 1))

    def worst(self) -> tuple[int, ...]:
        """(input, channel, y, x) of the largest error / tolerance."""
        return tuple(int(i) for i in np.unravel_index(np.argmax(self.ratio), self.error.shape))


def difference_of(sides: Sides) -> tuple[np.ndarray, np.ndarray]:
    """|left - right|, which is 0 where the sides cannot be compared, and the mask of the pixels where they can."""
    known = np.ones(sides.left.shape[2:], bool) if sides.known is None else sides.known
    return np.where(known, np.abs(sides.left - sides.right), 0.0), known


def compare_sides(law: Law, context: Context, inputs: tuple[np.ndarray, ...], **more: Any) -> Difference:
    """The difference of the law's two sides for a batch of inputs. `more` is passed to the law."""
    sides = law.sides(context, inputs, **more)
    error, known = difference_of(sides)
    if sides.terms is None:
        bright = () if sides.brightest is None else (sides.brightest,)
        largest = context.largest(inputs, sides.left, sides.right, *bright, scale=law.scale)
        tolerance = np.broadcast_to(context.rounding.of_largest(largest), error.shape)
    else:
        largest = context.largest(inputs, sides.left, sides.right, sides.terms, scale=law.scale)
        own = sides.terms + law.scale * np.abs(context.offset)          # op(0) was rounded too
        tolerance = context.rounding.of_terms(own, largest, np.sum([density_of(f) for f in inputs], 0))
    return Difference(sides.left, sides.right, error, tolerance, known)
