"""A Tensor of images as a picture, for notebooks."""

from __future__ import annotations

import numpy as np

from ..notebook import paragraph, picture
from ..notebook.pixels import shades, tiles, with_nan

MATRIX = 8                      # the least height and width of an array (H, W) that is an image and no small matrix
SIDE, WIDE = 512, 560           # pixels of the largest side of an image; width of the picture on the screen
TILES, COLUMNS = 64, 16         # the most images of a batch, and in a row
TILE = 128                      # pixels of the largest side of an image of a batch


def image_html(data: np.ndarray, name: str) -> str | None:
    """The array as HTML if it is an image or a batch of images, else None. See `Tensor._repr_html_`."""
    shape = data.shape
    if not 2 <= len(shape) <= 4 or data.size == 0 or min(shape[-2:]) < (MATRIX if len(shape) == 2 else 2):
        return None
    if len(shape) > 2 and shape[-3] not in (1, 3):
        return None
    channels = 1 if len(shape) == 2 else shape[-3]
    images = data.reshape(-1, channels, *shape[-2:])
    total = len(images)
    step = -(-max(shape[-2:]) // (SIDE if total == 1 else TILE))
    images = images[:TILES, :, ::step, ::step].transpose(0, 2, 3, 1)
    pixels, low, high = shades(images)
    colours = np.broadcast_to(pixels, (*pixels.shape[:3], 3))
    colours = with_nan(colours, images.max(3))          # the maximum is NaN if one of the channels is
    sheet = tiles(colours, max(1, min(COLUMNS, 2 * SIDE // images.shape[2])))
    words = f"black is {low:.4g}, white {high:.4g}" if channels == 1 else f"0 to 255 stand for {low:.4g} to {high:.4g}"
    if np.isnan(images).any():
        words += ", yellow NaN"
    if step > 1:
        words += f"; every {step}-th pixel, each way"
    if total > len(images):
        words += f"; the first {len(images)} of {total:,} images"
    text = f"{name}: {words}"
    zoom = max(1, min(8, WIDE // sheet.shape[1]))
    return picture(sheet, text, min(zoom * sheet.shape[1], WIDE)) + paragraph(text)
