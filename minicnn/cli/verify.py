"""`minicnn verify` on the command line."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys

import numpy as np

from ..errors import InputError

EXAMPLE = """example: minicnn verify my_filters.py:sharpen --size 32,32 --domain window

The function takes an array (images, channels, H, W) and returns one. A file with only

    import numpy as np

    def sharpen(f):
        return 2 * f - np.roll(f, 1, axis=3)

is enough. Domains: torus, what leaves on one side enters on the other (circular padding); plane, the image is zero
outside; window, the image goes on outside, unseen (no padding)."""


def add_parser(commands, formatter):
    """Add `verify` to the commands."""
    command = commands.add_parser(
        "verify", help="prove or refute that an operator is a convolution",
        description="Prove or refute that an operator on images is a convolution: linear, and equivariant to shifts. "
                    "Without an argument well-known operators are judged, those that are and those that are not.",
        epilog=EXAMPLE, formatter_class=type("Formatter", (formatter, argparse.RawDescriptionHelpFormatter), {}),
        allow_abbrev=False)
    command.set_defaults(run=verify)
    option = command.add_argument
    option("target", nargs="?", metavar="FILE.py:FUNCTION", help="your operator, in a file or as module:attribute: a "
                                                                 "function of arrays or Tensors, or a Module")
    option("--channels", type=int, default=1, metavar="N", help="of the images that it takes")
    option("--size", default="16,16", metavar="H,W", help="of the images")
    option("--domain", choices=("torus", "plane", "window"), default="torus", help="what is beyond the border")
    option("--dtype", choices=("float64", "float32"), default="float64", help="of the images")
    option("--trials", type=int, default=8, metavar="N", help="images for each law")
    option("--exhaustive", action="store_true", help="try every basis vector: a proof, if the operator is linear")
    option("--picture", metavar="FILE", help="draw the steps from linear and equivariant to h * f for a digit, where "
                                             "your operator keeps the size (png, pdf or svg)")
    option("--layers", action="store_true", help="of a Module: judge it up to each of its layers")
    option("--seed", type=int, default=0, help="of the images")
    option("--time-limit", type=float, default=60.0, metavar="S", help="seconds that calls of your operator may take")
    option("--json", action="store_true", help="print the result as one line of JSON")


def verify(arguments):
    """minicnn verify: 0 if it is a convolution, or all known operators were judged rightly; 1 if not."""
    return _one(arguments) if arguments.target is not None else _catalogue(arguments)


def _one(arguments):
    from ..equivariance.layerwise import layer_reports
    from ..equivariance.verifier import verify_convolution
    from ..nn.module import Module
    from ..progress import on_stderr
    from .user_code import load
    size = _size(arguments.size)
    with contextlib.redirect_stdout(sys.stderr):        # what the file prints is not our result
        op = load(arguments.target)
    if not callable(op) or isinstance(op, type):
        raise InputError(f"{arguments.target} is no operator but of type {type(op).__name__}: name a function of "
                         "arrays, or a Module made already")
    options = {"domain": arguments.domain, "dtype": np.dtype(arguments.dtype), "trials": arguments.trials,
               "exhaustive": arguments.exhaustive, "time_limit": arguments.time_limit,
               "rng": np.random.default_rng(arguments.seed)}
    if arguments.layers:
        if not isinstance(op, Module):
            raise InputError(f"--layers needs a Module; {arguments.target} is a {type(op).__name__}")
        with on_stderr("layers") as progress, contextlib.redirect_stdout(sys.stderr):
            found = layer_reports(op, arguments.channels, size, **options, progress=progress)
        if arguments.json:
            print(json.dumps([{"layer": one.name, "kind": one.kind, **one.report.to_dict()} for one in found]))
        else:
            print("\n".join(map(str, found)))
        return 0 if found and all(one.report for one in found) else 1
    if arguments.picture:
        _draw(op, arguments, size)
    with on_stderr("verify") as progress, contextlib.redirect_stdout(sys.stderr):
        report = verify_convolution(op, arguments.channels, size, **options, progress=progress)
    print(json.dumps({"target": arguments.target, **report.to_dict()}) if arguments.json else report)
    return 0 if report else 1


def _draw(op, arguments, size):
    """The derivation of the operator for a digit, as a picture."""
    from .. import viz
    from ..data import load
    from ..equivariance.proof import derivation
    digit = load("mnist5k").train_images[3, 4:24:2, 6:26:2] / 255.0                     # 10 x 10
    image = np.zeros(tuple(max(n, 10) for n in size))
    image[:10, :10] = digit
    image = (image - np.roll(image, 4, 1))[:size[0], :size[1]]      # signed: for light alone a ReLU is linear
    found = derivation(op, np.stack([image] * arguments.channels), time_limit=arguments.time_limit)
    viz.save(viz.derivation(found), arguments.picture)
    print(f"the derivation: {arguments.picture}", file=sys.stderr)


def _size(text):
    numbers = text.split(",")
    if len(numbers) != 2 or not all(n.strip().isdecimal() and int(n) > 0 for n in numbers):
        raise InputError(f"--size must be two positive integers, as in 16,16, not {text!r}")
    return tuple(int(n) for n in numbers)


def _catalogue(arguments):
    from ..equivariance.known_operators import run_catalogue
    from ..progress import on_stderr
    from .output import print_table
    defaults = {"channels": 1, "size": "16,16", "domain": "torus", "dtype": "float64", "trials": 8, "exhaustive": False,
                "layers": False, "picture": None, "seed": 0}
    given = [name for name, default in defaults.items() if getattr(arguments, name) != default]
    if given:
        raise InputError(f"--{given[0]} is about an operator of yours: name it, as in my_filters.py:sharpen")
    with on_stderr("operators") as progress:
        outcomes = run_catalogue(progress)
    right = sum(outcome.right for outcome in outcomes)
    if arguments.json:
        print(json.dumps({"right": right, "operators": [outcome.to_dict() for outcome in outcomes]}))
    else:
        rows = [[outcome.name, outcome.entry.domain, "" if outcome.right else "WRONG",
                 outcome.report.verdict, _witness(outcome.report)] for outcome in outcomes]
        print_table("operator", ["domain", "", "verdict", "witness: the smallest input found"], rows,
                    left=(0, 1, 2, 3, 4), fold=(3, 4))
        print(f"{right} of {len(outcomes)} operators judged rightly")
    if right < len(outcomes):
        print("minicnn verify: the verifier itself is wrong on those marked WRONG", file=sys.stderr)
    return 0 if right == len(outcomes) else 1


def _witness(report):
    return "" if report.witness is None else str(report.witness).replace(" is broken at output pixel", " fails at")
