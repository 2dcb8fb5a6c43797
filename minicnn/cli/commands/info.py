"""`minicnn info`: show the layers of a network as a table."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

from ..options import add_command, add_json, add_model, commas, given_path, to_integer
from ..output import Column, print_result, print_table

COLUMNS = (Column("layer", left=True), Column("kind", 2, left=True), Column("output", 3, left=True),
           Column("parameters"), Column("products", 1), Column("sees"), Column("algorithm", 4, left=True))


def add_parser(commands: Any) -> None:
    """Add `info` to the commands."""
    command = add_command(
        commands, "info", run, "show the layers of a network as a table",
        "Show the layers of a network as a table: the shape of the output, the parameters, the products for one image, "
        "the width of the input that one output pixel sees (in pixels), and the convolution algorithm.",
        "minicnn info --model small-resnet --channels 3 --size 64,48")
    option = command.add_argument
    option("weights", nargs="?", type=given_path, metavar="RUN",
           help="the directory of a run, or a .safetensors file: show its network")
    add_model(command)
    option("--channels", type=to_integer(1, 1 << 16), default=1, metavar="N", help="channels of the images")
    option("--size", type=commas(to_integer(1, 1 << 16), "28,28", 2), default="28,28", metavar="H,W",
           help="size of the images")
    option("--classes", type=to_integer(1, 1 << 16), default=10, metavar="N",
           help="number of classes, for a network that takes it")
    option("--batch-size", type=to_integer(1), default=64, metavar="N",
           help="images at once; the choice of the algorithm depends on it")
    command.refuse("model", "channels", "size", "classes", when="weights",
                   because="a run remembers its network and its data")
    command.refuse("batch_size", when=("model", "mlp"), because="it has no convolution")
    add_json(command)


def run(arguments: argparse.Namespace) -> None:
    """minicnn info."""
    from ...nn.summary import summarize
    from ..user_code import user_errors
    name, model, sizes = _network(arguments)
    shape = arguments.batch_size or 1, sizes["in_channels"], *sizes["image_size"]
    hint = "" if arguments.weights else " (--channels and --size choose others)"
    with user_errors(name, f"pictures of shape {shape}{hint}"):
        layers = summarize(model, shape)
    print_result(arguments, [asdict(layer) for layer in layers], lambda: print_table(COLUMNS, layers.rows()))


def _network(arguments):
    """The name of the network, the network, and the sizes of its data."""
    from ..networks import description, make_network, measured_network, remembered_sizes
    if arguments.weights is None:
        sizes = {"in_channels": arguments.channels, "num_classes": arguments.classes, "image_size": arguments.size}
        return arguments.model, make_network(description(arguments.model, sizes)), sizes
    _, name, model, meta = measured_network(arguments.weights, None)
    return name, model, {"in_channels": 1, "image_size": (28, 28), **remembered_sizes(meta, "")}
