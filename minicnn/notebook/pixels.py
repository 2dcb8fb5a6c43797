"""Numbers as the pixels of small pictures."""

from __future__ import annotations

import numpy as np

RED, BLUE = (213, 94, 0), (0, 114, 178)         # of the Okabe-Ito set: positive and negative values
NO_NUMBER = (240, 228, 66)                      # yellow: NaN
BETWEEN = 255                                   # the lines between tiles are white


def shades(values: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Values as uint8: 0 for the least, 255 for the largest. And these two values.

    Infinite values count as the largest or least finite one. NaN becomes 0; see `with_nan`.

    >>> shades(np.array([-1.0, 0.0, 3.0, np.inf]))
    (array([  0,  64, 255, 255], dtype=uint8), -1.0, 3.0)
    """
    values = np.asarray(values, np.float64)
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    half = np.clip(np.nan_to_num(values, nan=low, posinf=high, neginf=low), low, high) / 2 - low / 2
    return np.rint(255 * (half / ((high / 2 - low / 2) or 1.0))).astype(np.uint8), low, high


def signed(values: np.ndarray) -> np.ndarray:
    """Values as colours, uint8 (..., 3): white for 0, red for positive and blue for negative ones; NaN is yellow.

    >>> signed(np.array([1.0, 0.0, -1.0])).tolist()
    [[213, 94, 0], [255, 255, 255], [0, 114, 178]]
    """
    values = np.asarray(values, np.float64)
    largest = np.abs(values[np.isfinite(values)]).max(initial=0) or 1.0
    part = np.clip(np.nan_to_num(values, posinf=largest, neginf=-largest) / largest, -1, 1)[..., None]
    colour = np.where(part > 0, np.array(RED), np.array(BLUE))
    return with_nan(np.rint(255 + np.abs(part) * (colour - 255.0)).astype(np.uint8), values)


def with_nan(pixels: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Colours (..., 3) in which the pixels of NaN are yellow."""
    return np.where(np.isnan(values)[..., None], np.array(NO_NUMBER, np.uint8), pixels)


def tiles(images: np.ndarray, columns: int, gap: int = 1) -> np.ndarray:
    """Pictures (n, H, W, 3) side by side in one picture, in rows of `columns`, with white lines between them.

    >>> tiles(np.zeros((3, 2, 2, 3), np.uint8), 2).shape
    (5, 5, 3)
    """
    count, height, width, channels = images.shape
    columns = min(columns, count)
    rows = -(-count // columns)
    sheet = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, channels), BETWEEN, np.uint8)
    for index, one in enumerate(images):
        y, x = index // columns * (height + gap), index % columns * (width + gap)
        sheet[y:y + height, x:x + width] = one
    return sheet
