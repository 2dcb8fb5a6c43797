"""`minicnn explore`: make a page in which the reader moves a digit."""

from __future__ import annotations

import argparse
import time
from typing import Any, NamedTuple

from ...errors import InputError
from ..digit_network import add_weights, moved_pictures, shown_network
from ..options import add_command, add_json, add_quiet, commas, destination
from ..output import print_result, print_text

EXAMPLE = """minicnn explore --digits 3,7,@417 --out digits.html

Open the file in a browser. The page needs no network and no other file. A number from 0 to 9 is a class: the page shows
the first embedded validation digit of this class. @417 is the embedded validation image number 417, from 0 to 999.
minicnn explore --weights RUN shows your own pictures, if RUN was trained on them with --image-size 28."""
MOST_DIGITS = 20                        # digits in a page


class Digit(NamedTuple):
    """The first digit of the class `number`, or the validation image `number`."""

    is_class: bool
    number: int


def add_parser(commands: Any) -> None:
    """Add `explore` to the commands."""
    from ...moving_digit.texts import LANGUAGES
    command = add_command(
        commands, "explore", run, "make a page with a digit that you move yourself; the feature maps follow",
        "Make one HTML file in which you move a digit yourself. The feature maps of the LeNet, its pool and its class "
        "scores follow. Or you draw, and the page computes. The command computes all 121 places of the digit, and "
        "checks at each place that the convolutions are exactly equivariant.", EXAMPLE)
    option = command.add_argument
    option("--out", type=destination(".html"), metavar="FILE", default="explore.html",
           help="the page, an .html file; an old file is replaced")
    option("--digits", type=commas(_digit, "3,7,@417"), metavar="LIST",
           help=f"classes from 0 to 9, or @N for an image; at most {MOST_DIGITS}, with commas between (default: all "
                "classes)")
    option("--lang", choices=LANGUAGES, default="en",
           help="the language of the page: English, German or French")
    add_weights(command, "a LeNet with max-pool, or of a network of yours of such convolutions, for 28x28 pixels")
    add_quiet(command)
    add_json(command)


def run(arguments: argparse.Namespace) -> None:
    """minicnn explore."""
    from ...files import write_atomically
    from ...models import LeNet
    from ...moving_digit.exploration import explore
    from ...moving_digit.page import build
    from ...moving_digit.texts import Texts
    from ...progress import on_stderr
    start = time.perf_counter()
    if arguments.digits is not None and len(arguments.digits) > MOST_DIGITS:
        raise InputError(f"--digits: {len(arguments.digits)} digits are too many, at most {MOST_DIGITS} are possible")
    path, model, own = shown_network(arguments, "the page", "direct", page=True)    # direct: equal to the last bit
    texts, weights = Texts(arguments.lang), _weights(Texts("en"), arguments.weights, path)
    images, labels, indices = _digits(arguments.digits) if own is None else (own.images, own.labels, own.indices)
    with on_stderr("explore", arguments.quiet) as progress:
        found = explore(model, images, labels, indices, progress, own)
    network = None if isinstance(model, LeNet) else texts("page.network", name=type(model).__name__)
    page = build(found, _weights(texts, arguments.weights, path), own, network, arguments.lang).encode()
    write_atomically(arguments.out, page)
    seconds = time.perf_counter() - start
    result = {"out": str(arguments.out), "bytes": len(page), "seconds": round(seconds, 2), "labels": found.labels,
              "indices": found.indices, "placements": 121, "compared": found.compared, "channels": found.channels,
              "weights": weights, **({} if own is None else moved_pictures(own))}
    noun = "digit" if own is None else own.noun
    print_result(arguments, result, lambda: _print(arguments.out, len(page), f"{len(indices)} {noun}", seconds,
                                                   found.compared))


def _weights(texts, given, path):
    """Where the weights come from, in a few words."""
    if not given:
        return texts("page.weights_package")
    return texts("page.weights_file", file=path.name, folder=path.resolve().parent.name)


def _digits(chosen):
    """The images, classes and numbers of embedded validation digits."""
    from ...data import load
    data = load("mnist5k")
    indices = [int((data.val_labels == digit.number).argmax()) if digit.is_class else digit.number
               for digit in chosen or [Digit(True, label) for label in range(10)]]
    return data.val_images[indices], data.val_labels[indices].tolist(), indices


def _print(out, size, digits, seconds, compared):
    digits += "s" * (not digits.startswith("1 "))
    print_text(f"{out}: {size / 1e6:.2f} MB, {digits}, made in {seconds:.1f} s. Open it in a browser.")
    print_text(f"{compared:,} numbers of shifted maps compared with those of shifted images: all exactly equal.")


def _digit(text):
    """One digit of a list like 3,7,@417.

    >>> _digit("3"), _digit("@417")
    (Digit(is_class=True, number=3), Digit(is_class=False, number=417))
    """
    number = text.removeprefix("@")
    is_class = number == text
    if not (number.isascii() and number.isdigit()) or int(number) > (9 if is_class else 999):
        raise argparse.ArgumentTypeError("must be a digit from 0 to 9, or @0 to @999 for a validation image, not "
                                         f"{text!r}")
    return Digit(is_class, int(number))
