"""`minicnn explore` on the command line."""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

from ..errors import InputError

EXAMPLE = """example: minicnn explore --digits 3,7,@417 --out digits.html

Open the file in a browser: it needs nothing else, no network. A number from 0 to 9 is a class, of which the first
embedded validation digit is taken; @417 is the embedded validation image with that number, from 0 to 999."""
MOST = 20                       # digits in a page


def add_parser(commands, formatter):
    """Add `explore` to the commands."""
    command = commands.add_parser(
        "explore", help="make a page in which a digit is moved by hand and the feature maps follow",
        description="Make one HTML file in which a digit is moved by hand, and the feature maps of the LeNet, its pool "
                    "and its class scores follow. All 121 places are computed beforehand; that the convolutions are "
                    "exactly equivariant is checked for each.",
        epilog=EXAMPLE, formatter_class=type("Formatter", (formatter, argparse.RawDescriptionHelpFormatter), {}),
        allow_abbrev=False)
    command.set_defaults(run=run)
    option = command.add_argument
    option("--out", metavar="FILE", default="explore.html", help="the page, a name that ends in .html")
    option("--digits", metavar="LIST", default="0,1,2,3,4,5,6,7,8,9",
           help=f"classes from 0 to 9, or @N for an image; at most {MOST}, with commas between")
    option("--weights", metavar="CHECKPOINT",
           help="of a LeNet with max-pool: a .safetensors file or the directory of a run; the weights in the package "
                "where none is given")
    option("--json", action="store_true", help="print the result as one line of JSON")


def run(arguments):
    """minicnn explore: 0 when the page is written."""
    start = time.perf_counter()
    out = _checked(Path(arguments.out))
    wanted = _wanted(arguments.digits)                                  # (is it a class, the number)
    from ..data import load
    from ..files import write_atomically
    from ..moving_digit.exploration import explore
    from ..moving_digit.page import build
    from ..progress import on_stderr
    model, source = _model(arguments.weights)
    data = load("mnist5k")
    indices = [int((data.val_labels == number).argmax()) if is_class else number for is_class, number in wanted]
    wrong = [index for index in indices if index >= len(data.val_labels)]
    if wrong:
        raise InputError(f"--digits: there is no validation image @{wrong[0]}: give @0 to @{len(data.val_labels) - 1}")
    with on_stderr("explore") as progress:
        found = explore(model, data.val_images[indices], data.val_labels[indices].tolist(), indices, progress)
    page = build(found, source).encode()
    write_atomically(out, page)
    seconds = time.perf_counter() - start
    if arguments.json:
        print(json.dumps({"out": str(out), "bytes": len(page), "seconds": round(seconds, 2), "labels": found.labels,
                          "indices": found.indices, "placements": 121, "compared": found.compared,
                          "channels": found.channels, "weights": source}))
    else:
        print(f"{out}: {len(page) / 1e6:.2f} MB, {len(indices)} digit{'s' * (len(indices) > 1)}, made in "
              f"{seconds:.1f} s. Open it in a browser.\n"
              f"{found.compared:,} numbers of shifted maps compared with those of shifted images: all exactly equal.")


def _checked(out):
    """The path, if a page can be written there; ValueError before anything is computed if not."""
    if out.suffix.lower() != ".html":
        raise InputError(f"--out {out}: the page is one HTML file: give a name that ends in .html")
    if out.is_dir():
        raise InputError(f"--out {out}: that is a directory; give the name of a file in it")
    if not out.parent.is_dir():
        raise InputError(f"--out {out}: there is no directory {out.parent}; create it first")
    if not os.access(out.parent, os.W_OK):
        raise InputError(f"--out {out}: no permission to write in {out.parent}; choose another directory")
    return out


def _wanted(text):
    """[(is it a class, number)] of a list like 3,7,@417.

    >>> _wanted("3, @417")
    [(True, 3), (False, 417)]
    """
    found = []
    for one in text.split(","):
        word, number = one.strip(), one.strip().removeprefix("@")
        is_class = word == number
        if not (number.isascii() and number.isdigit()) or is_class and int(number) > 9:
            raise InputError(f"--digits {text}: {word!r} is no digit from 0 to 9 and no @N for the validation image N; "
                             "write as in --digits 3,7,@417")
        found.append((is_class, int(number)))
    if len(found) > MOST:
        raise InputError(f"--digits: {len(found)} digits, at most {MOST} are possible")
    return found


def _model(weights):
    """(LeNet, whose weights it has), computed by the algorithm that is equivariant to the last bit."""
    from ..checkpoint import CheckpointError, load, load_into
    from ..models import LeNet
    from ..training import weights_file
    path = weights_file(weights)
    saved, model = load(path), LeNet(algorithm="direct")
    name = saved.meta.get("model", "lenet")
    if name != "lenet":
        raise CheckpointError(f"{path} is of the model {name}; the page shows the LeNet with its max-pool: give "
                              "weights that minicnn train --model lenet made")
    load_into(saved, model)
    return model, f"{path.name} of {path.resolve().parent.name}" if weights else "the weights in the package"
