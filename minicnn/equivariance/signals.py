"""Shifts, impulses, and random images on which operators are tried."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import InputError

DOMAINS = ("torus", "plane", "window")


def shift(x: np.ndarray, by: tuple[int, int], domain: str = "torus") -> np.ndarray:
    """(S x)[..., y, x] = x[..., y - dy, x - dx]: the image moved down by dy and right by dx.

    Parameters
    ----------
    x : ndarray, shape (..., H, W)
    by : (int, int)
        (dy, dx), of any sign and size.
    domain : {"torus", "plane"}
        On the torus, pixels that leave at one side enter at the opposite side. On the plane, zeros enter.

    Raises
    ------
    ValueError
        Another domain. In a window the pixels that enter are unknown; a shift there is a crop of a larger image.

    Examples
    --------
    >>> shift(np.array([[1, 2, 3]]), (0, 1)), shift(np.array([[1, 2, 3]]), (0, 1), "plane")
    (array([[3, 1, 2]]), array([[0, 1, 2]]))
    """
    if domain == "torus":
        return np.roll(x, by, (-2, -1))
    if domain != "plane":
        raise InputError(f"shift: the domain must be 'torus' or 'plane', not {domain!r}: in a window the pixels that "
                         "enter at the border are unknown")
    out = np.zeros_like(x)
    to, of = zip(*(_overlap(size, d) for size, d in zip(x.shape[-2:], by, strict=True)), strict=True)
    out[(..., *to)] = x[(..., *of)]
    return out


def _overlap(size, d):
    """The slices of the shifted axis and of the original axis that have the same pixels."""
    d = max(-size, min(size, d))
    return slice(max(0, d), size + min(0, d)), slice(max(0, -d), size - max(0, d))


def dirac(size: tuple[int, int], at: tuple[int, int] = (0, 0), *, channels: int = 1, channel: int = 0,
          height: float = 1.0, dtype: Any = np.float64) -> np.ndarray:
    """The unit impulse: `height` at the pixel `at` of one channel, 0 elsewhere; shape (1, channels, H, W).

    >>> dirac((1, 4), (0, 2))
    array([[[[0., 0., 1., 0.]]]])
    """
    out = np.zeros((1, channels, *size), dtype)
    out[0, channel, at[0], at[1]] = height
    return out


def sample_images(rng: np.random.Generator, count: int, shape: tuple[int, ...], dtype: Any,
                  integers: bool = False) -> np.ndarray:
    """Images (count, *shape) of four kinds in turn: Gaussian noise, integers, four bright pixels, bright noise.

    Most images have pixels of both signs, because a ReLU is the identity on non-negative images. The integers are from
    -9 to 9; their sums have no rounding error. In an image with four pixels, an error at one pixel is not hidden in a
    large sum. The bright noise is from 1 to 2: a photograph, too, is bright everywhere. With `integers`, all images
    have integer pixels.
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
