"""`minicnn animate`: draw a moving digit and the feature map that moves along."""

from __future__ import annotations

import argparse
import os
import time
from typing import Any

from ...errors import MinicnnError
from ..digit_network import add_weights, moved_pictures, shown_network
from ..options import (
    PICTURES,
    add_algorithm,
    add_command,
    add_drawing_size,
    add_json,
    add_quiet,
    commas,
    destination,
    names,
    to_integer,
    to_number,
    writes,
)
from ..output import note_stderr, plain_style, print_line, print_result, print_text, save_picture

COLOURS = 9                             # of the picture's palette
FIRST = (3, 7, 0)                       # digits that are drawn
DPI = 160                               # of an animation; it is 8 inches wide
EXAMPLE = """minicnn animate --digits 3,7 --path square --out digits.gif

The animation shows T X, the moved digit; its feature map phi(T X); and T phi(X), the moved map of the digit in the
middle. The two maps are equal for a shift. Two contrasts, for which they differ: --path turn turns the digit, and
--beside pool,mlp shows a pool and the hidden units of an MLP."""


def add_parser(commands: Any) -> None:
    """Add `animate` to the commands."""
    from ...moving_digit.canvas import DIGIT, LARGEST, LAYERS
    from ...moving_digit.contrasts import BESIDE
    from ...moving_digit.scene import PATHS, TURN
    command = add_command(
        commands, "animate", run, "draw a moving digit and the feature map that moves along",
        "Draw a digit that moves over a canvas, and beside it the feature map of a convolution. The colours are "
        "clusters of the map's activations. With --figure, draw one still picture instead.",
        EXAMPLE)
    option = command.add_argument
    option("--out", type=writes(_animation), metavar="FILE", default="animation.gif",
           help="a .gif, .mp4 (needs ffmpeg) or .html file, or a new directory for PNG frames; an old file is replaced")
    option("--figure", type=destination(*PICTURES), metavar="FILE",
           help="instead, draw X1, T X1 and their feature maps as one picture (png, pdf or svg)")
    option("--by", type=commas(to_integer(), "6,4", 2), default="6,4", metavar="Y,X",
           help="with --figure: how far the digit moves down and to the right, in pixels; --by=-2,3 moves it up")
    option("--turn", type=to_integer(1, 359), metavar="DEGREES",
           help="with --figure: turn the digit counterclockwise instead; a convolution does not keep a turn")
    option("--digits", type=commas(to_integer(0, 9), "3,7"), metavar="D,D",
           help="classes, drawn one after the other (default: 3,7,0); --figure draws only one digit, by default 3")
    option("--path", choices=(*PATHS, TURN), default="circle",
           help="the path of each digit; all: each place once; turn: it turns in its place, for contrast")
    option("--beside", type=names(BESIDE, "pool,mlp"), default=(), metavar="NAMES",
           help="contrasts, with commas: pool (2x2 max-pool of the layer's map), mlp (hidden units of an MLP, which is "
                "trained for some seconds)")
    option("--layer", choices=LAYERS, default="conv4", help="the layer whose feature map is drawn")
    option("--clusters", type=to_integer(2, COLOURS), default=6, metavar="K", help=f"number of colours, 2 to {COLOURS}")
    option("--canvas", type=to_integer(DIGIT, LARGEST), metavar="N",
           help=f"side of the square canvas in pixels, {DIGIT} to {LARGEST} (default: such that the pattern does "
                "not run out of the map: 46 for conv1, 70 for conv4)")
    add_drawing_size(command, f"{DPI}: 1280 pixels in 8 inches; of a figure 150", "8 inches wide; a figure 10")
    add_weights(command, "a LeNet")
    add_algorithm(command, "direct", "convolution algorithm; direct is equivariant to the last bit")
    option("--fps", type=to_number(above=0.01, most=100), default=12.0, metavar="N", help="frames per second")
    command.refuse("out", "fps", "path", "beside", when="figure", because="that is one still picture")
    command.refuse("digits", when=lambda given: given.figure and given.digits and len(given.digits) > 1,
                   because="--figure draws one digit; name one")
    command.refuse("classes", when=lambda given: given.figure and given.classes and len(given.classes) > 1,
                   because="--figure draws one picture; name one class")
    command.refuse("by", "turn", unless="figure")
    command.refuse("by", when="turn")
    command.refuse("fps", when=lambda given: given.out is not None and not given.out.suffix,
                   because="single frames have no speed")
    add_quiet(command)
    add_json(command)


@plain_style
def run(arguments: argparse.Namespace) -> None:
    """minicnn animate."""
    from ...progress import Part, on_stderr
    shown = shown_network(arguments, "the picture", arguments.algo)
    digits = arguments.digits or FIRST
    if arguments.figure is not None:
        return _figure(arguments, shown, digits[0])
    from ...moving_digit.scene import Scene
    from ...viz.animation import write_animation
    start = time.perf_counter()
    with on_stderr("animate", arguments.quiet) as progress:
        scene = Scene.compute(shown.model, shown.pictures or digits, arguments.path, arguments.layer,
                              arguments.clusters, arguments.canvas, Part(progress, 0.0, 0.25),
                              arguments.beside)
        write_animation(arguments.out, scene, arguments.fps, Part(progress, 0.25, 1.0), arguments.picture_size,
                        arguments.dpi)
    seconds, count = time.perf_counter() - start, len(scene.images)
    if all(move == scene.moves[0] for move in scene.moves):
        note_stderr(f"The {scene.noun} does not move: it fills the canvas of {scene.images.shape[1]} pixels. Give a "
                    "larger --canvas")
    moved = {"digits": digits} if shown.pictures is None else moved_pictures(shown.pictures)
    result = {"out": str(arguments.out), "frames": count, "layer": arguments.layer, **moved, "seconds": seconds,
              "largest_differences": {one.title: one.largest for one in scene.maps}}
    print_result(arguments, result, lambda: print_line(
        f"{arguments.out}: {count} frame{'s' * (count != 1)}, made in {seconds:.1f} s"))
    return None


def _figure(arguments, shown, digit):
    from ...moving_digit.figure import equivariance_figure
    turn = arguments.turn or 0
    figure, largest = equivariance_figure(shown.model, digit if shown.pictures is None else shown.pictures,
                                          arguments.layer, arguments.by or (0, 0), arguments.clusters,
                                          arguments.canvas, turn)
    save_picture(figure, arguments.figure, arguments)
    moved = {"digit": digit} if shown.pictures is None else moved_pictures(shown.pictures, 1)
    result = {"figure": str(arguments.figure), "layer": arguments.layer, **moved, "by": arguments.by, "turn": turn,
              "largest_difference": largest}
    noun = "digit" if shown.pictures is None else shown.pictures.noun
    print_result(arguments, result, lambda: print_text(
        f"{arguments.figure}: the map of the moved {noun} and the moved map differ by at most {largest:.2g}"))


def _animation(text):
    """Type of --out: a file that can be written, or a new directory."""
    try:
        from ...viz.animation import check_animation
        return check_animation(os.path.expanduser(text))
    except MinicnnError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
