"""Read a picture file with Pillow, and bring it to the size and the channels of the rules."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ...errors import FileError
from ...files import open_to_read
from ..idx import DataError
from ..lazy import LazyImages
from ..rules import Rules, in_pixels

GREY, COLOUR = ("1", "L", "LA", "La"), ("RGB", "RGBA", "RGBa", "RGBX")
PALETTE = ("P", "PA")
DEEP = "pixels of 16 bits"
REFUSED = {"CMYK": "colours of printing inks (CMYK)", "I": "pixels of 16 or 32 bits", "F": "pixels of floating point",
           "I;16": DEEP, "I;16L": DEEP, "I;16B": DEEP, "I;16N": DEEP}
PIXELS = 89_478_485                               # of the largest picture; Pillow warns of larger ones
MEMORY = 1 << 30                                  # bytes of the resized pictures of a folder that are kept in memory
SMALLEST = 4                                      # a side of a picture must have a fourth of the pixels of the rules
ORIENTATION = 0x0112                              # the tag of EXIF; from 5 on, height and width change places


class PictureFacts(NamedTuple):
    """What the header of a picture says.

    Attributes
    ----------
    size : (int, int)
        Height and width in pixels, when it is upright.
    colour : bool
    """

    size: tuple[int, int]
    colour: bool


def read_picture(path: str | Path, rules: Rules | None = None) -> np.ndarray:
    """Read a picture, turn it upright as its EXIF data say, and bring it to the size and channels of the rules.

    Palettes, 1-bit pictures and transparency are converted: a transparent picture is laid on white. Grey pictures
    become colour, and colour becomes grey (ITU-R 601-2: 0.299 red + 0.587 green + 0.114 blue), as the rules demand. A
    picture of another size is scaled until it just covers the size, and its middle is cut out; scaling is bilinear, and
    when it makes a picture smaller, each pixel is a mean over all pixels that it covers.

    Parameters
    ----------
    path : path
        A file of any format that Pillow reads.
    rules : Rules, optional
        By default the rules of MNIST: 28x28 pixels, grey. Mean and std are not applied; see `normalize`.

    Returns
    -------
    ndarray, uint8, shape (H, W) or (H, W, 3)

    Raises
    ------
    DataError
        The file cannot be read; it is no picture, is broken, or is larger than 89 million pixels; it has several
        frames, 16 or 32 bits a channel, or CMYK colours.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Image.new("RGB", (40, 30), "white").save(folder + "/white.png")
    ...     pixels = read_picture(folder + "/white.png")
    >>> pixels.shape, pixels.dtype.name, int(pixels.min())
    ((28, 28), 'uint8', 255)
    """
    rules = Rules() if rules is None else rules
    with open_picture(path) as picture:
        image = _decoded(path, picture)
    height, width = rules.size
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.BILINEAR, box=_middle(image.size, (width, height)))
    return np.asarray(image.convert("RGB" if rules.channels == 3 else "L"))


def _middle(size, target):
    """The box (left, upper, right, lower) of the largest part with the proportions of the target, in the middle."""
    (width, height), (wide, high) = size, target
    if width * high <= height * wide:             # the picture is narrower: a part above and below is cut off
        cut = (height - width * high / wide) / 2
        return 0, cut, width, height - cut
    cut = (width - height * wide / high) / 2
    return cut, 0, width - cut, height


def facts(path: str | Path) -> PictureFacts:
    """Size and kind of a picture, by its header. DataError as by `read_picture`, if the header shows the fault.

    Warnings of Pillow are hidden. This is not for a thread beside others, because it changes the filters of warnings.
    """
    with warnings.catch_warnings(action="ignore"), open_picture(path) as picture:
        width, height = picture.size
        with _decoding(path):
            turned = picture.getexif().get(ORIENTATION, 1) in range(5, 9)
            colour = picture.mode in COLOUR or picture.mode in PALETTE and _has_coloured_palette(picture)
        return PictureFacts((width, height) if turned else (height, width), colour)


def check_size(path: str | Path, size: tuple[int, int], rules: Rules) -> None:
    """Raise DataError if a side of the picture has less than a fourth of the pixels of the rules.

    >>> check_size("dot.png", (6, 60), Rules())
    Traceback (most recent call last):
        ...
    minicnn.data.idx.DataError: dot.png: the picture has only 6 rows x 60 columns; the network needs 28x28 \
