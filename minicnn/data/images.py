"""Shift and normalise images for a network."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..errors import InputError

MEAN, STD = 0.1307, 0.3081                        # of MNIST's training pixels in 0..1


def normalize(images: np.ndarray) -> np.ndarray:
    """Pixels as float32: (pixel / 255 - MEAN) / STD. For MNIST they have mean 0 and standard deviation 1.

    MEAN and STD are those of MNIST for every dataset. Thus one trained network can take images of all datasets.

    Parameters
    ----------
    images : ndarray, uint8, shape (n, height, width)

    Returns
    -------
    ndarray, float32, shape (n, 1, height, width)

    Raises
    ------
    InputError
        The dtype is not uint8 (normalised images are float), or there are not three axes.

    Examples
    --------
    >>> normalize(np.array([[[0, 255]]], np.uint8)).round(4)
    array([[[[-0.4242,  2.8215]]]], dtype=float32)
    """
    images = np.asarray(images)
    if images.dtype != np.uint8 or images.ndim != 3:
        raise InputError(f"normalize: {images.dtype} {images.shape}, expected uint8 (n, height, width)")
    pixels = images[:, None] / np.float32(255)
    return (pixels - np.float32(MEAN)) / np.float32(STD)


def shift_images(images: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    """Shift every image by its own number of pixels: out[i, y, x] = images[i, y - dy, x - dx], else 0.

    Parameters
    ----------
    images : ndarray, shape (n, height, width)
    shifts : ndarray of int, shape (n, 2)
        dy (positive: downwards) and dx (positive: to the right) of each image.

    Returns
    -------
    ndarray, shape and dtype of `images`

    Raises
    ------
    InputError
        The shapes do not fit, or the shifts are not integers.

    Examples
    --------
    >>> shift_images(np.array([[[1, 2], [3, 4]]]), np.array([[1, 0]]))
    array([[[0, 0],
            [1, 2]]])
    """
    images, shifts = np.asarray(images), np.asarray(shifts)
    if images.ndim != 3 or shifts.shape != (len(images), 2):
        raise InputError(f"shift_images: images {images.shape} and shifts {shifts.shape}, expected (n, height, width) "
                         "and (n, 2)")
    if shifts.dtype.kind not in "iu":
        raise InputError(f"shift_images: shifts of dtype {shifts.dtype}, expected integers")
    n, height, width = images.shape
    most = max(height, width)                     # a larger shift leaves nothing either, and would need memory
    shifts = np.minimum(shifts, most if most <= np.iinfo(shifts.dtype).max else np.iinfo(shifts.dtype).max)
    shifts = np.maximum(shifts.astype(np.intp), -most)              # no -128 of int8, which has no absolute value
    margin = int(np.abs(shifts).max(initial=0))
    padded = np.zeros((n, height + 2 * margin, width + 2 * margin), images.dtype)
    padded[:, margin:margin + height, margin:margin + width] = images
    windows = sliding_window_view(padded, (height, width), axis=(1, 2))     # (n, 2 margin + 1, 2 margin + 1, h, w)
    return windows[np.arange(n), margin - shifts[:, 0], margin - shifts[:, 1]]
