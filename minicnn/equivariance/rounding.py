"""How much an operator rounds: what its terms can round, and what is measured where an algorithm mixes pixels.

A sum of n terms in floating point differs from the exact sum by a small multiple of eps times the sum of the magnitudes
of its terms. For a convolution this sum is |h| * |f|. Some algorithms (fft, winograd) mix pixels: a pixel then has the
rounding error of its brighter neighbours. That error is measured: every pixel of an image is changed by one unit in its
last place or not at all, and the change of the result is noise. A defect of the operator does not make such noise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

TERMS = 8.0                     # a local algorithm stays below TERMS + sqrt(n) times eps times the sum of n magnitudes
SAFETY = 5.0                    # the largest of a few random numbers, times this, is the largest of many
MOST = 16.0                     # noise beyond this multiple of eps and the largest magnitude is no rounding
FLOOR = 1 / 128                 # a pixel without terms has this part of the largest magnitude of its channel
SPARSE = 0.3                    # an image with a smaller fraction of pixels that are not 0 is sparse
REPEATS = 2                     # changed copies of each image
HUGE = 1e100                    # the noise of a channel of zeros, in units of nothing
BEYOND = 0.7                    # local algorithms stay below 0.5, FFTs have more than 0.9
QUIET, LOUD = 0.4, 13.0         # this part of the errors is below sigma / 2; LOUD times as much is 7 sigma


@dataclass(frozen=True)
class Rounding:
    """The tolerance of an operator, in multiples of eps.

    Attributes
    ----------
    eps : float
    bound : float or None
        The multiple of eps and of a pixel's own terms that passes. None: TERMS + sqrt(number of terms).
    taps : float
        The number of terms of a pixel in an image without zeros.
    everywhere : ndarray, shape (C',)
        The largest noise, in units of eps and the largest magnitude in the channel.
    mixed : ndarray, shape (2, C')
        The same for dense and for sparse images, counting only pixels whose own terms do not explain the noise: 0 for
        an algorithm that does not mix pixels.
    """

    eps: float
    bound: float | None = None
    taps: float = 1.0
    everywhere: Any = 0.0
    mixed: Any = ((0.0,), (0.0,))

    @property
    def mixes(self) -> bool:
        """Whether the algorithm mixes pixels."""
        return bool(np.any(self.mixed))

    def of_terms(self, terms: np.ndarray, largest: np.ndarray, density: np.ndarray) -> np.ndarray:
        """The tolerance (N, C', H', W') if the magnitudes of the terms of every pixel are known.

        Parameters
        ----------
        terms : ndarray, shape (N, C', H', W')
        largest : ndarray, shape (N, C', 1, 1)
            The largest magnitude in the channel.
        density : ndarray, shape (N,)
            The fraction of the pixels of an image that are not 0.
        """
        mixed = np.asarray(self.mixed)[_is_sparse(density).astype(int)][:, :, None, None]           # (N, C', 1, 1)
        own = np.where(mixed > 0, 1.0, self.multiple(density))      # the noise includes the rounding of the terms
        return self.eps * (own * (terms + FLOOR * largest) + SAFETY * mixed * largest)

    def of_largest(self, largest: np.ndarray) -> np.ndarray:
        """The tolerance (N, C', 1, 1) relative to the largest magnitude in the channel."""
        own = TERMS if self.bound is None else self.bound
        return self.eps * (own + SAFETY * _column(self.everywhere)) * largest

    def multiple(self, density: np.ndarray) -> np.ndarray:
        """The multiple of eps that passes, for images of that density; (N, 1, 1, 1)."""
        terms = TERMS + np.sqrt(self.taps * density) if self.bound is None else np.full(density.shape, self.bound)
        return terms[:, None, None, None]

    def measured(self, noise: np.ndarray, largest: np.ndarray, most: float = MOST) -> Rounding:
        """With `everywhere` from the noise (N, C', H', W') of some images."""
        return replace(self, everywhere=self._most(noise, largest, most))

    def spread(self, spread: np.ndarray) -> Rounding:
        """With the difference (C',) of most pixels of sparse images after a shift, in units of the largest magnitude.
        """
        mixed = np.broadcast_to(np.asarray(self.mixed), (2, len(spread)))
        return replace(self, mixed=np.stack([mixed[0], np.maximum(mixed[1], spread)]),
                       everywhere=np.maximum(self.everywhere, spread))

    def mixing(self, noise: np.ndarray, error: np.ndarray, terms: np.ndarray, largest: np.ndarray,
               density: np.ndarray) -> Rounding:
        """With `mixed` from the noise of some images whose terms are known, and from their errors |op(f) - h * f|.

        A change of an image in its last bit shows less than the rounding of an FFT in some images. Therefore the errors
        at most of the pixels count too. A defect of half of the pixels does not raise them.
        """
        own = self.eps * replace(self, bound=None).multiple(density) * terms / 2
        everywhere = _beyond_terms(error, self.eps * terms)
        seen = (noise > own) | everywhere
        kinds = [kind & seen.any((1, 2, 3)) for kind in (~_is_sparse(density), _is_sparse(density))]
        channels = seen.any((0, 2, 3))[:, None, None]
        if seen.any():
            noise = np.maximum(noise, LOUD / SAFETY * np.quantile(error, QUIET, (2, 3), keepdims=True))
        return replace(self, mixed=np.stack([self._most(np.where(channels, noise[kind], 0), largest[kind])
                                             for kind in kinds]))

    def _most(self, noise, largest, most=MOST):
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.nan_to_num(noise.max((2, 3), keepdims=True) / (self.eps * largest), posinf=HUGE)
        return np.minimum(ratio.max((0, 2, 3), initial=0), most)


def noise_of(operator: Callable, images: np.ndarray, answers: np.ndarray, rng: np.random.Generator,
             eps: float) -> np.ndarray:
    """The largest change of each pixel of the result, if pixels of the images change by one unit in the last place.

    `answers` is operator(images), (N, C', H', W').
    """
    noise = np.zeros(answers.shape)
    for _ in range(REPEATS):
        changed = images * (1 + eps * rng.integers(-1, 2, images.shape))
        noise = np.maximum(noise, np.abs(operator(changed) - answers))
    return noise


def density_of(images: np.ndarray) -> np.ndarray:
    """The fraction of the pixels of each image that are not 0; (N,)."""
    return np.count_nonzero(images, (1, 2, 3)) / max(1, images[0].size)


def _beyond_terms(error, terms):
    """Whether the errors at the pixels with the smallest terms are often larger than a local algorithm makes them.

    There the usual error of a local algorithm is below half of `terms`, eps times the sum of the magnitudes.
    """
    small = (terms <= np.quantile(terms, 0.25, (2, 3), keepdims=True)) & (terms > 0)
    ratio = np.divide(error, terms, out=np.full(error.shape, np.nan), where=small)
    usual = np.nanquantile(np.where(small.any((2, 3), keepdims=True), ratio, 0), QUIET, (2, 3))
    return bool((usual > BEYOND).any())


def _is_sparse(density):
    return density < SPARSE


def _column(ratio):
    """(C',) as (C', 1, 1)."""
    return np.asarray(ratio, np.float64).reshape(-1, 1, 1)
