"""`minicnn verify`: prove or refute that an operator is a convolution."""

from __future__ import annotations

import argparse
import inspect
import os
import re
import textwrap
from typing import Any

import numpy as np

from ...errors import InputError
from .. import FAILED, OK
from ..options import add_command, add_drawing, add_json, add_quiet, commas, destination, to_integer, to_number
from ..output import Column, note_stderr, plain_style, print_result, print_table, print_text, save_picture
from ..ranks import begin, refuse_many, share, world

EXAMPLE = """minicnn verify my_filters.py:sharpen --size 32,32 --domain window

The function takes an array (images, channels, H, W) and returns another array. This file is enough:

    import numpy as np

    def sharpen(f):
        return 2 * f - np.roll(f, 1, axis=3)

The domain says which pixels lie beyond the border of the image. torus: the image repeats (circular padding). plane: all
pixels are zero (zero padding). window: the image goes on, but the operator does not see these pixels (no padding).

Without an operator, mpiexec -n 4 minicnn verify shares the known operators among four processes."""
CLASSES = 10                            # for a network that takes their number; the verdict does not depend on it
IN_OPTIONS = {                          # words of the library: words of the command line
    "give dtype='float32'": "give --dtype float32", "without its layers": "without --layers",
    "(layer_reports)": "(--layers)", "leave out size and in_channels": "leave out --size and --channels",
    "choose domain='window'": "choose --domain window", "give a smaller size": "give a smaller --size",
    "or a larger time_limit": "or a larger --time-limit", "does it need a larger size, or other channels?":
    "does it need a larger --size, or other --channels?", "give a larger size, or the channels that it needs":
    "give a larger --size, or the --channels that it needs", "fewer channels or fewer trials":
    "fewer --channels or fewer --trials",
    "judge it on the plane or in a window": "judge it with --domain plane or --domain window",
    "judge it in a window": "judge it with --domain window"}
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
    option("target", nargs="?", metavar="FILE.py:FUNCTION|MODEL.onnx",
           help="your operator, in a file or as module:attribute: a function of arrays or tensors (minicnn, PyTorch, "
                "JAX), a function of SciPy or scikit-image, a Module of minicnn or PyTorch, a class that makes a "
                "Module of minicnn, a function that makes a Module, a layer of Keras or Flax, or an ONNX file")
    option("--channels", type=to_integer(1), default=None, metavar="N",
           help="channels of the operator's images (default: what a model says, else 1)")
    option("--size", type=commas(to_integer(1), "16,16", 2), default=None, metavar="H,W",
           help="size of the images (default: what a model says, else 16,16)")
    option("--output", metavar="N|NAME", help="which of several outputs is judged: its place, from 0, or its name")
    option("--layout", choices=("nchw", "nhwc"), help="the order of the axes of images and output: channels first "
                                                      "(the default), or last")
    option("--domain", choices=("torus", "plane", "window"), default="torus",
           help="which pixels lie beyond the border, see below")
    option("--dtype", choices=("float64", "float32"), help="dtype of the images (default: float64; with --layers "
                                                             "float32, which is faster)")
    option("--trials", type=to_integer(1), default=8, metavar="N", help="images for each law")
    option("--exhaustive", action="store_true", help="try every basis vector; if the operator is linear, this is a "
                                                           "proof")
    add_drawing(command, "draw the derivation of op(f) = h * f for a digit on the torus; the operator must keep the "
                         "size of the images")
    option("--report", type=destination(".html"), metavar="FILE",
           help="write one HTML file that needs no network: the verdict, the laws, the counterexamples as pictures, "
                "the impulse response, its spectrum, and with --layers the layers")
    option("--layers", action="store_true", help="judge a network up to each of its layers, an ONNX model up to each "
                                                 "of its nodes, and say why the first one breaks equivariance")
    option("--bound", type=to_number(above=0), metavar="B",
           help="tolerance: B times eps times the sum of the magnitudes of a pixel's n terms (default: 8 + sqrt(n))")
    option("--seed", type=to_integer(0), default=0, metavar="N", help="seed of the images, and of a new Module")
    option("--time-limit", type=to_number(above=0), default=60.0, metavar="S",
           help="seconds that all calls of your operator together may take; checked after each call")
    command.refuse("channels", "size", "output", "layout", "domain", "dtype", "trials", "exhaustive", "picture",
                   "report", "layers", "bound", "seed", "time_limit", unless="target",
                   because="it is about an operator of yours")
    command.refuse("picture", when="layers", because="a picture is of the whole operator")
    command.refuse("picture", when=lambda given: given.target and given.domain != "torus",
                   because="the derivation is drawn on the torus. Leave out --domain")
    add_quiet(command)
    add_json(command)


