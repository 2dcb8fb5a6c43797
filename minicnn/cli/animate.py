"""`minicnn animate` on the command line."""

from __future__ import annotations

import json
import time

from ..errors import InputError


def add_parser(commands, formatter):
    """Add `animate` to the commands."""
    from ..moving_digit.canvas import CANVAS, LAYERS
    from ..moving_digit.scene import PATHS
    command = commands.add_parser(
        "animate", help="draw a moving digit and the feature map that moves along",
        description="Draw a digit that moves over a canvas and beside it the feature map of a convolution, coloured by "
                    "clusters of its activations. With --figure one still picture of it instead.",
        epilog="example: minicnn animate --digits 3,7 --path square --out digits.gif", formatter_class=formatter,
        allow_abbrev=False)
    command.set_defaults(run=animate)
    option = command.add_argument
    option("--out", metavar="FILE", help="a .gif, .mp4 (needs ffmpeg) or .html file, or a new directory for PNG "
                                         "frames; animation.gif where not given")
    option("--figure", metavar="FILE", help="instead, X1, T X1 and their feature maps as a picture (png, pdf or svg)")
    option("--by", metavar="Y,X", help="how far down and to the right the digit of --figure moves, in pixels; 6,4 "
                                       "where not given")
    option("--digits", default="3,7,0", metavar="D,D", help="classes, one after the other; of --figure the first")
    option("--path", choices=PATHS, default="circle", help="which way they go; all: every place once")
    option("--layer", choices=LAYERS, default="conv4", help="whose feature map")
    option("--clusters", type=int, default=6, metavar="K", help="colours, 2 to 9")
    option("--canvas", type=int, default=CANVAS, metavar="N", help="pixels")
    option("--weights", metavar="CHECKPOINT", help="of a LeNet; those of the package where not given")
    option("--algo", default="direct", help="convolution algorithm; direct is equivariant to the last bit")
    option("--fps", type=float, default=12, help="frames a second")
    option("--quiet", action="store_true", help="no progress on stderr")
    option("--json", action="store_true", help="print the result as one line of JSON")


def animate(arguments):
    """minicnn animate."""
    from ..moving_digit.scene import Scene
    from ..progress import Part, on_stderr
    from ..viz.animation import check_animation, write_animation
    from ..viz.style import palette
    start, digits = time.perf_counter(), _numbers("--digits", arguments.digits)
    if not 0 < arguments.fps <= 100:
        raise InputError(f"--fps must be above 0 and at most 100, not {arguments.fps}")
    if arguments.figure is not None and arguments.out is not None:
        raise InputError("--figure draws one picture instead of --out: give one of them")
    if arguments.figure is None and arguments.by is not None:
        raise InputError("--by is about --figure, which was not given")
    out = "animation.gif" if arguments.out is None else arguments.out
    palette(arguments.clusters)
    if arguments.figure is None:
        check_animation(out)
    model = _model(arguments)
    if arguments.figure is not None:
        return _figure(arguments, model, digits[0])
    with on_stderr("animate", arguments.quiet) as progress:
        scene = Scene.compute(model, digits, arguments.path, arguments.layer, arguments.clusters, arguments.canvas,
                              Part(progress, 0.0, 0.25))
        write_animation(out, scene, arguments.fps, Part(progress, 0.25, 1.0))
    result = {"out": out, "frames": len(scene.images), "layer": arguments.layer, "digits": digits,
              "seconds": time.perf_counter() - start}
    print(json.dumps(result) if arguments.json else
          f"{out}: {result['frames']} frames, {result['seconds']:.1f} s")
    return 0


def _figure(arguments, model, digit):
    from ..files import check_destination
    from ..moving_digit.figure import equivariance_figure
    from ..viz import save
    from ..viz.figure import FORMATS
    by = _numbers("--by", "6,4" if arguments.by is None else arguments.by)
    if len(by) != 2:
        raise InputError(f"--by must be two integers, as in 6,4, not {arguments.by!r}")
    check_destination(arguments.figure, FORMATS)
    figure, largest = equivariance_figure(model, digit, arguments.layer, tuple(by), arguments.clusters,
                                          arguments.canvas)
    save(figure, arguments.figure)
    result = {"figure": arguments.figure, "layer": arguments.layer, "digit": digit, "by": by,
              "largest_difference": largest}
    print(json.dumps(result) if arguments.json else
          f"{arguments.figure}: the map of the moved digit and the moved map differ by at most {largest:.2g}")
    return 0


def _model(arguments):
    from ..checkpoint import load, load_into
    from ..models import LeNet
    from ..training import weights_file
    model = LeNet(algorithm=arguments.algo).eval()
    load_into(load(weights_file(arguments.weights)), model)
    return model


def _numbers(name, text):
    parts = text.split(",")
    if not all(part.strip().isdecimal() for part in parts):
        raise InputError(f"{name} must be integers from 0 on with commas between them, as in 3,7, not {text!r}")
    return [int(part) for part in parts]
