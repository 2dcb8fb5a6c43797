"""Where pixels of an operator's input and output belong together: the three domains, rates, and the convolution.

The output pixel o of an operator that takes every alpha-th pixel, or puts beta - 1 zeros between pixels, has the
displacement d = alpha o - beta p from the input pixel p. For a convolution the response to an impulse depends on d
alone,

    op(f)[o] = sum over p of h[alpha o - beta p] f[p],

which is the ordinary convolution for alpha = beta = 1. On the torus d is modulo the size of the finer grid. On the
plane f is zero outside of the H x W pixels. In a window f goes on outside, unknown to the operator.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .signals import shift


@dataclass(frozen=True)
class Axis:
    """One axis: `size` pixels in, `out` pixels out.

    >>> axis = Axis(28, 24, periodic=False)
    >>> axis.first, axis.count, axis.places
    (-27, 51, (14, 0, 27))
    """

    size: int
    out: int
    alpha: int = 1
    beta: int = 1
    periodic: bool = True

    @property
    def first(self):
        """The smallest displacement."""
        return 0 if self.periodic else -self.beta * (self.size - 1)

    @property
    def count(self):
        """How many displacements there are."""
        return self.fine if self.periodic else self.alpha * (self.out - 1) - self.first + 1

    @property
    def fine(self):
        """The size of the finer grid."""
        return self.size * self.beta

    def displacements(self, p):
        """Of all output pixels from the input pixel p, counted from `first`."""
        d = self.alpha * np.arange(self.out) - self.beta * p
        return d % self.fine if self.periodic else d - self.first

    @cached_property
    def places(self):
        """Where impulses must be so that every displacement is seen: the origin, or the centre, first."""
        found, unseen = [], np.ones(self.count, bool)
        centre = 0 if self.periodic else self.size // 2
        order = sorted(range(self.size), key=lambda p: abs(p - centre))
        while True:
            new = [unseen[self.displacements(p)].sum() for p in order]
            best = int(np.argmax(new)) if found else 0
            if found and new[best] == 0:
                return tuple(found)
            found.append(order[best])
            unseen[self.displacements(order[best])] = False


def axes_of(in_shape, out_shape, rates, periodic):
    """The two axes for the rates ((alpha, beta), (alpha, beta))."""
    return tuple(Axis(size, out, alpha, beta, periodic)
                 for size, out, (alpha, beta) in zip(in_shape[1:], out_shape[1:], rates, strict=True))


def convolve(f, h, axes, margin=(0, 0)):
    """sum over p of h[o, i, alpha y - beta p] f[i, p] in float64, tap by tap: exact for integers.

    Independent of every algorithm in `minicnn.conv`.

    Parameters
    ----------
    f : ndarray, shape (N, C_in, H + 2 my, W + 2 mx)
    h : ndarray, shape (C_out, C_in, Dy, Dx)
        For each displacement of the two axes.
    axes : (Axis, Axis)
    margin : (int, int)
        How many pixels of f are outside of the operator's input on each side.

    Returns
    -------
    ndarray, shape (N, C_out, out_y, out_x)
    """
    y, x = axes
    fine = np.zeros((*f.shape[:2], *(axis.beta * (n - 1) + 1 for axis, n in zip(axes, f.shape[2:], strict=True))))
    fine[:, :, ::y.beta, ::x.beta] = f
    pads = [_pad(axis, m) for axis, m in zip(axes, margin, strict=True)]
    wrapped = y.periodic
    if wrapped:
        fine = np.pad(fine, ((0, 0), (0, 0), (0, y.beta - 1), (0, x.beta - 1)))         # the whole torus
    fine = np.pad(fine, ((0, 0), (0, 0), *pads), mode="wrap" if wrapped else "constant")
    out = np.zeros((len(f), len(h), y.out, x.out))
    for dy, dx in zip(*np.nonzero(np.any(h, (0, 1))), strict=True):
        taps = fine[(..., *(_slice(axis, d, m, pad[0]) for axis, d, m, pad in
                            zip(axes, (dy, dx), margin, pads, strict=True)))]           # (N, C_in, out_y, out_x)
        out += np.tensordot(h[:, :, dy, dx], taps, (1, 1)).swapaxes(0, 1)
    return out


def _pad(axis, margin):
    """Enough that no displacement leaves the array."""
    if axis.periodic:
        return axis.fine, 0
    last, start = axis.first + axis.count - 1, axis.beta * margin
    length = axis.beta * (axis.size + 2 * margin - 1) + 1
    return max(0, last - start), max(0, start + axis.alpha * (axis.out - 1) - axis.first - length + 1)


def _slice(axis, d, margin, pad):
    start = pad + axis.beta * margin - (axis.first + d)
    return slice(start, start + axis.alpha * (axis.out - 1) + 1, axis.alpha)


class Moves:
    """Pairs of images of which the second is the first one shifted, as the domain understands it.

    >>> moves = Moves("window", (1, 1, 4), np.arange(6.0).reshape(1, 1, 1, 6), margin=(0, 1))
    >>> [image.ravel().tolist() for image in moves.pair((0, 1))]
    [[1.0, 2.0, 3.0, 4.0], [0.0, 1.0, 2.0, 3.0]]
    """

    def __init__(self, domain, in_shape, images, margin):
        self.domain, self.in_shape, self.images, self.margin = domain, in_shape, images, margin

    def crop(self, by=(0, 0)):
        """What the operator sees of the images moved by (dy, dx)."""
        (_, H, W), (my, mx) = self.in_shape, self.margin
        return self.images[..., my - by[0]:my - by[0] + H, mx - by[1]:mx - by[1] + W]

    def pair(self, by):
        """The images and the shifted images."""
        if self.domain == "window":
            return self.crop(), self.crop(by)
        images = self.images
        if self.domain == "plane":                      # without what the shift would carry out of the array
            images = shift(shift(images, by, "plane"), tuple(-d for d in by), "plane")
        return images, shift(images, by, self.domain)


def compare(before, after, by, domain):
    """after - S before where both are known, (..., H, W), and the mask (H, W) of these pixels in `after`."""
    moved = shift(before, by, "torus" if domain == "torus" else "plane")
    known = np.ones(before.shape[-2:], bool)
    if domain != "torus":
        known = shift(known, by, "plane")
    return np.where(known, after - moved, 0.0), known