def run(arguments: argparse.Namespace) -> int:
    """minicnn verify. The status is OK if the operator is a convolution, or all known operators are judged rightly."""
    from ...progress import on_stderr
    from ...progress.ranks import together
    if arguments.target is not None:
        refuse_many(arguments.prog, "Only the known operators, without an argument, are shared out")
    comm = arguments.comm = world(arguments.prog)
    with together(comm), on_stderr("verify", arguments.quiet) as progress:
        begin(comm, False, arguments.quiet)
        if arguments.target is None:
            return _catalogue(arguments, progress)
        from ...adapters.onnx import is_source
        from ...equivariance.operator import as_operator, image_shape
        from ..networks import made_operator, makes_a_network
        from ..user_code import load_object, refuse_class
        # The user's code may change the current directory.
        arguments.place, arguments.page = (path and os.path.abspath(path) for path in (arguments.picture,
                                                                                       arguments.report))
        op = arguments.target if is_source(arguments.target) else load_object(arguments.target)
        if makes_a_network(op):
            channels, size = arguments.channels or 1, arguments.size or (16, 16)
            sizes = {"in_channels": channels, "num_classes": CLASSES, "image_size": size}
            rng = np.random.default_rng(arguments.seed)
            op = made_operator(op, arguments.target, rng, sizes, arguments.quiet).eval()
            note_stderr(f"{arguments.target} makes a Module: it is judged in eval mode", arguments.quiet)
        refuse_class(op, arguments.target)
        if not callable(op) and not is_source(op):
            raise InputError(f"{arguments.target} is not an operator but of type {type(op).__name__}: name a function "
                             "of arrays, or a Module")
        try:
            given = as_operator(op, _place_or_name(arguments.output), arguments.layout)
            arguments.channels, arguments.size = image_shape(given, arguments.channels, arguments.size)
            return (_layers if arguments.layers else _whole)(given, arguments, progress)
        except InputError as error:
            raise InputError(_hint_at_factory(op, arguments.target, str(error)) or _in_options(str(error))) from error


def _place_or_name(output):
    return int(output) if output is not None and output.removeprefix("-").isdecimal() else output


def _settings(arguments, progress):
    dtype = arguments.dtype or ("float32" if arguments.layers else "float64")
    return {"in_channels": arguments.channels, "size": arguments.size, "domain": arguments.domain,
            "dtype": np.dtype(dtype), "trials": arguments.trials, "exhaustive": arguments.exhaustive,
            "bound": arguments.bound, "time_limit": arguments.time_limit,
            "rng": np.random.default_rng(arguments.seed), "progress": progress}


def _whole(op, arguments, progress):
    from ...equivariance.verifier import verify_convolution
    drawn = _draw(op, arguments) if arguments.picture else ""
    report = verify_convolution(op, **_settings(arguments, progress))
    saved = _save(report, arguments)
    files = {name: path and str(path) for name, path in (("picture", arguments.picture), ("report", arguments.report))}
    print_result(arguments, {"target": arguments.target, **files, **report.to_dict()},
                 lambda: _print_report(report, [drawn, saved]))
    return OK if report else FAILED


def _print_report(report, files):
    print_text(report.headline)
    print_table(CHECKS, [[check.says, "ok" if check.passed else "FAIL", f"{check.error:.1e}", f"{check.tolerance:.1e}"]
                         for check in report.checks])
    h = report.impulse_response
    if report.power and report.affine:
        print_text(report.power)
    if h is not None and report.affine:
        print_text(f"h: {h}")
    for witness in report.witnesses.values():
        print_text(f"witness: {witness}")
    for line in filter(None, files):
        print_text(line)


