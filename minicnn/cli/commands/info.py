"""`minicnn info`: show the layers of a network as a table."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

from ..options import add_command, add_json, add_model, to_integer
from ..output import Column, print_result, print_table

COLUMNS = (Column("layer", left=True), Column("kind", 4, left=True), Column("output", 2, left=True),
           Column("parameters"), Column("products", 1), Column("sees"), Column("algorithm", 3, left=True))


def add_parser(commands: Any) -> None:
    """Add `info` to the commands."""
    command = add_command(
        commands, "info", run, "show the layers of a network as a table",
        "Show the layers of a network as a table: the shape of the output, the parameters, the products for one image, "
        "the width of the input that one output pixel sees (in pixels), and the convolution algorithm.",
        "minicnn info --batch-size 64")
    add_model(command)
    command.add_argument("--batch-size", type=to_integer(1), default=64, metavar="N",
                         help="images at once; the choice of the algorithm depends on it")
    command.refuse("batch_size", when=("model", "mlp"), because="it has no convolution")
    add_json(command)


def run(arguments: argparse.Namespace) -> None:
    """minicnn info."""
    from ...models import MODELS
    from ...nn.summary import summarize
    layers = summarize(MODELS[arguments.model](), (arguments.batch_size or 1, 1, 28, 28))
    print_result(arguments, [asdict(layer) for layer in layers], lambda: print_table(COLUMNS, _rows(layers)))


def _rows(layers):
    rows = [[layer.name, layer.kind.partition("(")[0], "x".join(map(str, layer.out_shape)), f"{layer.parameters:,}",
             f"{layer.multiply_adds:,}", _field(layer.receptive_field), layer.algorithm or ""] for layer in layers]
    totals = (f"{sum(getattr(layer, name) for layer in layers):,}" for name in ("parameters", "multiply_adds"))
    return [*rows, ["total", "", "", *totals, "", ""]]


def _field(pixels):
    """The receptive field as text. `pixels` is an int, a pair (down, across), or None for the whole image."""
    if pixels is None:
        return "all"
    return "x".join(map(str, pixels)) + " px" if isinstance(pixels, tuple) else f"{pixels} px"
