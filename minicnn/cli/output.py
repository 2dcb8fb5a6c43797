"""The results of commands as text on stdout."""

from __future__ import annotations

import json
import sys
from pathlib import Path


def print_training(arguments, result):
    """What `minicnn train` found."""
    if arguments.json:
        print(json.dumps(result))
        return
    test = "no test set" if result["test_error"] is None else f"test error {result['test_error']:.2%}"
    print(f"{result['model']} on {result['dataset']}, {result['epochs']} epoch(s) in {result['seconds']:.0f} s "
          f"({result['images_per_s']:,.0f} images/s): validation error {result['val_error']:.2%}, {test}")
    print(f"weights: {result['checkpoint']}\nsee it: minicnn eval {Path(result['checkpoint']).parent}")


def print_table(corner, header, rows, left=(0,), fold=()):
    """A table; the columns in `left` are left-aligned, those in `fold` may be wrapped."""
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table
    table = Table(box=SIMPLE, pad_edge=False)
    for i, title in enumerate([corner, *header]):
        table.add_column(str(title), justify="left" if i in left else "right", no_wrap=i not in fold)
    for row in rows:
        table.add_row(*row)
    wide = 120 if fold else 200                         # in a file or pipe
    console = Console(width=None if sys.stdout.isatty() else wide, highlight=False)
    console.print(table)


def print_evaluation(arguments, result):
    """What `minicnn eval` found."""
    if arguments.json:
        print(json.dumps(result))
        return
    print(f"{arguments.checkpoint or 'the weights in the package'}, {result['model']}, on the {result['images']:,} "
          f"{result['part']} images of {result['dataset']}: error {result['error']:.2%} "
          f"({round(result['error'] * result['images'])} wrong), loss {result['loss']:.4f}")
    if result["seen_in_training"]:
        print("Mind that these images were among its training data: the error says nothing about new ones.")
    rows = [[str(i), *map(str, row)] for i, row in enumerate(result["confusion"])]
    print_table("true \\ predicted", range(10), rows)
    print(f"the surest mistakes: {result['picture']}")
