"""DataLoader: a dataset in batches, shuffled and shifted by an explicit random generator."""

import operator

import numpy as np

from ..errors import InputError
from .images import normalize, shift_images


class DataLoader:
    """Iterate over images and labels in batches.

    Everything random about a pass is drawn when the pass starts: first the order of the images, then
    the shift of each. So `batches(start)` gives the same bits as a whole pass from that batch on, for
    a generator in the same state, and skipping costs nothing: this is what lets training resume.

    Parameters
    ----------
    images : ndarray
        uint8 of shape (n, height, width): normalised batch by batch (see `normalize`). Or floating of
        shape (n, channels, height, width): taken as they stand.
    labels : ndarray of integers, shape (n,)
    batch_size : int
        Images in a batch; the last batch may have fewer.
    shuffle : bool
        A new order for every pass.
    drop_last : bool
        Leave out a last batch that is not full.
    max_shift : int
        Shift each image by -max_shift to max_shift pixels in each direction, drawn anew for every
        pass; what moves in is background. Only for uint8 images.
    rng : numpy.random.Generator, optional
        Needed to shuffle or shift.

    Yields
    ------
    images : ndarray, float32 or the dtype given, shape (batch, channels, height, width)
    labels : ndarray, int64, shape (batch,)

    Raises
    ------
    ValueError
        No images; as many labels as images are needed; wrong dtype or number of axes; NaN or infinity
        in the images; a batch size below 1 or, with drop_last, above n; max_shift not below the size
        of an image; something random without an rng.

    Examples
    --------
    >>> images, labels = np.zeros((10, 28, 28), np.uint8), np.arange(10)
    >>> loader = DataLoader(images, labels, 4, shuffle=True, rng=np.random.default_rng(0))
    >>> [x.shape for x, y in loader]
    [(4, 1, 28, 28), (4, 1, 28, 28), (2, 1, 28, 28)]
    """

    def __init__(self, images, labels, batch_size=64, *, shuffle=False, drop_last=False, max_shift=0, rng=None):
        self.images = _check_images(images)
        self.labels = _check_labels(labels, len(self.images))
        self.batch_size = _check_batch_size(batch_size, drop_last, len(self.images))
        self.max_shift = _check_max_shift(max_shift, self.images)
        self.shuffle, self.drop_last, self.rng = shuffle, drop_last, rng
        if (shuffle or self.max_shift) and not isinstance(rng, np.random.Generator):
            raise InputError(
                f"DataLoader: shuffle and max_shift draw random numbers and rng is {rng!r}; "
                "pass rng=np.random.default_rng(seed)"
            )

    def __len__(self):
        """Return the number of batches in a pass."""
        n = len(self.images)
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)

    def __iter__(self):
        """Start a pass."""
        return self.batches()

    def batches(self, start=0):
        """Start a pass and return an iterator over its batches from number `start` on.

        The random numbers are drawn by the call itself, as many for any `start`.

        Parameters
        ----------
        start : int
            From 0 to len(self), which leaves no batch.

        Raises
        ------
        ValueError
            There is no such batch.

        Examples
        --------
        >>> loader = DataLoader(np.zeros((10, 28, 28), np.uint8), np.arange(10), 4)
        >>> [y.tolist() for x, y in loader.batches(start=1)]
        [[4, 5, 6, 7], [8, 9]]
        """
        if not 0 <= start <= len(self):
            raise InputError(f"DataLoader: start is {start}, expected 0 to {len(self)}, the number of batches")
        n, m = len(self.images), self.max_shift
        order = self.rng.permutation(n) if self.shuffle else np.arange(n)
        shifts = self.rng.integers(-m, m + 1, size=(n, 2)) if m else None
        return (self._batch(k, order, shifts) for k in range(start, len(self)))

    def _batch(self, k, order, shifts):
        """Return batch number k of a pass in which position i holds image order[i], shifted by shifts[i]."""
        positions = slice(k * self.batch_size, (k + 1) * self.batch_size)
        images, labels = self.images[order[positions]], self.labels[order[positions]]
        if shifts is not None:
            images = shift_images(images, shifts[positions])
        return (normalize(images) if images.dtype == np.uint8 else images), labels


def _check_images(images):
    """Return the images as an array the loader can use."""
    images = np.asarray(images)
    byte_images = images.dtype == np.uint8 and images.ndim == 3
    if not byte_images and not (images.dtype.kind == "f" and images.ndim == 4):
        raise InputError(
            f"DataLoader: images of dtype {images.dtype} and shape {images.shape}, expected uint8 "
            "(n, height, width) or floating (n, channels, height, width)"
        )
    if images.size == 0:
        raise InputError(f"DataLoader: the dataset is empty: images of shape {images.shape}")
    if images.dtype.kind == "f":
        finite = np.isfinite(images).all(axis=(1, 2, 3))
        if not finite.all():
            raise InputError(
                f"DataLoader: NaN or infinity in {np.sum(~finite)} of {len(images)} images, first at index "
                f"{np.argmin(finite)}; repair or remove them"
            )
    return images


def _check_labels(labels, n):
    """Return the labels as int64, one for each of n images."""
    labels = np.asarray(labels)
    if labels.shape != (n,):
        raise InputError(f"DataLoader: labels of shape {labels.shape} for {n} images, expected ({n},)")
    if labels.dtype.kind not in "iu":
        raise InputError(f"DataLoader: labels of dtype {labels.dtype}, expected integers")
    return labels.astype(np.int64)


def _check_batch_size(batch_size, drop_last, n):
    """Return the batch size as an int that gives at least one batch."""
    batch_size = operator.index(batch_size)
    if batch_size < 1:
        raise InputError(f"DataLoader: batch_size is {batch_size}, expected at least 1")
    if drop_last and batch_size > n:
        raise InputError(f"DataLoader: drop_last leaves no batch of {batch_size} out of {n} images")
    return batch_size


def _check_max_shift(max_shift, images):
    """Return the largest shift as an int that keeps a part of every image in view."""
    max_shift, smallest = operator.index(max_shift), min(images.shape[-2:])
    if not 0 <= max_shift < smallest:
        raise InputError(f"DataLoader: max_shift is {max_shift}, expected 0 to {smallest - 1} for these images")
    if max_shift and images.dtype != np.uint8:
        raise InputError(
            f"DataLoader: max_shift needs uint8 images, not {images.dtype}: what is background in others is not known"
        )
    return max_shift
