"""Normalise images for a network, and change them at random: shift, flip, rotate, crop."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..checks import pair
from ..errors import InputError
from .rules import MEAN, STD, Rules

__all__ = ["MEAN", "STD", "crop_images", "flip_images", "normalize", "rotate_images", "shift_images"]
KINDS = {"iu": "integers", "b": "booleans", "f": "floats"}           # of dtypes, in words


def normalize(images: np.ndarray, rules: Rules | None = None) -> np.ndarray:
    """Pixels as float32: (pixel / 255 - mean) / std for each channel.

    Without rules mean and std are MEAN and STD, those of MNIST: then MNIST's pixels have mean 0 and standard deviation
    1, and one trained network can take grey images of all datasets.

    Parameters
    ----------
    images : ndarray, uint8, shape (n, height, width) or (n, height, width, 3)
    rules : Rules, optional
        With the mean and std of each channel. Needed for colour. The images may have any size.

    Returns
    -------
    ndarray, float32, shape (n, 1, height, width) or (n, 3, height, width)

    Raises
    ------
    InputError
        The dtype is not uint8 (normalised images are float), the axes are others, or the rules have other channels.

    Examples
    --------
    >>> normalize(np.array([[[0, 255]]], np.uint8)).round(4)
    array([[[[-0.4242,  2.8215]]]], dtype=float32)
    """
    images = np.asarray(images)
    if images.dtype != np.uint8 or images.ndim not in (3, 4) or images.ndim == 4 and images.shape[3] != 3:
        raise InputError(f"normalize: {images.dtype} {images.shape}, expected uint8 (n, height, width) or (n, height, "
                         "width, 3)")
    rules = check_channels("normalize", images, rules)
    mean, std = (np.array(values, np.float32)[:, None, None] for values in (rules.mean, rules.std))
    planes = images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)
    pixels = np.divide(planes, np.float32(255), order="C")
    pixels -= mean
    pixels /= std
    return pixels


def check_channels(owner: str, images: np.ndarray, rules: Rules | None) -> Rules:
    """The rules, or those of MNIST. InputError if they are for another number of channels than uint8 images have."""
    channels = 3 if images.ndim == 4 else 1
    if rules is None and channels == 3:
        raise InputError(f"{owner}: images of shape {images.shape} are in colour: give their rules, such as the rules "
                         "of their Dataset or Rules(size, 3, mean, std)")
    rules = Rules() if rules is None else rules
    if not isinstance(rules, Rules) or rules.channels != channels:
        raise InputError(f"{owner}: images of shape {images.shape} have {channels} channel{'s' * (channels > 1)}, but "
                         f"the rules are {rules!r}")
    return rules


def shift_images(images: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    """Shift every image by its own number of pixels: out[i, y, x] = images[i, y - dy, x - dx], else 0.

    Parameters
    ----------
    images : ndarray, shape (n, height, width) or (n, height, width, 3)
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
    images, shifts = _checked("shift_images", images, "shifts", shifts, 2)
    n, height, width = images.shape[:3]
    most = max(height, width)                     # a larger shift leaves nothing either, and would need memory
    shifts = np.minimum(shifts, most if most <= np.iinfo(shifts.dtype).max else np.iinfo(shifts.dtype).max)
    shifts = np.maximum(shifts.astype(np.intp), -most)              # no -128 of int8, which has no absolute value
    margin = int(np.abs(shifts).max(initial=0))
    padded = np.zeros((n, height + 2 * margin, width + 2 * margin, *images.shape[3:]), images.dtype)
    padded[:, margin:margin + height, margin:margin + width] = images
    return _windows(padded, (height, width), margin - shifts)


def flip_images(images: np.ndarray, flips: np.ndarray) -> np.ndarray:
    """Mirror the images where `flips` is true: left becomes right.

    Parameters
    ----------
    images : ndarray, shape (n, height, width) or (n, height, width, 3)
    flips : ndarray of bool, shape (n,)

    Returns
    -------
    ndarray, shape and dtype of `images`

    Raises
    ------
    InputError
        The shapes do not fit, or the flips are not bool.

    Examples
    --------
    >>> flip_images(np.array([[[1, 2]], [[3, 4]]]), np.array([True, False])).tolist()
    [[[2, 1]], [[3, 4]]]
    """
    images, flips = _checked("flip_images", images, "flips", flips, None, "b")
    out = images.copy()
    out[flips] = images[flips][:, :, ::-1]
    return out


