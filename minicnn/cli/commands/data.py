"""`minicnn data`: show and verify the data files."""

from __future__ import annotations

import argparse
import os
from dataclasses import asdict
from typing import Any

from ...errors import FileError
from .. import FAILED, OK
from ..options import add_command, add_data, add_json
from ..output import print_line, print_result, print_text, width, wrap


def add_parser(commands: Any) -> None:
    """Add `data` to the commands."""
    command = add_command(
        commands, "data", run, "show which data files are there, and verify them",
        "Show where the data files lie, and verify them by their checksums. Exit status 1: a file is missing or "
        "corrupt.", "minicnn data --dataset fashion-mnist --download")
    add_data(command, default="mnist")
    command.add_argument("--download", action="store_true", help="first download the files that the cache "
                                                                 "directory lacks")
    command.refuse("download", when=("dataset", "mnist5k"), because="these digits are part of the package")
    command.refuse("download", when="data", because="minicnn downloads only into its cache directory")
    add_json(command)


def run(arguments: argparse.Namespace) -> int:
    """minicnn data. The status is OK if all files are there and genuine, else FAILED."""
    from ...data import describe, load
    if arguments.data is not None and not os.path.isdir(arguments.data):
        raise FileError(f"--data {arguments.data}: there is no such directory")
    if arguments.download:
        load(arguments.dataset)
    records = describe(arguments.dataset, arguments.data)
    absent = arguments.dataset == "mnist" and arguments.data is None and any(one.state == "missing" for one in records)
    print_result(arguments, [asdict(record) for record in records], lambda: _print(records, absent))
    return FAILED if any(record.state.startswith(("missing", "corrupt")) for record in records) else OK


def _print(records, absent):
    for record in records:
        size = "" if record.size is None else f", {record.size:,} bytes"
        text = f"{record.name}{size}: {record.state}\n    {record.path}\n    {record.origin}"
        print_line(wrap(text, width(), "    "))
    if absent:
        print_text("minicnn train works without these files: if it cannot download them, it takes the 5,000 digits "
                   "that are part of the package (--dataset mnist5k).")
