"""Shifts, impulses, and random images on which operators are tried."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import InputError

KINDS = 5                       # an impulse, and the four kinds of `sample_images`
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


class TrialImages:
    """Draws the images on which a law is tried: an impulse, then images of several kinds."""

    def __init__(self, rng: np.random.Generator, count: int, integers: bool):
        self.rng, self.count, self.integers = rng, count, integers

    def draw(self, shape: tuple[int, int, int], count: int | None = None) -> np.ndarray:
        """`count` images (C, H, W); by default as many as the trials need."""
        channels, height, width = shape
        impulse = dirac((height, width), (height // 2, width // 2), channels=channels,
                        channel=int(self.rng.integers(channels)))
        count = self.count if count is None else count
        return np.concatenate([impulse, sample_images(self.rng, count - 1, shape, np.float64, self.integers)])


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


def combs(rng: np.random.Generator, shape: tuple[int, int, int], spacing: tuple[int, int], most: int,
          integers: bool = False, periodic: bool = True) -> np.ndarray:
    """Images (n, C, H, W) of impulses on a grid in one channel, at least `spacing` apart, also around a torus.

    Together they have an impulse at every pixel of every channel, unless these are more than `most` images; then `most`
    of them are drawn. If `spacing` is the size of a kernel, each output pixel has a single term. Thus a defect of a
    single weight at a single pixel is not hidden in the rounding of other terms. The impulses have both signs and
    heights from 1 to 2, or from 1 to 9 with `integers`.

    >>> combs(np.random.default_rng(0), (1, 1, 5), (1, 2), 9, integers=True).astype(bool).astype(int)[:, 0, 0]
    array([[1, 0, 1, 0, 0],
           [0, 1, 0, 1, 0],
           [0, 1, 0, 0, 1]])
    """
    chosen = list(_chosen(rng, shape[0], shape[1:], spacing, most, periodic))
    images = np.zeros((len(chosen), *shape))
    for image, (c, y, x) in zip(images, chosen, strict=True):
        image[c][np.ix_(y, x)] = 1
    height = rng.integers(1, 10, images.shape) if integers else 1 + rng.random(images.shape)
    return np.where(images != 0, height * rng.choice([-1.0, 1.0], images.shape), 0.0)


def aligned(rng: np.random.Generator, shape: tuple[int, int, int], kernel: np.ndarray, origin: tuple[int, int],
            most: int, periodic: bool = True) -> np.ndarray:
    """Images (n, C, H, W) of 1 and -1 for which sum of |kernel| is the value of kernel * f at every pixel of a grid.

    Together the grids have every pixel of every output channel, unless these are more than `most` images. There is no
    image of pixels up to 1 that makes a convolution brighter. Therefore it shows the smallest change of a pixel.

    Parameters
    ----------
    kernel : ndarray, shape (C_out, C, kh, kw)
    origin : (int, int)
        The place of the displacement (0, 0) in the kernel.

    Examples
    --------
    >>> aligned(np.random.default_rng(0), (1, 1, 4), np.array([[[[2.0, -1.0]]]]), (0, 0), 9)[:, 0, 0]
    array([[ 1., -1.,  1., -1.],
           [-1.,  1., -1.,  1.]])
    """
    _, _, height, width = kernel.shape
    _, rows, columns = shape
    signs, images = np.sign(kernel[:, :, ::-1, ::-1]), []
    for out, ys, xs in _chosen(rng, len(kernel), shape[1:], (height, width), most, periodic):
        image = np.zeros(shape)
        for y, x in np.array(np.meshgrid(ys, xs)).reshape(2, -1).T + origin - np.array([height - 1, width - 1]):
            at_y, at_x = np.arange(y, y + height), np.arange(x, x + width)
            if periodic:
                image[:, (at_y % rows)[:, None], at_x % columns] = signs[out]
            else:
                fits_y, fits_x = (at_y >= 0) & (at_y < rows), (at_x >= 0) & (at_x < columns)
                image[:, at_y[fits_y][:, None], at_x[fits_x]] = signs[out][:, fits_y][:, :, fits_x]
        images.append(image)
    return np.stack(images)


def _chosen(rng, channels, size, spacing, most, periodic):
    """(channel, rows, columns) of grids that together have every pixel of every channel; at most `most` of them."""
    grids = [_grids(length, step, periodic) for length, step in zip(size, spacing, strict=True)]
    total = channels * len(grids[0]) * len(grids[1])
    chosen = np.arange(total) if total <= most else np.sort(rng.choice(total, most, replace=False))
    for number in chosen:
        c, y, x = np.unravel_index(number, (channels, len(grids[0]), len(grids[1])))
        yield int(c), grids[0][y], grids[1][x]


def _grids(length, step, periodic):
    """Lists of places on an axis, at least `step` apart. Together they have every place."""
    step = min(step, length)
    if not periodic:
        return [np.arange(start, length, step) for start in range(step)]
    count = length // step
    whole = [start + step * np.arange(count) for start in range(step)]
    return whole + [(step * count + more + step * np.arange(count)) % length for more in range(length % step)]