def _layers(module, arguments, progress):
    from ...equivariance.layerwise import network_report
    from ...equivariance.operator import has_layers
    if not has_layers(module):
        raise InputError(f"--layers needs a Module of minicnn, PyTorch or Flax, a layer or model of Keras, or an ONNX "
                         f"model; {arguments.target} is a {type(module.func).__name__}. Judge it as a whole, without "
                         "--layers")
    found = network_report(module, **_settings(arguments, progress))
    saved = _save(found, arguments)
    print_result(arguments, found.to_list(), lambda: _print_network(found, saved))
    return OK if found.layers and all(one.report or one.mended for one in found.layers) else FAILED


def _save(found, arguments):
    """Write --report, if it is given. Return a line about it."""
    if arguments.page is None:
        return ""
    from ...equivariance.page import save_report
    asked = {"trials": str(arguments.trials), "seed": str(arguments.seed),
             "tolerance of a pixel with n terms": f"{arguments.bound or '8 + sqrt(n)'} eps times their magnitudes",
             "time limit": f"{arguments.time_limit:g} s"}
    save_report(found, arguments.page, operator=arguments.target, asked=asked)
    return f"the report, a page for a browser: {arguments.report}"


def _print_network(found, saved):
    for one in found.steps:
        print_text(str(one))
    first = found.first
    print_text(f"first layer that breaks equivariance: {first.title if first else 'none'}" if found.layers else
               "no layer returns an image of several pixels")
    if first:
        print_text(f"why: {_in_options(first.reason)}" if first.reason else
                   "why: nothing in its settings explains it; look at what the network does before this layer")
    if found.after:
        print_text("after the last image:")
    for step in found.after:
        print_text(str(step))
        if getattr(step, "reason", ""):
            print_text(f"why: {_in_options(step.reason)}")
    if saved:
        print_text(saved)


def _hint_at_factory(op, target, error):
    """The message about a function that makes an operator instead of being one, or ""."""
    if not inspect.isfunction(op) or not error.startswith(("the operator raised", "the operator returned a ")):
        return ""
    if any(a.default is a.empty and a.kind is not a.VAR_KEYWORD for a in inspect.signature(op).parameters.values()):
        return ""
    cause = textwrap.shorten(error, 160, placeholder=" ...")
    return (f"{target} takes no image: each of its arguments has a default value. If it makes an operator, write net = "
            f"{target.rpartition(':')[2]}() into a file, and name that operator: my_file.py:net. (The call with an "
            f"image failed: {cause})")


def _in_options(error):
    """A message of the library in the words of the command line."""
    for argument, option in IN_OPTIONS.items():
        error = error.replace(argument, option)
    return re.sub(r"\b(output|layout)=('?)([^\s',)]+)\2", r"--\1 \3", error)


@plain_style
def _draw(op, arguments):
    """Draw the derivation for a digit. Return a line about the picture."""
    from ... import functional as F
    from ... import viz
    from ...data import load
    from ...equivariance.proof import derivation
    side = max(1, min(20, min(arguments.size) - 2))
    digit = F.adaptive_avg_pool2d(load("mnist5k").train_images[None, None, 1, 4:24, 4:24] / 255.0, side).data[0, 0]
    image = np.pad(digit, [((size - side) // 2, size - side - (size - side) // 2) for size in arguments.size])
    image -= image.mean()                               # both signs, because a ReLU is linear on positive pixels
    found = derivation(op, np.stack([image] * arguments.channels), time_limit=arguments.time_limit)
    save_picture(viz.derivation(found), arguments.place, arguments)
    outs, ins = found.impulse_response.shape[:2]
    only = [f"{name} channel 1 of {count}" for name, count in (("input", ins), ("output", outs)) if count > 1]
    return f"the derivation on the torus: {', '.join([str(arguments.picture), *only])}"


def _catalogue(arguments, progress):
    from ...equivariance.known_operators import run_catalogue
    outcomes = run_catalogue(progress, share(arguments.comm, arguments.quiet))
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