pixels, and a picture of less than 7x7 pixels is not enlarged: give a larger one, or a network for smaller pictures
    """
    if any(own * SMALLEST < needed for own, needed in zip(size, rules.size, strict=True)):
        least = in_pixels([-(-needed // SMALLEST) for needed in rules.size])
        raise DataError(f"{path}: the picture has only {in_pixels(size)}; the network needs "
                        f"{in_pixels(rules.size)}, and a picture of less than {least} is not enlarged: give a larger "
                        "one, or a network for smaller pictures")


@contextlib.contextmanager
def open_picture(path: str | Path) -> Iterator[Any]:
    """Context manager: the picture as Pillow opens it. Its header is read and checked."""
    try:
        file = open_to_read(path)
    except FileError as error:
        raise DataError(str(error)) from error
    with file:
        try:
            with _decoding(path):
                picture = Image.open(file)
        except DataError as error:
            if isinstance(error.__cause__, Image.DecompressionBombError):
                raise DataError(f"{path}: more than {PIXELS:,} pixels: make it smaller, or remove it") from error
            if isinstance(error.__cause__, UnidentifiedImageError):
                raise DataError(f"{path}: this is no picture that Pillow can read, or it is broken: replace or remove "
                                "it") from error
            raise
        with picture:
            _check(path, picture)
            yield picture


@contextlib.contextmanager
def _decoding(path):
    """Context manager: an error of a decoder, which may be any error for a broken file, becomes a DataError."""
    try:
        yield
    except (DataError, MemoryError):
        raise
    except Exception as error:
        raise DataError(f"{path}: the picture is broken ({error or type(error).__name__}): replace or remove "
                        "it") from error


def _check(path, picture):
    if picture.size[0] * picture.size[1] > PIXELS:
        raise DataError(f"{path}: {picture.size[0]} x {picture.size[1]} pixels, more than {PIXELS:,}: make it smaller, "
                        "or remove it")
    if 0 in picture.size:
        raise DataError(f"{path}: the picture has no pixels: remove it")
    deep = any(";16" in str(tile[3]) for tile in getattr(picture, "tile", ()) if len(tile) > 3)
    if deep or picture.mode in REFUSED or picture.mode not in (*GREY, *COLOUR, *PALETTE):
        what = REFUSED.get(picture.mode, DEEP if deep else f"pixels of the mode {picture.mode}")
        raise DataError(f"{path}: {what}: save it with 8 bits a channel, as grey or as red, green and blue")
    with _decoding(path):
        frames = getattr(picture, "n_frames", 1)
    if frames > 1 and picture.format != "MPO":    # the second picture of a camera's MPO file is a preview
        raise DataError(f"{path}: an animated picture or one of several pages ({frames}): save one of them as a "
                        "picture of its own")


def _decoded(path, picture):
    """The pixels as grey, or as red, green and blue, upright, without transparency."""
    with _decoding(path):
        picture.load()
        image = ImageOps.exif_transpose(picture)
        if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
        return image if image.mode in ("L", "RGB") else image.convert("L" if image.mode == "1" else "RGB")


def _has_coloured_palette(picture):
    """Whether a colour of the palette that a pixel has is not grey."""
    palette = np.reshape(picture.getpalette("RGB"), (-1, 3))
    used = [number for number in np.unique(np.asarray(picture.getchannel(0))) if number < len(palette)]
    return bool((np.ptp(palette[used], axis=1) > 0).any())


class Pictures(LazyImages):
    """The pictures of a folder, read and resized when they are needed.

    At most 1 GB of resized pictures is kept: the first ones of the list. The others are read again each time.

    Parameters
    ----------
    paths : list of path
    rules : Rules
    memory : int
        Bytes of the pictures that are kept.
    """

    def __init__(self, paths: list[Path], rules: Rules, memory: int = MEMORY):
        shape = (*rules.size, 3) if rules.channels == 3 else rules.size
        super().__init__((len(paths), *shape))
        self.paths, self.rules = paths, rules
        kept = min(len(paths), memory // int(np.prod(shape)))
        self._kept, self._there = np.zeros((kept, *shape), np.uint8), np.zeros(kept, bool)
        self.known: np.ndarray | None = None      # a checksum of each picture, when all were read once

    def read(self, numbers: np.ndarray) -> np.ndarray:
        """The pictures of these numbers."""
        out = np.empty((len(numbers), *self.shape[1:]), np.uint8)
        for i, number in enumerate(numbers):
            if number < len(self._kept) and self._there[number]:
                out[i] = self._kept[number]
                continue
            out[i] = read_picture(self.paths[number], self.rules)
            if number < len(self._kept):
                self._kept[number] = out[i]
                self._there[number] = True
        return out

    def checksums(self, numbers: np.ndarray) -> np.ndarray | None:
        """The checksums (CRC-32) of the pixels of these pictures, if all pictures were read once."""
        return None if self.known is None else self.known[numbers]
