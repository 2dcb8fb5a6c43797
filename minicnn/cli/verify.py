"""`minicnn verify`: prove or refute that an operator is a convolution."""

from __future__ import annotations

import argparse
import inspect
from typing import Any

import numpy as np

from ..errors import InputError
from . import FAILED, OK
from .options import PICTURES, add_command, add_json, add_quiet, commas, destination, to_integer, to_number
from .output import Column, note_stderr, print_result, print_table, print_text

EXAMPLE = """minicnn verify my_filters.py:sharpen --size 32,32 --domain window

The function takes an array (images, channels, H, W) and returns another array. This file is enough:

    import numpy as np

    def sharpen(f):
        return 2 * f - np.roll(f, 1, axis=3)

The domain says which pixels lie beyond the border of the image. torus: the image repeats (circular padding). plane: all
pixels are zero (zero padding). window: the image goes on, but the operator does not see these pixels (no padding)."""
KNOWN = (Column("operator", left=True, least=14), Column("domain", 2, left=True), Column("judged", left=True),
         Column("verdict", left=True, least=20), Column("witness: the smallest input found", 1, left=True, least=28))
CHECKS = (Column("law", left=True, least=22), Column("", left=True), Column("error", 1), Column("tolerance", 2))


def add_parser(commands: Any) -> None:
    """Add `verify` to the commands."""
    command = add_command(
        commands, "verify", run, "prove or refute that an operator is a convolution",
        "Prove or refute that an operator on images is a convolution: linear, and equivariant to shifts. Without an "
        "argument the command judges well-known operators, some of which are convolutions. Exit status 1: the operator "
        "is not a convolution.",
        EXAMPLE)
    option = command.add_argument
    option("target", nargs="?", metavar="FILE.py:FUNCTION", help="your operator, in a file or as module:attribute: a "
                                                                 "function of arrays or Tensors, or a Module")
    option("--channels", type=to_integer(1), default=1, metavar="N", help="channels of the operator's images")
    option("--size", type=commas(to_integer(1), "16,16", 2), default="16,16", metavar="H,W", help="size of the images")
    option("--domain", choices=("torus", "plane", "window"), default="torus",
           help="which pixels lie beyond the border, see below")
    option("--dtype", choices=("float64", "float32"), default="float64", help="dtype of the images")
    option("--trials", type=to_integer(1), default=8, metavar="N", help="images for each law")
    option("--exhaustive", action="store_true", help="try every basis vector; for a linear operator this is a proof")
    option("--picture", type=destination(*PICTURES), metavar="FILE",
           help="draw the derivation of op(f) = h * f for a digit on the torus (png, pdf or svg); the operator must "
                "keep the size of the images")
    option("--layers", action="store_true", help="judge a Module up to each of its layers")
    option("--seed", type=to_integer(0), default=0, metavar="N", help="seed of the images")
    option("--time-limit", type=to_number(above=0), default=60.0, metavar="S",
           help="seconds that all calls of your operator together may take")
    command.refuse("channels", "size", "domain", "dtype", "trials", "exhaustive", "picture", "layers", "seed",
                   "time_limit", unless="target", because="it is about an operator of yours")
    command.refuse("picture", when="layers", because="a picture is of the whole operator")
    add_quiet(command)
    add_json(command)


def run(arguments: argparse.Namespace) -> int:
    """minicnn verify. The status is OK if the operator is a convolution, or all known operators are judged rightly."""
    from ..progress import on_stderr
    with on_stderr("verify", arguments.quiet) as progress:
        if arguments.target is None:
            return _catalogue(arguments, progress)
        from .user_code import load_object
        op = load_object(arguments.target)
        if not callable(op) or isinstance(op, type):
            raise InputError(f"{arguments.target} is not an operator but of type {type(op).__name__}: name a function "
                             "of arrays, or a Module (an object, not its class)")
        with _hint_at_factory(op, arguments.target):
            return (_layers if arguments.layers else _whole)(op, arguments, progress)


def _settings(arguments, progress):
    return {"in_channels": arguments.channels, "size": arguments.size, "domain": arguments.domain,
            "dtype": np.dtype(arguments.dtype), "trials": arguments.trials, "exhaustive": arguments.exhaustive,
            "time_limit": arguments.time_limit, "rng": np.random.default_rng(arguments.seed), "progress": progress}


