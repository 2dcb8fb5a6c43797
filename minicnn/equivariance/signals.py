"""Shifts, impulses, and the images that operators are tried on."""

from __future__ import annotations

import numpy as np

from ..errors import InputError

DOMAINS = ("torus", "plane", "window")


def shift(x, by, domain="torus"):
    """(S x)[..., y, x] = x[..., y - dy, x - dx]: the image moved down by dy and right by dx.

    Parameters
    ----------
    x : ndarray, shape (..., H, W)
    by : (int, int)
        (dy, dx), of any sign and size.
    domain : {"torus", "plane"}
        What enters at the border: what leaves on the other side, or zeros.

    Raises
    ------
    ValueError
        Another domain. In a window what enters is unknown, so there a shift is a crop of a larger image.

    Examples
    --------
    >>> shift(np.array([[1, 2, 3]]), (0, 1)), shift(np.array([[1, 2, 3]]), (0, 1), "plane")
    (array([[3, 1, 2]]), array([[0, 1, 2]]))
    """
    if domain == "torus":
        return np.roll(x, by, (-2, -1))
    if domain != "plane":
        raise InputError(f"shift: the domain must be 'torus' or 'plane', not {domain!r}: in a window nobody knows what "
                         "enters at the border")
    out = np.zeros_like(x)
    to, of = zip(*(_overlap(size, d) for size, d in zip(x.shape[-2:], by, strict=True)), strict=True)
    out[(..., *to)] = x[(..., *of)]
    return out


def _overlap(size, d):
    """Slices of the shifted and of the unshifted axis that hold the same pixels."""
    d = max(-size, min(size, d))
    return slice(max(0, d), size + min(0, d)), slice(max(0, -d), size - max(0, d))


def dirac(size, at=(0, 0), *, channels=1, channel=0, height=1.0, dtype=np.float64):
    """The unit impulse: `height` at the pixel `at` of one channel, 0 elsewhere; shape (1, channels, H, W).

    >>> dirac((1, 4), (0, 2))
    array([[[[0., 0., 1., 0.]]]])
    """
    out = np.zeros((1, channels, *size), dtype)
    out[0, channel, at[0], at[1]] = height
    return out


def modest_images(rng, count, shape, dtype, integers=False):
    """(count, *shape): images of size 1 or so: Gaussian, integers from -9 to 9, few pixels, and bright, in turn.

    Signed, since on non-negative images a ReLU is the identity; integers, since sums of them are exact; few pixels,
    since a sum of many hides what one does; and bright all over, as photographs are.
    """
    kinds = (_integers,) if integers else (_gaussian, _integers, _few, _bright)
    return np.stack([kinds[i % len(kinds)](rng, shape) for i in range(count)]).astype(dtype)


def _gaussian(rng, shape):
    return rng.standard_normal(shape)


def _integers(rng, shape):
    return rng.integers(-9, 10, shape).astype(np.float64)


def _bright(rng, shape):
    return 1 + rng.random(shape)


def _few(rng, shape):
    out = np.zeros(int(np.prod(shape)))
    places = rng.choice(out.size, min(out.size, 4), replace=False)
    out[places] = rng.standard_normal(len(places))
    return out.reshape(shape)
