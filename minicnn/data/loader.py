"""DataLoader: batches of a dataset. An explicit random generator shuffles and changes the images."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import cast

import numpy as np

from ..checks import boolean, generator, integer, unmasked
from ..errors import InputError
from .augment import Changes, check_augment
from .images import check_channels, normalize
from .lazy import LazyImages, blocks, in_memory, one_ahead
from .rules import Rules


class DataLoader:
    """Batches of images and labels, as an iterable.

    A pass draws all its random numbers when it starts: first the order of the images, then the changes of each image.
    Therefore, for a generator in the same state, `batches(start)` gives the same batches, bit for bit, as a whole pass
    does from batch `start` on. Earlier batches are not computed. A resumed training relies on that.

    Parameters
    ----------
    images : ndarray or LazyImages
        Either uint8 of shape (n, height, width) or (n, height, width, 3): each batch is normalised (see `normalize`).
        Or floating of shape (n, channels, height, width): these images are not changed. A memory-mapped array stays
        so: only the images of a batch are read.
    labels : ndarray of int, shape (n,)
    batch_size : int
        Images in a batch. The last batch may have fewer.
    shuffle : bool
        Whether each pass has a new order.
    drop_last : bool
        Whether the last batch is left out if it is not full.
    max_shift : int
        Each pass shifts each image by a new random number of pixels, from -max_shift to max_shift, on both axes. The
        pixels that move in are background. For uint8 images only.
    augment : sequence of {"flip", "rotate", "crop"}
        Further random changes of each image, drawn anew in each pass. flip: mirrored in one case of two. rotate: by at
        most 10 degrees (`rotate_images`). crop: padded with its reflection by an eighth of its sides, and cut out again
        at a random place (`crop_images`). For uint8 images only.
    rules : Rules, optional
        Mean and standard deviation of each channel, for uint8 images. By default those of MNIST; needed for colour.
    prefetch : bool, optional
        Whether a thread makes the next batch while the caller uses the present one. The batches are the same. By
        default a thread does so for images that do not lie in memory.
    rng : numpy.random.Generator, optional
        Needed for `shuffle`, `max_shift` and `augment`.

    Yields
    ------
    images : ndarray, float32 or the floating dtype given, shape (batch, channels, height, width)
    labels : ndarray, int64, shape (batch,)

    Raises
    ------
    InputError
        There are no images, or not one label for each image; a wrong dtype or number of axes; NaN or infinity in the
        images; a batch size below 1 or, with drop_last, above n; max_shift is not below the size of an image; no rng
        for `shuffle`, `max_shift` or `augment`; colour without rules.
    InputTypeError
        `rng` is not a numpy.random.Generator.

    Examples
    --------
    >>> images, labels = np.zeros((10, 28, 28), np.uint8), np.arange(10)
    >>> loader = DataLoader(images, labels, 4, shuffle=True, rng=np.random.default_rng(0))
    >>> [x.shape for x, y in loader]
    [(4, 1, 28, 28), (4, 1, 28, 28), (2, 1, 28, 28)]
    """

    def __init__(self, images: np.ndarray | LazyImages, labels: np.ndarray, batch_size: int = 64, *,
                 shuffle: bool = False, drop_last: bool = False, max_shift: int = 0,
                 augment: Sequence[str] = (), rules: Rules | None = None, prefetch: bool | None = None,
                 rng: np.random.Generator | None = None):
        self.images = _check_images(images)
        self.rules = check_channels("DataLoader", self.images, rules) if self.images.dtype == np.uint8 else None
        self.labels = _check_labels(labels, len(self.images))
        self.batch_size = integer("DataLoader: batch_size", batch_size, 1)
        self.max_shift = _check_max_shift(max_shift, self.images)
        self.augment = _check_augment(augment, self.images)
        self.shuffle, self.drop_last = shuffle, drop_last
        self.prefetch = not in_memory(self.images) if prefetch is None else boolean("DataLoader: prefetch", prefetch)
        self.rng = None if rng is None else generator("DataLoader: rng", rng)
        if drop_last and self.batch_size > len(self.images):
            raise InputError(f"DataLoader: drop_last leaves no batch of {batch_size} out of {len(self.images)} images")
        if (shuffle or self.max_shift or self.augment) and rng is None:
            raise InputError("DataLoader: shuffle, max_shift and augment draw random numbers, but rng is None; pass "
                             "rng=np.random.default_rng(seed)")

    def __len__(self) -> int:
        """The number of batches in a pass."""
        n = len(self.images)
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        return self.batches()

    def batches(self, start: int = 0, shard: tuple[int, int] = (0, 1)) -> Generator[tuple[np.ndarray, np.ndarray]]:
        """Start a pass at batch number `start`. The call draws all random numbers of a whole pass.

        Parameters
        ----------
        start : int
            From 0 to len(self). With len(self) no batch is left.
        shard : (int, int)
            (i, n): only part i of n parts of each batch, as `shard_of` says. The random numbers are those of the whole
            batch, so that n loaders with generators in the same state give the n parts of the same batches. Only the
            images of the part are read. A part may be empty.

        Returns
        -------
        generator of (images, labels)
            Its method `close` ends the thread of `prefetch`; so does the end of the loop.

        Raises
        ------
        InputError
            There is no such batch, or no such part.

        Examples
        --------
        >>> loader = DataLoader(np.zeros((10, 28, 28), np.uint8), np.arange(10), 4)
        >>> [y.tolist() for x, y in loader.batches(start=1)]
        [[4, 5, 6, 7], [8, 9]]
        >>> [y.tolist() for x, y in loader.batches(start=1, shard=(1, 3))]
        [[5], [8]]
        """
        if not 0 <= integer("DataLoader: start", start) <= len(self):
            raise InputError(f"DataLoader: start is {start}, expected 0 to {len(self)}, the number of batches")
        n, rng = len(self.images), self.rng
        order = cast(np.random.Generator, rng).permutation(n) if self.shuffle else np.arange(n)
        changes = Changes.draw(rng, n, self.images.shape[1:3], self.augment, self.max_shift)
        part, parts = shard
        if not 0 <= integer("DataLoader: shard", part) < integer("DataLoader: shard", parts, 1):
            raise InputError(f"DataLoader: shard is {shard}, expected (i, n) with i from 0 to n - 1")
        make = lambda k: self._batch(self._positions(k, part, parts), order, changes)
        numbers = range(start, len(self))
        return one_ahead(make, numbers) if self.prefetch else (make(k) for k in numbers)

    def size_of(self, k: int) -> int:
        """The number of images in batch number k.

        >>> DataLoader(np.zeros((10, 28, 28), np.uint8), np.arange(10), 4).size_of(2)
        2
        """
        return min(self.batch_size, len(self.images) - k * self.batch_size)

    def _positions(self, k, part, parts):
        """The positions in a pass that are one part of batch number k."""
        first, own = k * self.batch_size, shard_of(self.size_of(k), part, parts)
        return slice(first + own.start, first + own.stop)

    def _batch(self, positions, order, changes):
        """These images of a pass. Position i of the pass is image order[i], changed by what was drawn for i."""
        images, labels = np.asarray(self.images[order[positions]]), self.labels[order[positions]]
        if images.dtype == np.uint8:
            return normalize(changes.apply(images, positions), self.rules), labels
        return images if images.dtype.isnative else images.astype(images.dtype.newbyteorder("=")), labels


def shard_of(n: int, part: int, parts: int) -> slice:
    """Which of n images are part number `part` of so many parts. Each image is in one part; sizes differ by 1 at most.

    >>> [shard_of(5, i, 3) for i in range(3)]
    [slice(0, 1, None), slice(1, 3, None), slice(3, 5, None)]
    """
    return slice(n * part // parts, n * (part + 1) // parts)


def _as_array(name, values):
    if values is None:
        raise InputError(f"DataLoader: the {name} are None: give an array")
    try:
        return np.asarray(unmasked(values))
    except ValueError as error:                   # images of different sizes
        raise InputError(f"DataLoader: the {name} do not have the same shape, so that they make no array: "
                         f"{error}") from error


def _check_images(images):
    """The images as an array that the loader can use."""
    if not isinstance(images, LazyImages):
        images = _as_array("images", images)
    byte_images = images.dtype == np.uint8 and (images.ndim == 3 or images.ndim == 4 and images.shape[3] == 3)
    if not byte_images and not (images.dtype.kind == "f" and images.ndim == 4):
        raise InputError(f"DataLoader: images of dtype {images.dtype} and shape {images.shape}, expected uint8 (n, "
                         "height, width) or (n, height, width, 3), or floating (n, channels, height, width)")
    if 0 in images.shape:
        raise InputError(f"DataLoader: the dataset is empty: images of shape {images.shape}")
    if images.dtype.kind == "f":
        finite = np.concatenate([np.isfinite(block).all(axis=(1, 2, 3)) for block in blocks(images)])
        if not finite.all():
            raise InputError(f"DataLoader: NaN or infinity in {np.sum(~finite)} of {len(images)} images, first at "
                             f"index {np.argmin(finite)}; repair or remove them")
    return images


def _check_labels(labels, n):
    """The labels as int64, one for each of n images."""
    labels = _as_array("labels", labels)
    if labels.shape != (n,):
        raise InputError(f"DataLoader: labels of shape {labels.shape} for {n} images, expected ({n},)")
    if labels.dtype.kind not in "iu":
        raise InputError(f"DataLoader: labels of dtype {labels.dtype}, expected integers")
    if labels.dtype == np.uint64 and labels.max(initial=0) > np.iinfo(np.int64).max:
        raise InputError(f"DataLoader: label {labels.max()} at index {labels.argmax()} is larger than every int64")
    return labels.astype(np.int64)


def _check_max_shift(max_shift, images):
    """The largest shift as an int. It is less than the size of an image, so a part of every image stays."""
    max_shift, smallest = integer("DataLoader: max_shift", max_shift, 0), min(_size(images))
    if max_shift >= smallest:
        raise InputError(f"DataLoader: max_shift is {max_shift}, expected 0 to {smallest - 1} for these images")
    if max_shift and images.dtype != np.uint8:
        raise InputError(f"DataLoader: max_shift needs uint8 images, not {images.dtype}: the background of other "
                         "images is not known")
    return max_shift


def _check_augment(augment, images):
    augment = check_augment("DataLoader: augment", augment)
    if augment and images.dtype != np.uint8:
        raise InputError(f"DataLoader: augment needs uint8 images, not {images.dtype}")
    return augment


def _size(images):
    """(height, width) of the images."""
    return images.shape[1:3] if images.dtype == np.uint8 else images.shape[2:]
