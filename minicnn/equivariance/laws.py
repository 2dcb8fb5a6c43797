"""The laws that a convolution obeys, each as two sides that must agree, and how far they may differ.

Every law takes a batch of inputs, a tuple of arrays (N, C, H, W), and returns left and right, (N, C', H', W'); the mask
(H', W') of the pixels at which they can be compared, None for all; and the size of the terms that were summed,
(N, C', H', W'), None where the sides themselves tell it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .domains import Moves, axes_of, compare, convolve
from .impulse import responses


@dataclass(frozen=True)
class Setting:
    """What the laws are about.

    Attributes
    ----------
    operator : Operator
    domain : str
    offset : ndarray, shape (C', H', W')
        op(0).
    gain : ndarray, shape (C',)
        How large L(f) is in each channel for images f of size 1: an algorithm may round as if a pixel were that large,
        also where it is not.
    rates : pair of (alpha, beta)
    """

    operator: object
    domain: str
    offset: np.ndarray
    gain: np.ndarray
    rates: tuple = ((1, 1), (1, 1))

    @property
    def margin(self):
        """How far images go on outside of what the operator sees."""
        return self.operator.in_shape[1:] if self.domain == "window" else (0, 0)

    @property
    def shape(self):
        """(C, H, W) of the images that are shifted."""
        channels, *size = self.operator.in_shape
        return channels, *(n + 2 * m for n, m in zip(size, self.margin, strict=True))

    @property
    def axes(self):
        return axes_of(self.operator.in_shape, self.operator.out_shape, self.rates, self.domain == "torus")

    def linear_part(self, images):
        """L(f) = op(f) - op(0)."""
        return self.operator(images) - self.offset

    def moves(self, images):
        return Moves(self.domain, self.operator.in_shape, images, self.margin)


@dataclass(frozen=True)
class Homogeneity:
    """L(a f) = a L(f)."""

    factor: float
    name = "homogeneity"

    def sides(self, setting, inputs):
        f, = inputs
        return setting.linear_part(self.factor * f), self.factor * setting.linear_part(f), None, None

    def __str__(self):
        return f"L({self.factor:g} f) = {self.factor:g} L(f)"


@dataclass(frozen=True)
class Additivity:
    """L(f + g) = L(f) + L(g)."""

    name = "additivity"

    def sides(self, setting, inputs):
        f, g = inputs
        return setting.linear_part(f + g), setting.linear_part(f) + setting.linear_part(g), None, None

    def __str__(self):
        return "L(f + g) = L(f) + L(g)"


@dataclass(frozen=True)
class Equivariance:
    """op(S f) = S' op(f) for the shift S by `by` of the input, and S' by `out` of the output."""

    by: tuple[int, int]
    out: tuple[int, int]
    name = "equivariance"

    def sides(self, setting, inputs):
        before, after = setting.moves(inputs[0]).pair(self.by)
        left, moved = setting.operator(after), setting.operator(before)
        difference, known = compare(moved, left, self.out, setting.domain)
        return left, left - difference, known, None

    def __str__(self):
        return f"op(S{self.by} f) = S{self.out} op(f)"


@dataclass(frozen=True)
class Convolution:
    """op(f) = op(0) + h * f, h being the response to an impulse."""

    name = "convolution"

    def sides(self, setting, inputs, h=None):
        f, = inputs
        h = responses(setting.operator, setting.offset, setting.axes) if h is None else h
        right = setting.offset + convolve(f, h, setting.axes, setting.margin)
        terms = convolve(abs(f), abs(h), setting.axes, setting.margin)
        return setting.operator(setting.moves(f).crop()), right, None, terms

    def __str__(self):
        return "op(f) = op(0) + h * f"


@dataclass(frozen=True)
class Difference:
    """How far the two sides of a law are apart, for a batch of inputs.

    Attributes
    ----------
    left, right : ndarray, shape (N, C', H', W')
    error : ndarray, shape (N, C', H', W')
        |left - right|, 0 where they cannot be compared.
    tolerance : ndarray, shape (N, C', 1, 1)
        What rounding may do: bound eps times the largest value that is, or might be, in the image's channel.
    known : ndarray of bool, shape (H', W')
        Where they can be compared.
    """

    left: np.ndarray
    right: np.ndarray
    error: np.ndarray
    tolerance: np.ndarray
    known: np.ndarray

    @property
    def passed(self):
        return bool((self.error <= self.tolerance).all())

    @property
    def ratio(self):
        """error / tolerance, 0 where there is no error."""
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            return np.where(self.error > 0, self.error / self.tolerance, 0.0)

    @property
    def broken(self):
        """Which inputs of the batch break the law, (N,)."""
        return (self.error > self.tolerance).any((1, 2, 3))

    @property
    def failing(self):
        """Which output pixels some input breaks the law at, (H', W')."""
        return (self.error > self.tolerance).any((0, 1))

    def worst(self):
        """(input, channel, y, x) of the largest error in units of its tolerance."""
        return tuple(int(i) for i in np.unravel_index(np.argmax(self.ratio), self.error.shape))


def check(law, setting, inputs, bound, **more):
    """The Difference of the law's two sides; `more` goes to the law."""
    left, right, known, terms = law.sides(setting, inputs, **more)
    known = np.ones(left.shape[2:], bool) if known is None else known
    error = np.where(known, np.abs(left - right), 0.0)
    size = np.maximum(np.abs(left), np.abs(right)) if terms is None else terms
    factor = max(1, abs(getattr(law, "factor", 1)))     # it multiplies what op(0) has rounded away, too
    size = np.maximum(size.max((2, 3), keepdims=True), factor * np.abs(setting.offset).max((1, 2))[:, None, None])
    largest = sum(np.abs(f).max((1, 2, 3)) for f in inputs) * factor
    size = np.maximum(size, np.multiply.outer(largest, setting.gain)[:, :, None, None])
    return Difference(left, right, error, bound * setting.operator.eps * size, known)
