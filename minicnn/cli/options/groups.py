"""Options that several commands share."""

from __future__ import annotations

import argparse

from .parser import Parser
from .values import (
    PICTURES,
    algorithm_names,
    commas,
    destination,
    given_path,
    name_of,
    shape,
    to_integer,
    to_number,
)

LONGEST = 25                            # inches of a side of a picture


def add_json(command: Parser) -> None:
    """Add --json."""
    command.add_argument("--json", action="store_true", help="print the result as one line of JSON, and nothing else "
                                                             "on stdout; after an error or Ctrl-C nothing at all")


def add_quiet(command: Parser) -> None:
    """Add --quiet."""
    command.add_argument("--quiet", action="store_true", help="show no progress on stderr")


def add_algorithm(command: Parser, default: str, help: str) -> None:
    """Add --algo."""
    command.add_argument("--algo", type=name_of(algorithm_names), default=default, metavar="NAME", help=help)


def add_drawing(command: Parser, help: str, name: str = "picture") -> None:
    """Add the option for the file of a picture, --`name`, with the options for its size.

    `help` says what is drawn; the formats are added.
    """
    command.add_argument(f"--{name}", type=destination(*PICTURES), metavar="FILE",
                         help=f"{help} (png, pdf or svg)")
    add_drawing_size(command)
    command.refuse("picture_size", "dpi", unless=name, because="no picture is drawn")


def add_drawing_size(command: Parser, dpi: str = "150", usual: str = "as the picture needs") -> None:
    """Add --picture-size and --dpi. `dpi` and `usual`, the default of the size, stand in the help."""
    command.add_argument("--picture-size", type=commas(to_number(above=0.5, most=LONGEST), "8,4.5", 2), metavar="W,H",
                         help=f"width and height of the picture in inches, at most {LONGEST} (default: {usual})")
    command.add_argument("--dpi", type=to_integer(30, 400), metavar="N",
                         help=f"pixels per inch, 30 to 400 (default: {dpi})")


def add_model(command: Parser, default: str | None = "lenet", more: str = "") -> None:
    """Add --model. `more` stands at the end of its help."""
    from ...models import MODELS
    from ..networks import network
    command.add_argument("--model", type=network, default=default, metavar="NAME",
                         help=f"the network: {', '.join(MODELS)}; or FILE.py:NAME, a Module class of yours or a "
                              "function that returns a Module. It gets in_channels, num_classes, image_size (H, W) and "
                              f"rng, a generator, where it has such arguments{more}")


def add_data(command: Parser, default: str = "auto") -> None:
    """Add --dataset and --data."""
    from ...data import DATASETS
    automatic = default == "auto"
    command.add_argument("--dataset", choices=[name for name in DATASETS if automatic or name != "auto"],
                         default=default, help="auto: full MNIST if it is there or can be downloaded, else the "
                         "5,000 embedded digits" if automatic else "the dataset whose files are shown")
    arrays = "; or an .npz file, or a directory of .npy or .idx files, with your own images" if automatic else ""
    command.add_argument("--data", type=given_path, metavar="PATH",
                         help="directory with the files of the dataset (default: the directory in MINICNN_DATA, else "
                              f"the cache directory){arrays}")
    command.refuse("data", when=("dataset", "mnist5k"), because="these digits are part of the package")


def add_pictures(command: Parser) -> None:
    """Add --data-dir."""
    command.add_argument("--data-dir", type=given_path, metavar="FOLDER",
                         help="your own pictures, with one folder for each class, or such folders in train, val and "
                              "test")
    command.refuse("dataset", "data", when="data_dir", because="the folder has the data")


def add_picture_rules(command: Parser) -> None:
    """Add --image-size, --gray and --color, for the pictures of --data-dir."""
    command.add_argument("--image-size", type=_image_size, metavar="H[,W]",
                         help="scale each picture until it covers so many pixels, and cut out the middle (default: the "
                              "size of the pictures if it is the same for all and at most 64x64, else 32x32)")
    command.add_argument("--gray", action="store_true", help="make the pictures grey")
    command.add_argument("--color", action="store_true", help="make the pictures red, green and blue (default for "
                                                              "both: as the pictures are, if all are of one kind)")
    command.refuse("image_size", "gray", "color", unless="data_dir")
    command.refuse("color", when="gray")


def _image_size(text):
    """Type of --image-size: a tuple of one or two integers."""
    try:
        found = shape(text)
    except argparse.ArgumentTypeError:
        found = ()
    if not 1 <= len(found) <= 2 or "(" in text:
        raise argparse.ArgumentTypeError(f"write the height, or the height and the width with a comma between, as in "
                                         f"48,64 (H,W: integers of at least 1), not {text!r}")
    return found
