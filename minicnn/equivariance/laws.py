"""The laws of a convolution. Each law has two sides, and a scale for the difference that rounding may cause."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .convolution import convolve
from .domains import GridAxis, Pair, Rates, ShiftedPair, axes_of, compare, visible
from .impulse import responses
from .operator import Operator


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
        The largest |L(f)| of each channel, for images f with pixels up to 1. Some algorithms (fft, winograd) round
        relative to the largest pixel, so this scale is used everywhere.
    rates : pair of (alpha, beta)
    """

    operator: Operator
    domain: str
    offset: np.ndarray
    gain: np.ndarray
    rates: Rates = ((1, 1), (1, 1))

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
        If a side is a sum: the sum of the magnitudes of its terms. None: the magnitude of the sides is used.
    """

    left: np.ndarray
    right: np.ndarray
    known: np.ndarray | None = None
    terms: np.ndarray | None = None


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

    def sides(self, context: Context, inputs: tuple[np.ndarray, ...]) -> Sides:
        f, = inputs
        return Sides(context.linear_part(self.factor * f), self.factor * context.linear_part(f))

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
        return Sides(context.linear_part(f + g), context.linear_part(f) + context.linear_part(g))

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
        return Sides(left, left - difference, known)

    def __str__(self):
        return f"op(S{self.by} f) = S{self.out} op(f)"


@dataclass(frozen=True)
class Convolution(Law):
    """op(f) = op(0) + h * f, where h is the response to an impulse. If h is not given, it is measured."""

    name = "convolution"

    def sides(self, context: Context, inputs: tuple[np.ndarray, ...], h: np.ndarray | None = None) -> Sides:
        f, = inputs
        h = responses(context.operator, context.offset, context.axes) if h is None else h
        right = context.offset + convolve(f, h, context.axes, context.margin)
        terms = convolve(abs(f), abs(h), context.axes, context.margin)
        return Sides(context.operator(context.visible(f)), right, None, terms)

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
    tolerance : ndarray, shape (N, C', 1, 1)
        The rounding error that passes: bound * eps * the largest value in the image's channel. It is larger if an
        algorithm may round relative to a larger value.
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


def compare_sides(law: Law, context: Context, inputs: tuple[np.ndarray, ...], bound: float,
                  **more: Any) -> Difference:
    """The difference of the law's two sides for a batch of inputs. `more` is passed to the law."""
    left, right, known, terms = law.sides(context, inputs, **more)
    known = np.ones(left.shape[2:], bool) if known is None else known
    error = np.where(known, np.abs(left - right), 0.0)
    size = np.maximum(np.abs(left), np.abs(right)) if terms is None else terms
    offset = np.abs(context.offset).max((1, 2))[:, None, None]                          # op(0) was rounded too
    size = np.maximum(size.max((2, 3), keepdims=True), law.scale * offset)
    largest = sum(np.abs(f).max((1, 2, 3)) for f in inputs) * law.scale
    size = np.maximum(size, np.multiply.outer(largest, context.gain)[:, :, None, None])
    return Difference(left, right, error, bound * context.operator.eps * size, known)