def _whole(op, arguments, progress):
    from ..equivariance.verifier import verify_convolution
    if arguments.picture:
        _draw(op, arguments)
    report = verify_convolution(op, **_settings(arguments, progress))
    print_result(arguments, {"target": arguments.target, **report.to_dict()}, lambda: _print_report(report))
    return OK if report else FAILED


def _print_report(report):
    tried = "proved with all basis vectors" if report.proof else f"{report.images} images tried"
    where = "in a window" if report.domain == "window" else f"on the {report.domain}"
    print_text(f"{report.verdict} ({where}, {report.size[0]} x {report.size[1]}, {report.dtype}, {tried})")
    print_table(CHECKS, [[check.says, "ok" if check.passed else "FAIL", f"{check.error:.1e}", f"{check.tolerance:.1e}"]
                         for check in report.checks])
    h = report.impulse_response
    if h is not None and report.affine:
        outs, ins, height, width = h.kernel.shape
        print_text(f"h: {outs} x {ins} kernels of {height} x {width} pixels, the origin at {h.origin}")
    for witness in report.witnesses.values():
        print_text(f"witness: {witness}")


def _layers(module, arguments, progress):
    from ..equivariance.layerwise import layer_reports
    from ..nn.module import Module
    if not isinstance(module, Module):
        raise InputError(f"--layers needs a Module; {arguments.target} is a {type(module).__name__}")
    found = layer_reports(module, **_settings(arguments, progress))
    print_result(arguments, [{"layer": one.name, "kind": one.kind, **one.report.to_dict()} for one in found],
                 lambda: [print_text(str(one)) for one in found])
    return OK if found and all(one.report for one in found) else FAILED


class _hint_at_factory:
    """Context manager: if the target is a function that makes an operator, the error says so."""

    def __init__(self, op, target):
        self.op, self.target = op, target

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if kind is None or not issubclass(kind, InputError):
            return
        try:
            arguments = inspect.signature(self.op).parameters.values()
        except (TypeError, ValueError):                 # a function written in C has no signature
            return
        if all(a.default is not a.empty or a.kind is a.VAR_KEYWORD for a in arguments):
            raise InputError(f"{self.target} takes no image: each of its arguments has a default value. If it makes an "
                             f"operator, write net = {self.target.rpartition(':')[2]}() into a file, and name that "
                             f"operator: my_file.py:net. (The call with an image failed: {error})") from error


def _draw(op, arguments):
    """Draw the derivation for a digit."""
    from .. import viz
    from ..data import load
    from ..equivariance.proof import derivation
    digit = load("mnist5k").train_images[3, 4:24:2, 6:26:2] / 255.0                     # 10 x 10
    image = np.zeros(tuple(max(n, 10) for n in arguments.size))
    image[:10, :10] = digit
    image = image - np.roll(image, 4, 1)                # both signs, because a ReLU is linear on positive pixels
    image = image[:arguments.size[0], :arguments.size[1]]
    found = derivation(op, np.stack([image] * arguments.channels), time_limit=arguments.time_limit)
    viz.save(viz.derivation(found), arguments.picture)
    note_stderr(f"the derivation: {arguments.picture}")


def _catalogue(arguments, progress):
    from ..equivariance.known_operators import run_catalogue
    outcomes = run_catalogue(progress)
    right = sum(outcome.right for outcome in outcomes)
    print_result(arguments, {"right": right, "operators": [outcome.to_dict() for outcome in outcomes]},
                 lambda: _print_catalogue(outcomes, right))
    if right < len(outcomes):
        note_stderr("minicnn verify: the verifier's verdict on the operators marked WRONG is not the known one")
    return OK if right == len(outcomes) else FAILED


def _print_catalogue(outcomes, right):
    print_table(KNOWN, [[outcome.name, outcome.entry.domain, "" if outcome.right else "WRONG", outcome.report.verdict,
                         _witness(outcome.report)] for outcome in outcomes])
    print_text(f"{right} of {len(outcomes)} operators judged rightly")


def _witness(report):
    return "" if report.witness is None else str(report.witness).replace(" is broken at output pixel", " fails at")