def rotate_images(images: np.ndarray, degrees: np.ndarray) -> np.ndarray:
    """Rotate every image about its middle by its own angle. Positive angles turn it to the left (anticlockwise).

    A pixel of the result is interpolated bilinearly between four pixels; beyond the border lie the nearest pixels of
    the border. Integers are rounded.

    Parameters
    ----------
    images : ndarray, shape (n, height, width) or (n, height, width, 3)
    degrees : ndarray of float, shape (n,)

    Returns
    -------
    ndarray, shape and dtype of `images`

    Raises
    ------
    InputError
        The shapes do not fit, or an angle is no finite number.

    Examples
    --------
    >>> rotate_images(np.array([[[1, 2], [3, 4]]]), np.array([90.0]))
    array([[[2, 4],
            [1, 3]]])
    """
    images, degrees = _checked("rotate_images", images, "degrees", degrees, None, "f")
    if not np.isfinite(degrees).all():
        raise InputError("rotate_images: an angle is NaN or infinite: give finite numbers")
    n, *size = images.shape[:3]
    angle = np.deg2rad(degrees.astype(np.float64))[:, None, None]
    y, x = (index - (length - 1) / 2 for index, length in zip(np.indices(size), size, strict=True))
    places = np.cos(angle) * y + np.sin(angle) * x, np.cos(angle) * x - np.sin(angle) * y         # each (n, H, W)
    near, far, part = [], [], []
    for place, length in zip(places, size, strict=True):
        place = np.clip(place + (length - 1) / 2, 0, length - 1)
        near.append(np.floor(place).astype(np.intp))
        far.append(np.minimum(near[-1] + 1, length - 1))
        weight = (place - near[-1]).astype(np.float32)
        part.append(weight[..., None] if images.ndim == 4 else weight)
    i = np.arange(n)[:, None, None]
    upper = images[i, near[0], near[1]] * (1 - part[1]) + images[i, near[0], far[1]] * part[1]
    lower = images[i, far[0], near[1]] * (1 - part[1]) + images[i, far[0], far[1]] * part[1]
    out = upper * (1 - part[0]) + lower * part[0]
    return (np.rint(out) if images.dtype.kind in "iu" else out).astype(images.dtype)


def crop_images(images: np.ndarray, corners: np.ndarray, margin: tuple[int, int]) -> np.ndarray:
    """Pad every image with its reflection, and cut a window of the former size out of it.

    Parameters
    ----------
    images : ndarray, shape (n, height, width) or (n, height, width, 3)
    corners : ndarray of int, shape (n, 2)
        The upper left corner (y, x) of each window in the padded image, from 0 to twice the margin.
    margin : (int, int)
        Pixels that are added above and below, and at the left and the right.

    Returns
    -------
    ndarray, shape and dtype of `images`

    Raises
    ------
    InputError
        The shapes do not fit, the margin is negative, or a corner lies outside.

    Examples
    --------
    >>> crop_images(np.array([[[1, 2, 3]]]), np.array([[0, 0]]), (0, 1))
    array([[[2, 1, 2]]])
    """
    images, corners = _checked("crop_images", images, "corners", corners, 2)
    margin = pair("crop_images: margin", margin, 0)
    most = 2 * np.array(margin)
    if (corners < 0).any() or (corners > most).any():
        raise InputError(f"crop_images: a corner lies outside: corners go from (0, 0) to {tuple(most.tolist())}")
    widths = [(0, 0), *((one, one) for one in margin), *((0, 0) for _ in images.shape[3:])]
    return _windows(np.pad(images, widths, mode="reflect"), images.shape[1:3], corners.astype(np.intp))


def _windows(padded, size, corners):
    """From each padded image the window of this size with this upper left corner."""
    windows = sliding_window_view(padded, size, axis=(1, 2))        # (n, rows, columns, [3,] h, w)
    found = windows[np.arange(len(padded)), corners[:, 0], corners[:, 1]]
    return found if padded.ndim == 3 else np.ascontiguousarray(np.moveaxis(found, 1, -1))


def _checked(owner, images, name, values, columns, kinds="iu"):
    """Both as arrays. InputError unless there is one value, or a row of so many, for each image."""
    images, values = np.asarray(images), np.asarray(values)
    expected, shape = ("(n,)", (len(images),)) if columns is None else (f"(n, {columns})", (len(images), columns))
    if not (images.ndim == 3 or images.ndim == 4 and images.shape[3] == 3) or values.shape != shape:
        raise InputError(f"{owner}: images {images.shape} and {name} {values.shape}, expected (n, height, width) or "
                         f"(n, height, width, 3) and {expected}")
    if values.dtype.kind not in kinds:
        raise InputError(f"{owner}: {name} of dtype {values.dtype}, expected {KINDS[kinds]}")
    return images, values
